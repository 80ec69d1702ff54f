#include <dumb/supervisor/restart_policy.hpp>

#include <boost/json.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using Stage = RestartPolicy::Stage;

namespace {

RestartSettings parsed(std::string_view auto_restart, std::string_view name = "Svc") {
  json::object document;
  jsonx::set(document, {"dumb", "auto_restart"}, *jsonx::parse(auto_restart));
  return restart_settings(document, name);
}

RestartSettings monitored() {
  RestartSettings settings;
  settings.enabled = true;
  return settings;
}

/// A policy with a clock; every call is made with the settings of the moment.
struct Bench {
  explicit Bench(RestartSettings wanted = monitored()) : settings(std::move(wanted)) { refresh(); }
  void refresh() { policy.configure({settings, armed, true}, chance); }
  void request(const std::string& why = "exit code 7", bool wanted = true) {
    refresh();
    policy.request(why, wanted, clock.now());
  }
  /// Waits for the pending attempt and makes it.
  void attempt() {
    REQUIRE(policy.stage() == Stage::pending);
    clock.advance(*policy.wake_at(false) - clock.now());
    REQUIRE(policy.due(clock.now()));
    policy.begin_attempt(clock.now());
  }
  void fail() {
    REQUIRE(policy.start_failed("exit code 7"));
    request();
  }
  /// An attempt that succeeds and a process that ends at once.
  void crash() {
    attempt();
    policy.started(clock.wall());
    policy.launched(clock.now());
    policy.ended(clock.now());
    request();
  }
  bool check(std::optional<bool> healthy) {
    refresh();
    policy.check_begun();
    return policy.checked(healthy, clock.now());
  }
  RestartStatistics told() const { return policy.statistics(clock.now()); }

  test::FakeClock clock;
  RestartSettings settings;
  bool armed = true;
  double chance = 0.5;
  RestartPolicy policy;
};

}  // namespace

TEST_CASE("only a service with an entry is monitored, while the master switch is on",
          "[supervisor][LIF-89]") {
  CHECK_FALSE(parsed(R"({"enabled": true, "services": []})").enabled);
  CHECK_FALSE(parsed(R"({"enabled": true, "services": [{"process_name": "Other"}]})").enabled);
  CHECK_FALSE(parsed(R"({"enabled": false, "services": [{"process_name": "Svc"}]})").enabled);
  CHECK_FALSE(parsed(R"({"services": [{"process_name": "Svc"}]})").enabled);
  CHECK_FALSE(
      parsed(R"({"enabled": true, "services": [{"process_name": "Svc", "enabled": false}]})").enabled);
  CHECK(parsed(R"({"enabled": true, "services": [{"process_name": " sVC "}]})", "Svc ").enabled);
  CHECK(parsed(R"({"enabled": true, "services": ["Other", "svc"]})").enabled);
  CHECK_FALSE(parsed(R"({"enabled": true, "services": ["Svc"]})", "S vc").enabled);
  CHECK_FALSE(restart_settings(json::object(), "Svc").enabled);
}

TEST_CASE("a policy is the global fields overlaid by those of the entry", "[supervisor][LIF-89]") {
  CHECK(parsed(R"({"enabled": true, "services": ["svc"]})") == monitored());
  const RestartSettings own = parsed(R"({"enabled": true, "restart_on_unhealthy": false,
      "healthcheck_interval": 7.5, "unhealthy_threshold": 4, "max_restarts": 9, "window_seconds": 60,
      "backoff_seconds": [1, 2.5], "grace_period_seconds": 11, "backoff_multiplier": 2,
      "backoff_max_seconds": 40, "backoff_jitter": 0.25, "healthy_reset_seconds": 600,
      "services": [{"process_name": "Svc", "max_restarts": 1, "backoff_seconds": [],
                    "restart_on_unhealthy": true, "unhealthy_threshold": 0, "healthcheck_interval": -1}]})");
  CHECK(own.enabled);
  CHECK(own.restart_on_unhealthy);
  CHECK(own.check_interval == 0s);
  CHECK_FALSE(own.checks_health());
  CHECK(own.unhealthy_threshold == 1);
  CHECK(own.max_restarts == 1);
  CHECK(own.window == 60s);
  CHECK(own.backoff.empty());
  CHECK(own.grace == 11s);
  CHECK(own.backoff_multiplier == 2);
  CHECK(own.backoff_max == 40s);
  CHECK(own.backoff_jitter == 0.25);
  CHECK(own.healthy_reset == 600s);
  // Those of a service without an entry are the global ones, for what is shown of it.
  CHECK(parsed(R"({"enabled": true, "unhealthy_threshold": 8, "services": []})").unhealthy_threshold == 8);
  CHECK(parsed("{}").unhealthy_threshold == 3);
}

