// One service through random schedules, with a simulated shell and a clock that is told the time: starts,
// stops, restarts and kills at any moment, crashes in every state, health that comes and goes, settings that
// are edited.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <dumb/supervisor/machine.hpp>
#include <random>

#include "support/catch.hpp"
#include "support/driven_machine.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using test::code0, test::code7;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int normal_run = 20'000;
#else
constexpr int normal_run = 200'000;
#endif

/// How many schedules: as many as DUMB_TEST_SCHEDULES says, else those of a normal run.
int schedules() {
  const char* told = std::getenv("DUMB_TEST_SCHEDULES");
  return told != nullptr ? std::max(1'000, std::atoi(told)) : normal_run;
}

/// What the schedules came upon, to be sure that they do.
struct Seen {
  std::int64_t launches = 0, attempts = 0, successes = 0, failures = 0, ill = 0, crash_loops = 0, over = 0,
               adopted = 0;
};

/// A generator that costs next to nothing.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 1) {}
  std::uint32_t operator()(std::uint32_t below) {
    state_ ^= state_ << 13U;
    state_ ^= state_ >> 7U;
    state_ ^= state_ << 17U;
    return static_cast<std::uint32_t>((state_ >> 33U) % below);
  }
  double fraction() { return (*this)(1001) / 1000.0; }

 private:
  std::uint64_t state_;
};

/// The shell of the machine, and the world: what was decided is done, what was asked is remembered.
class Simulation {
 public:
  /// `story`: what happens is told there.
  explicit Simulation(std::uint64_t seed, std::string* story = nullptr) : random_(seed), story_(story) {
    rules_.armed = true;
    rules_.settings.enabled = random_(8) != 0;
    rules_.settings.max_restarts = static_cast<int>(random_(4));
    rules_.settings.window = std::chrono::seconds(20 + random_(100));
    if (random_(3) == 0) rules_.settings.backoff.clear();
    if (random_(3) == 0) rules_.settings.backoff = {2s};
    rules_.settings.backoff_multiplier = random_(2) == 0 ? 1 : 2;
    rules_.settings.backoff_max = random_(2) == 0 ? 0s : 30s;
    rules_.settings.backoff_jitter = random_(2) == 0 ? 0 : 0.3;
    rules_.settings.grace = std::chrono::seconds(random_(8));
    rules_.settings.check_interval = std::chrono::seconds(random_(6));
    rules_.settings.unhealthy_threshold = 1 + static_cast<int>(random_(3));
    rules_.settings.healthy_reset = random_(2) == 0 ? 0s : 25s;
  }

  /// What went wrong; empty: nothing.
  const std::string& run(Seen& seen) {
    if (random_(6) == 0) adopt();
    for (int step = 0; step < 20 && fault_.empty(); ++step) {
      pass(std::chrono::milliseconds(random_(6000)));
      if (fault_.empty()) step_once();
    }
    finish();
    const RestartStatistics end = told();
    seen.launches += seen_.launches;
    seen.attempts += end.attempts;
    seen.successes += end.successes;
    seen.failures += end.failures;
    seen.ill += seen_.ill;
    seen.crash_loops += seen_.crash_loops;
    seen.over += seen_.over;
    seen.adopted += seen_.adopted;
    return fault_;
  }

 private:
  void expect(bool holds, const char* what) {
    if (!holds && fault_.empty()) fault_ = what;
  }

  /// Time passes; the timer speaks when it is due, unless it is slow.
  void pass(Duration time) {
    const SteadyTime end = clock_.now() + time;
    int spoken = 0;
    while (fault_.empty() && timer_ && *timer_ <= end) {
      if (*timer_ > clock_.now()) clock_.advance(*timer_ - clock_.now());
      timer_.reset();
      feed(event::Woke{});
      expect(++spoken < 200, "it wakes up again and again");
    }
    if (end > clock_.now()) clock_.advance(end - clock_.now());
  }

  void feed(const Event& event) {
    if (std::exchange(rules_changed_, false) || random_(4) == 0) {
      machine_.set_rules(rules_, random_.fraction(), clock_.wall());
    }
    const std::int64_t attempts = attempts_;
    const Actions actions = machine_.on(event, clock_.now());
    if (story_ != nullptr) tell(event, actions);
    for (const Action& one : actions) perform(one);
    check(attempts);
    if (spawn_wanted_ && !slow_) slow_ = random_(3) == 0;
    if (spawn_wanted_ && !slow_) spawn();
  }

