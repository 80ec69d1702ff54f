#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace dumb::engine {

/// What one running service uses, with everything it has started (LIF-171).
struct ServiceUsage {
  std::string process_name;
  std::int64_t pid = 0;
  std::int64_t processes = 0;
  std::int64_t threads = 0;
  double cpu_percent = 0;         ///< of one processor, over the interval
  double cpu_seconds = 0;         ///< since its start
  std::int64_t memory_bytes = 0;  ///< resident and swapped out; pages shared by processes count in each
  std::int64_t open_files = 0;
  std::int64_t restarts = 0;  ///< how often its process was started again by this server
  double uptime_seconds = 0;
};
BOOST_DESCRIBE_STRUCT(ServiceUsage, (),
                      (process_name, pid, processes, threads, cpu_percent, cpu_seconds, memory_bytes,
                       open_files, restarts, uptime_seconds))

struct UsageTotals {
  std::int64_t processes = 0;
  std::int64_t threads = 0;
  double cpu_percent = 0;
  double cpu_seconds = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t open_files = 0;
};
BOOST_DESCRIBE_STRUCT(UsageTotals, (),
                      (processes, threads, cpu_percent, cpu_seconds, memory_bytes, open_files))

/// GET /process/usage.
struct Usage {
  double sampled_at = 0;               ///< Unix seconds
  double interval_seconds = 0;         ///< what cpu_percent is measured over
  std::vector<ServiceUsage> services;  ///< those that run, in order of their names
  UsageTotals totals;
};
BOOST_DESCRIBE_STRUCT(Usage, (), (sampled_at, interval_seconds, services, totals))

}  // namespace dumb::engine