TEST_CASE("the delay is the element at the number of attempts in the window, then the last",
          "[supervisor][LIF-89]") {
  RestartSettings settings = monitored();
  settings.max_restarts = 100;
  settings.window = 24h;
  settings.backoff = {5s, 15s, 45s};
  Bench bench(settings);
  bench.request();
  std::vector<Duration> delays;
  for (int i = 0; i < 5; ++i) {
    delays.push_back(bench.policy.delay());
    bench.crash();
  }
  CHECK(delays == std::vector<Duration>{5s, 15s, 45s, 45s, 45s});
  settings.backoff.clear();
  Bench none(settings);
  none.request();
  CHECK(none.policy.delay() == 0s);
  CHECK(none.policy.due(none.clock.now()));
}

TEST_CASE("past the list delays can grow, up to a limit and with some chance", "[supervisor][LIF-89]") {
  RestartSettings settings = monitored();
  settings.max_restarts = 100;
  settings.window = 24h;
  settings.backoff = {1s, 3s};
  settings.backoff_multiplier = 2;
  settings.backoff_max = 20s;
  Bench bench(settings);
  bench.request();
  std::vector<Duration> delays;
  for (int i = 0; i < 6; ++i) {
    delays.push_back(bench.policy.delay());
    bench.crash();
  }
  CHECK(delays == std::vector<Duration>{1s, 3s, 6s, 12s, 20s, 20s});
  settings.backoff_jitter = 0.5;
  const auto first = [&](double chance) {
    Bench one(settings);
    one.chance = chance;
    one.request();
    return one.policy.delay();
  };
  CHECK(first(0) == 500ms);
  CHECK(first(0.5) == 1s);
  CHECK(first(1) == 1500ms);
  settings.backoff = {20s};
  CHECK(first(1) == 20s);
  CHECK(first(0) == 10s);
  // However long it goes on, a delay stays a delay.
  settings.backoff_max = 0s;
  settings.backoff_jitter = 0;
  settings.backoff_multiplier = 100;
  settings.max_restarts = 1000;
  settings.window = 24h * 365 * 200;
  Bench longest(settings);
  longest.request();
  for (int i = 0; i < 50; ++i) longest.crash();
  CHECK(longest.policy.delay() == 24h * 365);
}

TEST_CASE("a request is ignored without policy, before the boot, unwanted, or when one is pending",
          "[supervisor][LIF-10][LIF-91]") {
  Bench bench;
  bench.request("x", false);
  CHECK(bench.policy.stage() == Stage::idle);
  bench.armed = false;
  bench.request();
  CHECK(bench.policy.stage() == Stage::idle);
  bench.armed = true;
  bench.settings.enabled = false;
  bench.request();
  CHECK(bench.policy.stage() == Stage::idle);
  bench.settings.enabled = true;
  bench.request();
  CHECK(bench.told().next == bench.clock.now() + 5s);
  bench.clock.advance(2s);
  bench.request();
  CHECK(bench.told().next == bench.clock.now() + 3s);
}

TEST_CASE("too many attempts in the window are a crash loop until the oldest has left it",
          "[supervisor][LIF-91][LIF-95]") {
  Bench bench;
  const SteadyTime begin = bench.clock.now();
  bench.request();
  for (int i = 0; i < 3; ++i) bench.crash();
  CHECK(bench.policy.stage() == Stage::refused);
  RestartStatistics told = bench.told();
  CHECK(told.crash_loop);
  CHECK_FALSE(told.next);
  CHECK(told.last_failure == "exit code 7");
  CHECK(told.recent == 3);
  CHECK(told.attempts == 3);
  CHECK(told.successes == 3);
  CHECK(told.refused_until == begin + 5s + 300s);
  CHECK(bench.policy.wake_at(false) == told.refused_until);
  CHECK_FALSE(bench.policy.reconsider(bench.clock.now()));
  CHECK(bench.policy.stage() == Stage::refused);
  bench.clock.advance(*told.refused_until - bench.clock.now());
  CHECK(bench.told().recent == 2);
  CHECK(bench.policy.reconsider(bench.clock.now()) == "exit code 7");
  bench.request();
  CHECK(bench.policy.delay() == 45s);
  CHECK_FALSE(bench.told().crash_loop);
}

