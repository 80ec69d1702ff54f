#pragma once

#include <sys/types.h>
#include <cstdint>
#include <dumb/base/clock.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::supervisor {

/// How the processes of one running service are found.
struct UsageTarget {
  std::string process_name;
  pid_t leader = -1;
  std::string mark;                 ///< of its orphans' environment
  bool adopted = false;             ///< the leader is no child of this process, but of an earlier one
  std::uint64_t start_ticks = 0;    ///< of the leader, as the kernel counts
  std::uint64_t end_ticks = 0;      ///< when the leader was seen to have ended; 0: it lives
  std::filesystem::path group;      ///< its control group; empty: found by descent
  std::uint64_t run = 0;            ///< differs between two runs of one service
  std::optional<SteadyTime> since;  ///< of this run
  std::int64_t restarts = 0;
};

/// What all processes of a service have in use at one instant.
struct TreeUsage {
  std::int64_t processes = 0;
  std::int64_t threads = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t open_files = 0;
  double cpu_seconds = 0;  ///< of those alive and those they have waited for; of all there were in a group
};

struct UsageSample {
  SteadyTime at;
  std::vector<TreeUsage> trees;  ///< one per target
};

/// Reads /proc once for all targets, and only what belongs to them where they have control groups. Blocking;
/// any thread of the process that started the targets.
UsageSample take_usage_sample(const std::vector<UsageTarget>& targets);

/// Turns samples into rates. Pure.
class UsageMeter {
 public:
  struct Reading {
    TreeUsage tree;          ///< cpu_seconds never falls within a run
    double cpu_percent = 0;  ///< of one processor since the sample before; 0 without one
  };
  /// One reading per target, in their order.
  std::vector<Reading> add(const std::vector<UsageTarget>& targets, const UsageSample& sample);
  /// Between the last two samples; zero after the first.
  Duration interval() const noexcept { return interval_; }
  std::optional<SteadyTime> last() const noexcept { return last_; }

 private:
  struct Known {
    std::uint64_t run = 0;
    double raw = 0;    // as sampled last
    double ended = 0;  // of processes that nobody of the service has waited for
  };
  std::map<std::string, Known, std::less<>> known_;
  std::optional<SteadyTime> last_;
  Duration interval_{0};
};

/// Fields of /proc/<pid>/stat that a sample needs; nullopt when it is malformed. Pure.
struct StatUsage {
  std::uint64_t ticks = 0;  ///< user and system, children it has waited for included
  std::int64_t threads = 0;
};
std::optional<StatUsage> parse_stat_usage(std::string_view line);
/// VmRSS and VmSwap of /proc/<pid>/status in bytes; 0 for what has no memory. Pure.
std::int64_t parse_status_memory(std::string_view text);

}  // namespace dumb::supervisor
