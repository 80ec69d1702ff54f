#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "route.hpp"

/// The description of the API, made from the route table: OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0).
namespace dumb::server {

/// The document over `routes`, in their order. Pure.
json::object openapi_document(const std::vector<Route>& routes, std::string_view version);

/// The page that shows it and tries requests; needs nothing from elsewhere.
std::string_view documentation_page() noexcept;

/// /openapi.json over `routes` and itself, /docs and /scalar.
std::vector<Route> documentation_routes(const std::vector<Route>& routes);

}  // namespace dumb::server
