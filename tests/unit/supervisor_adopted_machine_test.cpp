#include "support/catch.hpp"
#include "support/driven_machine.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;
using supervisor::State;

TEST_CASE("an adopted process runs at once, without setup, waits or spawn", "[supervisor][LIF-125]") {
  Driven driven;
  const Actions actions = driven.feed(event::Adopted{.pid = 100});
  CHECK(driven.machine.state() == State::running);
  CHECK(driven.machine.pid() == 100);
  CHECK(driven.machine.desired());
  CHECK(find<action::RunSetup>(actions) == nullptr);
  CHECK(find<action::Spawn>(actions) == nullptr);
  CHECK(find<action::WatchReadiness>(actions) == nullptr);
  CHECK(count<action::PostStart>(actions) == 1);
  // A start is answered like that of any service that runs.
  const Actions started = driven.feed(event::StartAsked{});
  CHECK(count<action::StartEnded>(started) == 1);
  CHECK(find<action::RunSetup>(started) == nullptr);
}

TEST_CASE("what follows the start of an adopted process never restarts it", "[supervisor][LIF-125]") {
  Driven driven;
  const Actions adopted = driven.feed(event::Adopted{.pid = 100});
  if (GENERATE(false, true)) driven.feed(event::StartAsked{});  // as the boot does
  driven.feed(event::PostStartDone{find<action::PostStart>(adopted)->run, true});
  CHECK(driven.machine.state() == State::running);
}

TEST_CASE("a start of an adopted process is settled when what follows it is over and it is ready",
          "[supervisor][LIF-125][LIF-139]") {
  Driven driven;
  const Actions adopted =
      driven.feed(event::Adopted{.pid = 100, .ready = false, .ready_within = 5s, .one_shot = false});
  const auto run = find<action::PostStart>(adopted)->run;
  const Actions asked = driven.feed(event::StartAsked{});
  CHECK(count<action::StartEnded>(asked) == 1);
  CHECK(count<action::StartSettled>(asked) == 0);
  CHECK(count<action::StartSettled>(driven.feed(event::PostStartDone{run, false})) == 0);
  SECTION("in time") {
    const Actions ready = driven.feed(event::Ready{run});
    REQUIRE(count<action::StartSettled>(ready) == 1);
    CHECK_FALSE(find<action::StartSettled>(ready)->error);
  }
  SECTION("too late") {
    driven.clock.advance(5s);
    const Actions late = driven.feed(event::Woke{});
    REQUIRE(count<action::StartSettled>(late) == 1);
    CHECK(find<action::StartSettled>(late)->error);
  }
}

TEST_CASE("an adopted process is stopped and its end seen like any other", "[supervisor][LIF-125]") {
  Driven driven;
  driven.feed(event::Adopted{.pid = 100});
  SECTION("a stop") {
    CHECK(count<action::Terminate>(driven.feed(event::StopAsked{})) == 1);
    CHECK(count<action::Collect>(driven.feed(event::Exited{ExitStatus{}, {}})) == 1);
    CHECK(count<action::StopEnded>(driven.feed(event::Gone{})) == 1);
    CHECK(driven.machine.state() == State::stopped);
  }
  SECTION("an end by itself, whose status is not known") {
    const Actions ended = driven.feed(event::Exited{ExitStatus{}, {}});
    CHECK(count<action::Kill>(ended) == 1);
    CHECK(count<action::Collect>(ended) == 1);
    CHECK(driven.machine.last_exit()->to_string() == "exit status unknown");
    CHECK(driven.machine.ended_unasked());
    // A start comes before its remains are gone: they never overlap.
    CHECK(find<action::RunSetup>(driven.feed(event::StartAsked{})) == nullptr);
    CHECK(count<action::RunSetup>(driven.feed(event::Gone{})) == 1);
  }
}

TEST_CASE("declared readiness of an adopted process is what was known of it", "[supervisor][LIF-125]") {
  Driven driven;
  SECTION("ready") {
    const Actions actions = driven.feed(event::Adopted{.pid = 100, .ready = true});
    CHECK(driven.machine.ready() == true);
    CHECK_FALSE(driven.machine.becoming_ready());
    const auto run = find<action::WatchReadiness>(actions)->run;
    driven.feed(event::NotReady{run, "gone"});
    CHECK(driven.machine.ready() == false);
  }
  SECTION("not yet, and what is left of its time goes on") {
    driven.feed(event::Adopted{.pid = 100, .ready = false, .ready_within = 7s});
    CHECK(driven.machine.becoming_ready());
    driven.clock.advance(8s);
    driven.feed(event::Woke{});
    CHECK_FALSE(driven.machine.becoming_ready());
    CHECK(driven.machine.state() == State::running);
  }
}

TEST_CASE("nothing is adopted over a process that exists", "[supervisor][LIF-125]") {
  Driven driven;
  driven.to_running();
  CHECK(driven.feed(event::Adopted{.pid = 200}).empty());
  CHECK(driven.machine.pid() == 100);
}

TEST_CASE("what an earlier run left at rest is no failure, no success and can be started",
          "[supervisor][LIF-125]") {
  Driven driven;
  SECTION("it was stopped") {
    const Actions actions = driven.feed(event::LeftAtRest{});
    CHECK(find<action::Publish>(actions)->reason == "was stopped before");
    CHECK(driven.machine.restart_disabled());
    CHECK_FALSE(driven.machine.desired());
    CHECK_FALSE(driven.machine.completed());
  }
  SECTION("it completed its work") {
    const WallTime at{1234s};
    driven.feed(event::LeftAtRest{at});
    CHECK(driven.machine.completed());
    CHECK(driven.machine.desired());
    CHECK_FALSE(driven.machine.restart_disabled());
    CHECK(driven.machine.reason() == "completed: exit code 0");
    CHECK(driven.machine.last_exit_at() == at);
  }
  CHECK(driven.machine.state() == State::stopped);
  CHECK(count<action::StopEnded>(driven.feed(event::StopAsked{})) == 1);
  driven.to_running();
  CHECK(driven.machine.state() == State::running);
  CHECK_FALSE(driven.machine.restart_disabled());
  // It says nothing of what runs.
  CHECK(driven.feed(event::LeftAtRest{}).empty());
  CHECK(driven.machine.state() == State::running);
}
