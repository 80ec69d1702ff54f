#include "setup/owner_walk_posix.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <dumb/base/unique_fd.hpp>

#include "setup/host_tree_posix.hpp"

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

Error failed(std::string_view what, const fs::path& path) {
  return system_error(errno, what, path.native());
}

}  // namespace

Result<void> OwnerWalk::below(int directory, const fs::path& path) {
  struct stat info {};
  if (::fstat(directory, &info) != 0) return failed("inspect", path);
  return walk(directory, path, info.st_dev);
}

Result<void> OwnerWalk::walk(int directory, const fs::path& path, dev_t device) {
  const auto names = host::names_in(directory, path);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (stop_) return Error(Errc::cancelled, "setting owners was called off", path.native());
    if (auto done = one(directory, name, path / name, device); !done) return done;
  }
  return {};
}

Result<void> OwnerWalk::one(int directory, const std::string& name, const fs::path& path, dev_t device) {
  // Before anything else: a stat of a hung mount never returns.
  if (supervisor::is_mounted(mounts_, path)) return {};
  struct stat info {};
  if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return failed("inspect", path);
  }
  if (info.st_dev != device) return {};
  const bool wrong = options_.uid && (info.st_uid != *options_.uid || info.st_gid != *options_.gid);
  if (wrong) {
    if (::fchownat(directory, name.c_str(), *options_.uid, *options_.gid, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};
      return failed("set the owner of", path);
    }
    changed_ = true;
  }
  if (S_ISLNK(info.st_mode)) return {};
  if (S_ISDIR(info.st_mode)) {
    const UniqueFd child(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!child) return failed("open", path);
    if (auto done = set_mode(child.get(), info.st_mode, options_.mode.value_or(0), path); !done) return done;
    return walk(child.get(), path, device);
  }
  if (!options_.mode || !S_ISREG(info.st_mode)) return {};
  const mode_t wanted = *options_.mode & 0666U;
  if ((info.st_mode & 07777U) == wanted) return {};
  const UniqueFd child(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!child) return failed("open", path);
  return set_mode(child.get(), info.st_mode, wanted, path);
}

Result<void> OwnerWalk::set_mode(int fd, mode_t now, mode_t wanted, const fs::path& path) {
  if (!options_.mode || (now & 07777U) == wanted) return {};
  if (::fchmod(fd, wanted) != 0) return failed("set the mode of", path);
  changed_ = true;
  return {};
}

}  // namespace dumb::setup
