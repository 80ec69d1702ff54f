#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/metrics/history.hpp>

namespace dumb::metrics {
namespace {

constexpr std::string_view prefix = "metrics-";
constexpr std::string_view suffix = ".jsonl";

std::optional<double> number_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return {};
  return value->to_number<double>();
}

std::optional<unsigned> digits(std::string_view text) {
  unsigned out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return {};
    out = out * 10 + static_cast<unsigned>(c - '0');
  }
  return out;
}

}  // namespace

HistorySettings history_settings(const json::object& metrics) {
  HistorySettings out;
  out.enabled = jsonx::bool_at(metrics, "history_enabled", out.enabled);
  if (const auto value = number_at(metrics, "history_interval_sec")) {
    out.interval_seconds = std::clamp(*value, 0.5, 86'400.0);
  }
  constexpr double megabyte = 1024.0 * 1024.0;
  const auto whole = [&](std::string_view key, double unit, std::int64_t& target) {
    const auto value = number_at(metrics, key);
    if (value && *value >= 0 && *value < 1e9) target = static_cast<std::int64_t>(*value * unit);
  };
  whole("history_retention_days", 1, out.retention_days);
  whole("history_max_file_mb", megabyte, out.max_file_bytes);
  whole("history_max_total_mb", megabyte, out.max_total_bytes);
  out.directory = jsonx::string_at(metrics, "history_dir", "/config/metrics");
  return out;
}

std::string file_name(const HistoryFile& file) {
  const schedule::CivilDay day = schedule::civil_of(file.day);
  return fmt::format("{}{:04}{:02}{:02}-{:03}{}", prefix, day.year, day.month, day.day, file.index, suffix);
}

std::optional<HistoryFile> parse_file_name(std::string_view name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return {};
  name.remove_prefix(prefix.size());
  if (name.size() < suffix.size() + 12) return {};
  name.remove_suffix(suffix.size());
  if (name.size() > 16 || name[8] != '-') return {};
  const auto year = digits(name.substr(0, 4));
  const auto month = digits(name.substr(4, 2));
  const auto day = digits(name.substr(6, 2));
  const auto index = digits(name.substr(9));
  if (!year || !month || !day || !index) return {};
  HistoryFile out;
  out.day = schedule::day_of({static_cast<int>(*year), *month, *day});
  out.index = *index;
  // A day that does not exist comes back as another one, and so does a longer spelling of the index.
  if (file_name(out) != fmt::format("{}{}{}", prefix, name, suffix)) return {};
  return out;
}

std::vector<HistoryFile> to_prune(const std::vector<HistoryFile>& files, const HistoryFile& current,
                                  schedule::Day today, const HistorySettings& settings) {
  std::uint64_t total = 0;
  for (const HistoryFile& file : files) total += file.size;
  std::vector<HistoryFile> out;
  for (const HistoryFile& file : files) {
    if (file.day == current.day && file.index == current.index) continue;
    const bool old = settings.retention_days > 0 && file.day < today - settings.retention_days;
    const bool too_much =
        settings.max_total_bytes > 0 && total > static_cast<std::uint64_t>(settings.max_total_bytes);
    if (!old && !too_much) continue;
    total -= file.size;
    out.push_back(file);
  }
  return out;
}

}  // namespace dumb::metrics
