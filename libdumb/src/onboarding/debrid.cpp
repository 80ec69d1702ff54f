// Providers and their keys (ONB-15 to ONB-17, ONB-39, ONB-40).
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "onboarding/workbench.hpp"

namespace dumb::onboarding {
namespace {

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

bool takes(const catalog::Service& service, const Provider& provider) {
  return std::any_of(service.debrid_providers.begin(), service.debrid_providers.end(),
                     [&](const std::string& name) { return provider_fold(name) == provider.token; });
}

std::string word_at(const std::vector<std::string>& list, std::size_t index) {
  return index < list.size() ? std::string(text::trim(list[index])) : std::string();
}

}  // namespace

Fault read_debrid(const CoreRequest& core, const catalog::Service& service, std::vector<Debrid>& out) {
  const std::size_t count = std::max(core.debrid_service.size(), core.debrid_key.size());
  const bool zurg_based =
      std::find(service.dependencies.requires_.begin(), service.dependencies.requires_.end(), "zurg") !=
      service.dependencies.requires_.end();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = word_at(core.debrid_service, i);
    Debrid one;
    one.key = word_at(core.debrid_key, i);
    if (has_control(one.key)) return invalid("a debrid key holds control characters");
    if (name.empty() && one.key.empty()) continue;
    if (name.empty() && !zurg_based) return invalid("a debrid key is given without its provider");
    one.provider = find_provider(name.empty() ? "RealDebrid" : std::string_view(name));
    if (one.provider == nullptr || !takes(service, *one.provider))
      return invalid("'" + name + "' is not a debrid provider of " + service.display_name);
    const bool again = std::any_of(out.begin(), out.end(),
                                   [&](const Debrid& other) { return other.provider == one.provider; });
    if (again) return invalid(std::string(one.provider->name) + " is given more than once");
    out.push_back(std::move(one));
  }
  return std::nullopt;
}

std::string stored_api_key(const json::object& block, const Provider& provider) {
  const json::value* keys = block.if_contains("api_keys");
  if (keys == nullptr || !keys->is_object()) return {};
  for (const auto& [name, value] : keys->get_object()) {
    if (provider_fold(name) == provider.token && value.is_string() && !text::blank(value.get_string()))
      return std::string(text::trim(value.get_string()));
  }
  return {};
}

void store_api_key(json::object& block, const Provider& provider, const std::string& key) {
  if (key.empty() || stored_api_key(block, provider) == key) return;
  json::value& member = block["api_keys"];
  if (!member.is_object()) member = json::object();
  json::object& keys = member.get_object();
  std::vector<std::string> others;
  for (const auto& [name, value] : keys) {
    if (name != provider.token && provider_fold(name) == provider.token) others.emplace_back(name);
  }
  for (const std::string& name : others) keys.stable_erase(name);
  keys[provider.token] = key;
}

}  // namespace dumb::onboarding
