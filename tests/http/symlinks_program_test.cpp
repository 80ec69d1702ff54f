#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <optional>

#include "golden.hpp"
#include "harness.hpp"
#include "program.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr int count = 20'000;

/// A root whose links one dumb-server after the other works on.
struct Ground {
  Ground() {
    write_text(root / "config/dumb_config.json", R"({"dumb":{"frontend":{"enabled":false}}})");
    for (int i = 0; i < count; ++i) {
      const fs::path directory = root / ("media/l/" + std::to_string(i / 100));
      if (i % 100 == 0) fs::create_directories(directory);
      fs::create_symlink("/a/" + std::to_string(i), directory / std::to_string(i));
    }
  }
  void start() {
    server.emplace(std::vector<std::string>{DUMB_SERVER, "--root", root.path().native(), "--port", "0"},
                   std::vector<std::string>{"PATH=/usr/bin:/bin", "HOME=" + root.path().native()});
    port = server->listening_port();
  }
  void kill() {
    server->signal(SIGKILL);
    REQUIRE(server->wait() == -SIGKILL);
  }
  json::object post(const std::string& path, const json::object& body) {
    const Answer answer = request(port, "POST", "/process/" + path, json::serialize(body));
    INFO(answer.body);
    REQUIRE(answer.status == 200);
    return parsed(answer.body).as_object();
  }
  json::object job(const std::string& id) {
    const Answer answer = request(port, "GET", "/process/symlink-job-status?job_id=" + id);
    INFO(answer.body);
    REQUIRE(answer.status == 200);
    return parsed(answer.body).as_object();
  }
  json::object ended(const std::string& id) {
    json::object last;
    REQUIRE(eventually(
        [&] {
          last = job(id);
          return last["status"] == "completed" || last["status"] == "error";
        },
        60s));
    return last;
  }
  /// How many links have been changed; every link is old or new, and nothing else is there.
  int changed() const {
    int seen = 0;
    int fresh = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root / "media/l")) {
      if (!entry.is_symlink()) continue;
      ++seen;
      const std::string name = entry.path().filename().native();
      const std::string target = fs::read_symlink(entry.path()).native();
      if (target == "/b/" + name) {
        ++fresh;
      } else if (target != "/a/" + name) {
        FAIL_CHECK(entry.path().native() << " -> " << target);
      }
    }
    CHECK(seen == count);
    return fresh;
  }

  TempDir root;
  std::optional<Program> server;
  int port = 0;
};

/// Whether a child may have mounts of its own.
bool own_mounts_allowed() {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool good = ::unshare(CLONE_NEWNS) == 0 &&
                      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                      ::mount("none", "/mnt", "tmpfs", 0, nullptr) == 0;
    ::_exit(good ? 0 : 1);
  }
  int status = 1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("without room for what undoes it a repair answers 507 and changes nothing",
          "[server][program][EX-14][SYM-6][SYM-69]") {
  if (!own_mounts_allowed() || ::access("/usr/bin/unshare", X_OK) != 0) {
    WARN("not tested: mounts of its own are not allowed here");
    return;
  }
  TempDir root;
  write_text(root / "config/dumb_config.json", R"({"dumb":{"frontend":{"enabled":false}}})");
  fs::create_directories(root / "config/symlink-repair");
  fs::create_directories(root / "media/l");
  for (int i = 0; i < 1000; ++i)
    fs::create_symlink("/a/" + std::to_string(i), root / ("media/l/" + std::to_string(i)));
  Program server(
      {"/usr/bin/unshare", "--mount", "/bin/sh", "-c",
       "mount -t tmpfs -o size=32k,mode=755 none \"$0\" && exec \"$@\"",
       (root / "config/symlink-repair").native(), DUMB_SERVER, "--root", root.path().native(), "--port", "0"},
      {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + root.path().native()});
  const int port = server.listening_port();
  const std::string body =
      R"({"roots":["/media/l"],"rewrite_rules":[{"from_prefix":"/a","to_prefix":"/b"}],"dry_run":false})";
  const Answer refused = request(port, "POST", "/process/symlink-repair", body);
  INFO(refused.body);
  CHECK(refused.status == 507);
  CHECK(parsed(refused.body).at("detail").is_string());
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(fs::read_symlink(root / ("media/l/" + std::to_string(i))) == "/a/" + std::to_string(i));
  }
  server.signal(SIGTERM);
  CHECK(server.wait(60s) == 0);
}

TEST_CASE("a job that is killed with its server is found interrupted, finished and undone",
          "[server][program][SYM-51][SYM-71][SYM-77][SYM-78]") {
  Ground ground;
  ground.start();
  json::object body{{"roots", json::array{"/media/l"}},
                    {"rewrite_rules", json::array{json::object{{"from_prefix", "/a"}, {"to_prefix", "/b"}}}},
                    {"dry_run", false},
                    {"backup_path", "/config/symlink-repair/m.json"}};
  const std::string id(ground.post("symlink-repair-async", body).at("job_id").as_string());
  // Killed while it changes links, unless this machine is too quick for that.
  REQUIRE(eventually([&] {
    const json::object now = ground.job(id);
    if (now.at("status") != "running") return now.at("status") != "queued";
    const json::value* progress = now.if_contains("progress");
    return progress != nullptr && progress->at("stage") == "processing";
  }));
  ground.kill();
  ground.start();
  json::object found = ground.ended(id);
  // Where the machine is slow the job is shown before recovery has ended; then it is known what is left.
  REQUIRE(eventually(
      [&] {
        found = ground.job(id);
        return found.at("status") != "error" || found.at("error").as_object().contains("manifest");
      },
      60s));
  const int changed = ground.changed();
  if (found.at("status") == "error") {
    CHECK(found.at("error").at("code") == "interrupted");
    CHECK(found.at("error").at("manifest") == "/config/symlink-repair/m.json");
  } else {
    CHECK(changed == count);
  }
  const json::object resumed = ground.post(
      "symlink-repair", {{"resume_manifest_path", "/config/symlink-repair/m.json"}, {"dry_run", false}});
  CHECK(resumed.at("changed").to_number<int>() + resumed.at("skipped_unchanged").to_number<int>() == count);
  CHECK(ground.changed() == count);
  const json::object undone = ground.post(
      "symlink-manifest/restore", {{"manifest_path", "/config/symlink-repair/m.json"}, {"dry_run", false}});
  CHECK(undone.at("restored").to_number<int>() == count);
  CHECK(ground.changed() == 0);
  ground.server->signal(SIGTERM);
  CHECK(ground.server->wait(60s) == 0);
}
