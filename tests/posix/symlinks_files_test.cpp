// The files this module keeps beside other people's: which temporary ones go, what is kept of a manifest, and
// which directories an undo removes.
#include "posix/symlinks_faults.hpp"
#include "symlinks/files_posix.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;
using dumb::test::FaultCalls;

namespace {

constexpr const char* repair_directory = "/config/symlink-repair";

void age(const Farm& farm, const std::string& path) {
  const timespec old[2] = {{1'000'000, 0}, {1'000'000, 0}};
  REQUIRE(::utimensat(AT_FDCWD, farm.disk(path).c_str(), old, 0) == 0);
}
bool there(const Farm& farm, const std::string& path) {
  return std::filesystem::exists(std::filesystem::symlink_status(farm.disk(path)));
}
std::string in_snapshots(const std::string& name) {
  return std::string(repair_directory) + "/snapshots/" + name;
}

}  // namespace

TEST_CASE("stale temporary manifests go at start-up, and nothing else does", "[symlinks][SYM-31]") {
  Farm farm;
  farm.environment.service_directories = {"/mnt/backups"};
  const std::vector<std::string> ours{"/mnt/backups/" + temporary_file_name("a.json"),
                                      in_snapshots("deep/" + temporary_file_name("b.json")),
                                      std::string(repair_directory) + "/.state/jobs/.x.json.7-0.tmp"};
  const std::vector<std::string> others{
      "/mnt/backups/.syncthing.a.json.tmp", "/mnt/backups/.a.json.7-0.tmp",
      "/mnt/backups/.dumb-a.tmp",           in_snapshots(".syncthing.a.json.tmp"),
      in_snapshots("plain.json"),           "/mnt/backups/below/" + temporary_file_name("c.json")};
  const std::string young = in_snapshots(temporary_file_name("young.json"));
  for (const auto* list : {&ours, &others}) {
    for (const std::string& path : *list) {
      farm.file(path);
      age(farm, path);
    }
  }
  farm.file(young);
  const std::string link = "/mnt/backups/" + temporary_file_name("link.json");
  farm.link(link, "elsewhere");
  recover(farm.environment);
  for (const std::string& path : ours) CHECK_FALSE(there(farm, path));
  for (const std::string& path : others) CHECK(there(farm, path));
  CHECK(there(farm, young));
  CHECK(there(farm, link));
}

TEST_CASE("a manifest's temporary name is its own and fits", "[symlinks][SYM-31]") {
  const std::string one = temporary_file_name("s.json");
  CHECK(one != temporary_file_name("s.json"));
  CHECK(one.starts_with('.'));
  CHECK(one.ends_with(".tmp"));
  CHECK(is_temporary_file(one));
  CHECK(temporary_file_name(std::string(250, 'x')).size() <= 255);
  for (const char* other :
       {".s.json.7-0.tmp", ".dumb-.tmp", ".dumb-s.json.0123456g.tmp", "dumb-s.01234567.tmp"})
    CHECK_FALSE(is_temporary_file(other));
}

TEST_CASE("a temporary file left behind keeps no snapshot from being taken", "[symlinks][SYM-31]") {
  Farm farm;
  farm.link("/l/a", "/x");
  FaultCalls calls;
  int refused = 0;
  calls.before = [&](std::string_view call, const char* name) {
    // As if a run that was killed had left just this name.
    return call == "open" && is_temporary_file(name) && refused++ < 3 ? EEXIST : 0;
  };
  farm.environment.calls = &calls;
  CHECK(farm.backup({"/l"}, "s.json").recorded_entries == 1);
  CHECK(refused == 4);
}

TEST_CASE("a cancelled snapshot leaves the older one and no temporary file", "[symlinks][SYM-31]") {
  const Farm farm;
  farm.link("/l/a", "/x");
  farm.backup({"/l"}, "s.json");
  const auto before = farm.tree(repair_directory);
  BackupRequest request;
  request.roots = {"/l"};
  request.backup_path = "s.json";
  std::stop_source stop;
  Control control;
  control.stop = stop.get_token();
  control.progress = [&](const Progress& progress) {
    if (progress.stage == Stage::processing) stop.request_stop();
  };
  const auto report = backup(farm.environment, request, control);
  REQUIRE_FALSE(report);
  CHECK(report.error().is(Errc::cancelled));
  CHECK(farm.tree(repair_directory) == before);
}

