#pragma once

#include <sys/types.h>
#include <atomic>
#include <dumb/base/log.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <filesystem>
#include <vector>

/// What belongs to the service user at boot (LIF-124).
namespace dumb::setup::host {

enum class Depth { itself, everything_below };

struct OwnedPath {
  std::filesystem::path path;
  Depth depth = Depth::itself;
  bool operator==(const OwnedPath&) const = default;
};

/// The table of LIF-124 as configuration spells paths, without repetitions. Pure.
std::vector<OwnedPath> owned_paths(const config::Snapshot& config);

/// Whether a path is the root of a machine or one of its own directories (/etc, /usr, /var/log ...), which no
/// setting may give to the service user. Pure.
bool is_system_directory(const std::filesystem::path& path);

struct OwnWork {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<supervisor::Mount> mounts;
  const std::atomic<bool>* stop = nullptr;
};

enum class Owned { missing, link, mount, right, changed };

/// Gives `path` and, with Depth::everything_below, the tree under it to the user. Nothing happens when it is
/// missing, already his, a link, reached through a link, or a FUSE mount. The top comes last, so that a walk
/// that was interrupted is done again at the next boot. Fails with the errno of the call that failed, or
/// Errc::cancelled. Blocking.
Result<Owned> give(const OwnedPath& path, const OwnWork& work);

}  // namespace dumb::setup::host
