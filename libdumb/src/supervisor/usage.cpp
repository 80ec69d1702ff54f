#include <algorithm>
#include <array>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/usage.hpp>
#include <utility>

namespace dumb::supervisor {

std::vector<UsageMeter::Reading> UsageMeter::add(const std::vector<UsageTarget>& targets,
                                                 const UsageSample& sample) {
  interval_ = last_ ? std::max(Duration(0), Duration(sample.at - *last_)) : Duration(0);
  last_ = sample.at;
  const double seconds = std::chrono::duration<double>(interval_).count();
  std::map<std::string, Known, std::less<>> before;
  before.swap(known_);
  std::vector<Reading> readings;
  for (std::size_t i = 0; i < targets.size() && i < sample.trees.size(); ++i) {
    const UsageTarget& target = targets[i];
    Reading& reading = readings.emplace_back();
    reading.tree = sample.trees[i];
    const double raw = sample.trees[i].cpu_seconds;
    Known& now = known_[target.process_name];
    now = {target.run, raw, 0};
    const auto found = before.find(target.process_name);
    const bool same = found != before.end() && found->second.run == target.run;
    if (same) now.ended = found->second.ended + std::max(0.0, found->second.raw - raw);
    reading.tree.cpu_seconds = raw + now.ended;
    // A run that began between the samples has used all of its time since the first.
    const double used = same ? std::max(0.0, raw - found->second.raw) : raw;
    const bool began = target.since && interval_ > Duration(0) && *target.since >= sample.at - interval_;
    if (seconds > 0 && (same || began)) reading.cpu_percent = 100 * used / seconds;
  }
  return readings;
}

std::optional<StatUsage> parse_stat_usage(std::string_view line) {
  const std::size_t close = line.rfind(')');
  if (close == std::string_view::npos || close + 2 >= line.size()) return std::nullopt;
  const std::vector<std::string> fields = text::split(text::trim(line.substr(close + 2)), ' ');
  // Counted from the state, the third field of proc(5): utime, stime, cutime, cstime and num_threads.
  constexpr std::array<std::size_t, 4> times{11, 12, 13, 14};
  constexpr std::size_t threads = 17;
  if (fields.size() <= threads) return std::nullopt;
  StatUsage usage;
  for (const std::size_t at : times) {
    const auto ticks = text::to_int(fields[at]);
    if (!ticks || *ticks < 0) return std::nullopt;
    usage.ticks += static_cast<std::uint64_t>(*ticks);
  }
  const auto count = text::to_int(fields[threads]);
  if (!count) return std::nullopt;
  usage.threads = *count;
  return usage;
}

std::int64_t parse_status_memory(std::string_view text) {
  std::int64_t bytes = 0;
  for (const std::string_view key : {std::string_view("\nVmRSS:"), std::string_view("\nVmSwap:")}) {
    const std::size_t at = text.find(key);
    if (at == std::string_view::npos) continue;
    std::string_view value = text.substr(at + key.size());
    value = text::trim(value.substr(0, value.find('\n')));
    const auto kibibytes = text::to_int(value.substr(0, value.find(' ')));
    if (kibibytes) bytes += *kibibytes * 1024;
  }
  return bytes;
}

}  // namespace dumb::supervisor
