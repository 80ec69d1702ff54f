#pragma once

#include <chrono>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::supervisor {

struct Mount {
  std::filesystem::path point;  ///< octal escapes decoded
  std::string type;             ///< "fuse.rclone"
  std::string source;
  std::string root{};  ///< which directory of the file system stands there
};

/// Lines of a mountinfo file (proc(5), /proc/pid/mountinfo); malformed lines are skipped. Pure.
std::vector<Mount> parse_mountinfo(std::string_view text);
/// The mounts of this process now.
std::vector<Mount> read_mounts();
/// Whether `point` is exactly a mount point, lexically normalised. Never touches the path.
bool is_mounted(const std::vector<Mount>& mounts, const std::filesystem::path& point);

/// Unmounts exactly `point`: plain, retried for 5 s while busy, then a lazy detach (reported through `lazy`).
/// Uses umount2 as root, fusermount3 otherwise. Nothing to do when it is not mounted. Blocking.
Result<void> unmount(const std::filesystem::path& point, bool& lazy);

enum class PathState { directory, other, missing, dead };

/// What a stat of `path` says within `limit`; `dead` when it does not answer (hung mount) or the mount is
/// broken (ENOTCONN). Blocking for at most `limit`; a hung stat is left to a thread of its own.
PathState inspect_path(const std::filesystem::path& path, std::chrono::milliseconds limit);
/// Whether a mounted path answers a stat within `limit`. Blocking as inspect_path().
bool mount_answers(const std::filesystem::path& point, std::chrono::milliseconds limit);

}  // namespace dumb::supervisor
