#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "support/setup_stack.hpp"

using namespace dumb;
using setup::Failure;
using test::SetupStack;
namespace fs = std::filesystem;

namespace {

bool fails(const Result<setup::Outcome>& outcome, Failure code) {
  if (!outcome) UNSCOPED_INFO(outcome.error().to_string());
  return !outcome && outcome.error().code() == setup::make_error_code(code);
}

}  // namespace

TEST_CASE("mkdir makes directories with mode and owner, and corrects the last one",
          "[setup][SVC-26][SVC-217]") {
  SetupStack stack;
  stack.add_service(R"([
    {"do": "mkdir", "paths": ["{config_dir}/a/b"], "mode": "0750"},
    {"do": "mkdir", "paths": ["{config_dir}/kept"], "owner": "keep"}])");
  REQUIRE(stack.configure("PageMill"));
  const fs::path made = stack.root / "pagemill/a/b";
  CHECK(stack.mode(made) == 0750);
  CHECK(stack.mode(made.parent_path()) == 0755);
  if (SetupStack::is_root()) {
    CHECK(stack.owner(made) == 1000);
    CHECK(stack.owner(made.parent_path()) == 1000);
    CHECK(stack.owner(stack.root / "pagemill/kept") == 0);
  }
  fs::permissions(made, fs::perms::all);
  const auto again = stack.configure("PageMill");
  REQUIRE(again);
  CHECK(stack.mode(made) == 0750);
  CHECK(again->changed == std::vector<std::string>{"/pagemill/a/b"});
  const auto before = stack.stamps();
  const auto third = stack.configure("PageMill");
  CHECK(third->changed.empty());
  CHECK(stack.stamps() == before);
}

TEST_CASE("something else in a directory's place is a conflict", "[setup][SVC-133]") {
  SetupStack stack;
  stack.add_service(R"([{"do": "mkdir", "paths": ["{config_dir}"]}])");
  test::write_text(stack.root / "pagemill", "a file");
  const auto outcome = stack.configure("PageMill");
  REQUIRE(fails(outcome, Failure::conflict));
  CHECK(outcome.error().where() == "PageMill step 1 (mkdir)");
}

TEST_CASE("owners are changed below a directory only when its own is wrong", "[setup][SVC-26]") {
  if (!SetupStack::is_root()) return;  // nothing is ever changed then
  SetupStack stack;
  stack.add_service(R"([
    {"do": "mkdir", "paths": ["{config_dir}"]},
    {"do": "own", "path": "{config_dir}", "recursive": "if-needed", "mode": "0700"}])");
  test::write_text(stack.root / "pagemill/sub/file", "x");
  test::write_text(stack.root / "outside", "x");
  fs::create_symlink(stack.root / "outside", stack.root / "pagemill/sub/link");
  REQUIRE(stack.configure("PageMill"));
  for (const char* name : {"pagemill", "pagemill/sub", "pagemill/sub/file", "pagemill/sub/link"}) {
    CHECK(stack.owner(stack.root / name) == 1000);
  }
  CHECK(stack.owner(stack.root / "outside") == 0);
  CHECK(stack.mode(stack.root / "pagemill/sub") == 0700);
  CHECK(stack.mode(stack.root / "pagemill/sub/file") == 0600);
  // With the top right, what is below is not looked at.
  test::write_text(stack.root / "pagemill/late", "x");
  const auto second = stack.configure("PageMill");
  REQUIRE(second);
  CHECK(stack.owner(stack.root / "pagemill/late") == 0);
  CHECK(second->changed.empty());
}

