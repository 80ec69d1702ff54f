#pragma once

#include <cstdint>
#include <dumb/base/clock.hpp>
#include <dumb/base/result.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The files of scheduled snapshots: how they are named, which belong to a service, which go. All pure.
namespace dumb::symlinks {

/// SYM-64: "CLI Debrid" -> "cli-debrid".
std::string process_slug(std::string_view process_name);
/// The name as a part of a file name.
std::string process_part(std::string_view process_name);

/// A `symlink_backup_path` of one service (SYM-63 to SYM-65).
class SnapshotTemplate {
 public:
  /// Errc::invalid_argument for a path that is not absolute, has "..", a time in its directory, or lies where
  /// no manifest may be.
  static Result<SnapshotTemplate> make(std::string_view path, std::string_view process_name,
                                       std::string_view repair_directory = "/config/symlink-repair");

  const std::string& directory() const noexcept { return directory_; }
  /// The file of a run that starts at `time`, which is used in UTC.
  std::string path_at(WallTime time) const;
  /// For display: times as `*`.
  std::string pattern() const;
  bool has_time() const noexcept;
  /// Whether a file name is one of this template; `time` receives what its name tells, as YYYYMMDDHHMMSS.
  bool matches(std::string_view file_name, std::string* time = nullptr) const;
  /// Whether a matching file is this service's: its manifest names it, or names none and the name holds the
  /// slug or process name (SYM-65).
  bool owns(std::string_view file_name, const std::optional<std::string>& named_process) const;

 private:
  std::string directory_;
  std::string name_;  ///< with placeholders of time
  std::string process_name_;
};

/// One matching snapshot in a directory.
struct SnapshotFile {
  std::string path;
  std::string time;  ///< from its name; "" without one
  std::int64_t mtime_ns = 0;
  std::uint64_t entries = 0;
  bool operator==(const SnapshotFile&) const = default;
};
/// Newest first (SYM-66).
void sort_newest_first(std::vector<SnapshotFile>& files);
/// The files to delete: all but the newest `count`, never `written`; none when `count` is 0.
std::vector<std::string> to_prune(std::vector<SnapshotFile> files, std::uint64_t count,
                                  std::string_view written);

/// What the new snapshot was, against the newest older one.
struct Trust {
  bool complete = true;    ///< no walk errors
  bool lost_root = false;  ///< a root is missing from which the older one has entries
  std::uint64_t entries = 0;
  std::optional<std::uint64_t> older_entries{};
};
/// "incomplete", "missing_root" or "shrunk" when nothing may be deleted because of it (SYM-66).
std::optional<std::string> held_because(const Trust& trust);
/// `<name>.held-<timestamp>.json`: a snapshot that is not trusted, or not yet.
std::string held_path(std::string_view path, WallTime time);
/// `<name>.json` of the name of a held snapshot; "" for any other name.
std::string name_before_held(std::string_view file_name);

}  // namespace dumb::symlinks
