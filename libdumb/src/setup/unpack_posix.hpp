#pragma once

#include <sys/types.h>
#include <atomic>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "setup/archive_rules.hpp"

/// Archives into trees (SVC-61 to SVC-67).
namespace dumb::setup {

struct UnpackRequest {
  std::filesystem::path archive;
  std::filesystem::path tree;  ///< an existing directory
  Layout layout;               ///< `top` is found out when `strip_top` is set
  bool strip_top = false;
  std::string deb_prefix;         ///< of a Debian package: the part of it that is wanted
  std::string single_name;        ///< what a download that is a program itself is called in the tree
  std::filesystem::path scratch;  ///< where an archive within the archive is put meanwhile
  std::uint64_t max_entries = 250'000;
  std::uint64_t max_bytes = std::uint64_t{50} << 30U;
  std::optional<uid_t> uid;  ///< with `gid`: owner of everything written
  std::optional<gid_t> gid;
};

struct Unpacked {
  std::set<std::string> tops;  ///< first components of what was written
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
};

/// Writes the archive's content into the tree, over what is there. Nothing is written outside of the tree,
/// through a link or by a name that is not plainly below it; a refusal may leave files in the tree. Fails
/// with archive_unsafe, archive_corrupt, too_large, disk_full, cancelled or the errno of writing. Blocking.
Result<Unpacked> unpack(const UnpackRequest& request, const std::atomic<bool>& stop);

}  // namespace dumb::setup
