#pragma once

#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <dumb/auth/service.hpp>
#include <dumb/base/gate.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/engine/engine.hpp>
#include <dumb/graph/explain.hpp>
#include <dumb/graph/plan.hpp>
#include <dumb/logs/log_service.hpp>
#include <dumb/logs/redact.hpp>
#include <dumb/logs/settings.hpp>
#include <dumb/metrics/sampler.hpp>
#include <dumb/onboarding/decision.hpp>
#include <dumb/setup/setup.hpp>
#include <dumb/setup/version.hpp>
#include <dumb/supervisor/ports.hpp>
#include <dumb/supervisor/resolve.hpp>
#include <dumb/supervisor/supervisor.hpp>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/offload.hpp"
#include "engine/event_causes.hpp"
#include "engine/event_recorder_asio.hpp"
#include "engine/plex_repair.hpp"
#include "engine/rest.hpp"
#include "engine/stack_runs.hpp"
#include "supervisor/event_asio.hpp"

namespace dumb::engine {

namespace asio = boost::asio;
struct FfprobeWatch;
class FeedHub;
class LinkService;
class MetricsService;
class UpdateService;
struct LiveEntry;
struct BackupSettings;

/// Phases of LIF-31 that this process goes through.
enum class Phase {
  initializing,
  preinstalling,
  starting_services,
  stabilizing,
  ready,
  degraded,
  shutting_down
};
BOOST_DESCRIBE_ENUM(Phase, initializing, preinstalling, starting_services, stabilizing, ready, degraded,
                    shutting_down)

/// How long the verdict on a service's health stands (LIF-87).
inline constexpr std::chrono::seconds verdict_age{2};

/// The repair run of Plex is no process; it is looked up by these names (LIF-82).
bool is_repair(std::string_view name);

/// Why a service that declares its readiness is not ready.
std::string readiness_text(const supervisor::ServiceInfo& info);

class Engine::Impl final : public supervisor::ServiceSource {
 public:
  Impl(asio::io_context& context, Options options, catalog::Catalog catalog,
       std::unique_ptr<config::Manager> manager, UniqueFd lock);
  ~Impl() override;

  // ServiceSource (source.cpp)
  asio::awaitable<Result<void>> setup(std::string process_name) override;
  asio::awaitable<Result<void>> set_up_now(std::string process_name);
  Result<supervisor::WaitPlan> waits(const std::string& process_name) override;
  Result<supervisor::LaunchPlan> launch_plan(const std::string& process_name) override;
  supervisor::StopPlan stop_plan(const std::string& process_name) override;
  std::optional<supervisor::LaunchPlan> relaunch_plan(const std::string& process_name) override;
  bool relaunch_fits(const std::string& process_name) override;
  bool relaunch_is_plain(const config::BlockRef& ref) const;
  std::string note_of(const std::string& process_name) override;
  void adopted(const std::string& process_name, const std::string& config_key,
               const std::string& note) override;
  asio::awaitable<Result<bool>> post_start(std::string process_name) override;
  asio::awaitable<void> after_stop(std::string process_name) override;
  supervisor::RestartRules restart_rules(const std::string& process_name) override;
  asio::awaitable<health::Verdict> check_health(std::string process_name) override;
  void entered(const supervisor::ServiceInfo& at) override;
  void changed(const std::string& process_name) override;

  // Events (events.cpp)
  void enter_phase(Phase next, std::string_view cause, const std::string& reason = {});
  void tell_stack(std::string_view cause, const std::string& reason);
  void tell_start();
  /// Why `run` is about to start or stop the service.
  void tell_cause(const StackRun& run, const std::string& process_name);
  std::string failures_text() const;
  asio::awaitable<Result<EventList>> query_events(EventQuery query);
  Result<std::string> name_in_events(std::string_view process_name) const;
  EventFile event_file() const;
  std::optional<std::string> redacted(const std::string& reason) const;

