#include <dumb/supervisor/machine.hpp>

#include "support/catch.hpp"
#include "support/driven_machine.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using test::code0, test::code7, test::count, test::Driven, test::find;

namespace {

/// A machine whose service is monitored.
struct Monitored : Driven {
  Monitored() {
    rules.settings.enabled = true;
    rules.armed = true;
  }
  Actions feed(const Event& event) {
    machine.set_rules(rules, 0.5, clock.wall());
    return Driven::feed(event);
  }
  void launch() {
    feed(event::SetupDone{run, {}});
    feed(event::WaitsDone{run, {}});
    feed(event::Spawned{100, std::nullopt, one_shot});
  }
  void start() {
    feed(event::StartAsked{});
    launch();
    feed(event::Ready{run});
    feed(event::PostStartDone{run, false});
  }
  Actions crash(const ExitStatus& status = code7) {
    Actions out = feed(event::Exited{status, clock.wall()});
    feed(event::Gone{"bye"});
    return out;
  }
  /// Lets the time of what is awaited come.
  Actions wake() {
    REQUIRE(machine.wake_at());
    if (*machine.wake_at() > clock.now()) clock.advance(*machine.wake_at() - clock.now());
    return feed(event::Woke{});
  }
  /// A whole restart that succeeds.
  void restart() {
    wake();
    REQUIRE(machine.state() == State::setting_up);
    launch();
    feed(event::Ready{run});
    feed(event::PostStartDone{run, false});
    REQUIRE(machine.state() == State::running);
  }
  void be_ill(int times = 1) {
    for (int i = 0; i < times; ++i) {
      REQUIRE(find<action::CheckHealth>(wake()));
      feed(event::HealthTold{run, false, "no answer on 127.0.0.1:80"});
    }
  }
  RestartStatistics told() const { return machine.restarts().statistics(clock.now()); }

  RestartRules rules;
  bool one_shot = false;
};

}  // namespace

TEST_CASE("a crash waits for its back-off and is started again",
          "[supervisor][LIF-2][LIF-69][LIF-91][LIF-93]") {
  Monitored m;
  m.start();
  const auto actions = m.feed(event::Exited{code7, m.clock.wall()});
  CHECK(m.machine.state() == State::backoff);
  CHECK(m.machine.reason() == "ended by itself: exit code 7; restart after 5 s");
  CHECK(find<action::Kill>(actions));
  CHECK(find<action::Collect>(actions));
  REQUIRE(find<action::Tell>(actions));
  CHECK(find<action::Tell>(actions)->level == Level::error);
  CHECK(find<action::Tell>(actions)->text == "svc ended by itself: exit code 7");
  m.feed(event::Gone{});
  CHECK(m.machine.state() == State::backoff);
  CHECK(m.machine.wake_at() == m.clock.now() + 5s);
  CHECK(m.told().next == m.clock.now() + 5s);
  m.clock.advance(4999ms);
  CHECK(m.feed(event::Woke{}).empty());
  m.clock.advance(1ms);
  CHECK(find<action::RunSetup>(m.feed(event::Woke{})));
  CHECK(m.told().attempts == 1);
  m.launch();
  m.feed(event::Ready{m.run});
  CHECK(m.machine.state() == State::running);
  CHECK(m.told().successes == 1);
  CHECK(m.told().last == m.clock.wall());
  CHECK(m.machine.last_unasked() == code7);
  CHECK(m.machine.last_unasked_at());
}

TEST_CASE("an end with code 0 is restarted too, that of a one-shot is not", "[supervisor][LIF-69][LIF-91a]") {
  Monitored m;
  m.one_shot = GENERATE(false, true);
  m.start();
  const auto actions = m.feed(event::Exited{code0, m.clock.wall()});
  CHECK(find<action::Tell>(actions)->level == Level::info);
  m.feed(event::Gone{});
  CHECK(m.machine.state() == (m.one_shot ? State::stopped : State::backoff));
  CHECK(m.told().next.has_value() != m.one_shot);
}

