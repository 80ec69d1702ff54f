// Every system call of a run is a place to die. Whatever the place: each link is old or new, recovery settles
// what is half done, and the run can be resumed or undone.
#include <random>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;
using dumb::test::killed_at;

namespace {

using Tree = std::map<std::string, std::string>;

/// A request that takes every kind of step: a rewrite, a move, one that replaces, one that is made in two
/// steps.
struct Scene {
  Scene() {
    farm.link("/l/one", "/old/1");
    farm.link("/l/d/two", "/old/2");
    farm.link("/a/plain", "/x/1");
    farm.link("/a/over", "/x/2");
    farm.link("/b/over", "/y/2");
    farm.file("/media/f");
    farm.link("/a/sub/rel", "../../media/f");
    request = farm.request({"/l"}, {{"/old", "/new"}});
    request.root_migrations = std::vector<RootMigration>{{"/a", "/b"}};
    request.overwrite_existing = true;
    request.backup_path = "m.json";
    before = all();
    apply = [request = request](const Environment& environment) {
      if (!repair(environment, request)) ::_exit(1);
    };
  }

  Tree all() const {
    Tree tree = farm.tree("");
    std::erase_if(tree, [](const auto& item) { return item.first.starts_with("/config"); });
    return tree;
  }
  static bool temporary(const Tree& tree) {
    for (const auto& [path, what] : tree) {
      if (path.find(".dumbsym-") != std::string::npos) return true;
    }
    return false;
  }
  bool is(const std::string& path, const std::string& a, const std::string& b) const {
    const std::string now = farm.target(path);
    return now == a || now == b;
  }
  /// SYM-71.
  void check_reachable() const {
    CHECK(is("/l/one", "/old/1", "/new/1"));
    CHECK(is("/l/d/two", "/old/2", "/new/2"));
    CHECK((farm.target("/a/plain") == "/x/1" || farm.target("/b/plain") == "/x/1"));
    CHECK((farm.target("/a/over") == "/x/2" || farm.target("/b/over") == "/x/2"));
    CHECK(is("/b/over", "/y/2", "/x/2"));
    CHECK((farm.target("/a/sub/rel") == "../../media/f" || farm.target("/b/sub/rel") == "../../media/f"));
    CHECK(test::read_text(farm.disk("/media/f")) == "media");
  }
  void check_done() const {
    CHECK(farm.target("/l/one") == "/new/1");
    CHECK(farm.target("/l/d/two") == "/new/2");
    CHECK(farm.target("/b/plain") == "/x/1");
    CHECK(farm.target("/b/over") == "/x/2");
    CHECK(farm.target("/b/sub/rel") == "../../media/f");
    for (const char* gone : {"/a/plain", "/a/over", "/a/sub/rel"}) CHECK(farm.target(gone) == "(none)");
  }
  bool has_manifest() const {
    return std::filesystem::exists(farm.disk("/config/symlink-repair/snapshots/m.json"));
  }
  std::vector<Interrupted> recovered() const { return recover(farm.environment); }
  void resume() const {
    RepairRequest again;
    again.resume_manifest_path = "m.json";
    again.dry_run = false;
    const auto report = farm.repair(again);
    CHECK(report.errors_total == 0);
    CHECK(report.skipped_changed_during_run == 0);
  }

  Farm farm;
  RepairRequest request;
  Tree before;
  std::function<void(const Environment&)> apply;
};

}  // namespace

TEST_CASE("a run killed at any system call can be resumed",
          "[symlinks][EX-12][SYM-71][SYM-72][SYM-77][SYM-78]") {
  int deaths = 0;
  for (int nth = 1;; ++nth) {
    const Scene scene;
    INFO("system call " << nth);
    if (!killed_at(nth, scene.farm.environment, scene.apply)) break;
    ++deaths;
    scene.check_reachable();
    if (!scene.has_manifest()) {  // nothing was begun
      CHECK(scene.all() == scene.before);
      continue;
    }
    scene.recovered();
    CHECK_FALSE(Scene::temporary(scene.all()));
    scene.check_reachable();
    scene.resume();
    scene.check_done();
    scene.recovered();
  }
  CHECK(deaths > 60);
}