  // Boot and shutdown (boot.cpp)
  asio::awaitable<void> boot();
  asio::awaitable<void> prepare_host();
  void let_operations_in();
  asio::awaitable<void> first_start_queued();
  asio::awaitable<void> shutdown();
  struct StopOrder {
    graph::Needs needs;
    std::map<std::string, std::size_t> tier_of;
  };
  StopOrder stop_order(const std::set<std::string>& names) const;
  std::chrono::milliseconds shutdown_budget() const;
  void fit_stop(const std::string& process_name);
  std::string final_line(SteadyTime begun, const std::set<std::string>& stopped) const;
  void kill_now();
  asio::awaitable<void> check_self();
  asio::awaitable<void> reserve_ports(std::set<std::string> of);
  std::set<std::string> enabled_names() const;
  std::set<std::string> startable_names() const;
  void call_off_disabled();
  void write_run_files();
  asio::awaitable<void> write_run_files_soon();
  asio::awaitable<void> write_run_files_now();
  asio::awaitable<void> call_off_starts();

  // Children of an earlier run (adopt.cpp)
  void adopt_children();
  void note_rest(const std::string& process_name);
  void write_rest();
  void forget_rest();
  std::set<std::string> restore_rest();
  asio::awaitable<void> await_down();
  asio::awaitable<Result<void>> hand_over(std::function<void()> letting_go);
  std::string config_hash_of(const config::BlockRef& ref) const;
  /// The adopted process was launched with another configuration than it would be now.
  bool is_outdated(const std::string& process_name, bool adopted, const std::string& config_hash) const;
  // Resource use (usage.cpp)
  asio::awaitable<void> sample_usage();
  asio::awaitable<Usage> usage();

  // Background workers (workers.cpp)
  void start_workers();
  void start_worker(std::string what, asio::awaitable<void> worker);
  void stop_workers();
  /// Performs steps a post-start left over, again and again until they succeed or the service ends.
  void link_in_background(const std::string& process_name, json::array steps);
  void stop_linking(std::string_view process_name);
  asio::awaitable<void> keep_linked(std::string process_name, json::array steps);
  FfprobeWatch ffprobe_watch();

  // Repair of Plex's database (repair.cpp)
  class Repairing;
  std::optional<config::BlockRef> plex_block() const;
  asio::awaitable<void> repair_loop();
  asio::awaitable<void> repair_cycle();
  asio::awaitable<PlexUse> plex_use(config::BlockRef plex);
  asio::awaitable<std::optional<RepairLaunch>> repair_command();
  asio::awaitable<void> repair_and_start_again(std::string plex);
  asio::awaitable<Result<void>> repair_before_start();
  asio::awaitable<Result<void>> run_repair(RepairLaunch launch);

  // The stack as a whole (stack.cpp)
  StackRuns::Hooks run_hooks();
  std::set<std::string> active_names() const;
  std::vector<RolloutItem> start_items(const std::set<std::string>& names) const;
  std::vector<std::string> disabled_needs(const std::string& process_name,
                                          const std::set<std::string>& active) const;
  void renew_needs();
  void tell_cycles();
  asio::awaitable<void> enable(std::string process_name);
  std::vector<RolloutItem> stop_items(const std::set<std::string>& names) const;
  StackOperation report(const StackRun& run) const;
  asio::awaitable<Result<StackOperation>> up(StackRequest request);
  asio::awaitable<Result<StackOperation>> down(StackRequest request);
  StackOperation stack_operation() const;
  asio::awaitable<health::Verdict> probe_now(std::string process_name);
  asio::awaitable<void> stabilize(std::shared_ptr<StackRun> run);
  void wake_stabilizer();
  asio::awaitable<std::map<std::string, std::string>> unready_services();
  StartupService startup_state(const std::string& process_name) const;
  StartupStatus startup_status() const;

