#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::config {

/// Whether the leaf at `path` with this value carries a secret (CFG-105).
bool is_secret(const JsonPath& path, const json::value& value);
/// Every secret string of a document of at least `minimum` characters, unique.
std::vector<std::string> secret_values(const json::object& document, std::size_t minimum = 8);

}  // namespace dumb::config