TEST_CASE("copy, render, symlink and remove are idempotent", "[setup][SVC-29][SVC-217]") {
  SetupStack stack;
  stack.add_service(R"([
    {"do": "mkdir", "paths": ["{config_dir}"]},
    {"do": "copy", "from": "/seed/(none|some).txt", "to": "{config_dir}/copied.txt", "mode": "0600"},
    {"do": "copy", "from": "/seed/tree", "to": "{config_dir}/tree"},
    {"do": "copy", "from": "/not/there", "to": "{config_dir}/x", "required": false},
    {"do": "copy", "from": "{env_copy.source}", "to": "{env_copy.destination}", "required": false},
    {"do": "render", "to": "{config_dir}/note", "content": "port {port}\n", "mode": "0640"},
    {"do": "render", "to": "{config_dir}/doc.json", "content": {"n": "{port}", "l": "{list}"}},
    {"do": "symlink", "link": "{config_dir}/link", "target": "{config_dir}/note", "replace": "broken"},
    {"do": "symlink", "each": ["one", "two"], "link": "{config_dir}/{each}", "target": "../{each}", "replace": "link"},
    {"do": "remove", "path": "{config_dir}/old"}])");
  test::write_text(stack.root / "seed/some.txt", "some");
  test::write_text(stack.root / "seed/tree/a/b", "deep");
  test::write_text(stack.root / "pagemill/old", "x");
  test::write_text(stack.root / "pagemill/tree/stale", "x");
  fs::create_symlink("/nowhere", stack.root / "pagemill/link");
  REQUIRE(stack.configure("PageMill"));
  CHECK(stack.text("pagemill/copied.txt") == "some");
  CHECK(stack.mode(stack.root / "pagemill/copied.txt") == 0600);
  CHECK(stack.text("pagemill/tree/a/b") == "deep");
  CHECK_FALSE(fs::exists(stack.root / "pagemill/tree/stale"));
  CHECK(stack.text("pagemill/note") == "port 4411\n");
  CHECK(stack.mode(stack.root / "pagemill/note") == 0640);
  CHECK(jsonx::print_compact(*jsonx::parse(stack.text("pagemill/doc.json"))) ==
        R"({"n":4411,"l":["a","b c"]})");
  CHECK(fs::read_symlink(stack.root / "pagemill/link") == stack.root / "pagemill/note");
  CHECK(fs::read_symlink(stack.root / "pagemill/two") == "../two");
  CHECK_FALSE(fs::exists(stack.root / "pagemill/old"));
  if (SetupStack::is_root()) CHECK(stack.owner(stack.root / "pagemill/tree/a/b") == 1000);
  const auto before = stack.stamps();
  const auto second = stack.configure("PageMill");
  REQUIRE(second);
  CHECK(second->changed.empty());
  CHECK(stack.stamps() == before);
}

TEST_CASE("a link says how much it may replace", "[setup][SVC-217]") {
  SetupStack stack;
  stack.add_service(R"([
    {"do": "symlink", "link": "/l/never", "target": "t", "replace": "never"},
    {"do": "symlink", "link": "/l/broken", "target": "t", "replace": "broken"},
    {"do": "symlink", "link": "/l/backup", "target": "t", "replace": "backup"},
    {"do": "symlink", "link": "/l/link", "target": "t", "replace": "link"}])");
  for (const char* name : {"never", "broken", "backup", "link"})
    test::write_text(stack.root / "l" / name, name);
  const auto outcome = stack.configure("PageMill");
  CHECK(fails(outcome, Failure::conflict));  // the last one: a file is no link
  CHECK(stack.text("l/never") == "never");
  CHECK(stack.text("l/broken") == "broken");
  CHECK(stack.text("l/backup.bak") == "backup");
  CHECK(fs::read_symlink(stack.root / "l/backup") == "t");
  CHECK(stack.text("l/link") == "link");
}