TEST_CASE("without a delay the replacement begins when the remains are gone",
          "[supervisor][LIF-69][LIF-91]") {
  Monitored m;
  m.rules.settings.backoff.clear();
  m.start();
  m.feed(event::Exited{code7, m.clock.wall()});
  CHECK_FALSE(find<action::RunSetup>(m.wake()));
  CHECK(m.machine.state() == State::setting_up);
  CHECK(find<action::RunSetup>(m.feed(event::Gone{})));
}

TEST_CASE("nothing is restarted that is not to be", "[supervisor][LIF-10][LIF-89][LIF-91]") {
  Monitored m;
  SECTION("no policy") {
    m.rules.settings.enabled = false;
  }
  SECTION("not armed") {
    m.rules.armed = false;
  }
  m.start();
  m.crash();
  CHECK(m.machine.state() == State::stopped);
  CHECK(m.machine.reason() == "ended by itself: exit code 7");
  CHECK_FALSE(m.machine.wake_at());
}

TEST_CASE("too many crashes are a crash loop, seen in the state, which ends with the window",
          "[supervisor][LIF-2][LIF-91]") {
  Monitored m;
  m.start();
  for (int i = 0; i < 3; ++i) {
    m.crash();
    m.restart();
  }
  const auto actions = m.crash();
  CHECK(m.machine.state() == State::failed);
  CHECK(m.machine.reason() == "crash loop: 3 restarts in 300 s; ended by itself: exit code 7");
  std::size_t warnings = 0;
  for (const auto& one : actions) {
    const auto* line = std::get_if<action::Tell>(&one);
    if (line != nullptr && line->level == Level::warning) ++warnings;
  }
  CHECK(warnings == 1);
  CHECK(m.told().crash_loop);
  CHECK(m.told().last_failure == "exit code 7");
  m.wake();
  CHECK(m.machine.state() == State::backoff);
  CHECK(m.machine.reason() == "ended by itself: exit code 7; restart after 45 s");
  m.restart();
  CHECK(m.told().attempts == 4);
  CHECK_FALSE(m.told().last_failure);
}

TEST_CASE("an attempt that fails is followed by another, whatever it failed of", "[supervisor][LIF-93]") {
  Monitored m;
  m.start();
  m.crash();
  m.wake();
  SECTION("setup") {
    m.feed(event::SetupDone{m.run, Error(Errc::setup_failed, "no disk")});
  }
  SECTION("a wait") {
    m.feed(event::SetupDone{m.run, {}});
    m.feed(event::WaitsDone{m.run, Error(Errc::timed_out, "no mount")});
  }
  SECTION("the launch") {
    m.feed(event::SetupDone{m.run, {}});
    m.feed(event::WaitsDone{m.run, {}});
    m.feed(event::SpawnFailed{Error(Errc::spawn_failed, "no program")});
  }
  SECTION("an end within the watch") {
    m.launch();
    m.crash();
  }
  CHECK(m.machine.state() == State::backoff);
  CHECK(m.told().failures == 1);
  CHECK(m.told().last_failure);
  CHECK(m.told().next == m.clock.now() + 15s);
  m.restart();
  CHECK(m.told().successes == 1);
}

TEST_CASE("a start by hand that fails before its launch is not repeated, one whose process ended is",
          "[supervisor][LIF-91a]") {
  Monitored m;
  m.feed(event::StartAsked{});
  SECTION("before") {
    m.feed(event::SetupDone{m.run, Error(Errc::setup_failed, "no disk")});
    CHECK(m.machine.state() == State::failed);
    CHECK_FALSE(m.machine.wake_at());
  }
  SECTION("after") {
    m.launch();
    m.feed(event::Exited{code7, m.clock.wall()});
    const auto actions = m.feed(event::Gone{"no port"});
    CHECK(find<action::StartEnded>(actions)->error);
    CHECK(m.machine.state() == State::backoff);
    CHECK(m.machine.reason() == "ended right after its start with exit code 7: no port; restart after 5 s");
  }
}

