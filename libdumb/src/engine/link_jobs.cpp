#include "engine/link_jobs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>

namespace dumb::engine {
namespace {

template <class T>
json::value list_of(const std::optional<std::vector<T>>& list) {
  return codec::encode(list.value_or(std::vector<T>()));
}

std::string label(const std::optional<std::string>& given, std::string_view otherwise) {
  const std::string_view name = given ? text::trim(*given) : std::string_view();
  return std::string(name.empty() ? otherwise : name);
}

jobs::Outcome failed(const Error& error) {
  using End = jobs::Outcome::End;
  jobs::Outcome outcome;
  outcome.failure.message = error.to_string();
  if (error.is(Errc::conflict)) {
    outcome.end = End::busy;
  } else if (error.is(Errc::cancelled)) {
    outcome.end = End::cancelled;
  } else {
    const bool invalid = error.is(Errc::invalid_argument) || error.is(Errc::not_found);
    outcome.end = End::failed;
    outcome.failure.code = invalid ? "invalid" : "internal";
  }
  return outcome;
}

/// A run that has begun ends with its report, whatever happened.
template <class Report>
jobs::Outcome reported(const Report& report, const std::optional<std::string>& aborted, bool cancelled,
                       const std::optional<std::string>& manifest) {
  jobs::Outcome outcome;
  outcome.result = symlinks::to_json(report);
  outcome.failure.manifest = manifest;
  if (cancelled) {
    outcome.end = jobs::Outcome::End::cancelled;
  } else if (aborted) {
    outcome.end = jobs::Outcome::End::failed;
    outcome.failure.code = "aborted";
    outcome.failure.message = "the run was stopped by " + *aborted;
  }
  return outcome;
}

std::string_view mode(bool dry_run) {
  return dry_run ? "dry run: " : "";
}

}  // namespace

json::object metadata_of(const symlinks::RepairRequest& request) {
  json::object out;
  out["dry_run"] = request.dry_run.value_or(true);
  out["include_broken"] = request.include_broken.value_or(true);
  out["backup_path"] = codec::encode(request.backup_path);
  out["presets"] = list_of(request.presets);
  out["rewrite_rules"] = list_of(request.rewrite_rules);
  out["root_migrations"] = list_of(request.root_migrations);
  out["overwrite_existing"] = request.overwrite_existing.value_or(false);
  out["copy_instead_of_move"] = request.copy_instead_of_move.value_or(false);
  out["roots"] = list_of(request.roots);
  if (request.changes_limit) out["changes_limit"] = *request.changes_limit;
  if (request.verify_new_targets) out["verify_new_targets"] = *request.verify_new_targets;
  if (request.resume_manifest_path) out["resume_manifest_path"] = *request.resume_manifest_path;
  return out;
}

json::object metadata_of(const symlinks::BackupRequest& request) {
  json::object out;
  out["backup_path"] = request.backup_path;
  out["include_broken"] = request.include_broken.value_or(true);
  out["roots"] = list_of(request.roots);
  if (request.check_targets) out["check_targets"] = *request.check_targets;
  return out;
}

json::object metadata_of(const symlinks::RestoreRequest& request) {
  json::object out;
  out["manifest_path"] = request.manifest_path;
  out["dry_run"] = request.dry_run.value_or(true);
  out["overwrite_existing"] = request.overwrite_existing.value_or(false);
  out["restore_broken"] = request.restore_broken.value_or(true);
  return out;
}

std::string label_of(const symlinks::RepairRequest& request) {
  return label(request.process_name, "symlink-repair");
}
std::string label_of(const symlinks::BackupRequest& request) {
  return label(request.process_name, "symlink-manifest");
}
std::string label_of(const symlinks::RestoreRequest& request) {
  return label(request.process_name, label(request.manifest_path, "symlink-manifest"));
}

jobs::Outcome outcome_of(const Result<symlinks::RepairReport>& report) {
  if (!report) return failed(report.error());
  return reported(*report, report->aborted, report->cancelled, report->manifest());
}
jobs::Outcome outcome_of(const Result<symlinks::BackupReport>& report) {
  if (!report) return failed(report.error());
  return reported(*report, std::nullopt, false, std::nullopt);
}
jobs::Outcome outcome_of(const Result<symlinks::RestoreReport>& report) {
  if (!report) return failed(report.error());
  return reported(*report, report->aborted, report->cancelled, report->undo_manifest);
}

std::string summary_of(const symlinks::RepairReport& report) {
  return fmt::format("{}{} links seen, {} changed, {} moved, {} copied, {} errors", mode(report.dry_run),
                     report.scanned_symlinks, report.changed, report.moved, report.copied,
                     report.errors_total);
}
std::string summary_of(const symlinks::BackupReport& report) {
  return fmt::format("{} links seen, {} recorded, {} errors", report.scanned_symlinks,
                     report.recorded_entries, report.errors_total);
}
std::string summary_of(const symlinks::RestoreReport& report) {
  return fmt::format("{}{} entries, {} restored, {} errors", mode(report.dry_run), report.total_entries,
                     report.restored, report.errors_total);
}
std::string summary_of(const symlinks::CompareReport& report) {
  return fmt::format("{} entries, {} would be restored", report.projected.total_entries,
                     report.projected.restored);
}

jobs::Failure interruption_of(const jobs::Job& job, const std::vector<symlinks::Interrupted>& found) {
  jobs::Failure failure{
      "DUMB ended during the job: nothing was changed, or everything was, and nothing is half done",
      "interrupted", std::nullopt};
  const auto own = std::find_if(found.begin(), found.end(),
                                [&](const symlinks::Interrupted& run) { return run.owner == job.job_id; });
  if (own == found.end()) return failure;
  failure.message = fmt::format(
      "DUMB ended during the job; {} changes were made, {} were not. Undo or resume with the manifest",
      own->done, own->pending);
  failure.manifest = own->manifest;
  return failure;
}

}  // namespace dumb::engine
