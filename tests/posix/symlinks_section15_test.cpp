// Lines of section 15 of the specification and requirements that no other file proves whole.
#include <algorithm>
#include <dumb/symlinks/snapshots.hpp>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;
using dumb::test::FaultCalls;

TEST_CASE("a target is looked up by the kernel, never as shortened text", "[symlinks][SYM-18][SYM-19]") {
  const Farm farm;
  farm.directory("/far/sub");
  farm.link("/l/dir", farm.disk("/far/sub"));
  farm.file("/far/there");    // what "dir/../there" really is
  farm.file("/l/only-text");  // what "dir/../only-text" looks like
  farm.link("/l/sound", "dir/../there");
  farm.link("/l/broken", "dir/../only-text");
  RepairRequest request = farm.request({"/l"}, {{"dir", "way"}}, true);
  request.include_broken = false;
  const auto report = farm.repair(request);
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].link_path == "/l/sound");
  CHECK(report.skipped_nonexistent_target == 1);
}

TEST_CASE("what the kernel cannot tell makes a target unknown", "[symlinks][SYM-19]") {
  for (const int number : {EACCES, EIO, ENOTCONN, ESTALE, ETIMEDOUT}) {
    Farm farm;
    farm.link("/l/a", "/x/1");
    FaultCalls calls;
    calls.before = [&](std::string_view call, const char*) { return call == "look" ? number : 0; };
    farm.environment.calls = &calls;
    RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}}, true);
    request.include_broken = false;
    const auto report = farm.repair(request);
    INFO(errno_name(number));
    CHECK(report.changed == 1);
    CHECK(report.targets_unknown == 1);
  }
}

TEST_CASE("a change that failed is not listed among the changes", "[symlinks][SYM-28][SYM-79][SYM-87]") {
  for (const int number : {EACCES, EPERM, EIO, ENAMETOOLONG, ENOTDIR}) {
    Farm farm;
    for (const char* name : {"1", "2", "3"}) farm.link(std::string("/l/") + name, "/x");
    FaultCalls calls;
    bool failed = false;
    calls.before = [&](std::string_view call, const char*) {
      return call == "make_link" && !std::exchange(failed, true) ? number : 0;
    };
    farm.environment.calls = &calls;
    const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
    REQUIRE(report.errors.size() == 1);
    CHECK(report.errors[0].code == errno_name(number));
    CHECK(farm.target(report.errors[0].link_path) == "/x");
    CHECK(report.changes.size() == 2);
    for (const LinkChange& change : report.changes) {
      CHECK(change.link_path != report.errors[0].link_path);
      CHECK(farm.target(change.link_path) == "/y");
    }
    CHECK_FALSE(report.aborted);
  }
}

TEST_CASE("a pure migration does not walk the default roots", "[symlinks][SYM-12]") {
  const Farm farm;
  farm.link("/mnt/debrid/decypharr_symlinks/a", "/x");
  farm.link("/a/l", "/x");
  const auto report = farm.repair(farm.migration("/a", "/b", true));
  CHECK(report.roots.empty());
  CHECK(report.missing_roots.empty());
  CHECK(report.scanned_symlinks == 1);
  RepairRequest rewrite = farm.request({}, {{"/x", "/y"}}, true);
  CHECK(farm.repair(rewrite).scanned_symlinks == 1);
}

TEST_CASE("progress of a restore ends at its total, invalid entries included", "[symlinks][SYM-34][SYM-44]") {
  const Farm farm;
  farm.directory("/l");
  test::write_text(farm.disk("/config/symlink-repair/snapshots/s.json"),
                   R"({"manifest_type":"symlink_snapshot","version":2,"roots":["/l"],"entries":[)"
                   R"({"link_path":"/l/a","target":"/x"},7,{"link_path":"/l/b"},)"
                   R"({"link_path":"/out/c","target":"/x"},{"link_path":"/l/d","target":"/x"}]})");
  for (const bool dry : {true, false}) {
    RestoreRequest request;
    request.manifest_path = "s.json";
    request.dry_run = dry;
    std::vector<Stage> stages;
    Progress last;
    Control control;
    control.progress = [&](const Progress& progress) {
      if (stages.empty() || stages.back() != progress.stage) stages.push_back(progress.stage);
      CHECK((!last.total || progress.stage != Stage::processing || progress.processed <= *progress.total));
      last = progress;
    };
    const auto report = restore(farm.environment, request, control);
    REQUIRE(report);
    CHECK(report->total_entries == 5);
    CHECK(report->skipped_invalid_entries == 3);
    CHECK(last.processed == 5);
    CHECK(last.total == 5);
    CHECK(last.stage == Stage::completed);
    CHECK(std::is_sorted(stages.begin(), stages.end()));
  }
}