TEST_CASE("an edit replaces the target of a link and keeps what it does not own", "[setup][SVC-29][SVC-30]") {
  SetupStack stack;
  stack.add_service(R"([
    {"do": "edit", "file": "{config_file}", "format": "json", "create": {},
     "set": {"/listen": "127.0.0.1:{port}", "/deep/er": "{list}"}, "fill": {"/name": "new", "/blank": 7}},
    {"do": "edit", "file": "{config_dir}/own.ini", "format": "ini", "section": "s", "set": {"k": "{port}"}}])");
  test::write_text(stack.root / "pagemill/real.json",
                   R"({"name": "kept", "blank": "", "n": 1.50, "z": [1]})");
  test::write_text(stack.root / "pagemill/own.ini", "# c\n[s]\nother = 1\n");
  fs::create_symlink("real.json", stack.root / "pagemill/pagemill.json");
  REQUIRE(stack.configure("PageMill"));
  CHECK(fs::is_symlink(stack.root / "pagemill/pagemill.json"));
  const std::string text = stack.text("pagemill/real.json");
  CHECK_THAT(text, ContainsSubstring("1.50"));
  CHECK(jsonx::print_compact(*jsonx::parse(text)) ==
        R"({"name":"kept","blank":7,"n":1.5,"z":[1],"listen":"127.0.0.1:4411","deep":{"er":["a","b c"]}})");
  CHECK(stack.text("pagemill/own.ini") == "# c\n[s]\nother = 1\nk = 4411\n");
  const auto before = stack.stamps();
  CHECK(stack.configure("PageMill")->changed.empty());
  CHECK(stack.stamps() == before);
}

TEST_CASE("a file that cannot be parsed fails the step and stays", "[setup][SVC-31]") {
  SetupStack stack;
  stack.add_service(
      R"([{"do": "edit", "file": "{config_file}", "format": "json", "create": {}, "set": {"/a": 1}}])");
  test::write_text(stack.root / "pagemill/pagemill.json", "{\n  \"a\": oops\n}");
  const auto outcome = stack.configure("PageMill");
  REQUIRE(fails(outcome, Failure::bad_file));
  CHECK_THAT(outcome.error().message(),
             ContainsSubstring("pagemill.json") && ContainsSubstring("line 2, column 8"));
  CHECK(stack.text("pagemill/pagemill.json") == "{\n  \"a\": oops\n}");
}

TEST_CASE("values go to the generated layer, saved ones only when they differ", "[setup][SVC-11][SVC-217]") {
  SetupStack stack;
  stack.add_service(R"([
    {"do": "set", "fields": {"var.x": "{port}", "command": ["{config_dir}/run", "{var.x}"], "env.A": "step", "env.B": "{each}"},
     "each": ["last"], "persist": false},
    {"do": "set", "fields": {"port": 4411, "note": "n-{var.x}"}, "persist": true},
    {"do": "secret", "field": "token", "bytes": 8, "encoding": "hex", "persist": true},
    {"do": "secret", "field": "password", "bytes": 8, "persist": true},
    {"do": "pick-port", "field": "extra_port", "low": 20000, "high": 30000, "persist": true},
    {"do": "pick-port", "field": "port", "low": 1, "high": 2, "persist": true}])");
  stack.set("/pagemill/env", json::object{{"A", "user"}});
  const auto outcome = stack.configure("PageMill");
  REQUIRE(outcome);
  CHECK(jsonx::print_compact(outcome->generated) ==
        R"({"command":["/pagemill/run",4411],"env":{"B":"last"}})");
  CHECK(jsonx::string_at(outcome->persisted, "note") == "n-4411");
  CHECK(jsonx::string_at(outcome->persisted, "token").size() == 16);
  CHECK_FALSE(outcome->persisted.contains("password"));
  CHECK_FALSE(outcome->persisted.contains("port"));
  CHECK(outcome->persisted.at("extra_port").to_number<int>() >= 20000);
  // Saved, the second run asks for nothing.
  for (const auto& [name, value] : outcome->persisted) stack.set("/pagemill/" + std::string(name), value);
  const auto second = stack.configure("PageMill");
  REQUIRE(second);
  CHECK(second->persisted.empty());
  CHECK(second->generated == outcome->generated);
}

