#pragma once

#include <chrono>
#include <dumb/base/mounts.hpp>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace dumb::supervisor {

struct LaunchSpec;

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
/// broken (ENOTCONN). Blocking for at most `limit`. A process of its own asks, where somebody has to be asked
/// at all: nothing but the answer ends the question, and a thread of this process could not end before.
PathState inspect_path(const std::filesystem::path& path, std::chrono::milliseconds limit);
/// Whether `path` is a directory on a block device or on the file system of `trusted`, a directory that this
/// program uses anyway, as far as the kernel knows without asking anybody. Never blocks on the file system of
/// `path`; false says nothing.
bool is_plain_directory(const std::filesystem::path& path, const std::filesystem::path& trusted);
/// What there is of the program of `spec`: `other` when it was found, `dead` when a place where it would be
/// looked for first does not answer within `limit`, else `missing`. Blocking as inspect_path(), for each
/// place.
PathState inspect_program(const LaunchSpec& spec, std::chrono::milliseconds limit);
/// Whether the program can be looked for without asking anything but block devices and the file system of
/// `trusted`, as far as the kernel knows. Never blocks; false says nothing.
bool is_plain_program(const LaunchSpec& spec, const std::filesystem::path& trusted);
/// Whether a mounted path answers a stat within `limit`. Blocking as inspect_path().
bool mount_answers(const std::filesystem::path& point, std::chrono::milliseconds limit);

}  // namespace dumb::supervisor
