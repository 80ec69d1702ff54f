#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <csignal>
#include <cstdint>
#include <dumb/base/clock.hpp>
#include <dumb/base/error.hpp>
#include <dumb/base/log.hpp>
#include <dumb/supervisor/launch.hpp>
#include <dumb/supervisor/restart_policy.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// clang-format off
/// The life of one service. Decides; performs nothing.
///
/// | state      | meaning                        | ends by                                                      |
/// |------------|--------------------------------|--------------------------------------------------------------|
/// | stopped    | not running; nothing pending   | start, restart -> setting_up                                 |
/// | setting_up | setup runs                     | done -> waiting; error -> failed; stop -> stopped            |
/// | waiting    | directories, mounts, URLs are  | done -> starting; error -> failed; stop -> stopped           |
/// |            | awaited                        |                                                              |
/// | starting   | launched, immediate-exit watch | ready or watch over -> running; exit -> failed or backoff;   |
/// |            |                                | stop -> stopping                                             |
/// | running    | confirmed; a declared          | exit -> stopped, backoff or failed (remains are killed);     |
/// |            | readiness may come and go      | stop -> stopping; restart, asked for or because its health   |
/// |            |                                | is bad -> stopping, then setting_up                          |
/// | stopping   | asked to end, then killed      | nothing left -> stopped (or setting_up by a restart)         |
/// | backoff    | it is down, a restart pending  | its time, or start -> setting_up; stop -> stopped            |
/// | failed     | the start failed, or too many  | start, restart -> setting_up; room for another attempt ->    |
/// |            | restarts: crash loop           | backoff; stop -> stopped when it is a crash loop             |
///
/// Adopted leads from stopped straight to running: the process was started by an earlier run of this program.
/// One that was told to end by then goes on ending: it is stopping, and may be started when it is gone.
/// LeftAtRest stays in stopped: it was stopped, or completed its work, in an earlier run.
///
/// A start is *answered* when running begins. It is *settled* when post-start is over and the readiness the
/// service declares, if any, is reached or given up; an end, a stop and a failure settle it as well. A one-shot
/// that ends with code 0 has done its work: from starting it goes to stopped, not to failed.
///
/// Restarts nobody asked for are decided by the RestartPolicy the machine owns: it is told of every launch, end,
/// verdict on health, failed attempt and wish of the user, and asked at the instants it names. A restart because
/// of bad health waits for its time in `running`. A start that fails is requested again only if it was such an
/// attempt, or if its process had been launched and ended by itself.
///
/// From Spawn to Spawned or SpawnFailed, in which time passes, `starting` has no process yet. A stop that comes
/// meanwhile is carried out as soon as there is one.
///
/// A stop or restart pre-empts setting_up and waiting. After an exit the remains are collected before the
/// next setup begins, so two incarnations never overlap: a start asked for meanwhile is held until then.
///
/// What SIGKILL does not end (uninterruptible sleep) is given up after a while: every request is answered with
/// an error, a stop by trying once more first, and what is left is collected whenever it goes.
// clang-format on
namespace dumb::supervisor {

enum class State { stopped, setting_up, waiting, starting, running, stopping, backoff, failed };
BOOST_DESCRIBE_ENUM(State, stopped, setting_up, waiting, starting, running, stopping, backoff, failed)

struct MachineOptions {
  Duration immediate_exit_watch = std::chrono::milliseconds(2000);  ///< LIF-56
  Duration grace = std::chrono::seconds(30);     ///< from the stop signal to the quit signal, or to SIGKILL
  Duration kill_wait = std::chrono::seconds(5);  ///< from SIGKILL to giving up
  Duration quit_grace{0};  ///< from the quit signal to SIGKILL; zero: there is no quit signal (LIF-79)
};

/// Who wants a service to be started. What follows from wishes of the user does not follow from the boot,
/// which also starts what ended while nobody supervised it.
enum class Asker { hand, boot };

namespace event {
struct StartAsked {
  Asker by = Asker::hand;
};
struct StopAsked {};
struct RestartAsked {};
struct KillAsked {};  ///< no more patience (second signal of a shutdown)
/// Outcomes of work carry the number of the run they belong to; those of an earlier run are ignored.
struct SetupDone {
  std::uint64_t run = 0;
  std::optional<Error> error;
};
struct WaitsDone {
  std::uint64_t run = 0;
  std::optional<Error> error;
};
struct WaitProgress {
  std::uint64_t run = 0;
  std::string missing;
};
struct Spawned {
  pid_t pid = -1;
  /// Set when the service declares its readiness: how long it may take from the launch (LIF-137).
  std::optional<Duration> ready_within = std::nullopt;
  bool one_shot = false;  ///< somebody waits for its end with code 0 (LIF-142)
};
/// A process of an earlier run of this program goes on under this one.
struct Adopted {
  pid_t pid = -1;
  std::optional<bool> ready = std::nullopt;  ///< set when the service declares its readiness: what is known
  Duration ready_within{};                   ///< how long it may still take
  bool one_shot = false;
  std::optional<SteadyTime> since = std::nullopt;  ///< its launch; nullopt: not known
  bool ending = false;                             ///< it was told to end, for whatever came next
};
/// An earlier run of this program was asked to stop it, or saw it complete its work; nothing of it is there.
struct LeftAtRest {
  std::optional<WallTime> completed_at;  ///< nullopt: it was stopped
};
struct SpawnFailed {
  Error error;
};
/// The service answers, or its declared readiness is reached (again); `note`: what it says of itself.
struct Ready {
  std::uint64_t run = 0;
  std::string note = {};
};
/// The declared readiness is not reached, or not any more; `reason`: the last answer.
struct NotReady {
  std::uint64_t run = 0;
  std::string reason;
};
struct Exited {
  ExitStatus status;
  WallTime at;
};
/// Nothing the service started is left and its output is drained; `tail`: last lines of that output.
struct Gone {
  std::string tail;
};
struct PostStartDone {
  std::uint64_t run = 0;
  bool restart_needed = false;
};
/// The outcome of CheckHealth; nullopt: neither well nor ill yet.
struct HealthTold {
  std::uint64_t run = 0;
  std::optional<bool> healthy;
  std::string reason = {};
};
struct RulesChanged {};  ///< the rules of restarts may be others: set_rules() was called
struct Woke {};
}  // namespace event

using Event =
    std::variant<event::StartAsked, event::StopAsked, event::RestartAsked, event::KillAsked, event::SetupDone,
                 event::WaitsDone, event::WaitProgress, event::Spawned, event::Adopted, event::SpawnFailed,
                 event::Ready, event::NotReady, event::Exited, event::Gone, event::PostStartDone,
                 event::HealthTold, event::RulesChanged, event::LeftAtRest, event::Woke>;

namespace action {
struct RunSetup {
  std::uint64_t run = 0;
};
struct RunWaits {
  std::uint64_t run = 0;
};
struct CancelWork {};  ///< end setup, waits, readiness watch and post-start
struct Spawn {};
struct WatchReadiness {
  std::uint64_t run = 0;
};
struct Terminate {};  ///< the stop signal, to everything the service started
struct Quit {};       ///< the quit signal, to everything: the last one that can be obeyed
struct Kill {};       ///< SIGKILL to everything, again and again until nothing is left
struct Collect {};    ///< the leader has ended: wait until nothing is left, drain the output, report Gone
struct PostStart {
  std::uint64_t run = 0;
};
struct CheckHealth {
  std::uint64_t run = 0;
};
struct WakeAt {
  SteadyTime time;
};
/// A line for the log.
struct Tell {
  Level level;
  std::string text;
};
/// A start ended; nullopt: running. One answers every start and restart that joined it.
struct StartEnded {
  std::optional<Error> error;
};
/// The start including post-start and declared readiness is over, or has failed: dependents may go on.
struct StartSettled {
  std::optional<Error> error = std::nullopt;
};
struct StopEnded {
  std::optional<Error> error;
};
/// The visible state changed to this; the machine may have gone on since.
struct Publish {
  State state = State::stopped;
  std::string reason;
};
}  // namespace action

using Action =
    std::variant<action::RunSetup, action::RunWaits, action::CancelWork, action::Spawn,
                 action::WatchReadiness, action::Terminate, action::Quit, action::Kill, action::Collect,
                 action::PostStart, action::CheckHealth, action::WakeAt, action::Tell, action::StartEnded,
                 action::StartSettled, action::StopEnded, action::Publish>;
using Actions = std::vector<Action>;

/// What a later run of this program has to know of a service beside its process (LIF-125).
struct ServiceMemory {
  std::string process_name;
  RestartMemory restarts;
  std::int64_t launches = 0;  ///< processes started, over all runs; counted by the owner of the machine
  std::string end;            ///< of the last end by itself: "code", "signal" or "unknown"; empty: none
  std::int64_t end_value = 0;
  double end_at = 0;  ///< seconds since 1970
  State rest =
      State::stopped;  ///< with its reason, what it is in but for a restart that is pending or refused
  std::string rest_reason;