  // Onboarding (onboarding.cpp)
  asio::awaitable<Result<onboarding::Reply>> onboard(onboarding::Request request);
  asio::awaitable<Result<onboarding::PlanReply>> onboarding_plan(onboarding::Request request);
  asio::awaitable<Result<onboarding::Marked>> mark_onboarding(bool completed);
  asio::awaitable<onboarding::Decision> decide_onboarding(onboarding::Request request);
  asio::awaitable<onboarding::Decision> configure_onboarding(onboarding::Request request);
  asio::awaitable<std::optional<onboarding::Failure>> onboard_process(onboarding::Progress::Next next);
  asio::awaitable<std::optional<onboarding::Failure>> await_free(std::string process_name);
  asio::awaitable<Result<void>> start_onboarded(onboarding::Progress::Next next);
  asio::awaitable<bool> has_lost_port(std::string process_name);
  /// How far a start of the call under way has come.
  void note_onboarding(const supervisor::ServiceInfo& at);
  onboarding::Stage stage_reached(const std::string& process_name) const;

  // What depends on what (dependencies.cpp)
  Result<graph::GraphAnswer> dependency_graph(std::string_view process_name, std::string_view scope) const;
  Result<PlanAnswer> startup_plan(const PlanRequest& request) const;
  /// Why a service that is to start does not run yet; empty when nothing holds it up.
  std::string why_waiting(const std::string& process_name, const graph::ProcessStates& states) const;
  graph::ProcessStates process_states() const;
  /// Whether an enabled service waits for the end of this one with code 0 (LIF-142).
  bool is_one_shot(const std::string& process_name) const;
  graph::Statuses statuses() const;
  const json::array& shown_processes() const;
  const graph::Model& dependencies() const;
  const graph::Ordering& ordering() const;
  /// Its restart policy has something in mind, now or when a crash loop is over.
  static bool may_restart(const supervisor::ServiceInfo& info) {
    return info.restarts.next || info.restarts.crash_loop;
  }
  RestartInfo restart_info(const supervisor::ServiceInfo& info) const;
  ProcessEntry entry_of(const config::Snapshot& snapshot, const config::BlockRef& ref) const;

  // Operations and answers (operations.cpp, answers.cpp)
  asio::awaitable<Result<OperationReply>> start(std::string process_name);
  asio::awaitable<Result<OperationReply>> stop(std::string process_name);
  asio::awaitable<Result<OperationReply>> restart(std::string process_name);
  Result<config::BlockRef> find(std::string_view process_name) const;
  /// find(), without processes whose block has vanished.
  Result<config::BlockRef> find_configured(std::string_view process_name) const;
  Result<config::BlockRef> find_operable(std::string_view process_name) const;
  asio::awaitable<Result<config::BlockRef>> await_operable(std::string process_name);
  asio::awaitable<bool> stop_agent_of(std::string config_key);
  asio::awaitable<void> start_agent();
  OperationReply reply(std::string_view status, const std::string& process_name);
  /// `states`: process_states(), when the caller has it.
  Result<ServiceStatus> status(std::string_view process_name,
                               const graph::ProcessStates* states = nullptr) const;
  asio::awaitable<Result<ServiceHealth>> status_with_health(std::string process_name);
  std::vector<health::Endpoint> endpoints_of(const std::string& process_name) const;
  asio::awaitable<health::Verdict> verdict_of(std::string process_name);
  asio::awaitable<HealthReport> health();
  asio::awaitable<ProcessList> processes();
  asio::awaitable<Result<ProcessDetail>> process(std::string process_name, std::string scope);
  asio::awaitable<std::optional<std::string>> version_of(config::BlockRef ref);
  asio::awaitable<Result<LogChunk>> logs(LogQuery query);

  auth::Service& auth();

  // Live channels (live.cpp)
  std::shared_ptr<FeedHub> make_feeds();
  std::string live_status(bool health);
  LiveEntry live_entry(const std::string& process_name, const graph::ProcessStates& states) const;
  void judge_health(LiveEntry& entry, const supervisor::ServiceInfo& info) const;
  void renew_verdict(const std::string& process_name);
  void deliver_message(asio::awaitable<realtime::Message> work, std::function<void(realtime::Message)> deliver);
  asio::awaitable<realtime::Message> first_metrics(realtime::Request request);
  std::shared_ptr<MetricsService> make_metrics();
  std::vector<metrics::Managed> managed_processes() const;

