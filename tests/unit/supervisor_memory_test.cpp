#include "supervisor/memory.hpp"

#include "support/catch.hpp"
#include "support/driven_machine.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using test::code7, test::count, test::find, test::Driven;

namespace {

/// A machine whose service is monitored, and the same service in a later run of the program.
struct Run : Driven {
  Run() {
    rules.settings.enabled = true;
    rules.settings.max_restarts = 2;
    rules.armed = true;
  }
  Actions feed(const Event& event) {
    machine.set_rules(rules, 0.5, clock.wall());
    return Driven::feed(event);
  }
  void launch() {
    feed(event::SetupDone{run, {}});
    feed(event::WaitsDone{run, {}});
    feed(event::Spawned{100});
    feed(event::Ready{run});
    feed(event::PostStartDone{run, false});
  }
  void start() {
    feed(event::StartAsked{});
    launch();
  }
  void crash() {
    feed(event::Exited{code7, clock.wall()});
    feed(event::Gone{});
  }
  void wake() {
    REQUIRE(machine.wake_at());
    if (*machine.wake_at() > clock.now()) clock.advance(*machine.wake_at() - clock.now());
    feed(event::Woke{});
  }
  void restart() {
    wake();
    launch();
    REQUIRE(machine.state() == State::running);
  }
  RestartStatistics told() const { return machine.restarts().statistics(clock.now()); }

  RestartRules rules;
};

/// The next run of the program, `later` after what `before` has written down last. Nothing is restarted yet.
struct NextRun : Run {
  NextRun(const Run& before, Duration later) {
    clock = before.clock;
    clock.advance(later);
    const std::string text = print_memories({before.machine.memory()}, "life");
    const auto memories = parse_memories(text, "life");
    REQUIRE(memories);
    REQUIRE(memories->size() == 1);
    rules.armed = false;
    machine.set_rules(rules, 0.5, clock.wall());
    machine.restore(memories->front(), clock.now());
  }
  Actions arm() {
    rules.armed = true;
    return feed(event::RulesChanged{});
  }
};

}  // namespace

TEST_CASE("counters and the last end of a service outlive the program", "[supervisor][LIF-95][LIF-125]") {
  Run first;
  first.start();
  first.crash();
  first.restart();
  const RestartStatistics before = first.told();
  REQUIRE(before.attempts == 1);
  NextRun next(first, 1s);
  next.feed(event::Adopted{.pid = 100});
  const RestartStatistics after = next.told();
  CHECK(after.attempts == 1);
  CHECK(after.successes == 1);
  CHECK(after.failures == 0);
  CHECK(after.recent == 1);
  CHECK(after.last == before.last);
  CHECK(next.machine.last_unasked() == code7);
  CHECK(next.machine.last_unasked_at() == first.machine.last_unasked_at());
  // The window goes on from where it was: this is the second of two attempts.
  next.arm();
  next.crash();
  CHECK(next.machine.state() == State::backoff);
  CHECK(next.told().next == next.clock.now() + 15s);
  next.restart();
  next.crash();
  CHECK(next.machine.state() == State::failed);
  CHECK(next.told().crash_loop);
}

TEST_CASE("a start that belongs to the boot leaves the window as it is", "[supervisor][LIF-94][LIF-125]") {
  Run first;
  first.start();
  first.crash();
  first.restart();
  NextRun next(first, 1s);
  const Asker by = GENERATE(Asker::boot, Asker::hand);
  if (GENERATE(false, true)) next.feed(event::Adopted{.pid = 100});
  next.arm();
  next.feed(event::StartAsked{by});
  CHECK(next.told().recent == (by == Asker::boot ? 1 : 0));
  CHECK(next.told().attempts == 1);
}

TEST_CASE("a restart that waits for its time goes on waiting in the next run",
          "[supervisor][LIF-91][LIF-125]") {
  Run first;
  first.start();
  first.crash();
  const SteadyTime due = *first.told().next;
  NextRun next(first, GENERATE(Duration(1s), Duration(1h)));
  CHECK(next.machine.state() == State::stopped);
  CHECK_FALSE(next.machine.wake_at());
  CHECK(next.feed(event::RulesChanged{}).empty());  // too early: restarts are not possible yet
  const Actions armed = next.arm();
  CHECK(next.machine.state() == State::backoff);
  CHECK(next.machine.reason() == "ended by itself: exit code 7; restart after 5 s");
  CHECK(next.told().next == due);
  CHECK(find<action::WakeAt>(armed));
  next.restart();
  CHECK(next.told().attempts == 1);
  CHECK(next.told().successes == 1);
}

