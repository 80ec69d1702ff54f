// A service from a release server to a healthy process, and on to its next version and back.
#include <boost/json.hpp>
#include <csignal>
#include <dumb/base/text.hpp>

#include "golden.hpp"
#include "harness.hpp"
#include "program.hpp"
#include "support/archives.hpp"
#include "support/catch.hpp"
#include "support/release_server.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

const std::string zurg = "Zurg w/ RealDebrid";
const std::string repository = "debridmediamanager/zurg-testing";
const std::string debrid_key = "DEBRIDKEY0123456789";

/// dumb-server over an empty root, its endpoints on a local release server.
class Installed {
 public:
  explicit Installed(const std::string& more = "{}") {
    std::filesystem::permissions(root_.path(), std::filesystem::perms(0755));
    std::filesystem::copy_file(test_child(), root_ / "child");
    json::object block = json::parse(more).as_object();
    block["enabled"] = true;
    block["api_key"] = debrid_key;
    block["port"] = free_port();
    json::object document;
    document["dumb"] = json::parse(R"({"frontend": {"enabled": false}})");
    document["zurg"].emplace_object()["instances"].emplace_object()["RealDebrid"] = std::move(block);
    write_text(root_ / "config/dumb_config.json", jsonx::print(document));
  }

  ReleaseServer releases;

  /// A release whose program listens on the port of its configuration, or ends at once.
  enum class Kind { works, breaks };
  void publish(const std::string& tag, const std::string& date, Kind kind = Kind::works) {
    const std::string script =
        "#!/bin/sh\nif [ \"$1\" = version ]; then echo \"Version: " + tag + "\"; exit 0; fi\n" +
        (kind == Kind::breaks
             ? "exit 3\n"
             : "port=$(sed -n 's/^port: *\"\\{0,1\\}\\([0-9]*\\).*/\\1/p' " +
                   (root_ / "zurg/RD/config.yml").native() + ")\nexec " + (root_ / "child").native() +
                   " --text 'this is " + tag + "' --listen $port\n");
    ReleaseServer::Release release;
    release.tag = tag;
    release.published = date;
    for (const char* arch : {"amd64", "arm64"})
      release.files.push_back(
          {"zurg-" + tag + "-linux-" + arch + ".zip", make_zip({{"zurg", script, 0755}})});
    releases.add(repository, release);
  }

  void start() {
    std::vector<std::string> environment{"PATH=/usr/bin:/bin", "HOME=" + root_.path().native(),
                                         "DUMB_LIMIT_STABILIZATION_S=0.5", "DUMB_LIMIT_HEALTH_TIMEOUT_S=30"};
    for (const auto& [name, value] : releases.endpoints()) environment.push_back(name + "=" + value);
    program_.emplace(std::vector<std::string>{DUMB_SERVER, "--root", root_.path().native(), "--port", "0"},
                     environment);
  }
  void end() {
    program_->signal(SIGTERM);
    CHECK(program_->wait() == 0);
  }
  json::value get(std::string_view target) {
    return parsed(request(program_->listening_port(), "GET", target).body);
  }
  Answer post(std::string_view target, const json::object& body) {
    return request(program_->listening_port(), "POST", target, jsonx::print_compact(body));
  }
  json::object update(std::string_view what, json::object body = {}) {
    body["process_name"] = zurg;
    const Answer answer = post(what, body);
    INFO(answer.body);
    REQUIRE(answer.status == 200);
    return parsed(answer.body).as_object();
  }
  json::object status() {
    return get("/process/service-status?include_health=true&process_name=" + text::percent_encode(zurg))
        .as_object();
  }
  bool becomes_healthy() {
    return eventually(
        [&] {
          const json::object at = status();
          return jsonx::string_at(at, "state") == "running" && jsonx::bool_at(at, "healthy", false);
        },
        std::chrono::seconds(60));
  }
  std::string version() {
    const json::value state = parsed(read_text(root_ / "zurg/RD/.dumb/state.json"));
    return jsonx::string_at(state.as_object(), "version");
  }
  std::filesystem::path at(std::string_view path) const { return root_ / path; }
  std::string said() { return program_->output() + program_->errors(); }

 private:
  TempDir root_;
  std::optional<Program> program_;
};

}  // namespace

TEST_CASE("a service that is missing is installed, configured, started and healthy",
          "[server][setup][SVC-13][SVC-52][SVC-101][SVC-223][LIF-28]") {
  Installed stack;
  stack.publish("v1.0.0", "2026-01-01T00:00:00Z");
  stack.start();
  REQUIRE(stack.becomes_healthy());
  CHECK(stack.version() == "v1.0.0");
  CHECK(std::filesystem::read_symlink(stack.at("zurg/RD/zurg")) == ".dumb/current/zurg");
  CHECK_THAT(read_text(stack.at("zurg/RD/config.yml")), ContainsSubstring(debrid_key));
  const json::value stored = parsed(read_text(stack.at("config/dumb_config.json")));
  CHECK(stored.at_pointer("/zurg/instances/RealDebrid/release_version") == json::value("v1.0.0"));
  const std::size_t requests = stack.releases.requests().size();
  stack.end();
  // The second start finds everything there.
  stack.start();
  REQUIRE(stack.becomes_healthy());
  CHECK(stack.releases.requests().size() == requests);
  CHECK(stack.said().find(debrid_key) == std::string::npos);
  stack.end();
}

