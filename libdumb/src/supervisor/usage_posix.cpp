#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dumb/base/atomic_file.hpp>
#include <dumb/supervisor/usage.hpp>

#include "supervisor/cgroup_posix.hpp"
#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {
namespace {

constexpr std::uint64_t file_limit = 65536;

std::int64_t count_entries(const std::string& directory) {
  DIR* open = ::opendir(directory.c_str());
  if (open == nullptr) return 0;
  std::int64_t count = 0;
  while (const dirent* entry = ::readdir(open)) count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(open);
  return count;
}

/// Kernels from 6.2 tell the number as the size of the directory.
std::int64_t open_files_of(const std::string& process) {
  const std::string directory = process + "/fd";
  struct stat info {};
  if (::stat(directory.c_str(), &info) == 0 && info.st_size > 0) return info.st_size;
  return count_entries(directory);
}

/// Adds one process; nothing when it has ended meanwhile.
void add_process(pid_t pid, TreeUsage& tree) {
  static const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const std::string process = "/proc/" + std::to_string(pid);
  const auto stat = file::read(process + "/stat", file_limit);
  const auto usage = stat ? parse_stat_usage(*stat) : std::nullopt;
  if (!usage) return;
  ++tree.processes;
  tree.threads += usage->threads;
  tree.cpu_seconds += static_cast<double>(usage->ticks) / ticks_per_second;
  if (const auto status = file::read(process + "/status", file_limit)) {
    tree.memory_bytes += parse_status_memory(*status);
  }
  tree.open_files += open_files_of(process);
}

TreeUsage usage_of_group(const std::filesystem::path& group) {
  TreeUsage tree;
  for (const pid_t pid : ControlGroup(group).processes()) add_process(pid, tree);
  // Exact, and with the time of processes that have ended.
  const auto text = file::read(group / "cpu.stat", file_limit);
  const auto microseconds = text ? parse_cpu_usage(*text) : std::nullopt;
  if (microseconds) tree.cpu_seconds = static_cast<double>(*microseconds) / 1e6;
  return tree;
}

}  // namespace

UsageSample take_usage_sample(const std::vector<UsageTarget>& targets) {
  UsageSample sample;
  sample.at = system_clock().now();
  std::optional<std::vector<ProcStat>> processes;
  for (const UsageTarget& target : targets) {
    TreeUsage& tree = sample.trees.emplace_back();
    if (!target.group.empty()) {
      tree = usage_of_group(target.group);
      continue;
    }
    if (!processes) processes = scan_processes().value_or(std::vector<ProcStat>());
    const Membership unit{target.leader, target.mark, target.adopted, target.start_ticks, target.end_ticks};
    for (const ProcStat& process : members_of(unit, *processes)) {
      add_process(process.pid, tree);
    }
  }
  return sample;
}

}  // namespace dumb::supervisor
