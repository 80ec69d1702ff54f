#pragma once

#include <cstdint>
#include <dumb/base/result.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the server leaves in its health directory for `dumb-cli healthcheck` (LIF-60, LIF-32, LIF-120). All
/// pure.
namespace dumb::cli {

/// startup_state.json. Without the file a finished boot is assumed.
struct StartupState {
  std::string phase;
  bool terminal = true;
  /// Kernel start time by process name, where the server tells it.
  std::map<std::string, std::uint64_t, std::less<>> start_ticks;
};
/// A text that is no such file gives the state of a missing one.
StartupState parse_startup_state(std::string_view text);

/// One entry of running_processes.json.
struct RecordedProcess {
  std::string name;
  std::int64_t pid = 0;
};
/// Fails with Errc::bad_json, or Errc::invalid_argument when it is not an object of process ids.
Result<std::vector<RecordedProcess>> parse_running_processes(std::string_view text);

/// What the kernel says of a process now.
struct LiveProcess {
  char state = '?';
  std::uint64_t start_ticks = 0;
};
/// Fields of /proc/<pid>/stat; nullopt when it is malformed.
std::optional<LiveProcess> parse_process_stat(std::string_view line);

/// Why a recorded process does not count as running; nullopt when it does. `live` is null when there is no
/// such pid.
std::optional<std::string> process_fault(const RecordedProcess& process, const StartupState& startup,
                                         const LiveProcess* live);

}  // namespace dumb::cli
