#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <utility>

#include "setup/host_owners.hpp"
#include "setup/host_tree_posix.hpp"
#include "setup/owner_walk_posix.hpp"

namespace dumb::setup::host {
namespace {

bool is_fuse_mount(const std::vector<supervisor::Mount>& mounts, const std::filesystem::path& path) {
  for (const supervisor::Mount& mount : mounts) {
    if (mount.point == path && mount.type.starts_with("fuse")) return true;
  }
  return false;
}

}  // namespace

Result<Owned> give(const OwnedPath& wanted, const OwnWork& work) {
  const auto failed = [&](std::string_view what) { return system_error(errno, what, wanted.path.native()); };
  // A stat of a hung mount would never return.
  if (is_fuse_mount(work.mounts, wanted.path)) return Owned::mount;
  const auto place = open_place(wanted.path);
  if (!place) {
    const auto code = place.error().code();
    if (code == boost::system::errc::no_such_file_or_directory) return Owned::missing;
    if (code == boost::system::errc::not_a_directory) return Owned::link;
    return place.error();
  }
  const int parent = place->parent.get();
  struct stat info {};
  if (::fstatat(parent, place->name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Owned::missing;
    return failed("inspect");
  }
  if (S_ISLNK(info.st_mode)) return Owned::link;
  if (info.st_uid == work.uid && info.st_gid == work.gid) return Owned::right;
  if (wanted.depth == Depth::everything_below && S_ISDIR(info.st_mode)) {
    const UniqueFd top(
        ::openat(parent, place->name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!top) return failed("open");
    static const std::atomic<bool> never{false};
    OwnerWalkOptions options;
    options.uid = work.uid;
    options.gid = work.gid;
    OwnerWalk walk(options, work.mounts, work.stop != nullptr ? *work.stop : never);
    if (auto done = walk.below(top.get(), wanted.path); !done) return done.error();
  }
  if (::fchownat(parent, place->name.c_str(), work.uid, work.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return failed("set the owner of");
  return Owned::changed;
}

}  // namespace dumb::setup::host