  bool operator==(const ServiceMemory&) const = default;
};
BOOST_DESCRIBE_STRUCT(ServiceMemory, (),
                      (process_name, restarts, launches, end, end_value, end_at, rest, rest_reason))

class Machine {
 public:
  explicit Machine(std::string name, MachineOptions options = {});

  /// To be called before the first event: what was known in the earlier run. A restart that was pending or
  /// refused then is taken up with the first RulesChanged once restarts are possible at all.
  void restore(const ServiceMemory& memory, SteadyTime now);
  /// Without `launches`. changes() of the policy grows whenever it may be another.
  ServiceMemory memory() const;

  /// Feeds one event; returns what the caller must do, in order.
  Actions on(const Event& event, SteadyTime now);
  void set_options(MachineOptions options) noexcept { options_ = options; }
  /// To be called before on(): what restarts depend on now, a random number from 0 to 1, and the wall clock.
  void set_rules(RestartRules rules, double chance, WallTime wall) {
    policy_.configure(std::move(rules), chance);
    wall_ = wall;
  }

  State state() const noexcept { return state_; }
  /// Why it is in this state, one sentence; may be empty.
  const std::string& reason() const noexcept { return reason_; }
  /// On after a start, off after a stop (LIF-3).
  bool desired() const noexcept { return desired_; }
  /// Automatic restarts are off after a stop by hand, until the next start by hand.
  bool restart_disabled() const noexcept { return disabled_; }
  /// A process exists or its remains are being collected.
  bool occupied() const noexcept { return pid_ > 0; }
  /// A process is being made: Spawn was asked for, and its outcome is not known yet.
  bool launching() const noexcept { return launching_; }
  pid_t pid() const noexcept { return pid_; }
  const std::optional<ExitStatus>& last_exit() const noexcept { return last_exit_; }
  const std::optional<WallTime>& last_exit_at() const noexcept { return last_exit_at_; }
  /// The last end came by itself: not asked for by a stop.
  bool ended_unasked() const noexcept { return ended_unasked_; }
  /// The last end of any run that came by itself.
  const std::optional<ExitStatus>& last_unasked() const noexcept { return last_unasked_; }
  const std::optional<WallTime>& last_unasked_at() const noexcept { return last_unasked_at_; }
  const RestartPolicy& restarts() const noexcept { return policy_; }
  /// When Woke is awaited; what WakeAt said last.
  const std::optional<SteadyTime>& wake_at() const noexcept { return wake_; }
  /// A start, restart or stop is under way, and which requests it can be ended by.
  bool busy() const noexcept;
  /// SIGKILL was sent in the last stop, whose end may be awaited still.
  bool killing() const noexcept { return killed_; }
  /// Whether the declared readiness holds; nullopt when none is declared or there is no process.
  const std::optional<bool>& ready() const noexcept { return ready_; }
  /// What the last answer or the service itself says; may be empty.
  const std::string& readiness_reason() const noexcept { return readiness_reason_; }
  /// When this run became ready first.
  const std::optional<SteadyTime>& ready_at() const noexcept { return ready_at_; }
  /// The declared readiness has not been reached in this run yet, and its time is not over.
  bool becoming_ready() const noexcept { return ready_by_.has_value(); }
  /// A one-shot whose last run ended by itself with code 0.
  bool completed() const noexcept { return completed_; }
  /// It runs, post-start is over and a declared readiness holds: what dependents wait for.
  bool settled() const noexcept {
    return state_ == State::running && post_start_over_ && !ready_by_ && ready_.value_or(true);
  }
  /// A start is under way or not settled yet, or will follow the stop under way or the pause before a
  /// restart.
  bool coming() const noexcept {
    if (state_ == State::running) return !post_start_over_ || ready_by_;
    return state_ == State::setting_up || state_ == State::waiting || state_ == State::starting ||
           state_ == State::backoff || start_after_;
  }
  /// A stop was asked for and will be answered by itself: not the first half of a restart, and not one that
  /// was given up.
  bool stop_under_way() const noexcept {
    return state_ == State::stopping && !desired_ && deadline_.has_value();
  }
  bool preemptible() const noexcept { return state_ == State::setting_up || state_ == State::waiting; }

