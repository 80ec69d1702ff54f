#include <signal.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <set>

#include "answers.hpp"
#include "golden.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;

namespace {

json::object child(std::vector<std::string> arguments = {}, std::string_view name = "Child w/ Slash") {
  json::object services;
  services["child"] = child_block(name, arguments);
  return services;
}

std::string detail_of(const Answer& answer) {
  const json::value body = parsed(answer.body);
  REQUIRE(body.as_object().size() == 1);
  REQUIRE(body.at("detail").is_string());
  return std::string(body.at("detail").as_string());
}

/// What the answer to `target` is, with what may differ between two calls made steady.
json::value steady_body(Stack& stack, const Answer& answer) {
  return steady(parsed(answer.body), stack);
}

/// Users and the description of the API have rules of their own (auth_api_test.cpp, openapi_test.cpp).
bool is_apart(const server::Route& route) {
  return route.path.starts_with("/auth/") || route.path == "/openapi.json" || route.path == "/docs" ||
         route.path == "/scalar";
}

/// A query that every GET route accepts or ignores.
constexpr std::string_view any_query = "?process_name=Child+w%2F+Slash";

/// What that query gets from a GET route.
int status_of_any_query(const server::Route& route) {
  const bool needs_more =
      route.path == "/process/symlink-manifest/compare" || route.path == "/process/symlink-job-status";
  return needs_more ? 422 : 200;
}

}  // namespace

TEST_CASE("every route answers with and without /api and final slash alike",
          "[server][API-2][API-3][UI-8][CFG-70]") {
  Stack stack(child());
  std::size_t seen = 0;
  for (const server::Route& route : stack.routes()) {
    const std::string path(route.path);
    if (is_apart(route)) continue;
    const auto ask = [&](const std::string& target) {
      return route.method == "GET" ? stack.get(target + std::string(any_query)) : stack.post(target, "{}");
    };
    const Answer plain = ask(path);
    INFO(route.method << ' ' << path << ": " << plain.body);
    // A repair without any rule is a sentence that can be read, and makes no sense.
    const bool readable = path.starts_with("/process/symlink-repair");
    const int posted = !route.body ? 200 : readable ? 400 : 422;
    CHECK(plain.status == (route.method == "GET" ? status_of_any_query(route) : posted));
    CHECK(plain.headers.at("content-type") == "application/json");
    for (const std::string& other : {path + "/", "/api" + path, "/api" + path + "/"}) {
      const Answer answer = ask(other);
      INFO(other << ": " << answer.body);
      CHECK(answer.status == plain.status);
      CHECK(steady_body(stack, answer) == steady_body(stack, plain));
    }
    ++seen;
  }
  CHECK(seen >= 11);
}

TEST_CASE("every route has a summary, types with schemas and a method of its own", "[server]") {
  Stack stack(child());
  std::set<std::string> seen;
  for (const server::Route& route : stack.routes()) {
    INFO(route.method << ' ' << route.path);
    CHECK_FALSE(route.summary.empty());
    CHECK(seen.insert(std::string(route.method) + std::string(route.path)).second);
    CHECK(bool(route.answer));
    if (is_apart(route)) continue;
    CHECK((route.effect == server::Effect::changes_state) == (route.method != "GET"));
    CHECK((route.access == server::Access::open) == (route.path == "/health"));
    CHECK(route.access != server::Access::user);
    if (route.method == "POST" && route.body) CHECK(route.body.schema().contains("properties"));
  }
}

TEST_CASE("unknown paths and wrong methods are told so", "[server][API-4]") {
  Stack stack(child());
  for (const char* path : {"/", "/nothing", "/api", "/process/nothing", "/api/api/process"}) {
    INFO(path);
    const Answer answer = stack.get(path);
    CHECK(answer.status == 404);
    CHECK(answer.body == R"({"detail":"Not Found"})");
  }
  for (const server::Route& route : stack.routes()) {
    const Answer answer = request(stack.port(), "PATCH", route.path);
    INFO(route.path);
    CHECK(answer.status == 405);
    CHECK(answer.body == R"({"detail":"Method Not Allowed"})");
    CHECK_THAT(answer.headers.at("allow"), ContainsSubstring(std::string(route.method)));
  }
  CHECK(stack.get("/process/start-service").headers.at("allow") == "POST");
  CHECK(request(stack.port(), "PUT", "/config/").headers.at("allow") == "GET, HEAD, POST");
  CHECK(request(stack.port(), "OPTIONS", "/process").status == 405);
}