TEST_CASE("a crash loop is one in the next run, until its window has room", "[supervisor][LIF-91][LIF-125]") {
  Run first;
  first.start();
  for (int i = 0; i < 2; ++i) {
    first.crash();
    first.restart();
  }
  first.crash();
  REQUIRE(first.told().crash_loop);
  const auto until = first.told().refused_until;
  NextRun next(first, 1s);
  next.arm();
  CHECK(next.machine.state() == State::failed);
  CHECK(next.machine.reason() == first.machine.reason());
  CHECK(next.told().crash_loop);
  CHECK(next.told().refused_until == until);
  CHECK(next.told().last_failure == first.told().last_failure);
  SECTION("its time comes") {
    next.wake();
    CHECK(next.machine.state() == State::backoff);
  }
  SECTION("a policy that is gone ends it") {
    next.rules.settings.enabled = false;
    next.feed(event::RulesChanged{});
    CHECK(next.machine.state() == State::stopped);
    CHECK(next.machine.reason() == "ended by itself: exit code 7");
  }
  SECTION("a start by hand ends it") {
    next.feed(event::StartAsked{});
    CHECK(next.machine.state() == State::setting_up);
    CHECK(next.told().recent == 0);
  }
}

TEST_CASE("what was pending or refused is dropped where restarts are not allowed any more",
          "[supervisor][LIF-89][LIF-125]") {
  Run first;
  first.start();
  first.crash();
  NextRun next(first, 1s);
  next.rules.settings.enabled = false;
  next.arm();
  CHECK(next.machine.state() == State::stopped);
  CHECK(next.machine.memory().restarts.stage == RestartStage::idle);
  next.rules.settings.enabled = true;
  CHECK(next.feed(event::RulesChanged{}).empty());
}

TEST_CASE("an attempt that a kill interrupted is one that the next run ends",
          "[supervisor][LIF-93][LIF-125]") {
  Run first;
  first.start();
  first.crash();
  first.wake();
  REQUIRE(first.told().trying);
  NextRun next(first, 1s);
  SECTION("its process had been launched") {
    next.feed(event::Adopted{.pid = 101});
  }
  SECTION("it had not") {
    next.arm();
    next.feed(event::StartAsked{Asker::boot});
    next.launch();
  }
  CHECK(next.machine.state() == State::running);
  CHECK(next.told().attempts == 1);
  CHECK(next.told().successes == 1);
  CHECK_FALSE(next.told().trying);
}

TEST_CASE("health goes on where it was, counted from the launch", "[supervisor][LIF-90][LIF-125]") {
  Run first;
  first.rules.health_counts = true;
  first.start();
  for (int i = 0; i < 2; ++i) {
    first.wake();
    first.feed(event::HealthTold{first.run, false, "no answer"});
  }
  REQUIRE(first.told().unhealthy_count == 2);
  const SteadyTime launched = first.clock.now() - 1h;
  NextRun next(first, 1s);
  next.feed(event::Adopted{.pid = 100, .since = launched});
  CHECK(next.told().unhealthy_count == 2);
  next.arm();
  // The grace after the launch is over long since.
  REQUIRE(next.machine.wake_at());
  CHECK(*next.machine.wake_at() <= next.clock.now());
  const Actions woken = next.feed(event::Woke{});
  REQUIRE(find<action::CheckHealth>(woken));
  next.feed(event::HealthTold{find<action::CheckHealth>(woken)->run, false, "no answer"});
  CHECK(next.machine.restarts().stage() == RestartStage::pending);
  CHECK(next.machine.state() == State::running);
  // One more: that restart is pending for the process that runs.
  NextRun third(next, 1s);
  third.feed(event::Adopted{.pid = 100, .since = launched});
  third.arm();
  CHECK(third.machine.state() == State::running);
  CHECK(third.machine.reason() == "restart after 5 s: unhealthy");
  third.clock.advance(5s);
  third.feed(event::Woke{});
  CHECK(third.machine.state() == State::stopping);
}

TEST_CASE("only what there is to tell is written, and only this life counts", "[supervisor][LIF-125]") {
  Run quiet;
  quiet.start();
  ServiceMemory memory = quiet.machine.memory();
  memory.launches = 1;
  CHECK_FALSE(worth_remembering(memory));
  memory.launches = 2;
  CHECK(worth_remembering(memory));
  quiet.crash();
  CHECK(worth_remembering(quiet.machine.memory()));
  const std::string text = print_memories({quiet.machine.memory()}, "life");
  CHECK(parse_memories(text, "another life")->empty());
  CHECK_FALSE(parse_memories(text.substr(0, text.size() / 2), "life"));
  CHECK_FALSE(parse_memories("[]", "life"));
  CHECK_FALSE(parse_memories(R"({"version": 2, "life": "life", "services": []})", "life"));
}

TEST_CASE("instants of a file that cannot be are not believed", "[supervisor][LIF-125]") {
  Run run;
  ServiceMemory odd;
  odd.restarts.stage = RestartStage::pending;
  odd.restarts.next = std::numeric_limits<std::int64_t>::max();
  odd.restarts.delay = 5'000'000'000;
  odd.restarts.window = {std::numeric_limits<std::int64_t>::max(), -7};
  odd.end = "signal";
  odd.end_value = 100'000;
  run.machine.set_rules(run.rules, 0.5, run.clock.wall());
  run.machine.restore(odd, run.clock.now());
  run.feed(event::RulesChanged{});
  CHECK(run.machine.state() == State::backoff);
  CHECK(run.told().next == run.clock.now() + 5s);
  CHECK(run.told().recent == 1);
  CHECK(run.machine.last_unasked()->value == 255);
}
