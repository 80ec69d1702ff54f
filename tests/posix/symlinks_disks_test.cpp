// Runs over two disks, and over one that is full.
#include <sys/mount.h>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::check_said;
using dumb::test::Farm;
using dumb::test::in_child;
using dumb::test::killed_at;
using dumb::test::not_possible;
using dumb::test::own_mounts;
using dumb::test::resumed;
using dumb::test::undone;

namespace {

using Tree = std::map<std::string, std::string>;

/// A library on one disk with its destination on another: `/far` leads there.
struct TwoDisks {
  explicit TwoDisks(int links = 4) : count(links) {
    farm.link("/far", other.path().native());
    for (int i = 0; i < count; ++i) farm.link(source(i), target(i));
    request = farm.migration("/a", "/far/b");
    request.backup_path = "m.json";
    before = farm.tree("/a");
  }
  static std::string source(int i) { return "/a/" + std::to_string(i % 3) + "/" + std::to_string(i); }
  static std::string destination(int i) { return "/far/b" + source(i).substr(2); }
  static std::string target(int i) { return "/x/" + std::to_string(i); }

  bool are_two() const {
    struct stat a {};
    struct stat b {};
    return ::stat(farm.disk("").c_str(), &a) == 0 && ::stat(other.path().c_str(), &b) == 0 &&
           a.st_dev != b.st_dev;
  }
  bool has_manifest() const {
    return std::filesystem::exists(farm.disk("/config/symlink-repair/snapshots/m.json"));
  }
  /// Each link is at its source, its destination or both.
  void check_reachable() const {
    int lost = 0;
    for (int i = 0; i < count; ++i) {
      const bool reachable = farm.target(source(i)) == target(i) || farm.target(destination(i)) == target(i);
      lost += reachable ? 0 : 1;
    }
    CHECK(lost == 0);
  }
  /// Exactly one of the two.
  void check_moved() const {
    int wrong = 0;
    for (int i = 0; i < count; ++i) {
      wrong += farm.target(source(i)) == "(none)" && farm.target(destination(i)) == target(i) ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
  void check_clean() const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(other.path())) {
      CHECK_FALSE(entry.path().filename().native().starts_with(".dumbsym-"));
    }
    for (const auto& [path, what] : farm.tree("/a")) CHECK(path.find(".dumbsym-") == std::string::npos);
  }

  int count;
  test::TempDir other;
  Farm farm;
  RepairRequest request;
  Tree before;
};

}  // namespace

TEST_CASE("a migration between two disks that is killed at any call is finished or undone",
          "[symlinks][EX-12][SYM-26][SYM-71][SYM-77][SYM-78]") {
  if (!TwoDisks().are_two()) {
    WARN("one disk only: not tested");
    return;
  }
  int deaths = 0;
  const int step = test::long_rounds() > 0 ? 1 : 5;  // the other disk may be slow to sync
  for (int nth = 1;; nth += step) {
    const TwoDisks scene;
    INFO("system call " << nth);
    const bool died = killed_at(nth, scene.farm.environment, [&](const Environment& environment) {
      if (!repair(environment, scene.request)) ::_exit(1);
    });
    scene.check_reachable();
    if (scene.has_manifest()) {
      recover(scene.farm.environment);
      scene.check_clean();
      scene.check_reachable();
      if (nth % 2 == 0) {
        CHECK(resumed(scene.farm.environment));
        scene.check_moved();
      }
      CHECK(undone(scene.farm.environment));
      CHECK(scene.farm.tree("/a") == scene.before);
      CHECK_FALSE(std::filesystem::exists(scene.other.path() / "b"));
    }
    if (!died) break;
    ++deaths;
  }
  CHECK(deaths * step > 60);
}