TEST_CASE("HEAD is GET without the body", "[server][API-4]") {
  Stack stack(child());
  for (const server::Route& route : stack.routes()) {
    if (route.method != "GET" || is_apart(route)) continue;
    const std::string target = std::string(route.path) + std::string(any_query);
    const Answer head = request(stack.port(), "HEAD", target);
    INFO(target);
    CHECK(head.status == status_of_any_query(route));
    CHECK(head.headers.at("content-type") == "application/json");
    CHECK(std::stoul(head.headers.at("content-length")) > 0);
    CHECK(head.body.empty());
  }
  CHECK(request(stack.port(), "HEAD", "/process/start-service").status == 405);
}

TEST_CASE("requests from elsewhere are refused while authentication is off", "[server][API-5]") {
  Stack stack(child(), {"stack.example.com"});
  const auto ask = [&](std::string_view method, std::string_view target, std::string_view host,
                       std::string_view head) {
    RawClient client(stack.port());
    client.send(std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: " + std::string(host) +
                "\r\n" + std::string(head) + "Connection: close\r\n\r\n");
    const auto answer = client.receive();
    REQUIRE(answer);
    return *answer;
  };
  for (const char* host : {"evil.example", "evil.example:8000", "8.8.8.8", "[2001:db8::1]"}) {
    const Answer refused = ask("GET", "/process/capabilities", host, "");
    INFO(host);
    CHECK(refused.status == 403);
    CHECK_THAT(detail_of(refused), ContainsSubstring("dumb.api_service.allowed_hosts"));
    CHECK(refused.headers.count("access-control-allow-origin") == 0);
  }
  const Answer foreign = ask("POST", "/process/stop-service", "localhost", "Origin: http://evil.example\r\n");
  CHECK(foreign.status == 403);
  CHECK(foreign.headers.count("access-control-allow-origin") == 0);
  CHECK(ask("GET", "/config", "localhost", "Origin: null\r\n").status == 403);
  CHECK(ask("GET", "/nothing", "evil.example", "").status == 403);
  CHECK(ask("GET", "http://evil.example/config", "localhost", "").status == 403);
  CHECK(ask("GET", "/process/capabilities", "stack.example.com", "").status == 200);

  const Answer allowed =
      ask("GET", "/process/capabilities", "dumb:8000", "Origin: http://192.168.1.5:3005\r\n");
  CHECK(allowed.status == 200);
  CHECK(allowed.headers.at("access-control-allow-origin") == "http://192.168.1.5:3005");
  CHECK(allowed.headers.at("access-control-allow-credentials") == "true");
  CHECK(allowed.headers.at("vary") == "Origin");
  CHECK(ask("GET", "/process/capabilities", "dumb", "").headers.count("access-control-allow-origin") == 0);
}

TEST_CASE("a preflight names what is allowed", "[server][API-5]") {
  Stack stack(child());
  const auto preflight = [&](std::string_view origin) {
    return request(stack.port(), "OPTIONS", "/api/process/start-service", {},
                   "Origin: " + std::string(origin) +
                       "\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: "
                       "content-type, x-a\r\n");
  };
  const Answer allowed = preflight("http://nas.local:3005");
  CHECK(allowed.status == 200);
  CHECK(allowed.headers.at("access-control-allow-origin") == "http://nas.local:3005");
  CHECK_THAT(allowed.headers.at("access-control-allow-methods"), ContainsSubstring("POST"));
  CHECK(allowed.headers.at("access-control-allow-headers") == "content-type, x-a");
  const Answer refused = preflight("http://evil.example");
  CHECK(refused.status == 403);
  CHECK(refused.headers.count("access-control-allow-origin") == 0);
  CHECK(refused.headers.count("access-control-allow-methods") == 0);
}

