#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <dumb/base/clock.hpp>
#include <dumb/base/result.hpp>
#include <dumb/health/health.hpp>
#include <dumb/logs/log_service.hpp>
#include <dumb/supervisor/launch.hpp>
#include <dumb/supervisor/machine.hpp>
#include <dumb/supervisor/readiness.hpp>
#include <dumb/supervisor/restart_policy.hpp>
#include <dumb/supervisor/usage.hpp>
#include <dumb/supervisor/waits.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::supervisor {

/// Everything about one launch, resolved from the configuration at that moment.
struct LaunchPlan {
  LaunchSpec spec;              ///< without descriptors
  std::string shown_directory;  ///< the working directory as configuration spells it
  bool discard_output = false;
  logs::LineFormat format = logs::LineFormat::general;
  bool to_main_log = true;
  std::filesystem::path log_file;
  std::filesystem::path access_file;
  Level file_threshold = Level::info;
  std::vector<health::Endpoint> endpoints;  ///< an answering one ends the immediate-exit watch (LIF-56)
  std::optional<Readiness> readiness;       ///< declared: decides in place of the endpoints
  bool one_shot = false;  ///< somebody waits for its end with code 0, which is no failure then (LIF-142)
  std::string config_key;
  std::string instance;
  std::string config_hash;  ///< recorded, to tell later whether the running child is of this configuration
};

