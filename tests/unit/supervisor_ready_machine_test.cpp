#include <dumb/supervisor/machine.hpp>

#include "support/catch.hpp"
#include "support/driven_machine.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using test::code0, test::code7, test::Driven, test::find;

namespace {

/// Launched, with a readiness that may take `within`.
Driven declared(Duration within) {
  Driven d;
  d.to_waiting();
  d.feed(event::WaitsDone{d.run, {}});
  d.feed(event::Spawned{100, within});
  return d;
}

/// What a start was settled with; fails the test when it was not.
std::optional<Error> settled(const Actions& actions) {
  const auto* found = find<action::StartSettled>(actions);
  REQUIRE(found);
  return found->error;
}

}  // namespace

TEST_CASE("a start is answered by the end of the watch, and settled by readiness",
          "[supervisor][LIF-56][LIF-139][API-31]") {
  Driven d = declared(300s);
  CHECK(d.machine.ready() == false);
  CHECK(d.machine.becoming_ready());
  d.clock.advance(2s);
  auto actions = d.feed(event::Woke{});
  CHECK(d.machine.state() == State::running);
  REQUIRE(find<action::StartEnded>(actions));
  CHECK_FALSE(find<action::StartEnded>(actions)->error);
  REQUIRE(find<action::WakeAt>(actions));
  CHECK(find<action::WakeAt>(actions)->time == d.clock.now() + 298s);
  CHECK_FALSE(find<action::StartSettled>(d.feed(event::PostStartDone{d.run, false})));
  d.feed(event::NotReady{d.run, "connection refused"});
  CHECK(d.machine.readiness_reason() == "connection refused");
  d.clock.advance(5s);
  actions = d.feed(event::Ready{d.run, "serving"});
  CHECK_FALSE(settled(actions));
  CHECK_FALSE(find<action::PostStart>(actions));
  CHECK(d.machine.ready() == true);
  CHECK(d.machine.readiness_reason() == "serving");
  CHECK_FALSE(d.machine.becoming_ready());
  CHECK(d.machine.ready_at() == d.clock.now());
}

TEST_CASE("readiness within the watch answers the start, and post-start settles it",
          "[supervisor][LIF-56][LIF-139]") {
  Driven d = declared(300s);
  const auto actions = d.feed(event::Ready{d.run});
  CHECK(d.machine.state() == State::running);
  CHECK(find<action::StartEnded>(actions));
  CHECK(find<action::PostStart>(actions));
  CHECK_FALSE(find<action::StartSettled>(actions));
  CHECK_FALSE(settled(d.feed(event::PostStartDone{d.run, false})));
}

TEST_CASE("readiness that never comes settles the start with an error and leaves the service running",
          "[supervisor][LIF-139]") {
  Driven d = declared(30500ms);
  d.clock.advance(2s);
  d.feed(event::Woke{});
  d.feed(event::PostStartDone{d.run, false});
  d.feed(event::NotReady{d.run, "HTTP status 503"});
  d.clock.advance(28s);
  CHECK(d.feed(event::Woke{}).empty());
  d.clock.advance(500ms);
  const auto error = settled(d.feed(event::Woke{}));
  REQUIRE(error);
  CHECK(error->is(Errc::timed_out));
  CHECK(error->message() == "not ready after 30.5 s: HTTP status 503");
  CHECK(d.machine.state() == State::running);
  CHECK(d.machine.ready() == false);
  CHECK_FALSE(d.machine.becoming_ready());
  SECTION("another start is told so at once") {
    const auto again = d.feed(event::StartAsked{});
    CHECK_FALSE(find<action::StartEnded>(again)->error);
    CHECK(settled(again)->message() == "not ready: HTTP status 503");
  }
  SECTION("it may still become ready") {
    d.feed(event::Ready{d.run});
    CHECK(d.machine.ready() == true);
    CHECK_FALSE(settled(d.feed(event::StartAsked{})));
  }
}

TEST_CASE("a readiness limit shorter than the watch does not end the watch",
          "[supervisor][LIF-56][LIF-139]") {
  Driven d = declared(500ms);
  d.clock.advance(500ms);
  const auto actions = d.feed(event::Woke{});
  CHECK(d.machine.state() == State::starting);
  REQUIRE(find<action::WakeAt>(actions));
  CHECK(find<action::WakeAt>(actions)->time == d.clock.now() + 1500ms);
  d.clock.advance(1500ms);
  CHECK(find<action::StartEnded>(d.feed(event::Woke{})));
  CHECK(settled(d.feed(event::PostStartDone{d.run, false}))->message() == "not ready after 0.5 s");
}

TEST_CASE("a start of what is not ready yet joins the wait", "[supervisor][LIF-139]") {
  Driven d = declared(300s);
  d.clock.advance(2s);
  d.feed(event::Woke{});
  const auto actions = d.feed(event::StartAsked{});
  CHECK(find<action::StartEnded>(actions));
  CHECK_FALSE(find<action::StartSettled>(actions));
  d.feed(event::PostStartDone{d.run, false});
  CHECK_FALSE(settled(d.feed(event::Ready{d.run})));
}