TEST_CASE("conditions, warnings and the first failure steer a list", "[setup][SVC-34][SVC-217]") {
  SetupStack stack;
  stack.add_service(R"([
    {"do": "render", "to": "/out/no", "content": "x", "when": {"exists": "/never"}},
    {"do": "require", "check": {"field": "nothing", "is": "set"}, "code": "missing_field", "on_error": "warn"},
    {"do": "render", "to": "/out/{each}", "content": "{each}", "each": ["1", "2"], "when": {"not": {"field": "each", "is": "1"}}},
    {"do": "require", "check": {"executable": "{config_dir}/prog"}, "code": "not_installed"},
    {"do": "render", "to": "/out/late", "content": "x"}])");
  const auto outcome = stack.configure("PageMill");
  REQUIRE(fails(outcome, Failure::not_installed));
  CHECK(outcome.error().where() == "PageMill step 4 (require)");
  CHECK_THAT(outcome.error().message(), ContainsSubstring("/pagemill/prog is not an executable program"));
  CHECK_THAT(stack.log.text(), ContainsSubstring("WARNING PageMill step 2 (require): nothing must be set"));
  CHECK_FALSE(fs::exists(stack.root / "out/no"));
  CHECK_FALSE(fs::exists(stack.root / "out/1"));
  CHECK(stack.text("out/2") == "2");
  CHECK_FALSE(fs::exists(stack.root / "out/late"));
}

TEST_CASE("steps this build cannot perform fail instead of being skipped", "[setup][SVC-217][SVC-219]") {
  for (const char* step :
       {R"({"do": "run", "model": "plex-dbrepair"})",
        R"({"do": "edit", "file": "/x", "format": "json", "create": {}, "model": "jellyfin-network"})",
        R"({"do": "set", "fields": {"env": "{tree}"}})"}) {
    SetupStack stack;
    stack.add_service("[" + std::string(step) + "]");
    const auto outcome = stack.configure("PageMill");
    INFO(step);
    REQUIRE(fails(outcome, Failure::not_installed));
    CHECK_THAT(outcome.error().message(), ContainsSubstring("this build"));
  }
}

TEST_CASE("capture finds paths", "[setup][SVC-217]") {
  SetupStack stack;
  stack.add_service(R"([
    {"do": "capture", "into": "var.bin", "first_existing": ["/none", "{config_dir}/b", "{config_dir}/a"]},
    {"do": "capture", "into": "var.script", "glob": "{config_dir}/run_v*.js", "pick": "highest-number"},
    {"do": "capture", "into": "var.other", "glob": "{config_dir}/none*", "otherwise": "{command.0}"},
    {"do": "set", "fields": {"command": ["{var.bin}", "{var.script|basename}", "{var.other}"]}}])");
  for (const char* name : {"a", "b", "run_v9.js", "run_v10.js"})
    test::write_text(stack.root / "pagemill" / name, "");
  const auto outcome = stack.configure("PageMill");
  REQUIRE(outcome);
  CHECK(outcome->generated.at("command") == json::array{"/pagemill/b", "run_v10.js", "/pagemill/pagemill"});
}

TEST_CASE("run executes a program and reports its end without secrets", "[setup][SVC-35][LIF-30]") {
  SetupStack stack;
  const std::string child = stack.child();
  stack.add_service(R"([
    {"do": "run", "argv": [")" +
                    child +
                    R"(", "--text", "x", "--env", "NOTE", "--exit", "0"], "env": {"NOTE": "p {port}"}},
    {"do": "run", "argv": [")" +
                    child + R"(", "--exit", "3"], "ok": [0, 3]},
    {"do": "run", "argv": [")" +
                    child + R"(", "--text", "pw={password}", "--exit", "7"]}])");
  const auto outcome = stack.configure("PageMill");
  REQUIRE(fails(outcome, Failure::build_failed));
  CHECK(outcome.error().where() == "PageMill step 3 (run)");
  CHECK_THAT(outcome.error().message(), ContainsSubstring("exit code 7") && ContainsSubstring("pw=***"));
  CHECK_THAT(outcome.error().message(), !ContainsSubstring("hunter2secret"));
  CHECK_THAT(stack.log.text(), ContainsSubstring("PageMill:child subprocess: NOTE=p 4411"));
}

TEST_CASE("a helper is killed on cancellation within two seconds", "[setup][SVC-21][LIF-30]") {
  SetupStack stack;
  stack.add_service(R"([{"do": "run", "argv": [")" + stack.child() + R"(", "--ignore-term"]},
                        {"do": "render", "to": "/late", "content": "x"}])");
  const auto start = std::chrono::steady_clock::now();
  const auto outcome = stack.run(&setup::configure, "PageMill", std::chrono::milliseconds(200));
  CHECK(fails(outcome, Failure::cancelled));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  CHECK_FALSE(fs::exists(stack.root / "late"));
}

