#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <dumb/base/atomic_file.hpp>
#include <dumb/metrics/sampler.hpp>
#include <set>
#include <utility>

#include "metrics/paths_posix.hpp"
#include "metrics/proc_text.hpp"

namespace dumb::metrics {
namespace {

constexpr std::uint64_t file_limit = 4U << 20U;
constexpr std::size_t most_external = 20;
constexpr std::size_t most_connections = 50;

std::string text_of(const std::filesystem::path& file) {
  auto text = file::read(file, file_limit);
  return text ? std::move(*text) : std::string();
}

std::optional<std::int64_t> integer_of(const std::filesystem::path& file) {
  const std::string text = text_of(file);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end != text.data() ? std::optional<std::int64_t>(value) : std::nullopt;
}

/// Names in a directory; none when it cannot be read.
template <class Visit>
void each_name(const std::string& directory, Visit visit) {
  DIR* open = ::opendir(directory.c_str());
  if (open == nullptr) return;
  while (const dirent* entry = ::readdir(open)) {
    if (entry->d_name[0] != '.') visit(std::string_view(entry->d_name));
  }
  ::closedir(open);
}

std::set<std::string, std::less<>> whole_disks() {
  std::set<std::string, std::less<>> disks;
  each_name("/sys/block", [&](std::string_view name) { disks.emplace(name); });
  return disks;
}

const std::filesystem::path group_root = "/sys/fs/cgroup";

struct Process {
  pid_t pid = 0;
  PidStat stat;
  std::optional<double> cpu_percent;
};

}  // namespace

struct Sampler::State {
  const double ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  std::optional<CpuTicks> cpu;
  std::optional<std::int64_t> group_microseconds;
  std::map<std::pair<pid_t, std::uint64_t>, std::uint64_t> ticks;  // by process and its start
  SteadyTime at;
  bool first = true;

  System system(const Look& look, const StatFile& stat, double elapsed);
  void use_group(System& out, double elapsed);
  std::vector<Process> processes(double elapsed);
  ProcessUsage usage(const Process& process, const StatFile& stat) const;
  void add_sockets(std::vector<ProcessUsage*> of) const;
};

System Sampler::State::system(const Look& look, const StatFile& stat, double elapsed) {
  System out;
  out.scope = "host";
  out.boot_time = stat.boot_time;
  out.cpu_count = std::max(1, stat.processors);
  if (cpu && stat.cpu.total > cpu->total) {
    const auto all = static_cast<double>(stat.cpu.total - cpu->total);
    const double idle = stat.cpu.idle > cpu->idle ? static_cast<double>(stat.cpu.idle - cpu->idle) : 0.0;
    out.cpu_percent = std::clamp(100.0 * (all - idle) / all, 0.0, 100.0);
  }
  cpu = stat.cpu;
  out.load_avg = parse_loadavg(text_of("/proc/loadavg"));
  const MemoryFile memory = parse_meminfo(text_of("/proc/meminfo"));
  out.mem = memory.mem;
  out.swap = memory.swap;
  out.disk.path = "/";
  struct statvfs info {};
  if (::statvfs("/", &info) == 0) {
    const Share share = file_system_share(info);
    out.disk = {"/", share.total, share.used, share.percent};
  }
  out.net_io = parse_net_dev(text_of("/proc/self/net/dev"));
  const bool has_group = ::access((group_root / "cpu.stat").c_str(), R_OK) == 0;
  if (look.scope == Scope::cgroup || (look.scope == Scope::automatic && has_group)) {
    use_group(out, elapsed);
  } else {
    out.disk_io = parse_diskstats(text_of("/proc/diskstats"), whole_disks());
  }
  const auto init = parse_pid_stat(text_of("/proc/1/stat"));
  const auto own = parse_pid_stat(text_of("/proc/self/stat"));
  const std::uint64_t ticks_at_start = init ? init->start_ticks : own ? own->start_ticks : 0;
  out.container_start_time = stat.boot_time + static_cast<double>(ticks_at_start) / ticks_per_second;
  return out;
}

void Sampler::State::use_group(System& out, double elapsed) {
  out.scope = "cgroup";
  if (const auto limit = parse_cpu_max(text_of(group_root / "cpu.max")))
    out.cpu_count = std::max(0.1, *limit);
  const std::string stat = text_of(group_root / "cpu.stat");
  std::optional<std::int64_t> used;
  if (const std::size_t place = stat.find("usage_usec "); place != std::string::npos) {
    std::int64_t value = 0;
    std::from_chars(stat.data() + place + 11, stat.data() + stat.size(), value);
    used = value;
  }
  out.cpu_percent.reset();
  if (used && group_microseconds && elapsed > 0) {
    const double seconds = static_cast<double>(*used - *group_microseconds) / 1e6;
    out.cpu_percent = std::clamp(100.0 * seconds / elapsed / out.cpu_count, 0.0, 100.0);
  }
  group_microseconds = used;
  const auto limited = [](Share& share, const char* most, const char* now) {
    const auto total = integer_of(group_root / most);  // "max" is no number
    const auto current = integer_of(group_root / now);
    if (!total || !current || *total <= 0) return;
    share = {*total, *current, 100.0 * static_cast<double>(*current) / static_cast<double>(*total)};
  };
  limited(out.mem, "memory.max", "memory.current");
  limited(out.swap, "memory.swap.max", "memory.swap.current");
  out.disk_io = parse_io_stat(text_of(group_root / "io.stat"));
}

std::vector<Process> Sampler::State::processes(double elapsed) {
  std::vector<Process> all;
  std::map<std::pair<pid_t, std::uint64_t>, std::uint64_t> now;
  each_name("/proc", [&](std::string_view name) {
    Process process;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), process.pid);
    if (error != std::errc() || end != name.data() + name.size()) return;
    const auto stat = parse_pid_stat(text_of("/proc/" + std::string(name) + "/stat"));
    if (!stat || stat->kernel) return;
    process.stat = *stat;
    const std::pair key{process.pid, stat->start_ticks};
    now[key] = stat->ticks;
    const auto before = ticks.find(key);
    if (before != ticks.end() && elapsed > 0 && stat->ticks >= before->second)
      process.cpu_percent =
          100.0 * static_cast<double>(stat->ticks - before->second) / ticks_per_second / elapsed;
    all.push_back(std::move(process));
  });
  ticks = std::move(now);
  return all;
}

