// What disks and mounts do to a run: each fault ends with a report that names the path, and loses nothing.
#include <sys/mount.h>

#include <atomic>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::check_said;
using dumb::test::Farm;
using dumb::test::FaultCalls;
using dumb::test::in_child;
using dumb::test::not_possible;
using dumb::test::own_mounts;

namespace {

/// Fails every call of a name with an errno.
std::function<int(std::string_view, const char*)> fails(std::string_view wanted, int number) {
  return [=](std::string_view call, const char*) { return call == wanted ? number : 0; };
}

void plant_three(const Farm& farm) {
  for (const char* name : {"1", "2", "3"}) farm.link(std::string("/l/") + name, "/x");
}

/// A FUSE mount that nobody serves; -1 where that is not allowed.
int mount_fuse(const std::string& point) {
  const int fuse = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fuse < 0) return -1;
  const std::string options = "fd=" + std::to_string(fuse) + ",rootmode=40000,user_id=0,group_id=0";
  if (::mount("test", point.c_str(), "fuse", 0, options.c_str()) == 0) return fuse;
  ::close(fuse);
  return -1;
}

std::string told(const RepairReport& report) {
  return "changed " + std::to_string(report.changed) + " unknown " + std::to_string(report.targets_unknown) +
         " missing " + std::to_string(report.skipped_nonexistent_target) + " mounts " +
         std::to_string(report.skipped_mounts.size());
}

}  // namespace

TEST_CASE("a full disk stops the run and leaves every link", "[symlinks][EX-14][SYM-71][SYM-79][SYM-88]") {
  for (const int number : {ENOSPC, EDQUOT, EROFS}) {
    Farm farm;
    plant_three(farm);
    const auto before = farm.tree("/l");
    FaultCalls calls;
    calls.before = fails("make_link", number);
    farm.environment.calls = &calls;
    const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
    CHECK(report.changed == 0);
    CHECK(report.errors_total == 1);
    CHECK(report.errors.at(0).code == errno_name(number));
    CHECK(report.errors.at(0).link_path.starts_with("/l/"));
    CHECK(report.aborted == errno_name(number));
    CHECK(report.not_attempted == 2);
    CHECK(farm.tree("/l") == before);
  }
}

TEST_CASE("without room for the manifest nothing is changed", "[symlinks][EX-14][SYM-6][SYM-31][SYM-69]") {
  for (const char* call : {"write", "sync"}) {
    Farm farm;
    plant_three(farm);
    farm.backup({"/l"}, "s.json");
    const auto before = farm.tree("");
    FaultCalls calls;
    calls.before = fails(call, ENOSPC);
    farm.environment.calls = &calls;
    const auto report = repair(farm.environment, farm.request({"/l"}, {{"/x", "/y"}}));
    REQUIRE_FALSE(report);
    CHECK(report.error().code().value() == ENOSPC);
    BackupRequest request;
    request.roots = {"/l"};
    request.backup_path = "s.json";
    CHECK_FALSE(backup(farm.environment, request));
    auto after = farm.tree("");
    std::erase_if(after, [](const auto& item) { return item.first.ends_with("repair-manifests"); });
    CHECK(after == before);  // the older snapshot too, and no temporary file
  }
}

TEST_CASE("one failing link does not stop the others", "[symlinks][SYM-79][SYM-87]") {
  for (const char* call : {"make_link", "renameat2", "read_link"}) {
    Farm farm;
    plant_three(farm);
    FaultCalls calls;
    bool armed = false;
    calls.before = [&](std::string_view now, const char*) {
      return armed && now == call ? (armed = false, EIO) : 0;
    };
    farm.environment.calls = &calls;
    farm.environment.before_apply = [&] { armed = true; };
    const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
    INFO(call);
    CHECK(report.changed == 2);
    CHECK(report.errors_total + report.skipped_changed_during_run == 1);
    CHECK_FALSE(report.aborted);
    CHECK(farm.tree("/l").size() == 3);
    int old = 0;
    for (const char* name : {"/l/1", "/l/2", "/l/3"}) old += farm.target(name) == "/x" ? 1 : 0;
    CHECK(old == 1);
    for (const ErrorItem& item : report.errors) {
      CHECK(farm.target(item.link_path) == "/x");
      CHECK(item.code == "EIO");
    }
    // What failed is not among the changes.
    CHECK(report.changes.size() == 2);
    for (const LinkChange& change : report.changes) CHECK(farm.target(change.link_path) == "/y");
  }
}

TEST_CASE("a hundred failures of one kind stop the run", "[symlinks][SYM-88]") {
  Farm farm;
  for (int i = 0; i < 130; ++i) farm.link("/l/" + std::to_string(i), "/x");
  FaultCalls calls;
  calls.before = fails("make_link", EIO);
  farm.environment.calls = &calls;
  const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
  CHECK(report.errors_total == 100);
  CHECK(report.not_attempted == 30);
  CHECK(report.aborted == "EIO");
}

