#include <dumb/supervisor/launch.hpp>

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <utility>

#include "supervisor/launch_job_posix.hpp"
#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {
namespace {

/// What the child reads and, on failure, writes. It shares the parent's memory until exec (CLONE_VM), and the
/// calling thread is suspended meanwhile (CLONE_VFORK), so a plain struct carries the report.
struct ChildBlock {
  const char* path = nullptr;
  char* const* argv = nullptr;
  char* const* env = nullptr;
  const char* directory = nullptr;
  const Identity* identity = nullptr;
  int input = -1;
  int output = -1;
  int error = -1;
  int first_unused = 3;             ///< of the descriptors: from here on the child needs none
  bool shares_descriptors = false;  ///< with the parent, until it has some of its own
  int group_procs = -1;             ///< cgroup.procs of the group it has to enter itself; -1: none
  bool entered_group = false;
  const char* failed_step = nullptr;
  int failed_errno = 0;
};

#if defined(__SANITIZE_ADDRESS__)
#define DUMB_NO_SANITIZE __attribute__((no_sanitize("address")))
#else
#define DUMB_NO_SANITIZE
#endif

/// A table of its own with nothing in it but what is needed. To copy and close some hundreds of descriptors
/// would take longer than all the rest; a table that was shared is copied up to the first unused one only.
DUMB_NO_SANITIZE bool own_descriptors(const ChildBlock& block) {
  if (!block.shares_descriptors) return true;
  constexpr unsigned unshare_flag = 1U << 1U;  // CLOSE_RANGE_UNSHARE
  return ::syscall(SYS_close_range, static_cast<unsigned>(block.first_unused), ~0U, unshare_flag) == 0 ||
         ::unshare(CLONE_FILES) == 0;
}

/// Between clone and exec: only async-signal-safe calls, and raw system calls for the ids, because the C
/// library's wrappers would change the ids of the parent's threads.
DUMB_NO_SANITIZE int child_main(void* argument) {
  auto& block = *static_cast<ChildBlock*>(argument);
  const auto fail = [&block](const char* step) {
    block.failed_errno = errno;
    block.failed_step = step;
    ::_exit(127);
    return 127;
  };
  if (block.group_procs >= 0) block.entered_group = ::write(block.group_procs, "0", 1) == 1;
  if (::setsid() < 0) return fail("create a session");
  if (!own_descriptors(block)) return fail("take descriptors of its own");
  const std::array<int, 3> sources{block.input, block.output, block.error};
  for (int target = 0; target < 3; ++target) {
    if (::dup2(sources[static_cast<std::size_t>(target)], target) < 0)
      return fail("connect the standard streams");
  }
  // Now, not with exec: what follows may hang on a mount, and must hold no lock and no socket then.
  if (::syscall(SYS_close_range, 3U, ~0U, 0U) != 0) {
    for (int fd = 3; fd < 65536; ++fd) ::close(fd);
  }
  ::umask(022);
  if (block.identity != nullptr) {
    const Identity& id = *block.identity;
    if (::syscall(SYS_setgroups, id.groups.size(), id.groups.data()) != 0) return fail("set the groups");
    if (::syscall(SYS_setresgid, id.gid, id.gid, id.gid) != 0) return fail("set the group id");
    if (::syscall(SYS_setresuid, id.uid, id.uid, id.uid) != 0) return fail("set the user id");
    uid_t real = 0;
    uid_t effective = 0;
    uid_t saved = 0;
    if (::syscall(SYS_getresuid, &real, &effective, &saved) != 0 || real != id.uid || effective != id.uid ||
        saved != id.uid) {
      errno = EPERM;
      return fail("verify the user id");
    }
  }
  if (::chdir(block.directory) != 0) return fail("enter the working directory");
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(block.path, block.argv, block.env);
  return fail("execute the program");
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& text : strings) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

std::string_view variable(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string& entry : env) {
    const std::string_view view = entry;
    if (view.size() > name.size() && view.starts_with(name) && view[name.size()] == '=') {
      return view.substr(name.size() + 1);
    }
  }
  return {};
}

