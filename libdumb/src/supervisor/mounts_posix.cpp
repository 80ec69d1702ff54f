#include <dumb/supervisor/mounts.hpp>

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/supervisor/launch.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace dumb::supervisor {
namespace {

enum class Detach { plain, lazy };

/// One attempt; 0 or an errno.
int unmount_once(const std::filesystem::path& point, Detach how) {
  if (::geteuid() == 0) {
    return ::umount2(point.c_str(), UMOUNT_NOFOLLOW | (how == Detach::lazy ? MNT_DETACH : 0)) == 0 ? 0
                                                                                                   : errno;
  }
  LaunchSpec spec;
  spec.argv = {"fusermount3", "-u"};
  if (how == Detach::lazy) spec.argv.emplace_back("-z");
  spec.argv.emplace_back("--");
  spec.argv.push_back(point.native());
  const char* path = std::getenv("PATH");
  spec.env = {std::string("PATH=") + (path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin")};
  spec.directory = "/";
  auto child = spawn(spec);
  if (!child) return ENOENT;
  pollfd ended{child->pidfd.get(), POLLIN, 0};
  if (::poll(&ended, 1, 10'000) <= 0) {
    send_signal(*child, SIGKILL);
    ::poll(&ended, 1, 1000);
  }
  const auto status = try_wait(*child);
  return status && status->success() ? 0 : EBUSY;
}

}  // namespace

std::vector<Mount> read_mounts() {
  const auto text = file::read("/proc/self/mountinfo");
  return text ? parse_mountinfo(*text) : std::vector<Mount>();
}

Result<void> unmount(const std::filesystem::path& point, bool& lazy, std::chrono::milliseconds patience) {
  lazy = false;
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + patience;
  int error = EBUSY;
  while (is_mounted(read_mounts(), point)) {
    error = unmount_once(point, Detach::plain);
    if (error == 0) continue;  // a mount may hide another one of the same point
    if (error == EINVAL || steady_clock::now() >= deadline) break;
    ::poll(nullptr, 0, 100);
  }
  if (!is_mounted(read_mounts(), point)) return {};
  lazy = true;
  error = unmount_once(point, Detach::lazy);
  if (error != 0) return system_error(error, "unmount", point.native());
  return {};
}

namespace {

/// One stat under way. Whoever asks for the same path meanwhile shares it, so that a hung mount holds one
/// thread, however often it is looked at.
struct PendingStat {
  std::condition_variable ready;
  bool done = false;
  PathState state = PathState::dead;
};
struct PendingStats {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<PendingStat>> by_path;
};
PendingStats& pending() {
  // Never destroyed: a thread left behind may come back while the process ends.
  static auto* const instance = new PendingStats;
  return *instance;
}

constexpr std::uint64_t resolve_cached = 0x20;  // RESOLVE_CACHED of newer headers; older kernels refuse it

PathState stat_state(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0)
    return S_ISDIR(info.st_mode) ? PathState::directory : PathState::other;
  return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? PathState::missing : PathState::dead;
}

void ask(const std::string& path) {
  const PathState state = stat_state(path);
  const std::lock_guard lock(pending().mutex);
  const auto found = pending().by_path.find(path);
  const std::shared_ptr<PendingStat> own = found->second;
  pending().by_path.erase(found);
  own->done = true;
  own->state = state;
  own->ready.notify_all();
}

}  // namespace

PathState inspect_path(const std::filesystem::path& path, std::chrono::milliseconds limit) {
  std::unique_lock lock(pending().mutex);
  auto& slot = pending().by_path[path.native()];
  if (!slot) {
    slot = std::make_shared<PendingStat>();
    try {
      // A stat of a hung mount never returns and cannot be interrupted, so the thread is left behind.
      std::thread(ask, path.native()).detach();
    } catch (const std::system_error&) {
      pending().by_path.erase(path.native());
      return PathState::dead;
    }
  }
  const std::shared_ptr<PendingStat> shared = slot;
  shared->ready.wait_for(lock, limit, [&] { return shared->done; });
  return shared->done ? shared->state : PathState::dead;
}

bool is_plain_directory(const std::filesystem::path& path, const std::filesystem::path& trusted) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = resolve_cached;
  const UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (!fd) return false;
  struct statx found {};
  struct statx own {};
  constexpr int ask_nobody = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
  if (::statx(fd.get(), "", ask_nobody | AT_EMPTY_PATH, STATX_TYPE, &found) != 0) return false;
  if (found.stx_dev_major != 0) return true;  // of a block device
  return ::statx(AT_FDCWD, trusted.c_str(), ask_nobody, STATX_TYPE, &own) == 0 && own.stx_dev_major == 0 &&
         own.stx_dev_minor == found.stx_dev_minor;
}

bool mount_answers(const std::filesystem::path& point, std::chrono::milliseconds limit) {
  const PathState state = inspect_path(point, limit);
  return state == PathState::directory || state == PathState::other;
}

}  // namespace dumb::supervisor