  void tell(const Event& event, const Actions& actions) {
    constexpr std::array events{"StartAsked", "StopAsked",    "RestartAsked", "KillAsked", "SetupDone",
                                "WaitsDone",  "WaitProgress", "Spawned",      "Adopted",   "SpawnFailed",
                                "Ready",      "NotReady",     "Exited",       "Gone",      "PostStartDone",
                                "HealthTold", "RulesChanged", "LeftAtRest",   "Woke"};
    static_assert(std::variant_size_v<Event> == events.size());
    *story_ +=
        fmt::format("\n{:9.3f} {}", std::chrono::duration<double>(clock_.now().time_since_epoch()).count(),
                    events[event.index()]);
    for (const Action& one : actions) *story_ += fmt::format(" {}", one.index());
    *story_ += fmt::format(" -> {} {}", static_cast<int>(machine_.state()), machine_.reason());
  }

  void perform(const Action& one) {
    if (const auto* setup = std::get_if<action::RunSetup>(&one)) {
      expect(!alive_, "set up while a process or its remains are there");
      expect(wanted_, "set up although it was stopped");
      run_ = setup->run;
      working_ = 's';
    } else if (const auto* waits = std::get_if<action::RunWaits>(&one)) {
      expect(waits->run == run_, "waits of another run");
      working_ = 'w';
    } else if (std::holds_alternative<action::CancelWork>(one)) {
      working_ = 0;
      post_start_ = checking_ = false;
    } else if (std::holds_alternative<action::Spawn>(one)) {
      expect(!alive_ && !spawn_wanted_, "two processes");
      expect(wanted_, "launched although it was stopped");
      spawn_wanted_ = true;
    } else if (std::holds_alternative<action::Terminate>(one)) {
      expect(alive_, "a signal to nobody");
      signalled_ = true;
    } else if (std::holds_alternative<action::Kill>(one)) {
      expect(alive_, "SIGKILL to nobody");
      signalled_ = true;
    } else if (std::holds_alternative<action::Collect>(one)) {
      expect(ended_ && !collecting_, "collects what has not ended");
      collecting_ = true;
    } else if (const auto* after = std::get_if<action::PostStart>(&one)) {
      run_ = after->run;  // the first one that is told of an adopted service
      post_start_ = true;
    } else if (std::holds_alternative<action::CheckHealth>(one)) {
      expect(alive_ && !ended_ && !checking_, "checks what is not there, or twice");
      expect(rules_.settings.checks_health(), "checks although nobody wants it");
      checking_ = true;
    } else if (const auto* wake = std::get_if<action::WakeAt>(&one)) {
      timer_ = wake->time;
    } else if (const auto* ended = std::get_if<action::StartEnded>(&one)) {
      if (starts_ == 0) ++own_answers_;
      starts_ = 0;
      if (!ended->error) expect(wanted_, "started although it was stopped");
    } else if (std::holds_alternative<action::StartSettled>(one)) {
      settles_ = 0;
    } else if (std::holds_alternative<action::StopEnded>(one)) {
      expect(stops_ > 0, "answers a stop nobody asked for");
      stops_ = 0;
    }
  }

  RestartStatistics told() const { return machine_.restarts().statistics(clock_.now()); }

  void check(std::int64_t attempts_before) {
    const RestartStatistics now = told();
    if (now.crash_loop && !looping_) ++seen_.crash_loops;
    if (looping_ && now.next) ++seen_.over;
    looping_ = now.crash_loop;
    attempts_ = now.attempts;
    expect(own_answers_ <= attempts_, "answers a start nobody asked for");
    if (now.attempts != attempts_before && machine_.state() == State::stopping) ++seen_.ill;
    if (now.attempts != attempts_before) {
      expect(now.attempts == attempts_before + 1, "two attempts at once");
      expect(rules_.settings.enabled && rules_.armed, "an attempt against the policy");
      expect(wanted_, "an attempt although it was stopped");
      if (!edited_) expect(now.recent <= rules_.settings.max_restarts, "too many attempts in the window");
    }
    expect(now.successes + now.failures <= now.attempts, "more outcomes than attempts");
    if (now.next) {
      expect(wanted_, "pending although it was stopped");
      expect(!now.crash_loop, "pending and refused");
      expect_delay();
    }
    const State state = machine_.state();
    expect((state == State::backoff) ? now.next.has_value() : true, "back-off without a time");
    expect(now.next && !alive_ ? state == State::backoff : true, "pending and down, but no back-off");
    const bool launched = state == State::running || (state == State::starting && !spawn_wanted_);
    expect(!launched || alive_, "runs without a process");
    expect(machine_.occupied() == alive_, "forgets a process, or invents one");
    expect(machine_.desired() == wanted_, "forgets what was asked for");
    // No wake-up is lost: what is awaited, the timer knows.
    if (machine_.wake_at()) expect(timer_ && *timer_ <= *machine_.wake_at(), "a wake-up is lost");
  }

