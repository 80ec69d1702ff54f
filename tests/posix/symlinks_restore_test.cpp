#include <dumb/symlinks/bytes.hpp>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;

namespace {

CompareReport compared(const Farm& farm, const std::string& manifest, bool overwrite = false,
                       std::int64_t limit = 50) {
  CompareRequest request;
  request.manifest_path = manifest;
  request.overwrite_existing = overwrite;
  request.sample_limit = limit;
  auto report = compare(farm.environment, request);
  REQUIRE(report);
  return std::move(*report);
}

std::vector<SampleAction> actions(const CompareReport& report) {
  std::vector<SampleAction> out;
  for (const SampleChange& sample : report.sample_changes) out.push_back(sample.action);
  return out;
}

bool refuses(const Farm& farm, const std::string& manifest, Errc code) {
  RestoreRequest request;
  request.manifest_path = manifest;
  request.dry_run = false;
  const auto report = restore(farm.environment, request);
  return !report && report.error().is(code);
}

}  // namespace

TEST_CASE("a snapshot is compared and restored",
          "[symlinks][EX-10][SYM-30][SYM-32][SYM-34][SYM-37][SYM-38][SYM-39][SYM-40]") {
  const Farm farm;
  for (const auto& [name, target] :
       std::map<std::string, std::string>{{"keep", "/k"}, {"gone", "/g"}, {"chg", "/c"}, {"file", "/f"}}) {
    farm.link("/l/" + name, target);
  }
  const auto original = farm.tree("/l");
  const auto saved = farm.backup({"/l"}, "/config/symlink-repair/snapshots/s.json");
  CHECK(saved.recorded_entries == 4);
  CHECK(saved.scanned_symlinks == 4);
  CHECK(saved.complete);
  farm.remove("/l/gone");
  farm.retarget("/l/chg", "/other");
  farm.remove("/l/file");
  farm.file("/l/file", "byte for byte");

  const auto plain = compared(farm, "s.json");
  CHECK(plain.projected.total_entries == 4);
  CHECK(plain.projected.restored == 1);
  CHECK(plain.projected.skipped_unchanged == 1);
  CHECK(plain.projected.skipped_existing == 2);
  using enum SampleAction;
  CHECK(actions(plain) == std::vector{create, skip_existing, skip_existing, skip_unchanged});
  for (const SampleChange& sample : plain.sample_changes) {
    if (sample.link_path == "/l/chg") CHECK(sample.current_target == "/other");
    if (sample.link_path == "/l/file") CHECK_FALSE(sample.current_target);
  }
  const auto forced = compared(farm, "s.json", true);
  CHECK(forced.projected.restored == 2);
  CHECK(forced.projected.skipped_unchanged == 1);
  CHECK(forced.projected.entry_errors == 1);

  CHECK(farm.restore("s.json", false, true).restored == 1);
  CHECK(farm.target("/l/gone") == "(none)");
  CHECK(farm.restore("s.json").restored == 1);
  CHECK(farm.tree("/l").at("/l/gone") == original.at("/l/gone"));  // with its owner and time
  const auto over = farm.restore("s.json", true);
  CHECK(over.restored == 1);
  CHECK(over.skipped_unchanged == 2);
  CHECK(over.entry_errors == 1);
  CHECK(over.errors.at(0).link_path == "/l/file");
  CHECK(farm.tree("/l").at("/l/chg") == original.at("/l/chg"));
  CHECK(test::read_text(farm.disk("/l/file")) == "byte for byte");
  // Undoing the restore brings back what it replaced.
  CHECK(farm.restore(*over.undo_manifest).restored == 1);
  CHECK(farm.target("/l/chg") == "/other");
}

TEST_CASE("manifests that are missing or none are refused before any change",
          "[symlinks][EX-10][SYM-6][SYM-33]") {
  const Farm farm;
  CHECK(refuses(farm, "missing.json", Errc::not_found));
  const auto write = [&](const std::string& text) {
    test::write_text(farm.disk("/config/symlink-repair/snapshots/x.json"), text);
  };
  write(R"({"a":1})");
  CHECK(refuses(farm, "x.json", Errc::invalid_argument));
  write(R"({"entries":[{"link_path":"/l/a","target":"/x"},)");
  CHECK(refuses(farm, "x.json", Errc::invalid_argument));
  CHECK(farm.tree("/l").empty());
  CompareRequest request;
  request.manifest_path = "x.json";
  request.sample_limit = 201;
  CHECK_FALSE(compare(farm.environment, request));
}