TEST_CASE("where the file system has no exchange, links are looked at again and renamed",
          "[symlinks][SYM-73][SYM-74][SYM-75]") {
  Farm farm;
  plant_three(farm);
  FaultCalls calls;
  calls.before = fails("renameat2", EINVAL);
  farm.environment.calls = &calls;
  farm.environment.before_apply = [&] { farm.retarget("/l/2", "/user"); };
  RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
  request.root_migrations = std::vector<RootMigration>{{"/l", "/m"}};
  const auto report = farm.repair(request);
  farm.environment.before_apply = {};
  CHECK(report.changed == 2);
  CHECK(report.moved == 2);
  CHECK(farm.target("/l/2") == "/user");
  CHECK(farm.target("/m/1") == "/y");
  CHECK(farm.tree("/l").size() == 1);
  CHECK(farm.restore(*report.auto_manifest).restored == 4);
  CHECK(farm.target("/l/1") == "/x");
  CHECK(farm.target("/m/1") == "(none)");
}

TEST_CASE("what appears at a destination is not overwritten", "[symlinks][SYM-74][SYM-75]") {
  // Also where a file system knows the plain rename only.
  const int number = GENERATE(0, EINVAL);
  Farm farm;
  FaultCalls calls;
  calls.before = fails("renameat2", number);
  farm.environment.calls = &calls;
  farm.link("/a/l", "/x");
  farm.link("/a/k", "/x");
  farm.environment.before_apply = [&] {
    farm.file("/b/l", "somebody's");
    farm.link("/b/k", "/theirs");
  };
  const auto report = farm.repair(farm.migration("/a", "/b"));
  CHECK(report.moved == 0);
  CHECK(report.skipped_existing_destination == 2);
  CHECK(test::read_text(farm.disk("/b/l")) == "somebody's");
  CHECK(farm.target("/b/k") == "/theirs");
  CHECK(farm.target("/a/l") == "/x");
}

TEST_CASE("a replaced destination that changed meanwhile is put back", "[symlinks][SYM-75][SYM-86]") {
  Farm farm;
  farm.link("/a/l", "/x");
  farm.link("/b/l", "/y");
  farm.environment.before_apply = [&] { farm.retarget("/b/l", "/theirs"); };
  RepairRequest request = farm.migration("/a", "/b");
  request.overwrite_existing = true;
  const auto report = farm.repair(request);
  CHECK(report.moved == 0);
  CHECK(report.skipped_changed_during_run == 1);
  CHECK(farm.target("/b/l") == "/theirs");
  CHECK(farm.target("/a/l") == "/x");
}

TEST_CASE("a directory that becomes a link in the middle is not followed",
          "[symlinks][SYM-72][SYM-83][SYM-84]") {
  Farm farm;
  farm.link("/l/d/a", "/x");
  farm.link("/out/a", "/x");
  FaultCalls calls;
  bool swapped = false;
  calls.before = [&](std::string_view call, const char* name) {
    if (call == "open_beneath" && std::string_view(name) == "d" && !std::exchange(swapped, true)) {
      std::filesystem::rename(farm.disk("/l/d"), farm.disk("/away"));
      farm.link("/l/d", farm.disk("/out"));
    }
    return 0;
  };
  farm.environment.calls = &calls;
  farm.environment.threads = 1;
  const auto walked = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
  CHECK(walked.changed == 0);
  REQUIRE(walked.errors.size() == 1);
  CHECK(walked.errors[0].link_path == "/l/d");
  CHECK(farm.target("/out/a") == "/x");

  farm.remove("/l/d");
  farm.link("/l/d/a", "/x");
  farm.environment.before_apply = [&] {
    std::filesystem::rename(farm.disk("/l/d"), farm.disk("/again"));
    farm.link("/l/d", farm.disk("/out"));
  };
  const auto applied = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
  CHECK(applied.changed == 0);
  CHECK(applied.errors_total == 1);
  CHECK(farm.target("/out/a") == "/x");
  CHECK(farm.target("/again/a") == "/x");
}