  /// One of the list, longer or shorter by no more than the jitter, and never over the cap.
  void expect_delay() {
    const RestartSettings& settings = rules_.settings;
    if (edited_) return;
    const Duration delay = machine_.restarts().delay();
    if (settings.backoff.empty()) {
      expect(delay == 0s, "a delay out of nowhere");
      return;
    }
    Duration least = settings.backoff.front();
    if (settings.backoff_max > 0s) {
      least = std::min(least, settings.backoff_max);
      expect(delay <= settings.backoff_max, "a delay over the cap");
    }
    expect(std::chrono::duration<double>(delay) >= std::chrono::duration<double>(least) * 0.699,
           "a delay that is too short");
  }

  void spawn() {
    spawn_wanted_ = slow_ = false;
    if (random_(6) == 0) {
      feed(event::SpawnFailed{Error(Errc::spawn_failed, "x")});
      return;
    }
    alive_ = true;
    ++seen_.launches;
    ended_ = collecting_ = signalled_ = adopted_ = false;
    std::optional<Duration> within;
    if (random_(3) == 0) within = std::chrono::milliseconds(random_(9000));
    feed(event::Spawned{1000, within, random_(8) == 0});
  }

  /// A child of an earlier run of the program is found; the exit status of such a one is never known.
  void adopt() {
    alive_ = wanted_ = adopted_ = true;
    event::Adopted found;
    found.pid = 1000;
    found.one_shot = random_(8) == 0;
    if (random_(3) == 0) {
      found.ready = random_(2) == 0;
      found.ready_within = std::chrono::milliseconds(random_(9000));
    }
    ++seen_.adopted;
    feed(found);
    expect(machine_.state() == State::running, "adopted, but not running");
    expect(post_start_, "adopted, and nothing follows its start");
  }

  void die(const ExitStatus& status) {
    if (!alive_ || ended_) return;
    ended_ = true;
    feed(event::Exited{adopted_ ? ExitStatus() : status, clock_.wall()});
  }
  void be_gone() {
    if (!collecting_) return;
    alive_ = ended_ = collecting_ = false;
    feed(event::Gone{});
  }
  void work_done(bool well) {
    const std::optional<Error> error = well ? std::nullopt : std::optional(Error(Errc::setup_failed, "x"));
    if (std::exchange(working_, 0) == 's') {
      feed(event::SetupDone{run_, error});
    } else {
      feed(event::WaitsDone{run_, error});
    }
  }
  void ask_start() {
    wanted_ = true;
    ++starts_;
    ++settles_;
    feed(event::StartAsked{});
  }
  /// As the supervisor does: one that sets up or waits is stopped first, other operations are not disturbed.
  void ask_restart() {
    if (machine_.preemptible()) ask_stop();
    if (machine_.busy()) return;
    wanted_ = true;
    ++starts_;
    ++settles_;
    feed(event::RestartAsked{});
  }
  void ask_stop() {
    wanted_ = false;
    ++stops_;
    feed(event::StopAsked{});
    expect(!told().next && !told().crash_loop, "a stop leaves something pending");
  }

  /// The rules are those of the moment; what was decided before counts as it was decided.
  void edit() {
    edited_ = rules_changed_ = true;
    switch (random_(4)) {
      case 0:
        rules_.settings.enabled = !rules_.settings.enabled;
        break;
      case 1:
        rules_.settings.max_restarts = static_cast<int>(random_(5));
        break;
      case 2:
        rules_.settings.window = std::chrono::seconds(1 + random_(60));
        break;
      default:
        rules_.settings.check_interval = std::chrono::seconds(random_(6));
        break;
    }
    if (random_(4) != 0) feed(event::RulesChanged{});
  }

  /// What would happen if nobody disturbed it; false: nothing.
  bool go_on() {
    if (working_ != 0) {
      work_done(random_(12) != 0);
    } else if (spawn_wanted_) {
      spawn();
    } else if (collecting_) {
      be_gone();
    } else if (std::exchange(post_start_, false)) {
      feed(event::PostStartDone{run_, false});
    } else if (std::exchange(checking_, false)) {
      feed(event::HealthTold{run_, random_(4) == 0, "no answer"});
    } else if (alive_ && machine_.state() == State::starting && random_(3) != 0) {
      feed(event::Ready{run_});
    } else if (alive_ && !ended_ && (signalled_ || random_(3) == 0)) {
      die(code7);
    } else if (!alive_ && !wanted_) {
      ask_start();
    } else {
      return false;
    }
    return true;
  }

