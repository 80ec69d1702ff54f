#include "recorded.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::cli {

StartupState parse_startup_state(std::string_view text) {
  StartupState state;
  const auto document = jsonx::parse(text);
  const auto* object = document ? document->if_object() : nullptr;
  if (object == nullptr) return state;
  state.phase = jsonx::string_at(*object, "phase");
  state.terminal = jsonx::bool_at(*object, "terminal", true);
  const json::value* ticks = object->if_contains("start_ticks");
  if (ticks == nullptr || !ticks->is_object()) return state;
  for (const auto& [name, value] : ticks->get_object()) {
    boost::system::error_code bad;
    const auto number = value.to_number<std::uint64_t>(bad);
    if (!bad) state.start_ticks.emplace(name, number);
  }
  return state;
}

Result<std::vector<RecordedProcess>> parse_running_processes(std::string_view text) {
  const auto document = jsonx::parse(text);
  if (!document) return document.error();
  const auto* object = document->if_object();
  if (object == nullptr) return Error(Errc::invalid_argument, "is not an object");
  std::vector<RecordedProcess> processes;
  for (const auto& [name, value] : *object) {
    if (!value.is_int64() || value.get_int64() <= 0) {
      return Error(Errc::invalid_argument,
                   fmt::format("the process id of {} is no number above 0", std::string(name)));
    }
    processes.push_back({std::string(name), value.get_int64()});
  }
  return processes;
}

std::optional<LiveProcess> parse_process_stat(std::string_view line) {
  // "pid (comm) state …": the name may hold blanks and brackets, so what follows its last bracket counts.
  constexpr std::size_t start_time_field = 22 - 3;  // counted from the state, the third field
  const auto bracket = line.rfind(") ");
  if (bracket == std::string_view::npos) return std::nullopt;
  const std::vector<std::string> fields = text::split(text::trim(line.substr(bracket + 2)), ' ');
  if (fields.size() <= start_time_field || fields[0].size() != 1) return std::nullopt;
  const auto ticks = text::to_int(fields[start_time_field]);
  if (!ticks || *ticks < 0) return std::nullopt;
  return LiveProcess{fields[0][0], static_cast<std::uint64_t>(*ticks)};
}

std::optional<std::string> process_fault(const RecordedProcess& process, const StartupState& startup,
                                         const LiveProcess* live) {
  if (live == nullptr) return fmt::format("{}: not running (pid {} is gone)", process.name, process.pid);
  if (live->state == 'Z' || live->state == 'X') {
    return fmt::format("{}: not running (pid {} has ended)", process.name, process.pid);
  }
  const auto recorded = startup.start_ticks.find(process.name);
  if (recorded != startup.start_ticks.end() && recorded->second != live->start_ticks) {
    return fmt::format("{}: not running (pid {} is another process now)", process.name, process.pid);
  }
  return std::nullopt;
}

}  // namespace dumb::cli