TEST_CASE("an undo removes the directories of its own run only", "[symlinks][SYM-8][SYM-35]") {
  const Farm farm;
  farm.directory("/srv/app/empty");
  farm.directory("/out/spool");
  farm.directory("/l/mine");
  farm.link("/l/way", farm.disk("/out"));
  farm.link("/l/a", "/x");
  test::write_text(farm.disk(in_snapshots("m.json")),
                   R"({"manifest_type":"symlink_repair","version":2,"roots":["/l"],"changes":[],)"
                   R"("created_dirs":["/srv/app/empty","/l/way/spool","/l/mine","/l/../srv","/etc/x"]})");
  const auto report = farm.restore("m.json");
  CHECK(there(farm, "/srv/app/empty"));
  CHECK(there(farm, "/out/spool"));
  CHECK_FALSE(there(farm, "/l/mine"));
  CHECK(there(farm, "/l/a"));
  REQUIRE(report.errors.size() == 3);
  for (const ErrorItem& item : report.errors) CHECK(item.code == "EPERM");
}

TEST_CASE("an undo removes a root that its run had made, with what it had made above",
          "[symlinks][EX-6][SYM-35]") {
  const Farm farm;
  farm.directory("/data");
  farm.link("/mnt", farm.disk("/data"));  // the way to the root leads through a link
  farm.link("/a/d/l", "/x");
  const auto report = farm.repair(farm.migration("/a", "/mnt/new/lib"));
  CHECK(report.moved == 1);
  CHECK(farm.restore(*report.auto_manifest).errors_total == 0);
  CHECK_FALSE(there(farm, "/data/new"));
  CHECK(there(farm, "/a/d/l"));
}

TEST_CASE("the previous manifest is kept on every file system", "[symlinks][SYM-29]") {
  const std::string place = in_snapshots("m.json");
  const std::string previous = in_snapshots("m.prev.json");
  for (const int lacking : {0, 1, 2}) {  // nothing; exchange and no-replace; second names too
    Farm farm;
    farm.link("/l/a", "/x");
    FaultCalls calls;
    calls.before = [&](std::string_view call, const char*) {
      if (lacking > 0 && call == "renameat2") return EINVAL;
      return lacking > 1 && call == "link" ? EPERM : 0;
    };
    farm.environment.calls = &calls;
    RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
    request.backup_path = "m.json";
    farm.repair(request);
    CHECK_FALSE(there(farm, previous));
    const std::string first = test::read_text(farm.disk(place));
    request.rewrite_rules = std::vector<RewriteRule>{{"/y", "/z"}};
    farm.repair(request);
    CHECK(test::read_text(farm.disk(previous)) == first);
    CHECK(test::read_text(farm.disk(place)) != first);
    // It undoes the run before.
    farm.restore("m.json");
    farm.restore("m.prev.json");
    CHECK(farm.target("/l/a") == "/x");
    for (const auto& [path, what] : farm.tree(repair_directory)) CHECK_FALSE(path.ends_with(".tmp"));
  }
}

TEST_CASE("a manifest that takes the place of another is never away", "[symlinks][SYM-29][SYM-31]") {
  const std::string place = in_snapshots("m.json");
  for (int nth = 1;; ++nth) {
    const Farm farm;
    farm.link("/l/a", "/x");
    RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
    request.backup_path = "m.json";
    farm.repair(request);
    const std::string first = test::read_text(farm.disk(place));
    request.rewrite_rules = std::vector<RewriteRule>{{"/y", "/z"}};
    INFO("system call " << nth);
    const bool died = test::killed_at(nth, farm.environment, [&](const Environment& environment) {
      if (!repair(environment, request)) ::_exit(1);
    });
    REQUIRE(there(farm, place));
    const std::string now = test::read_text(farm.disk(place));
    if (now != first) CHECK(test::read_text(farm.disk(in_snapshots("m.prev.json"))) == first);
    if (!died) break;
  }
}
