#include <dumb/supervisor/machine.hpp>

#include <random>

#include "support/catch.hpp"
#include "support/driven_machine.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using test::code0, test::code7, test::count, test::Driven, test::find;

TEST_CASE("a start goes through setup, waits, launch and the watch", "[supervisor][LIF-2][LIF-40][LIF-56]") {
  Driven d;
  auto actions = d.feed(event::StartAsked{});
  CHECK(d.machine.state() == State::setting_up);
  REQUIRE(find<action::RunSetup>(actions));
  actions = d.feed(event::SetupDone{d.run, {}});
  CHECK(d.machine.state() == State::waiting);
  REQUIRE(find<action::RunWaits>(actions));
  d.feed(event::WaitProgress{d.run, "waits for mount /mnt"});
  CHECK(d.machine.reason() == "waits for mount /mnt");
  actions = d.feed(event::WaitsDone{d.run, {}});
  CHECK(d.machine.state() == State::starting);
  REQUIRE(find<action::Spawn>(actions));
  actions = d.feed(event::Spawned{100});
  REQUIRE(find<action::WakeAt>(actions));
  CHECK(find<action::WakeAt>(actions)->time == d.clock.now() + 2s);
  d.clock.advance(1s);
  CHECK(d.feed(event::Woke{}).empty());
  d.clock.advance(1s);
  actions = d.feed(event::Woke{});
  CHECK(d.machine.state() == State::running);
  REQUIRE(find<action::StartEnded>(actions));
  CHECK_FALSE(find<action::StartEnded>(actions)->error);
  REQUIRE(find<action::PostStart>(actions));
  actions = d.feed(event::PostStartDone{d.run, false});
  CHECK(find<action::StartSettled>(actions));
}

TEST_CASE("readiness ends the watch early", "[supervisor][LIF-56][API-31]") {
  Driven d;
  d.to_starting();
  const auto actions = d.feed(event::Ready{d.run});
  CHECK(d.machine.state() == State::running);
  CHECK(find<action::StartEnded>(actions));
  d.clock.advance(5s);
  CHECK(d.feed(event::Woke{}).empty());
}

TEST_CASE("an exit inside the watch fails the start with code and last lines, code 0 too",
          "[supervisor][LIF-56]") {
  for (const ExitStatus& status : {code7, code0}) {
    Driven d;
    d.to_starting();
    auto actions = d.feed(event::Exited{status, d.clock.wall()});
    CHECK(find<action::Kill>(actions));
    CHECK(find<action::Collect>(actions));
    CHECK_FALSE(find<action::StartEnded>(actions));
    actions = d.feed(event::Gone{"cannot bind"});
    CHECK(d.machine.state() == State::failed);
    REQUIRE(find<action::StartEnded>(actions));
    REQUIRE(find<action::StartEnded>(actions)->error);
    CHECK(find<action::StartEnded>(actions)->error->message() ==
          "ended right after its start with " + status.to_string() + ": cannot bind");
    CHECK(find<action::StartSettled>(actions));
  }
}

TEST_CASE("a running service that is started again stays as it is", "[supervisor][API-30][LIF-40]") {
  Driven d;
  d.to_running();
  const auto actions = d.feed(event::StartAsked{});
  CHECK(d.machine.state() == State::running);
  CHECK(count<action::StartEnded>(actions) == 1);
  CHECK_FALSE(find<action::RunSetup>(actions));
}

TEST_CASE("a stop pre-empts setup and waits, and nothing is launched", "[supervisor][LIF-4][LIF-46]") {
  for (const bool waiting : {false, true}) {
    Driven d;
    d.feed(event::StartAsked{});
    if (waiting) d.feed(event::SetupDone{d.run, {}});
    const auto actions = d.feed(event::StopAsked{});
    CHECK(d.machine.state() == State::stopped);
    CHECK(find<action::CancelWork>(actions));
    REQUIRE(find<action::StartEnded>(actions));
    CHECK(find<action::StartEnded>(actions)->error->is(Errc::cancelled));
    CHECK(find<action::StopEnded>(actions));
    // Outcomes of the cancelled run arrive late and change nothing.
    CHECK(d.feed(event::SetupDone{d.run, {}}).empty());
    CHECK(d.feed(event::WaitsDone{d.run, {}}).empty());
    CHECK(d.machine.restart_disabled());
    CHECK_FALSE(d.machine.desired());
  }
}