  // Updates (updates.cpp)
  std::shared_ptr<UpdateService> make_updates();

  // Link operations (symlinks.cpp)
  std::unique_ptr<LinkService> make_links();
  std::map<std::string, BackupSettings> backups() const;
  asio::awaitable<void> look_back_at_links();
  const json::object* backup_status(const std::string& process_name) const;
  asio::awaitable<Result<SnapshotList>> snapshots(std::string process_name);
  asio::awaitable<Result<BackupStatus>> backup_status_of(std::string process_name);
  asio::awaitable<Result<RescheduleReply>> reschedule_backup(std::string process_name);
  asio::awaitable<Result<json::object>> job(std::string job_id);
  asio::awaitable<Result<LatestJob>> latest_job(LatestJobQuery query);
  asio::awaitable<JobList> jobs();
  asio::awaitable<Result<CancelledJob>> cancel_job(std::string job_id);

  // Configuration (configuration.cpp)
  Result<json::object> config_of(std::optional<std::string> process_name) const;
  asio::awaitable<Result<json::object>> update_config(ConfigUpdate update);
  /// Plans, writes on a worker and commits one change; serialised with every other.
  asio::awaitable<Result<void>> save_block(std::string process_name, json::object updates,
                                           config::Manager::Persist persist);
  asio::awaitable<Result<void>> apply(config::Change change);
  Result<void> reload();
  void configure_logs();
  void follow_log_levels();
  /// Hides the secrets of the configuration in force.
  logs::Redactor redactor() const;
  void follow_restart_rules();
  logs::MainLogOptions log_options() const;
  void refresh_generated(const config::BlockRef& ref);

  // Names and identities (impl.cpp)
  config::SnapshotPtr config() const { return manager->snapshot(); }
  const catalog::Service* service_of(const config::BlockRef& ref) const {
    return catalog.find(ref.config_key);
  }
  std::optional<supervisor::Identity> service_identity() const;
  std::string home_of_service_user() const;
  std::string home_of(uid_t uid) const;
  setup::VersionOptions version_options();
  std::filesystem::path mount_point_of(const config::BlockRef& ref) const;
  setup::Context setup_context(const config::BlockRef& ref);
  bool is_api(const config::BlockRef& ref) const { return ref.config_key == "dumb_api_service"; }
  std::filesystem::path run_directory() const { return root().map("/run/dumb"); }
  const Root& root() const { return options.root; }
  std::string api_host() const;
  int api_port() const;

  struct CachedVerdict {
    health::Verdict verdict{false, {}};  // without a reason: the first probe is under way
    SteadyTime at;
    std::shared_ptr<asio::steady_timer> under_way;  // cancelled when the probe is over
  };

