#pragma once

#include <dumb/base/json.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/schedule/agenda.hpp>
#include <dumb/setup/install.hpp>
#include <optional>
#include <string>
#include <string_view>

/// Updates: who has them, when, and what is told of them (SVC 5, API 7). Pure.
namespace dumb::engine {

struct UpdateSettings {
  bool enabled = false;  ///< scheduled, and the configuration does not hold the version
  bool wanted = false;   ///< `auto_update` as it is configured
  schedule::Timing timing{.interval_hours = 24, .start_minute = 240};
  double interval = 24;  ///< hours as configured
  bool operator==(const UpdateSettings&) const = default;
};
/// What stands in place of an unusable value is the default (SVC-92).
UpdateSettings update_settings(const json::object& block, std::string_view block_reason);

/// API-49: "" when updates exist for the service, else the `reason` of `unsupported`.
std::string update_lack(std::string_view config_key, const json::object& block);

/// Payloads; every one carries process_name and checked_at.
json::object unsupported_update(const std::string& process_name, std::string_view reason,
                                schedule::Instant now);
/// API-51.
json::object checked_update(const std::string& process_name, const setup::UpdateCheck& check,
                            const UpdateSettings& settings, std::optional<schedule::Instant> next,
                            schedule::Instant now);
/// A failure of a check or an installation.
json::object failed_update(const std::string& process_name, const Error& error, schedule::Instant now);
/// `status` "updated", "no_update", "blocked" or "error".
json::object installed_update(const std::string& process_name, std::string_view status, std::string message,
                              schedule::Instant now);
/// API-57: `next` nullopt means that there is no schedule.
json::object scheduled_update(const std::string& process_name, const UpdateSettings& settings,
                              std::optional<schedule::Instant> next, schedule::Instant now);

/// Code of SVC-33 of an error, by name.
std::string failure_name(const Error& error);

}  // namespace dumb::engine