/// Descriptors with low numbers, taken when a thread spawns first: a child gets its standard streams through
/// them, so that nothing beyond is copied for it. Between two launches they are /dev/null.
class StreamSlots {
 public:
  /// False, with errno, when there are none to be had.
  bool ready() noexcept {
    if (null_ && std::all_of(slots_.begin(), slots_.end(), [](const UniqueFd& slot) { return bool(slot); }))
      return true;
    null_.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (UniqueFd& slot : slots_) {
      slot.reset(null_ ? ::fcntl(null_.get(), F_DUPFD_CLOEXEC, 3) : -1);
      if (!slot) return false;
    }
    return true;
  }
  /// A negative one stays /dev/null.
  bool connect(const std::array<int, 3>& streams) noexcept {
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (streams[i] < 0) continue;
      if (::dup3(streams[i], slots_[i].get(), O_CLOEXEC) < 0) return false;
      connected_[i] = true;
    }
    return true;
  }
  void release() noexcept {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (std::exchange(connected_[i], false)) ::dup3(null_.get(), slots_[i].get(), O_CLOEXEC);
    }
  }
  int operator[](std::size_t i) const noexcept { return slots_[i].get(); }
  int first_beyond() const noexcept {
    return std::max({slots_[0].get(), slots_[1].get(), slots_[2].get()}) + 1;
  }

 private:
  UniqueFd null_;
  std::array<UniqueFd, 3> slots_;
  std::array<bool, 3> connected_{};
};

StreamSlots& slots_of_thread() {
  thread_local StreamSlots slots;
  return slots;
}

/// The descriptors of one launch, given back at its end.
struct ConnectedStreams {
  explicit ConnectedStreams(StreamSlots& taken) noexcept : slots(taken) {}
  ConnectedStreams(const ConnectedStreams&) = delete;
  ConnectedStreams& operator=(const ConnectedStreams&) = delete;
  ~ConnectedStreams() { slots.release(); }
  StreamSlots& slots;
};

constexpr std::size_t stack_size = 64 * 1024;

struct Stack {
  void* base =
      ::mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  Stack() = default;
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() {
    if (base != MAP_FAILED) ::munmap(base, stack_size);
  }
};

/// clone(2) with a stack for the child; the caller is suspended until it executes or ends. A child that can
/// be born into its control group by clone3(2) is: nothing it does can happen outside, and moving a process
/// later is slow. Otherwise it enters the group by itself before anything else.
class Birth {
 public:
  Birth(ChildBlock& block, const Stack& stack, int group, Birthplace& place) noexcept
      : block_(block), stack_(stack), group_(group), place_(place) {}

  pid_t make(int& pidfd) noexcept {
#if defined(__x86_64__)
    block_.shares_descriptors = true;
    const pid_t pid = make_known(pidfd);
    if (pid >= 0) {
      block_.entered_group = group_ >= 0;
      return pid;
    }
#endif
    block_.shares_descriptors = false;
    UniqueFd procs;
    if (group_ >= 0) procs.reset(::openat(group_, "cgroup.procs", O_WRONLY | O_CLOEXEC));
    block_.group_procs = procs.get();
    return ::clone(child_main, static_cast<char*>(stack_.base) + stack_size,
                   CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &block_, &pidfd);
  }

 private:
#if defined(__x86_64__)
  /// The C library has no wrapper; the child, on its own stack, must not return from the call.
  pid_t make_known(int& pidfd) noexcept {
    clone_args arguments{};
    arguments.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | CLONE_PARENT_SETTID;
    arguments.parent_tid = reinterpret_cast<std::uintptr_t>(place_.address());
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    arguments.stack = reinterpret_cast<std::uintptr_t>(stack_.base);
    arguments.stack_size = stack_size;
    if (group_ >= 0) {
      arguments.flags |= CLONE_INTO_CGROUP;
      arguments.cgroup = static_cast<std::uint64_t>(group_);
    }
    long result = SYS_clone3;
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"
        "mov %[block], %%rdi\n\t"
        "call *%[entry]\n\t"
        "hlt\n"
        "1:"
        : "+a"(result)
        : "D"(&arguments), "S"(sizeof arguments), [block] "r"(&block_), [entry] "r"(&child_main)
        : "rcx", "r11", "memory", "cc");
    return static_cast<pid_t>(result);
  }
#endif

  ChildBlock& block_;
  const Stack& stack_;
  int group_;
  [[maybe_unused]] Birthplace& place_;
};

}  // namespace

std::string ExitStatus::to_string() const {
  switch (kind) {
    case Kind::code:
      return "exit code " + std::to_string(value);
    case Kind::signal: {
      const char* name = ::sigabbrev_np(value);
      return "signal " + std::to_string(value) +
             (name != nullptr ? " (" + std::string(name) + ")" : std::string());
    }
    case Kind::unknown:
      break;
  }
  return "exit status unknown";
}

