#pragma once

#include <boost/json/object.hpp>
#include <dumb/jobs/table.hpp>
#include <dumb/symlinks/operations.hpp>
#include <string>
#include <string_view>

/// Link operations as jobs: what is told of a request, and how a run ended. Pure.
namespace dumb::engine {

inline constexpr std::string_view repair_operation = "symlink_repair";
inline constexpr std::string_view backup_operation = "symlink_manifest_backup";
inline constexpr std::string_view restore_operation = "symlink_manifest_restore";

/// `metadata` of SYM-43.
json::object metadata_of(const symlinks::RepairRequest& request);
json::object metadata_of(const symlinks::BackupRequest& request);
json::object metadata_of(const symlinks::RestoreRequest& request);

/// The label of a job: the name given, or the operation's default.
std::string label_of(const symlinks::RepairRequest& request);
std::string label_of(const symlinks::BackupRequest& request);
std::string label_of(const symlinks::RestoreRequest& request);

jobs::Outcome outcome_of(const Result<symlinks::RepairReport>& report);
jobs::Outcome outcome_of(const Result<symlinks::BackupReport>& report);
jobs::Outcome outcome_of(const Result<symlinks::RestoreReport>& report);

/// Counters of a finished run for the log (SYM-10).
std::string summary_of(const symlinks::RepairReport& report);
std::string summary_of(const symlinks::BackupReport& report);
std::string summary_of(const symlinks::RestoreReport& report);
std::string summary_of(const symlinks::CompareReport& report);

/// Why a job that was active is over: what recovery found of its run, if it had begun to change anything.
jobs::Failure interruption_of(const jobs::Job& job, const std::vector<symlinks::Interrupted>& found);

}  // namespace dumb::engine
