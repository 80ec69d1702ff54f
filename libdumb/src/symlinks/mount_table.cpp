#include "symlinks/mount_table.hpp"

#include <algorithm>
#include <array>
#include <dumb/symlinks/paths.hpp>

namespace dumb::symlinks {
namespace {

/// File systems that are remote, made up, or may hang.
bool is_foreign(std::string_view type) noexcept {
  if (type.starts_with("fuse") || type.starts_with("nfs") || type.starts_with("smb")) return true;
  static constexpr std::array<std::string_view, 26> types{
      "cifs",    "9p",          "ceph",     "glusterfs",  "lustre",   "afs",       "coda",
      "proc",    "sysfs",       "cgroup",   "cgroup2",    "devpts",   "devtmpfs",  "debugfs",
      "tracefs", "securityfs",  "pstore",   "bpf",        "configfs", "hugetlbfs", "mqueue",
      "autofs",  "binfmt_misc", "efivarfs", "rpc_pipefs", "nsfs"};
  return std::find(types.begin(), types.end(), type) != types.end();
}

}  // namespace

MountTable::MountTable(std::vector<Mount> mounts, std::vector<std::vector<std::string>> configured)
    : mounts_(std::move(mounts)) {
  for (const std::vector<std::string>& names : configured) {
    const bool mounted = std::any_of(mounts_.begin(), mounts_.end(), [&](const Mount& mount) {
      return std::find(names.begin(), names.end(), mount.point.native()) != names.end();
    });
    configured_.insert(configured_.end(), names.begin(), names.end());
    if (!mounted) unmounted_.insert(unmounted_.end(), names.begin(), names.end());
  }
}

int MountTable::of(std::string_view path) const noexcept {
  int best = -1;
  for (std::size_t i = 0; i < mounts_.size(); ++i) {
    const std::string& point = mounts_[i].point.native();
    if (!is_within(path, point)) continue;
    // Of several mounts on one point the last covers the others.
    if (best < 0 || point.size() >= mounts_[static_cast<std::size_t>(best)].point.native().size()) {
      best = static_cast<int>(i);
    }
  }
  return best;
}

bool MountTable::any_below(std::string_view path) const noexcept {
  return std::any_of(mounts_.begin(), mounts_.end(), [&](const Mount& mount) {
    return mount.point.native() != path && is_within(mount.point.native(), path);
  });
}

bool MountTable::is_border(std::string_view path) const noexcept {
  const int here = of(path);
  if (here < 0) return false;
  const Mount& mount = mounts_[static_cast<std::size_t>(here)];
  if (mount.point.native() != path || !is_foreign(mount.type)) return false;
  const int above = of(parent_path(path));
  return above < 0 || mounts_[static_cast<std::size_t>(above)].device != mount.device;
}

bool MountTable::is_configured(std::string_view path) const noexcept {
  return std::any_of(configured_.begin(), configured_.end(),
                     [&](const std::string& point) { return is_within(path, point); });
}

bool MountTable::is_unmounted(std::string_view path) const noexcept {
  return std::any_of(unmounted_.begin(), unmounted_.end(),
                     [&](const std::string& point) { return is_within(path, point); });
}

}  // namespace dumb::symlinks