TEST_CASE("a stop by hand ends back-off and crash loop at once, and nothing follows",
          "[supervisor][LIF-94]") {
  Monitored m;
  m.start();
  const int crashes = GENERATE(1, 4);
  for (int i = 1; i < crashes; ++i) {
    m.crash();
    m.restart();
  }
  m.crash();
  REQUIRE(m.machine.state() == (crashes == 4 ? State::failed : State::backoff));
  CHECK(find<action::StopEnded>(m.feed(event::StopAsked{})));
  CHECK(m.machine.state() == State::stopped);
  CHECK(m.machine.restart_disabled());
  CHECK_FALSE(m.told().next);
  CHECK_FALSE(m.told().crash_loop);
  CHECK_FALSE(m.machine.wake_at());
  m.clock.advance(24h);
  CHECK(m.feed(event::Woke{}).empty());
}

TEST_CASE("a stop while the remains of a crash are collected is over when they are gone",
          "[supervisor][LIF-94]") {
  Monitored m;
  m.start();
  m.feed(event::Exited{code7, m.clock.wall()});
  CHECK_FALSE(find<action::StopEnded>(m.feed(event::StopAsked{})));
  CHECK(find<action::StopEnded>(m.feed(event::Gone{})));
  CHECK(m.machine.state() == State::stopped);
}

TEST_CASE("a start by hand during back-off begins at once and is the only one", "[supervisor][LIF-94]") {
  Monitored m;
  m.start();
  m.crash();
  const bool restart = GENERATE(false, true);
  const auto actions = restart ? m.feed(event::RestartAsked{}) : m.feed(event::StartAsked{});
  CHECK(count<action::RunSetup>(actions) == 1);
  CHECK_FALSE(m.told().next);
  m.clock.advance(1h);
  CHECK(m.feed(event::Woke{}).empty());
  m.launch();
  m.feed(event::Ready{m.run});
  CHECK(m.told().attempts == 0);
  CHECK(m.told().recent == 0);
}

TEST_CASE("a stop ends an attempt under way, which counts as neither good nor bad", "[supervisor][LIF-94]") {
  Monitored m;
  m.start();
  m.crash();
  m.wake();
  CHECK(find<action::StopEnded>(m.feed(event::StopAsked{})));
  CHECK(m.machine.state() == State::stopped);
  CHECK(m.told().attempts == 1);
  CHECK(m.told().successes == 0);
  CHECK(m.told().failures == 0);
  CHECK_FALSE(m.machine.wake_at());
}

TEST_CASE("a process that is ill often enough is ended and started again",
          "[supervisor][LIF-90][LIF-91][LIF-93]") {
  Monitored m;
  m.start();
  CHECK(m.machine.wake_at() == m.clock.now() + 30s);
  m.be_ill(2);
  CHECK(m.told().unhealthy_count == 2);
  CHECK_FALSE(m.told().next);
  m.be_ill();
  CHECK(m.told().unhealthy_count == 0);
  CHECK(m.machine.state() == State::running);
  CHECK(m.machine.reason() == "restart after 5 s: unhealthy");
  CHECK(m.told().next == m.clock.now() + 5s);
  const auto actions = m.wake();
  CHECK(find<action::Terminate>(actions));
  CHECK(m.machine.state() == State::stopping);
  CHECK(m.told().attempts == 1);
  m.feed(event::Exited{{ExitStatus::Kind::signal, 15}, m.clock.wall()});
  CHECK(find<action::RunSetup>(m.feed(event::Gone{})));
  CHECK_FALSE(m.machine.last_unasked());
  m.launch();
  m.feed(event::Ready{m.run});
  CHECK(m.told().successes == 1);
  CHECK_FALSE(m.machine.restart_disabled());
}

TEST_CASE("health restarts nothing before the first start of the stack is over",
          "[supervisor][LIF-33][LIF-92]") {
  Monitored m;
  m.rules.health_counts = false;
  m.start();
  m.be_ill(7);
  CHECK_FALSE(m.told().next);
  CHECK(m.told().unhealthy_count == 1);
  m.crash();  // an end is handled all the same
  CHECK(m.machine.state() == State::backoff);
}

