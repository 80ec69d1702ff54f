#include <unistd.h>

#include <ctime>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>

#include "engine/ffprobe_watch_asio.hpp"
#include "supervisor/proc_posix.hpp"

namespace dumb::engine {
namespace {

constexpr std::uint64_t longest_arguments = 4U << 20U;

std::chrono::milliseconds since_boot() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::milliseconds(time.tv_sec * 1000LL + time.tv_nsec / 1'000'000);
}

}  // namespace

std::optional<std::vector<SeenProcess>> scan_for_ffprobe(char state) {
  const auto processes = supervisor::scan_processes();
  if (!processes) return std::nullopt;
  const auto now = since_boot();
  const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  std::vector<SeenProcess> table;
  table.reserve(processes->size());
  for (const supervisor::ProcStat& stat : *processes) {
    SeenProcess& seen = table.emplace_back();
    seen.pid = stat.pid;
    seen.parent = stat.parent;
    seen.state = stat.state;
    seen.age = now - std::chrono::milliseconds(stat.start_ticks * 1000 / ticks_per_second);
    if (stat.state != state) continue;
    const std::string directory = "/proc/" + std::to_string(stat.pid);
    const auto name = file::read(directory + "/comm", 4096);
    if (!name || text::trim(*name) != "ffprobe") continue;
    const auto arguments = file::read(directory + "/cmdline", longest_arguments);
    const auto again = supervisor::read_stat(stat.pid);
    // Gone meanwhile, and the number perhaps somebody else's.
    if (!arguments || !again || again->start_ticks != stat.start_ticks) continue;
    seen.name = "ffprobe";
    seen.argv = text::split(*arguments, '\0');
    if (!seen.argv.empty() && seen.argv.back().empty()) seen.argv.pop_back();
  }
  return table;
}

}  // namespace dumb::engine
