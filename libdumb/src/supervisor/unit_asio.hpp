#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <dumb/supervisor/supervisor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/event_asio.hpp"
#include "supervisor/keeper_asio.hpp"
#include "supervisor/launch_job_posix.hpp"
#include "supervisor/memory_asio.hpp"
#include "supervisor/notify_posix.hpp"
#include "supervisor/proc_posix.hpp"
#include "supervisor/record.hpp"
#include "supervisor/unit_processes_posix.hpp"

namespace dumb::supervisor {

/// What all units of one supervisor share. Outlives them.
struct Shared {
  boost::asio::any_io_executor executor;
  boost::asio::thread_pool* workers = nullptr;
  boost::asio::thread_pool* launchers = nullptr;  ///< for what a launch blocks on
  ServiceSource* source = nullptr;
  logs::LogService* logs = nullptr;
  SupervisorOptions options;
  const Clock* clock = nullptr;
  GroupTree groups;  ///< empty: services are held together by descent
  std::optional<ProcessTable> table;
  std::uint64_t next_unit = 1;
  std::string directory_id;        ///< of the run directory
  std::string boot;                ///< id of the kernel's boot
  const bool* refusing = nullptr;  ///< nothing is started any more
  std::size_t tasks = 0;           ///< coroutines under way, of all units
  std::function<void()> changed;   ///< something became idle, or the set of children changed
  std::shared_ptr<MemoryFile> memory;
  std::shared_ptr<Keeper> keeper;
  bool detached = false;  ///< another run of this program goes on with all of it
};

using Outcome = std::optional<Error>;  ///< nullopt: fine
using OutcomeEvent = std::shared_ptr<OneShot<Outcome>>;

/// The shell of one service: feeds its machine and performs what that decides. Work under way keeps it alive.
class Unit : public std::enable_shared_from_this<Unit> {
 public:
  Unit(Shared& shared, std::string name);

  /// Feeds the machine and performs its actions, in order.
  void feed(const Event& event);

  const Machine& machine() const noexcept { return machine_; }
  const Child& child() const noexcept { return child_; }
  const std::string& name() const noexcept { return name_; }
  bool idle() const noexcept { return tasks_ == 0 && !machine_.occupied(); }
  ServiceInfo info() const;
  ServiceBrief brief() const;
  std::optional<UsageTarget> usage_target() const;
  std::uint64_t order() const noexcept { return order_; }
  const LaunchPlan& plan() const noexcept { return plan_; }
  /// Where the files of the launch are, without their suffixes.
  const std::filesystem::path& fifo_base() const noexcept { return fifo_base_; }

  /// Goes on with a process of an earlier run, or collects its remains when it has ended.
  void adopt(const Finding& finding);

  void set_file_threshold(Level threshold);
  /// Another run of this program goes on with the process, and learns of its end.
  void detach();
  /// Has the keeper hold what it can still be given: that of before is gone.
  void keep_again();
  /// Gives up a wake-up that no longer matters.
  void release() { timer_.cancel(); }
  /// What a later run has to know of it.
  ServiceMemory memory() const;
  OutcomeEvent start_event();
  OutcomeEvent settle_event();
  OutcomeEvent stop_event();

 private:
  void perform(const action::RunSetup& todo);
  void perform(const action::RunWaits& todo);
  void perform(const action::CancelWork& todo);
  void perform(const action::Spawn& todo);
  void perform(const action::WatchReadiness& todo);
  void perform(const action::Terminate& todo);
  void perform(const action::Quit& todo);
  void perform(const action::Kill& todo);
  void perform(const action::Collect& todo);
  void perform(const action::PostStart& todo);
  void perform(const action::CheckHealth& todo);
  void perform(const action::WakeAt& todo);
  void perform(const action::Tell& todo);
  void perform(const action::StartEnded& todo);
  void perform(const action::StartSettled& todo);
  void perform(const action::StopEnded& todo);
  void perform(const action::Publish& todo);

