#pragma once

#include <dumb/catalog/catalog.hpp>
#include <dumb/config/snapshot.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Names of services and providers in requests. Pure.
namespace dumb::onboarding {

struct Named {
  std::string key;       ///< "rclone", "dumb_api_service"
  std::string instance;  ///< when a process name said so
};

/// ONB-10: a top-level key, a display name or alias, or a process name; nullopt when it is none.
std::optional<Named> resolve(std::string_view name, const config::Snapshot& config,
                             const catalog::Catalog& catalog);

struct Provider {
  std::string_view name;     ///< "Debrid Link"
  std::string_view token;    ///< "debridlink"
  std::string_view display;  ///< in instance names
};
/// ONB-15.
std::span<const Provider> providers();
/// null for an unknown one.
const Provider* find_provider(std::string_view name);
/// A name as providers compare: lower case, without blanks, '-', '_' and '.'.
std::string provider_fold(std::string_view name);

/// Every key a core service can have (ONB-18).
bool is_core(const catalog::Service& service);

}  // namespace dumb::onboarding
