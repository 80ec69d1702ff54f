#include <fmt/format.h>

#include "cli/src/services.hpp"
#include "support/cli_program.hpp"

using namespace dumb;
using test::check_golden;
using test::CliProgram;

namespace {

constexpr std::string_view processes = R"({"processes":[
  {"name":"DUMB API","process_name":"DUMB API","enabled":true,"config":{"port":8000},"version":"v0.1.0",
   "key":"dumb_api_service","config_key":"dumb_api_service","repo_url":null,"sponsorship_url":null,"instance_name":null},
  {"name":"rclone w/ RealDebrid","process_name":"rclone w/ RealDebrid","enabled":true,"config":{"password":"geheim"},
   "version":"1.65.1","key":"rclone","config_key":"rclone","repo_url":null,"sponsorship_url":null,"instance_name":"RealDebrid"},
  {"name":"Zilean","process_name":"Zilean","enabled":true,"config":{"port":8182},"version":null,
   "key":"zilean","config_key":"zilean","repo_url":null,"sponsorship_url":null,"instance_name":null},
  {"name":"NzbDAV","process_name":"NzbDAV","enabled":true,"config":{"frontend_port":3000,"backend_port":8080},
   "version":"0.5.4","key":"nzbdav","config_key":"nzbdav","repo_url":null,"sponsorship_url":null,"instance_name":null},
  {"name":"映画サーバー","process_name":"映画サーバー","enabled":true,"config":{"port":8096},"version":null,
   "key":"film","config_key":"film","repo_url":null,"sponsorship_url":null,"instance_name":null},
  {"name":"Plex Media Server","process_name":"Plex Media Server","enabled":false,"config":{"port":32400},
   "version":null,"key":"plex","config_key":"plex","repo_url":null,"sponsorship_url":null,"instance_name":null}
]})";

constexpr std::string_view no_restart =
    R"({"restart_attempts":0,"restart_successes":0,"restart_failures":0,"recent_restart_attempts":0,"pending":false,)"
    R"("next_restart_time":null,"disabled":false,"last_restart_time":null,"last_failure_reason":null,)"
    R"("last_exit_time":null,"last_exit_reason":null,"unhealthy_count":0,"unhealthy_threshold":3})";

std::string health(std::string_view name, std::string_view rest) {
  return fmt::format(R"({{"process_name":"{}","restart":{},{}}})", name, no_restart, rest);
}

std::string status_call(std::string_view encoded) {
  return fmt::format("GET /process/service-status?process_name={}&include_health=true", encoded);
}

void lay_down_stack(CliProgram& program) {
  program.answer("GET /process/processes", std::string(processes));
  program.answer(
      status_call("DUMB%20API"),
      health("DUMB API", R"("status":"running","healthy":true,"health_reason":null,"state":"running",)"
                         R"("state_reason":null,"pid":4242,"started_at":1770810000.5)"));
  program.answer(status_call("rclone%20w%2F%20RealDebrid"),
                 health("rclone w/ RealDebrid",
                        R"("status":"running","healthy":false,"health_reason":"no answer on 127.0.0.1:5572",)"
                        R"("state":"running","state_reason":null,"pid":101,"started_at":1770799000)"));
  program.answer(
      status_call("Zilean"),
      health("Zilean",
             R"("status":"stopped","healthy":false,"health_reason":"not running",)"
             R"("state":"failed","state_reason":"exit code 7 after 300 ms","pid":null,"started_at":null)"));
  program.answer(
      status_call("NzbDAV"),
      health(
          "NzbDAV",
          R"("status":"stopped","healthy":false,"health_reason":"not running",)"
          R"("state":"waiting","state_reason":"mount /mnt/remote/realdebrid","pid":null,"started_at":null)"));
  program.answer(
      status_call("%E6%98%A0%E7%94%BB%E3%82%B5%E3%83%BC%E3%83%90%E3%83%BC"),
      health("映画サーバー", R"("status":"running","healthy":true,"health_reason":null,"state":"running",)"
                             R"("state_reason":null,"pid":77,"started_at":1770400000)"));
  program.answer(
      status_call("Plex%20Media%20Server"),
      health("Plex Media Server", R"("status":"stopped","healthy":false,"health_reason":"not running",)"
                                  R"("state":"stopped","state_reason":null,"pid":null,"started_at":null)"));
}

}  // namespace

