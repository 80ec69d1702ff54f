// When a stop is one that somebody else's stop can lean on.
#include <dumb/supervisor/machine.hpp>

#include "support/catch.hpp"
#include "support/driven_machine.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using test::code0, test::Driven, test::find;

TEST_CASE("a stop is under way from its signal until it is answered", "[supervisor][LIF-65]") {
  Driven d;
  CHECK_FALSE(d.machine.stop_under_way());
  d.to_running();
  CHECK_FALSE(d.machine.stop_under_way());
  d.feed(event::StopAsked{});
  CHECK(d.machine.stop_under_way());
  d.feed(event::Exited{code0, d.clock.wall()});
  CHECK(d.machine.stop_under_way());
  d.feed(event::Gone{});
  CHECK_FALSE(d.machine.stop_under_way());
}

TEST_CASE("the first half of a restart is no stop, and becomes one that nothing follows",
          "[supervisor][LIF-65][LIF-68]") {
  Driven d;
  d.to_running();
  d.feed(event::RestartAsked{});
  REQUIRE(d.machine.state() == State::stopping);
  CHECK_FALSE(d.machine.stop_under_way());
  const auto actions = d.feed(event::StopAsked{});
  CHECK(d.machine.stop_under_way());
  CHECK_FALSE(d.machine.coming());
  REQUIRE(find<action::StartEnded>(actions));
  REQUIRE(find<action::StartEnded>(actions)->error);
  CHECK(find<action::StartEnded>(actions)->error->is(Errc::cancelled));
  CHECK(find<action::Publish>(actions));
  d.feed(event::Exited{code0, d.clock.wall()});
  const auto gone = d.feed(event::Gone{});
  CHECK(find<action::StopEnded>(gone));
  CHECK_FALSE(find<action::RunSetup>(gone));
  CHECK(d.machine.state() == State::stopped);
  CHECK(d.machine.restart_disabled());
}

TEST_CASE("a stop that was given up is under way no more, and the next one kills again",
          "[supervisor][LIF-63][LIF-65]") {
  Driven d;
  d.to_running();
  d.feed(event::StopAsked{});
  d.clock.advance(30s);
  CHECK(find<action::Kill>(d.feed(event::Woke{})));
  CHECK(d.machine.stop_under_way());
  d.clock.advance(5s);
  const auto given_up = d.feed(event::Woke{});
  REQUIRE(find<action::StopEnded>(given_up));
  CHECK(find<action::StopEnded>(given_up)->error);
  REQUIRE(d.machine.state() == State::stopping);
  CHECK_FALSE(d.machine.stop_under_way());
  CHECK(find<action::Kill>(d.feed(event::StopAsked{})));
  CHECK(d.machine.stop_under_way());
}
