#pragma once

#include <cstdint>
#include <dumb/metrics/snapshot.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// What files below /proc and /sys/fs/cgroup say (proc(5), the kernel's Documentation/admin-guide/cgroup-v2).
/// Pure; what is malformed is passed over.
namespace dumb::metrics {

/// Of all processors, in ticks.
struct CpuTicks {
  std::uint64_t total = 0;
  std::uint64_t idle = 0;  ///< waiting for input and output included
};
struct StatFile {
  CpuTicks cpu;
  int processors = 0;
  double boot_time = 0;
};
StatFile parse_stat_file(std::string_view text);

struct MemoryFile {
  Share mem;
  Share swap;
};
MemoryFile parse_meminfo(std::string_view text);
std::optional<std::vector<double>> parse_loadavg(std::string_view text);
/// Of `disks`, the names of whole ones; loop, RAM and compressed memory disks are left out.
DiskCounters parse_diskstats(std::string_view text, const std::set<std::string, std::less<>>& disks);
/// Of all interfaces but "lo".
NetCounters parse_net_dev(std::string_view text);
/// io.stat of a control group.
DiskCounters parse_io_stat(std::string_view text);
/// cpu.max: quota by period; nullopt when there is no limit.
std::optional<double> parse_cpu_max(std::string_view text);

struct PidStat {
  std::string name;
  std::int64_t parent = 0;
  std::uint64_t ticks = 0;  ///< user and system, of the process itself
  std::int64_t threads = 0;
  std::uint64_t start_ticks = 0;  ///< since boot
  std::int64_t vms = 0;           ///< bytes
  std::int64_t rss_pages = 0;
  bool kernel = false;  ///< a thread of the kernel
};
std::optional<PidStat> parse_pid_stat(std::string_view line);
std::optional<DiskCounters> parse_pid_io(std::string_view text);
/// The last element of the path of a docker or kubernetes group.
std::optional<std::string> parse_container(std::string_view cgroup);

struct TcpEntry {
  json::array local;  ///< [address, port]
  json::array remote;
  std::int64_t port = 0;
  bool listens = false;
  bool established = false;
  std::uint64_t inode = 0;
};
/// /proc/net/tcp and tcp6; only listening and established ones.
std::vector<TcpEntry> parse_tcp(std::string_view text);

}  // namespace dumb::metrics