TEST_CASE("an end, a stop and a restart end the wait for readiness with an error", "[supervisor][LIF-139]") {
  Driven d = declared(300s);
  d.clock.advance(2s);
  d.feed(event::Woke{});
  SECTION("end") {
    const auto actions = d.feed(event::Exited{code7, d.clock.wall()});
    CHECK(find<action::CancelWork>(actions));
    CHECK(settled(actions)->message() == "ended by itself: exit code 7");
  }
  SECTION("stop") {
    const auto actions = d.feed(event::StopAsked{});
    CHECK(find<action::CancelWork>(actions));
    CHECK(settled(actions)->is(Errc::cancelled));
  }
  SECTION("restart") {
    const auto actions = d.feed(event::RestartAsked{});
    CHECK(find<action::CancelWork>(actions));
    CHECK(settled(actions)->is(Errc::cancelled));
  }
  CHECK_FALSE(d.machine.ready());
  CHECK_FALSE(d.machine.ready_at());
  const std::uint64_t old = d.run;
  CHECK(d.feed(event::Ready{old}).empty());
  CHECK(d.feed(event::NotReady{old, "late"}).empty());
}

TEST_CASE("a service loses its readiness and finds it again", "[supervisor][LIF-140]") {
  Driven d = declared(300s);
  d.feed(event::Ready{d.run});
  d.feed(event::PostStartDone{d.run, false});
  const auto first = d.machine.ready_at();
  d.clock.advance(60s);
  const auto lost = d.feed(event::NotReady{d.run, "exit code 1"});
  CHECK(find<action::Publish>(lost));
  CHECK_FALSE(find<action::StartSettled>(lost));
  CHECK(d.machine.state() == State::running);
  CHECK(d.machine.ready() == false);
  CHECK(d.feed(event::NotReady{d.run, "exit code 1"}).empty());  // nothing new
  CHECK(find<action::Publish>(d.feed(event::Ready{d.run})));
  CHECK(d.machine.ready() == true);
  CHECK(d.machine.ready_at() == first);
}

TEST_CASE("readiness lost before post-start is over does not fail the start", "[supervisor][LIF-139]") {
  Driven d = declared(300s);
  d.feed(event::Ready{d.run});
  d.feed(event::NotReady{d.run, "busy"});
  CHECK_FALSE(settled(d.feed(event::PostStartDone{d.run, false})));
}

TEST_CASE("what declares no readiness has none", "[supervisor][LIF-140]") {
  Driven d;
  d.to_running();
  CHECK_FALSE(d.machine.ready());
  CHECK(d.feed(event::NotReady{d.run, "x"}).empty());
  CHECK_FALSE(d.machine.ready());
}

TEST_CASE("a one-shot that ends with code 0 has done its work, within the watch and after",
          "[supervisor][LIF-56][LIF-142]") {
  Driven d;
  d.to_waiting();
  d.feed(event::WaitsDone{d.run, {}});
  d.feed(event::Spawned{100, std::nullopt, true});
  SECTION("within the watch") {
    CHECK_FALSE(find<action::StartEnded>(d.feed(event::Exited{code0, d.clock.wall()})));
    const auto actions = d.feed(event::Gone{"done"});
    REQUIRE(find<action::StartEnded>(actions));
    CHECK_FALSE(find<action::StartEnded>(actions)->error);
    CHECK_FALSE(settled(actions));
    CHECK(d.machine.completed());
  }
  SECTION("after the watch") {
    d.feed(event::Ready{d.run});
    CHECK_FALSE(settled(d.feed(event::Exited{code0, d.clock.wall()})));
    d.feed(event::Gone{});
    CHECK(d.machine.completed());
  }
  SECTION("with another code") {
    d.feed(event::Exited{code7, d.clock.wall()});
    const auto actions = d.feed(event::Gone{"broken"});
    CHECK(find<action::StartEnded>(actions)->error->message() ==
          "ended right after its start with exit code 7: broken");
    CHECK_FALSE(d.machine.completed());
    CHECK(d.machine.state() == State::failed);
    return;
  }
  CHECK(d.machine.state() == State::stopped);
  CHECK(d.machine.reason() == "completed: exit code 0");
  d.feed(event::StartAsked{});
  CHECK_FALSE(d.machine.completed());
}

TEST_CASE("a one-shot that is stopped has not completed", "[supervisor][LIF-142]") {
  Driven d;
  d.to_waiting();
  d.feed(event::WaitsDone{d.run, {}});
  d.feed(event::Spawned{100, std::nullopt, true});
  d.feed(event::StopAsked{});
  d.feed(event::Exited{code0, d.clock.wall()});
  d.feed(event::Gone{});
  CHECK_FALSE(d.machine.completed());
}
