// What a crash leaves when the disk is away at the next start, or when the user went on in the meantime.
#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;
using dumb::test::FaultCalls;
using dumb::test::in_child;

namespace {

/// Runs a repair in a child process that dies before the first call that `fatal` picks. The user changes
/// things between its planning and its first step.
void crash(const Farm& farm, const RepairRequest& request,
           const std::function<bool(std::string_view call, std::string_view name)>& fatal,
           const std::function<void()>& meanwhile = {}) {
  const auto end = in_child([&] {
    FaultCalls calls;
    bool applying = false;
    calls.before = [&](std::string_view call, const char* name) {
      if (applying && fatal(call, name)) ::raise(SIGKILL);
      return 0;
    };
    Environment environment = farm.environment;
    environment.calls = &calls;
    environment.threads = 1;
    environment.before_apply = [&] {
      if (meanwhile) meanwhile();
      applying = true;
    };
    return std::string(repair(environment, request) ? "ended" : "refused");
  });
  REQUIRE(end.killed);
}

bool after_the_exchange(std::string_view call, std::string_view name) {
  return call == "read_link" && name.starts_with(".dumbsym-");
}

/// A rewrite that died while the user's own link stood under the temporary name.
void leave_foreign_link(const Farm& farm) {
  farm.link("/l/1", "/x/1");
  farm.link("/l/2", "/x/2");
  crash(farm, farm.request({"/l"}, {{"/x", "/y"}}), after_the_exchange, [&] {
    farm.retarget("/l/1", "/user");
    farm.retarget("/l/2", "/user");
  });
  REQUIRE((farm.target("/l/1") == "/y/1" || farm.target("/l/2") == "/y/2"));
}

std::vector<std::string> names(const Farm& farm, const std::string& directory, std::string_view part) {
  std::vector<std::string> out;
  for (const auto& [path, what] : farm.tree(directory)) {
    if (path.find(part) != std::string::npos) out.push_back(path);
  }
  return out;
}

void rename(const Farm& farm, const std::string& from, const std::string& to) {
  std::filesystem::rename(farm.disk(from), farm.disk(to));
}

}  // namespace

TEST_CASE("recovery waits for a library whose disk is away", "[symlinks][EX-12][SYM-77]") {
  const Farm farm;
  leave_foreign_link(farm);
  rename(farm, "/l", "/away");
  for (int start = 0; start < 2; ++start) {
    const auto runs = recover(farm.environment);
    REQUIRE(runs.size() == 1);
    REQUIRE_FALSE(runs[0].errors.empty());
    CHECK(runs[0].errors[0].link_path.starts_with("/l/"));
  }
  rename(farm, "/away", "/l");
  CHECK(recover(farm.environment).size() == 1);
  CHECK(farm.target("/l/1") == "/user");
  CHECK(farm.target("/l/2") == "/user");
  CHECK(names(farm, "/l", ".dumbsym-").empty());
  CHECK(recover(farm.environment).empty());
}

TEST_CASE("recovery that fails is tried again", "[symlinks][SYM-77]") {
  for (const char* call : {"renameat2", "stat", "open_beneath"}) {
    Farm farm;
    leave_foreign_link(farm);
    FaultCalls calls;
    calls.before = [&](std::string_view now, const char* name) {
      const std::string_view at(name);
      // What concerns manifests and records works.
      return now == call && (call != std::string_view("open_beneath") || at.empty()) &&
                     at.find(".json") == std::string_view::npos && !(now == "stat" && at.empty())
                 ? EIO
                 : 0;
    };
    Environment failing = farm.environment;
    failing.calls = &calls;
    INFO(call);
    const auto first = recover(failing);
    REQUIRE(first.size() == 1);
    if (call != std::string_view("stat")) CHECK_FALSE(first[0].errors.empty());
    recover(farm.environment);
    CHECK(farm.target("/l/1") == "/user");
    CHECK(farm.target("/l/2") == "/user");
    CHECK(recover(farm.environment).empty());
  }
}