TEST_CASE("a stop signals, waits its grace, kills, and only then gives up",
          "[supervisor][LIF-63][LIF-64][LIF-66][API-38]") {
  Driven d;
  d.to_running();
  auto actions = d.feed(event::StopAsked{});
  CHECK(d.machine.state() == State::stopping);
  CHECK(find<action::Terminate>(actions));
  d.clock.advance(29s);
  CHECK(d.feed(event::Woke{}).empty());
  d.clock.advance(1s);
  CHECK(find<action::Kill>(d.feed(event::Woke{})));
  d.clock.advance(5s);
  actions = d.feed(event::Woke{});
  REQUIRE(find<action::StopEnded>(actions));
  CHECK(find<action::StopEnded>(actions)->error->is(Errc::stop_failed));
  CHECK(d.machine.state() == State::stopping);
  // Reaped later after all.
  d.feed(event::Exited{{ExitStatus::Kind::signal, 9}, d.clock.wall()});
  d.feed(event::Gone{});
  CHECK(d.machine.state() == State::stopped);
}

TEST_CASE("a service with a quit signal gets it after its grace and before SIGKILL", "[supervisor][LIF-79]") {
  Driven d;
  d.machine.set_options({.grace = 90s, .kill_wait = 5s, .quit_grace = 2s});
  d.to_running();
  auto actions = d.feed(event::StopAsked{});
  CHECK(find<action::Terminate>(actions));
  d.clock.advance(90s);
  actions = d.feed(event::Woke{});
  CHECK(find<action::Quit>(actions));
  CHECK_FALSE(find<action::Kill>(actions));
  CHECK_FALSE(d.machine.killing());
  REQUIRE(find<action::WakeAt>(actions));
  CHECK(find<action::WakeAt>(actions)->time == d.clock.now() + 2s);
  d.clock.advance(2s);
  actions = d.feed(event::Woke{});
  CHECK(find<action::Kill>(actions));
  CHECK_FALSE(find<action::Quit>(actions));
  CHECK(d.machine.killing());
  d.clock.advance(5s);
  CHECK(find<action::StopEnded>(d.feed(event::Woke{}))->error->is(Errc::stop_failed));

  // One that obeys is not killed, and the next stop begins from the first signal again.
  Driven obeys;
  obeys.machine.set_options({.grace = 90s, .kill_wait = 5s, .quit_grace = 2s});
  for (int round = 0; round < 2; ++round) {
    obeys.to_running();
    CHECK(find<action::Terminate>(obeys.feed(event::StopAsked{})));
    obeys.clock.advance(90s);
    CHECK(find<action::Quit>(obeys.feed(event::Woke{})));
    obeys.feed(event::Exited{code0, obeys.clock.wall()});
    actions = obeys.feed(event::Gone{});
    REQUIRE(find<action::StopEnded>(actions));
    CHECK_FALSE(find<action::StopEnded>(actions)->error);
    CHECK_FALSE(obeys.machine.killing());
  }
}

TEST_CASE("every stop of what SIGKILL does not end tries again and is answered",
          "[supervisor][LIF-63][LIF-66]") {
  Driven d;
  d.to_running();
  d.feed(event::StopAsked{});
  d.clock.advance(1h);
  CHECK(find<action::Kill>(d.feed(event::Woke{})));
  for (int round = 0; round < 3; ++round) {
    d.clock.advance(1h);
    auto actions = d.feed(event::Woke{});
    REQUIRE(find<action::StopEnded>(actions));
    REQUIRE(find<action::StopEnded>(actions)->error);
    CHECK(find<action::StopEnded>(actions)->error->is(Errc::stop_failed));
    CHECK(d.machine.state() == State::stopping);
    actions = d.feed(event::StopAsked{});
    CHECK(find<action::Kill>(actions));
    CHECK(find<action::WakeAt>(actions));
    CHECK_FALSE(find<action::StopEnded>(actions));
  }
  d.feed(event::Exited{{ExitStatus::Kind::signal, 9}, d.clock.wall()});
  const auto actions = d.feed(event::Gone{});
  REQUIRE(find<action::StopEnded>(actions));
  CHECK_FALSE(find<action::StopEnded>(actions)->error);
  CHECK(d.machine.state() == State::stopped);
}

