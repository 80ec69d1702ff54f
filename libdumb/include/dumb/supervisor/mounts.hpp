#pragma once

#include <chrono>
#include <dumb/base/mounts.hpp>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace dumb::supervisor {

using dumb::Mount;
using dumb::parse_mountinfo;

/// The mounts of this process now.
std::vector<Mount> read_mounts();
/// Whether `point` is exactly a mount point, lexically normalised. Never touches the path.
bool is_mounted(const std::vector<Mount>& mounts, const std::filesystem::path& point);

/// Unmounts exactly `point`: plain, retried for `patience` while busy, then a lazy detach (reported through
/// `lazy`). Uses umount2 as root, fusermount3 otherwise. Nothing to do when it is not mounted. Blocking.
Result<void> unmount(const std::filesystem::path& point, bool& lazy,
                     std::chrono::milliseconds patience = std::chrono::seconds(5));

enum class PathState { directory, other, missing, dead };

/// What a stat of `path` says within `limit`; `dead` when it does not answer (hung mount) or the mount is
/// broken (ENOTCONN). Blocking for at most `limit`; a hung stat is left to a thread of its own.
PathState inspect_path(const std::filesystem::path& path, std::chrono::milliseconds limit);
/// Whether `path` is a directory on a block device or on the file system of `trusted`, a directory that this
/// program uses anyway, as far as the kernel knows without asking anybody. Never blocks on the file system of
/// `path`; false says nothing.
bool is_plain_directory(const std::filesystem::path& path, const std::filesystem::path& trusted);
/// Whether a mounted path answers a stat within `limit`. Blocking as inspect_path().
bool mount_answers(const std::filesystem::path& point, std::chrono::milliseconds limit);

}  // namespace dumb::supervisor