TEST_CASE("capabilities are the contract's seventeen flags in order, then those of later features",
          "[server][API-46][API-47][SYM-1]") {
  Stack stack(child());
  const Answer answer = stack.get("/process/capabilities");
  REQUIRE(answer.status == 200);
  const json::value body = parsed(answer.body);
  std::string names;
  for (const auto& [key, flag] : body.as_object()) {
    CHECK(flag.is_bool());
    names += std::string(key) + " ";
  }
  CHECK(names ==
        "optional_only_onboarding optional_service_options manual_update_check seerr_sync "
        "auto_update_start_time "
        "symlink_repair symlink_repair_async symlink_manifest_backup symlink_manifest_backup_async "
        "symlink_job_status symlink_job_latest symlink_manifest_restore symlink_manifest_restore_async "
        "symlink_manifest_compare symlink_backup_schedule symlink_backup_manifest_list "
        "symlink_manifest_file_list symlink_job_cancel symlink_repair_undo symlink_repair_resume ");
  for (const auto& [key, flag] : body.as_object()) {
    const std::string_view name(key);
    const bool built = name.starts_with("symlink_") || name.starts_with("optional_") ||
                       name == "manual_update_check" || name == "auto_update_start_time";
    CHECK(flag.as_bool() == built);
  }
}

TEST_CASE("health is healthy before anything should run", "[server][LIF-116]") {
  Stack stack(child());
  const Answer answer = stack.get("/health");
  CHECK(answer.status == 200);
  CHECK(answer.body == R"({"status":"healthy"})");
}

TEST_CASE("processes are listed in the contract's shape", "[server][API-20][API-6]") {
  Stack stack(child());
  const Answer answer = stack.get("/process/processes");
  REQUIRE(answer.status == 200);
  const json::value body = parsed(answer.body);
  REQUIRE(body.as_object().size() == 1);
  const json::array& list = body.at("processes").as_array();
  const auto found = std::find_if(list.begin(), list.end(), [](const json::value& entry) {
    return entry.at("process_name") == "Child w/ Slash";
  });
  REQUIRE(found != list.end());
  CHECK_GOLDEN("processes-entry", steady(*found, stack));
  CHECK(std::any_of(list.begin(), list.end(),
                    [](const json::value& entry) { return entry.at("config_key") == "dumb_api_service"; }));
}

TEST_CASE("processes carry their key, their links and their secrets",
          "[server][API-17][API-20][API-21][API-22]") {
  json::object services = child();
  services["child"].as_object()["api_key"] = "plain-secret-1";
  services["child"].as_object()["repo_owner"] = "acme";
  json::object own = child_block("Own", {});
  own["repo_owner"] = "acme";
  own["repo_name"] = "mill";
  own["password"] = "plain-secret-2";
  services["own"] = std::move(own);
  json::object forked;
  forked["repo_owner"] = "fork";
  forked["repo_name"] = "zurg-testing";
  jsonx::set(services, {"zurg", "instances", "RealDebrid"}, std::move(forked));
  json::object second = child_block("rclone w/ Two", {});
  second["mount_name"] = "two";
  second["api_key"] = "plain-secret-3";
  jsonx::set(services, {"rclone", "instances", "Second One"}, std::move(second));
  Stack stack(services);
  const json::value body = parsed(stack.get("/process/processes").body);
  const auto entry = [&](const char* name) -> const json::value& {
    const json::array& list = body.at("processes").as_array();
    const auto found = std::find_if(list.begin(), list.end(),
                                    [&](const json::value& one) { return one.at("process_name") == name; });
    INFO(name);
    REQUIRE(found != list.end());
    return *found;
  };
  const auto detail = [&](const char* name) {
    const std::string query = text::replace_all(text::replace_all(name, "/", "%2F"), " ", "+");
    return parsed(stack.get("/process?process_name=" + query).body);
  };
  const auto is = [&](const char* name, const char* key, std::string_view instance) {
    INFO(name);
    CHECK(entry(name).at("name") == name);
    CHECK(entry(name).at("config_key") == key);
    CHECK(entry(name).at("key") == key);
    CHECK(entry(name).at("instance_name") ==
          (instance.empty() ? json::value() : json::value(json::string(instance))));
    CHECK(detail(name).at("config_key") == key);
  };
  is("Zurg w/ RealDebrid", "zurg", "RealDebrid");
  is("rclone w/ Two", "rclone", "Second One");
  is("DUMB API", "dumb_api_service", "");
  is("DUMB Frontend", "dumb_frontend", "");
  is("Zilean", "zilean", "");
  is("Own", "own", "");

  const auto links = [&](const char* name) {
    CHECK(detail(name).at("repo_url") == entry(name).at("repo_url"));
    return entry(name).at("repo_url");
  };
  CHECK(links("Own") == "https://github.com/acme/mill");
  CHECK(links("Child w/ Slash") == json::value());  // a name is missing
  CHECK(links("rclone w/ Two") == "https://rclone.org");
  CHECK(links("PostgreSQL") == "https://www.postgresql.org");
  CHECK(links("Zurg w/ RealDebrid") == "https://github.com/fork/zurg-testing");

  CHECK(entry("Child w/ Slash").at("config").at("api_key") == "plain-secret-1");
  CHECK(entry("Own").at("config").at("password") == "plain-secret-2");
  CHECK(entry("rclone w/ Two").at("config").at("api_key") == "plain-secret-3");
  const json::value shown = detail("Own");
  CHECK(shown.at("config") == entry("Own").at("config"));
  CHECK(shown.at("config").at("password") == "plain-secret-2");
  for (const char* target :
       {"/process/service-status?process_name=Own&include_health=true", "/health", "/process/capabilities"}) {
    INFO(target);
    CHECK_THAT(stack.get(target).body, !ContainsSubstring("plain-secret"));
  }
}

