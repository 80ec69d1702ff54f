#include <algorithm>
#include <boost/json.hpp>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/reports.hpp>

namespace dumb::symlinks {
namespace {

namespace json = boost::json;

void put_optional(json::object& object, std::string_view name, const std::optional<std::string>& bytes) {
  if (bytes) {
    put(object, name, *bytes);
  } else {
    object[name] = nullptr;
  }
}

json::object rule_json(const RewriteRule& rule) {
  json::object object;
  put(object, "from_prefix", rule.from_prefix);
  put(object, "to_prefix", rule.to_prefix);
  return object;
}

json::object migration_json(const RootMigration& migration) {
  json::object object;
  put(object, "from_root", migration.from_root);
  put(object, "to_root", migration.to_root);
  return object;
}

enum class WithCode { no, yes };

json::object error_json(const ErrorItem& item, WithCode with_code) {
  json::object object;
  if (!item.link_path.empty() || item.source_path.empty()) put(object, "link_path", item.link_path);
  if (!item.source_path.empty()) {
    put(object, "source_path", item.source_path);
    put(object, "target_path", item.target_path);
  }
  put(object, "error", item.error);
  if (with_code == WithCode::yes) object["code"] = item.code;
  return object;
}

json::array errors_json(const std::vector<ErrorItem>& errors, WithCode with_code = WithCode::yes) {
  json::array array;
  array.reserve(errors.size());
  for (const ErrorItem& item : errors) array.push_back(error_json(item, with_code));
  return array;
}

json::object change_json(const LinkChange& change) {
  json::object object;
  put(object, "link_path", change.link_path);
  put(object, "old_target", change.old_target);
  put(object, "new_target", change.new_target);
  object["matched_rule"] = rule_json(change.matched_rule);
  return object;
}

json::object move_json(const LinkMove& move) {
  json::object object;
  put(object, "from_root", move.from_root);
  put(object, "to_root", move.to_root);
  put(object, "source_path", move.source_path);
  put(object, "target_path", move.target_path);
  object["operation"] = move.copy ? "copy" : "move";
  put(object, "old_target", move.old_target);
  put(object, "new_target", move.new_target);
  put_optional(object, "replaced_target", move.replaced_target);
  return object;
}

template <class List, class Write>
json::array list_json(const List& list, Write write) {
  json::array array;
  array.reserve(list.size());
  for (const auto& element : list) array.push_back(write(element));
  return array;
}

std::string_view action_name(SampleAction action) noexcept {
  switch (action) {
    case SampleAction::create:
      return "create";
    case SampleAction::overwrite:
      return "overwrite";
    case SampleAction::remove:
      return "remove";
    case SampleAction::error:
      return "error";
    case SampleAction::skip_existing:
      return "skip_existing";
    case SampleAction::skip_missing_target:
      return "skip_missing_target";
    case SampleAction::skip_unchanged:
      break;
  }
  return "skip_unchanged";
}

json::object sample_json(const SampleChange& sample) {
  json::object object;
  object["action"] = action_name(sample.action);
  put(object, "link_path", sample.link_path);
  put(object, "target", sample.target);
  if (sample.shows_current) put_optional(object, "current_target", sample.current_target);
  return object;
}

}  // namespace

json::object to_json(const RepairReport& report) {
  json::object object;
  object["dry_run"] = report.dry_run;
  put(object, "roots", report.roots);
  put(object, "missing_roots", report.missing_roots);
  object["root_migrations"] = list_json(report.root_migrations, migration_json);
  put(object, "missing_migration_roots", report.missing_migration_roots);
  object["rules"] = list_json(report.rules, rule_json);
  object["scanned_symlinks"] = report.scanned_symlinks;
  object["changed"] = report.changed;
  object["moved"] = report.moved;
  object["copied"] = report.copied;
  object["skipped_unchanged"] = report.skipped_unchanged;
  object["skipped_nonexistent_target"] = report.skipped_nonexistent_target;
  object["skipped_existing_destination"] = report.skipped_existing_destination;
  object["changes"] = list_json(report.changes, change_json);
  object["moves"] = list_json(report.moves, move_json);
  object["errors"] = errors_json(report.errors);
  put_optional(object, "backup_manifest", report.backup_manifest);
  put_optional(object, "auto_manifest", report.auto_manifest);
  object["changes_total"] = report.changes_total;
  object["moves_total"] = report.moves_total;
  object["errors_total"] = report.errors_total;
  object["truncated"] = report.truncated;
  object["skipped_changed_during_run"] = report.skipped_changed_during_run;
  object["targets_unknown"] = report.targets_unknown;
  object["new_targets_missing"] = report.new_targets_missing;
  object["not_attempted"] = report.not_attempted;
  put(object, "skipped_mounts", report.skipped_mounts);
  put_optional(object, "aborted", report.aborted);
  return object;
}

json::object to_json(const BackupReport& report) {
  json::object object;
  put(object, "backup_manifest", report.backup_manifest);
  put(object, "roots", report.roots);
  put(object, "missing_roots", report.missing_roots);
  object["scanned_symlinks"] = report.scanned_symlinks;
  object["recorded_entries"] = report.recorded_entries;
  object["skipped_broken"] = report.skipped_broken;
  object["errors"] = errors_json(report.errors);
  object["errors_total"] = report.errors_total;
  object["targets_unknown"] = report.targets_unknown;
  put(object, "skipped_mounts", report.skipped_mounts);
  object["complete"] = report.complete;
  return object;
}

json::object to_json(const RestoreReport& report) {
  json::object object;
  put(object, "manifest_path", report.manifest_path);
  put_optional(object, "manifest_created_at", report.manifest_created_at);
  object["dry_run"] = report.dry_run;
  object["overwrite_existing"] = report.overwrite_existing;
  object["restore_broken"] = report.restore_broken;
  object["total_entries"] = report.total_entries;
  object["restored"] = report.restored;
  object["skipped_existing"] = report.skipped_existing;
  object["skipped_unchanged"] = report.skipped_unchanged;
  object["skipped_invalid_entries"] = report.skipped_invalid_entries;
  object["skipped_nonexistent_target"] = report.skipped_nonexistent_target;
  object["errors"] = errors_json(report.errors);
  object["errors_total"] = report.errors_total;
  object["manifest_type"] =
      report.manifest_type == ManifestType::symlink_snapshot ? "symlink_snapshot" : "symlink_repair";
  put_optional(object, "undo_manifest", report.undo_manifest);
  object["skipped_changed_during_run"] = report.skipped_changed_during_run;
  object["not_attempted"] = report.not_attempted;
  put_optional(object, "aborted", report.aborted);
  return object;
}

json::object to_json(const CompareReport& report) {
  const RestoreReport& projected = report.projected;
  json::object object;
  put(object, "manifest_path", projected.manifest_path);
  put_optional(object, "manifest_created_at", projected.manifest_created_at);
  object["overwrite_existing"] = projected.overwrite_existing;
  object["restore_broken"] = projected.restore_broken;
  object["sample_limit"] = report.sample_limit;
  object["total_entries"] = projected.total_entries;
  object["projected_restored"] = projected.restored;
  object["projected_skipped_existing"] = projected.skipped_existing;
  object["projected_skipped_unchanged"] = projected.skipped_unchanged;
  object["projected_skipped_invalid_entries"] = projected.skipped_invalid_entries;
  object["projected_skipped_nonexistent_target"] = projected.skipped_nonexistent_target;
  object["projected_errors"] = projected.entry_errors;
  object["sample_changes"] = list_json(report.sample_changes, sample_json);
  object["errors"] = errors_json(projected.errors, WithCode::no);
  object["manifest_type"] =
      projected.manifest_type == ManifestType::symlink_snapshot ? "symlink_snapshot" : "symlink_repair";
  return object;
}

std::string_view stage_name(Stage stage) noexcept {
  switch (stage) {
    case Stage::collecting:
      return "collecting";
    case Stage::processing:
      return "processing";
    case Stage::finalizing:
      return "finalizing";
    case Stage::completed:
      break;
  }
  return "completed";
}

json::object to_json(const Progress& progress, std::string_view operation) {
  json::object object;
  object["stage"] = stage_name(progress.stage);
  const std::string_view unit = operation == "symlink_repair"            ? "items"
                                : operation == "symlink_manifest_backup" ? "symlinks"
                                                                         : "entries";
  object["processed_" + std::string(unit)] = progress.processed;
  auto& total = object["total_" + std::string(unit)];
  if (progress.total) total = *progress.total;
  if (unit == "items") {
    object["changed"] = progress.changed;
    object["moved"] = progress.moved;
    object["copied"] = progress.copied;
  } else if (unit == "symlinks") {
    object["recorded_entries"] = progress.recorded_entries;
  } else {
    object["restored"] = progress.restored;
  }
  object["errors"] = progress.errors;
  return object;
}

}  // namespace dumb::symlinks
