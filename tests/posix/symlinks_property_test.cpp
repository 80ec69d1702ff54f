// The eight properties of section 14 of the specification on random trees.
#include <algorithm>
#include <atomic>
#include <dumb/symlinks/rules.hpp>
#include <random>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;

namespace {

using Tree = std::map<std::string, std::string>;

class Garden {
 public:
  explicit Garden(std::uint32_t seed, int plants = 30) : random_(seed) {
    for (const char* root : {"/l", "/l/in", "/m", "/n"}) farm.directory(root);
    for (int i = 0; i < plants; ++i) plant();
  }

  std::size_t below(std::size_t limit) { return random_() % limit; }
  bool chance() { return below(2) == 0; }
  template <class T>
  const T& any(const std::vector<T>& list) {
    return list[below(list.size())];
  }

  std::string name() {
    static const std::vector<std::string> names{"a",    "b",        "c", "d",        "in",
                                                "x\ny", "\xFF\xFE", " ", "\xC3\xA9", "a\\\"b"};
    return any(names);
  }
  std::string place() {
    std::string path = any(std::vector<std::string>{"/l", "/m", "/n"});
    for (std::size_t depth = below(3); depth > 0; --depth) path += "/" + name();
    return path + "/" + name();
  }
  std::string target() {
    static const std::vector<std::string> heads{"/old", "/old/x", "/older", "/new",
                                                "..",   "../..",  ".",      "a",
                                                "in/b", "../in",  "/\xFF",  "../../../elsewhere"};
    std::string text = any(heads);
    if (chance()) text += "/" + name();
    return text;
  }
  void plant() {
    namespace fs = std::filesystem;
    const std::string path = place();
    std::error_code error;
    const fs::path parent = fs::path(farm.disk(path)).parent_path();
    fs::create_directories(parent, error);
    if (error || fs::canonical(parent, error) != parent)
      return;  // reached through a link: not below the roots
    if (fs::exists(fs::symlink_status(farm.disk(path), error))) return;
    const std::size_t kind = below(10);
    if (kind == 0) {
      farm.file(path, "content of " + path);
    } else if (kind == 1) {
      fs::create_directory(farm.disk(path), error);
    } else if (kind == 2 && !links_.empty()) {
      static_cast<void>(
          ::linkat(AT_FDCWD, farm.disk(any(links_)).c_str(), AT_FDCWD, farm.disk(path).c_str(), 0));
    } else {
      farm.link(path, chance() ? target() : farm.disk(place()));
      const timespec times[2] = {{1, 0}, {static_cast<time_t>(1'600'000'000 + below(1'000'000)), 5}};
      ::utimensat(AT_FDCWD, farm.disk(path).c_str(), times, AT_SYMLINK_NOFOLLOW);
      if (::geteuid() == 0) {
        static_cast<void>(
            ::lchown(farm.disk(path).c_str(), static_cast<uid_t>(below(3)), static_cast<gid_t>(below(3))));
      }
      links_.push_back(path);
    }
  }

  RepairRequest request() {
    RepairRequest out;
    out.roots = std::vector<std::string>{"/l"};
    if (chance()) out.roots->push_back(any(std::vector<std::string>{"/l/in", "/m", "/gone"}));
    std::vector<RewriteRule> rules;
    if (chance()) rules.push_back({"/old", any(std::vector<std::string>{"/new", "/old/x", "/"})});
    if (chance()) rules.push_back({farm.disk("/m"), farm.disk("/n")});
    if (chance()) rules.push_back({"../in", "../out"});
    if (!rules.empty()) out.rewrite_rules = rules;
    const std::vector<RootMigration> moves{{"/l", "/n"},    {"/m", "/n"}, {"/l/in", "/l"},
                                           {"/l", "/l/in"}, {"/m", "/q"}, {"/l", "/q/r"}};
    std::vector<RootMigration> chosen;
    for (std::size_t count = below(3); count > 0; --count) chosen.push_back(any(moves));
    if (!chosen.empty()) out.root_migrations = chosen;
    out.overwrite_existing = chance();
    out.copy_instead_of_move = below(3) == 0;
    out.include_broken = chance();
    return out;
  }

  Tree all() const {
    Tree tree = farm.tree("");
    std::erase_if(tree, [](const auto& item) { return item.first.starts_with("/config"); });
    return tree;
  }

  const std::vector<std::string>& links() const { return links_; }

  Farm farm;

 private:
  std::mt19937 random_;
  std::vector<std::string> links_;
};

std::vector<std::uint64_t> counters(const RepairReport& report) {
  return {report.scanned_symlinks,
          report.changed,
          report.moved,
          report.copied,
          report.skipped_unchanged,
          report.skipped_nonexistent_target,
          report.skipped_existing_destination,
          report.errors_total,
          report.targets_unknown,
          report.skipped_changed_during_run};
}

std::vector<std::uint64_t> counters(const RestoreReport& report) {
  return {report.total_entries,
          report.restored,
          report.skipped_existing,
          report.skipped_unchanged,
          report.skipped_invalid_entries,
          report.skipped_nonexistent_target,
          report.entry_errors};
}

Tree without_links(Tree tree) {
  std::erase_if(tree, [](const auto& item) { return !item.second.starts_with("file"); });
  return tree;
}

void check_json(const boost::json::object& answer) {
  CHECK(jsonx::parse(jsonx::print_compact(answer)));
}

void check_manifests(const Farm& farm) {
  for (const auto& [path, text] : farm.tree("/config")) {
    if (text.starts_with("file ") && path.ends_with(".json")) CHECK(jsonx::parse(text.substr(5)));
  }
}

/// Notes every call that would follow a link below a root.
class FollowWatch final : public SystemCalls {
 public:
  FollowWatch(std::string disk, std::vector<std::string> roots) : disk_(std::move(disk)) {
    for (const std::string& root : roots) roots_.push_back(disk_ + root);
  }
  std::vector<std::string> followed;

  int open(int directory, const char* path, int flags, mode_t mode) override {
    const bool itself = std::string_view(path) == ".";
    if (!itself && (flags & O_NOFOLLOW) == 0) watch("open", directory, path);
    return SystemCalls::open(directory, path, flags, mode);
  }
  int open_beneath(int directory, const char* path, int flags, Links links, mode_t mode) override {
    if (links == Links::inside && *path != '\0') watch("open_beneath", directory, path);
    return SystemCalls::open_beneath(directory, path, flags, links, mode);
  }
  int stat(int directory, const char* name, struct stat* info, int flags) override {
    const std::string_view at(name);
    if ((flags & AT_SYMLINK_NOFOLLOW) == 0 && !at.empty() && at != "..") watch("stat", directory, name);
    return SystemCalls::stat(directory, name, info, flags);
  }
  int make_directory(int directory, const char* name, mode_t mode) override {
    if (std::string_view(name).find('/') != std::string_view::npos) watch("mkdir", directory, name);
    return SystemCalls::make_directory(directory, name, mode);
  }
  int unlink(int directory, const char* name, int flags) override {
    if (std::string_view(name).find('/') != std::string_view::npos) watch("unlink", directory, name);
    return SystemCalls::unlink(directory, name, flags);
  }

 private:
  /// A root itself may be reached through links; what lies below one may not.
  void watch(const char* call, int directory, const std::string& path) {
    std::string place = path;
    if (!path.starts_with('/')) {
      char buffer[PATH_MAX];
      const std::string link = "/proc/self/fd/" + std::to_string(directory);
      const ssize_t size = ::readlink(link.c_str(), buffer, sizeof buffer);
      place = std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0))) + "/" + path;
    }
    if (std::find(roots_.begin(), roots_.end(), place) != roots_.end()) return;
    for (const std::string& root : roots_) {
      if (place.starts_with(root + "/")) followed.push_back(std::string(call) + " " + place);
    }
  }