TEST_CASE("a process that survives SIGKILL, and any failure inside, is a 500 that names it",
          "[server][API-32][API-38][LIF-66]") {
  const server::Response answer = server::error_response(
      Error(Errc::stop_failed, "something it started is still alive after SIGKILL", "Own"));
  CHECK(answer.status == 500);
  CHECK(parsed(answer.body).at("detail") == "Own: something it started is still alive after SIGKILL");
  CHECK(server::status_of(Error(Errc::io, "x")) == 500);
  CHECK(server::status_of(Error(Errc::timed_out, "gave up: /mnt")) == 500);
  CHECK(server::status_of(Error(boost::system::errc::make_error_code(boost::system::errc::io_error), "x")) ==
        500);
}

TEST_CASE("one process is shown in detail", "[server][API-24][API-16]") {
  Stack stack(child());
  const Answer answer = stack.get("/process?process_name=Child+w%2F+Slash");
  REQUIRE(answer.status == 200);
  CHECK_GOLDEN("process", steady_body(stack, answer));
  CHECK(stack.get("/process?process_name=%20child%20w/slash%20&scope=%20ALL%20").status == 200);
  const Answer missing = stack.get("/process");
  CHECK(missing.status == 422);
  CHECK_GOLDEN("422-process", parsed(missing.body));
  CHECK(stack.get("/process?process_name=Child+w/+Slash&scope=").status == 200);  // DEP-21
  for (const char* target : {"/process?process_name=", "/process?process_name=+",
                             "/process?process_name=Child+w/+Slash&scope=some"}) {
    INFO(target);
    const Answer bad = stack.get(target);
    CHECK(bad.status == 400);
    detail_of(bad);
  }
  const Answer unknown = stack.get("/process?process_name=Nobody");
  CHECK(unknown.status == 404);
  CHECK_THAT(detail_of(unknown), ContainsSubstring("Nobody"));
}

TEST_CASE("a service is started, seen, restarted and stopped",
          "[server][API-28][API-30][API-33][API-35][API-36][API-39][API-42][API-43][API-45]") {
  Stack stack(child({"--text", "hello", "--error", "warned"}));
  const std::string name = "Child w/ Slash";
  CHECK(stack.state(name) == "stopped");

  const Answer started = stack.operate("start-service", "childw/slash");
  REQUIRE(started.status == 200);
  CHECK_GOLDEN("start-service", parsed(started.body));
  CHECK(stack.stored().at("child").at("enabled") == true);
  const Answer running = stack.get("/process/service-status?process_name=Child+w/+Slash");
  REQUIRE(running.status == 200);
  CHECK_GOLDEN("service-status-running", steady_body(stack, running));
  const json::value before = parsed(running.body);

  const Answer again = stack.operate("start-service", name);
  CHECK(again.status == 200);
  CHECK(again.body == started.body);
  CHECK(parsed(stack.get("/process/service-status?process_name=Child+w/+Slash").body).at("pid") ==
        before.at("pid"));

  const Answer restarted = stack.operate("restart-service", name);
  CHECK(restarted.status == 200);
  CHECK_GOLDEN("restart-service", parsed(restarted.body));
  CHECK(parsed(stack.get("/process/service-status?process_name=Child+w/+Slash").body).at("pid") !=
        before.at("pid"));

  const Answer health = stack.get("/process/service-status?process_name=Child+w/+Slash&include_health=true");
  REQUIRE(health.status == 200);
  CHECK_GOLDEN("service-status-health", steady_body(stack, health));

  for (int i = 0; i < 2; ++i) {
    const Answer stopped = stack.operate("stop-service", name);
    CHECK(stopped.status == 200);
    CHECK_GOLDEN("stop-service", parsed(stopped.body));
  }
  CHECK_GOLDEN("service-status-stopped",
               steady_body(stack, stack.get("/process/service-status?process_name=Child+w/+Slash")));
  CHECK(stack.stored().at("child").at("enabled") == true);
}