  asio::io_context& context;
  /// Cancelled when what the ffprobe monitor watches may have changed.
  const std::shared_ptr<asio::steady_timer> ffprobe_changes = std::make_shared<asio::steady_timer>(context);
  Options options;
  UniqueFd lock;  // of the run directory
  catalog::Catalog catalog;
  std::unique_ptr<config::Manager> manager;
  logs::LogService log;
  std::atomic<bool> host_stop{false};  // read by the worker that prepares the host
  asio::thread_pool workers;
  asio::thread_pool mount_workers;  // tries of mounts may hang for seconds; they never delay other work
  supervisor::Supervisor supervisor;
  setup::VersionCache versions;
  Gate save_gate;
  Gate setup_gate;  // LIF-37
  Gate probe_gate;  // TCP probes of health checks under way (LIF-87)
  Phase phase = Phase::initializing;
  WallTime started_at;
  bool shutting_down = false;
  bool shut_down = false;
  bool holding_operations = false;                           // from boot() until its services are queued
  std::map<std::string, supervisor::StopPlan> fitted_stops;  // of a shutdown with a budget (LIF-79)
  std::shared_ptr<asio::steady_timer> shutdown_done;
  SteadyTime shutdown_begun;
  std::set<std::string> set_up;                         // LIF-28: configured in this run
  std::map<std::string, json::object> setup_generated;  // by process name
  std::map<std::string, std::vector<PortChange>> port_changes;
  std::set<std::string> api_start;  // started through the API: enable and persist first
  /// How a launched service is stopped, should its block vanish while it runs.
  struct Launched {
    std::string config_key;
    supervisor::StopPlan stop;
    std::filesystem::path mount_point;  ///< mapped; empty: none
  };
  std::map<std::string, Launched> launched;
  std::map<std::string, std::uint64_t> relaunches;  // generation of the configuration they were planned from
  std::set<std::string> bounded_waits;              // started through the API: its waits have a limit
  std::map<std::string, setup::Outcome::Companion> companions;
  std::size_t background = 0;  // coroutines of the engine's own under way
  EventCauses causes;
  EventRecorder events;
  StackRuns runs;
  std::uint64_t told_generation = 0;                                // whose cycles have been logged
  std::map<std::string, std::optional<std::string>> last_versions;  // as last listed
  std::set<std::string> expected_services;                          // enabled when the boot began (LIF-31)
  std::map<std::string, std::string> startup_failures;              // as found at the end of the first start
  std::optional<WallTime> startup_completed;
  std::shared_ptr<asio::steady_timer> stabilizer_timer;
  std::shared_ptr<asio::steady_timer> boot_event;  // cancelled when operations are let in
  std::map<std::string, CachedVerdict> verdicts;
  json::value known_rules;                         // dumb.auto_restart as the supervisor was told last
  std::shared_ptr<asio::steady_timer> self_check;  // cancelled at shutdown
  struct Repair {
    RepairSchedule schedule;
    std::shared_ptr<supervisor::OneShot<bool>> ended;  ///< while one is under way
    std::optional<WallTime> started_at;
    bool start_again = false;  ///< Plex was stopped for it
    bool just_ran = false;     ///< the start under way follows a repair and needs none before it
  };
  Repair repair;
  struct Measured {
    supervisor::UsageMeter meter;
    Usage last;
    std::shared_ptr<supervisor::OneShot<bool>> under_way;
  };
  Measured measured;
  std::list<asio::cancellation_signal> background_workers;  // each ends one worker
  struct Linking {
    std::string process_name;
    asio::cancellation_signal stop;
  };
  std::list<Linking> linking;  ///< services that are being linked to others
  bool onboarding_under_way = false;
  std::map<std::string, supervisor::State> onboarding_states;  ///< last states of the starts of this call
  bool run_files_pending = false;                              // something changed since they were written
  bool run_files_writing = false;
  Resting resting;  // as written for the next run
  std::shared_ptr<FeedHub> feeds;
  std::shared_ptr<MetricsService> metrics_service;
  std::unique_ptr<LinkService> links;
  std::unique_ptr<auth::Service> accounts;  // opened when it is first asked for

 private:
  mutable std::unique_ptr<graph::Model> model_;  // of the configuration it was last asked for
  mutable std::optional<graph::Ordering> ordering_;
  mutable std::optional<json::array> shown_processes_;  // of shown_generation_ and last_versions
  mutable std::uint64_t shown_generation_ = 0;
  mutable std::unique_ptr<logs::Redactor> redactor_;  // of the configuration's generation below
  mutable std::uint64_t redactor_generation_ = 0;
  struct Home {
    uid_t uid = 0;
    std::int64_t changed = 0;  ///< time of /etc/passwd, nanoseconds
    std::string directory;
  };
  mutable std::optional<Home> home_;  // of the service user

 public:
  std::shared_ptr<UpdateService> update_service;  // last: it uses what stands above
};

}  // namespace dumb::engine
