// What comes between the wish for a process and the process.
#include <dumb/supervisor/machine.hpp>

#include "support/catch.hpp"
#include "support/driven_machine.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using test::Actions, test::code0, test::Driven, test::find;

namespace {

void to_launching(Driven& driven) {
  driven.to_waiting();
  const Actions actions = driven.feed(event::WaitsDone{driven.run, {}});
  REQUIRE(find<action::Spawn>(actions));
  REQUIRE(driven.machine.launching());
  REQUIRE_FALSE(driven.machine.occupied());
}

}  // namespace

TEST_CASE("a stop during the launch is carried out as soon as there is a process", "[supervisor][LIF-62]") {
  Driven d;
  to_launching(d);
  Actions actions = d.feed(event::StopAsked{});
  CHECK(d.machine.state() == State::stopping);
  CHECK_FALSE(find<action::Terminate>(actions));  // to nobody
  CHECK_FALSE(find<action::StopEnded>(actions));
  REQUIRE(find<action::StartEnded>(actions));
  CHECK(find<action::StartEnded>(actions)->error->is(Errc::cancelled));
  d.clock.advance(20s);
  actions = d.feed(event::Spawned{100});
  CHECK(d.machine.pid() == 100);
  REQUIRE(find<action::Terminate>(actions));
  REQUIRE(find<action::WakeAt>(actions));
  CHECK(find<action::WakeAt>(actions)->time == d.clock.now() + 30s);  // it has its whole grace
  d.feed(event::Exited{code0, d.clock.wall()});
  actions = d.feed(event::Gone{});
  REQUIRE(find<action::StopEnded>(actions));
  CHECK_FALSE(find<action::StopEnded>(actions)->error);
  CHECK(d.machine.state() == State::stopped);
}

TEST_CASE("a stop during a launch that fails is over with it", "[supervisor][LIF-62]") {
  Driven d;
  to_launching(d);
  d.feed(event::StopAsked{});
  const Actions actions = d.feed(event::SpawnFailed{Error(Errc::spawn_failed, "no such program")});
  REQUIRE(find<action::StopEnded>(actions));
  CHECK_FALSE(find<action::StopEnded>(actions)->error);
  CHECK(d.machine.state() == State::stopped);
  CHECK_FALSE(d.machine.wake_at());
  CHECK_FALSE(d.machine.launching());
}

TEST_CASE("a restart during the launch waits for the process and its end", "[supervisor][LIF-62]") {
  Driven d;
  to_launching(d);
  Actions actions = d.feed(event::RestartAsked{});
  CHECK_FALSE(find<action::RunSetup>(actions));
  actions = d.feed(event::Spawned{100});
  REQUIRE(find<action::Terminate>(actions));
  d.feed(event::Exited{code0, d.clock.wall()});
  actions = d.feed(event::Gone{});
  CHECK(find<action::RunSetup>(actions));
  CHECK(d.machine.state() == State::setting_up);
}

TEST_CASE("impatience during the launch kills what comes of it", "[supervisor][LIF-63]") {
  Driven d;
  to_launching(d);
  Actions actions = d.feed(event::KillAsked{});
  CHECK_FALSE(find<action::Kill>(actions));  // nobody
  actions = d.feed(event::Spawned{100});
  CHECK(find<action::Kill>(actions));
  CHECK_FALSE(find<action::Terminate>(actions));
}

TEST_CASE("a launch that does not come to an end keeps no stop waiting", "[supervisor][LIF-63]") {
  Driven d;
  to_launching(d);
  d.feed(event::StopAsked{});
  d.clock.advance(30s);
  Actions actions = d.feed(event::Woke{});
  CHECK_FALSE(find<action::Kill>(actions));
  CHECK_FALSE(find<action::StopEnded>(actions));
  d.clock.advance(5s);
  actions = d.feed(event::Woke{});
  REQUIRE(find<action::StopEnded>(actions));
  CHECK(find<action::StopEnded>(actions)->error->is(Errc::stop_failed));
  CHECK(d.machine.state() == State::stopping);
  actions = d.feed(event::Spawned{100});  // at last, and unwanted
  CHECK(find<action::Kill>(actions));
  d.feed(event::Exited{code0, d.clock.wall()});
  d.feed(event::Gone{});
  CHECK(d.machine.state() == State::stopped);
}

TEST_CASE("the outcome of a launch counts once", "[supervisor][LIF-2]") {
  Driven d;
  d.to_running();
  CHECK(d.feed(event::Spawned{200}).empty());
  CHECK(d.feed(event::SpawnFailed{Error(Errc::spawn_failed, "x")}).empty());
  CHECK(d.machine.pid() == 100);
  CHECK(d.machine.state() == State::running);
}