  std::string disk_;
  std::vector<std::string> roots_;
};

/// What differs between two trees, for people.
std::string difference(const Tree& now, const Tree& wanted) {
  std::string out;
  for (const auto& [path, what] : wanted) {
    const auto found = now.find(path);
    if (found == now.end()) out += "missing " + path + " " + what + "\n";
    if (found != now.end() && found->second != what)
      out += path + " is " + found->second + ", not " + what + "\n";
  }
  for (const auto& [path, what] : now) {
    if (!wanted.contains(path)) out += "too many: " + path + " " + what + "\n";
  }
  return out;
}

int rounds() {
  return test::long_rounds() > 0 ? 2000 : 60;
}

}  // namespace

TEST_CASE("a dry run tells what the real one does, and undo brings all back",
          "[symlinks][P1][P2][P6][P8][SYM-9][SYM-20][SYM-27][SYM-35][SYM-71]") {
  int done = 0;
  for (int round = 0; round < rounds(); ++round) {
    // Now and then enough for several threads to share.
    const bool large = round % 6 == 5;
    Garden garden(static_cast<std::uint32_t>(round), large ? 600 : 30);
    if (large) garden.farm.environment.threads = 4;
    RepairRequest request = garden.request();
    INFO("round " << round);
    const Tree before = garden.all();
    request.dry_run = true;
    const auto dry = repair(garden.farm.environment, request);
    CHECK(garden.all() == before);
    if (!dry) {  // two migrations that may not stand together, or nothing to do
      REQUIRE(dry.error().is(Errc::invalid_argument));
      continue;
    }
    request.dry_run = false;
    const auto real = repair(garden.farm.environment, request);
    REQUIRE(real);
    CHECK(counters(*dry) == counters(*real));                     // P1
    CHECK(without_links(garden.all()) == without_links(before));  // P6
    check_json(to_json(*dry));                                    // P8
    check_json(to_json(*real));
    check_manifests(garden.farm);
    if (!real->manifest()) continue;
    ++done;
    RestoreRequest undo;
    undo.manifest_path = *real->manifest();
    undo.dry_run = true;
    const auto projected = restore(garden.farm.environment, undo);
    undo.dry_run = false;
    const auto undone = restore(garden.farm.environment, undo);
    REQUIRE(undone);
    CHECK(counters(*projected) == counters(*undone));
    CHECK(undone->skipped_existing == 0);
    CHECK(difference(garden.all(), before) == "");  // P2
  }
  CHECK(done > rounds() / 4);
}

