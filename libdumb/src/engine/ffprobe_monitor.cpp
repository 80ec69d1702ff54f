#include "engine/ffprobe_monitor.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <utility>

namespace dumb::engine {
namespace {

constexpr double longest = 10.0 * 365 * 86400;  // seconds; keeps a huge number from overflowing

void read_seconds(const json::object& object, std::string_view key, std::chrono::milliseconds& into) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return;
  const double seconds = std::clamp(value->to_number<double>(), 0.0, longest);
  into = std::chrono::milliseconds(std::llround(seconds * 1000));
}

/// For each descendant of a target, the target's index. Of nested targets the nearest one counts.
std::map<pid_t, std::size_t> descendants(const std::vector<FfprobeTarget>& targets,
                                         const std::vector<SeenProcess>& processes) {
  std::map<pid_t, pid_t> parent_of;
  for (const SeenProcess& process : processes) parent_of[process.pid] = process.parent;
  std::map<pid_t, std::size_t> target_of;
  for (std::size_t i = 0; i < targets.size(); ++i) target_of[targets[i].pid] = i;
  std::map<pid_t, std::size_t> found;
  for (const SeenProcess& process : processes) {
    pid_t at = process.parent;
    // A table read while processes come and go may hold a loop.
    for (std::size_t steps = 0; at > 0 && steps < processes.size(); ++steps) {
      if (const auto target = target_of.find(at); target != target_of.end()) {
        found[process.pid] = target->second;
        break;
      }
      const auto next = parent_of.find(at);
      if (next == parent_of.end()) break;
      at = next->second;
    }
  }
  return found;
}

}  // namespace

FfprobeSettings ffprobe_settings(const json::object& document) {
  FfprobeSettings settings;
  const json::value* value = jsonx::find(document, {"dumb", "ffprobe_monitor"});
  if (value == nullptr || !value->is_object()) return settings;
  const json::object& object = value->get_object();
  settings.enabled = jsonx::bool_at(object, "enabled", settings.enabled);
  read_seconds(object, "interval_sec", settings.interval);
  settings.interval = std::max(settings.interval, std::chrono::milliseconds(1000));
  read_seconds(object, "min_process_age_sec", settings.min_age);
  read_seconds(object, "min_poke_interval_sec", settings.min_poke_interval);
  read_seconds(object, "poke_timeout_sec", settings.poke_timeout);
  read_seconds(object, "cache_ttl_sec", settings.memory);
  const json::value* most = object.if_contains("max_pokes_per_cycle");
  if (most != nullptr && most->is_int64())
    settings.max_pokes = static_cast<std::size_t>(std::max<std::int64_t>(0, most->get_int64()));
  const std::string program = jsonx::string_at(object, "ffprobe_path");
  if (!text::blank(program)) settings.program = program;
  return settings;
}

std::optional<std::string> ffprobe_input(const std::vector<std::string>& argv) {
  std::optional<std::string> input;
  for (std::size_t i = 1; i < argv.size(); ++i) {
    if (argv[i] == "-i" && i + 1 < argv.size()) {
      input = argv[i + 1];
      break;
    }
    if (!argv[i].empty() && argv[i].front() != '-') input = argv[i];
  }
  if (!input || input->empty() || input->front() == '-') return std::nullopt;
  return input;
}

std::vector<std::string> poke_command(const FfprobeSettings& settings, const std::string& input) {
  return {settings.program, "-v", "quiet", "-print_format", "json", "-show_format", "-show_streams", input};
}

std::vector<FfprobeMonitor::Poke> FfprobeMonitor::cycle(const FfprobeSettings& settings,
                                                        const std::vector<FfprobeTarget>& targets,
                                                        const std::vector<SeenProcess>& processes,
                                                        SteadyTime now) {
  const auto keep = std::max(settings.memory, settings.min_poke_interval);
  std::erase_if(poked_, [&](const auto& entry) { return now - entry.second > keep; });
  std::vector<Poke> pokes;
  if (!settings.enabled || targets.empty()) return pokes;
  const std::map<pid_t, std::size_t> below = descendants(targets, processes);
  std::vector<const SeenProcess*> hanging;
  for (const SeenProcess& process : processes) {
    if (process.name == "ffprobe" && process.state == state_ && process.age > settings.min_age &&
        below.contains(process.pid)) {
      hanging.push_back(&process);
    }
  }
  std::stable_sort(hanging.begin(), hanging.end(),
                   [](const auto* a, const auto* b) { return a->age > b->age; });
  for (const SeenProcess* process : hanging) {
    if (under_way_.size() >= settings.max_pokes) break;
    const std::optional<std::string> path = ffprobe_input(process->argv);
    if (!path || under_way_.contains(*path)) continue;
    const auto last = poked_.find(*path);
    if (last != poked_.end() && now - last->second < settings.min_poke_interval) continue;
    poked_[*path] = now;
    under_way_.insert(*path);
    pokes.push_back({*path, targets[below.at(process->pid)].process_name});
  }
  return pokes;
}

std::optional<std::string> FfprobeMonitor::change(const FfprobeSettings& settings,
                                                  const std::vector<FfprobeTarget>& targets) {
  std::string line;
  if (!settings.enabled) {
    line = "the ffprobe monitor is off";
  } else if (targets.empty()) {
    line = "the ffprobe monitor is idle: no sonarr or radarr runs";
  } else {
    std::vector<std::string> names;
    for (const FfprobeTarget& target : targets) names.push_back(target.process_name);
    line = "the ffprobe monitor watches " + text::join(names, ", ");
  }
  if (line == told_) return std::nullopt;
  told_ = line;
  return line;
}

}  // namespace dumb::engine
