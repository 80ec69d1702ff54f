#include "engine/update_rules.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/setup/setup.hpp>

namespace dumb::engine {
namespace {

constexpr std::array<std::string_view, 10> always{"plex",   "jellyfin", "emby",    "sonarr",   "radarr",
                                                  "lidarr", "prowlarr", "readarr", "whisparr", "whisparr-v3"};

json::object head(const std::string& process_name, std::string_view status, schedule::Instant now) {
  json::object out;
  out["process_name"] = process_name;
  out["status"] = status;
  out["checked_at"] = now;
  return out;
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(json::string(text));
}

void add_schedule(json::object& out, const UpdateSettings& settings, std::optional<schedule::Instant> next) {
  out["auto_update_enabled"] = settings.wanted;
  const double whole = std::floor(settings.interval);
  out["auto_update_interval"] = whole == settings.interval ? json::value(static_cast<std::int64_t>(whole))
                                                           : json::value(settings.interval);
  out["auto_update_start_time"] = schedule::clock_text(settings.timing.start_minute);
  out["next_check_at"] = next ? json::value(*next) : json::value(nullptr);
}

}  // namespace

UpdateSettings update_settings(const json::object& block, std::string_view block_reason) {
  UpdateSettings out;
  out.wanted = jsonx::bool_at(block, "auto_update", false);
  out.enabled = out.wanted && block_reason.empty();
  const auto interval = text::to_double(jsonx::text_at(block, "auto_update_interval"));
  if (interval && *interval > 0 && *interval <= static_cast<double>(schedule::max_interval_hours))
    out.interval = *interval;
  out.timing.interval_hours = std::max<std::int64_t>(1, std::llround(out.interval));
  if (const auto minute = schedule::minute_of_day(jsonx::string_at(block, "auto_update_start_time")))
    out.timing.start_minute = *minute;
  return out;
}

std::string update_lack(std::string_view config_key, const json::object& block) {
  if (config_key == "bazarr") return "unsupported";
  if (std::find(always.begin(), always.end(), config_key) != always.end()) return {};
  if (!block.contains("repo_owner") && !block.contains("repo_name")) return "unsupported";
  const bool both =
      !text::blank(jsonx::text_at(block, "repo_owner")) && !text::blank(jsonx::text_at(block, "repo_name"));
  return both ? "" : "repo_missing";
}

json::object unsupported_update(const std::string& process_name, std::string_view reason,
                                schedule::Instant now) {
  json::object out = head(process_name, "unsupported", now);
  out["reason"] = reason;
  out["message"] = reason == "repo_missing" ? "repo_owner and repo_name must be set"
                                            : "there are no updates for this service";
  return out;
}

json::object checked_update(const std::string& process_name, const setup::UpdateCheck& check,
                            const UpdateSettings& settings, std::optional<schedule::Instant> next,
                            schedule::Instant now) {
  const bool blocked = check.newer && !check.reason.empty();
  json::object out = head(process_name,
                          blocked       ? "blocked"
                          : check.newer ? "update_available"
                                        : "no_update",
                          now);
  out["reason"] = blocked ? text_or_null(check.reason) : json::value(nullptr);
  out["current_version"] = text_or_null(check.current);
  out["available_version"] = text_or_null(check.available);
  add_schedule(out, settings, next);
  return out;
}

std::string failure_name(const Error& error) {
  if (error.code().category() != setup::make_error_code(setup::Failure::bad_file).category()) return {};
  return std::string(codec::enum_name(static_cast<setup::Failure>(error.code().value())));
}

json::object failed_update(const std::string& process_name, const Error& error, schedule::Instant now) {
  json::object out = head(process_name, "error", now);
  const std::string code = failure_name(error);
  out["reason"] = code == "unsupported_arch" ? code : "version_check_failed";
  out["message"] = (code.empty() ? std::string() : code + ": ") + error.message();
  return out;
}

json::object installed_update(const std::string& process_name, std::string_view status, std::string message,
                              schedule::Instant now) {
  json::object out = head(process_name, status, now);
  out["message"] = std::move(message);
  return out;
}

json::object scheduled_update(const std::string& process_name, const UpdateSettings& settings,
                              std::optional<schedule::Instant> next, schedule::Instant now) {
  json::object out = head(process_name, next ? "scheduled" : "disabled", now);
  add_schedule(out, settings, next);
  return out;
}

}  // namespace dumb::engine