TEST_CASE("a start of what SIGKILL does not end fails at once", "[supervisor][LIF-63][LIF-66]") {
  Driven d;
  d.to_running();
  d.feed(event::StopAsked{});
  for (int step = 0; step < 2; ++step) {
    d.clock.advance(1h);
    d.feed(event::Woke{});
  }
  for (int round = 0; round < 2; ++round) {
    const auto actions = d.feed(event::StartAsked{});
    REQUIRE(find<action::StartEnded>(actions));
    CHECK(find<action::StartEnded>(actions)->error->is(Errc::stop_failed));
    REQUIRE(find<action::StartSettled>(actions));
    CHECK(find<action::StartSettled>(actions)->error->is(Errc::stop_failed));
    CHECK(d.machine.state() == State::stopping);
  }
  // It goes after all: nothing that was answered begins then.
  d.feed(event::Exited{{ExitStatus::Kind::signal, 9}, d.clock.wall()});
  CHECK_FALSE(find<action::RunSetup>(d.feed(event::Gone{})));
  CHECK(find<action::RunSetup>(d.feed(event::StartAsked{})));
}

TEST_CASE("remains of a crash that SIGKILL does not end hold up no request for ever",
          "[supervisor][LIF-63][LIF-66][LIF-69]") {
  Driven d;
  d.to_running();
  d.feed(event::Exited{code7, d.clock.wall()});
  for (int round = 0; round < 2; ++round) {
    auto actions = d.feed(event::StopAsked{});
    CHECK(find<action::Kill>(actions));
    CHECK_FALSE(find<action::StopEnded>(actions));
    REQUIRE(find<action::WakeAt>(actions));
    d.clock.advance(35s);
    actions = d.feed(event::Woke{});
    REQUIRE(find<action::StopEnded>(actions));
    CHECK(find<action::StopEnded>(actions)->error->is(Errc::stop_failed));

    actions = d.feed(event::StartAsked{});
    CHECK(find<action::WakeAt>(actions));
    CHECK_FALSE(find<action::StartEnded>(actions));
    d.clock.advance(35s);
    actions = d.feed(event::Woke{});
    REQUIRE(find<action::StartEnded>(actions));
    CHECK(find<action::StartEnded>(actions)->error->is(Errc::stop_failed));
    CHECK(find<action::StartSettled>(actions));
    CHECK(d.machine.state() == State::failed);
    CHECK(d.machine.occupied());
  }
  CHECK_FALSE(find<action::RunSetup>(d.feed(event::Gone{})));
  CHECK_FALSE(d.machine.occupied());

  // The same right after a start, which waits for the last words.
  Driven early;
  early.to_waiting();
  early.feed(event::WaitsDone{early.run, {}});
  early.feed(event::Spawned{100});
  CHECK(find<action::WakeAt>(early.feed(event::Exited{code7, early.clock.wall()})));
  early.clock.advance(35s);
  const auto actions = early.feed(event::Woke{});
  REQUIRE(find<action::StartEnded>(actions));
  CHECK(
      find<action::StartEnded>(actions)->error->message() ==
      "ended right after its start with exit code 7, and something it started is still alive after SIGKILL");
  CHECK(early.machine.state() == State::failed);
  early.feed(event::Gone{});
  CHECK_FALSE(early.machine.occupied());
}

