#include "supervisor/proc_posix.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <mutex>
#include <set>
#include <thread>

namespace dumb::supervisor {
namespace {

enum class Mark { carried, absent, vanished };

Mark mark_of(pid_t pid, const std::string& mark) {
  if (mark.empty()) return Mark::absent;
  const auto environment = file::read("/proc/" + std::to_string(pid) + "/environ", 4U << 20U);
  if (!environment || environment->empty()) {
    const auto stat = read_stat(pid);
    return !stat || stat->state == 'Z' ? Mark::vanished : Mark::absent;
  }
  const std::string needle = mark + '\0';
  const std::string haystack = '\0' + *environment + '\0';
  return haystack.find('\0' + needle) != std::string::npos ? Mark::carried : Mark::absent;
}

/// The numbers in /proc in ascending order, read in small pieces: what a process starts before it vanishes
/// has a later number and is still met.
class ProcessNumbers {
 public:
  ProcessNumbers() : directory_(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}
  bool failed() const noexcept { return failed_ || !directory_; }

  std::optional<pid_t> next() {
    for (;;) {
      if (at_ >= filled_) {
        const long got =
            directory_ ? ::syscall(SYS_getdents64, directory_.get(), buffer_.data(), buffer_.size()) : -1;
        failed_ |= got < 0;
        if (got <= 0) return std::nullopt;
        filled_ = static_cast<std::size_t>(got);
        at_ = 0;
      }
      // struct linux_dirent64: inode, offset, record length, type, name.
      const char* record = buffer_.data() + at_;
      unsigned short length = 0;
      std::memcpy(&length, record + 16, sizeof length);
      at_ += length;
      const auto pid = text::to_int(record + 19);
      if (pid && *pid > 0) return static_cast<pid_t>(*pid);
    }
  }

 private:
  UniqueFd directory_;
  alignas(8) std::array<char, 640> buffer_{};
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  bool failed_ = false;
};

/// The leader's number may be somebody else's by now, and whoever has it may have made a session of it.
bool is_adopted_member(const Membership& unit, const ProcStat& process, bool numbered) {
  if (process.start_ticks < unit.start_ticks) return false;
  if (process.pid == unit.leader && process.start_ticks == unit.start_ticks) return true;
  if (numbered && process.pid != unit.leader) {
    if (process.start_ticks <= unit.end_ticks) return true;
    if (unit.end_ticks == 0 && open_process(unit.leader, unit.start_ticks)) return true;
  }
  return mark_of(process.pid, unit.mark) == Mark::carried;
}

/// A process's children are a property of the process, whoever asked for them; hence one list, guarded.
struct Spawned {
  std::mutex mutex;
  std::set<pid_t> pids;
  std::array<std::atomic<pid_t>, 64> births{};
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

bool is_spawned(pid_t pid) {
  // In this order: a birth is over only when its child is remembered.
  for (const std::atomic<pid_t>& birth : spawned().births) {
    const pid_t born = birth.load();
    if (born == pid || born == Birthplace::unknown) return true;
  }
  const std::lock_guard lock(spawned().mutex);
  return spawned().pids.contains(pid);
}

Birthplace::Birthplace() noexcept {
  for (;;) {
    for (std::atomic<pid_t>& birth : spawned().births) {
      pid_t none = 0;
      if (birth.compare_exchange_strong(none, unknown)) {
        place_ = &birth;
        return;
      }
    }
    std::this_thread::yield();
  }
}

Birthplace::~Birthplace() {
  place_->store(0);
}

namespace {

/// The children of all threads of this process; nullopt when the kernel has no such list.
std::optional<std::vector<pid_t>> own_children() {
  DIR* directory = ::opendir("/proc/self/task");
  if (directory == nullptr) return std::nullopt;
  std::vector<pid_t> children;
  bool known = true;
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const auto list = file::read(std::string("/proc/self/task/") + entry->d_name + "/children", 4U << 20U);
    if (!list) {
      known = false;
      break;
    }
    for (const std::string& word : text::split(*list, ' ')) {
      if (const auto pid = text::to_int(word)) children.push_back(static_cast<pid_t>(*pid));
    }
  }
  ::closedir(directory);
  if (!known) return std::nullopt;
  return children;
}

void reap_if_orphan(const ProcStat& process, pid_t session) {
  if (process.parent != ::getpid() || process.state != 'Z' || process.session == session) return;
  if (is_spawned(process.pid)) return;  // asked after it was seen to be one
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(process.pid), &info, WEXITED | WNOHANG);
}

}  // namespace

void reap_orphans() {
  const pid_t session = ::getsid(0);
  if (const auto children = own_children()) {
    for (const pid_t child : *children) {
      if (is_spawned(child)) continue;
      if (const auto stat = read_stat(child)) reap_if_orphan(*stat, session);
    }
  } else if (const auto processes = scan_processes()) {
    for (const ProcStat& process : *processes) reap_if_orphan(process, session);
  }
}

std::optional<ProcStat> parse_stat(std::string_view line) {
  // The name in parentheses may hold blanks and parentheses; the last ')' ends it.
  const std::size_t close = line.rfind(')');
  const std::size_t open = line.find('(');
  if (close == std::string_view::npos || open == std::string_view::npos || close + 2 >= line.size())
    return std::nullopt;
  const auto pid = text::to_int(text::trim(line.substr(0, open)));
  std::string_view rest = text::trim(line.substr(close + 2));
  std::array<std::string_view, 20> fields;
  for (std::string_view& field : fields) {
    if (rest.empty()) return std::nullopt;
    field = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), field.size() + 1));
  }
  if (!pid || fields[0].empty()) return std::nullopt;
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
  const UniqueFd fd(::open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 2048> line;  // one read gives it whole; it is far shorter
  const ssize_t got = fd ? ::read(fd.get(), line.data(), line.size()) : -1;
  if (got <= 0) return std::nullopt;
  return parse_stat({line.data(), static_cast<std::size_t>(got)});
}