TEST_CASE("a run killed at any system call can be undone", "[symlinks][EX-12][SYM-35][SYM-71][SYM-77]") {
  for (int nth = 1;; nth += test::long_rounds() > 0 ? 1 : 3) {
    const Scene scene;
    INFO("system call " << nth);
    if (!killed_at(nth, scene.farm.environment, scene.apply)) break;
    if (!scene.has_manifest()) continue;
    const auto interrupted = scene.recovered();
    for (const Interrupted& run : interrupted) CHECK(run.errors.empty());
    scene.farm.restore("m.json");
    CHECK(scene.all() == scene.before);
    CHECK(scene.farm.restore("m.json").restored == 0);
  }
}

TEST_CASE("recovery, resume and undo may be killed as well", "[symlinks][EX-12][SYM-77][SYM-78]") {
  const int step = test::long_rounds() > 0 ? 1 : 9;
  // Where the run dies: after the manifest is durable, so that there is something to settle.
  int begun = 1;
  int end = 1;
  for (int nth = 1;; ++nth, ++end) {
    const Scene scene;
    if (!killed_at(nth, scene.farm.environment, scene.apply)) break;
    if (!scene.has_manifest()) begun = nth + 1;
  }
  for (int nth = begun; nth < end; nth += step) {
    for (int then = 1;; then += step) {
      const Scene scene;
      INFO("system calls " << nth << " and " << then);
      REQUIRE(killed_at(nth, scene.farm.environment, scene.apply));
      const bool died = killed_at(then, scene.farm.environment, [&](const Environment& environment) {
        recover(environment);
        RestoreRequest undo;
        undo.manifest_path = "m.json";
        undo.dry_run = false;
        RepairRequest resume;
        resume.resume_manifest_path = "m.json";
        resume.dry_run = false;
        if (then % 2 == 0 ? !restore(environment, undo) : !repair(environment, resume)) ::_exit(1);
      });
      scene.check_reachable();
      scene.recovered();
      CHECK_FALSE(Scene::temporary(scene.all()));
      scene.check_reachable();
      scene.farm.restore("m.json");
      CHECK(scene.all() == scene.before);
      if (!died) break;
    }
  }
}

TEST_CASE("a restore killed at any system call is repeated", "[symlinks][SYM-31][SYM-36][SYM-71][SYM-74]") {
  for (int nth = 1;; nth += test::long_rounds() > 0 ? 1 : 2) {
    const Farm farm;
    farm.link("/l/keep", "/k");
    farm.link("/l/d/gone", "/g");
    farm.link("/l/other", "/o");
    farm.backup({"/l"}, "s.json");
    const auto before = farm.tree("/l");
    farm.remove("/l/d");
    farm.retarget("/l/other", "/changed");
    INFO("system call " << nth);
    const bool died = killed_at(nth, farm.environment, [&](const Environment& environment) {
      RestoreRequest request;
      request.manifest_path = "s.json";
      request.dry_run = false;
      request.overwrite_existing = true;
      if (!restore(environment, request)) ::_exit(1);
    });
    CHECK(farm.target("/l/keep") == "/k");
    CHECK((farm.target("/l/other") == "/changed" || farm.target("/l/other") == "/o"));
    recover(farm.environment);
    farm.restore("s.json", true);
    CHECK(farm.tree("/l") == before);
    if (!died) break;
  }
}

TEST_CASE("a backup killed at any system call leaves the previous one", "[symlinks][SYM-31]") {
  for (int nth = 1;; ++nth) {
    const Farm farm;
    farm.link("/l/a", "/1");
    farm.backup({"/l"}, "s.json");
    const std::string place = farm.disk("/config/symlink-repair/snapshots/s.json");
    const std::string old = test::read_text(place);
    farm.link("/l/b", "/2");
    const bool died = killed_at(nth, farm.environment, [&](const Environment& environment) {
      BackupRequest request;
      request.roots = {"/l"};
      request.backup_path = "s.json";
      if (!backup(environment, request)) ::_exit(1);
    });
    const std::string now = test::read_text(place);
    CHECK((now == old || now.find("\"recorded_entries\":2") != std::string::npos));
    if (!died) break;
  }
}