TEST_CASE("the restarts of a service and its crash loop are in its status",
          "[server][API-43][API-45][LIF-95]") {
  json::object services;
  services["child"] = child_block("Child w/ Slash", {"--exit", "3"});
  services["child"].as_object()["enabled"] = true;
  services["dumb"] = *jsonx::parse(R"({"frontend": {"enabled": false},
      "auto_restart": {"enabled": true, "backoff_seconds": [0], "max_restarts": 1, "window_seconds": 3600,
                       "services": ["Child w/ Slash"]}})");
  Stack stack(services);
  stack.loop().await([&] { return stack.engine().boot(); });
  json::value status;
  REQUIRE(eventually([&] {
    const std::string target = "/process/service-status?process_name=Child+w/+Slash&include_health=true";
    status = steady_body(stack, stack.get(target));
    return status.at("restart").at("crash_loop") == true;
  }));
  CHECK_GOLDEN("service-status-restarts", status.at("restart"));
  CHECK(status.at("state") == "failed");
  CHECK(status.at("status") == "stopped");
}

TEST_CASE("operations on what cannot be operated fail with the table's status",
          "[server][API-14][API-16][API-18][API-35][API-39]") {
  Stack stack(child());
  for (const char* operation : {"start-service", "stop-service", "restart-service"}) {
    INFO(operation);
    const Answer unknown = stack.operate(operation, "Nobody");
    CHECK(unknown.status == 404);
    CHECK_THAT(detail_of(unknown), ContainsSubstring("Nobody"));
    CHECK(stack.operate(operation, "  ").status == 400);
    const Answer own = stack.operate(operation, "DUMB API");
    CHECK(own.status == 400);
    CHECK_THAT(detail_of(own), ContainsSubstring("DUMB API"));
    const std::string path = std::string("/process/") + operation;
    CHECK_GOLDEN("422-operation", parsed(stack.post(path, R"({"process_name":5})").body));
    CHECK(stack.post(path, "").status == 422);
    CHECK(stack.post(path, "{").status == 422);
    CHECK(request(stack.port(), "POST", path, "process_name=Child", "Content-Type: text/plain\r\n").status ==
          422);
  }
}

TEST_CASE("a start that fails tells why", "[server][API-29][API-31]") {
  json::object services = child({"--error", "no such database", "--exit", "7", "--after", "50"}, "Ends");
  services["missing"] = child_block("Missing", {});
  services["missing"].as_object()["command"] = json::array{"/nonexistent/program"};
  services["empty"] = child_block("Empty", {});
  services["empty"].as_object()["command"] = json::array();
  Stack stack(services);
  const Answer ended = stack.operate("start-service", "Ends");
  CHECK(ended.status == 500);
  CHECK_THAT(detail_of(ended), ContainsSubstring("Ends") && ContainsSubstring("exit code 7") &&
                                   ContainsSubstring("no such database"));
  const Answer missing = stack.operate("start-service", "Missing");
  CHECK(missing.status == 500);
  CHECK_THAT(detail_of(missing), ContainsSubstring("Missing") && ContainsSubstring("/nonexistent/program"));
  const Answer empty = stack.operate("start-service", "Empty");
  CHECK(empty.status == 500);
  CHECK_THAT(detail_of(empty), ContainsSubstring("Empty") && ContainsSubstring("command"));
  CHECK(stack.state("Ends") == "failed");
}

