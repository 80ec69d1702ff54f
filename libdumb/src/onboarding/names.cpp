#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/onboarding/names.hpp>

namespace dumb::onboarding {
namespace {

constexpr std::array<Provider, 4> known{{{"RealDebrid", "realdebrid", "Realdebrid"},
                                         {"AllDebrid", "alldebrid", "Alldebrid"},
                                         {"Debrid Link", "debridlink", "Debrid Link"},
                                         {"TorBox", "torbox", "Torbox"}}};

}  // namespace

std::optional<Named> resolve(std::string_view name, const config::Snapshot& config,
                             const catalog::Catalog& catalog) {
  const std::string_view wanted = text::trim(name);
  if (wanted.empty()) return std::nullopt;
  for (const auto& [key, value] : config.effective()) {
    if (text::iequals(key, wanted)) return Named{std::string(key), {}};
  }
  if (const catalog::Service* service = catalog.find_token(wanted)) return Named{service->key, {}};
  if (const config::BlockRef* ref = config.resolve(wanted)) return Named{ref->config_key, ref->instance};
  return std::nullopt;
}

std::span<const Provider> providers() {
  return known;
}

std::string provider_fold(std::string_view name) {
  std::string out = text::lower(name);
  std::erase_if(out, [](char c) { return c == ' ' || c == '-' || c == '_' || c == '.'; });
  return out;
}

const Provider* find_provider(std::string_view name) {
  const std::string token = provider_fold(name);
  const auto* found =
      std::find_if(known.begin(), known.end(), [&](const Provider& one) { return one.token == token; });
  return found == known.end() ? nullptr : found;
}

bool is_core(const catalog::Service& service) {
  return service.kind == "core";
}

}  // namespace dumb::onboarding