TEST_CASE("no restarts allowed means none, for ever", "[supervisor][LIF-91]") {
  Bench bench;
  bench.settings.max_restarts = 0;
  bench.request();
  CHECK(bench.policy.stage() == Stage::refused);
  CHECK_FALSE(bench.policy.wake_at(true));
  bench.clock.advance(24h);
  CHECK_FALSE(bench.policy.reconsider(bench.clock.now()));
  bench.settings.max_restarts = 1;
  bench.refresh();
  CHECK(bench.policy.reconsider(bench.clock.now()));
}

TEST_CASE("a larger or shorter window counts at once", "[supervisor][LIF-89][LIF-91]") {
  Bench bench;
  bench.request();
  for (int i = 0; i < 3; ++i) bench.crash();
  REQUIRE(bench.policy.stage() == Stage::refused);
  SECTION("more are allowed") {
    bench.settings.max_restarts = 4;
  }
  SECTION("the window is shorter") {
    bench.settings.window = 30s;
  }
  bench.refresh();
  CHECK(bench.policy.reconsider(bench.clock.now()));
}

TEST_CASE("an attempt that fails is counted and asks for another one", "[supervisor][LIF-93][LIF-95]") {
  Bench bench;
  bench.request();
  bench.attempt();
  CHECK(bench.told().attempts == 1);
  CHECK(bench.told().recent == 1);
  bench.fail();
  CHECK(bench.policy.delay() == 15s);
  CHECK(bench.told().failures == 1);
  CHECK(bench.told().last_failure == "exit code 7");
  CHECK_FALSE(bench.told().last);
  bench.attempt();
  bench.policy.started(bench.clock.wall());
  CHECK(bench.told().successes == 1);
  CHECK(bench.told().last == bench.clock.wall());
  CHECK_FALSE(bench.told().last_failure);
  // A start by hand is no attempt.
  CHECK_FALSE(bench.policy.start_failed("x"));
  CHECK(bench.told().failures == 1);
}

TEST_CASE("attempts outside of the window are not shown as recent", "[supervisor][LIF-95]") {
  Bench bench;
  bench.request();
  bench.attempt();
  bench.policy.started(bench.clock.wall());
  bench.clock.advance(299s);
  CHECK(bench.told().recent == 1);
  bench.clock.advance(1s);
  CHECK(bench.told().recent == 0);
  CHECK(bench.told().attempts == 1);
}

TEST_CASE("a start by hand empties the window and keeps the counters", "[supervisor][LIF-94]") {
  Bench bench;
  bench.request();
  for (int i = 0; i < 3; ++i) bench.crash();
  bench.policy.started_by_hand();
  CHECK(bench.policy.stage() == Stage::idle);
  CHECK_FALSE(bench.policy.wake_at(true));
  const RestartStatistics told = bench.told();
  CHECK(told.attempts == 3);
  CHECK(told.successes == 3);
  CHECK(told.recent == 0);
  bench.request();
  CHECK(bench.policy.delay() == 5s);
}

TEST_CASE("the first check follows the grace, the others the interval, a tenth more or less",
          "[supervisor][LIF-90]") {
  Bench bench;
  bench.policy.launched(bench.clock.now());
  CHECK(bench.policy.wake_at(true) == bench.clock.now() + 30s);
  CHECK_FALSE(bench.policy.wake_at(false));
  bench.clock.advance(29s);
  CHECK_FALSE(bench.policy.check_due(bench.clock.now()));
  bench.clock.advance(1s);
  CHECK(bench.policy.check_due(bench.clock.now()));
  bench.policy.check_begun();
  CHECK_FALSE(bench.policy.check_due(bench.clock.now()));
  CHECK_FALSE(bench.policy.wake_at(true));
  for (const auto& [chance, interval] :
       std::vector<std::pair<double, Duration>>{{0.0, 27s}, {0.5, 30s}, {1.0, 33s}}) {
    bench.chance = chance;
    bench.check(true);
    CHECK(bench.policy.wake_at(true) == bench.clock.now() + interval);
  }
  bench.settings.check_interval = 100s;
  bench.chance = 0.5;
  bench.refresh();
  CHECK(bench.policy.wake_at(true) == bench.clock.now() + 110s);  // by the chance of the last check
  bench.policy.ended(bench.clock.now());
  CHECK_FALSE(bench.policy.wake_at(true));
}