std::vector<std::filesystem::path> program_candidates(const LaunchSpec& spec) {
  std::vector<std::filesystem::path> candidates;
  if (spec.argv.empty() || spec.argv.front().empty()) return candidates;
  const std::string& name = spec.argv.front();
  if (name.find('/') != std::string::npos) {
    candidates.push_back(spec.directory / name);
    return candidates;
  }
  for (const std::string& directory : text::split(variable(spec.env, "PATH"), ':')) {
    if (!directory.empty()) candidates.push_back(std::filesystem::path(directory) / name);
  }
  return candidates;
}

std::optional<std::filesystem::path> find_program(std::string_view name, std::string_view path_variable) {
  for (const std::string& directory : text::split(path_variable, ':')) {
    if (directory.empty()) continue;
    std::filesystem::path candidate = std::filesystem::path(directory) / name;
    struct stat info {};
    if (::stat(candidate.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
        ::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
  }
  return std::nullopt;
}

void reserve_for_spawning() noexcept {
  static_cast<void>(slots_of_thread().ready());
}

Result<Child> spawn(const LaunchSpec& spec) {
  if (spec.argv.empty() || spec.argv.front().empty())
    return Error(Errc::spawn_failed, "the command is empty");
  std::string program = spec.argv.front();
  if (program.find('/') == std::string::npos) {
    const auto found = find_program(program, variable(spec.env, "PATH"));
    if (!found) return Error(Errc::spawn_failed, "cannot find the program '" + program + "' on the PATH");
    program = found->native();
  }
  StreamSlots& slots = slots_of_thread();
  const ConnectedStreams streams(slots);
  if (!slots.ready() || !slots.connect({spec.standard_input, spec.standard_output, spec.standard_error}))
    return system_error(errno, "prepare the standard streams");

  const std::vector<char*> argv = pointers(spec.argv);
  const std::vector<char*> env = pointers(spec.env);
  const std::string directory = spec.directory.empty() ? std::string("/") : spec.directory.native();
  ChildBlock block;
  block.path = program.c_str();
  block.argv = argv.data();
  block.env = env.data();
  block.directory = directory.c_str();
  block.identity = spec.identity ? &*spec.identity : nullptr;
  block.input = slots[0];
  block.output = slots[1];
  block.error = slots[2];
  block.first_unused = slots.first_beyond();

  thread_local const Stack stack;  // the thread is suspended while the child uses it
  if (stack.base == MAP_FAILED) return system_error(errno, "allocate a stack");
  // No handler of this process may run in the child, which shares its memory.
  sigset_t all;
  sigset_t old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  int pidfd = -1;
  Birthplace place;
  const pid_t pid = Birth(block, stack, spec.control_group, place).make(pidfd);
  const int clone_errno = errno;
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (pid < 0)
    return Error(Errc::spawn_failed, "cannot create a process: " + std::string(std::strerror(clone_errno)));

  remember_child(pid);
  Child child;
  child.pid = pid;
  child.pidfd.reset(pidfd);
  child.in_control_group = block.entered_group;
  if (block.failed_step != nullptr) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
    }
    forget_child(pid);
    std::string what = "cannot " + std::string(block.failed_step);
    if (block.failed_step == std::string_view("enter the working directory")) what += " " + directory;
    if (block.failed_step == std::string_view("execute the program")) what += " " + program;
    return Error(Errc::spawn_failed, what + ": " + std::strerror(block.failed_errno));
  }
  if (const auto stat = read_stat(pid)) child.start_ticks = stat->start_ticks;
  return child;
}

std::optional<ExitStatus> try_wait(const Child& child) noexcept {
  siginfo_t info{};
  if (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(child.pidfd.get()), &info,
               WEXITED | WNOHANG) != 0) {
    if (errno != ECHILD) return std::nullopt;
    pollfd ended{child.pidfd.get(), POLLIN, 0};
    return ::poll(&ended, 1, 0) > 0 ? std::optional(ExitStatus{}) : std::nullopt;
  }
  if (info.si_pid == 0) return std::nullopt;
  forget_child(child.pid);
  return status_of(info);
}

bool send_signal(const Child& child, int signal) noexcept {
  return ::syscall(SYS_pidfd_send_signal, child.pidfd.get(), signal, nullptr, 0) == 0;
}

}  // namespace dumb::supervisor
