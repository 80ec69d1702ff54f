#include <boost/json.hpp>

#include "setup/archive_rules.hpp"
#include "setup/build_plan.hpp"
#include "setup/tree_rules.hpp"
#include "support/setup_fixture.hpp"

using namespace dumb;
using namespace dumb::setup;

namespace {

bool refused(std::string_view name) {
  const auto result = safe_name(name);
  return !result && result.error().code() == make_error_code(Failure::archive_unsafe);
}

}  // namespace

TEST_CASE("names that could lead out of the tree are refused", "[setup][SVC-63]") {
  CHECK(safe_name("./a//b/").value() == "a/b");
  CHECK(safe_name("./").value().empty());
  for (const std::string& name :
       {std::string("/etc/passwd"), std::string("../x"), std::string("a/../../x"), std::string("a\\b"),
        std::string(), std::string("a\0b", 3), std::string(256, 'n')})
    CHECK(refused(name));
  CHECK(stays_inside("a/b/link", "../c"));
  CHECK(stays_inside("link", "a"));
  CHECK_FALSE(stays_inside("a/link", "../../c"));
  CHECK_FALSE(stays_inside("link", "/etc"));
  CHECK_FALSE(stays_inside("a/b/link", "../../../x/../y"));
  CHECK_FALSE(stays_inside("link", ""));
}

TEST_CASE("the single directory of a source archive is found, whatever its name",
          "[setup][SVC-62][SVC-225]") {
  CommonTop one;
  for (const char* name : {"acme-app-1234567", "acme-app-1234567/a", "acme-app-1234567/b/c"}) one.add(name);
  CHECK(one.top() == "acme-app-1234567");
  CommonTop two;
  for (const char* name : {"x/a", "y/a"}) two.add(name);
  CHECK(two.top().empty());
  Layout source;
  source.top = "top";
  source.kept = {"data", "app/data"};
  CHECK(place_of("top/src/main.py", EntryKind::file, source) == "src/main.py");
  CHECK_FALSE(place_of("top", EntryKind::directory, source));
  CHECK_FALSE(place_of("elsewhere/x", EntryKind::file, source));
  CHECK_FALSE(place_of("top/data/x", EntryKind::file, source));
  CHECK_FALSE(place_of("top/app/data", EntryKind::link, source));
  CHECK(place_of("top/database", EntryKind::file, source) == "database");
  Layout picked;
  picked.pick = {"zurg"};
  CHECK(place_of("deep/er/zurg", EntryKind::file, picked) == "zurg");
  CHECK_FALSE(place_of("readme", EntryKind::file, picked));
  CHECK_FALSE(place_of("zurg", EntryKind::link, picked));
}

TEST_CASE("modes keep the executable bit and nothing else", "[setup][SVC-65]") {
  const Layout plain;
  Layout named;
  named.programs = {"bin/run"};
  CHECK(file_mode(0700U, "x", "", plain) == 0755);
  CHECK(file_mode(04644U & 0777U, "x", "#!/bin/sh", plain) == 0644);
  CHECK(file_mode(0600U, "bin/run", "", named) == 0755);
  CHECK(file_mode(std::nullopt, "x",
                  "\x7f"
                  "ELF",
                  plain) == 0755);
  CHECK(file_mode(std::nullopt, "x", "#!/usr/bin/env python", plain) == 0755);
  CHECK(file_mode(std::nullopt, "x", "text", plain) == 0644);
}

TEST_CASE("a file's kind is told by its first bytes", "[setup][SVC-61]") {
  using namespace std::string_view_literals;
  CHECK(kind_of_file("PK\x03\x04..."sv) == FileKind::archive);
  CHECK(kind_of_file("\x1f\x8b\x08"sv) == FileKind::archive);
  CHECK(kind_of_file("!<arch>\ndebian-binary"sv) == FileKind::deb);
  CHECK(kind_of_file("\x7f"
                     "ELF\x02"sv) == FileKind::program);
  CHECK(kind_of_file("<html>not found</html>\n"sv) == FileKind::text);
  CHECK(kind_of_file("\x01\x02"sv) == FileKind::other);
}

TEST_CASE("a start keeps what is whole and removes what is not", "[setup][SVC-77]") {
  TreeState state;
  state.current = "v1-a";
  state.version = "v1";
  state.pending = Pending{"v2-b", Pending::Stage::building, 5};
  Found found{"v1-a", {"v1-a", "v2-b"}, {"v1-a"}};
  Recovery building = recover(state, found);
  CHECK(building.remove == std::vector<std::string>{"v2-b"});
  CHECK_FALSE(building.state.pending);
  CHECK_FALSE(building.on_trial);

  found.complete.insert("v2-b");
  state.pending->stage = Pending::Stage::ready;
  const Recovery ready = recover(state, found);
  CHECK(ready.remove.empty());
  CHECK(ready.state == state);

  // Killed after state.json was written and before the link was replaced.
  TreeState early = state;
  early.current = "v2-b";
  early.previous = "v1-a";
  early.version = "v2";
  early.previous_version = "v1";
  early.pending->stage = Pending::Stage::activated;
  const Recovery before_flip = recover(early, found);
  CHECK_FALSE(before_flip.on_trial);
  CHECK(before_flip.state.current == "v1-a");
  CHECK(before_flip.state.version == "v1");
  CHECK(before_flip.state.pending->stage == Pending::Stage::ready);

  found.current = "v2-b";
  const Recovery flipped = recover(early, found);
  CHECK(flipped.on_trial);
  CHECK(flipped.state == early);
}

