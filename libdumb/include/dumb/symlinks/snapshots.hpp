#pragma once

#include <dumb/symlinks/operations.hpp>
#include <dumb/symlinks/retention.hpp>

/// Listings of manifests and scheduled snapshots with their retention. Blocking, as the operations are.
namespace dumb::symlinks {

struct ManifestFile {
  std::string path;  ///< as requests spell it
  std::string name;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_at = 0;  ///< Unix seconds
};

/// The files beside a manifest path (SYM-54).
struct FileListing {
  std::string directory;
  std::string manifest_path;
  std::vector<ManifestFile> files;  ///< newest first, at most 500
  std::uint64_t count = 0;          ///< all
};
/// A blank path means the default. Errc::invalid_argument for one outside the manifest directories, an errno
/// for a directory that cannot be read; one that does not exist is empty.
Result<FileListing> list_manifest_files(const Environment& environment, const std::string& manifest_path);

/// The snapshots of one service (SYM-53).
struct SnapshotListing {
  std::string pattern;
  std::vector<ManifestFile> manifests;  ///< newest first, at most 200
  std::uint64_t count = 0;
};
/// `path` is the service's template; one that is refused lists nothing.
SnapshotListing list_snapshots(const Environment& environment, const std::string& path,
                               const std::string& process_name);

struct ScheduledSnapshot {
  std::string path;  ///< the service's template; blank means the default
  std::string process_name;
  std::optional<std::vector<std::string>> roots{};
  bool include_broken = true;
  std::uint64_t retention_count = 1;  ///< 0 keeps all
};
struct ScheduledReport {
  BackupReport backup;
  std::uint64_t pruned = 0;
  std::vector<ErrorItem> retention_errors{};
  std::optional<std::string> held{};  ///< why nothing was deleted
};
/// One scheduled run: the snapshot, then retention (SYM-60, SYM-66). A snapshot that is not to be trusted
/// replaces and deletes nothing. Fails as backup() does, and with Errc::invalid_argument for a template that
/// is refused.
Result<ScheduledReport> take_scheduled_snapshot(const Environment& environment,
                                                const ScheduledSnapshot& scheduled,
                                                const Control& control = {});

}  // namespace dumb::symlinks