TEST_CASE("odd bytes are recorded, repaired and restored exactly",
          "[symlinks][EX-11][SYM-5][SYM-9][SYM-67]") {
  const Farm farm;
  farm.link("/l/a\nb",
            "/x/\xFF"
            "1");
  farm.link("/l/tail ", "/x/2 ");
  farm.link("/l/\xC3(", "/x/3");
  farm.link("/l/" + std::string(255, 'n'), "/x/\n4");
  const auto before = farm.tree("/l");
  CHECK(farm.backup({"/l"}, "odd.json").recorded_entries == 4);
  const std::string text = test::read_text(farm.disk("/config/symlink-repair/snapshots/odd.json"));
  REQUIRE(jsonx::parse(text));
  CHECK_THAT(text, ContainsSubstring("\"target_b64\":\"L3gv/zE=\""));
  farm.remove("/l");
  CHECK(farm.restore("odd.json").restored == 4);
  CHECK(farm.tree("/l") == before);
  const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
  CHECK(report.changed == 4);
  CHECK(jsonx::parse(jsonx::print_compact(to_json(report))));
  CHECK(farm.target("/l/a\nb") ==
        "/y/\xFF"
        "1");
  CHECK(farm.target("/l/tail ") == "/y/2 ");
  CHECK(farm.target("/l/\xC3(") == "/y/3");

  test::write_text(
      farm.disk("/config/symlink-repair/snapshots/upstream.json"),
      R"({"entries":[{"link_path":"/u/a","target":"/x/\udcff1"}],"manifest_type":"symlink_snapshot",)"
      R"("roots":["/u"]})");
  CHECK(farm.restore("upstream.json").restored == 1);
  CHECK(farm.target("/u/a") ==
        "/x/\xFF"
        "1");
}

TEST_CASE("entries that may not be touched are skipped and named", "[symlinks][SYM-34][SYM-37]") {
  const Farm farm;
  farm.directory("/l");
  farm.directory("/elsewhere");
  test::write_text(
      farm.disk("/config/symlink-repair/snapshots/x.json"),
      R"({"version":2,"roots":["/l"],"entries":[7,{"link_path":"/l/a"},{"link_path":"rel","target":"/x"},)"
      R"({"link_path":"/l/../etc/x","target":"/x"},{"link_path":"/etc/x","target":"/x"},)"
      R"({"link_path":"/elsewhere/x","target":"/x"},{"link_path":"/l/ok","target":"/x"}]})");
  const auto report = farm.restore("x.json");
  CHECK(report.total_entries == 7);
  CHECK(report.skipped_invalid_entries == 6);
  CHECK(report.errors_total == 4);
  CHECK(report.restored == 1);
  CHECK(farm.target("/elsewhere/x") == "(none)");
  CHECK(farm.target("/etc/x") == "(none)");
}

TEST_CASE("a parent that is a link below the root is an error", "[symlinks][SYM-34][SYM-72]") {
  const Farm farm;
  farm.link("/l/d/a", "/x");
  farm.backup({"/l"}, "s.json");
  farm.remove("/l/d");
  farm.directory("/out");
  farm.link("/l/d", farm.disk("/out"));
  const auto report = farm.restore("s.json", true);
  CHECK(report.restored == 0);
  CHECK(report.entry_errors == 1);
  CHECK(report.errors.at(0).link_path == "/l/d/a");
  CHECK(farm.tree("/out").empty());
}

TEST_CASE("entries with a missing target can be left out", "[symlinks][SYM-30][SYM-32][SYM-34][SYM-35]") {
  const Farm farm;
  farm.file("/media/a");
  farm.link("/l/a", farm.disk("/media/a"));
  farm.link("/l/b", farm.disk("/media/b"));
  BackupRequest partial;
  partial.roots = {"/l"};
  partial.backup_path = "partial.json";
  partial.include_broken = false;
  const auto saved = backup(farm.environment, partial);
  REQUIRE(saved);
  CHECK(saved->recorded_entries == 1);
  CHECK(saved->skipped_broken == 1);
  CHECK(saved->scanned_symlinks == 2);
  partial.check_targets = false;
  CHECK_FALSE(backup(farm.environment, partial));
  farm.backup({"/l"}, "all.json");
  farm.remove("/l");
  RestoreRequest request;
  request.manifest_path = "all.json";
  request.restore_broken = false;
  request.dry_run = false;
  const auto report = restore(farm.environment, request);
  REQUIRE(report);
  CHECK(report->restored == 1);
  CHECK(report->skipped_nonexistent_target == 1);
  CHECK(farm.target("/l/b") == "(none)");
}