struct StopPlan {
  int signal = SIGTERM;
  std::chrono::milliseconds grace{30'000};
  int quit_signal = 0;                      ///< what a service gets after its grace and before SIGKILL
  std::chrono::milliseconds quit_grace{0};  ///< from the quit signal to SIGKILL; zero: straight to SIGKILL
  std::chrono::milliseconds reserve{0};     ///< of the grace, what no shutdown budget takes away
};

struct ServiceInfo;

/// What the supervisor asks of its owner. Called on the supervisor's executor.
class ServiceSource {
 public:
  virtual ~ServiceSource() = default;
  /// Prepares the service: install and configure (LIF-28). Must honour cancellation.
  virtual boost::asio::awaitable<Result<void>> setup(std::string process_name) = 0;
  virtual Result<WaitPlan> waits(const std::string& process_name) = 0;
  virtual Result<LaunchPlan> launch_plan(const std::string& process_name) = 0;
  virtual StopPlan stop_plan(const std::string& process_name) = 0;
  /// The plan of the next launch of a service that runs, when that can follow its end at once: no setup, no wait
  /// and nothing after the stop would be due. nullopt: the next launch is planned when it comes.
  virtual std::optional<LaunchPlan> relaunch_plan(const std::string& /*process_name*/) { return std::nullopt; }
  /// Whether relaunch_plan() would answer what it answered last, and restart_rules() as well.
  virtual bool relaunch_fits(const std::string& /*process_name*/) { return false; }
  /// What to write down with a child that was launched, for adopted() of a later run of this program.
  virtual std::string note_of(const std::string& process_name) {
    static_cast<void>(process_name);
    return {};
  }
  /// A child of an earlier run is taken over; `note`: what was written down then, empty when that is lost.
  virtual void adopted(const std::string& process_name, const std::string& config_key,
                       const std::string& note) {
    static_cast<void>(process_name);
    static_cast<void>(config_key);
    static_cast<void>(note);
  }
  /// What follows a start (SVC-13). True asks for one restart (SVC-20).
  virtual boost::asio::awaitable<Result<bool>> post_start(std::string process_name) = 0;
  /// After nothing of the service is left: unmounting and the like (LIF-81).
  virtual boost::asio::awaitable<void> after_stop(std::string process_name) = 0;
  /// What restarts that nobody asks for depend on now (LIF-89); asked before each decision.
  virtual RestartRules restart_rules(const std::string& /*process_name*/) { return {}; }
  /// A health check of a running service, for restart_rules() that want them. Must honour cancellation.
  virtual boost::asio::awaitable<health::Verdict> check_health(std::string /*process_name*/) {
    co_return health::Verdict();
  }
  /// The service entered a state, or has a new reason for it: every one, in order, also those it has left
  /// again when this is called.
  virtual void entered(const ServiceInfo& /*at*/) {}
  /// The visible state of the service changed.
  virtual void changed(const std::string& process_name) = 0;
};

/// How the processes of a service are held together.
enum class Containment {
  automatic,     ///< a control group of its own where one can be made (LIF-170), else by descent
  descent_only,  ///< session, process group, descendants and orphans found in /proc
};

struct SupervisorOptions {
  std::filesystem::path run_directory;  ///< for FIFOs and the state file; created 0700
  std::chrono::milliseconds immediate_exit_watch{2000};
  std::chrono::milliseconds drain_limit{2000};  ///< for output after the last process is gone (LIF-62)
  std::chrono::milliseconds kill_wait{5000};
  const Clock* clock = nullptr;  ///< null: the system clock
  Containment containment = Containment::automatic;
  std::function<double()> chance = {};  ///< random numbers from 0 to 1; empty: the supervisor's own
  /// A process of its own holds the children's FIFOs and notify sockets, so that nothing they say while no
  /// supervisor is there is lost, not even when they end (LIF-174). It is forked in adopt().
  bool keeper = false;
};

/// What the API calls running: a process that is up, or one that is being stopped and still there.
constexpr bool is_running(State state, pid_t pid) noexcept {
  return state == State::running || (state == State::stopping && pid > 0);
}

/// What is known of one service (LIF-58); what belongs to a process is there while that process exists.
struct ServiceInfo {
  std::string process_name;
  std::string config_key;  ///< as of the last launch
  std::string instance;
  State state = State::stopped;
  std::string reason;
  bool desired = false;
  bool restart_disabled = false;
  bool ended_unasked = false;
  bool killed = false;  ///< the last stop needed SIGKILL
  pid_t pid = -1;
  std::uint64_t start_ticks = 0;
  std::optional<WallTime> started_at;
  std::optional<SteadyTime> started_steady;
  bool to_main_log = false;  ///< where its output goes, with the two files; empty: nowhere
  std::filesystem::path log_file;
  std::filesystem::path access_file;
  std::optional<ExitStatus> last_exit;
  std::optional<WallTime> last_exit_at;
  std::optional<bool> ready;               ///< of a declared readiness while a process runs (LIF-140)
  std::string readiness_reason;            ///< last answer, or what the service says of itself; may be empty
  std::optional<SteadyTime> ready_at;      ///< when this run became ready first
  bool becoming_ready = false;             ///< not ready in this run yet, and the time for it is not over
  std::optional<ExitStatus> last_unasked;  ///< the last end by itself, of any run
  std::optional<WallTime> last_unasked_at;
  RestartStatistics restarts;
  bool settled = false;     ///< runs, post-start is over and a declared readiness holds
  bool completed = false;   ///< a one-shot whose last run ended by itself with code 0
  bool adopted = false;     ///< the process was started by an earlier run of this program
  std::string config_hash;  ///< LaunchPlan::config_hash of the process
};

/// The part of ServiceInfo that a status answer is made of, without copying all of it.
struct ServiceBrief {
  State state = State::stopped;
  std::string reason;
  pid_t pid = -1;
  std::optional<WallTime> started_at;
  std::optional<SteadyTime> refused_until;  ///< RestartStatistics::refused_until
  bool adopted = false;
  std::string config_hash;  ///< of an adopted process only
};

/// What became of the children of an earlier run.
struct Adoption {
  std::vector<std::string> adopted;    ///< process names that go on
  std::vector<std::string> ended;      ///< process names whose process had ended; how is not known
  std::vector<std::string> sentences;  ///< what was left alone, and why
};

enum class StopReply { stopped, already_stopping };

/// Supervises processes by name. Makes this process a child subreaper, so that what services leave behind
/// comes back to it and is reaped; children of the process's own session are never touched. Not thread-safe:
/// construct and call it on `executor`, which must run on one thread. stop everything and co_await idle()
/// before destroying it.
class Supervisor {
 public:
  Supervisor(boost::asio::any_io_executor executor, boost::asio::thread_pool& workers, ServiceSource& source,
             logs::LogService& logs, SupervisorOptions options);
  ~Supervisor();

