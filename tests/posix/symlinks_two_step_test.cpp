// Moves that are not one exchanging rename: two steps of which the second may fail, and file systems that
// know the plain rename only.
#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;
using dumb::test::FaultCalls;
using dumb::test::in_child;
using dumb::test::resumed;
using dumb::test::undone;

namespace {

using Tree = std::map<std::string, std::string>;

void age(const Farm& farm, const std::string& path, time_t seconds) {
  const timespec times[2] = {{seconds, 1}, {seconds, 2}};
  REQUIRE(::utimensat(AT_FDCWD, farm.disk(path).c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
  if (::geteuid() == 0) REQUIRE(::lchown(farm.disk(path).c_str(), 7, 8) == 0);
}

/// A move in two steps, with or without a link at its destination.
struct TwoSteps {
  explicit TwoSteps(bool over) {
    farm.file("/media/f");
    farm.link("/a/sub/rel", "../../media/f");
    age(farm, "/a/sub/rel", 1'000'000);
    farm.directory("/deep/b/sub");
    if (over) farm.link("/deep/b/sub/rel", "/theirs");
    if (over) age(farm, "/deep/b/sub/rel", 2'000'000);
    request = farm.migration("/a", "/deep/b");
    request.overwrite_existing = over;
    before = all();
  }
  Tree all() const {
    Tree tree = farm.tree("");
    std::erase_if(tree, [](const auto& item) { return item.first.starts_with("/config"); });
    return tree;
  }

  Farm farm;
  RepairRequest request;
  Tree before;
};

/// Moves of every kind, for a file system without exchange and no-replace.
struct Plain {
  Plain() {
    farm.link("/a/one", "/x/1");
    farm.link("/a/over", "/x/2");
    farm.link("/b/over", "/y/2");
    farm.link("/l/1", "/old/1");
    age(farm, "/a/one", 1'000'000);
    age(farm, "/a/over", 2'000'000);
    age(farm, "/b/over", 3'000'000);
    request = farm.request({"/l"}, {{"/old", "/new"}});
    request.root_migrations = std::vector<RootMigration>{{"/a", "/b"}};
    request.overwrite_existing = true;
    request.backup_path = "m.json";
    before = all();
  }
  Tree all() const {
    Tree tree = farm.tree("");
    std::erase_if(tree, [](const auto& item) { return item.first.starts_with("/config"); });
    return tree;
  }
  ino_t inode(const std::string& path) const {
    struct stat info {};
    REQUIRE(::lstat(farm.disk(path).c_str(), &info) == 0);
    return info.st_ino;
  }
  bool has_manifest() const {
    return std::filesystem::exists(farm.disk("/config/symlink-repair/snapshots/m.json"));
  }

  Farm farm;
  RepairRequest request;
  Tree before;
};

/// What a file system's renames cannot do.
enum class Lacks { exchange, other_directories };

/// A child on such a file system, dying at its `nth` system call; false when it came to its end.
bool dies(int nth, const Farm& farm, Lacks lacks, const std::function<bool(const Environment&)>& work) {
  const auto end = in_child([&] {
    FaultCalls calls;
    calls.apart = lacks == Lacks::other_directories;
    calls.before = [&](std::string_view call, const char*) {
      if (calls.count == nth) ::raise(SIGKILL);
      return lacks == Lacks::exchange && call == "renameat2" ? EINVAL : 0;
    };
    Environment environment = farm.environment;
    environment.calls = &calls;
    environment.threads = 1;
    return std::string(work(environment) ? "ended" : "failed");
  });
  CHECK((end.killed || end.said == "ended"));
  return end.killed;
}

}  // namespace

TEST_CASE("a move whose second half fails leaves its link and its destination as they were",
          "[symlinks][SYM-71][SYM-75][SYM-79]") {
  for (const bool over : {false, true}) {
    TwoSteps scene(over);
    FaultCalls calls;
    bool failed = false;
    calls.before = [&](std::string_view call, const char* name) {
      return call == "renameat2" && std::string_view(name) == "rel" && !std::exchange(failed, true) ? EACCES
                                                                                                    : 0;
    };
    scene.farm.environment.calls = &calls;
    const auto report = scene.farm.repair(scene.request);
    CHECK(report.moved == 0);
    REQUIRE(report.errors.size() == 1);
    CHECK(report.errors[0].code == "EACCES");
    CHECK(report.errors[0].source_path == "/a/sub/rel");
    CHECK(scene.all() == scene.before);
  }
}

TEST_CASE("a move whose source changes half way is not begun", "[symlinks][SYM-75][SYM-86]") {
  for (const bool over : {false, true}) {
    TwoSteps scene(over);
    FaultCalls calls;
    bool changed = false;
    calls.before = [&](std::string_view call, const char*) {
      if (call == "make_link" && !std::exchange(changed, true)) scene.farm.retarget("/a/sub/rel", "/user");
      return 0;
    };
    scene.farm.environment.calls = &calls;
    const auto report = scene.farm.repair(scene.request);
    CHECK(report.moved == 0);
    CHECK(report.skipped_changed_during_run == 1);
    CHECK(scene.farm.target("/a/sub/rel") == "/user");
    scene.farm.remove("/a/sub/rel");
    Tree before = scene.before;
    before.erase("/a/sub/rel");
    CHECK(scene.all() == before);
  }
}

TEST_CASE("a moved link keeps inode, owner and times, also by a plain rename",
          "[symlinks][SYM-26][SYM-73][SYM-75]") {
  for (const bool plain : {false, true}) {
    Plain scene;
    FaultCalls calls;
    calls.before = [&](std::string_view call, const char*) {
      return plain && call == "renameat2" ? EINVAL : 0;
    };
    scene.farm.environment.calls = &calls;
    const ino_t one = scene.inode("/a/one");
    const ino_t over = scene.inode("/a/over");
    CHECK(scene.farm.repair(scene.request).moved == 2);
    CHECK(scene.inode("/b/one") == one);
    CHECK(scene.inode("/b/over") == over);
    const Tree now = scene.all();
    CHECK(now.at("/b/one") == scene.before.at("/a/one"));
    CHECK(now.at("/b/over") == scene.before.at("/a/over"));
    CHECK_FALSE(now.contains("/a/over"));
    CHECK(undone(scene.farm.environment));
    CHECK(scene.all() == scene.before);
  }
}

TEST_CASE("where there is no exchange two names of one link become one", "[symlinks][SYM-26]") {
  for (const bool plain : {false, true}) {
    Farm farm;
    farm.link("/a/l", "/x");
    farm.directory("/b");
    REQUIRE(::linkat(AT_FDCWD, farm.disk("/a/l").c_str(), AT_FDCWD, farm.disk("/b/l").c_str(), 0) == 0);
    FaultCalls calls;
    calls.before = [&](std::string_view call, const char*) {
      return plain && call == "renameat2" ? EINVAL : 0;
    };
    farm.environment.calls = &calls;
    RepairRequest request = farm.migration("/a", "/b");
    request.overwrite_existing = true;
    CHECK(farm.repair(request).moved == 1);
    CHECK(farm.target("/a/l") == "(none)");
    CHECK(farm.target("/b/l") == "/x");
  }
}

TEST_CASE("a crash where there is no exchange, or no rename to another directory, can be resumed and undone",
          "[symlinks][EX-12][SYM-26][SYM-35][SYM-71][SYM-77][SYM-78]") {
  for (const Lacks lacks : {Lacks::exchange, Lacks::other_directories}) {
    int deaths = 0;
    for (int nth = 1;; ++nth) {
      const Plain scene;
      INFO("system call " << nth << (lacks == Lacks::exchange ? "" : ", directories apart"));
      if (!dies(nth, scene.farm, lacks,
                [&](const auto& environment) { return bool(repair(environment, scene.request)); }))
        break;
      ++deaths;
      CHECK((scene.farm.target("/a/one") == "/x/1" || scene.farm.target("/b/one") == "/x/1"));
      CHECK((scene.farm.target("/a/over") == "/x/2" || scene.farm.target("/b/over") == "/x/2"));
      if (!scene.has_manifest()) continue;
      dies(0, scene.farm, lacks, [](const auto& environment) {
        recover(environment);
        return true;
      });
      for (const auto& [path, what] : scene.all()) CHECK(path.find(".dumbsym-") == std::string::npos);
      // What recovery leaves is at one place.
      CHECK((scene.farm.target("/a/one") == "(none)") != (scene.farm.target("/b/one") == "(none)"));
      if (nth % 2 == 0) CHECK_FALSE(dies(0, scene.farm, lacks, resumed));
      CHECK_FALSE(dies(0, scene.farm, lacks, undone));
      CHECK(scene.all() == scene.before);
    }
    CHECK(deaths > 30);
  }
}

TEST_CASE("a resumed run that has to take two steps can be killed as well",
          "[symlinks][EX-12][SYM-77][SYM-78]") {
  for (int nth = 1;; ++nth) {
    const Plain scene;
    INFO("system call " << nth);
    {  // the first run ends before its first change
      const Farm& farm = scene.farm;
      const auto end = in_child([&] {
        Environment environment = farm.environment;
        environment.before_apply = [] { ::raise(SIGKILL); };
        return std::string(repair(environment, scene.request) ? "ended" : "failed");
      });
      REQUIRE(end.killed);
      recover(farm.environment);
    }
    const bool died = dies(nth, scene.farm, Lacks::other_directories, resumed);
    recover(scene.farm.environment);
    CHECK((scene.farm.target("/a/one") == "(none)") != (scene.farm.target("/b/one") == "(none)"));
    CHECK_FALSE(dies(0, scene.farm, Lacks::other_directories, resumed));
    CHECK(scene.farm.target("/b/one") == "/x/1");
    CHECK(scene.farm.target("/b/over") == "/x/2");
    CHECK_FALSE(dies(0, scene.farm, Lacks::other_directories, undone));
    CHECK(scene.all() == scene.before);
    if (!died) break;
  }
}
