#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/schedule/grid.hpp>
#include <dumb/symlinks/snapshots.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Scheduled snapshots of services: their settings and what is told of them (SYM-56 to SYM-62). Pure.
namespace dumb::engine {

inline constexpr std::string_view config_directory = "/config";
inline constexpr std::string_view repair_directory = "/config/symlink-repair";

/// Whether services of this key have scheduled snapshots.
bool has_symlink_backup(std::string_view config_key) noexcept;

struct BackupSettings {
  bool enabled = false;
  schedule::Timing timing;
  std::string path;  ///< template; never blank
  bool include_broken = true;
  std::optional<std::vector<std::string>> roots;
  std::uint64_t retention = 1;
  bool operator==(const BackupSettings&) const = default;
};

/// What stands in place of an unusable value is told in `faults`.
BackupSettings backup_settings(const json::object& block, std::vector<std::string>* faults = nullptr);

symlinks::ScheduledSnapshot to_request(const std::string& process_name, const BackupSettings& settings);

/// Directories manifests of services lie in, and roots the configuration adds to the default ones.
std::vector<std::string> service_directories(const config::Snapshot& config);
std::vector<std::string> more_default_roots(const config::Snapshot& config);

/// Status objects (SYM-62). `previous` is the last one, whose fields of the last run are kept.
json::object scheduled_status(const std::string& process_name, const BackupSettings& settings,
                              std::optional<schedule::Instant> next, schedule::Instant now,
                              const json::object& previous);
json::object unsupported_status(const std::string& process_name, schedule::Instant now);
json::object completed_status(json::object scheduled, const symlinks::ScheduledReport& report,
                              schedule::Instant now);
/// `last_backup_at` stays that of the last snapshot that was taken.
json::object failed_status(json::object scheduled, const std::string& message);

}  // namespace dumb::engine