TEST_CASE("a second identical run changes nothing", "[symlinks][P3][SYM-14][SYM-17]") {
  for (int round = 0; round < rounds(); ++round) {
    Garden garden(static_cast<std::uint32_t>(round));
    RepairRequest request =
        garden.farm.request({"/l", "/m"}, {{"/old", "/old/x"}, {"/new", "/fresh"}, {"..", "../up"}});
    garden.farm.repair(request);
    const Tree after = garden.all();
    CHECK(garden.farm.repair(request).changed == 0);  // P3
    CHECK(garden.all() == after);
  }
}

TEST_CASE("a second identical run of rules and migrations moves nothing more",
          "[symlinks][SYM-14][SYM-20][SYM-24]") {
  int moved = 0;
  for (int round = 0; round < rounds(); ++round) {
    INFO("round " << round);
    Garden garden(static_cast<std::uint32_t>(round));
    RepairRequest request =
        garden.farm.request({"/l", "/m"}, {{"/old", "/fresh"}, {"/older", "/fresher"}, {"/new", "/newest"}});
    request.root_migrations = std::vector<RootMigration>{
        garden.any(std::vector<RootMigration>{{"/l", "/n"}, {"/m", "/n"}, {"/l", "/l/in"}, {"/m", "/q/r"}})};
    request.overwrite_existing = garden.chance();
    request.include_broken = garden.chance();
    const auto first = garden.farm.repair(request);
    moved += static_cast<int>(first.moved);
    const Tree after = garden.all();
    const auto second = garden.farm.repair(request);  // P3
    CHECK(second.changed == 0);
    CHECK(second.moved == 0);
    CHECK(second.skipped_existing_destination == first.skipped_existing_destination);
    CHECK_FALSE(second.manifest());
    CHECK(difference(garden.all(), after) == "");
  }
  CHECK(moved > rounds());
}