std::optional<std::vector<ProcStat>> scan_processes() {
  std::vector<ProcStat> all;
  ProcessNumbers numbers;
  bool complete = true;
  while (const auto pid = numbers.next()) {
    const auto line = file::read("/proc/" + std::to_string(*pid) + "/stat", 65536);
    if (!line) {
      const int number = line.error().code().value();
      complete &= number == ENOENT || number == ESRCH || number == EACCES;
    } else if (auto stat = parse_stat(*line)) {
      all.push_back(*stat);
    }
  }
  if (!complete || numbers.failed()) return std::nullopt;
  return all;
}

std::optional<pid_t> newest_process() {
  const auto line = file::read("/proc/loadavg", 4096);
  if (!line) return std::nullopt;
  const auto pid = text::to_int(text::split(text::trim(*line), ' ').back());
  if (!pid) return std::nullopt;
  return static_cast<pid_t>(*pid);
}

std::vector<ProcStat> members_of(const Membership& unit, const std::vector<ProcStat>& processes) {
  const pid_t self = ::getpid();
  std::set<pid_t> inside;
  for (const ProcStat& process : processes) {
    if (process.pid == self) continue;
    const bool own =
        process.pid == unit.leader || process.session == unit.leader || process.group == unit.leader;
    if (unit.adopted) {
      if (is_adopted_member(unit, process, own)) inside.insert(process.pid);
      continue;
    }
    // Orphans come back to this process, the subreaper; the mark tells whose they are.
    const bool orphan = !own && process.parent == self && !is_spawned(process.pid);
    // One that vanished since it was seen may have been ours, and may have left a child: somebody looks
    // again.
    if (own || (orphan && mark_of(process.pid, unit.mark) != Mark::absent)) inside.insert(process.pid);
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
    if (process->parent == self || (unit.adopted && process->parent <= 1))
      return mark_of(pid, unit.mark) == Mark::carried;
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

std::uint64_t ticks_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return static_cast<std::uint64_t>(now.tv_sec) * per_second +
         static_cast<std::uint64_t>(now.tv_nsec) * per_second / 1'000'000'000U;
}

std::chrono::nanoseconds age_of(std::uint64_t start_ticks) noexcept {
  const std::uint64_t now = ticks_now();
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return std::chrono::nanoseconds((now - std::min(now, start_ticks)) * (1'000'000'000U / per_second));
}

std::string boot_id() {
  const auto text = file::read("/proc/sys/kernel/random/boot_id", 4096);
  return text ? std::string(text::trim(*text)) : std::string();
}

std::string process_life_id() {
  const auto first = read_stat(1);
  return boot_id() + "/" + std::to_string(first ? first->start_ticks : 0);
}

}  // namespace dumb::supervisor