TEST_CASE("a second operation conflicts and a stop ends a start that waits", "[server][API-19][LIF-46]") {
  json::object services = child({}, "Waiting");
  services["child"].as_object()["wait_for_dir"] = "/never/there";
  Stack stack(services);
  auto starting = stack.operate_later("start-service", "Waiting");
  REQUIRE(eventually([&] { return stack.state("Waiting") == "waiting"; }));
  const Answer second = stack.operate("start-service", "Waiting");
  CHECK(second.status == 409);
  CHECK_THAT(detail_of(second), ContainsSubstring("Waiting"));
  CHECK(stack.get("/process/processes").status == 200);
  CHECK(stack.operate("stop-service", "Waiting").status == 200);
  const Answer first = starting.get();
  CHECK(first.status == 409);
  CHECK_THAT(detail_of(first), ContainsSubstring("Waiting"));
  CHECK(stack.state("Waiting") == "stopped");
}

TEST_CASE("a stop during a stop answers at once", "[server][API-37]") {
  Stack stack(child({"--ignore-term"}, "Stubborn"));
  REQUIRE(stack.operate("start-service", "Stubborn").status == 200);
  const json::value status = parsed(stack.get("/process/service-status?process_name=Stubborn").body);
  auto stopping = stack.operate_later("stop-service", "Stubborn");
  REQUIRE(eventually([&] { return stack.state("Stubborn") == "stopping"; }));
  const Answer second = stack.operate("stop-service", "Stubborn");
  CHECK(second.status == 200);
  CHECK_GOLDEN("stop-service-again", parsed(second.body));
  CHECK(stack.operate("start-service", "Stubborn").status == 409);
  // Alive for sure: it ignores the signal that asked it to end, and its grace is long.
  ::kill(status.at("pid").to_number<pid_t>(), SIGKILL);
  CHECK(stopping.get().status == 200);
}

