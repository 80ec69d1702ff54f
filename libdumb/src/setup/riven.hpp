#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

#include "setup/scope.hpp"

/// What Riven needs (SVC-178 to SVC-182). Pure but for Facts.
namespace dumb::setup {

/// `__all__` of the first rclone instance that mounts for Riven, unmapped; blank when there is none.
std::string riven_rclone_path(const Scope& scope);
/// The environment of riven_backend: the section's own entries over what is computed (SVC-179).
json::object riven_environment(const Scope& scope);
/// The key of Riven's API: of the environment, else of its settings; blank when it has none yet (SVC-180).
std::string riven_api_key(const Scope& scope);
/// http://host:port of riven_backend, a wildcard host as loopback.
std::string riven_backend_url(const Scope& scope);

/// What has to be sent to Riven so that its settings follow the environment: a list of {key, value}; empty
/// when nothing differs (SVC-181).
json::array riven_changes(const json::object& settings, const json::object& environment, bool debug);

void add_riven_models(Scope& scope);

}  // namespace dumb::setup