  /// Takes over the children of an earlier run of this program over the same run directory (LIF-125). Call it
  /// once, before anything else. Blocks for as long as it takes to look at every process.
  Adoption adopt();
  /// The service was stopped, or completed its work (`completed_at`), in an earlier run. Says nothing of one
  /// that runs or was started in this one.
  void leave_at_rest(const std::string& process_name, std::optional<WallTime> completed_at);
  /// A restart of this service that was pending or refused in the earlier run is so again, once
  /// restart_rules() allow it. True: it is down, and will be started when its time has come.
  bool take_up_restart(const std::string& process_name);
  /// What is known of restarts ends with this run: it ends orderly.
  void forget();
  /// Lets go of every child, so that another run can take it over: output is not read any more from here on.
  /// Call it after refuse_starts() and end this program soon, by exec or without destroying anything.
  void detach();

  /// Starts a service, or joins a start under way; resolves when it runs (LIF-56). Fails with conflict while
  /// it is being stopped, cancelled when a stop came first, unavailable after refuse_starts(), or the cause.
  boost::asio::awaitable<Result<void>> start(std::string process_name);
  /// Like start(); resolves when post-start is over too and a declared readiness is reached, or the start has
  /// failed (LIF-139). Also fails with timed_out when the readiness was not reached in its time (the service
  /// goes on running), spawn_failed when the process ended and cancelled when it was stopped before.
  boost::asio::awaitable<Result<void>> start_and_settle(std::string process_name, Asker asker = Asker::hand);
  /// Resolves when nothing it started is left; at once with already_stopping when a stop is under way. The
  /// first half of a restart is none: that becomes a stop, and the restart ends cancelled.
  boost::asio::awaitable<Result<StopReply>> stop(std::string process_name);
  /// Like stop(), but joins a stop under way.
  boost::asio::awaitable<Result<void>> stop_and_wait(std::string process_name);
  boost::asio::awaitable<Result<void>> restart(std::string process_name);
  /// SIGKILL to everything, now.
  void kill(std::string_view process_name);
  /// What goes into the file of a service whose output is captured, from its next line on and as long as
  /// this process runs.
  void set_file_threshold(std::string_view process_name, Level threshold);
  void refuse_starts();
  /// What restart_rules() answers may have changed: what is pending or refused is looked at again.
  void rules_changed();

  /// The service's state; `stopped` for a name never started.
  ServiceInfo info(std::string_view process_name) const;
  ServiceBrief brief(std::string_view process_name) const;
  /// is_running() of its state and process.
  bool running(std::string_view process_name) const;
  /// A start, stop or restart is under way.
  bool busy(std::string_view process_name) const;
  bool stopping(std::string_view process_name) const;
  /// A start is under way, or will follow the stop under way or the pause before a restart.
  bool coming(std::string_view process_name) const;
  bool preemptible(std::string_view process_name) const;
  /// Names whose process exists or is being made, in order of their start.
  std::vector<std::string> occupied() const;
  std::vector<ServiceInfo> all() const;
  /// Services whose process exists, in order of their names, for take_usage_sample() on another thread.
  std::vector<UsageTarget> usage_targets() const;
  /// Resolves when no process, work or wait is left. After refuse_starts() nothing of the supervisor is
  /// pending on the executor then.
  boost::asio::awaitable<void> idle();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dumb::supervisor