TEST_CASE("no more patience means SIGKILL, quit signal or not", "[supervisor][LIF-71][LIF-79]") {
  Driven d;
  d.machine.set_options({.grace = 90s, .kill_wait = 5s, .quit_grace = 2s});
  d.to_running();
  d.feed(event::StopAsked{});
  const auto actions = d.feed(event::KillAsked{});
  CHECK(find<action::Kill>(actions));
  CHECK_FALSE(find<action::Quit>(actions));
  CHECK(d.machine.killing());
}

TEST_CASE("a stop that joins one with more patience shortens it, never lengthens it",
          "[supervisor][LIF-79]") {
  Driven d;
  d.to_running();
  d.feed(event::StopAsked{});
  d.clock.advance(5s);
  CHECK_FALSE(find<action::WakeAt>(d.feed(event::StopAsked{})));  // 25 s are left, 30 s would be more
  d.machine.set_options({.grace = 3s, .kill_wait = 5s});
  const auto actions = d.feed(event::StopAsked{});
  REQUIRE(find<action::WakeAt>(actions));
  CHECK(find<action::WakeAt>(actions)->time == d.clock.now() + 3s);
  d.clock.advance(3s);
  CHECK(find<action::Kill>(d.feed(event::Woke{})));
  CHECK_FALSE(find<action::WakeAt>(d.feed(event::StopAsked{})));
}

TEST_CASE("stopped means the leader ended and nothing is left", "[supervisor][LIF-62][LIF-63]") {
  Driven d;
  d.to_running();
  d.feed(event::StopAsked{});
  auto actions = d.feed(event::Exited{code0, d.clock.wall()});
  CHECK(find<action::Collect>(actions));
  CHECK_FALSE(find<action::Kill>(actions));
  CHECK(d.machine.state() == State::stopping);
  actions = d.feed(event::Gone{});
  CHECK(d.machine.state() == State::stopped);
  CHECK(find<action::StopEnded>(actions));
}

TEST_CASE("stopping what is stopped succeeds at once", "[supervisor][LIF-62][API-36]") {
  Driven d;
  const auto actions = d.feed(event::StopAsked{});
  REQUIRE(find<action::StopEnded>(actions));
  CHECK_FALSE(find<action::StopEnded>(actions)->error);
  CHECK(d.machine.state() == State::stopped);
}

TEST_CASE("a restart stops first and is not disabled afterwards", "[supervisor][LIF-3][LIF-68]") {
  Driven d;
  d.to_running();
  auto actions = d.feed(event::RestartAsked{});
  CHECK(d.machine.state() == State::stopping);
  d.feed(event::Exited{code0, d.clock.wall()});
  actions = d.feed(event::Gone{});
  CHECK(d.machine.state() == State::setting_up);
  CHECK(find<action::RunSetup>(actions));
  CHECK(d.machine.desired());
  CHECK_FALSE(d.machine.restart_disabled());
}

TEST_CASE("a restart whose stop fails does not start", "[supervisor][LIF-68]") {
  Driven d;
  d.to_running();
  d.feed(event::RestartAsked{});
  d.clock.advance(30s);
  d.feed(event::Woke{});
  d.clock.advance(5s);
  const auto actions = d.feed(event::Woke{});
  REQUIRE(find<action::StartEnded>(actions));
  CHECK(find<action::StartEnded>(actions)->error->is(Errc::stop_failed));
  d.feed(event::Exited{code0, d.clock.wall()});
  CHECK_FALSE(find<action::RunSetup>(d.feed(event::Gone{})));
}

TEST_CASE("an end nobody asked for is seen at once and its remains are killed",
          "[supervisor][LIF-69][LIF-70]") {
  Driven d;
  d.to_running();
  auto actions = d.feed(event::Exited{code7, d.clock.wall()});
  CHECK(d.machine.state() == State::stopped);
  CHECK(d.machine.reason() == "ended by itself: exit code 7");
  CHECK(d.machine.ended_unasked());
  CHECK(find<action::Kill>(actions));
  // A start asked for while the remains are collected waits for them.
  actions = d.feed(event::StartAsked{});
  CHECK_FALSE(find<action::RunSetup>(actions));
  CHECK(d.machine.state() == State::setting_up);
  actions = d.feed(event::Gone{});
  CHECK(find<action::RunSetup>(actions));
}

