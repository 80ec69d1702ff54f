#pragma once

#include <dumb/base/mounts.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::symlinks {

/// Which file systems stand where, as text: asking it touches no mount. Pure.
class MountTable {
 public:
  MountTable() = default;
  /// Each of `configured` is a mount point that should be there, by all names it may be met under: as
  /// spelled, and without links.
  MountTable(std::vector<Mount> mounts, std::vector<std::vector<std::string>> configured);

  /// Index of the mount that `path` lies on; -1 when none is known.
  int of(std::string_view path) const noexcept;
  /// Whether anything is mounted strictly below `path`.
  bool any_below(std::string_view path) const noexcept;
  /// Whether the walk stops here: `path` is a mount point of a FUSE, network or kernel file system, and its
  /// parent directory is on another one (SYM-85).
  bool is_border(std::string_view path) const noexcept;
  /// Whether `path` lies below a configured mount point that is not mounted (SYM-19).
  bool is_unmounted(std::string_view path) const noexcept;
  /// Whether it lies below a configured mount point, mounted or not.
  bool is_configured(std::string_view path) const noexcept;
  bool any_unmounted() const noexcept { return !unmounted_.empty(); }
  std::size_t size() const noexcept { return mounts_.size(); }

 private:
  std::vector<Mount> mounts_;
  std::vector<std::string> configured_;
  std::vector<std::string> unmounted_;
};

}  // namespace dumb::symlinks
