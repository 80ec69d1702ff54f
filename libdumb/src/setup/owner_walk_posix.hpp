#pragma once

#include <sys/types.h>
#include <atomic>
#include <dumb/base/result.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dumb::setup {

struct OwnerWalkOptions {
  std::optional<uid_t> uid;  ///< with `gid`; nullopt: owners stay
  std::optional<gid_t> gid;
  std::optional<mode_t> mode;  ///< for directories; files get its read and write bits
};

/// Sets owners and modes of everything below one directory, not of the directory itself (SVC-26, LIF-124): by
/// descriptors, so that a link put in the way meanwhile is not followed. Other file systems and bind mounts
/// are not entered, files already right not touched. Blocking.
class OwnerWalk {
 public:
  /// Ends with Errc::cancelled once `stop`, which outlives the walk, is true.
  OwnerWalk(OwnerWalkOptions options, std::vector<supervisor::Mount> mounts, const std::atomic<bool>& stop)
      : options_(options), mounts_(std::move(mounts)), stop_(stop) {}

  /// `path` is that of the open `directory`. Fails with the errno of the call that failed.
  Result<void> below(int directory, const std::filesystem::path& path);
  bool changed_anything() const { return changed_; }

 private:
  Result<void> walk(int directory, const std::filesystem::path& path, dev_t device);
  Result<void> one(int directory, const std::string& name, const std::filesystem::path& path, dev_t device);
  Result<void> set_mode(int fd, mode_t now, mode_t wanted, const std::filesystem::path& path);

  OwnerWalkOptions options_;
  std::vector<supervisor::Mount> mounts_;
  const std::atomic<bool>& stop_;
  bool changed_ = false;
};

}  // namespace dumb::setup