TEST_CASE("nobody is checked without a wish for it", "[supervisor][LIF-90]") {
  Bench bench;
  bench.policy.launched(bench.clock.now());
  REQUIRE(bench.policy.wake_at(true));
  SECTION("no policy") {
    bench.settings.enabled = false;
  }
  SECTION("health does not matter") {
    bench.settings.restart_on_unhealthy = false;
  }
  SECTION("no interval") {
    bench.settings.check_interval = 0s;
  }
  SECTION("before the boot") {
    bench.armed = false;
  }
  bench.refresh();
  CHECK_FALSE(bench.policy.wake_at(true));
  bench.clock.advance(1h);
  CHECK_FALSE(bench.policy.check_due(bench.clock.now()));
}

TEST_CASE("so many failures in a row ask for a restart, and are counted anew then", "[supervisor][LIF-90]") {
  Bench bench;
  bench.policy.launched(bench.clock.now());
  CHECK_FALSE(bench.check(false));
  CHECK_FALSE(bench.check(false));
  CHECK(bench.told().unhealthy_count == 2);
  CHECK_FALSE(bench.check(true));
  CHECK(bench.told().unhealthy_count == 0);
  CHECK_FALSE(bench.check(false));
  CHECK_FALSE(bench.check(std::nullopt));  // still starting: neither
  CHECK_FALSE(bench.check(false));
  CHECK(bench.check(false));
  CHECK(bench.told().unhealthy_count == 0);
  bench.settings.unhealthy_threshold = 1;
  CHECK(bench.check(false));
  bench.check(false);
  bench.policy.started_by_hand();
  CHECK(bench.told().unhealthy_count == 0);
}

TEST_CASE("a refused restart of a process that is well again is dropped", "[supervisor][LIF-91]") {
  Bench bench;
  bench.request();
  for (int i = 0; i < 2; ++i) bench.crash();
  bench.attempt();
  bench.policy.started(bench.clock.wall());
  bench.policy.launched(bench.clock.now());
  bench.settings.unhealthy_threshold = 1;
  REQUIRE(bench.check(false));
  bench.request("no answer");
  REQUIRE(bench.policy.stage() == Stage::refused);
  SECTION("by a check") {
    bench.check(true);
    CHECK(bench.policy.stage() == Stage::idle);
  }
  SECTION("not while it is ill") {
    bench.clock.advance(300s);
    CHECK(bench.policy.reconsider(bench.clock.now()) == "no answer");
  }
}

TEST_CASE("after so long in health the window is empty", "[supervisor][LIF-89]") {
  RestartSettings settings = monitored();
  settings.window = 24h;
  settings.healthy_reset = 600s;
  Bench bench(settings);
  bench.request();
  bench.crash();
  bench.crash();
  REQUIRE(bench.policy.delay() == 45s);
  bench.attempt();
  bench.policy.started(bench.clock.wall());
  bench.policy.launched(bench.clock.now());
  SECTION("long enough") {
    bench.clock.advance(600s);
    CHECK(bench.told().recent == 0);
    bench.policy.ended(bench.clock.now());
    bench.request();
    CHECK(bench.policy.delay() == 5s);
  }
  SECTION("not long enough") {
    bench.clock.advance(599s);
    CHECK(bench.told().recent == 3);
    bench.policy.ended(bench.clock.now());
    bench.request();
    CHECK(bench.policy.stage() == Stage::refused);
  }
  SECTION("not in one piece") {
    bench.clock.advance(400s);
    bench.check(false);
    bench.clock.advance(1s);
    bench.check(true);
    bench.clock.advance(400s);
    CHECK(bench.told().recent == 3);
    bench.clock.advance(200s);
    CHECK(bench.told().recent == 0);
  }
}