TEST_CASE("recovery, resume and undo between two disks may be killed at any time",
          "[symlinks][EX-12][SYM-77]") {
  const int rounds = test::long_rounds() > 0 ? test::long_rounds() : 6;
  for (int round = 0; round < rounds; ++round) {
    const TwoDisks scene(12);
    if (!scene.are_two()) return;
    INFO("round " << round);
    const auto work = [&](const Environment& environment) {
      recover(environment);
      const bool done = round % 2 == 0 ? resumed(environment) : undone(environment);
      if (!done) ::_exit(1);
    };
    REQUIRE(killed_at(90 + 17 * round, scene.farm.environment, [&](const Environment& environment) {
      if (!repair(environment, scene.request)) ::_exit(1);
    }));
    if (!scene.has_manifest()) continue;
    // Each of the next starts dies a little later.
    for (int nth = 5 + round; killed_at(nth, scene.farm.environment, work); nth += 23) {
      scene.check_reachable();
    }
    recover(scene.farm.environment);
    scene.check_clean();
    if (round % 2 == 0) scene.check_moved();
    if (round % 2 == 1) CHECK(scene.farm.tree("/a") == scene.before);
  }
}

TEST_CASE("a chain of moves that is killed at any call is finished or undone",
          "[symlinks][EX-9][EX-12][SYM-24][SYM-77]") {
  for (int nth = 1;; ++nth) {
    const Farm farm;
    farm.link("/p/c/x", "/1");
    farm.link("/p/c/c/x", "/2");
    farm.link("/p/c/c/c/x", "/3");
    const auto before = farm.tree("/p");
    RepairRequest request = farm.migration("/p/c", "/p");
    request.backup_path = "m.json";
    INFO("system call " << nth);
    const bool died = killed_at(nth, farm.environment, [&](const Environment& environment) {
      if (!repair(environment, request)) ::_exit(1);
    });
    recover(farm.environment);
    if (std::filesystem::exists(farm.disk("/config/symlink-repair/snapshots/m.json"))) {
      if (nth % 2 == 0) {
        resumed(farm.environment);
        CHECK(farm.target("/p/x") == "/1");
        CHECK(farm.target("/p/c/x") == "/2");
        CHECK(farm.target("/p/c/c/x") == "/3");
      }
      undone(farm.environment);
    }
    CHECK(farm.tree("/p") == before);
    if (!died) break;
  }
}

TEST_CASE("a library on a disk without inodes for a temporary link is left as it is",
          "[symlinks][EX-14][SYM-88]") {
  const Farm farm;
  farm.directory("/l");
  const auto end = in_child([&] {
    if (!own_mounts() || ::mount("test", farm.disk("/l").c_str(), "tmpfs", 0, "nr_inodes=4") != 0) {
      return std::string(not_possible);
    }
    for (const char* name : {"1", "2", "3"})
      farm.link(std::string("/l/") + name, "/x");  // and the root: four
    const auto report = repair(farm.environment, farm.request({"/l"}, {{"/x", "/y"}}));
    if (!report) return report.error().to_string();
    for (const char* name : {"1", "2", "3"}) {
      if (farm.target(std::string("/l/") + name) != "/x") return std::string("a link was changed");
    }
    const bool sum = report->changed + report->errors_total + report->not_attempted == 3;
    return report->aborted.value_or("went on") + " " + report->errors.at(0).code + (sum ? "" : " wrong sum");
  });
  check_said(end.said, "ENOSPC ENOSPC");
}

TEST_CASE("a full disk for manifests changes nothing", "[symlinks][EX-14][SYM-6][SYM-69]") {
  const Farm farm;
  farm.directory("/config/symlink-repair");
  for (int i = 0; i < 2000; ++i) farm.link("/l/" + std::to_string(i), "/x");
  const auto before = farm.tree("/l");
  const auto end = in_child([&] {
    if (!own_mounts() ||
        ::mount("test", farm.disk("/config/symlink-repair").c_str(), "tmpfs", 0, "size=16k") != 0) {
      return std::string(not_possible);
    }
    const auto report = repair(farm.environment, farm.request({"/l"}, {{"/x", "/y"}}));
    if (report) return std::string("went on");
    std::string left;
    for (const auto& [path, what] : farm.tree("/config")) left += what == "directory" ? "" : path;
    return std::string(errno_name(report.error().code().value())) + " " + left;
  });
  check_said(end.said, "ENOSPC ");
  CHECK(farm.tree("/l") == before);
}