TEST_CASE("ps shows the enabled services as a table", "[cli]") {
  CliProgram program;
  lay_down_stack(program);
  CHECK(program.run({"ps"}) == 0);
  check_golden("ps_pipe.txt", program.out);
  CHECK(program.err.empty());
  CHECK(program.run({"ps", "--all"}) == 0);
  check_golden("ps_all.txt", program.out);
}

TEST_CASE("ps fits the terminal it is printed on", "[cli]") {
  CliProgram program;
  lay_down_stack(program);
  program.terminal(120);
  CHECK(program.run({"ps"}) == 0);
  check_golden("ps_120_color.txt", program.out);
  CHECK(program.run({"ps", "--color", "never"}) == 0);
  check_golden("ps_120_plain.txt", program.out);
  program.terminal(80);
  CHECK(program.run({"ps", "--color", "never"}) == 0);
  check_golden("ps_80_plain.txt", program.out);
  program.system.environment["LANG"] = "C";
  program.terminal(50);
  CHECK(program.run({"ps", "--color", "never"}) == 0);
  check_golden("ps_50_ascii.txt", program.out);
}

TEST_CASE("ps in JSON has everything but secrets", "[cli]") {
  CliProgram program;
  lay_down_stack(program);
  CHECK(program.run({"ps", "--json", "--all"}) == 0);
  check_golden("ps_all.json", program.out);
  CHECK(program.out.find("geheim") == std::string::npos);
}

TEST_CASE("ps says who was adopted", "[cli][LIF-125]") {
  CliProgram program;
  lay_down_stack(program);
  program.answers.erase(status_call("%E6%98%A0%E7%94%BB%E3%82%B5%E3%83%BC%E3%83%90%E3%83%BC"));
  program.answer(
      status_call("%E6%98%A0%E7%94%BB%E3%82%B5%E3%83%BC%E3%83%90%E3%83%BC"),
      health("映画サーバー", R"("status":"running","healthy":true,"health_reason":null,"state":"running",)"
                             R"("state_reason":null,"pid":77,"started_at":1770400000,"adopted":true)"));
  CHECK(program.run({"ps"}) == 0);
  const std::size_t at = program.out.find("running (adopted)");
  REQUIRE(at != std::string::npos);
  CHECK(program.out.find("running (adopted)", at + 1) == std::string::npos);
  CHECK(program.out.rfind("映画サーバー", at) > program.out.rfind('\n', at));
  CHECK(program.run({"ps", "--json"}) == 0);
  CHECK(program.out.find(R"("adopted": true)") != std::string::npos);
}

TEST_CASE("ps asks only for services it shows and skips one that has just been removed", "[cli]") {
  CliProgram program;
  lay_down_stack(program);
  program.answers.erase(status_call("Zilean"));
  program.answer(status_call("Zilean"), R"({"detail":"no process named Zilean"})", 404);
  CHECK(program.run({"ps"}) == 0);
  CHECK(program.requests.size() == 6);
  CHECK(program.out.find("Zilean") == std::string::npos);
  CHECK(program.out.find("NzbDAV") != std::string::npos);
}

TEST_CASE("ps says when there is nothing to show", "[cli]") {
  CliProgram program;
  program.answer("GET /process/processes", R"({"processes":[]})");
  CHECK(program.run({"ps"}) == 0);
  CHECK(program.out.empty());
  CHECK(program.err == "dumb-cli: no service is enabled; --all shows the others\n");
  CHECK(program.run({"ps", "--json"}) == 0);
  CHECK(program.out == "[]\n");
}

