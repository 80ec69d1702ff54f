#include "supervisor/proc_posix.hpp"

#include <dirent.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <mutex>
#include <set>

namespace dumb::supervisor {
namespace {

bool carries_mark(pid_t pid, const std::string& mark) {
  if (mark.empty()) return false;
  const auto environment = file::read("/proc/" + std::to_string(pid) + "/environ", 4U << 20U);
  if (!environment) return false;
  const std::string needle = mark + '\0';
  const std::string haystack = '\0' + *environment + '\0';
  return haystack.find('\0' + needle) != std::string::npos;
}

/// A process's children are a property of the process, whoever asked for them; hence one list, guarded.
struct Spawned {
  std::mutex mutex;
  std::set<pid_t> pids;
};
Spawned& spawned() {
  static Spawned instance;
  return instance;
}

}  // namespace

void remember_child(pid_t pid) {
  const std::lock_guard lock(spawned().mutex);
  spawned().pids.insert(pid);
}

void forget_child(pid_t pid) noexcept {
  const std::lock_guard lock(spawned().mutex);
  spawned().pids.erase(pid);
}

void reap_orphans() {
  const pid_t self = ::getpid();
  const pid_t session = ::getsid(0);
  const auto processes = scan_processes();
  if (!processes) return;
  for (const ProcStat& process : *processes) {
    if (process.parent != self || process.state != 'Z' || process.session == session) continue;
    {
      const std::lock_guard lock(spawned().mutex);
      if (spawned().pids.contains(process.pid)) continue;
    }
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(process.pid), &info, WEXITED | WNOHANG);
  }
}

std::optional<ProcStat> parse_stat(std::string_view line) {
  // The name in parentheses may hold blanks and parentheses; the last ')' ends it.
  const std::size_t close = line.rfind(')');
  const std::size_t open = line.find('(');
  if (close == std::string_view::npos || open == std::string_view::npos || close + 2 >= line.size())
    return std::nullopt;
  const auto pid = text::to_int(text::trim(line.substr(0, open)));
  const std::vector<std::string> fields = text::split(text::trim(line.substr(close + 2)), ' ');
  if (!pid || fields.size() < 20 || fields[0].empty()) return std::nullopt;
  const auto parent = text::to_int(fields[1]);
  const auto group = text::to_int(fields[2]);
  const auto session = text::to_int(fields[3]);
  const auto start = text::to_int(fields[19]);
  if (!parent || !group || !session || !start) return std::nullopt;
  return ProcStat{static_cast<pid_t>(*pid),
                  static_cast<pid_t>(*parent),
                  static_cast<pid_t>(*group),
                  static_cast<pid_t>(*session),
                  fields[0][0],
                  static_cast<std::uint64_t>(*start)};
}

std::optional<ProcStat> read_stat(pid_t pid) {
  const auto line = file::read("/proc/" + std::to_string(pid) + "/stat", 65536);
  if (!line) return std::nullopt;
  return parse_stat(*line);
}

std::optional<std::vector<ProcStat>> scan_processes() {
  std::vector<ProcStat> all;
  DIR* directory = ::opendir("/proc");
  if (directory == nullptr) return std::nullopt;
  bool complete = true;
  while (const dirent* entry = ::readdir(directory)) {
    const auto pid = text::to_int(entry->d_name);
    if (!pid || *pid <= 0) continue;
    const auto line = file::read("/proc/" + std::to_string(*pid) + "/stat", 65536);
    if (!line) {
      const int number = line.error().code().value();
      complete &= number == ENOENT || number == ESRCH || number == EACCES;
    } else if (auto stat = parse_stat(*line)) {
      all.push_back(*stat);
    }
  }
  ::closedir(directory);
  if (!complete) return std::nullopt;
  return all;
}

std::vector<ProcStat> members_of(const Membership& unit, const std::vector<ProcStat>& processes) {
  const pid_t self = ::getpid();
  std::set<pid_t> inside;
  for (const ProcStat& process : processes) {
    if (process.pid == self) continue;
    const bool own =
        process.pid == unit.leader || process.session == unit.leader || process.group == unit.leader;
    // Orphans come back to this process, the subreaper; the mark tells whose they are.
    if (own || (process.parent == self && carries_mark(process.pid, unit.mark))) inside.insert(process.pid);
  }
  for (bool grown = true; grown;) {
    grown = false;
    for (const ProcStat& process : processes) {
      if (process.pid != self && inside.contains(process.parent)) grown |= inside.insert(process.pid).second;
    }
  }
  std::vector<ProcStat> members;
  for (const ProcStat& process : processes) {
    if (inside.contains(process.pid) && process.state != 'Z' && process.state != 'X')
      members.push_back(process);
  }
  std::stable_partition(members.begin(), members.end(),
                        [&](const ProcStat& p) { return p.pid == unit.leader; });
  return members;
}

bool belongs_to(const Membership& unit, pid_t pid) {
  const pid_t self = ::getpid();
  constexpr int deepest = 64;
  for (int depth = 0; depth < deepest && pid > 1 && pid != self && unit.leader > 0; ++depth) {
    const auto process = read_stat(pid);
    if (!process) return false;
    if (pid == unit.leader || process->session == unit.leader || process->group == unit.leader) return true;
    if (process->parent == self) return carries_mark(pid, unit.mark);
    pid = process->parent;
  }
  return false;
}

UniqueFd open_process(pid_t pid, std::uint64_t start_ticks) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return {};
  const auto now = read_stat(pid);
  if (!now || now->start_ticks != start_ticks) return {};
  return pidfd;
}

bool signal_process(const UniqueFd& pidfd, int signal) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

ExitStatus status_of(const siginfo_t& info) noexcept {
  if (info.si_code == CLD_EXITED) return {ExitStatus::Kind::code, info.si_status};
  return {ExitStatus::Kind::signal, info.si_status};
}

std::optional<ExitStatus> peek_status(const Child& child) noexcept {
  siginfo_t info{};
  if (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(child.pidfd.get()), &info,
               WEXITED | WNOHANG | WNOWAIT) != 0) {
    if (errno != ECHILD) return std::nullopt;
    pollfd ended{child.pidfd.get(), POLLIN, 0};
    return ::poll(&ended, 1, 0) > 0 ? std::optional(ExitStatus{}) : std::nullopt;
  }
  if (info.si_pid == 0) return std::nullopt;
  return status_of(info);
}

std::string boot_id() {
  const auto text = file::read("/proc/sys/kernel/random/boot_id", 4096);
  return text ? std::string(text::trim(*text)) : std::string();
}

}  // namespace dumb::supervisor