TEST_CASE("after a proven update only the current and the previous tree stay", "[setup][SVC-77]") {
  TreeState state;
  state.current = "c";
  state.previous = "b";
  CHECK(unneeded(state, {"a", "b", "c"}, 2) == std::vector<std::string>{"a"});
  CHECK(unneeded(state, {"a", "b", "c"}, 1) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("the state of a root survives being written and read", "[setup][SVC-76]") {
  TreeState state;
  state.current = "v1-a";
  state.previous = "v0-b";
  state.version = "v1";
  state.previous_version = "v0";
  state.sha256 = "abc";
  state.refused = "v3";
  state.pending = Pending{"v2-c", Pending::Stage::ready, 1'700'000'000};
  state.adoption = Adoption{"adopted-1", {"app", "bin"}, {"app/data"}};
  CHECK(decode_state(jsonx::print(encode_state(state))).value() == state);
  CHECK(decode_state("[]").error().code() == make_error_code(Failure::bad_file));
  CHECK(decode_state("{").error().code() == make_error_code(Failure::bad_file));
}

TEST_CASE("kept paths are those below the root, the outermost of each", "[setup][SVC-70]") {
  CHECK(kept_paths("/zilean", {"/zilean/app/data", "logs/", "/zilean/logs/x.log", "/elsewhere/x", "/zilean",
                               "", "../x"}) == std::vector<std::string>{"app/data", "logs"});
  CHECK(home_of_kept("app/data", {"app"}) == ".dumb/keep/app/data");
  CHECK(home_of_kept("data", {"app"}) == "data");
  CHECK(home_of_kept("other/data", {"app"}) == "other/data");
  CHECK(relative_target(".dumb/releases/v1/config.yml", "config.yml") == "../../../config.yml");
  CHECK(relative_target(".dumb/releases/v1/app/data", ".dumb/keep/app/data") == "../../../keep/app/data");
}

TEST_CASE("a tree is named by version and hash, whatever the version holds", "[setup][SVC-68]") {
  CHECK(tree_id("v1.2", "0123456789abcdef") == "v1.2-01234567");
  CHECK(tree_id("feature/x@12", "0123456789abcdef") == "feature_x@12-01234567");
  CHECK(tree_id("../../etc", "0123456789abcdef") == "_.._.._etc-01234567");
}

TEST_CASE("build tools get their commands in order", "[setup][SVC-81]") {
  build::Request python;
  python.tool = "python";
  python.directory = "/t";
  CHECK(build::commands(python, {}).size() == 1);
  python.has_requirements = true;
  CHECK(build::commands(python, {})[1].argv ==
        std::vector<std::string>{"venv/bin/pip", "install", "-r", "requirements.txt"});
  CHECK(build::environment(python, "/bin").at("PIP_NO_INPUT") == "1");
  CHECK(build::environment(python, "/bin").at("HOME") == "/t");

  build::Request poetry = python;
  poetry.tool = "poetry";
  poetry.args = {"--no-root"};
  poetry.update = {"plexapi"};
  const auto steps = build::commands(poetry, {});
  REQUIRE(steps.size() == 4);
  CHECK(steps[2].argv == std::vector<std::string>{"venv/bin/poetry", "update", "plexapi"});
  CHECK(steps[3].argv == std::vector<std::string>{"venv/bin/poetry", "install", "--no-root"});
  CHECK(build::environment(poetry, "/bin").at("PATH") == "/t/venv/bin:/bin");

  build::Request dotnet;
  dotnet.tool = "dotnet";
  dotnet.projects = {"/t/a.csproj"};
  dotnet.output = "/t/app";
  CHECK(build::commands(dotnet, {})[0].argv ==
        std::vector<std::string>{"dotnet", "restore", "/t/a.csproj", "/nodeReuse:false"});
  build::Request go;
  go.tool = "go";
  go.output = "app";
  go.ldflags = "-X a=b";
  CHECK(build::commands(go, {})[0].argv ==
        std::vector<std::string>{"go", "build", "-ldflags", "-X a=b", "-o", "app", "."});
  build::Request pnpm;
  pnpm.tool = "pnpm";
  pnpm.scripts = {"build", "build:server"};
  CHECK(build::commands(pnpm, {"build"}).size() == 1);
  CHECK(build::is_inherited("https_proxy"));
  CHECK_FALSE(build::is_inherited("DUMB_TOKEN"));
}

TEST_CASE("an .npmrc keeps its own lines and gets those it lacks", "[setup][SVC-82][SVC-83]") {
  const std::string fresh = build::npmrc("");
  CHECK(fresh.starts_with("store-dir=./.pnpm-store\n"));
  CHECK_THAT(fresh, ContainsSubstring("package-import-method=copy\n"));
  const std::string kept = build::npmrc("fetch-retries = 3\nown=1");
  CHECK(kept.starts_with("fetch-retries = 3\nown=1\n"));
  CHECK(kept.find("fetch-retries=10") == std::string::npos);
  CHECK(build::npmrc(fresh) == fresh);
  CHECK(build::wanted_pnpm(R"({"packageManager": "pnpm@9.1.0"})") == "9");
  CHECK(build::wanted_pnpm(R"({"engines": {"pnpm": ">=10"}})") == "10");
  CHECK(build::wanted_pnpm("{}").empty());
  CHECK(build::scripts_of(R"({"scripts": {"build": "x", "dev": "y"}})") ==
        std::vector<std::string>{"build", "dev"});
  CHECK(build::blames_lockfile("ERR_PNPM_OUTDATED_LOCKFILE  Cannot install"));
  CHECK_FALSE(build::blames_lockfile("ERR_PNPM_FETCH_404"));
}
