#include <boost/json.hpp>

#include "engine/backup_settings.hpp"
#include "engine/link_jobs.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::engine;

namespace {

BackupSettings settings_of(std::string_view text, std::vector<std::string>* faults = nullptr) {
  return backup_settings(jsonx::parse(text)->as_object(), faults);
}

}  // namespace

TEST_CASE("settings of scheduled snapshots have the contract's defaults", "[engine][SYM-56]") {
  const BackupSettings plain = settings_of("{}");
  CHECK_FALSE(plain.enabled);
  CHECK(plain.timing == schedule::Timing{168, 240});
  CHECK(plain.path == "/config/symlink-repair/snapshots/{process_slug}-{timestamp}.json");
  CHECK(plain.include_broken);
  CHECK_FALSE(plain.roots);
  CHECK(plain.retention == 1);
  for (const auto* key : {"decypharr", "nzbdav", "infinidysk", "cli_debrid", "riven_backend"})
    CHECK(has_symlink_backup(key));
  CHECK_FALSE(has_symlink_backup("sonarr"));
}

TEST_CASE("unusable settings of scheduled snapshots are replaced and told", "[engine][SYM-56]") {
  std::vector<std::string> faults;
  const BackupSettings odd = settings_of(
      R"({"symlink_backup_interval":"often","symlink_backup_start_time":"25:00","symlink_backup_path":"  ",)"
      R"("symlink_backup_retention_count":"many","symlink_backup_roots":" , \n"})",
      &faults);
  CHECK(odd == settings_of("{}"));
  CHECK(faults.size() == 2);
  CHECK(settings_of(R"({"symlink_backup_interval":36.9})").timing.interval_hours == 36);
  CHECK(settings_of(R"({"symlink_backup_interval":-3})").timing.interval_hours == 1);
  CHECK(settings_of(R"({"symlink_backup_interval":1e300})").timing.interval_hours ==
        schedule::max_interval_hours);
  CHECK(settings_of(R"({"symlink_backup_retention_count":2.9})").retention == 2);
  CHECK(settings_of(R"({"symlink_backup_retention_count":-1})").retention == 0);
  CHECK(settings_of(R"({"symlink_backup_roots":"/a, /b\n/c "})").roots ==
        std::vector<std::string>{"/a", "/b", "/c"});
  CHECK(settings_of(R"({"symlink_backup_roots":["/a"," "]})").roots == std::vector<std::string>{"/a"});
}

TEST_CASE("a status keeps what the last run has told", "[engine][SYM-62]") {
  const BackupSettings settings = settings_of(R"({"symlink_backup_enabled":true})");
  json::object status = scheduled_status("X", settings, 2000, 1000, {});
  CHECK(status.at("status") == "scheduled");
  CHECK(status.at("next_backup_at") == 2000);
  CHECK(status.at("symlink_backup_start_time") == "04:00");
  CHECK_FALSE(status.contains("last_backup_at"));
  symlinks::ScheduledReport report;
  report.backup.backup_manifest = "/m.json";
  report.backup.recorded_entries = 7;
  report.held = "shrunk";
  status = completed_status(status, report, 1500);
  CHECK(status.at("status") == "completed");
  CHECK(status.at("last_backup_at") == 1500);
  CHECK(status.at("retention_held") == "shrunk");
  const json::object disabled = scheduled_status("X", settings, std::nullopt, 1600, status);
  CHECK(disabled.at("status") == "disabled");
  CHECK(disabled.at("next_backup_at").is_null());
  CHECK(disabled.at("last_backup_manifest") == "/m.json");
  CHECK(disabled.at("recorded_entries") == 7);
  const json::object failed = failed_status(scheduled_status("X", settings, 3000, 1700, status), "no room");
  CHECK(failed.at("status") == "error");
  CHECK(failed.at("message") == "no room");
  CHECK(failed.at("last_backup_at") == 1500);
  CHECK(failed_status(scheduled_status("X", settings, 3000, 1700, {}), "x").at("last_backup_at").is_null());
  CHECK(unsupported_status("X", 5).at("symlink_backup_enabled") == false);
}

TEST_CASE("metadata shows the request as used", "[engine][SYM-43]") {
  symlinks::RepairRequest repair;
  repair.rewrite_rules = std::vector<symlinks::RewriteRule>{{"/a", "/b"}};
  const json::object shown = metadata_of(repair);
  CHECK(shown.at("dry_run") == true);
  CHECK(shown.at("backup_path").is_null());
  CHECK(shown.at("roots") == json::value(json::array()));
  CHECK(shown.at("rewrite_rules").at(0).at("to_prefix") == "/b");
  CHECK_FALSE(shown.contains("changes_limit"));
  CHECK(label_of(repair) == "symlink-repair");
  repair.process_name = "  X ";
  CHECK(label_of(repair) == "X");
  symlinks::RestoreRequest restore;
  CHECK(label_of(restore) == "symlink-manifest");
  restore.manifest_path = "m.json";
  CHECK(label_of(restore) == "m.json");
  CHECK(label_of(symlinks::BackupRequest{}) == "symlink-manifest");
}

TEST_CASE("how a run ended decides about its job", "[engine][SYM-43][SYM-48][SYM-81][SYM-88]") {
  using End = jobs::Outcome::End;
  const auto of = [](Errc code) { return outcome_of(Result<symlinks::RepairReport>(Error(code, "x"))); };
  CHECK(of(Errc::conflict).end == End::busy);
  CHECK(of(Errc::cancelled).end == End::cancelled);
  CHECK(of(Errc::invalid_argument).failure.code == "invalid");
  CHECK(of(Errc::not_found).failure.code == "invalid");
  CHECK(of(Errc::io).failure.code == "internal");
  symlinks::RepairReport report;
  report.changed = 3;
  report.auto_manifest = "/m.json";
  CHECK(outcome_of(Result<symlinks::RepairReport>(report)).end == End::completed);
  report.aborted = "ENOSPC";
  const jobs::Outcome aborted = outcome_of(Result<symlinks::RepairReport>(report));
  CHECK(aborted.end == End::failed);
  CHECK(aborted.failure.code == "aborted");
  CHECK(aborted.failure.manifest == "/m.json");
  CHECK(aborted.result->at("changed").to_number<int>() == 3);
  report.aborted.reset();
  report.cancelled = true;
  CHECK(outcome_of(Result<symlinks::RepairReport>(report)).end == End::cancelled);
  CHECK(outcome_of(Result<symlinks::RepairReport>(report)).result);
}

TEST_CASE("an interrupted job names its manifest when something was changed", "[engine][SYM-51]") {
  jobs::Job job;
  job.job_id = "abc";
  const jobs::Failure nothing = interruption_of(job, {});
  CHECK(nothing.code == "interrupted");
  CHECK_FALSE(nothing.manifest);
  CHECK_THAT(nothing.message, ContainsSubstring("nothing was changed"));
  symlinks::Interrupted run;
  run.owner = "abc";
  run.manifest = "/m.json";
  run.done = 5;
  run.pending = 6;
  const jobs::Failure some = interruption_of(job, {run});
  CHECK(some.manifest == "/m.json");
  CHECK_THAT(some.message, ContainsSubstring("5 changes were made, 6 were not"));
}
