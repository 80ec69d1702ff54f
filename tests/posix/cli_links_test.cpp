#include <filesystem>

#include "support/cli_program.hpp"

using namespace dumb;
using test::CliProgram;
namespace fs = std::filesystem;

namespace {

/// A stack without a server.
struct Bench {
  Bench() { program.system.environment["DUMB_ROOT"] = dir.path().native(); }
  test::TempDir dir;
  CliProgram program;

  fs::path at(const std::string& path) const { return dir.path() / path.substr(1); }
  void link(const std::string& path, const std::string& target) {
    fs::create_directories(at(path).parent_path());
    fs::create_symlink(target, at(path));
  }
  json::object json_of(std::vector<std::string> words, int code = 0) {
    words.insert(words.end(), {"--local", "--json"});
    const int got = program.run(words);
    INFO(program.out << program.err);
    REQUIRE(got == code);
    return jsonx::parse(program.out)->as_object();
  }
};

}  // namespace

TEST_CASE("links are repaired, undone and brought back without a server", "[cli][symlinks][SYM-27][SYM-35]") {
  Bench bench;
  bench.link("/media/l/a", "/old/a");
  bench.link("/media/l/b", "/other/b");
  const std::vector<std::string> repair{"symlinks", "repair", "/media/l", "--rule", "/old=/new"};
  CHECK(bench.json_of(repair)["changed"] == 1);
  CHECK(fs::read_symlink(bench.at("/media/l/a")) == "/old/a");
  std::vector<std::string> apply = repair;
  apply.emplace_back("--apply");
  const json::object done = bench.json_of(apply);
  CHECK(fs::read_symlink(bench.at("/media/l/a")) == "/new/a");
  const std::string manifest(done.at("auto_manifest").as_string());
  CHECK(bench.json_of({"symlinks", "undo", manifest, "--apply"})["restored"] == 1);
  CHECK(fs::read_symlink(bench.at("/media/l/a")) == "/old/a");
  CHECK(bench.json_of({"symlinks", "resume", manifest, "--apply"})["changed"] == 1);
  CHECK(fs::read_symlink(bench.at("/media/l/a")) == "/new/a");

  CHECK(bench.json_of({"symlinks", "backup", "s.json", "/media/l"})["recorded_entries"] == 2);
  fs::remove(bench.at("/media/l/b"));
  CHECK(bench.json_of({"symlinks", "compare", "s.json"})["projected_restored"] == 1);
  CHECK(bench.json_of({"symlinks", "restore", "s.json"})["restored"] == 1);
  CHECK_FALSE(fs::is_symlink(bench.at("/media/l/b")));
  CHECK(bench.json_of({"symlinks", "restore", "s.json", "--apply"})["restored"] == 1);
  CHECK(fs::read_symlink(bench.at("/media/l/b")) == "/other/b");
  CHECK(bench.json_of({"symlinks", "files"})["count"] == 1);
  CHECK(bench.json_of({"jobs", "list"})["jobs"].as_array().empty());
  CHECK(bench.program.requests.empty());
}

TEST_CASE("a run without a server stops at an interrupt and can be finished",
          "[cli][symlinks][SYM-48][SYM-71][SYM-78]") {
  Bench bench;
  for (int i = 0; i < 50; ++i) bench.link("/media/l/" + std::to_string(i), "/old/" + std::to_string(i));
  const auto usual = bench.program.system.concurrently;
  // Ctrl-C is seen before the run has got anywhere, or while it plans.
  bench.program.system.concurrently = [](std::vector<std::function<void()>> tasks, std::size_t,
                                         const std::function<void()>& tick) {
    tick();
    for (const auto& task : tasks) task();
  };
  bench.program.interrupts = 1;
  const std::vector<std::string> repair{"symlinks",  "repair",  "/media/l", "--rule",
                                        "/old=/new", "--local", "--apply"};
  CHECK(bench.program.run(repair) == 130);
  CHECK(bench.program.err == "dumb-cli: interrupted; nothing was changed\n");
  CHECK(fs::read_symlink(bench.at("/media/l/7")) == "/old/7");
  bench.program.interrupts = -1;
  CHECK(bench.program.run(repair) == 0);
  CHECK(fs::read_symlink(bench.at("/media/l/7")) == "/new/7");
}

TEST_CASE("what a place does not allow is refused without a server, too", "[cli][symlinks][SYM-7][SYM-8]") {
  Bench bench;
  CHECK(bench.program.run({"symlinks", "repair", "/etc", "--rule", "/a=/b", "--local"}) == 1);
  CHECK(bench.program.run({"symlinks", "backup", "/etc/x.json", "--local"}) == 1);
  CHECK(bench.program.run({"symlinks", "restore", "none.json", "--local"}) == 4);
  CHECK(bench.program.run({"symlinks", "manifests", "nobody", "--local"}) == 4);
}

TEST_CASE("snapshots of a service are found by its configuration", "[cli][symlinks][SYM-53]") {
  Bench bench;
  test::write_text(bench.at("/config/dumb_config.json"),
                   R"({"decypharr":{"process_name":"Decypharr","enabled":false,)"
                   R"("symlink_backup_path":"/media/kept/{process_slug}-{date}.json"}})");
  bench.link("/media/l/a", "/old/a");
  bench.json_of(
      {"symlinks", "backup", "/media/kept/decypharr-20260301.json", "/media/l", "--process", "Decypharr"});
  const json::object list = bench.json_of({"symlinks", "manifests", "decypharr"});
  CHECK(list.at("count") == 1);
  CHECK(list.at("pattern") == "/media/kept/decypharr-*.json");
  CHECK(bench.program.run({"symlinks", "schedule", "decypharr", "--local"}) == 0);
  CHECK(bench.program.out == "Decypharr: no snapshots are scheduled\n");
}
