#pragma once

#include <dumb/base/json.hpp>
#include <dumb/catalog/catalog.hpp>
#include <vector>

namespace dumb::catalog {

/// The JSON Schema of the whole document: types from the defaults, everything else from `rules`
/// (_schema.json) and the services' own `schema` members (CFG-48, CFG-49). Pure.
json::object build_schema(const json::object& document, const std::vector<Service>& services,
                          const json::object& rules);

}  // namespace dumb::catalog
