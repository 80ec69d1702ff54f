#include <fmt/format.h>

#include "cli/src/stack_text.hpp"
#include "support/cli_program.hpp"

using namespace dumb;
using test::check_golden;
using test::CliProgram;

namespace {

std::string step(std::string_view name, std::string_view state, std::string_view rest = "") {
  const std::string_view service = state == "ready" ? "running" : "stopped";
  const bool own = rest.find("service_state") != std::string_view::npos;
  return fmt::format(R"({{"process_name":"{}","state":"{}",{}"needs":[],"awaits":[],"warnings":[]{}{}}})",
                     name, state, own ? std::string() : fmt::format(R"("service_state":"{}",)", service),
                     rest.empty() ? "" : ",", rest);
}

std::string operation(std::string_view head, const std::vector<std::string>& steps) {
  std::string list;
  for (const std::string& one : steps) list += (list.empty() ? "" : ",") + one;
  return fmt::format(R"({{{},"steps":[{}]}})", head, list);
}

constexpr std::string_view earlier =
    R"("operation":"boot","running":false,"ok":true,"started_at":100,"completed_at":101,"elapsed_seconds":1,)"
    R"("critical_seconds":1,"critical_chain":["Old"])";
constexpr std::string_view under_way =
    R"("operation":"up","running":true,"ok":false,"started_at":200.5,"completed_at":null,"elapsed_seconds":1,)"
    R"("critical_seconds":0,"critical_chain":[])";

/// Looks at the server `looks` times while the operation's request is under way.
void look_during_post(CliProgram& program, int looks) {
  struct Hook {
    std::function<void()> look;
  };
  const auto hook = std::make_shared<Hook>();
  program.system.concurrently = [hook](std::vector<std::function<void()>> tasks, std::size_t,
                                       const std::function<void()>& tick) {
    hook->look = tick;
    for (const auto& task : tasks) task();
  };
  program.system.transport = [hook, looks, exchange = program.system.transport](http::Request request) {
    if (request.method == "POST") {
      for (int i = 0; i < looks; ++i) hook->look();
    }
    return exchange(std::move(request));
  };
}

std::string posted(const CliProgram& program) {
  for (const http::Request& request : program.requests) {
    if (request.method == "POST") return request.body;
  }
  return {};
}

constexpr std::string_view latest = "GET /process/stack-operation";

}  // namespace

TEST_CASE("up tells every service once per change, then what it took", "[cli][DEP-45]") {
  CliProgram program;
  const std::string waits =
      R"("service_state":"waiting","reason":"waits for mount /mnt/debrid/riven, provided by Rclone w/ Riven")";
  program.answer(std::string(latest), operation(earlier, {step("Old", "ready")}));
  program.answer(std::string(latest), operation(earlier, {step("Old", "ready")}));  // not taken up yet
  program.answer(std::string(latest),
                 operation(under_way, {step("PostgreSQL", "starting", R"("service_state":"setting_up")"),
                                       step("Riven", "pending", waits)}));
  program.answer(std::string(latest),
                 operation(under_way, {step("PostgreSQL", "ready"), step("Riven", "pending", waits)}));
  program.answer(std::string(latest),
                 operation(under_way, {step("PostgreSQL", "ready"), step("Riven", "starting")}));
  program.answer(
      "POST /process/up",
      operation(R"("operation":"up","running":false,"ok":true,"started_at":200.5,"completed_at":203.7,)"
                R"("elapsed_seconds":3.21,"critical_seconds":2.94,"critical_chain":["PostgreSQL","Riven"])",
                {step("PostgreSQL", "ready"), step("Riven", "ready")}));
  look_during_post(program, 4);
  CHECK(program.run({"up"}) == 0);
  CHECK(program.out ==
        "PostgreSQL: setting up\n"
        "Riven: waiting (waits for mount /mnt/debrid/riven, provided by Rclone w/ Riven)\n"
        "PostgreSQL: running\n"
        "Riven: starting\n"
        "Riven: running\n"
        "2 services up in 3.2 s; critical path 2.9 s: PostgreSQL > Riven\n");
  CHECK(program.err.empty());
  CHECK(posted(program) == R"({"process_names":[]})");
}

TEST_CASE("a service that waits is told anew when it waits for fewer others, not when these change",
          "[cli][DEP-45]") {
  engine::StackOperation operation;
  operation.operation = "up";
  engine::StackStep step;
  step.process_name = "Riven";
  step.state = "pending";
  step.service_state = "waiting";
  step.awaits = {"PostgreSQL", "Zurg"};
  step.reason = "waits for PostgreSQL, which is setting_up";
  operation.steps = {step};
  cli::StackProgress progress;
  const cli::Style style;
  CHECK(progress.changes(operation, style) == "Riven: waiting (waits for PostgreSQL, which is setting_up)\n");
  operation.steps[0].reason = "waits for PostgreSQL, which is starting";
  CHECK(progress.changes(operation, style).empty());
  operation.steps[0].awaits = {"Zurg"};
  operation.steps[0].reason = "waits for Zurg, which is starting";
  CHECK(progress.changes(operation, style) == "Riven: waiting (waits for Zurg, which is starting)\n");
  operation.steps[0].state = "called_off";
  CHECK(progress.changes(operation, style) == "Riven: called off\n");
}

