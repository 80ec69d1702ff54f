#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>

namespace dumb::config {
namespace {

void add_parts(std::string_view list, const Model& model, std::vector<std::string>& out) {
  for (const std::string& part : text::split(list, ',')) {
    std::string token = normal_token(part, model);
    if (!token.empty() && std::find(out.begin(), out.end(), token) == out.end())
      out.push_back(std::move(token));
  }
}

void add_value(const json::value* value, const Model& model, std::vector<std::string>& out) {
  if (value == nullptr) return;
  if (const auto* string = value->if_string()) {
    add_parts(*string, model, out);
  } else if (const auto* array = value->if_array()) {
    for (const json::value& item : *array) {
      if (item.is_string()) add_parts(item.get_string(), model, out);
    }
  }
}

}  // namespace

std::string normal_token(std::string_view token, const Model& model) {
  std::string key = text::lower(text::trim(token));
  if (const auto found = model.tokens.find(key); found != model.tokens.end()) return found->second;
  for (const auto& [alias, canonical] : model.key_aliases) {
    if (alias == key) return canonical;
  }
  return key;
}

std::vector<std::string> core_services(const json::object& block, const Model& model) {
  std::vector<std::string> out;
  add_value(block.if_contains("core_services"), model, out);
  add_value(block.if_contains("core_service"), model, out);
  return out;
}

bool has_core_service(const json::object& block, std::string_view name, const Model& model) {
  const std::string token = normal_token(name, model);
  if (token.empty()) return false;
  const auto all = core_services(block, model);
  return std::find(all.begin(), all.end(), token) != all.end();
}

}  // namespace dumb::config