TEST_CASE("a manifest that names a path twice is planned as it is carried out",
          "[symlinks][SYM-27][SYM-38]") {
  const Farm farm;
  farm.directory("/l");
  test::write_text(
      farm.disk("/config/symlink-repair/snapshots/x.json"),
      R"({"roots":["/l"],"entries":[{"link_path":"/l/a","target":"/1"},{"link_path":"/l/a","target":"/2"},)"
      R"({"link_path":"/l/a","target":"/1"}]})");
  const auto dry = farm.restore("x.json", true, true);
  const auto real = farm.restore("x.json", true);
  CHECK(dry.restored == 3);
  CHECK(real.restored == 3);
  CHECK(farm.target("/l/a") == "/1");
}

TEST_CASE("manifests are read and written in their directories only", "[symlinks][EX-15][SYM-7]") {
  const Farm farm;
  farm.link("/l/a", "/x");
  farm.file("/secret.json", R"({"entries":[]})");
  farm.directory("/config/symlink-repair/snapshots");
  farm.link("/config/symlink-repair/snapshots/l.json", farm.disk("/secret.json"));
  CHECK(refuses(farm, "l.json", Errc::invalid_argument));
  CHECK(refuses(farm, "../../dumb_config.json", Errc::invalid_argument));
  BackupRequest request;
  request.roots = {"/l"};
  request.backup_path = "l.json";
  CHECK_FALSE(backup(farm.environment, request));
  CHECK(test::read_text(farm.disk("/secret.json")) == R"({"entries":[]})");
  request.backup_path = "new/deep/s.json";
  CHECK(backup(farm.environment, request));
  CHECK(farm.restore("new/deep/s.json").skipped_unchanged == 1);
}

TEST_CASE("two runs on one tree keep out of each other's way", "[symlinks][EX-17][SYM-81]") {
  Farm farm;
  farm.link("/r/sub/a", "/x");
  farm.link("/other/a", "/x");
  bool tested = false;
  farm.environment.before_apply = [&] {
    Environment inner = farm.environment;
    inner.before_apply = {};
    const auto clash = repair(inner, farm.request({"/r/sub"}, {{"/x", "/z"}}));
    REQUIRE_FALSE(clash);
    CHECK(clash.error().is(Errc::conflict));
    CHECK_THAT(clash.error().message(), ContainsSubstring("symlink_repair"));
    BackupRequest saved;
    saved.roots = {"/r"};
    saved.backup_path = "s.json";
    const auto waiting = backup(inner, saved);
    REQUIRE_FALSE(waiting);
    CHECK(waiting.error().is(Errc::conflict));
    CHECK(repair(inner, farm.request({"/r"}, {{"/x", "/z"}}, true)));
    CHECK(repair(inner, farm.request({"/other"}, {{"/x", "/z"}})));
    Environment process = inner;  // another process shares no table, only the lock on the directory
    process.locks = std::make_shared<Locks>();
    const auto outside = repair(process, farm.request({"/r"}, {{"/x", "/z"}}));
    REQUIRE_FALSE(outside);
    CHECK(outside.error().is(Errc::conflict));
    tested = true;
  };
  CHECK(farm.repair(farm.request({"/r"}, {{"/x", "/y"}})).changed == 1);
  CHECK(tested);
  CHECK(farm.target("/other/a") == "/z");
  CHECK(farm.target("/r/sub/a") == "/y");
}

TEST_CASE("a run that is stopped keeps what it did, and can be resumed and undone",
          "[symlinks][SYM-44][SYM-45][SYM-48][SYM-78]") {
  Farm farm;
  for (int i = 0; i < 200; ++i) farm.link("/l/" + std::to_string(i), "/a/" + std::to_string(i));
  const auto before = farm.tree("/l");
  std::stop_source stop;
  Control control;
  control.stop = stop.get_token();
  std::vector<Stage> stages;
  control.progress = [&](const Progress& progress) {
    if (stages.empty() || stages.back() != progress.stage) stages.push_back(progress.stage);
  };
  test::FaultCalls calls;
  calls.before = [&](std::string_view call, const char*) {
    if (call == "make_link") stop.request_stop();
    return 0;
  };
  farm.environment.calls = &calls;
  farm.environment.threads = 1;
  const auto report = repair(farm.environment, farm.request({"/l"}, {{"/a", "/b"}}), control);
  REQUIRE(report);
  CHECK(report->cancelled);
  CHECK(report->changed == 1);
  CHECK(report->not_attempted == 199);
  CHECK(stages == std::vector{Stage::collecting, Stage::processing, Stage::finalizing, Stage::completed});
  farm.environment.calls = nullptr;

  RepairRequest resume;
  resume.resume_manifest_path = report->auto_manifest;
  CHECK(farm.repair(resume).changed == 199);  // a dry run by default
  resume.dry_run = false;
  const auto resumed = farm.repair(resume);
  CHECK(resumed.changed == 199);
  CHECK(resumed.skipped_unchanged == 1);
  CHECK(farm.repair(resume).skipped_unchanged == 200);
  CHECK(farm.target("/l/7") == "/b/7");
  CHECK(farm.restore(*report->auto_manifest).restored == 200);
  CHECK(farm.tree("/l") == before);
  CHECK(farm.restore(*report->auto_manifest).skipped_unchanged == 200);
  resume.presets = {"decypharr_beta_consolidated"};
  CHECK_FALSE(repair(farm.environment, resume));
}