TEST_CASE("waits end when what they wait for is there, and say so when it is not",
          "[setup][SVC-21][SVC-217]") {
  SetupStack stack;
  const std::string port = std::to_string(test::free_port());
  SECTION("files, directories and JSON members") {
    stack.add_service("[]", R"([
      {"do": "wait", "for": "dir", "path": "{config_dir}", "timeout_s": 5},
      {"do": "wait", "for": "file", "path": "{config_file}", "json_at": "/api_key", "timeout_s": 5}])");
    test::write_text(stack.root / "pagemill/pagemill.json", R"({"api_key": "k"})");
    CHECK(stack.post_start("PageMill"));
  }
  SECTION("a port and a URL") {
    stack.add_service(R"([{"do": "launch", "process_name": "x", "argv": ["x"]}])",
                      R"([
      {"do": "wait", "for": "tcp", "host": "0.0.0.0", "port": )" +
                          port + R"(, "timeout_s": 10},
      {"do": "wait", "for": "http", "url": "http://127.0.0.1:)" +
                          port + R"(/", "timeout_s": 10},
      {"do": "wait", "for": "http", "url": "http://127.0.0.1:)" +
                          port + R"(/", "accept": [200, 401], "timeout_s": 10}])");
    supervisor::LaunchSpec spec;
    spec.argv = {test::test_child(), "--listen", port};
    const auto child = supervisor::spawn(spec);
    REQUIRE(child);
    CHECK(stack.post_start("PageMill"));
    supervisor::send_signal(*child, SIGKILL);
    CHECK(test::eventually([&] { return supervisor::try_wait(*child).has_value(); }));
  }
  SECTION("a timeout") {
    stack.add_service("[]", R"([{"do": "wait", "for": "tcp", "port": )" + port + R"(, "timeout_s": 0.3}])");
    const auto outcome = stack.post_start("PageMill");
    REQUIRE(fails(outcome, Failure::timeout));
    CHECK_THAT(outcome.error().message(), ContainsSubstring("127.0.0.1:" + port));
  }
  SECTION("a cancellation") {
    stack.add_service("[]", R"([{"do": "wait", "for": "mount", "path": "{config_dir}", "timeout_s": 600}])");
    const auto start = std::chrono::steady_clock::now();
    CHECK(
        fails(stack.run(&setup::post_start, "PageMill", std::chrono::milliseconds(150)), Failure::cancelled));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  }
}

TEST_CASE("a changed post-start step may ask for one restart", "[setup][SVC-20]") {
  SetupStack stack;
  stack.add_service("[]",
                    R"([{"do": "render", "to": "/out/f", "content": "{port}", "restart_if_changed": true}])");
  CHECK(stack.post_start("PageMill")->restart_needed);
  CHECK_FALSE(stack.post_start("PageMill")->restart_needed);
}

TEST_CASE("companions are handed over with their environment", "[setup][LIF-1]") {
  SetupStack stack;
  stack.add_service(
      R"([{"do": "launch", "process_name": "side", "argv": ["prog", "port={port}"], "env": {"A": "{port}"},
                         "when": {"tool": "true"}}])");
  const auto outcome = stack.configure("PageMill");
  REQUIRE(outcome);
  REQUIRE(outcome->companions.size() == 1);
  const auto& companion = outcome->companions.front();
  CHECK(companion.process_name == "side");
  CHECK(companion.argv == std::vector<std::string>{"prog", "port=4411"});
  CHECK(std::find(companion.env.begin(), companion.env.end(), "A=4411") != companion.env.end());
}

TEST_CASE("disabled and custom services have nothing to set up", "[setup][SVC-17]") {
  SetupStack stack;
  stack.set("/mine", json::object{{"process_name", "Mine"}, {"enabled", true}, {"command", "true"}});
  for (const char* name : {"PostgreSQL", "Mine"}) {
    const auto outcome = stack.configure(name);
    REQUIRE(outcome);
    CHECK(outcome->generated.empty());
    CHECK(outcome->changed.empty());
    CHECK(stack.post_start(name));
  }
  CHECK(stack.stamps().empty());
}

