#pragma once

#include <array>
#include <boost/describe/class.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// One look at the machine and what runs on it (UI-110, UI-111): GET /metrics, /ws/metrics and a line of the
/// history.
namespace dumb::metrics {

/// Bytes; `percent` is 0 to 100.
struct Share {
  std::int64_t total = 0;
  std::int64_t used = 0;
  double percent = 0;
};
BOOST_DESCRIBE_STRUCT(Share, (), (total, used, percent))

struct DiskShare {
  std::string path;
  std::int64_t total = 0;
  std::int64_t used = 0;
  double percent = 0;
};
BOOST_DESCRIBE_STRUCT(DiskShare, (), (path, total, used, percent))

/// Counters: of a machine since its boot, of a process since its start.
struct DiskCounters {
  std::int64_t read_bytes = 0, write_bytes = 0, read_count = 0, write_count = 0;
};
BOOST_DESCRIBE_STRUCT(DiskCounters, (), (read_bytes, write_bytes, read_count, write_count))

struct NetCounters {
  std::int64_t sent_bytes = 0, recv_bytes = 0, sent_packets = 0, recv_packets = 0;
};
BOOST_DESCRIBE_STRUCT(NetCounters, (), (sent_bytes, recv_bytes, sent_packets, recv_packets))

struct System {
  std::string scope;                  ///< "host" or "cgroup"
  std::optional<double> cpu_percent;  ///< since the look before; null at the first
  double cpu_count = 1;
  std::optional<std::vector<double>> load_avg;  ///< of 1, 5 and 15 minutes
  Share mem;
  Share swap;
  DiskShare disk;
  DiskCounters disk_io;
  NetCounters net_io;
  double boot_time = 0;  ///< Unix seconds
  double container_start_time = 0;
};
BOOST_DESCRIBE_STRUCT(System, (),
                      (scope, cpu_percent, cpu_count, load_avg, mem, swap, disk, disk_io, net_io, boot_time,
                       container_start_time))

/// An established TCP connection; addresses are [text, port].
struct Connection {
  std::string status = "ESTABLISHED";
  json::array laddr;
  json::array raddr;
};
BOOST_DESCRIBE_STRUCT(Connection, (), (status, laddr, raddr))

struct PathUsage {
  std::string path;
  bool exists = false;
  std::optional<Share> usage;  ///< null: missing, or it does not answer
};
BOOST_DESCRIBE_STRUCT(PathUsage, (), (path, exists, usage))

struct PathUsages {
  std::vector<PathUsage> paths;
  std::int64_t used_total = 0;  ///< each file system once
};
BOOST_DESCRIBE_STRUCT(PathUsages, (), (paths, used_total))

/// What one process has in use. One that vanished meanwhile keeps its name and pid only.
struct ProcessUsage {
  std::string name;
  std::int64_t pid = 0;
  std::optional<double> start_time;   ///< Unix seconds
  std::optional<double> cpu_percent;  ///< of one processor, since the look before; null at the first
  std::optional<std::int64_t> rss, vms, threads;
  std::optional<DiskCounters> disk_io;
  std::vector<std::int64_t> ports;  ///< TCP, listening; ascending
  std::vector<Connection> net_connections;
  std::optional<PathUsages> disk_paths;     ///< managed only
  std::vector<std::int64_t> ports_config;   ///< managed only: ports of its configuration
  std::optional<std::string> container_id;  ///< external only; null: in none
  static constexpr std::array<std::string_view, 8> omit_empty{
      "start_time", "rss", "vms", "threads", "ports", "net_connections", "disk_paths", "ports_config"};
};
BOOST_DESCRIBE_STRUCT(ProcessUsage, (),
                      (name, pid, start_time, cpu_percent, rss, vms, threads, disk_io, ports, net_connections,
                       disk_paths, ports_config, container_id))

struct Snapshot {
  double timestamp = 0;  ///< Unix seconds
  System system;
  std::vector<ProcessUsage> dumb_managed;
  std::vector<ProcessUsage> external;  ///< at most 20, highest use of the processor first
};
BOOST_DESCRIBE_STRUCT(Snapshot, (), (timestamp, system, dumb_managed, external))

}  // namespace dumb::metrics
