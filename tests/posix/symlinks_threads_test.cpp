// Several threads apply a plan: what one of them would have done, whatever happens in between.
#include <atomic>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;
using dumb::test::FaultCalls;
using dumb::test::killed_at;

namespace {

/// Links in directories, more than one thread takes at a time.
struct Library {
  explicit Library(int in_directories = 30, int in_each = 9) : directories(in_directories), each(in_each) {
    for (int i = 0; i < count(); ++i) farm.link(name(i), old_target(i));
    farm.environment.threads = 4;
    before = farm.tree("/l");
  }
  int count() const { return directories * each; }
  std::string name(int i) const { return "/l/" + std::to_string(i / each) + "/" + std::to_string(i); }
  static std::string old_target(int i) { return "/a/" + std::to_string(i); }
  static std::string new_target(int i) { return "/b/" + std::to_string(i); }
  RepairRequest request() const {
    RepairRequest made = farm.request({"/l"}, {{"/a", "/b"}});
    made.backup_path = "m.json";
    return made;
  }
  /// Links that are neither old nor new, and names that no library has.
  int odd() const {
    int found = 0;
    for (int i = 0; i < count(); ++i) {
      const std::string now = farm.target(name(i));
      found += now == old_target(i) || now == new_target(i) ? 0 : 1;
    }
    for (const auto& [path, what] : farm.tree("/l")) found += path.find(".dumbsym-") == path.npos ? 0 : 1;
    return found;
  }
  int changed() const {
    int found = 0;
    for (int i = 0; i < count(); ++i) found += farm.target(name(i)) == new_target(i) ? 1 : 0;
    return found;
  }
  RepairReport resume() const {
    RepairRequest again;
    again.resume_manifest_path = "m.json";
    again.dry_run = false;
    return farm.repair(again);
  }

  int directories;
  int each;
  Farm farm;
  std::map<std::string, std::string> before;
};

}  // namespace

TEST_CASE("several threads repair and undo as one does", "[symlinks][SYM-72][SYM-73][SYM-86]") {
  for (const unsigned threads : {1U, 2U, 4U}) {
    Library library;
    library.farm.environment.threads = threads;
    library.farm.environment.before_apply = [&] {
      library.farm.retarget(library.name(3), "/user");
      library.farm.remove(library.name(100));
      library.farm.remove(library.name(200));
      library.farm.file(library.name(200));
    };
    const auto report = library.farm.repair(library.request());
    library.farm.environment.before_apply = {};
    CHECK(report.changed == static_cast<std::uint64_t>(library.count()) - 3);
    CHECK(report.changes.size() == report.changed);
    CHECK(report.skipped_changed_during_run == 3);
    CHECK(report.errors_total == 0);
    CHECK(library.changed() == library.count() - 3);
    CHECK(library.farm.target(library.name(3)) == "/user");
    CHECK(test::read_text(library.farm.disk(library.name(200))) == "media");
    library.farm.remove(library.name(200));
    library.farm.remove(library.name(3));
    CHECK(library.farm.restore("m.json").restored == static_cast<std::uint64_t>(library.count()));
    CHECK(library.farm.tree("/l") == library.before);
  }
}

TEST_CASE("with several threads the changes of one path keep their order", "[symlinks][SYM-35][SYM-72]") {
  Library library(40, 4);
  const auto line = [](const std::string& path, const std::string& from, const std::string& to) {
    return "{\"link_path\":\"" + path + "\",\"old_target\":\"" + from + "\",\"new_target\":\"" + to +
           "\"},\n";
  };
  // The link of each directory goes back three steps, far apart in the manifest.
  std::string changes;
  for (const auto& [from, to] : {std::pair("/1", "/2"), std::pair("/2", "/3"), std::pair("/3", "/4")}) {
    for (int i = 0; i < library.count(); i += library.each) changes += line(library.name(i), from, to);
  }
  library.farm.file("/config/symlink-repair/m.json",
                    "{\"manifest_type\":\"symlink_repair\",\"version\":2,\"roots\":[\"/l\"],\"changes\":[\n" +
                        changes.substr(0, changes.size() - 2) + "\n]}\n");
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < library.count(); i += library.each) library.farm.retarget(library.name(i), "/4");
    const auto report = library.farm.restore("/config/symlink-repair/m.json");
    CHECK(report.restored == 120);
    CHECK(report.skipped_changed_during_run == 0);
    int right = 0;
    for (int i = 0; i < library.count(); i += library.each)
      right += library.farm.target(library.name(i)) == "/1" ? 1 : 0;
    CHECK(right == 40);
  }
}