TEST_CASE("only root edits files of the machine", "[setup][SVC-128][LIF-6]") {
  SetupStack stack;
  stack.prefix = Root(stack.directory.path());  // holds the machine's files as well
  stack.add_service(
      R"([{"do": "edit", "file": "/etc/fuse.conf", "format": "lines", "ensure": ["user_allow_other"]}])");
  test::write_text(stack.host / "etc/fuse.conf", "# fuse\n#user_allow_other\n");
  REQUIRE(stack.configure("PageMill"));
  if (SetupStack::is_root()) {
    CHECK(test::read_text(stack.host / "etc/fuse.conf") == "# fuse\nuser_allow_other\n");
    CHECK(stack.owner(stack.host / "etc/fuse.conf") == 0);
    CHECK(stack.configure("PageMill")->changed.empty());
  } else {
    CHECK(test::read_text(stack.host / "etc/fuse.conf") == "# fuse\n#user_allow_other\n");
    CHECK_THAT(stack.log.text(), ContainsSubstring("only root may change it"));
  }
  CHECK_FALSE(fs::exists(stack.root / "etc"));
}

TEST_CASE("beneath a root the machine's files are never written, what they lack is told",
          "[setup][SVC-128]") {
  SetupStack stack;
  stack.add_service(
      R"([{"do": "edit", "file": "/etc/fuse.conf", "format": "lines", "ensure": ["user_allow_other"]}])");
  REQUIRE(stack.configure("PageMill"));
  CHECK_FALSE(fs::exists(stack.host / "etc/fuse.conf"));
  if (SetupStack::is_root()) {
    CHECK_THAT(stack.log.text(), ContainsSubstring("WARNING") &&
                                     ContainsSubstring("lacks user_allow_other") &&
                                     ContainsSubstring("outside the root " + stack.root.native()));
  }
  test::write_text(stack.host / "etc/fuse.conf", "# fuse\n#user_allow_other\n");
  REQUIRE(stack.configure("PageMill"));
  CHECK(test::read_text(stack.host / "etc/fuse.conf") == "# fuse\n#user_allow_other\n");

  SetupStack content;
  content.add_service(
      R"([{"do": "edit", "file": "/etc/fuse.conf", "format": "lines", "ensure": ["user_allow_other"]}])");
  test::write_text(content.host / "etc/fuse.conf", "user_allow_other\n");
  REQUIRE(content.configure("PageMill"));
  CHECK_THAT(content.log.text(), !ContainsSubstring("fuse.conf"));
  CHECK_FALSE(fs::exists(content.root / "etc"));
}

TEST_CASE("a file's mode and owner are corrected without rewriting it", "[setup][SVC-28][SVC-29]") {
  SetupStack stack;
  stack.add_service(R"([{"do": "render", "to": "/out/secret", "content": "s", "mode": "0600"}])");
  test::write_text(stack.root / "out/secret", "s");
  REQUIRE(stack.configure("PageMill"));
  CHECK(stack.mode(stack.root / "out/secret") == 0600);
  if (SetupStack::is_root()) CHECK(stack.owner(stack.root / "out/secret") == 1000);
}

TEST_CASE("errors of the disk have the codes of the specification", "[setup][SVC-33]") {
  SetupStack stack;
  stack.add_service(R"([{"do": "copy", "from": "/missing", "to": "/x"}])");
  CHECK(fails(stack.configure("PageMill"), Failure::missing_file));
  SetupStack other;
  other.add_service(R"([{"do": "remove", "path": "/full"}])");
  test::write_text(other.root / "full/file", "x");
  CHECK(fails(other.configure("PageMill"), Failure::conflict));
  SetupStack third;
  third.add_service(R"([{"do": "edit", "file": "/none.yml", "format": "yaml", "set": {"a": "b"}}])");
  CHECK(fails(third.configure("PageMill"), Failure::missing_file));
}
