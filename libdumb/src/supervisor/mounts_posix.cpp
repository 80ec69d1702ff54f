#include <dumb/supervisor/mounts.hpp>

#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <dumb/base/atomic_file.hpp>
#include <dumb/supervisor/launch.hpp>

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

}  // namespace dumb::supervisor
