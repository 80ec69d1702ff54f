#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <dumb/symlinks/requests.hpp>
#include <optional>
#include <string>
#include <vector>

/// What the operations answer. Lists are capped, counters never are. Paths are as the request spelled them.
namespace dumb::symlinks {

/// One failure; `code` is the name of an errno. A migration names source and target instead of a link.
struct ErrorItem {
  std::string link_path;
  std::string source_path;
  std::string target_path;
  std::string error;
  std::string code;
  bool operator==(const ErrorItem&) const = default;
};

struct LinkChange {
  std::string link_path;
  std::string old_target;
  std::string new_target;
  RewriteRule matched_rule;
};

struct LinkMove {
  std::string from_root;
  std::string to_root;
  std::string source_path;
  std::string target_path;
  bool copy = false;
  std::string old_target;
  std::string new_target;
  std::optional<std::string> replaced_target;
};

/// SYM-28.
struct RepairReport {
  bool dry_run = true;
  std::vector<std::string> roots;
  std::vector<std::string> missing_roots;
  std::vector<RootMigration> root_migrations;
  std::vector<std::string> missing_migration_roots;
  std::vector<RewriteRule> rules;
  std::uint64_t scanned_symlinks = 0;
  std::uint64_t changed = 0;
  std::uint64_t moved = 0;
  std::uint64_t copied = 0;
  std::uint64_t skipped_unchanged = 0;
  std::uint64_t skipped_nonexistent_target = 0;
  std::uint64_t skipped_existing_destination = 0;
  std::uint64_t skipped_changed_during_run = 0;
  std::uint64_t targets_unknown = 0;
  std::uint64_t new_targets_missing = 0;
  std::uint64_t not_attempted = 0;
  std::vector<LinkChange> changes;
  std::vector<LinkMove> moves;
  std::vector<ErrorItem> errors;
  std::uint64_t changes_total = 0;
  std::uint64_t moves_total = 0;
  std::uint64_t errors_total = 0;
  bool truncated = false;
  std::optional<std::string> backup_manifest;
  std::optional<std::string> auto_manifest;
  std::vector<std::string> skipped_mounts;
  std::optional<std::string> aborted;  ///< name of the errno that stopped the run
  bool cancelled = false;
  /// The manifest that undoes or resumes this run, if one was written.
  const std::optional<std::string>& manifest() const {
    return backup_manifest ? backup_manifest : auto_manifest;
  }
};

/// SYM-32.
struct BackupReport {
  std::string backup_manifest;
  std::vector<std::string> roots;
  std::vector<std::string> missing_roots;
  std::uint64_t scanned_symlinks = 0;
  std::uint64_t recorded_entries = 0;
  std::uint64_t skipped_broken = 0;
  std::vector<ErrorItem> errors;
  std::uint64_t errors_total = 0;
  std::uint64_t targets_unknown = 0;
  std::vector<std::string> skipped_mounts;
  bool complete = false;
};

enum class ManifestType { symlink_snapshot, symlink_repair };

/// SYM-37.
struct RestoreReport {
  std::string manifest_path;
  std::optional<std::string> manifest_created_at;
  ManifestType manifest_type = ManifestType::symlink_snapshot;
  bool dry_run = true;
  bool overwrite_existing = false;
  bool restore_broken = true;
  std::uint64_t total_entries = 0;
  std::uint64_t restored = 0;
  std::uint64_t skipped_existing = 0;
  std::uint64_t skipped_unchanged = 0;
  std::uint64_t skipped_invalid_entries = 0;
  std::uint64_t skipped_nonexistent_target = 0;
  std::uint64_t skipped_changed_during_run = 0;
  std::uint64_t not_attempted = 0;
  std::uint64_t entry_errors = 0;  ///< entries that failed; `errors` also lists entries skipped as invalid
  std::vector<ErrorItem> errors;
  std::uint64_t errors_total = 0;
  std::optional<std::string> undo_manifest;
  std::optional<std::string> aborted;
  bool cancelled = false;
};

enum class SampleAction {
  create,
  overwrite,
  remove,
  error,
  skip_existing,
  skip_missing_target,
  skip_unchanged
};

struct SampleChange {
  SampleAction action = SampleAction::create;
  std::string link_path;
  std::string target;
  bool shows_current = false;                 ///< whether `current_target` is part of the answer
  std::optional<std::string> current_target;  ///< empty: what is there is no link
};

/// SYM-39.
struct CompareReport {
  RestoreReport projected;
  std::int64_t sample_limit = 50;
  std::vector<SampleChange> sample_changes;
};

enum class Stage { collecting, processing, finalizing, completed };

/// How far a run is (SYM-44). `total` is empty while it is not known.
struct Progress {
  Stage stage = Stage::collecting;
  std::uint64_t processed = 0;
  std::optional<std::uint64_t> total;
  std::uint64_t changed = 0;
  std::uint64_t moved = 0;
  std::uint64_t copied = 0;
  std::uint64_t recorded_entries = 0;
  std::uint64_t restored = 0;
  std::uint64_t errors = 0;
};

/// The JSON of SYM-28, 32, 37 and 39: always valid UTF-8, exact bytes beside it where needed (SYM-9). Pure.
boost::json::object to_json(const RepairReport& report);
boost::json::object to_json(const BackupReport& report);
boost::json::object to_json(const RestoreReport& report);
boost::json::object to_json(const CompareReport& report);
/// The fields of SYM-44 for an operation: "symlink_repair", "symlink_manifest_backup" or
/// "symlink_manifest_restore".
boost::json::object to_json(const Progress& progress, std::string_view operation);
std::string_view stage_name(Stage stage) noexcept;

}  // namespace dumb::symlinks
