// What is asked of paths that may be on a mount which hangs.
//
// A request that such a mount has taken up is waited for uninterruptibly. A thread that makes one cannot end
// before the mount answers, and neither can the process it belongs to: it would keep every lock and every
// listening socket after a SIGKILL, and execute nothing. So a process of its own makes it, one that holds no
// descriptor at all.
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <dumb/base/unique_fd.hpp>
#include <dumb/supervisor/launch.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t resolve_cached = 0x20;  // RESOLVE_CACHED of newer headers; older kernels refuse it
constexpr int first_status = 64;  // exit status of a question whose answer is the first PathState

struct Question {
  const char* path;
  pid_t asker;
};

#if defined(__SANITIZE_ADDRESS__)
#define DUMB_NO_SANITIZE __attribute__((no_sanitize("address")))
#else
#define DUMB_NO_SANITIZE
#endif

/// In the process that asks. It has a copy of this program's memory, in the middle of whatever other threads
/// were doing: only system calls from here on.
DUMB_NO_SANITIZE int answer(void* argument) {
  const auto& question = *static_cast<const Question*>(argument);
  if (::syscall(SYS_close_range, 0U, ~0U, 0U) != 0) {
    for (int fd = 0; fd < 65536; ++fd) ::close(fd);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != question.asker) ::_exit(0);
  struct stat info {};
  PathState state = PathState::dead;
  if (::stat(question.path, &info) == 0) {
    state = S_ISDIR(info.st_mode) ? PathState::directory : PathState::other;
  } else if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) {
    state = PathState::missing;
  }
  ::_exit(first_status + static_cast<int>(state));
  return 0;
}

/// One question under way. Whoever asks for the same path meanwhile shares it, so that a hung mount holds one
/// process, however often it is looked at.
struct Pending {
  Child asked;
  bool done = false;
  PathState state = PathState::dead;
};

struct AllPending {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Pending>> by_path;
};
AllPending& pending() {
  // Never destroyed: threads may ask while the process ends.
  static auto* const instance = new AllPending;
  return *instance;
}

/// With the mutex held. False when no process could be made.
bool ask(const std::string& path, Pending& question) {
  alignas(16) static std::array<char, 64 * 1024> stack;  // only its copy is used
  Question words{path.c_str(), ::getpid()};
  sigset_t all;
  sigset_t old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);  // no handler of this program may run in it
  int pidfd = -1;
  const pid_t pid = ::clone(answer, stack.data() + stack.size(), CLONE_PIDFD | SIGCHLD, &words, &pidfd);
  if (pid > 0) remember_child(pid);
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (pid < 0) return false;
  question.asked.pid = pid;
  question.asked.pidfd.reset(pidfd);
  return true;
}

/// With the mutex held: takes the answer, when there is one.
void take_answer(Pending& question) {
  if (question.done) return;
  const auto status = try_wait(question.asked);
  if (!status) return;
  question.done = true;
  const int state = status->value - first_status;
  const bool told =
      status->kind == ExitStatus::Kind::code && state >= 0 && state <= static_cast<int>(PathState::dead);
  if (told) question.state = static_cast<PathState>(state);
}

/// With the mutex held: what was answered after everybody had stopped waiting is forgotten.
void forget_answered() {
  for (auto& [path, question] : pending().by_path) take_answer(*question);
  std::erase_if(pending().by_path, [](const auto& entry) { return entry.second->done; });
}

void wait_for_end(const Pending& question, milliseconds limit) {
  const auto deadline = steady_clock::now() + limit;
  for (milliseconds left = limit; left.count() >= 0;) {
    pollfd ended{question.asked.pidfd.get(), POLLIN, 0};
    if (::poll(&ended, 1, static_cast<int>(left.count())) >= 0 || errno != EINTR) return;
    left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
  }
}

PathState ask_for(const std::string& path, milliseconds limit) {
  std::shared_ptr<Pending> question;
  {
    const std::lock_guard lock(pending().mutex);
    forget_answered();
    auto& slot = pending().by_path[path];
    if (!slot) {
      slot = std::make_shared<Pending>();
      if (!ask(path, *slot)) {
        pending().by_path.erase(path);
        return PathState::dead;
      }
    }
    question = slot;
  }
  wait_for_end(*question, limit);
  const std::lock_guard lock(pending().mutex);
  take_answer(*question);
  if (question->done) {
    const auto slot = pending().by_path.find(path);
    if (slot != pending().by_path.end() && slot->second == question) pending().by_path.erase(slot);
  }
  return question->state;
}

/// What the kernel knows of a path without asking the file system it is on: nullopt unless that is a block
/// device, or the one of `trusted`, or the kernel remembers that there is nothing.
std::optional<PathState> known_state(const std::filesystem::path& path,
                                     const std::filesystem::path& trusted) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = resolve_cached;
  const UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (!fd) return errno == ENOENT || errno == ENOTDIR ? std::optional(PathState::missing) : std::nullopt;
  struct statx found {};
  constexpr int ask_nobody = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
  if (::statx(fd.get(), "", ask_nobody | AT_EMPTY_PATH, STATX_TYPE, &found) != 0) return std::nullopt;
  const PathState state = S_ISDIR(found.stx_mode) ? PathState::directory : PathState::other;
  if (found.stx_dev_major != 0) return state;
  struct statx own {};
  const bool same = !trusted.empty() &&
                    ::statx(AT_FDCWD, trusted.c_str(), ask_nobody, STATX_TYPE, &own) == 0 &&
                    own.stx_dev_major == 0 && own.stx_dev_minor == found.stx_dev_minor;
  return same ? std::optional(state) : std::nullopt;
}

}  // namespace

PathState inspect_path(const std::filesystem::path& path, milliseconds limit) {
  if (const auto known = known_state(path, {})) return *known;
  return ask_for(path.native(), limit);
}

bool is_plain_directory(const std::filesystem::path& path, const std::filesystem::path& trusted) {
  return known_state(path, trusted) == PathState::directory;
}

bool mount_answers(const std::filesystem::path& point, milliseconds limit) {
  const PathState state = ask_for(point.native(), limit);
  return state == PathState::directory || state == PathState::other;
}

PathState inspect_program(const LaunchSpec& spec, milliseconds limit) {
  for (const std::filesystem::path& candidate : program_candidates(spec)) {
    const PathState state = inspect_path(candidate, limit);
    if (state == PathState::other || state == PathState::dead) return state;
  }
  return PathState::missing;
}

bool is_plain_program(const LaunchSpec& spec, const std::filesystem::path& trusted) {
  for (const std::filesystem::path& candidate : program_candidates(spec)) {
    const auto state = known_state(candidate, trusted);
    if (!state) return false;
    if (*state == PathState::other) return true;
  }
  return true;
}

}  // namespace dumb::supervisor