 private:
  void enter(State state, std::string reason, Actions& out);
  void begin(Actions& out);
  enum class Launched { no, yes };
  void fail(Error error, Launched launched, Actions& out, SteadyTime now);
  void stop(Actions& out, SteadyTime now);
  void ask_to_end(Actions& out, SteadyTime now);
  void end_unasked(Actions& out, SteadyTime now);
  void insist(Duration patience, Actions& out, SteadyTime now);
  void escalate(Actions& out, SteadyTime now);
  void end_late(Actions& out, SteadyTime now);
  void give_up(Actions& out, SteadyTime now);
  void abandon_start(Actions& out);
  void confirm(Actions& out);
  void answer_running(Actions& out);
  void note_readiness(bool ready, const std::string& reason, Actions& out);
  void forget_readiness();
  void settle(std::optional<Error> error, Actions& out);
  void settle_when_over(Actions& out);
  Error never_ready() const;
  void wake(Actions& out);
  void come_to_rest(State otherwise, std::string reason, Actions& out);
  void request(const std::string& why, Actions& out, SteadyTime now);
  void attempt(Actions& out, SteadyTime now);
  void call_off_restart(Actions& out);
  void show_restart(Actions& out);
  void reconsider(Actions& out, SteadyTime now);
  void take_up_restart(Actions& out);