  void step_once() {
    if (random_(5) < 3 && go_on()) return;
    switch (random_(16)) {
      case 0:
        ask_start();
        break;
      case 1:
        ask_restart();
        break;
      case 2:
        ask_stop();
        break;
      case 3:
      case 4:
      case 5:
        if (working_ != 0) work_done(random_(6) != 0);
        break;
      case 6:
        if (alive_) feed(event::Ready{run_});
        break;
      case 7:
        if (alive_) feed(event::NotReady{run_, "no answer"});
        break;
      case 8:
      case 9:
        die(random_(3) == 0 ? code0 : code7);
        break;
      case 10:
      case 11:
        be_gone();
        break;
      case 12:
        if (std::exchange(post_start_, false)) feed(event::PostStartDone{run_, random_(6) == 0});
        break;
      case 13:
        if (std::exchange(checking_, false)) feed(event::HealthTold{run_, random_(3) == 0, "no answer"});
        break;
      case 14:
        if (random_(4) == 0) {
          edit();
        } else if (random_(4) == 0) {
          rules_.health_counts = !rules_.health_counts;
          rules_changed_ = true;
        } else {
          feed(event::Woke{});  // early
        }
        break;
      default:
        if (random_(4) == 0) {
          wanted_ = false;
          feed(event::KillAsked{});
        } else if (alive_ && random_(4) == 0) {
          // What an earlier run left is no news of a service that this one has.
          const State before = machine_.state();
          if (random_(2) == 0) {
            feed(event::LeftAtRest{});
          } else {
            feed(event::Adopted{2000, std::nullopt, {}, false});
          }
          expect(machine_.state() == before && machine_.pid() != 2000, "an earlier run takes it away");
        } else {
          feed(event::HealthTold{run_ - 1, false, "of an earlier run"});
        }
        break;
    }
  }

  /// Everything that is under way comes to its end: whatever was asked for is answered, and a stop is a stop.
  void finish() {
    if (fault_.empty() && random_(2) == 0) ask_stop();
    const bool stopped = !wanted_;
    for (int step = 0; step < 12 && fault_.empty(); ++step) {
      if (working_ != 0) work_done(true);
      if (spawn_wanted_) spawn();
      if (signalled_ || machine_.state() == State::stopping) die({ExitStatus::Kind::signal, 9});
      be_gone();
      if (std::exchange(post_start_, false)) feed(event::PostStartDone{run_, false});
      if (std::exchange(checking_, false)) feed(event::HealthTold{run_, true});
      pass(6s);
    }
    expect(starts_ == 0, "a start is not answered");
    expect(settles_ == 0 || machine_.becoming_ready(), "a start is not settled");
    expect(stops_ == 0, "a stop is not answered");
    if (!stopped) return;
    expect(!alive_ && working_ == 0, "something is left of what was stopped");
    const State state = machine_.state();
    expect(state == State::stopped || state == State::failed, "not at rest after a stop");
    expect(!machine_.wake_at(), "something is awaited after a stop");
  }

  Random random_;
  std::string* story_ = nullptr;
  test::FakeClock clock_;
  Machine machine_{"svc", {.immediate_exit_watch = 2s, .grace = 8s, .kill_wait = 3s}};
  RestartRules rules_;
  std::optional<SteadyTime> timer_;
  std::uint64_t run_ = 0;
  char working_ = 0;  // setup or waits are under way
  bool post_start_ = false;
  bool checking_ = false;
  bool spawn_wanted_ = false;
  bool slow_ = false;        // and other things happen before it is there
  bool alive_ = false;       // a process exists, or its remains
  bool ended_ = false;       // its leader has ended
  bool collecting_ = false;  // and Gone is awaited
  bool signalled_ = false;
  bool adopted_ = false;
  bool wanted_ = false;  // a start was asked for last, not a stop
  bool edited_ = false;  // the settings were
  int starts_ = 0;       // not answered yet
  int settles_ = 0;
  int stops_ = 0;
  std::int64_t own_answers_ = 0;  // of attempts nobody has joined
  bool looping_ = false;
  bool rules_changed_ = true;
  std::int64_t attempts_ = 0;
  Seen seen_;
  std::string fault_;
};

}  // namespace

TEST_CASE("whatever happens to a service, its machine keeps its promises",
          "[supervisor][simulation][LIF-4][LIF-62][LIF-68][LIF-69][LIF-90][LIF-91][LIF-93][LIF-94][LIF-125]["
          "LIF-139]") {
  const std::uint64_t base = std::random_device{}();
  const int all = schedules();
  Seen seen;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(all); ++i) {
    Simulation simulation(base + i);
    const std::string fault = simulation.run(seen);
    if (fault.empty()) continue;
    std::string story;
    Simulation(base + i, &story).run(seen);
    FAIL("schedule of seed " << base + i << ": " << fault << story);
  }
  CAPTURE(all, seen.launches, seen.attempts, seen.successes, seen.failures, seen.ill, seen.crash_loops,
          seen.over);
  CHECK(seen.launches > all / 2);
  CHECK(seen.attempts > all / 8);
  CHECK(seen.successes > all / 50);
  CHECK(seen.failures > all / 50);
  CHECK(seen.ill > all / 500);
  CHECK(seen.crash_loops > all / 50);
  CHECK(seen.over > all / 500);
  CHECK(seen.adopted > all / 10);
}
