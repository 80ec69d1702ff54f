// The eight properties of section 14 of the specification on random trees.
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
  explicit Garden(std::uint32_t seed) : random_(seed) {
    for (const char* root : {"/l", "/l/in", "/m", "/n"}) farm.directory(root);
    for (int i = 0; i < 30; ++i) plant();
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
          "[symlinks][SYM-9][SYM-20][SYM-27][SYM-35][SYM-71]") {
  int done = 0;
  for (int round = 0; round < rounds(); ++round) {
    Garden garden(static_cast<std::uint32_t>(round));
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

TEST_CASE("a second identical run changes nothing", "[symlinks][SYM-14][SYM-17]") {
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

TEST_CASE("any links that are deleted come back from the snapshot",
          "[symlinks][SYM-30][SYM-34][SYM-38][SYM-67]") {
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
          "[symlinks][SYM-41][SYM-82][SYM-98]") {
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