TEST_CASE("post-start may ask for one restart, not for a second", "[supervisor][SVC-20]") {
  Driven d;
  d.to_running();
  CHECK(find<action::Terminate>(d.feed(event::PostStartDone{d.run, true})));
  d.feed(event::Exited{code0, d.clock.wall()});
  d.feed(event::Gone{});
  d.feed(event::SetupDone{d.run, {}});
  d.feed(event::WaitsDone{d.run, {}});
  d.feed(event::Spawned{101});
  d.feed(event::Ready{d.run});
  const auto actions = d.feed(event::PostStartDone{d.run, true});
  CHECK(d.machine.state() == State::running);
  CHECK(find<action::StartSettled>(actions));
}

TEST_CASE("a failed setup, wait or launch fails the start with its reason", "[supervisor][LIF-41]") {
  Driven setup;
  setup.feed(event::StartAsked{});
  auto actions = setup.feed(event::SetupDone{setup.run, Error(Errc::setup_failed, "no password")});
  CHECK(setup.machine.state() == State::failed);
  CHECK(setup.machine.reason() == "no password");
  CHECK(find<action::StartEnded>(actions)->error->message() == "no password");

  Driven wait;
  wait.to_waiting();
  wait.feed(event::WaitsDone{wait.run, Error(Errc::timed_out, "gave up")});
  CHECK(wait.machine.state() == State::failed);

  Driven launch;
  launch.to_waiting();
  launch.feed(event::WaitsDone{launch.run, {}});
  launch.feed(event::SpawnFailed{Error(Errc::spawn_failed, "cannot execute")});
  CHECK(launch.machine.state() == State::failed);
  CHECK_FALSE(launch.machine.occupied());
}

