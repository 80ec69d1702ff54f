#pragma once

#include <sys/types.h>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <dumb/base/unique_fd.hpp>
#include <dumb/supervisor/launch.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What /proc says of processes. Used when something has to be found or stopped, never per request.
namespace dumb::supervisor {

struct ProcStat {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = '?';
  std::uint64_t start_ticks = 0;
};

/// Fields of one /proc/<pid>/stat line (proc(5)); nullopt when it is malformed. Pure.
std::optional<ProcStat> parse_stat(std::string_view line);
std::optional<ProcStat> read_stat(pid_t pid);
/// Every process visible now; nullopt when they cannot all be seen (no descriptor left, no /proc).
std::optional<std::vector<ProcStat>> scan_processes();
/// The number given last to a new process or thread.
std::optional<pid_t> newest_process();

/// Which processes a service consists of: its session, its process group, their descendants, and orphans that
/// carry the service's mark in their environment. The leader comes first when it is alive; zombies are left
/// out.
struct Membership {
  pid_t leader = -1;
  std::string mark;  ///< "DUMB_UNIT=…" of the child's environment
  /// Not a child of this process, but of an earlier one: its id is free for others as soon as it ends, and
  /// its orphans went to somebody else.
  bool adopted = false;
  std::uint64_t start_ticks = 0;  ///< of the leader, when it is adopted
  std::uint64_t end_ticks = 0;    ///< when it was seen to have ended; 0: it lives, or nobody saw it
};
std::vector<ProcStat> members_of(const Membership& unit, const std::vector<ProcStat>& processes);

/// Whether one process belongs to a service; looks at it and its ancestors only.
bool belongs_to(const Membership& unit, pid_t pid);

/// A handle of exactly this process, or an empty one when it is gone or the pid was recycled.
UniqueFd open_process(pid_t pid, std::uint64_t start_ticks);
bool signal_process(const UniqueFd& pidfd, int signal) noexcept;

ExitStatus status_of(const siginfo_t& info) noexcept;
/// How a child ended, leaving it a zombie, so that its pid, group and session stay reserved.
std::optional<ExitStatus> peek_status(const Child& child) noexcept;

/// Reaps zombies that were re-parented to this process, the subreaper. Never takes the status of a child made
/// by spawn(), nor of a child of this process's own session, which belongs to the program the library is part
/// of.
void reap_orphans();
/// Children made by spawn() and not reaped yet are remembered, so that reap_orphans() passes them by.
void remember_child(pid_t pid);
void forget_child(pid_t pid) noexcept;
bool is_spawned(pid_t pid);

/// Where the kernel writes the number of a child before that runs (CLONE_PARENT_SETTID), so that it is known
/// to is_spawned() at once, whichever thread makes it. As long as the number is unknown, every process may be
/// that child. To be kept until the child is remembered.
class Birthplace {
 public:
  static constexpr pid_t unknown = -1;
  Birthplace() noexcept;
  ~Birthplace();
  Birthplace(const Birthplace&) = delete;
  Birthplace& operator=(const Birthplace&) = delete;
  /// For the kernel; an atomic of this size is the plain number.
  pid_t* address() noexcept { return reinterpret_cast<pid_t*>(place_); }

 private:
  std::atomic<pid_t>* place_ = nullptr;
};

/// This moment, as start times of processes count it.
std::uint64_t ticks_now() noexcept;
/// How long ago that was, to a hundredth of a second; not below zero.
std::chrono::nanoseconds age_of(std::uint64_t start_ticks) noexcept;

/// Id of this boot of the kernel.
std::string boot_id();

/// Id of the lives that processes here can have: another one after a boot, and after a start of the
/// container, which ends all of them without a boot.
std::string process_life_id();

}  // namespace dumb::supervisor
