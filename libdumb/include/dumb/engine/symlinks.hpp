#pragma once

#include <array>
#include <boost/describe/class.hpp>
#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/symlinks/operations.hpp>
#include <dumb/symlinks/requests.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the engine's link operations and background jobs answer.
namespace dumb::config {
class Snapshot;
}

namespace dumb::engine {

/// What link operations know of a stack, without locks: where its manifests lie, its default roots and its
/// mounts. Reads Decypharr's own file.
symlinks::Environment link_environment(const config::Snapshot& config, const Root& root);

/// Keeps every server and other claim away from the stack of this environment for as long as the descriptor
/// is open, and settles what interrupted runs have left. Errc::conflict while a server supervises it.
/// Blocking; needs no server.
struct LinkClaim {
  UniqueFd lock;
  std::vector<symlinks::Interrupted> interrupted;
};
Result<LinkClaim> claim_links(const symlinks::Environment& environment);

/// A snapshot of a service.
struct SnapshotFile {
  std::string path;
  std::int64_t size_bytes = 0;
  std::int64_t modified_at = 0;  ///< Unix seconds
};
BOOST_DESCRIBE_STRUCT(SnapshotFile, (), (path, size_bytes, modified_at))

/// SYM-53.
struct SnapshotList {
  std::string process_name;
  std::string pattern;
  std::vector<SnapshotFile> manifests;  ///< newest first
  std::int64_t count = 0;               ///< all
};
BOOST_DESCRIBE_STRUCT(SnapshotList, (), (process_name, pattern, manifests, count))

struct ManifestFile {
  std::string path;
  std::string name;
  std::int64_t size_bytes = 0;
  std::int64_t modified_at = 0;
};
BOOST_DESCRIBE_STRUCT(ManifestFile, (), (path, name, size_bytes, modified_at))

/// SYM-54.
struct ManifestFileList {
  std::string directory;
  std::string manifest_path;
  std::vector<ManifestFile> files;  ///< newest first
  std::int64_t count = 0;           ///< all
};
BOOST_DESCRIBE_STRUCT(ManifestFileList, (), (directory, manifest_path, files, count))

/// Lists without a server. `path` is the template of the service. Blocking.
SnapshotList list_snapshots(const symlinks::Environment& environment, const std::string& process_name,
                            const std::string& path);
/// Errc::invalid_argument for a path outside the allowed places. Blocking.
Result<ManifestFileList> list_manifest_files(const symlinks::Environment& environment,
                                             const std::string& manifest_path);

/// A job that was taken on (SYM-42).
struct QueuedJob {
  std::string status;  ///< "queued"
  std::string job_id;
  std::string operation;
};
BOOST_DESCRIBE_STRUCT(QueuedJob, (), (status, job_id, operation))

/// SYM-47.
struct LatestJobQuery {
  std::string process_name;
  std::string operation = "symlink_manifest_backup";  ///< blank: any
  bool active_only = true;
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(LatestJobQuery, (), (process_name, operation, active_only))

struct LatestJob {
  std::optional<json::object> job;
};
BOOST_DESCRIBE_STRUCT(LatestJob, (), (job))

/// Every job, newest first, without its result.
struct JobList {
  std::vector<json::object> jobs;
};
BOOST_DESCRIBE_STRUCT(JobList, (), (jobs))

/// SYM-48: "cancelled" when it is over already, "cancelling" when it will be.
struct CancelledJob {
  std::string status;
  std::string job_id;
};
BOOST_DESCRIBE_STRUCT(CancelledJob, (), (status, job_id))

/// SYM-55.
struct BackupStatus {
  std::string process_name;
  std::optional<json::object> symlink_backup_status;
};
BOOST_DESCRIBE_STRUCT(BackupStatus, (), (process_name, symlink_backup_status))

/// SYM-61.
struct RescheduleReply {
  std::string status;  ///< "ok" or "error"
  std::string message;
};
BOOST_DESCRIBE_STRUCT(RescheduleReply, (), (status, message))

}  // namespace dumb::engine
