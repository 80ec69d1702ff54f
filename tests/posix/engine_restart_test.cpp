#include <boost/json.hpp>
#include <filesystem>

#include "engine_scratch.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using test::Scratch;

namespace {

/// A stack whose service "Svc" is monitored, with delays a test can wait for.
struct Monitored : Scratch {
  json::object file = Scratch::document();

  explicit Monitored(std::vector<std::string> arguments) {
    add(file, "svc", "Svc", custom(std::move(arguments)));
    rule("enabled", true);
    rule("backoff_seconds", json::array{0.05});
    rule("grace_period_seconds", 0);
    rule("healthcheck_interval", 0.05);
    rule("services", json::array{"svc"});
  }
  void rule(const std::string& key, json::value value) {
    jsonx::set(file, {"dumb", "auto_restart", key}, std::move(value));
  }
  /// As an operator would while it runs.
  void edit_rule(const std::string& key, const json::value& value) {
    engine::ConfigUpdate update;
    jsonx::set(update.updates, {"dumb", "auto_restart", key}, value);
    REQUIRE(run(engine->update_config(update)));
  }
  void edit_command(std::vector<std::string> arguments) {
    engine::ConfigUpdate update;
    update.process_name = "Svc";
    update.updates["command"] = custom(std::move(arguments)).at("command");
    REQUIRE(run(engine->update_config(update)));
  }
  engine::ServiceHealth told() { return *run(engine->status_with_health("Svc")); }
  engine::RestartInfo restarts() { return told().restart; }
  bool until(const std::function<bool()>& condition) { return test::run_until(context, condition); }
  bool comes_to(std::string_view wanted) {
    return until([&] { return state("Svc") == wanted; });
  }
  std::int64_t pid() { return engine->status("Svc")->pid.value_or(-1); }
};

}  // namespace

TEST_CASE("a service that crashes is started again after its back-off, and its statistics tell",
          "[engine][LIF-69][LIF-89][LIF-91][LIF-93][LIF-95][API-45]") {
  // Lives longer than the immediate-exit watch of the tests.
  Monitored s({"--after", "700", "--exit", "7"});
  s.rule("backoff_seconds", json::array{0.4});
  s.rule("max_restarts", 1000);
  REQUIRE(s.open(s.file));
  s.boot();
  const std::int64_t first = s.pid();
  REQUIRE(s.comes_to("backoff"));
  const engine::ServiceHealth waiting = s.told();
  CHECK(waiting.status == "stopped");
  CHECK(waiting.state_reason == "ended by itself: exit code 7; restart after 0.4 s");
  CHECK_FALSE(waiting.healthy);
  CHECK(waiting.restart.pending);
  REQUIRE(waiting.restart.next_restart_time);
  REQUIRE(waiting.restart.last_exit_time);
  CHECK(*waiting.restart.next_restart_time - *waiting.restart.last_exit_time == Approx(0.4).margin(0.1));
  CHECK(waiting.restart.last_exit_reason == "exit code 7");
  CHECK(waiting.restart.restart_attempts == 0);
  REQUIRE(s.comes_to("running"));
  CHECK(s.pid() != first);
  const engine::RestartInfo after = s.restarts();
  CHECK(after.restart_attempts == 1);
  CHECK(after.restart_successes == 1);
  CHECK(after.restart_failures == 0);
  CHECK(after.recent_restart_attempts == 1);
  REQUIRE(after.last_restart_time);
  CHECK(*after.last_restart_time >= *waiting.restart.next_restart_time);
  CHECK(after.last_exit_reason == "exit code 7");
  CHECK_FALSE(after.pending);
  CHECK_FALSE(after.next_restart_time);
  CHECK_FALSE(after.last_failure_reason);
  REQUIRE(s.comes_to("backoff"));
  s.run(s.engine->shutdown());
  CHECK(s.state("Svc") == "stopped");
  CHECK_THAT(s.main_log(), ContainsSubstring("Svc: restart after 0.4 s (exit code 7)"));
}

TEST_CASE("a crash loop is visible and ends with the window", "[engine][LIF-2][LIF-91][LIF-93][LIF-95]") {
  Monitored s({"--exit", "3"});  // ends within the immediate-exit watch
  s.rule("window_seconds", 2);
  s.rule("max_restarts", 2);
  REQUIRE(s.open(s.file));
  s.run(s.engine->boot());
  REQUIRE(s.until([&] { return s.restarts().crash_loop; }));
  const engine::ServiceHealth looping = s.told();
  CHECK(looping.state == "failed");
  CHECK(looping.status == "stopped");
  CHECK_THAT(*looping.state_reason, ContainsSubstring("crash loop: 2 restarts in 2 s") &&
                                        ContainsSubstring("exit code 3") &&
                                        ContainsSubstring("; next try at "));
  CHECK(looping.restart.restart_attempts == 2);
  CHECK(looping.restart.restart_failures == 2);
  CHECK(looping.restart.recent_restart_attempts == 2);
  CHECK_FALSE(looping.restart.pending);
  CHECK(looping.restart.last_failure_reason);
  REQUIRE(looping.restart.next_try_time);
  REQUIRE(s.until([&] { return s.restarts().restart_attempts >= 4; }));
  s.run(s.engine->shutdown());
  CHECK_FALSE(s.restarts().crash_loop);
  CHECK_THAT(s.main_log(), ContainsSubstring("Svc is not restarted: crash loop"));
}

