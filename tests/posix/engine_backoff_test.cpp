// The settings of back-off, from the configuration document to the pauses that are made.
#include "engine_scratch.hpp"

using namespace dumb;
using test::Scratch;

namespace {

/// A stack whose service "Svc" is monitored and ends again and again.
struct Ending : Scratch {
  json::object file = Scratch::document();

  explicit Ending(std::vector<std::string> arguments) {
    add(file, "svc", "Svc", custom(std::move(arguments)));
    rule("enabled", true);
    rule("services", json::array{"Svc"});
    rule("restart_on_unhealthy", false);
  }
  void rule(const std::string& key, json::value value) {
    jsonx::set(file, {"dumb", "auto_restart", key}, std::move(value));
  }
  engine::RestartInfo restarts() { return run(engine->status_with_health("Svc"))->restart; }
  bool until(const std::function<bool()>& condition) { return test::run_until(context, condition); }
};

}  // namespace

TEST_CASE("pauses grow by the multiplier behind the list, up to the limit", "[engine][LIF-89][LIF-91]") {
  Ending s({"--exit", "3"});
  s.rule("backoff_seconds", json::array{0.05, 0.1});
  s.rule("backoff_multiplier", 2);
  s.rule("backoff_max_seconds", 0.3);
  s.rule("max_restarts", 1000);
  REQUIRE(s.open(s.file));
  s.run(s.engine->boot());
  REQUIRE(s.until([&] { return s.restarts().restart_attempts >= 5; }));
  s.run(s.engine->shutdown());
  const std::string log = s.main_log();
  std::size_t at = 0;
  for (const char* pause : {"0.05 s", "0.1 s", "0.2 s", "0.3 s", "0.3 s"}) {
    at = log.find(std::string("Svc: restart after ") + pause + " (", at + 1);
    INFO(pause);
    CHECK(at != std::string::npos);
    if (at == std::string::npos) at = 0;
  }
}

TEST_CASE("pauses are longer or shorter by their share of chance", "[engine][LIF-89]") {
  Ending s({"--exit", "3"});
  json::array names;
  for (int i = 0; i < 8; ++i) {
    names.emplace_back("Svc " + std::to_string(i));
    s.add(s.file, "svc" + std::to_string(i), "Svc " + std::to_string(i), Scratch::custom({"--exit", "3"}));
  }
  s.rule("services", names);
  s.rule("backoff_seconds", json::array{1000});
  s.rule("backoff_jitter", 0.5);
  REQUIRE(s.open(s.file));
  s.run(s.engine->boot());
  double shortest = 1e9;
  double longest = 0;
  for (const json::value& name : names) {
    const std::string service(name.as_string());
    REQUIRE(s.until([&] { return s.state(service) == "backoff"; }));
    const engine::RestartInfo told = s.run(s.engine->status_with_health(service))->restart;
    REQUIRE(told.next_restart_time);
    REQUIRE(told.last_exit_time);
    const double pause = *told.next_restart_time - *told.last_exit_time;
    shortest = std::min(shortest, pause);
    longest = std::max(longest, pause);
  }
  CHECK(shortest > 499);
  CHECK(longest < 1520);
  CHECK(longest - shortest > 50);  // by chance alone less than once in ten million times
  s.run(s.engine->shutdown());
}

TEST_CASE("a service that was well for long enough begins with an empty window", "[engine][LIF-89][LIF-91]") {
  // Lives longer than the immediate-exit watch of the tests, and than what counts as well.
  Ending s({"--after", "700", "--exit", "7"});
  s.rule("backoff_seconds", json::array{0.05, 3600});
  s.rule("max_restarts", 1);
  s.rule("window_seconds", 3600);
  s.rule("healthy_reset_seconds", 0.3);
  REQUIRE(s.open(s.file));
  s.boot();
  REQUIRE(s.until([&] { return s.restarts().restart_attempts >= 3; }));
  CHECK_FALSE(s.restarts().crash_loop);
  CHECK(s.restarts().recent_restart_attempts <= 1);
  s.run(s.engine->shutdown());
  CHECK_THAT(s.main_log(), !ContainsSubstring("crash loop"));
}