TEST_CASE("a second recovery leaves alone what the first has settled", "[symlinks][SYM-71][SYM-77]") {
  const Farm farm;
  farm.link("/l/1", "/x/1");
  farm.file("/media/f");
  farm.link("/a/sub/rel", "../../media/f");
  RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
  request.root_migrations = std::vector<RootMigration>{{"/a", "/deep/b"}};
  crash(farm, request, [](std::string_view call, std::string_view name) {
    return call == "renameat2" && name == "rel";  // the second half of the move
  });
  CHECK(farm.target("/a/sub/rel") == "../../media/f");
  CHECK(farm.target("/deep/b/sub/rel") == "../../../media/f");
  rename(farm, "/l", "/away");
  recover(farm.environment);
  CHECK(farm.target("/a/sub/rel") == "(none)");
  farm.link("/a/sub/rel", "../../media/f");  // the user wants it at both places
  rename(farm, "/away", "/l");
  recover(farm.environment);
  CHECK(farm.target("/a/sub/rel") == "../../media/f");
  CHECK(recover(farm.environment).empty());
}

TEST_CASE("a root that the run had yet to make is not waited for", "[symlinks][SYM-77]") {
  const Farm farm;
  farm.link("/a/1", "/x/1");
  RepairRequest request = farm.request({"/a"}, {{"/x", "/y"}});
  request.root_migrations = std::vector<RootMigration>{{"/a", "/q/b"}};
  crash(farm, request, after_the_exchange);
  CHECK(recover(farm.environment).size() == 1);
  CHECK(recover(farm.environment).empty());
}

TEST_CASE("recovery keeps the user's newest link at its path", "[symlinks][SYM-71][SYM-77]") {
  const Farm farm;
  leave_foreign_link(farm);
  const std::string path = farm.target("/l/1") == "/y/1" ? "/l/1" : "/l/2";
  farm.retarget(path, "/newest");
  const auto runs = recover(farm.environment);
  CHECK(farm.target(path) == "/newest");
  REQUIRE(runs.size() == 1);
  REQUIRE(runs[0].errors.size() == 1);
  CHECK(runs[0].errors[0].link_path == path);
  const auto kept = names(farm, "/l", ".kept");
  REQUIRE(kept.size() == 1);
  CHECK(farm.target(kept[0]) == "/user");
  CHECK_THAT(runs[0].errors[0].error, ContainsSubstring(kept[0].substr(3)));
  CHECK(names(farm, "/l", ".dumbsym-").empty());
  CHECK(recover(farm.environment).empty());
}

TEST_CASE("recovery puts a link back at a name that became free", "[symlinks][SYM-77]") {
  const Farm farm;
  leave_foreign_link(farm);
  const std::string path = farm.target("/l/1") == "/y/1" ? "/l/1" : "/l/2";
  farm.remove(path);
  recover(farm.environment);
  CHECK(farm.target(path) == "/user");
  CHECK(names(farm, "/l", ".dumbsym-").empty());
}

TEST_CASE("a link that is changed twice while it is replaced is kept and told",
          "[symlinks][SYM-71][SYM-73]") {
  for (const bool removed : {false, true}) {
    Farm farm;
    farm.link("/l/1", "/x");
    FaultCalls calls;
    int exchanges = 0;
    calls.before = [&](std::string_view call, const char*) {
      if (call != "renameat2" || ++exchanges != 2) return 0;
      if (removed) farm.remove("/l/1");
      if (!removed) farm.retarget("/l/1", "/newest");
      return 0;
    };
    farm.environment.calls = &calls;
    farm.environment.before_apply = [&] { farm.retarget("/l/1", "/user"), exchanges = 0; };
    const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
    CHECK(report.changed == 0);
    CHECK(names(farm, "/l", ".dumbsym-").empty());
    if (removed) {
      CHECK(report.skipped_changed_during_run == 1);
      CHECK(farm.target("/l/1") == "/user");
      continue;
    }
    CHECK(farm.target("/l/1") == "/newest");
    REQUIRE(report.errors.size() == 1);
    CHECK(report.errors[0].link_path == "/l/1");
    const auto kept = names(farm, "/l", ".kept");
    REQUIRE(kept.size() == 1);
    CHECK(farm.target(kept[0]) == "/user");
  }
}
