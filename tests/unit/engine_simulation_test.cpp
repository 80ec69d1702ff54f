// Random stacks in virtual time: machines with their restart policies, rollouts and a scripted launcher,
// nothing else. Services crash, are restarted, fall ill, and some are left by an earlier run.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <set>

#include "engine/stack_book.hpp"
#include "support/catch.hpp"
#include "support/driven_machine.hpp"

using namespace dumb;
using namespace dumb::engine;
using namespace dumb::supervisor;
using Condition = Need::Condition;
using Step = Rollout::Step;
using std::chrono::milliseconds;

namespace {

/// Thrown by a broken promise; the test tells it with the seed.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};
void promise(bool holds, const std::string& what) {
  if (!holds) throw Broken(what);
}

/// What the schedules came upon, to be sure that they do.
struct Seen {
  std::uint64_t launches = 0, attempts = 0, ill = 0, backoffs = 0, crash_loops = 0, adopted = 0, resting = 0;
};

class World {
 public:
  explicit World(unsigned seed) : random_(seed) {
    const std::size_t count = 2 + chance(4);
    for (std::size_t i = 0; i < count; ++i) {
      services_.emplace_back(std::make_unique<Service>(name_of(i)));
      if (chance(2) == 0) give_policy(*services_.back());
    }
  }