ProcessUsage Sampler::State::usage(const Process& process, const StatFile& stat) const {
  ProcessUsage out;
  out.name = process.stat.name;
  out.pid = process.pid;
  out.start_time = stat.boot_time + static_cast<double>(process.stat.start_ticks) / ticks_per_second;
  out.cpu_percent = process.cpu_percent;
  out.rss = process.stat.rss_pages * page;
  out.vms = process.stat.vms;
  out.threads = process.stat.threads;
  out.disk_io = parse_pid_io(text_of("/proc/" + std::to_string(process.pid) + "/io"));
  return out;
}

/// The sockets are known by inode; whose they are, by the descriptors of each process.
void Sampler::State::add_sockets(std::vector<ProcessUsage*> of) const {
  std::map<std::uint64_t, TcpEntry> sockets;
  for (const char* file : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    for (TcpEntry& entry : parse_tcp(text_of(file))) sockets[entry.inode] = std::move(entry);
  }
  for (ProcessUsage* process : of) {
    const std::string directory = "/proc/" + std::to_string(process->pid) + "/fd";
    std::set<std::int64_t> ports;
    std::set<std::uint64_t> seen;
    each_name(directory, [&](std::string_view name) {
      std::array<char, 64> link{};
      const ssize_t size =
          ::readlink((directory + "/" + std::string(name)).c_str(), link.data(), link.size());
      const std::string_view target(link.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
      if (!target.starts_with("socket:[")) return;
      std::uint64_t inode = 0;
      std::from_chars(target.data() + 8, target.data() + target.size(), inode);
      const auto found = sockets.find(inode);
      if (found == sockets.end() || !seen.insert(inode).second) return;
      const TcpEntry& entry = found->second;
      if (entry.listens) ports.insert(entry.port);
      if (entry.established && process->net_connections.size() < most_connections)
        process->net_connections.push_back({"ESTABLISHED", entry.local, entry.remote});
    });
    process->ports.assign(ports.begin(), ports.end());
  }
}

Sampler::Sampler() : state_(std::make_unique<State>()) {}
Sampler::~Sampler() = default;

Sample Sampler::take(const Look& look) {
  State& s = *state_;
  const SteadyTime now = system_clock().now();
  const double elapsed = s.first ? 0 : std::chrono::duration<double>(now - s.at).count();
  Sample out;
  Snapshot& snapshot = out.snapshot;
  snapshot.timestamp = unix_seconds(system_clock().wall());
  const StatFile stat = parse_stat_file(text_of("/proc/stat"));
  snapshot.system = s.system(look, stat, elapsed);
  std::vector<Process> all = s.processes(elapsed);
  s.at = now;
  s.first = false;

  std::set<pid_t> managed;
  for (const Managed& wanted : look.managed) {
    managed.insert(wanted.pid);
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Process& one) { return one.pid == wanted.pid; });
    ProcessUsage usage;
    usage.pid = wanted.pid;
    if (found != all.end()) usage = s.usage(*found, stat);
    usage.name = wanted.name;
    usage.ports_config = wanted.ports;
    usage.disk_paths = path_usages(wanted.paths, look.known, out.unasked);
    snapshot.dumb_managed.push_back(std::move(usage));
  }
  std::erase_if(all, [&](const Process& one) { return managed.contains(one.pid); });
  const auto busier = [](const Process& a, const Process& b) {
    return std::pair(a.cpu_percent.value_or(0), a.stat.rss_pages) >
           std::pair(b.cpu_percent.value_or(0), b.stat.rss_pages);
  };
  const std::size_t shown = std::min(all.size(), most_external);
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), all.end(), busier);
  for (std::size_t i = 0; i < shown; ++i) {
    ProcessUsage usage = s.usage(all[i], stat);
    usage.container_id = parse_container(text_of("/proc/" + std::to_string(usage.pid) + "/cgroup"));
    snapshot.external.push_back(std::move(usage));
  }
  std::vector<ProcessUsage*> of;
  for (ProcessUsage& usage : snapshot.dumb_managed) of.push_back(&usage);
  for (ProcessUsage& usage : snapshot.external) of.push_back(&usage);
  s.add_sockets(of);
  return out;
}

}  // namespace dumb::metrics