  void configure_machine();
  /// Runs a coroutine that CancelWork ends; what it throws is logged.
  /// `on_exception` makes the event that stands for its outcome then.
  std::shared_ptr<boost::asio::cancellation_signal> run(boost::asio::awaitable<void> task,
                                                        std::function<Event(Error)> on_exception);
  /// Runs a coroutine to its end whatever happens.
  void run_through(boost::asio::awaitable<void> task);
  boost::asio::awaitable<void> do_setup(std::uint64_t run);
  boost::asio::awaitable<void> do_waits(std::uint64_t run);
  boost::asio::awaitable<std::optional<Error>> find_fault_of_directory();
  boost::asio::awaitable<void> do_watch(std::uint64_t run);
  boost::asio::awaitable<void> do_post_start(std::uint64_t run);
  boost::asio::awaitable<void> do_check_health(std::uint64_t run);
  boost::asio::awaitable<void> do_collect();
  boost::asio::awaitable<void> do_watch_endpoints(std::uint64_t run);
  /// A launch that comes, now or later: its number and what follows from that.
  struct Upcoming {
    LaunchPlan plan;
    std::uint64_t number = 0;
    std::string mark;
    std::filesystem::path base;
  };
  Upcoming upcoming(LaunchPlan plan) const;
  void become(Upcoming next);
  LaunchJob job_of(const LaunchPlan& plan, const std::filesystem::path& base, std::uint64_t number) const;
  bool is_plain_launch(const LaunchPlan& plan) const;
  Result<LaunchJob> prepare_launch();
  Result<void> take_launched(LaunchDone done);
  void finish_launch(LaunchDone done);
  Result<void> prepare_readiness();
  std::function<bool(std::string_view)> line_watch() const;
  void tell_readiness();
  Result<void> watch_exit(const Child& child);
  void answer_stop();
  Membership membership() const { return {child_.pid, mark_, foreign_, child_.start_ticks, 0}; }
  void begin_capture(UniqueFd output, UniqueFd error);
  void begin_drain();
  void announce_drain();
  void finish_capture(logs::CaptureId capture, const std::filesystem::path& base, std::uint64_t number);
  void await_exit();
  Result<void> watch_pidfd(const Child& child);
  ChildRecord record() const;
  void write_down();
  void remove_files(const std::filesystem::path& base, std::uint64_t number);
  void keep_notify();
  void restore(const Finding& finding);
  ControlGroup found_group(const Finding& finding) const;

  bool wants_standby() const;
  void consider_standby();
  void make_standby();
  void hear_end(const event::Exited& exited);
  void tell_now();
  void catch_up();
  bool collect_at_once();
  bool wake_at_once();
  bool set_up_at_once(std::uint64_t run);
  bool wait_at_once(std::uint64_t run);
  bool launch_at_once();
  void tell(const ServiceInfo& entered);

  /// The next launch, ready but for the process.
  struct Standby {
    Upcoming next;
    LaunchJob job;
    LaunchSite site;
  };
  /// What is left to be done for a process that has ended.
  struct Past {
    std::unique_ptr<UnitProcesses> processes;
    Child child;
    boost::asio::posix::stream_descriptor exit;
    std::optional<logs::CaptureId> capture;
    std::filesystem::path base;
    std::uint64_t number = 0;
  };
  /// A state it was in while nobody was told.
  struct Told {
    action::Publish at;
    pid_t pid = -1;
    RestartStatistics restarts;
  };
  /// From an end to the launch that follows it in the same breath.
  struct Hurry {
    bool woken;  // without initialisers it can be made in an optional of this class by every compiler
    std::vector<std::variant<action::Tell, Told>> told;
    std::optional<Past> past;
  };

  Shared& shared_;
  std::string name_;
  Machine machine_;
  Child child_;
  LaunchPlan plan_;
  std::optional<LaunchPlan> prepared_;  // made a moment ago for the launch that comes now
  std::string mark_;
  std::unique_ptr<UnitProcesses> processes_;  // while a process exists
  std::filesystem::path fifo_base_;
  std::optional<logs::CaptureId> capture_;
  std::shared_ptr<OneShot<std::string>> draining_;        // set while an ended launch's output is written
  std::optional<std::pair<UniqueFd, UniqueFd>> unheard_;  // of the present launch, until that is over
  std::shared_ptr<OneShot<bool>> awaited_line_;
  NotifySocket notify_;
  std::optional<bool> told_ready_;  // what the log says of this run
  bool told_once_ = false;
  bool adopted_ = false;         // the process was started by an earlier run
  bool foreign_ = false;         // and is no child of this process
  std::uint64_t end_ticks_ = 0;  // when it was seen to have ended
  std::string notify_address_;
  bool written_ready_ = false;  // what the state file says
  bool written_ending_ = false;
  bool written_completed_ = false;
  bool told_late_ = false;
  std::optional<WallTime> started_at_;
  std::optional<SteadyTime> started_steady_;
  std::optional<Standby> standby_;
  std::optional<Hurry> hurry_;
  bool standby_asked_ = false;
  bool came_before_ = false;  // a process of it was there in this run of the program
  std::uint64_t order_ = 0;   // of its launch among those of all units
  std::uint64_t number_ = 0;  // of its launch, as in the names of its files
  std::int64_t launches_ = 0;
  std::uint64_t remembered_ = 0;  // changes() of the policy
  boost::asio::steady_timer timer_;
  boost::asio::posix::stream_descriptor exit_;
  boost::asio::steady_timer work_ended_;  // cancelled whenever a piece of work has ended
  std::optional<Outcome> stop_outcome_;   // decided, not told yet
  std::vector<std::shared_ptr<boost::asio::cancellation_signal>> work_;
  std::weak_ptr<boost::asio::cancellation_signal> readiness_watch_;
  std::size_t tasks_ = 0;
  OutcomeEvent start_event_;
  OutcomeEvent settle_event_;
  OutcomeEvent stop_event_;
};

}  // namespace dumb::supervisor