namespace {

/// A large tree of links to "/a/N", which a repair turns into "/b/N".
struct Library {
  explicit Library(int count) : links(count) {
    for (int i = 0; i < links; ++i) farm.link(name(i), "/a/" + std::to_string(i));
    before = farm.tree("/l");
  }
  static std::string name(int i) { return "/l/" + std::to_string(i % 40) + "/" + std::to_string(i); }
  std::string any() { return name(static_cast<int>(random() % static_cast<unsigned>(links))); }

  /// Runs `work` in a child and kills it as soon as a link that chance has chosen begins with `prefix`.
  bool killed_once(std::string_view prefix, const std::function<bool(const Environment&)>& work) {
    Environment environment = farm.environment;
    environment.threads = 1 + static_cast<unsigned>(random() % 4);
    const std::string watched = any();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::_exit(work(environment) ? 0 : 1);
    const bool seen = test::eventually([&] { return farm.target(watched).starts_with(prefix); });
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    return seen;
  }
  bool apply_killed() {
    return killed_once("/b/", [&](const Environment& environment) {
      RepairRequest request = farm.request({"/l"}, {{"/a", "/b"}});
      request.backup_path = "m.json";
      return bool(repair(environment, request));
    });
  }
  /// How many links are neither old nor new.
  int torn() const {
    int count = 0;
    for (int i = 0; i < links; ++i) {
      const std::string now = farm.target(name(i));
      count += now == "/a/" + std::to_string(i) || now == "/b/" + std::to_string(i) ? 0 : 1;
    }
    return count;
  }
  int left_behind() const {
    int count = 0;
    for (const auto& [path, what] : farm.tree("/l")) count += path.find(".dumbsym-") == path.npos ? 0 : 1;
    return count;
  }
  Farm farm;
  int links;
  Tree before;
  std::mt19937 random{20261122};
};

}  // namespace

TEST_CASE("a run killed at a random moment leaves every link old or new",
          "[symlinks][EX-12][SYM-71][SYM-77]") {
  const int rounds = test::long_rounds() > 0 ? test::long_rounds() : 4;
  Library library(test::long_rounds() > 0 ? 20'000 : 600);
  for (int round = 0; round < rounds; ++round) {
    REQUIRE(library.apply_killed());
    CHECK(library.torn() == 0);
    recover(library.farm.environment);
    if (round % 2 == 0) {
      RepairRequest resume;
      resume.resume_manifest_path = "m.json";
      resume.dry_run = false;
      const auto report = library.farm.repair(resume);
      CHECK(report.changed + report.skipped_unchanged == static_cast<std::uint64_t>(library.links));
    }
    library.farm.restore("m.json");
    CHECK(library.farm.tree("/l") == library.before);
  }
}

TEST_CASE("a resume or an undo killed at a random moment leaves every link old or new, and is repeated",
          "[symlinks][EX-12][SYM-35][SYM-71][SYM-77][SYM-78]") {
  const bool undoing = GENERATE(false, true);
  const int rounds = test::long_rounds() > 0 ? 50 : 5;
  Library library(test::long_rounds() > 0 ? 20'000 : 600);
  const auto again = undoing ? &test::undone : &test::resumed;
  for (int round = 0; round < rounds; ++round) {
    REQUIRE(library.apply_killed());
    recover(library.farm.environment);
    REQUIRE(library.killed_once(undoing ? "/a/" : "/b/", again));
    CHECK(library.torn() == 0);
    // Recovery as well may end early.
    library.killed_once("/", [](const Environment& environment) {
      recover(environment);
      return true;
    });
    CHECK(library.torn() == 0);
    recover(library.farm.environment);
    CHECK(library.left_behind() == 0);
    CHECK(again(library.farm.environment));
    if (!undoing) {
      int old = 0;
      for (int i = 0; i < library.links; ++i) old += library.farm.target(Library::name(i)).starts_with("/a/");
      CHECK(old == 0);
      CHECK(test::undone(library.farm.environment));
    }
    CHECK(library.farm.tree("/l") == library.before);
  }
}