TEST_CASE("status tells all about one service", "[cli][LIF-158]") {
  CliProgram program;
  program.answer(
      status_call("zilean"),
      R"({"process_name":"Zilean","status":"running","healthy":false,"health_reason":"no answer on 127.0.0.1:8182",)"
      R"("state":"running","state_reason":null,"pid":311,"started_at":1770810000,"restart":)"
      R"({"restart_attempts":3,"restart_successes":2,"restart_failures":1,"recent_restart_attempts":1,)"
      R"("pending":true,"next_restart_time":1770811215,"disabled":false,"last_restart_time":1770810000,)"
      R"j("last_failure_reason":"port taken","last_exit_time":1770809990,"last_exit_reason":"signal 9 (KILL)",)j"
      R"("unhealthy_count":2,"unhealthy_threshold":3}})");
  program.answer(
      "GET /process?process_name=Zilean",
      R"({"process_name":"Zilean","config":{"enabled":true,"port":8182,"log_file":"/log/zilean.log",)"
      R"("env":{"TOKEN":"geheim"}},"version":"v3.3.0","config_key":"zilean","update_status":null,)"
      R"("symlink_backup_status":null,"supports_manual_update":true,"repo_url":null,"sponsorship_url":null})");
  program.answer(
      "GET /logs?process_name=Zilean&tail_bytes=8192",
      R"({"process_name":"Zilean","size":30,"cursor":30,"chunk":"one\ntwo\nthree\nfour\nfive\nsix \u001b[2J\n",)"
      R"("reset":true,"log":null,"file_id":"1:2"})");
  program.answer(
      "GET /process/events?limit=5&process_name=Zilean",
      R"({"events":[{"seq":7,"time":1770809990.5,"process_name":"Zilean","state":"stopped","previous":"running",)"
      R"j("reason":"ended by itself: signal 9 (KILL)","cause":"exit","pid":300,"exit":"signal 9 (KILL)"},)j"
      R"({"seq":8,"time":1770809999,"process_name":"Zilean","state":"running","previous":"starting",)"
      R"("reason":null,"cause":"restart_policy","pid":311,"exit":null}],"cursor":8,"oldest":1,"lost":false})");
  CHECK(program.run({"status", "zilean"}) == 0);
  check_golden("status_pipe.txt", program.out);
  program.terminal(100);
  CHECK(program.run({"status", "zilean"}) == 0);
  check_golden("status_color.txt", program.out);
  CHECK(program.run({"status", "zilean", "--json"}) == 0);
  check_golden("status.json", program.out);
  CHECK(program.out.find("geheim") == std::string::npos);
}

TEST_CASE("status tells of a crash loop in words", "[cli][LIF-95]") {
  CliProgram program;
  program.answer(
      status_call("svc"),
      R"({"process_name":"Svc","status":"stopped","healthy":false,"health_reason":"not running","state":"failed",)"
      R"("state_reason":"crash loop: 3 restarts in 300 s","pid":null,"started_at":null,"restart":)"
      R"({"restart_attempts":3,"restart_successes":0,"restart_failures":3,"recent_restart_attempts":3,)"
      R"("pending":false,"next_restart_time":null,"disabled":false,"last_restart_time":null,)"
      R"("last_failure_reason":"exit code 7","last_exit_time":null,"last_exit_reason":null,"unhealthy_count":0,)"
      R"("unhealthy_threshold":3,"crash_loop":true,"next_try_time":1770811230}})");
  program.answer("GET /process?process_name=Svc", R"({"detail":"no process named Svc"})", 404);
  CHECK(program.run({"status", "svc"}) == 0);
  CHECK_THAT(program.out, ContainsSubstring("failed (crash loop: 3 restarts in 300 s)"));
  CHECK_THAT(program.out,
             ContainsSubstring("3 (0 succeeded, 3 failed), 3 of them recent; crash loop, next try in "
                               "30s; failed: exit code 7"));
}

TEST_CASE("status shows a companion that has no block of its own", "[cli]") {
  CliProgram program;
  program.answer(status_call("pgagent"),
                 health("pgAgent", R"("status":"stopped","healthy":false,"health_reason":"not running",)"
                                   R"("state":"stopped","state_reason":null,"pid":null,"started_at":null)"));
  program.answer("GET /process?process_name=pgAgent", R"({"detail":"no process named pgAgent"})", 404);
  CHECK(program.run({"status", "pgagent"}) == 0);
  CHECK(program.out == "pgAgent\n  State      stopped\n  Restarts   none\n");
}

TEST_CASE("an unknown name, a refusal and a missing server have their own exit codes", "[cli][API-14]") {
  CliProgram program;
  program.answer(status_call("nope"), R"({"detail":"There is no process named nope."})", 404);
  CHECK(program.run({"status", "nope"}) == 4);
  CHECK(program.err == "dumb-cli: There is no process named nope.\n");
  CHECK(program.run({"status", "nope", "--json"}) == 4);
  CHECK(program.err == "{\"error\":\"There is no process named nope.\",\"exit_code\":4}\n");
  program.refuse("GET /process/processes", Error(Errc::timed_out, "no answer within 15000 ms"));
  CHECK(program.run({"ps"}) == 3);
  CHECK(program.err == "dumb-cli: no answer from http://127.0.0.1:8000 within 15 s\n");
  CHECK(program.out.empty());
}

TEST_CASE("an unreachable server is named together with the way to another", "[cli]") {
  CliProgram program;
  const auto refused = boost::system::errc::make_error_code(boost::system::errc::connection_refused);
  program.refuse("GET /process/processes", Error(refused, "Connection refused"));
  program.system.environment["DUMB_URL"] = "http://user:word@10.0.0.5:9000/";
  CHECK(program.run({"ps"}) == 3);
  CHECK(
      program.err ==
      "dumb-cli: no server at http://10.0.0.5:9000 (Connection refused); --url or DUMB_URL names another\n");
}

TEST_CASE("the server's URL comes from --url, then DUMB_URL, then the default", "[cli]") {
  CliProgram program;
  program.answer("GET /process/processes", R"({"processes":[]})");
  CHECK(program.run({"ps"}) == 0);
  CHECK(program.requests.back().url.port == 8000);
  program.system.environment["DUMB_URL"] = "http://[::1]:8001";
  CHECK(program.run({"ps"}) == 0);
  CHECK(program.requests.back().url.host == "::1");
  CHECK(program.requests.back().url.port == 8001);
  CHECK(program.run({"ps", "--url", "box:8002"}) == 0);
  CHECK(program.requests.back().url.host == "box");
  program.answer("GET /dumb/api/process/processes", R"({"processes":[]})");
  CHECK(program.run({"ps", "--url", "http://box/dumb/api/"}) == 0);
  CHECK(program.run({"ps", "--url", "ftp://box"}) == 2);
}

TEST_CASE("something that is no dumb-server is said to be none", "[cli]") {
  CliProgram program;
  program.answer("GET /process/processes", "<html>hello</html>");
  CHECK(program.run({"ps"}) == 1);
  CHECK_THAT(program.err, ContainsSubstring("is not that of a dumb-server"));
  CliProgram old;
  CHECK(old.run({"capabilities"}) == 1);
  CHECK_THAT(old.err, ContainsSubstring("does not know GET /process/capabilities"));
}

TEST_CASE("start tells every outcome and ends with the worst", "[cli][API-33][API-36]") {
  CliProgram program;
  program.answer(
      "POST /process/start-service",
      R"({"status":"Service started successfully","process_name":"Zilean","port_changes":[{"field":"port","from":8182,"to":8183}]})");
  program.answer("POST /process/start-service", R"({"detail":"Radarr: exit code 7 after 300 ms"})", 500);
  program.answer("POST /process/start-service", R"({"detail":"There is no process named nope."})", 404);
  CHECK(program.run({"start", "zilean", "radarr", "nope"}) == 4);
  CHECK(program.out == "Zilean: started\n  port 8182 was taken, now 8183\n");
  CHECK(program.err ==
        "dumb-cli: Radarr: exit code 7 after 300 ms\n"
        "dumb-cli: There is no process named nope.\n");
  REQUIRE(program.requests.size() == 3);
  CHECK(program.requests[0].body == R"({"process_name":"zilean"})");
}

TEST_CASE("a server that is not there is told once, a failure without a name gets it", "[cli]") {
  CliProgram program;
  program.refuse("POST /process/stop-service", Error(Errc::timed_out, "late"));
  program.refuse("POST /process/stop-service", Error(Errc::timed_out, "late"));
  program.answer("POST /process/stop-service", R"({"detail":"busy"})", 409);
  CHECK(program.run({"stop", "Zilean", "Radarr", "Tall Talker"}) == 3);
  CHECK(program.err ==
        "dumb-cli: no answer from http://127.0.0.1:8000 within 1800 s\n"
        "dumb-cli: Tall Talker: busy\n");
}

TEST_CASE("stop and restart use their own calls", "[cli]") {
  CliProgram program;
  program.answer("POST /process/stop-service",
                 R"({"status":"Service stopped successfully","process_name":"Zilean"})");
  program.answer("POST /process/stop-service",
                 R"({"status":"Shutdown already in progress","process_name":"Zilean"})");
  program.answer("POST /process/restart-service",
                 R"({"status":"Service restarted successfully","process_name":"Zilean"})");
  CHECK(program.run({"stop", "Zilean"}) == 0);
  CHECK(program.out == "Zilean: stopped\n");
  CHECK(program.run({"stop", "Zilean"}) == 0);
  CHECK(program.out == "Zilean: Shutdown already in progress\n");
  CHECK(program.run({"restart", "Zilean"}) == 0);
  CHECK(program.out == "Zilean: restarted\n");
}

TEST_CASE("operations in JSON are one list", "[cli]") {
  CliProgram program;
  program.answer("POST /process/stop-service",
                 R"({"status":"Service stopped successfully","process_name":"Zilean"})");
  program.answer("POST /process/stop-service", R"({"detail":"busy"})", 409);
  CHECK(program.run({"stop", "--json", "Zilean", "Radarr"}) == 1);
  check_golden("stop.json", program.out);
  CHECK(program.err.empty());
}

TEST_CASE("while a start goes on its states are told once each", "[cli]") {
  CliProgram program;
  program.answer("POST /process/start-service",
                 R"({"status":"Service started successfully","process_name":"Plex"})");
  const std::string call = "GET /process/service-status?process_name=plex";
  const auto state = [&](std::string_view name, std::string_view reason) {
    program.answer(call,
                   fmt::format(R"({{"process_name":"Plex","status":"stopped","state":"{}","state_reason":{},)"
                               R"("pid":null,"started_at":null}})",
                               name, reason));
  };
  state("stopped", "null");
  state("setting_up", "null");
  state("waiting", R"("mount /mnt/x")");
  state("waiting", R"("mount /mnt/x")");
  state("running", "null");
  // The states are looked at while the request is under way.
  std::function<void()> look;
  program.system.concurrently = [&](std::vector<std::function<void()>> tasks, std::size_t limit,
                                    const std::function<void()>& tick) {
    CHECK(limit > 1);
    look = tick;
    tasks.front()();
  };
  const auto exchange = program.system.transport;
  program.system.transport = [&](http::Request request) {
    if (request.method == "POST") {
      for (int i = 0; i < 5; ++i) look();
    }
    return exchange(std::move(request));
  };
  CHECK(program.run({"start", "plex"}) == 0);
  CHECK(program.out == "Plex: setting up\nPlex: waiting (mount /mnt/x)\nPlex: started\n");
}

TEST_CASE("capabilities and versions are listed", "[cli][API-46]") {
  CliProgram program;
  lay_down_stack(program);
  program.answer("GET /process/capabilities",
                 R"({"manual_update_check":false,"symlink_repair":true,"later":"x"})");
  CHECK(program.run({"capabilities"}) == 0);
  CHECK(program.out ==
        "CAPABILITY           AVAILABLE\nmanual_update_check  no\nsymlink_repair       yes\nlater            "
        "    x\n");
  CHECK(program.run({"version"}) == 0);
  CHECK_THAT(program.out, ContainsSubstring("dumb-server v0.1.0 at http://127.0.0.1:8000"));
  CHECK(program.run({"--version"}) == 0);
  CHECK_THAT(program.out, ContainsSubstring("dumb-cli 0."));
  program.answers.clear();
  program.refuse("GET /process/processes", Error(Errc::timed_out, "late"));
  CHECK(program.run({"version"}) == 3);
  CHECK_THAT(program.out, ContainsSubstring("dumb-cli "));
}
