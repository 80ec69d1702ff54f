#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <dumb/base/result.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "setup/unpack_posix.hpp"

namespace dumb::setup {

/// One pass over an archive.
class ArchiveReader {
 public:
  explicit ArchiveReader(std::filesystem::path path)
      : path_(std::move(path)), archive_(nullptr, &archive_read_free) {}

  /// Fails with archive_corrupt for what is no archive.
  Result<void> open();
  /// The next entry, or null at the end. Fails with archive_corrupt.
  Result<archive_entry*> next();
  /// The next bytes of the entry; empty at its end. Fails with archive_corrupt.
  Result<std::string_view> data();
  /// Bytes read out of the compression so far.
  std::uint64_t unpacked() const {
    return static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), 0));
  }
  bool is_zip() const;
  static std::string name_of(archive_entry* entry);
  static std::string target_of(archive_entry* entry);
  static std::string hard_link_of(archive_entry* entry);

 private:
  Error corrupt() const;
  std::filesystem::path path_;
  std::unique_ptr<archive, decltype(&archive_read_free)> archive_;
};

/// What a first pass finds out.
struct Survey {
  std::string top;          ///< the single directory everything lies in, if there is one
  std::string inner;        ///< the name of the archive that is all there is in it; empty: none
  std::uint64_t bytes = 0;  ///< declared sizes
};
/// Checks every name and the limits (SVC-63, SVC-64).
Result<Survey> survey(const UnpackRequest& request, const std::atomic<bool>& stop);

}  // namespace dumb::setup
