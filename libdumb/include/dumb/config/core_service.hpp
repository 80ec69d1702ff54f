#pragma once

#include <boost/json/object.hpp>
#include <dumb/config/model.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::config {

/// Normalised tokens of a block's `core_services` then `core_service`, unique, first kept (CFG-65 to CFG-67).
std::vector<std::string> core_services(const json::object& block, const Model& model);
/// CFG-68.
bool has_core_service(const json::object& block, std::string_view name, const Model& model);
/// One token: trimmed, lower-cased, looked up in names and aliases (DEP-2).
std::string normal_token(std::string_view token, const Model& model);

}  // namespace dumb::config
