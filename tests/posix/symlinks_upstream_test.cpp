// What the original does wrong and has no home elsewhere, and the manifests it has left. Which test answers
// for which row of section 15 is told in docs/spec/symlinks.md.
#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;

namespace {

void lay_down(const Farm& farm, const std::string& name) {
  farm.directory("/config/symlink-repair/snapshots");
  farm.file("/config/symlink-repair/snapshots/" + name,
            test::read_text(DUMB_SOURCE_DIR "/tests/data/symlinks/" + name));
}

}  // namespace

TEST_CASE("a snapshot of the original brings every byte back", "[symlinks][SYM-9][SYM-33][SYM-67]") {
  const Farm farm;
  farm.directory("/media/l/caf\xE9");
  lay_down(farm, "upstream_snapshot.json");
  const auto report = farm.restore("upstream_snapshot.json");
  CHECK(report.manifest_type == ManifestType::symlink_snapshot);
  CHECK(report.restored == 2);
  CHECK(report.errors_total == 0);
  CHECK(farm.target("/media/l/caf\xE9/e1.mkv") ==
        "/mnt/debrid/__all__/\xFF"
        "1");
  CHECK(farm.target("/media/l/\u00e9t\u00e9 \"1\"") == "../up/\U0001F3AC ");
}

TEST_CASE("a repair of the original is undone", "[symlinks][SYM-33][SYM-35][SYM-68]") {
  const Farm farm;
  farm.link("/media/l/a\xFF", "/new/\x80");
  farm.link("/media/m/b", "/old/b");
  lay_down(farm, "upstream_repair.json");
  const auto report = farm.restore("upstream_repair.json");
  CHECK(report.manifest_type == ManifestType::symlink_repair);
  CHECK(report.restored == 2);
  CHECK(farm.target("/media/l/a\xFF") == "/old/\x80");
  CHECK(farm.target("/media/l/b") == "/old/b");
  CHECK(farm.target("/media/m/b") == "(none)");
}

TEST_CASE("whether a target exists is asked of the kernel, not of a shortened path", "[symlinks][SYM-19]") {
  const Farm farm;
  farm.file("/other/f");
  farm.directory("/other/deep");
  farm.link("/l/via", farm.disk("/other/deep"));
  farm.link("/l/there", "via/../f");  // /other/f; shortened it would be /l/f
  farm.file("/l/g");
  farm.link("/l/gone", "via/../g");  // /other/g; shortened it would be /l/g
  RepairRequest request = farm.request({"/l"}, {{"via", "way"}}, true);
  request.include_broken = false;
  const auto report = farm.repair(request);
  CHECK(report.skipped_nonexistent_target == 1);
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].link_path == "/l/there");
}

TEST_CASE("the progress of a restore counts invalid entries, too", "[symlinks][SYM-44]") {
  const Farm farm;
  farm.directory("/config/symlink-repair/snapshots");
  farm.directory("/l");
  farm.file("/config/symlink-repair/snapshots/x.json",
            R"({"version":2,"roots":["/l"],"entries":[7,{"link_path":"/etc/x","target":"/x"},)"
            R"({"link_path":"/l/ok","target":"/x"}]})");
  RestoreRequest request;
  request.manifest_path = "x.json";
  request.dry_run = false;
  Progress last;
  Control control;
  control.progress = [&](const Progress& progress) { last = progress; };
  const auto report = restore(farm.environment, request, control);
  REQUIRE(report);
  CHECK(report->restored == 1);
  CHECK(last.stage == Stage::completed);
  CHECK(last.processed == 3);
  CHECK(last.total == 3U);
}

TEST_CASE("names and targets of any length and byte are repaired, or named",
          "[symlinks][SYM-9][SYM-18][SYM-87]") {
  const Farm farm;
  const std::string longest(255, 'n');
  const std::string odd = "a\nb\xC3\x28\xFF";
  const std::string huge = "/x/" + std::string(4000, 't');
  farm.link("/l/" + longest, "/x/1");
  farm.link("/l/" + odd, "/x/\n\xFE");
  farm.link("/l/huge", huge);
  const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/" + std::string(200, 'y')}}));
  CHECK(report.changed == 2);
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors[0].link_path == "/l/huge");
  CHECK(report.errors[0].code == "ENAMETOOLONG");
  CHECK(farm.target("/l/huge") == huge);
  CHECK(farm.target("/l/" + longest) == "/" + std::string(200, 'y') + "/1");
  CHECK(farm.restore(*report.auto_manifest).restored == 2);
  CHECK(farm.target("/l/" + odd) == "/x/\n\xFE");
}

TEST_CASE("a link that changes while it is looked at is no error", "[symlinks][SYM-84]") {
  Farm farm;
  for (const char* name : {"gone", "kept", "taken"}) farm.link(std::string("/l/") + name, "/x");
  test::FaultCalls calls;
  calls.before = [&](std::string_view call, const char* name) {
    if (call != "read_link") return 0;
    if (std::string_view(name) == "gone") farm.remove("/l/gone");
    if (std::string_view(name) == "taken") {
      farm.remove("/l/taken");
      farm.file("/l/taken", "media");
    }
    return 0;
  };
  farm.environment.calls = &calls;
  farm.environment.threads = 1;
  const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
  CHECK(report.scanned_symlinks == 1);
  CHECK(report.changed == 1);
  CHECK(report.errors_total == 0);
  CHECK(farm.target("/l/kept") == "/y");
  CHECK(test::read_text(farm.disk("/l/taken")) == "media");
}

TEST_CASE("a run that did all it had to is not cancelled by a late request", "[symlinks][SYM-48]") {
  Farm farm;
  farm.link("/l/1", "/x");
  farm.link("/l/2", "/x");
  const bool late = GENERATE(true, false);
  std::stop_source stop;
  test::FaultCalls calls;
  calls.before = [&](std::string_view call, const char*) {
    if (call == (late ? "sync_file_system" : "make_link")) stop.request_stop();
    return 0;
  };
  farm.environment.calls = &calls;
  farm.environment.threads = 1;
  Control control;
  control.stop = stop.get_token();
  const auto report = repair(farm.environment, farm.request({"/l"}, {{"/x", "/y"}}), control);
  REQUIRE(report);
  CHECK(report->cancelled == !late);
  CHECK(report->changed == (late ? 2U : 1U));
  CHECK(report->not_attempted == (late ? 0U : 1U));
}

TEST_CASE("a resumed run checks its limit and counts every entry", "[symlinks][SYM-28][SYM-44][SYM-78]") {
  const Farm farm;
  for (int i = 0; i < 10; ++i) farm.link("/l/" + std::to_string(i), "/x");
  RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
  request.backup_path = "/config/symlink-repair/m.json";
  REQUIRE(farm.repair(request).changed == 10);
  farm.retarget("/l/3", "/x");
  RepairRequest again;
  again.resume_manifest_path = request.backup_path;
  again.dry_run = false;
  for (const std::int64_t limit : {-1, 10001}) {
    again.changes_limit = limit;
    const auto refused = repair(farm.environment, again);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().is(Errc::invalid_argument));
  }
  again.changes_limit = 5;
  std::vector<Progress> told;
  Control control;
  control.progress = [&](const Progress& progress) { told.push_back(progress); };
  const auto report = repair(farm.environment, again, control);
  REQUIRE(report);
  CHECK(report->changed == 1);
  CHECK(report->skipped_unchanged == 9);
  REQUIRE_FALSE(told.empty());
  CHECK(told.back().processed == 10);
  CHECK(told.back().total == 10U);
}