TEST_CASE("an update replaces a running service, and one that does not run is taken back",
          "[server][engine][API-50][API-51][API-54][API-56][SVC-75][SVC-89][SVC-98][SVC-102]") {
  Installed stack;
  stack.publish("v1.0.0", "2026-01-01T00:00:00Z");
  stack.start();
  REQUIRE(stack.becomes_healthy());
  const std::string where = "/process/update-status?process_name=" + text::percent_encode(zurg);
  CHECK(stack.get(where).at("update_status").is_null());
  CHECK(jsonx::string_at(stack.update("/process/update-check"), "status") == "no_update");
  CHECK(jsonx::string_at(stack.update("/process/update-install"), "status") == "no_update");

  stack.publish("v1.1.0", "2026-02-01T00:00:00Z");
  const json::object found = stack.update("/process/update-check");
  CHECK(jsonx::string_at(found, "status") == "update_available");
  CHECK(jsonx::string_at(found, "current_version") == "v1.0.0");
  CHECK(jsonx::string_at(found, "available_version") == "v1.1.0");
  CHECK(found.at("next_check_at").is_null());
  CHECK(stack.get(where).at_pointer("/update_status/status") == json::value("update_available"));
  const auto before = stack.status().at("pid");
  const json::object done = stack.update("/process/update-install");
  CHECK(jsonx::string_at(done, "status") == "updated");
  CHECK(stack.version() == "v1.1.0");
  CHECK(stack.becomes_healthy());
  CHECK(stack.status().at("pid") != before);

  stack.publish("v1.2.0", "2026-03-01T00:00:00Z", Installed::Kind::breaks);
  const json::object failed = stack.update("/process/update-install");
  CHECK(jsonx::string_at(failed, "status") == "error");
  CHECK_THAT(jsonx::string_at(failed, "message"), ContainsSubstring("the previous version was restored"));
  CHECK(stack.version() == "v1.1.0");
  CHECK(stack.becomes_healthy());
  CHECK(stack.get(where).at_pointer("/update_status/status") == json::value("error"));

  // A service that is stopped is updated and stays stopped.
  json::object name;
  name["process_name"] = zurg;
  CHECK(stack.post("/process/stop-service", name).status == 200);
  stack.publish("v1.3.0", "2026-04-01T00:00:00Z");
  CHECK(jsonx::string_at(stack.update("/process/update-install"), "status") == "updated");
  CHECK(stack.version() == "v1.3.0");
  CHECK(jsonx::string_at(stack.status(), "state") != "running");
  stack.end();
}

TEST_CASE("what the configuration holds is updated only when told so, and schedules are kept",
          "[server][engine][API-48][API-52][API-55][API-57][SVC-88][SVC-93][SVC-96][SVC-99]") {
  Installed stack(R"({"release_version_enabled": true, "release_version": "v1.0.0", "auto_update": true})");
  stack.publish("v1.0.0", "2026-01-01T00:00:00Z");
  stack.publish("v1.1.0", "2026-02-01T00:00:00Z");
  stack.start();
  REQUIRE(stack.becomes_healthy());
  CHECK(stack.version() == "v1.0.0");
  const json::object held = stack.update("/process/update-check");
  CHECK(jsonx::string_at(held, "status") == "blocked");
  CHECK(jsonx::string_at(held, "reason") == "release");
  const json::object refused = stack.update("/process/update-install");
  CHECK(jsonx::string_at(refused, "status") == "blocked");
  CHECK(jsonx::string_at(refused, "reason") == "release");
  CHECK(stack.version() == "v1.0.0");

  CHECK(jsonx::string_at(stack.update("/process/auto-update/reschedule"), "status") == "ok");
  const std::string where = "/process/update-status?process_name=" + text::percent_encode(zurg);
  CHECK(stack.get(where).at_pointer("/update_status/status") == json::value("disabled"));
  CHECK(stack.get(where).at_pointer("/update_status/next_check_at").is_null());
  json::object change;
  change["process_name"] = zurg;
  change["updates"].emplace_object()["release_version_enabled"] = false;
  change["persist"] = false;
  REQUIRE(stack.post("/config", change).status == 200);
  stack.update("/process/auto-update/reschedule");
  const json::value scheduled = stack.get(where);
  CHECK(scheduled.at_pointer("/update_status/status") == json::value("scheduled"));
  const auto next = scheduled.at_pointer("/update_status/next_check_at");
  CHECK(next.is_int64());
  CHECK(eventually([&] { return std::filesystem::exists(stack.at("config/updates/schedule.json")); }));

  json::object unknown;
  unknown["process_name"] = "Nobody";
  CHECK(stack.post("/process/update-check", unknown).status == 404);
  unknown["process_name"] = " ";
  CHECK(stack.post("/process/update-install", unknown).status == 400);
  stack.end();
}
