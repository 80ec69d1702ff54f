#pragma once

#include <sys/types.h>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

/// Whole files, read and replaced. Blocking; call from a worker where a disk may be slow.
namespace dumb::file {

struct WriteOptions {
  /// Mode and owner of a new file; an existing one keeps its own unless `force_mode` is set.
  mode_t mode = 0644;
  bool force_mode = false;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
};

/// The file's bytes. Fails with the errno of open or read; Errc::io above `limit` bytes.
Result<std::string> read(const std::filesystem::path& path, std::uint64_t limit = std::uint64_t{256} << 20U);

/// Replaces `path` durably: temporary file in the same directory (O_EXCL, name starts with '.'), mode and
/// owner, write, fsync, rename, fsync of the directory; a symlink's target is replaced, not the link. After a
/// crash at any instant the path holds the old or the new bytes. On failure the temporary is removed and
/// `path` untouched. Fails with the errno of the call that failed.
Result<void> write_atomic(const std::filesystem::path& path, std::string_view bytes,
                          const WriteOptions& options = {});

/// write_atomic() unless the file already holds exactly `bytes` (mode and owner are then corrected in place
/// when `force_mode` or an id is set). True when something was written.
Result<bool> write_if_changed(const std::filesystem::path& path, std::string_view bytes,
                              const WriteOptions& options = {});

/// mkdir -p; the owner applies to every directory it creates, `mode` to the last one: missing parents get
/// 0755, so that a private directory does not shut others out of what stands beside it.
Result<void> make_directories(const std::filesystem::path& path, mode_t mode = 0755,
                              std::optional<uid_t> uid = {}, std::optional<gid_t> gid = {});

}  // namespace dumb::file
