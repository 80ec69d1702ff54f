#pragma once

#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <dumb/symlinks/paths.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "symlinks/tree_posix.hpp"

namespace dumb::symlinks {

ManifestPlaces places_of(const Environment& environment);

/// Opens a manifest for reading (rule 5 of SYM-7). Errc::not_found, or Errc::invalid_argument for a way that
/// leads outside and for what is no regular file.
Result<UniqueFd> open_manifest(const Context& context, const ManifestPlace& place);
/// Opens the directory a manifest goes to, making what is missing of it.
Result<UniqueFd> open_manifest_directory(const Context& context, const ManifestPlace& place);

/// The bytes of an open file from an offset on.
class FileSource final : public ByteSource {
 public:
  FileSource(SystemCalls& calls, int fd, std::uint64_t offset = 0)
      : calls_(calls), fd_(fd), offset_(offset) {}
  Result<std::size_t> read(char* buffer, std::size_t size) override;

 private:
  SystemCalls& calls_;
  int fd_;
  std::uint64_t offset_;
};

/// A file that appears complete and durable, or not at all (SYM-31). Until commit() it has a temporary name;
/// without it the temporary is removed.
class DurableFile {
 public:
  enum class Previous { drop, keep };
  /// Mode 0644, owned as its directory.
  static Result<std::unique_ptr<DurableFile>> create(SystemCalls& calls, UniqueFd directory,
                                                     std::string name);
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  Result<void> append(std::string_view bytes);
  /// With Previous::keep an existing file of that name stays as `<stem>.prev.json`.
  Result<void> commit(Previous previous);
  /// The file itself, readable; valid after commit() too.
  int fd() const noexcept { return fd_.get(); }
  std::uint64_t size() const noexcept { return size_; }

 private:
  DurableFile(SystemCalls& calls, UniqueFd directory, std::string name);
  Result<void> flush();
  int keep_previous();
  int rename_here(const std::string& from, const std::string& to);

  SystemCalls& calls_;
  UniqueFd directory_;
  std::string name_;
  std::string temporary_;
  UniqueFd fd_;
  std::string buffer_;
  std::uint64_t size_ = 0;
  bool committed_ = false;
};

/// Eight random hexadecimal digits.
std::string new_run_id();
/// The name a manifest has while it is written; nothing else has one of this form.
std::string temporary_file_name(std::string_view name);
bool is_temporary_file(std::string_view name);
/// "20260301T051000Z".
std::string compact_time(WallTime time);

/// A run that has begun to change links, on disk until it has ended (SYM-72).
struct RunRecord {
  std::string run_id;
  std::string owner;
  std::string operation;
  std::string manifest;  ///< as requests spell it
  /// The trees, as spelled, that an attempt to settle the run could not reach; empty before the first one.
  std::vector<std::string> left{};
  /// A move that was planned as one rename has been, or is being, made in two steps.
  bool two_step = false;
};
Result<void> write_run_record(const Context& context, const RunRecord& record);
Result<void> remove_run_record(const Context& context, const std::string& run_id);
std::vector<RunRecord> read_run_records(const Context& context);

/// Removes `auto-*` manifests beyond the newest 20 or 2 GiB; the newest is kept (SYM-69).
void prune_auto_manifests(const Context& context);

}  // namespace dumb::symlinks