TEST_CASE("a moved-on link counts as done when its run is resumed", "[symlinks][SYM-78]") {
  const Farm farm;
  farm.link("/a/l", "/old/1");
  RepairRequest request = farm.request({"/a"}, {{"/old", "/new"}});
  request.root_migrations = std::vector<RootMigration>{{"/a", "/b"}};
  const auto report = farm.repair(request);
  RepairRequest resume;
  resume.resume_manifest_path = report.auto_manifest;
  resume.dry_run = false;
  const auto resumed = farm.repair(resume);
  CHECK(resumed.skipped_unchanged == 2);
  CHECK(resumed.skipped_changed_during_run == 0);
}

TEST_CASE("automatic manifests are kept for twenty runs", "[symlinks][SYM-69]") {
  const Farm farm;
  farm.link("/l/a", "/0");
  for (int i = 0; i < 25; ++i) {
    farm.repair(farm.request({"/l"}, {{"/" + std::to_string(i), "/" + std::to_string(i + 1)}}));
  }
  CHECK(farm.target("/l/a") == "/25");
  const auto kept = farm.tree("/config/symlink-repair/repair-manifests");
  CHECK(kept.size() == 20);
  CHECK(farm.tree("/config/symlink-repair/.state/runs").empty());
}

TEST_CASE("the sample of a comparison shows every kind of action", "[symlinks][SYM-40]") {
  const Farm farm;
  for (int i = 0; i < 60; ++i) farm.link("/l/" + std::to_string(i), "/x");
  farm.backup({"/l"}, "s.json");
  farm.remove("/l/7");
  farm.retarget("/l/8", "/other");
  const auto report = compared(farm, "s.json", true, 5);
  using enum SampleAction;
  CHECK(actions(report) == std::vector{create, overwrite, skip_unchanged, skip_unchanged, skip_unchanged});
  CHECK(compared(farm, "s.json", true, 0).sample_changes.empty());
  CHECK(compared(farm, "s.json", true, 2).sample_changes.size() == 2);
}

TEST_CASE("a run that does not get its roots has told of no progress", "[symlinks][SYM-43][SYM-46][SYM-81]") {
  const Farm farm;
  for (int i = 0; i < 1500; ++i) farm.link("/l/" + std::to_string(i % 30) + "/" + std::to_string(i), "/x");
  farm.backup({"/l"}, "s.json");
  RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
  request.backup_path = "m.json";
  REQUIRE(farm.repair(request).changed == 1500);
  int told = 0;
  Control control;
  control.progress = [&](const Progress&) { ++told; };
  RestoreRequest restoring;
  restoring.manifest_path = "s.json";
  restoring.dry_run = false;
  RepairRequest resuming;
  resuming.resume_manifest_path = "m.json";
  resuming.dry_run = false;
  {
    const auto held = farm.environment.locks->lock("another run", {}, Locks::Mode::exclusive);
    REQUIRE(held);
    const auto restored = restore(farm.environment, restoring, control);
    REQUIRE_FALSE(restored);
    CHECK(restored.error().is(Errc::conflict));
    CHECK_THAT(restored.error().message(), ContainsSubstring("another run"));
    const auto resumed = repair(farm.environment, resuming, control);
    REQUIRE_FALSE(resumed);
    CHECK(resumed.error().is(Errc::conflict));
    CHECK(told == 0);
    // Of a manifest of hundreds of kilobytes only the head was read.
    test::FaultCalls calls;
    int reads = 0;
    calls.before = [&](std::string_view call, const char*) {
      reads += call == "read" ? 1 : 0;
      return 0;
    };
    Environment watched = farm.environment;
    watched.calls = &calls;
    CHECK_FALSE(restore(watched, restoring));
    CHECK_FALSE(repair(watched, resuming));
    CHECK(reads == 2);
  }
  REQUIRE(restore(farm.environment, restoring, control));
  CHECK(told > 0);
}