TEST_CASE("up ends with a line per service that is not up, and exit code 1", "[cli][DEP-45][LIF-36]") {
  CliProgram program;
  program.answer(std::string(latest), operation(R"("operation":"none","started_at":0)", {}));
  program.answer(
      "POST /process/up",
      operation(
          R"("operation":"up","running":false,"ok":false,"started_at":2,"completed_at":3,"elapsed_seconds":0.25,)"
          R"("critical_seconds":0.2,"critical_chain":["Rclone","Riven"])",
          {step("Plex", "pending", R"("reason":"waits for Rclone, which failed: exit code 7")"),
           step("Rclone", "failed", R"("reason":"exit code 7 after 30 ms")"),
           R"({"process_name":"Riven","state":"ready","service_state":"running","needs":["Rclone"],)"
           R"("awaits":[],"warnings":["Rclone: exit code 7 after 30 ms"]})",
           step("Zurg", "called_off", R"("reason":"a stop was asked for")")}));
  CHECK(program.run({"up", "plex", "Riven"}) == 1);
  CHECK(program.out ==
        "Plex: waiting (waits for Rclone, which failed: exit code 7)\n"
        "Rclone: failed\n"
        "Riven: running (without Rclone: exit code 7 after 30 ms)\n"
        "Zurg: called off\n"
        "1 of 4 services up in 250 ms; critical path 200 ms: Rclone > Riven\n");
  CHECK(program.err ==
        "dumb-cli: Plex: waits for Rclone, which failed: exit code 7\n"
        "dumb-cli: Rclone: exit code 7 after 30 ms\n"
        "dumb-cli: Zurg: called off (a stop was asked for)\n");
  CHECK(posted(program) == R"({"process_names":["plex","Riven"]})");
}

TEST_CASE("down tells what goes, not what still stays", "[cli][DEP-44]") {
  CliProgram program;
  const std::string head =
      R"("operation":"down","running":true,"ok":false,"started_at":9,"completed_at":null,"elapsed_seconds":1,)"
      R"("critical_seconds":0,"critical_chain":[])";
  program.answer(std::string(latest), operation(earlier, {}));
  program.answer(std::string(latest),
                 operation(head, {step("PostgreSQL", "pending"), step("Riven", "stopping")}));
  program.answer(
      "POST /process/down",
      operation(R"("operation":"down","running":false,"ok":true,"started_at":9,"completed_at":12,)"
                R"("elapsed_seconds":125.4,"critical_seconds":125.1,"critical_chain":["Riven","PostgreSQL"])",
                {step("PostgreSQL", "stopped"), step("Riven", "stopped")}));
  look_during_post(program, 1);
  program.terminal(80);
  CHECK(program.run({"down"}) == 0);
  CHECK(program.out ==
        "Riven: \x1b[33mstopping\x1b[0m\nPostgreSQL: \x1b[2mstopped\x1b[0m\nRiven: \x1b[2mstopped\x1b[0m\n"
        "2 services stopped in 2m 05s; critical path 2m 05s: Riven > PostgreSQL\n");
}

TEST_CASE("up and down say when there is nothing to do", "[cli]") {
  CliProgram program;
  const std::string nothing =
      R"("operation":"up","running":false,"ok":true,"started_at":9,"completed_at":9,"elapsed_seconds":0,)"
      R"("critical_seconds":0,"critical_chain":[])";
  program.answer("POST /process/up", operation(nothing, {}));
  CHECK(program.run({"up"}) == 0);
  CHECK(program.out == "nothing to start\n");
  program.answer("POST /process/down", operation(R"("operation":"down","ok":true)", {}));
  CHECK(program.run({"down"}) == 0);
  CHECK(program.out == "nothing to stop\n");
}

TEST_CASE("up in JSON is the operation", "[cli]") {
  CliProgram program;
  program.answer("POST /process/up",
                 operation(R"("operation":"up","running":false,"ok":false,"started_at":2,"completed_at":3,)"
                           R"("elapsed_seconds":0.25,"critical_seconds":0.2,"critical_chain":["Rclone"])",
                           {step("Rclone", "failed", R"("reason":"exit code 7")")}));
  look_during_post(program, 1);
  CHECK(program.run({"up", "--json"}) == 1);
  check_golden("up.json", program.out);
  CHECK(program.err.empty());
}

TEST_CASE("up and down have the exit codes of the other commands", "[cli][API-16]") {
  CliProgram program;
  program.answer("POST /process/up", R"({"detail":"There is no process named nope."})", 404);
  CHECK(program.run({"up", "nope"}) == 4);
  CHECK(program.err == "dumb-cli: There is no process named nope.\n");
  CHECK(program.out.empty());
  program.answer("POST /process/down", R"({"detail":"DUMB is shutting down"})", 503);
  CHECK(program.run({"down"}) == 1);
  program.refuse("GET /process/stack-operation", Error(Errc::timed_out, "late"));
  CHECK(program.run({"down"}) == 3);
  CHECK(program.requests.back().method == "GET");  // asked for nothing a second time
}

TEST_CASE("spans are told in the unit that fits", "[cli]") {
  CHECK(cli::duration_text(-1) == "0 ms");
  CHECK(cli::duration_text(0.0123) == "12 ms");
  CHECK(cli::duration_text(0.9996) == "1.0 s");
  CHECK(cli::duration_text(59.94) == "59.9 s");
  CHECK(cli::duration_text(59.96) == "1m 00s");
  CHECK(cli::duration_text(61) == "1m 01s");
}
