#include "engine/backup_settings.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>

namespace dumb::engine {
namespace {

constexpr std::array<std::string_view, 8> last_run_fields{
    "last_backup_at", "last_backup_manifest", "scanned_symlinks", "recorded_entries",
    "pruned_backups", "retention_errors",     "errors",           "retention_held"};

/// The member as a number with its fraction dropped; a text that is one counts, too.
std::optional<std::int64_t> whole_number(const json::object& block, std::string_view key) {
  const json::value* value = block.if_contains(key);
  if (value == nullptr) return std::nullopt;
  std::optional<double> number;
  if (value->is_number()) number = value->to_number<double>();
  if (value->is_string()) number = text::to_double(text::trim(std::string_view(value->get_string())));
  if (!number || !std::isfinite(*number)) return std::nullopt;
  return static_cast<std::int64_t>(std::clamp(std::trunc(*number), -1e9, 1e9));
}

bool is_given(const json::object& block, std::string_view key) {
  const json::value* value = block.if_contains(key);
  return value != nullptr && !value->is_null();
}

std::optional<std::vector<std::string>> roots_of(const json::object& block) {
  const json::value* given = block.if_contains("symlink_backup_roots");
  if (given == nullptr) return std::nullopt;
  std::vector<std::string> roots;
  const auto add = [&](std::string_view root) {
    root = text::trim(root);
    if (!root.empty()) roots.emplace_back(root);
  };
  if (given->is_array()) {
    for (const json::value& root : given->get_array()) add(jsonx::scalar_text(root));
  } else if (given->is_string()) {
    const std::string lines = text::replace_all(std::string(given->get_string()), "\n", ",");
    for (const std::string& root : text::split(lines, ',')) add(root);
  }
  if (roots.empty()) return std::nullopt;
  return roots;
}

}  // namespace

bool has_symlink_backup(std::string_view config_key) noexcept {
  return config_key == "decypharr" || config_key == "nzbdav" || config_key == "infinidysk" ||
         config_key == "cli_debrid" || config_key == "riven_backend";
}

BackupSettings backup_settings(const json::object& block, std::vector<std::string>* faults) {
  const auto fault = [&](std::string_view text) {
    if (faults != nullptr) faults->emplace_back(text);
  };
  BackupSettings out;
  out.enabled = jsonx::bool_at(block, "symlink_backup_enabled", false);
  if (const auto hours = whole_number(block, "symlink_backup_interval")) {
    out.timing.interval_hours = std::clamp<std::int64_t>(*hours, 1, schedule::max_interval_hours);
  } else if (is_given(block, "symlink_backup_interval")) {
    fault("symlink_backup_interval is not a number; 168 is used");
  }
  const std::string start = jsonx::text_at(block, "symlink_backup_start_time");
  if (const auto minute = schedule::minute_of_day(text::trim(start))) {
    out.timing.start_minute = *minute;
  } else if (!text::blank(start)) {
    fault("symlink_backup_start_time is not HH:MM; 04:00 is used");
  }
  out.path = text::trim(jsonx::text_at(block, "symlink_backup_path"));
  if (out.path.empty())
    out.path = std::string(repair_directory) + "/snapshots/{process_slug}-{timestamp}.json";
  out.include_broken = jsonx::bool_at(block, "symlink_backup_include_broken", true);
  out.roots = roots_of(block);
  if (const auto count = whole_number(block, "symlink_backup_retention_count")) {
    out.retention = static_cast<std::uint64_t>(std::max<std::int64_t>(0, *count));
  }
  return out;
}

symlinks::ScheduledSnapshot to_request(const std::string& process_name, const BackupSettings& settings) {
  return {settings.path, process_name, settings.roots, settings.include_broken, settings.retention};
}

std::vector<std::string> service_directories(const config::Snapshot& config) {
  std::vector<std::string> out;
  for (const config::BlockRef& ref : config.blocks()) {
    if (!has_symlink_backup(ref.config_key)) continue;
    const auto made = symlinks::SnapshotTemplate::make(backup_settings(config.block(ref)).path,
                                                       ref.process_name, std::string(repair_directory));
    if (made && std::find(out.begin(), out.end(), made->directory()) == out.end())
      out.push_back(made->directory());
  }
  return out;
}

std::vector<std::string> more_default_roots(const config::Snapshot& config) {
  std::vector<std::string> out;
  for (const config::BlockRef& ref : config.blocks()) {
    const json::object& block = config.block(ref);
    if (ref.config_key == "riven_backend") {
      const std::string root = jsonx::string_at(block, "symlink_library_path");
      if (!text::blank(root)) out.push_back(root);
    }
    if (ref.path.empty() || ref.path.front() != "infinidysk") continue;
    out.insert(out.begin(), "/mnt/debrid/infinidysk-symlinks");
    const auto roots = backup_settings(block).roots;
    if (roots) out.insert(out.begin() + 1, roots->begin(), roots->end());
  }
  return out;
}

json::object scheduled_status(const std::string& process_name, const BackupSettings& settings,
                              std::optional<schedule::Instant> next, schedule::Instant now,
                              const json::object& previous) {
  json::object out;
  out["process_name"] = process_name;
  out["checked_at"] = now;
  out["status"] = next ? "scheduled" : "disabled";
  out["symlink_backup_enabled"] = settings.enabled;
  out["symlink_backup_interval"] = settings.timing.interval_hours;
  out["symlink_backup_start_time"] = schedule::clock_text(settings.timing.start_minute);
  out["symlink_backup_path"] = settings.path;
  out["symlink_backup_include_broken"] = settings.include_broken;
  out["symlink_backup_roots"] = codec::encode(settings.roots);
  out["symlink_backup_retention_count"] = static_cast<std::int64_t>(settings.retention);
  out["next_backup_at"] = next ? json::value(*next) : json::value(nullptr);
  for (const std::string_view field : last_run_fields) {
    if (const json::value* kept = previous.if_contains(field)) out[field] = *kept;
  }
  return out;
}

json::object unsupported_status(const std::string& process_name, schedule::Instant now) {
  json::object out;
  out["process_name"] = process_name;
  out["checked_at"] = now;
  out["status"] = "unsupported";
  out["message"] = "scheduled snapshots exist for decypharr, nzbdav, cli_debrid and riven_backend only";
  out["symlink_backup_enabled"] = false;
  out["next_backup_at"] = nullptr;
  return out;
}

json::object completed_status(json::object out, const symlinks::ScheduledReport& report,
                              schedule::Instant now) {
  out["status"] = "completed";
  out["last_backup_at"] = now;
  const json::object backup = symlinks::to_json(report.backup);
  out["last_backup_manifest"] = backup.at("backup_manifest");
  out["scanned_symlinks"] = backup.at("scanned_symlinks");
  out["recorded_entries"] = backup.at("recorded_entries");
  out["pruned_backups"] = static_cast<std::int64_t>(report.pruned);
  json::array failed;
  for (const symlinks::ErrorItem& error : report.retention_errors) {
    failed.push_back(json::object{{"path", text::to_utf8(error.link_path)}, {"error", error.error}});
  }
  out["retention_errors"] = std::move(failed);
  json::value errors = backup.at("errors");
  if (errors.get_array().size() > 100) errors.get_array().resize(100);
  out["errors"] = std::move(errors);
  out["retention_held"] = codec::encode(report.held);
  return out;
}

json::object failed_status(json::object out, const std::string& message) {
  out["status"] = "error";
  out["message"] = message;
  out.emplace("last_backup_at", nullptr);
  return out;
}

}  // namespace dumb::engine