TEST_CASE("progress is published on each stage and at most four times a second", "[symlinks][SYM-45]") {
  Farm farm;
  for (int i = 0; i < 3000; ++i) farm.link("/l/" + std::to_string(i % 50) + "/" + std::to_string(i), "/x");
  test::FakeClock clock;
  farm.environment.clock = &clock;
  int published = 0;
  Control control;
  control.progress = [&](const Progress&) { ++published; };
  RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
  REQUIRE(repair(farm.environment, request, control));
  CHECK(published >= 4);
  CHECK(published <= 6);  // the stages alone: the clock stands still
}

TEST_CASE("a link that changes before it is removed is put back", "[symlinks][SYM-71][SYM-76]") {
  Farm farm;
  farm.link("/a/l", "/x");
  RepairRequest request = farm.migration("/a", "/b");
  request.copy_instead_of_move = true;
  const auto copied = farm.repair(request);
  REQUIRE(copied.copied == 1);
  FaultCalls calls;
  bool armed = false;
  calls.before = [&](std::string_view call, const char* name) {
    // Between the look at the link and its way to the temporary name.
    if (armed && call == "renameat2" && name == std::string_view("l")) {
      armed = false;
      farm.retarget("/b/l", "/user");
    }
    return 0;
  };
  farm.environment.calls = &calls;
  farm.environment.before_apply = [&] { armed = true; };
  const auto undone = farm.restore(*copied.auto_manifest);
  CHECK(undone.restored == 0);
  CHECK(undone.skipped_changed_during_run == 1);
  CHECK(farm.target("/b/l") == "/user");
  CHECK(farm.tree("/b").size() == 1);
}

TEST_CASE("a comparison reads each entry once", "[symlinks][SYM-41]") {
  Farm farm;
  for (int i = 0; i < 40; ++i) farm.link("/l/" + std::to_string(i), "/x");
  farm.backup({"/l"}, "s.json");
  farm.remove("/l/1");
  farm.remove("/l/2");
  farm.file("/l/2");
  FaultCalls calls;
  int reads = 0;
  int stats = 0;
  calls.before = [&](std::string_view call, const char* name) {
    reads += call == "read_link" ? 1 : 0;
    stats += (call == "stat" && *name != '\0') || call == "look" ? 1 : 0;
    return 0;
  };
  farm.environment.calls = &calls;
  CompareRequest request;
  request.manifest_path = "s.json";
  const auto report = compare(farm.environment, request);
  REQUIRE(report);
  CHECK(report->projected.skipped_unchanged == 38);
  CHECK(reads == 40);
  CHECK(stats == 1);  // of the one that is no link
}

TEST_CASE("a migration tells what it replaced, and a parent that is a file is an error",
          "[symlinks][SYM-22][SYM-28]") {
  const Farm farm;
  farm.link("/a/over", "/x");
  farm.link("/b/over", "/theirs");
  farm.link("/a/d/l", "/x");
  farm.file("/b/d");
  RepairRequest request = farm.migration("/a", "/b");
  request.overwrite_existing = true;
  const auto report = farm.repair(request);
  REQUIRE(report.moves.size() == 1);
  CHECK(report.moves[0].replaced_target == "/theirs");
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors[0].source_path == "/a/d/l");
  CHECK(report.errors[0].target_path == "/b/d/l");
  CHECK(test::read_text(farm.disk("/b/d")) == "media");
  CHECK(farm.target("/a/d/l") == "/x");
}

TEST_CASE("manifests are readable for all whatever the mask of the process", "[symlinks][SYM-7]") {
  const Farm farm;
  farm.link("/l/a", "/x");
  const mode_t before = ::umask(077);
  farm.backup({"/l"}, "deep/s.json");
  ::umask(before);
  struct stat info {};
  REQUIRE(::stat(farm.disk("/config/symlink-repair/snapshots/deep/s.json").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0644);
  REQUIRE(::stat(farm.disk("/config/symlink-repair/snapshots/deep").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0755);
}

TEST_CASE("where no snapshot was ever trusted the fullest of the others stays", "[symlinks][SYM-66]") {
  Farm farm;
  test::FakeClock clock;
  farm.environment.clock = &clock;
  farm.file("/no-directory");  // a root that cannot be walked: every run is incomplete
  for (int i = 0; i < 50; ++i) farm.link("/l/" + std::to_string(i), "/x");
  const ScheduledSnapshot scheduled{"", "Decypharr", std::vector<std::string>{"/l", "/no-directory"}, true,
                                    1};
  const auto full = take_scheduled_snapshot(farm.environment, scheduled);
  REQUIRE(full);
  CHECK(full->held == "incomplete");
  farm.remove("/l");
  farm.directory("/l");
  std::string newest;
  for (int week = 0; week < 3; ++week) {
    clock.advance(std::chrono::hours(168));
    const auto empty = take_scheduled_snapshot(farm.environment, scheduled);
    REQUIRE(empty);
    CHECK(empty->held == "incomplete");
    newest = empty->backup.backup_manifest;
  }
  const auto left = farm.tree("/config/symlink-repair/snapshots");
  CHECK(left.size() == 2);
  CHECK(left.contains(full->backup.backup_manifest));
  CHECK(left.contains(newest));
}