TEST_CASE("what has not become ready yet is not ill", "[supervisor][LIF-90][LIF-141]") {
  Monitored m;
  m.rules.settings.unhealthy_threshold = 1;
  m.rules.settings.grace = 1s;
  m.feed(event::StartAsked{});
  m.feed(event::SetupDone{m.run, {}});
  m.feed(event::WaitsDone{m.run, {}});
  m.feed(event::Spawned{100, 300s});
  m.clock.advance(2s);
  m.feed(event::Woke{});
  REQUIRE(m.machine.state() == State::running);
  m.feed(event::HealthTold{m.run, false, "not ready yet"});
  CHECK_FALSE(m.told().next);
  m.feed(event::Ready{m.run});
  m.feed(event::HealthTold{m.run, false, "not ready any more"});
  CHECK(m.told().next);
}

TEST_CASE("a verdict on an earlier run says nothing of this one", "[supervisor][LIF-90]") {
  Monitored m;
  m.rules.settings.unhealthy_threshold = 1;
  m.start();
  const std::uint64_t old = m.run;
  m.crash();
  m.restart();
  m.feed(event::HealthTold{old, false, "late"});
  CHECK_FALSE(m.told().next);
}

TEST_CASE("an ill process in a crash loop goes on running and is looked at again", "[supervisor][LIF-91]") {
  Monitored m;
  m.rules.settings.unhealthy_threshold = 1;
  m.start();
  for (int i = 0; i < 3; ++i) {
    m.crash();
    m.restart();
  }
  m.be_ill();
  CHECK(m.machine.state() == State::running);
  CHECK(m.machine.reason() == "crash loop: 3 restarts in 300 s; unhealthy");
  SECTION("well again") {
    m.wake();
    m.feed(event::HealthTold{m.run, true});
    CHECK(m.machine.reason().empty());
    CHECK_FALSE(m.told().crash_loop);
  }
  SECTION("ill until the window has room") {
    while (m.told().crash_loop) {
      if (find<action::CheckHealth>(m.wake())) m.feed(event::HealthTold{m.run, false, "no answer"});
    }
    CHECK(m.machine.reason() == "restart after 45 s: unhealthy");
  }
  SECTION("ended") {
    m.crash();
    CHECK(m.machine.state() == State::failed);
  }
}

TEST_CASE("the policy is that of the moment", "[supervisor][LIF-89][LIF-91]") {
  Monitored m;
  m.start();
  m.crash();
  SECTION("taken away during back-off") {
    m.rules.settings.enabled = false;
    m.feed(event::RulesChanged{});
    CHECK(m.machine.state() == State::stopped);
    CHECK(m.machine.reason() == "ended by itself: exit code 7");
    CHECK_FALSE(m.machine.wake_at());
  }
  SECTION("a shutdown begins during back-off") {
    m.rules.armed = false;
    m.feed(event::RulesChanged{});
    CHECK(m.machine.state() == State::stopped);
  }
  SECTION("taken away unnoticed") {
    m.rules.settings.enabled = false;
    CHECK_FALSE(find<action::RunSetup>(m.wake()));
    CHECK(m.machine.state() == State::stopped);
  }
  SECTION("more are allowed during a crash loop") {
    for (int i = 0; i < 3; ++i) {
      m.restart();
      m.crash();
    }
    REQUIRE(m.machine.state() == State::failed);
    m.rules.settings.max_restarts = 5;
    m.feed(event::RulesChanged{});
    CHECK(m.machine.state() == State::backoff);
  }
}

TEST_CASE("a process that cannot be ended fails its restart and is started when it is gone after all",
          "[supervisor][LIF-63][LIF-93]") {
  Monitored m;
  m.rules.settings.unhealthy_threshold = 1;
  m.start();
  m.be_ill();
  CHECK(find<action::Terminate>(m.wake()));
  CHECK(find<action::Kill>(m.wake()));
  const auto actions = m.wake();
  CHECK(find<action::StartEnded>(actions)->error->is(Errc::stop_failed));
  CHECK(m.machine.state() == State::stopping);
  CHECK(m.told().failures == 1);
  CHECK(m.told().next);
  const bool late = GENERATE(false, true);
  if (late) m.wake();
  m.feed(event::Exited{{ExitStatus::Kind::signal, 9}, m.clock.wall()});
  const auto gone = m.feed(event::Gone{});
  CHECK(find<action::RunSetup>(late ? gone : m.wake()));
}