TEST_CASE("random schedules never break the machine's promises", "[supervisor][LIF-4][LIF-139]") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int schedule = 0; schedule < 3000; ++schedule) {
    test::FakeClock clock;
    Machine machine("svc", {.immediate_exit_watch = 2s, .grace = 30s, .kill_wait = 5s});
    std::uint64_t run = 0;
    int alive = 0;              // processes that exist or whose remains do
    bool exited = false;        // Exited was reported, Gone not yet
    bool spawn_wanted = false;  // Spawn was decided and not performed yet
    // What SIGKILL does not end: nothing, what the leader has left behind, the leader itself.
    enum class Stuck { nothing, remains, leader } stuck = Stuck::nothing;
    int starts_open = 0;
    int settles_open = 0;
    int stops_open = 0;
    const auto absorb = [&](const Actions& actions) {
      for (const Action& one : actions) {
        if (const auto* setup = std::get_if<action::RunSetup>(&one)) {
          run = setup->run;
          REQUIRE(alive == 0);  // two incarnations never overlap
        }
        if (std::holds_alternative<action::Spawn>(one)) {
          REQUIRE(alive == 0);
          REQUIRE_FALSE(spawn_wanted);
          spawn_wanted = true;
        }
        if (std::holds_alternative<action::StartEnded>(one)) starts_open = 0;
        if (const auto* settled = std::get_if<action::StartSettled>(&one)) {
          settles_open = 0;
          if (settled->error) continue;
          REQUIRE(starts_open == 0);  // a start is answered before it is settled
          // Settled well: ready as far as that is declared, or its work is done.
          REQUIRE((!machine.ready() || machine.ready_at() || machine.completed()));
        }
        if (std::holds_alternative<action::StopEnded>(one)) stops_open = 0;
      }
    };
    for (int step = 0; step < 60; ++step) {
      clock.advance(std::chrono::milliseconds(random() % 4000));
      if (spawn_wanted && random() % 3 != 0) {  // else something else happens while it is being made
        spawn_wanted = false;
        if (random() % 5 == 0) {
          absorb(machine.on(event::SpawnFailed{Error(Errc::spawn_failed, "x")}, clock.now()));
        } else {
          alive = 1;
          exited = false;
          const auto luck = random() % 8;
          stuck = luck == 0 ? Stuck::leader : luck == 1 ? Stuck::remains : Stuck::nothing;
          std::optional<Duration> within;
          if (random() % 2 == 0) within = std::chrono::milliseconds(random() % 9000);
          absorb(machine.on(event::Spawned{1000 + step, within, random() % 4 == 0}, clock.now()));
        }
        continue;
      }
      switch (random() % 11) {
        case 0:
          ++starts_open;
          ++settles_open;
          absorb(machine.on(event::StartAsked{}, clock.now()));
          break;
        case 1:
          ++stops_open;
          absorb(machine.on(event::StopAsked{}, clock.now()));
          break;
        case 2:
          ++starts_open;
          ++settles_open;
          absorb(machine.on(event::RestartAsked{}, clock.now()));
          break;
        case 3:
          absorb(machine.on(event::SetupDone{run, {}}, clock.now()));
          break;
        case 4:
          absorb(machine.on(event::WaitsDone{run, {}}, clock.now()));
          break;
        case 5:
          absorb(machine.on(event::Ready{run}, clock.now()));
          break;
        case 6:
          absorb(machine.on(event::Woke{}, clock.now()));
          break;
        case 7:
          if (alive != 0 && !exited && stuck != Stuck::leader) {
            exited = true;
            absorb(machine.on(event::Exited{random() % 2 == 0 ? code0 : code7, clock.wall()}, clock.now()));
          }
          break;
        case 8:
          if (exited && stuck == Stuck::nothing) {
            exited = false;
            alive = 0;
            absorb(machine.on(event::Gone{}, clock.now()));
          }
          break;
        case 9:
          absorb(machine.on(event::PostStartDone{run, random() % 4 == 0}, clock.now()));
          break;
        case 10:
          absorb(machine.on(event::NotReady{run, "no answer"}, clock.now()));
          break;
      }
      REQUIRE(machine.occupied() == (alive != 0));
      // Readiness is a matter of a process that runs.
      if (machine.ready()) {
        REQUIRE((machine.state() == State::starting || machine.state() == State::running));
        REQUIRE((!*machine.ready() || machine.ready_at()));
      }
    }
    // Let everything run out: whatever was asked for is answered.
    for (int step = 0; step < 40; ++step) {
      clock.advance(40s);
      if (std::exchange(spawn_wanted, false)) {
        alive = 1;
        exited = false;
        stuck = Stuck::nothing;
        absorb(machine.on(event::Spawned{5000 + step}, clock.now()));
      }
      absorb(machine.on(event::SetupDone{run, {}}, clock.now()));
      absorb(machine.on(event::WaitsDone{run, {}}, clock.now()));
      if (spawn_wanted) continue;
      absorb(machine.on(event::Woke{}, clock.now()));
      absorb(machine.on(event::PostStartDone{run, false}, clock.now()));
      if (machine.state() == State::stopping && alive != 0 && !exited && stuck != Stuck::leader) {
        exited = true;
        absorb(machine.on(event::Exited{code0, clock.wall()}, clock.now()));
      }
      if (exited && stuck == Stuck::nothing) {
        exited = false;
        alive = 0;
        absorb(machine.on(event::Gone{}, clock.now()));
      }
    }
    REQUIRE(starts_open == 0);
    REQUIRE(settles_open == 0);
    REQUIRE(stops_open == 0);
    REQUIRE((machine.state() == State::running || machine.state() == State::stopped ||
             machine.state() == State::failed ||
             (machine.state() == State::stopping && stuck != Stuck::nothing)));
    if (alive == 0 || stuck == Stuck::nothing) continue;
    // It goes at last, and whatever is asked for then works.
    if (!exited) absorb(machine.on(event::Exited{code0, clock.wall()}, clock.now()));
    alive = 0;
    absorb(machine.on(event::Gone{}, clock.now()));
    REQUIRE_FALSE(machine.occupied());
    absorb(machine.on(event::StartAsked{}, clock.now()));
    REQUIRE(machine.state() == State::setting_up);
  }
}