  void on(const event::StartAsked&, Actions&, SteadyTime);
  void on(const event::StopAsked&, Actions&, SteadyTime);
  void on(const event::RestartAsked&, Actions&, SteadyTime);
  void on(const event::KillAsked&, Actions&, SteadyTime);
  void on(const event::SetupDone&, Actions&, SteadyTime);
  void on(const event::WaitsDone&, Actions&, SteadyTime);
  void on(const event::WaitProgress&, Actions&, SteadyTime);
  void on(const event::Spawned&, Actions&, SteadyTime);
  void on(const event::Adopted&, Actions&, SteadyTime);
  void on(const event::LeftAtRest&, Actions&, SteadyTime);
  void on(const event::SpawnFailed&, Actions&, SteadyTime);
  void on(const event::Ready&, Actions&, SteadyTime);
  void on(const event::NotReady&, Actions&, SteadyTime);
  void on(const event::Exited&, Actions&, SteadyTime);
  void on(const event::Gone&, Actions&, SteadyTime);
  void on(const event::PostStartDone&, Actions&, SteadyTime);
  void on(const event::HealthTold&, Actions&, SteadyTime);
  void on(const event::RulesChanged&, Actions&, SteadyTime);
  void on(const event::Woke&, Actions&, SteadyTime);

  std::string name_;
  MachineOptions options_;
  State state_ = State::stopped;
  std::string reason_;
  std::uint64_t run_ = 0;
  pid_t pid_ = -1;
  RestartPolicy policy_;
  State rest_ = State::stopped;  // with its reason, what backoff and a crash loop fall back to
  std::string rest_reason_;
  WallTime wall_;
  std::optional<SteadyTime> wake_;
  std::optional<SteadyTime> deadline_;  // of the watch or the stop
  std::optional<SteadyTime> ready_by_;  // readiness is awaited until then
  Duration ready_within_{};
  std::optional<bool> ready_;
  std::string readiness_reason_;
  std::optional<SteadyTime> ready_at_;
  std::optional<ExitStatus> last_exit_;
  std::optional<WallTime> last_exit_at_;
  std::optional<ExitStatus> last_unasked_;
  std::optional<WallTime> last_unasked_at_;
  bool desired_ = false;
  bool disabled_ = false;
  bool ended_unasked_ = false;
  bool start_open_ = false;   // a StartEnded is owed
  bool settle_open_ = false;  // a StartSettled is owed
  bool stop_open_ = false;    // a StopEnded is owed
  bool start_after_ = false;  // begin again when the remains are gone
  bool launching_ = false;    // Spawned or SpawnFailed is awaited
  bool collecting_ = false;   // the leader has ended, Gone is awaited
  bool quit_ = false;         // the quit signal was sent in this stop
  bool killed_ = false;       // SIGKILL was sent in this stop
  bool post_start_over_ = false;
  bool one_shot_ = false;
  bool completed_ = false;
  bool restarted_once_ = false;  // by post-start, which may ask only once
};

}  // namespace dumb::supervisor