TEST_CASE("directories that may not be read or written are told",
          "[symlinks][EX-14][SYM-32][SYM-84][SYM-87]") {
  const Farm farm;
  farm.link("/l/open/a", "/x");
  farm.link("/l/open/b", "/x");
  farm.link("/l/ro/a", "/x");
  farm.link("/l/ro/b", "/x");
  farm.link("/s/dark/a", "/x");
  farm.link("/s/lit", "/x");
  std::filesystem::permissions(farm.disk(""), std::filesystem::perms::all);
  for (const char* path : {"/l", "/l/open", "/config"}) {
    std::filesystem::permissions(farm.disk(path), std::filesystem::perms::all);
  }
  REQUIRE(::chmod(farm.disk("/l/ro").c_str(), 0555) == 0);
  REQUIRE(::chmod(farm.disk("/s/dark").c_str(), 0) == 0);
  const auto end = in_child([&] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return std::string("no identity");
    const auto report = repair(farm.environment, farm.request({"/l"}, {{"/x", "/y"}}));
    if (!report) return report.error().to_string();
    std::string said = std::to_string(report->changed) + " " + std::to_string(report->errors_total) + " " +
                       report->errors.at(0).code;
    BackupRequest request;
    request.roots = {"/s"};
    request.backup_path = "s.json";
    const auto saved = backup(farm.environment, request);
    if (!saved) return saved.error().to_string();
    return said + " " + std::to_string(saved->complete) + " " + std::to_string(saved->errors_total) + " " +
           saved->errors.at(0).link_path + " " + std::to_string(saved->recorded_entries);
  });
  ::chmod(farm.disk("/s/dark").c_str(), 0755);
  ::chmod(farm.disk("/l/ro").c_str(), 0755);
  CHECK(end.said == "2 2 EACCES 0 1 /s/dark 1");
  CHECK(farm.target("/l/ro/a") == "/x");
}

TEST_CASE("a read-only file system stops the run", "[symlinks][SYM-88]") {
  const Farm farm;
  plant_three(farm);
  const auto end = in_child([&] {
    const std::string place = farm.disk("/l");
    if (!own_mounts() || ::mount(place.c_str(), place.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, place.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
      return std::string(not_possible);
    }
    const auto report = repair(farm.environment, farm.request({"/l"}, {{"/x", "/y"}}));
    if (!report) return report.error().to_string();
    return report->aborted.value_or("") + " " + std::to_string(report->not_attempted);
  });
  check_said(end.said, "EROFS 2");
  CHECK(farm.target("/l/1") == "/x");
}

TEST_CASE("a mount that has died makes targets unknown, never missing",
          "[symlinks][SYM-19][SYM-30][SYM-85][SYM-89]") {
  const Farm farm;
  farm.directory("/remote");
  farm.directory("/l/store");
  farm.link("/l/a", farm.disk("/remote/film"));
  farm.link("/l/b", farm.disk("/nowhere"));
  const auto end = in_child([&] {
    if (!own_mounts()) return std::string(not_possible);
    const int remote = mount_fuse(farm.disk("/remote"));
    const int store = mount_fuse(farm.disk("/l/store"));
    if (remote < 0 || store < 0) return std::string(not_possible);
    ::close(remote);  // its server is gone: ENOTCONN
    ::close(store);
    RepairRequest request = farm.request({"/l"}, {{farm.disk(""), "/new"}}, true);
    request.include_broken = false;
    const auto report = repair(farm.environment, request);
    if (!report) return report.error().to_string();
    BackupRequest saved;
    saved.roots = {"/l"};
    saved.backup_path = "s.json";
    saved.include_broken = false;
    const auto snapshot = backup(farm.environment, saved);
    if (!snapshot) return snapshot.error().to_string();
    return told(*report) + ", recorded " + std::to_string(snapshot->recorded_entries);
  });
  check_said(end.said, "changed 1 unknown 1 missing 1 mounts 1, recorded 1");
}

TEST_CASE("a mount that hangs holds up nobody", "[symlinks][SYM-19][SYM-89]") {
  Farm farm;
  for (int i = 0; i < 20; ++i) farm.link("/l/" + std::to_string(i), "/far/" + std::to_string(i));
  farm.link("/l/near", "/near/1");
  // Threads that hang may outlive the run: what they use is never destroyed.
  static std::atomic<bool> release{false};
  static std::atomic<int> asked{0};
  static std::atomic<int> back{0};
  static FaultCalls calls;
  calls.before = [](std::string_view call, const char* name) {
    if (call != "look" || !std::string_view(name).starts_with("/far/")) return 0;
    ++asked;
    test::eventually([] { return release.load(); }, std::chrono::seconds(60));
    ++back;
    return EIO;
  };
  farm.environment.calls = &calls;
  farm.environment.target_limit = std::chrono::milliseconds(20);
  farm.environment.threads = 1;
  RepairRequest request = farm.request({"/l"}, {{"/far", "/new"}, {"/near", "/new"}}, true);
  request.include_broken = false;
  const auto report = farm.repair(request);
  const int asked_in_all = asked;
  release = true;
  CHECK(report.targets_unknown >= 20);
  CHECK(report.changed >= 20);
  CHECK(asked_in_all <= 3);  // then the mount is given up
  CHECK(test::eventually([] { return back == asked; }));
}