TEST_CASE("moves wait for the rewrites of all threads", "[symlinks][EX-16][SYM-21][SYM-72]") {
  const Library library;
  RepairRequest request = library.request();
  request.root_migrations = std::vector<RootMigration>{{"/l", "/m"}};
  const auto report = library.farm.repair(request);
  CHECK(report.changed == 270);
  CHECK(report.moved == 270);
  CHECK(report.errors_total == 0);
  CHECK(library.farm.target("/m/29/269") == "/b/269");
  CHECK(library.farm.restore("m.json").restored == 540);
  CHECK(library.farm.tree("/l") == library.before);
}

TEST_CASE("a failure or a stop ends all threads and every link is accounted for",
          "[symlinks][SYM-28][SYM-71][SYM-88]") {
  for (const int number : {ENOSPC, EIO}) {
    Library library;
    FaultCalls calls;
    std::atomic<int> made{0};
    calls.before = [&](std::string_view call, const char*) {
      return call == "make_link" && ++made > 20 ? number : 0;
    };
    library.farm.environment.calls = &calls;
    const auto report = library.farm.repair(library.request());
    CHECK(report.aborted == errno_name(number));
    CHECK(report.changed == 20);
    // Each of the four may have been in the middle of another.
    const std::uint64_t expected = number == ENOSPC ? 1 : 100;
    CHECK(report.errors_total >= expected);
    CHECK(report.errors_total <= expected + 3);
    CHECK(report.changed + report.errors_total + report.not_attempted ==
          static_cast<std::uint64_t>(library.count()));
    CHECK(library.odd() == 0);
    CHECK(library.changed() == 20);
  }
  Library library;
  FaultCalls calls;
  std::stop_source stop;
  calls.before = [&](std::string_view call, const char*) {
    if (call == "make_link") stop.request_stop();
    return 0;
  };
  library.farm.environment.calls = &calls;
  Control control;
  control.stop = stop.get_token();
  std::atomic<bool> inside{false};
  std::atomic<bool> two_at_once{false};
  control.progress = [&](const Progress&) {
    if (inside.exchange(true)) two_at_once = true;
    inside = false;
  };
  const auto report = repair(library.farm.environment, library.request(), control);
  REQUIRE(report);
  CHECK(report->cancelled);
  CHECK(report->changed >= 1);
  CHECK(report->changed <= 4);
  CHECK(report->changed + report->not_attempted == static_cast<std::uint64_t>(library.count()));
  CHECK(library.changed() == static_cast<int>(report->changed));
  CHECK_FALSE(two_at_once);
}

TEST_CASE("several threads killed at any system call leave every link old or new",
          "[symlinks][EX-12][SYM-71][SYM-77][SYM-78]") {
  const int step = test::long_rounds() > 0 ? 1 : 61;
  int deaths = 0;
  for (int nth = 1;; nth += step) {
    const Library library(12, 9);
    INFO("system call " << nth);
    const bool died = killed_at(
        nth, library.farm.environment,
        [&](const Environment& environment) {
          if (!repair(environment, library.request())) ::_exit(1);
        },
        3);
    if (!died) break;
    ++deaths;
    const bool begun = std::filesystem::exists(library.farm.disk("/config/symlink-repair/snapshots/m.json"));
    for (const Interrupted& run : recover(library.farm.environment)) CHECK(run.errors.empty());
    CHECK(library.odd() == 0);
    if (!begun) {
      CHECK(library.farm.tree("/l") == library.before);
      continue;
    }
    if (nth % 2 == 0) {
      const auto report = library.resume();
      CHECK(report.changed + report.skipped_unchanged == static_cast<std::uint64_t>(library.count()));
      CHECK(library.changed() == library.count());
    }
    library.farm.restore("m.json");
    CHECK(library.farm.tree("/l") == library.before);
  }
  CHECK(deaths > 600 / step);
}
