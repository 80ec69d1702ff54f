#include "engine/run_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <dumb/base/atomic_file.hpp>

namespace dumb::engine {

Result<UniqueFd> lock_run_directory(const std::filesystem::path& directory) {
  if (!file::make_directories(directory, 0700)) return UniqueFd();
  const std::filesystem::path path = directory / "lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return UniqueFd();
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return UniqueFd();
    return Error(Errc::conflict, "another dumb-server supervises this stack; --replace takes it over",
                 directory.native());
  }
  return fd;
}

}  // namespace dumb::engine
