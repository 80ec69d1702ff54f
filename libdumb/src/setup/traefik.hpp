#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "setup/scope.hpp"

/// Traefik's files (SVC-106 to SVC-109). Pure.
namespace dumb::setup {

/// The static configuration.
json::object traefik_static(const Scope& scope);
/// Routers, services and middlewares of the user interfaces and of the section's own `services` and
/// `middlewares`. What was left out is told in `warnings`.
json::object traefik_routes(const Scope& scope, std::vector<std::string>& warnings);
/// A document as YAML in block style.
std::string yaml_document(const json::object& document);

}  // namespace dumb::setup
