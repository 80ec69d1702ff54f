#include "support/catch.hpp"
#include "symlinks/mount_table.hpp"

using namespace dumb;
using namespace dumb::symlinks;

namespace {

Mount mount(const char* point, const char* type, const char* device) {
  return {point, type, "source", "/", device};
}

}  // namespace

TEST_CASE("a walk stops at remote and made-up file systems and enters ordinary ones", "[symlinks][SYM-85]") {
  for (const char* type : {"fuse", "fuse.rclone", "fuseblk", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph",
                           "proc", "sysfs", "cgroup2"}) {
    INFO(type);
    const MountTable table({mount("/", "ext4", "8:1"), mount("/l/store", type, "0:50")}, {});
    CHECK(table.is_border("/l/store"));
    CHECK_FALSE(table.is_border("/l"));
    CHECK_FALSE(table.is_border("/l/store/below"));
    CHECK_FALSE(table.is_border("/l/stores"));
  }
  for (const char* type : {"ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay"}) {
    INFO(type);
    const MountTable table({mount("/", "ext4", "8:1"), mount("/l/disk", type, "8:2")}, {});
    CHECK_FALSE(table.is_border("/l/disk"));
  }
}

TEST_CASE("a mount point whose parent is on the same file system is entered", "[symlinks][SYM-85]") {
  const MountTable table({mount("/", "ext4", "8:1"), mount("/l", "nfs4", "0:50"),
                          mount("/l/sub", "nfs4", "0:50"), mount("/l/other", "nfs4", "0:51")},
                         {});
  CHECK_FALSE(table.is_border("/l/sub"));
  CHECK(table.is_border("/l/other"));
  CHECK(table.is_border("/l"));
}

TEST_CASE("of several mounts on one point the last counts", "[symlinks][SYM-85]") {
  const MountTable covered(
      {mount("/", "ext4", "8:1"), mount("/l/s", "fuse", "0:50"), mount("/l/s", "ext4", "8:2")}, {});
  CHECK_FALSE(covered.is_border("/l/s"));
  CHECK(covered.any_below("/l"));
  CHECK_FALSE(covered.any_below("/l/s"));
  CHECK(covered.of("/l/s/x") == 2);
  CHECK(MountTable().of("/l") == -1);
}