TEST_CASE("any links that are deleted come back from the snapshot",
          "[symlinks][P4][P5][P6][P8][SYM-30][SYM-34][SYM-38][SYM-67]") {
  for (int round = 0; round < rounds(); ++round) {
    INFO("round " << round);
    Garden garden(static_cast<std::uint32_t>(round));
    const Tree before = garden.all();
    garden.farm.backup({"/l", "/m", "/n"}, "s.json");
    check_manifests(garden.farm);
    for (const std::string& link : garden.links()) {
      if (garden.chance()) ::unlink(garden.farm.disk(link).c_str());
    }
    CompareRequest request;
    request.manifest_path = "s.json";
    request.overwrite_existing = garden.chance();
    request.restore_broken = garden.chance();
    const auto compared = compare(garden.farm.environment, request);
    REQUIRE(compared);
    check_json(to_json(*compared));
    RestoreRequest back;
    back.manifest_path = "s.json";
    back.overwrite_existing = request.overwrite_existing;
    back.restore_broken = request.restore_broken;
    const auto dry = restore(garden.farm.environment, back);
    back.dry_run = false;
    const auto real = restore(garden.farm.environment, back);
    REQUIRE(real);
    CHECK(counters(compared->projected) == counters(*real));  // P5
    CHECK(counters(*dry) == counters(*real));
    CHECK(without_links(garden.all()) == without_links(before));
    garden.farm.restore("s.json");
    CHECK(difference(garden.all(), before) == "");  // P4
  }
}

TEST_CASE("no run looks behind a link unless it was asked about targets",
          "[symlinks][P7][SYM-41][SYM-82][SYM-98]") {
  for (int round = 0; round < rounds() / 4; ++round) {
    Garden garden(static_cast<std::uint32_t>(round));
    test::FaultCalls calls;
    std::atomic<int> looks{0};
    std::atomic<int> links{0};
    calls.before = [&](std::string_view call, const char*) {
      looks += call == "look" ? 1 : 0;
      links += call == "read_link" ? 1 : 0;
      return 0;
    };
    garden.farm.environment.calls = &calls;
    garden.farm.environment.threads = 1;
    const auto dry = garden.farm.repair(garden.farm.request({"/l", "/m", "/n"}, {{"/nothing", "/x"}}, true));
    CHECK(static_cast<std::uint64_t>(links) == dry.scanned_symlinks);  // one call for each link
    garden.farm.repair(garden.farm.request({"/l"}, {{"/old", "/new"}}));
    CHECK(looks == 0);  // P7
  }
}

TEST_CASE("no operation follows a link below a root", "[symlinks][SYM-72][SYM-82][SYM-83]") {
  for (int round = 0; round < rounds() / 2; ++round) {
    INFO("round " << round);
    Garden garden(static_cast<std::uint32_t>(round));
    FollowWatch calls(garden.farm.disk(""), {"/l", "/m", "/n", "/q", "/l/in", "/q/r"});
    garden.farm.environment.calls = &calls;
    BackupRequest save;  // P7
    save.roots = {"/l", "/m"};
    save.backup_path = "s.json";
    save.check_targets = false;
    REQUIRE(backup(garden.farm.environment, save));
    RepairRequest request = garden.request();
    request.include_broken = true;
    request.dry_run = false;
    const auto done = repair(garden.farm.environment, request);
    if (done && done->manifest()) {
      RepairRequest resume;
      resume.resume_manifest_path = *done->manifest();
      resume.dry_run = false;
      REQUIRE(repair(garden.farm.environment, resume));
      garden.farm.restore(*done->manifest());
    }
    for (const std::string& link : garden.links()) {
      if (garden.chance()) ::unlink(garden.farm.disk(link).c_str());
    }
    garden.farm.restore("s.json", garden.chance());
    recover(garden.farm.environment);
    CHECK(calls.followed == std::vector<std::string>{});
  }
}