TEST_CASE("a stop by hand ends back-off, and nothing is started after it", "[engine][LIF-62][LIF-94]") {
  Monitored s({"--need", "/nonexistent"});
  const bool looping = GENERATE(false, true);
  if (looping) {
    s.rule("max_restarts", 1);
  } else {
    s.rule("backoff_seconds", json::array{3600});
  }
  REQUIRE(s.open(s.file));
  s.run(s.engine->boot());
  REQUIRE(s.comes_to(looping ? "failed" : "backoff"));
  SECTION("the service") {
    REQUIRE(s.run(s.engine->stop("Svc")));
  }
  SECTION("everything") {
    REQUIRE(s.run(s.engine->down({})));
  }
  CHECK(s.state("Svc") == "stopped");
  const engine::RestartInfo told = s.restarts();
  CHECK(told.disabled);
  CHECK_FALSE(told.pending);
  CHECK_FALSE(told.next_restart_time);
  CHECK_FALSE(told.crash_loop);
  s.edit_rule("max_restarts", 50);
  CHECK(s.state("Svc") == "stopped");
  s.run(s.engine->shutdown());
}

TEST_CASE("a start by hand during back-off is the one start", "[engine][LIF-94]") {
  Monitored s({"--need", "/nonexistent"});
  s.rule("backoff_seconds", json::array{3600});
  REQUIRE(s.open(s.file));
  s.run(s.engine->boot());
  REQUIRE(s.comes_to("backoff"));
  s.edit_command({});
  const bool restart = GENERATE(false, true);
  const auto started = restart ? s.run(s.engine->restart("Svc")) : s.run(s.engine->start("Svc"));
  REQUIRE(started);
  CHECK(s.state("Svc") == "running");
  const engine::RestartInfo told = s.restarts();
  CHECK_FALSE(told.pending);
  CHECK_FALSE(told.disabled);
  CHECK(told.restart_attempts == 0);
  s.run(s.engine->shutdown());
}

TEST_CASE("a service whose port does not answer is restarted, once the first start of the stack is over",
          "[engine][LIF-33][LIF-90][LIF-92][LIF-93]") {
  Monitored s({});
  const int port = test::free_port();
  s.file["svc"].as_object()["port"] = port;
  s.rule("max_restarts", 1000);
  jsonx::set(s.file, {"dumb", "startup", "readiness_timeout_seconds"}, 2);
  REQUIRE(s.open(s.file));
  s.run(s.engine->boot());
  const std::int64_t first = s.pid();
  REQUIRE(first > 0);
  REQUIRE(s.until([&] { return s.restarts().unhealthy_count > 0; }));
  CHECK(s.restarts().restart_attempts == 0);
  CHECK_FALSE(s.engine->startup_status().terminal);
  REQUIRE(s.until([&] { return s.restarts().restart_successes >= 1; }));
  CHECK(s.engine->startup_status().terminal);
  CHECK(s.pid() != first);
  CHECK_FALSE(s.restarts().last_exit_reason);  // it was asked to end
  CHECK_FALSE(s.restarts().disabled);
  s.edit_command({"--listen", std::to_string(port)});
  REQUIRE(s.until([&] { return s.told().healthy; }));
  const std::int64_t well = s.pid();
  const std::int64_t attempts = s.restarts().restart_attempts;
  REQUIRE_FALSE(test::run_until(
      s.context, [&] { return s.pid() != well; }, 2s));
  CHECK(s.restarts().restart_attempts == attempts);
  CHECK(s.restarts().unhealthy_count == 0);
  s.run(s.engine->shutdown());
  CHECK_THAT(s.main_log(), ContainsSubstring("Svc: restart after 0.05 s (unhealthy: "));
}

TEST_CASE("a policy that is edited counts at once", "[engine][LIF-89]") {
  Monitored s({"--need", "/nonexistent"});
  s.rule("backoff_seconds", json::array{3600});
  REQUIRE(s.open(s.file));
  s.run(s.engine->boot());
  REQUIRE(s.comes_to("backoff"));
  SECTION("switched off") {
    s.edit_rule("enabled", false);
    REQUIRE(s.comes_to("failed"));
    CHECK_FALSE(s.restarts().pending);
  }
  SECTION("not for this service any more") {
    s.edit_rule("services", json::array{});
    REQUIRE(s.comes_to("failed"));
  }
  SECTION("another threshold") {
    s.edit_rule("unhealthy_threshold", 8);
    CHECK(s.restarts().unhealthy_threshold == 8);
    CHECK(s.state("Svc") == "backoff");
  }
  s.run(s.engine->shutdown());
}

TEST_CASE("a shutdown calls off what is pending", "[engine][LIF-72][LIF-91]") {
  Monitored s({"--need", "/nonexistent"});
  s.rule("backoff_seconds", json::array{0});
  s.rule("max_restarts", 1000000);
  REQUIRE(s.open(s.file));
  s.run(s.engine->boot());
  REQUIRE(s.until([&] { return s.restarts().restart_attempts > 3; }));
  s.run(s.engine->shutdown());
  CHECK_FALSE(s.restarts().pending);
  const std::int64_t attempts = s.restarts().restart_attempts;
  s.context.restart();
  CHECK(s.context.poll() == 0);
  CHECK(s.restarts().restart_attempts == attempts);
  CHECK(s.pid() == -1);
}