  void play() {
    find_earlier();
    // Nothing is restarted for ever: one day the stack is told to shut down, and nothing is restarted any
    // more.
    at(40'000, [this] {
      for (const auto& one : services_) {
        one->rules.armed = false;
        feed(*one, event::RulesChanged{});
      }
    });
    const std::size_t operations = 1 + chance(3);
    for (std::size_t i = 0; i < operations; ++i) at(chance(3000), [this] { begin_run(); });
    const std::size_t meddling = chance(6);
    for (std::size_t i = 0; i < meddling; ++i) at(chance(20'000), [this] { meddle(); });
    run_out();
    // Nobody may wait for ever for the health of a service, nor for the end of one that would run for ever.
    for (const StackRunPtr& run : runs_) check_no_health(*run);
    const auto lives = [](const auto& service) { return service->process != 0; };
    for (int round = 0; round < 10 && std::any_of(services_.begin(), services_.end(), lives); ++round) {
      for (const auto& service : services_) exit_in(*service, chance(50), service->process, 7);
      run_out();
    }
    for (const auto& run : runs_) check_end(*run);
  }
  const Seen& seen() const noexcept { return seen_; }

 private:
  struct Service {
    explicit Service(std::string of)
        : name(std::move(of)),
          machine(name, {.immediate_exit_watch = milliseconds(200),
                         .grace = milliseconds(500),
                         .kill_wait = milliseconds(300)}) {}
    std::string name;
    Machine machine;
    RestartRules rules;
    std::uint64_t run = 0;
    std::uint64_t process = 0;  // number of the process that exists, 0: none
    bool dying = false;
    bool adopted = false;  // how it ends is not known
    std::uint64_t attempts = 0;
    State last = State::stopped;
    bool looping = false;
    bool healthy = false;
    std::vector<std::function<void(const std::optional<Error>&)>> settled, stopped;
  };
  /// What the world saw of one operation.
  struct Story {
    std::set<std::string> begun;
    std::set<std::pair<std::string, Condition>> truth;  // what was true at some time of it
  };
  struct Timed {
    SteadyTime time;
    std::uint64_t order;
    std::function<void()> what;
    bool operator>(const Timed& other) const {
      return std::tie(time, order) > std::tie(other.time, other.order);
    }
  };

  static std::string name_of(std::size_t i) { return std::string(1, static_cast<char>('a' + i)); }
  unsigned chance(std::size_t below) { return static_cast<unsigned>(random_() % below); }
  Service& any() { return *services_[chance(services_.size())]; }
  Service& service(const std::string& name) { return *services_[static_cast<std::size_t>(name[0] - 'a')]; }
  void at(unsigned ms, std::function<void()> what) {
    queue_.push({now_ + milliseconds(ms), ++order_, std::move(what)});
  }
  void run_out() {
    for (std::size_t steps = 0; !queue_.empty(); ++steps) {
      promise(steps < 20'000, "it never comes to rest");
      Timed next = queue_.top();
      queue_.pop();
      now_ = next.time;
      next.what();
    }
  }

  // ---- what an earlier run has left, and policies ----

  void give_policy(Service& one) {
    RestartSettings& settings = one.rules.settings;
    one.rules.armed = settings.enabled = true;
    settings.max_restarts = static_cast<int>(chance(4));
    settings.window = std::chrono::seconds(5 + chance(20));
    settings.backoff = {milliseconds(100 + chance(2000))};
    settings.backoff_multiplier = 1 + chance(2);
    settings.backoff_max = std::chrono::seconds(4);
    settings.backoff_jitter = chance(2) == 0 ? 0 : 0.3;
    settings.check_interval = milliseconds(chance(3) == 0 ? 0 : 500 + chance(3000));
    settings.unhealthy_threshold = 1 + static_cast<int>(chance(3));
    settings.grace = milliseconds(chance(2000));
    settings.healthy_reset = milliseconds(chance(2) == 0 ? 0 : 5000);
  }

  void find_earlier() {
    if (chance(3) != 0) return;
    for (const auto& one : services_) {
      switch (chance(4)) {
        case 0: {
          one->process = ++processes_;
          one->adopted = true;
          event::Adopted found{static_cast<pid_t>(one->process), {}, {}, chance(4) == 0};
          if (chance(2) == 0) {
            found.ready = chance(2) == 0;
            found.ready_within = milliseconds(chance(2000));
          }
          ++seen_.adopted;
          feed(*one, found);
          promise(one->machine.state() == State::running, one->name + " is adopted and does not run");
          if (chance(3) == 0) exit_in(*one, chance(4000), one->process, 7);
          break;
        }
        case 1:
          ++seen_.resting;
          feed(*one, event::LeftAtRest{chance(2) == 0 ? std::nullopt : std::optional(WallTime{})});
          promise(!one->machine.occupied() && !one->machine.coming(), one->name + " is not at rest");
          break;
        default:
          break;
      }
    }
  }

  // ---- operations ----

  StackBook::Hooks hooks() {
    StackBook::Hooks hooks;
    hooks.look = [this](const std::string& name) { return look(service(name)); };
    hooks.perform = [this](const StackRunPtr& run, const std::string& name) {
      note_truths(*run);
      Story& story = stories_[run.get()];
      promise(story.begun.insert(name).second, name + " is begun twice by one operation");
      check_needs(*run, story, name);
      // As a coroutine would: a moment later.
      at(0, [this, run, name] { begin_step(run, name); });
    };
    hooks.watch_health = [this](const StackRunPtr& run, const std::string& name) {
      if (probed_.emplace(run.get(), name).second) at(0, [this, run, name] { probe(run, name, now_); });
    };
    hooks.over = [](const StackRunPtr&) {};
    hooks.changed = [] {};
    return hooks;
  }

  static ServiceView look(const Service& one) {
    ServiceView view;
    view.running = one.machine.state() == State::running;
    view.settled = one.machine.settled();
    view.coming = one.machine.coming();
    view.completed = one.machine.completed();
    view.reason = one.machine.reason();
    return view;
  }

  /// Needs of one service on those before it, or for a stop on those after it.
  std::vector<Need> random_needs(std::size_t i, const std::vector<char>& included, bool down) {
    std::vector<Need> needs;
    for (std::size_t j = 0; j < services_.size(); ++j) {
      if (down ? j <= i || included[j] == 0 : j >= i) continue;  // a stop waits for its own alone
      if (chance(2) == 0) continue;
      const unsigned kind = down ? 0 : chance(8);
      if (kind == 6) needs.push_back({services_[j]->name, Condition::settled, false, true});
      const Condition condition = kind == 6   ? Condition::healthy
                                  : kind == 7 ? Condition::completed
                                              : Condition::settled;
      needs.push_back({services_[j]->name, condition, kind >= 5, false});
    }
    return needs;
  }

  void begin_run() {
    const bool down = chance(4) == 0;
    std::vector<RolloutItem> items;
    std::vector<char> included;
    for (std::size_t i = 0; i < services_.size(); ++i) included.push_back(chance(5) != 0 ? 1 : 0);
    for (std::size_t i = 0; i < services_.size(); ++i) {
      if (included[i] != 0) items.push_back({services_[i]->name, random_needs(i, included, down)});
    }
    runs_.push_back(down ? book_.down("down", std::move(items)) : book_.up("up", std::move(items)));
    note_truths();
  }

  /// The configuration has changed.
  void renew() {
    book_.renew([this](const std::set<std::string>& names) {
      const std::vector<char> all(services_.size(), 1);
      std::vector<RolloutItem> items;
      for (std::size_t i = 0; i < services_.size(); ++i) {
        if (names.contains(services_[i]->name))
          items.push_back({services_[i]->name, random_needs(i, all, false)});
      }
      return items;
    });
  }

  void begin_step(const StackRunPtr& run, const std::string& name) {
    Service& one = service(name);
    if (run->stops) {
      one.stopped.push_back(
          [this, run, name](const std::optional<Error>& error) { ended(run, name, error); });
      feed(one, event::StopAsked{});
    } else {
      join_start(run, name);
    }
  }

  void join_start(const StackRunPtr& run, const std::string& name) {
    Service& one = service(name);
    one.settled.push_back([this, run, name](const std::optional<Error>& error) {
      if (error && error->is(Errc::cancelled) && service(name).machine.coming()) {
        join_start(run, name);
      } else {
        ended(run, name, error);
      }
    });
    feed(one, event::StartAsked{});
  }

  void ended(const StackRunPtr& run, const std::string& name, const std::optional<Error>& error) {
    if (!error) stories_[run.get()].truth.insert({name, Condition::settled});
    book_.ended(run, name, error ? std::optional(error->message()) : std::nullopt);
  }

  /// Some become healthy a while after they run, some never do.
  void probe(const StackRunPtr& run, const std::string& name, SteadyTime since, bool told = false) {
    const Service& one = service(name);
    if (!StackBook::awaits_health(*run, name) || one.machine.state() != State::running) {
      probed_.erase({run.get(), name});
      return;
    }
    if (one.healthy) {
      probed_.erase({run.get(), name});
      return book_.healthy(run, name);
    }
    if (!told && now_ - since > milliseconds(3000)) {
      told = true;
      book_.unhealthy(run, name, "does not answer");
    }
    if (now_ - since < milliseconds(10'000))  // the world comes to rest some time
      at(1 + chance(500), [this, run, name, since, told] { probe(run, name, since, told); });
  }

  /// What is true now was true in the time of every operation that goes on.
  void note_truths() {
    for (const StackRunPtr& run : runs_) note_truths(*run);
  }
  void note_truths(const StackRun& run) {
    std::set<std::pair<std::string, Condition>>& truth = stories_[&run].truth;
    for (const auto& one : services_) {
      if (one->machine.settled() || one->machine.completed()) truth.insert({one->name, Condition::settled});
      if (one->machine.completed()) truth.insert({one->name, Condition::completed});
      if (one->healthy) truth.insert({one->name, Condition::healthy});
    }
  }

  /// What a user does in between.
  void meddle() {
    Service& one = any();
    switch (chance(8)) {
      case 0:
        feed(one, event::StartAsked{});
        break;
      case 1:
      case 2:
        book_.call_off({one.name}, "a stop was asked for");
        feed(one, event::StopAsked{});
        break;
      case 3:
        feed(one, event::RestartAsked{});
        break;
      case 4:
        feed(one, event::KillAsked{});
        break;
      case 5:
      case 6:
        renew();
        break;
      default:
        book_.call_off_all("DUMB is shutting down");
    }
  }

  // ---- the launcher ----

  void feed(Service& one, const supervisor::Event& event) {
    one.machine.set_rules(one.rules, chance(1001) / 1000.0, WallTime(now_.time_since_epoch()));
    for (const Action& action : one.machine.on(event, now_)) {
      std::visit([&](const auto& todo) { act(one, todo); }, action);
    }
    look_at_restarts(one);
  }

  void look_at_restarts(Service& one) {
    const RestartStatistics now = one.machine.restarts().statistics(now_);
    const auto attempts = static_cast<std::uint64_t>(now.attempts);
    promise(attempts <= one.attempts + 1, one.name + " is restarted twice at once");
    promise(attempts == one.attempts || one.machine.desired(), one.name + " is restarted though stopped");
    seen_.attempts += attempts - std::exchange(one.attempts, attempts);
    const State state = one.machine.state();
    promise(state != State::backoff || now.next, one.name + " is in back-off without a time");
    if (state == State::backoff && std::exchange(one.last, state) != state) ++seen_.backoffs;
    if (now.crash_loop && !std::exchange(one.looping, true)) ++seen_.crash_loops;
    one.looping = now.crash_loop;
    one.last = state;
  }

  template <class T>
  void act(Service&, const T&) {}  // what has no outside effect

  void act(Service& one, const action::RunSetup& todo) {
    promise(one.process == 0, one.name + " is set up while a process of it exists");
    one.run = todo.run;
    const bool fails = chance(20) == 0;
    at(chance(300), [this, &one, run = todo.run, fails] {
      event::SetupDone done{run, {}};
      if (fails) done.error = Error(Errc::setup_failed, "no setup");
      feed(one, done);
    });
  }
  void act(Service& one, const action::RunWaits& todo) {
    at(chance(500), [this, &one, run = todo.run] { feed(one, event::WaitsDone{run, {}}); });
  }
  void act(Service& one, const action::Spawn&) {
    promise(one.process == 0, one.name + " is launched while a process of it exists");
    if (chance(15) == 0) {
      at(0, [this, &one] { feed(one, event::SpawnFailed{Error(Errc::spawn_failed, "no such program")}); });
      return;
    }
    one.process = ++processes_;
    one.dying = one.adopted = false;
    ++seen_.launches;
    if (chance(3) != 0) {
      at(chance(5000), [this, &one, process = one.process] {
        one.healthy = one.process == process;
        note_truths();
      });
    }
    std::optional<Duration> within;
    if (chance(2) == 0) within = milliseconds(chance(2000));
    const bool one_shot = chance(4) == 0;
    const auto process = one.process;
    at(0, [this, &one, process, within, one_shot] {
      feed(one, event::Spawned{static_cast<pid_t>(process), within, one_shot});
    });
    if (one_shot || chance(3) == 0) exit_in(one, chance(4000), process, chance(2) == 0 ? 0 : 7);
  }
  void exit_in(Service& one, unsigned ms, std::uint64_t process, int code) {
    at(ms, [this, &one, process, code] {
      if (one.process != process || one.dying) return;
      one.dying = true;
      const ExitStatus status{ExitStatus::Kind::code, code};
      feed(one, event::Exited{one.adopted ? ExitStatus() : status, WallTime(now_.time_since_epoch())});
    });
  }
  void act(Service& one, const action::WatchReadiness& todo) {
    const unsigned flaps = chance(4);
    for (unsigned i = 0; i < flaps; ++i) {
      at(chance(2500), [this, &one, run = todo.run, up = chance(3) != 0] {
        if (up) {
          feed(one, event::Ready{run});
        } else {
          feed(one, event::NotReady{run, "flaps"});
        }
      });
    }
  }
  void act(Service& one, const action::Terminate&) {
    if (chance(5) != 0) exit_in(one, chance(400), one.process, 0);  // else it ignores the signal
  }
  void act(Service& one, const action::Kill&) { exit_in(one, chance(20), one.process, 9); }
  void act(Service& one, const action::Collect&) {
    at(chance(100), [this, &one] {
      promise(one.process != 0, one.name + " is collected without a process");
      one.process = 0;
      one.healthy = false;
      feed(one, event::Gone{});
    });
  }
  void act(Service& one, const action::PostStart& todo) {
    at(chance(300), [this, &one, run = todo.run, again = chance(10) == 0] {
      feed(one, event::PostStartDone{run, again});
    });
  }
  void act(Service& one, const action::CheckHealth& todo) {
    promise(one.process != 0, one.name + " is examined without a process");
    const bool ill = chance(3) == 0;
    if (ill) ++seen_.ill;
    at(chance(200), [this, &one, run = todo.run, ill] {
      feed(one, event::HealthTold{run, ill ? std::optional(false) : std::optional(true), "no answer"});
    });
  }
  void act(Service& one, const action::WakeAt& todo) {
    queue_.push({std::max(todo.time, now_), ++order_, [this, &one] { feed(one, event::Woke{}); }});
  }
  void act(Service& one, const action::StartSettled& todo) {
    for (auto& waiter : std::exchange(one.settled, {}))
      at(0, [waiter, error = todo.error] { waiter(error); });
  }
  void act(Service& one, const action::StopEnded& todo) {
    for (auto& waiter : std::exchange(one.stopped, {}))
      at(0, [waiter, error = todo.error] { waiter(error); });
  }
  void act(Service& one, const action::Publish&) {
    note_truths();
    book_.changed(one.name);
  }

  // ---- promises ----

  /// No start before its conditions, no stop before the dependents are gone: by what the world saw, not by
  /// what the rollout believes.
  void check_needs(const StackRun& run, const Story& story, const std::string& name) {
    const Rollout::Entry& entry = *run.rollout.find(name);
    for (const Need& need : entry.needs) {
      if (story.truth.contains({need.name, need.condition})) continue;
      promise(!need.binding, name + " begins without " + need.name + ", which it is bound to");
      const Rollout::Entry* other = run.rollout.find(need.name);
      promise(other == nullptr || other->step == Step::failed || other->step == Step::called_off,
              name + " begins before " + need.name + " is over");
      const auto told = [&](const std::string& warning) { return warning.starts_with(need.name); };
      promise(run.stops || need.silent || std::any_of(entry.warnings.begin(), entry.warnings.end(), told),
              name + " begins without " + need.name + " and does not say so");
    }
  }

  std::string describe(const StackRun& run) const {
    std::string text = run.stops ? "down" : "up";
    for (const Rollout::Entry& entry : run.rollout.entries()) {
      if (entry.step != Step::pending && entry.step != Step::under_way) continue;
      text += "; " + entry.name + (entry.step == Step::pending ? " pending" : " under way");
      for (const std::size_t open : entry.open) {
        const Need& need = entry.needs[open];
        const Machine& machine = services_[static_cast<std::size_t>(need.name[0] - 'a')]->machine;
        text += ", needs " + need.name + " " + std::to_string(static_cast<int>(need.condition)) +
                (need.binding ? " bound" : "") + " (state " +
                std::to_string(static_cast<int>(machine.state())) + (machine.settled() ? " settled" : "") +
                ")";
      }
    }
    return text;
  }

  /// A service that runs and is not healthy keeps nobody waiting without a word.
  void check_no_health(const StackRun& run) {
    for (const Rollout::Entry& entry : run.rollout.entries()) {
      if (entry.step != Step::pending) continue;
      for (const std::size_t open : entry.open) {
        const Need& need = entry.needs[open];
        const bool runs = service(need.name).machine.state() == State::running;
        if (need.condition != Condition::healthy || !runs) continue;
        const Rollout::Entry* other = run.rollout.find(need.name);
        if (other != nullptr && other->step == Step::under_way) continue;
        promise(entry.held && !entry.reason.empty(), entry.name + " waits for the health of " + need.name + ": " + describe(run));
      }
    }
  }

  /// Every wait has ended in a start, a failure with a reason or a cancellation; or is held, with a reason.
  void check_end(const StackRun& run) {
    promise(run.rollout.over(), "an operation is not over: " + describe(run));
    for (const Rollout::Entry& entry : run.rollout.entries()) {
      switch (entry.step) {
        case Step::under_way:
          throw Broken(entry.name + " is under way for ever");
        case Step::pending: {
          promise(!entry.open.empty(), entry.name + " waits for nothing");
          for (const std::size_t open : entry.open) {
            const Need& need = entry.needs[open];
            const Rollout::Entry* other = run.rollout.find(need.name);
            const bool behind = other != nullptr && other->step == Step::pending;
            promise(behind || (entry.held && !entry.reason.empty()),
                    entry.name + " is held without a reason");
            promise(behind || need.binding, entry.name + " is held by a need that does not bind");
          }
          break;
        }
        case Step::failed:
        case Step::called_off:
          promise(!entry.reason.empty(), entry.name + " failed without a reason");
          break;
        case Step::done:
          break;
      }
    }
  }

  class Time : public Clock {
   public:
    explicit Time(const SteadyTime& now) : now_(now) {}
    SteadyTime now() const noexcept override { return now_; }
    WallTime wall() const noexcept override { return {}; }

   private:
    const SteadyTime& now_;
  };

  std::mt19937 random_;
  Seen seen_;
  SteadyTime now_{};
  const Time clock_{now_};
  StackBook book_{clock_, hooks()};
  std::uint64_t order_ = 0;
  std::uint64_t processes_ = 0;
  std::vector<std::unique_ptr<Service>> services_;
  std::vector<StackRunPtr> runs_;
  std::map<const StackRun*, Story> stories_;
  std::set<std::pair<const StackRun*, std::string>> probed_;
  std::priority_queue<Timed, std::vector<Timed>, std::greater<>> queue_;
};

constexpr long parts = 4;  // test cases, so that they can run side by side

/// The schedules of one part. DUMB_TEST_SCHEDULES gives another number for all parts together, DUMB_TEST_SEED
/// one seed alone.
void play(unsigned first_seed) {
#ifdef __SANITIZE_ADDRESS__
  unsigned count = 4'000;  // the plain build plays them all
#else
  unsigned count = 50'000;
#endif
  if (const char* wanted = std::getenv("DUMB_TEST_SCHEDULES"))
    count = static_cast<unsigned>(std::max(1'000L, std::atol(wanted) / parts));
  if (const char* wanted = std::getenv("DUMB_TEST_SEED")) {
    first_seed = static_cast<unsigned>(std::atol(wanted));
    count = 1;
  }
  unsigned kept = 0;
  Seen all;
  for (unsigned seed = first_seed; seed < first_seed + count; ++seed) {
    World world(seed);
    try {
      world.play();
      ++kept;
    } catch (const Broken& broken) {
      FAIL("seed " << seed << ": " << broken.what());
    }
    const Seen& seen = world.seen();
    all.launches += seen.launches;
    all.attempts += seen.attempts;
    all.ill += seen.ill;
    all.backoffs += seen.backoffs;
    all.crash_loops += seen.crash_loops;
    all.adopted += seen.adopted;
    all.resting += seen.resting;
  }
  CHECK(kept == count);
  CAPTURE(all.launches, all.attempts, all.ill, all.backoffs, all.crash_loops, all.adopted, all.resting);
  if (count == 1) return;
  CHECK(all.launches > count);
  CHECK(all.attempts > count / 4);
  CHECK(all.ill > count / 4);
  CHECK(all.backoffs > count / 8);
  CHECK(all.crash_loops > count / 20);
  CHECK(all.adopted > count / 8);
  CHECK(all.resting > count / 8);
}

}  // namespace

TEST_CASE("no random stack hangs, overlaps or begins too early, part 1",
          "[engine][simulation][DEP-44][DEP-45][LIF-90][LIF-91][LIF-125]") {
  play(1'000'000);
}
TEST_CASE("no random stack hangs, overlaps or begins too early, part 2",
          "[engine][simulation][DEP-44][DEP-45][LIF-90][LIF-91][LIF-125]") {
  play(2'000'000);
}
TEST_CASE("no random stack hangs, overlaps or begins too early, part 3",
          "[engine][simulation][DEP-44][DEP-45][LIF-90][LIF-91][LIF-125]") {
  play(3'000'000);
}
TEST_CASE("no random stack hangs, overlaps or begins too early, part 4",
          "[engine][simulation][DEP-44][DEP-45][LIF-90][LIF-91][LIF-125]") {
  play(4'000'000);
}