TEST_CASE("a client that disconnects does not cancel a start", "[server][API-7][LIF-47]") {
  json::object services = child({}, "Waiting");
  services["child"].as_object()["wait_for_dir"] = "/soon";
  Stack stack(services);
  {
    RawClient client(stack.port());
    const std::string body = R"({"process_name":"Waiting"})";
    client.send("POST /process/start-service HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
    REQUIRE(eventually([&] { return stack.state("Waiting") == "waiting"; }));
  }
  std::filesystem::create_directories(stack.root() / "soon");
  CHECK(eventually([&] { return stack.state("Waiting") == "running"; }));
}

TEST_CASE("status judges its parameters", "[server][API-41][API-42][LIF-82][LIF-84]") {
  Stack stack(child());
  CHECK(stack.get("/process/service-status").status == 422);
  CHECK(stack.get("/process/service-status?process_name=x&include_health=perhaps").status == 422);
  CHECK(stack.get("/process/service-status?process_name=Nobody").status == 404);
  CHECK(stack.get("/process/service-status?process_name=Nobody&include_health=1").status == 404);
  CHECK(stack.get("/process/service-status?process_name=+").status == 400);
  const json::value own = parsed(stack.get("/process/service-status?process_name=dmb+api").body);
  CHECK(own.at("status") == "running");
}

TEST_CASE("the log of a service is read in pieces", "[server][LIF-109][LIF-110]") {
  json::object services = child({"--text", "hello from the child"}, "Child");
  services["child"].as_object()["log_file"] = "/log/child.log";
  Stack stack(services);
  REQUIRE(stack.operate("start-service", "Child").status == 200);
  REQUIRE(eventually([&] {
    return stack.get("/logs?process_name=Child").body.find("hello from the child") != std::string::npos;
  }));
  const json::value first = parsed(stack.get("/logs?process_name=Child").body);
  std::string names;
  for (const auto& member : first.as_object()) names += std::string(member.key()) + " ";
  CHECK(names == "process_name size cursor chunk reset log file_id ");
  CHECK(first.at("reset") == true);
  CHECK(first.at("log") == first.at("chunk"));
  const json::value next =
      parsed(stack
                 .get("/logs/?process_name=Child&cursor=" + jsonx::scalar_text(first.at("cursor")) +
                      "&file_id=" + text::percent_encode(jsonx::scalar_text(first.at("file_id"))))
                 .body);
  CHECK(next.at("reset") == false);
  CHECK(next.at("log").is_null());
  CHECK(stack.get("/logs").status == 422);
  CHECK(stack.get("/logs?process_name=Child&cursor=x").status == 422);
  CHECK(stack.get("/logs?process_name=Child&tail_bytes=1.5").status == 422);
  CHECK(stack.get("/logs?process_name=Child&tail_bytes=1").status == 200);
  CHECK(stack.get("/logs?process_name=Nobody").status == 404);
}

TEST_CASE("the configuration is read whole and by process", "[server][CFG-71]") {
  Stack stack(child());
  const json::value whole = parsed(stack.get("/config/").body);
  CHECK(whole.at("child").at("process_name") == "Child w/ Slash");
  CHECK(whole.as_object().contains("postgres"));
  const json::value block = parsed(stack.get("/config?process_name=Child+w/+Slash").body);
  CHECK(block == whole.at("child"));
  CHECK(stack.get("/config?process_name=Nobody").status == 404);
}

TEST_CASE("the configuration is changed and faults are told", "[server][CFG-72][CFG-82][CFG-87]") {
  Stack stack(child());
  const auto update = [&](std::string_view body) { return stack.post("/api/config/", body); };
  const Answer service = update(
      R"({"process_name":"Child w/ Slash","updates":{"suppress_logging":true},"persist":true,"config_format":"x"})");
  CHECK(service.status == 200);
  CHECK_GOLDEN("config-service", parsed(service.body));
  CHECK(stack.stored().at("child").at("suppress_logging") == true);
  const Answer global = update(R"({"updates":{"dumb":{"ui":{"sidebar":{"compact_mode":true}}}}})");
  CHECK(global.status == 200);
  CHECK_GOLDEN("config-global", parsed(global.body));
  CHECK(parsed(stack.get("/config").body).at("dumb").at("ui").at("sidebar").at("compact_mode") == true);
  const Answer faulty = update(R"({"process_name":5,"persist":"perhaps"})");
  CHECK(faulty.status == 422);
  CHECK_GOLDEN("422-config", parsed(faulty.body));
  CHECK(update(R"({"updates":[]})").status == 422);
  CHECK(update("").status == 422);
  CHECK(update("{").status == 422);
  CHECK(update(R"({"updates":{}})").status == 400);
  CHECK(update(R"({"process_name":"Nobody","updates":{"enabled":true}})").status == 404);
  const Answer unknown_key = update(R"({"updates":{"nobody":{"enabled":true}}})");
  CHECK(unknown_key.status == 400);
  CHECK_THAT(detail_of(unknown_key), ContainsSubstring("nobody"));
  const Answer bad_value = update(R"({"process_name":"Child w/ Slash","updates":{"enabled":"perhaps"}})");
  CHECK(bad_value.status == 400);
  CHECK_THAT(detail_of(bad_value), ContainsSubstring("enabled"));
}

TEST_CASE("during shutdown reads are answered and changes refused", "[server][API-19][LIF-72][LIF-78]") {
  Stack stack(child());
  stack.begin_shutdown();
  for (const server::Route& route : stack.routes()) {
    INFO(route.method << ' ' << route.path);
    if (is_apart(route)) continue;
    if (route.effect == server::Effect::changes_state) {
      const Answer refused = stack.post(route.path, R"({"process_name":"Child w/ Slash","updates":{}})");
      CHECK(refused.status == 503);
      detail_of(refused);
    } else {
      CHECK(stack.get(std::string(route.path) + std::string(any_query)).status == status_of_any_query(route));
    }
  }
  CHECK_THAT(stack.get("/health").body, ContainsSubstring("unhealthy"));
}

TEST_CASE("sixty-four clients at page load are all answered", "[server][UI-7]") {
  Stack stack(child());
  std::vector<RawClient> clients;
  for (int i = 0; i < 64; ++i) clients.emplace_back(stack.port());
  const std::vector<std::string> targets{
      "/api/process/processes", "/api/health", "/api/process/?process_name=Child+w/+Slash",
      "/api/process/service-status?process_name=Child+w/+Slash&include_health=true"};
  for (std::size_t i = 0; i < clients.size(); ++i) {
    REQUIRE(clients[i].send("GET " + targets[i % targets.size()] +
                            " HTTP/1.1\r\nHost: dumb\r\nConnection: close\r\n\r\n"));
  }
  for (auto& client : clients) {
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 200);
  }
}
