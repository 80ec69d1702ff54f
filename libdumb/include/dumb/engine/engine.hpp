#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <dumb/base/log.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/engine/feed.hpp>
#include <dumb/engine/metrics.hpp>
#include <dumb/engine/symlinks.hpp>
#include <dumb/engine/types.hpp>
#include <dumb/engine/updates.hpp>
#include <dumb/engine/usage.hpp>
#include <dumb/onboarding/listings.hpp>
#include <dumb/onboarding/reply.hpp>
#include <dumb/onboarding/request.hpp>
#include <dumb/realtime/request.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace dumb::catalog {
class Catalog;
}

namespace dumb::auth {
class Service;
}

namespace dumb::engine {

/// The library's version, or DUMB_VERSION of `environment` when it is not blank (API-88).
std::string version(const config::Environment& environment = {});

struct Options {
  Root root;
  std::filesystem::path config_file = "/config/dumb_config.json";  ///< beneath the root unless it lies there
  /// A file of this machine, used as it is in place of `config_file`; empty: none.
  std::filesystem::path config_file_as_is;
  std::filesystem::path catalog_directory;  ///< overlay of the catalogue; empty: none
  config::Environment environment;          ///< usually the process environment
  bool log_to_standard_output = true;
  std::optional<std::string> host;  ///< what the server really listens on, shown instead of the file's value
  std::optional<int> port;
  std::chrono::milliseconds immediate_exit_watch{2000};   ///< LIF-56
  std::chrono::milliseconds self_check_interval{60'000};  ///< LIF-121
  std::chrono::milliseconds repair_minute{60'000};        ///< a minute in the schedule of SVC-195
  std::chrono::milliseconds api_wait_limit{600'000};      ///< of all waits of a start asked for (API-32)
  /// Called when the configuration is known to be good and nothing else has been touched; here another
  /// supervisor of this stack is asked to hand over. The configuration is read again after it. Empty: nobody
  /// is asked.
  std::function<Result<void>()> take_over;
  std::chrono::milliseconds usage_interval{2'000};  ///< how long a measurement stands (LIF-172)
  std::chrono::seconds backup_catch_up{300};        ///< before a scheduled snapshot that was missed (SYM-59)
  std::function<void()> started;  ///< called once the first start is over, well or not (ready, degraded)
  /// How long an onboarding waits for a process that another operation is busy with (ONB-5).
  std::chrono::milliseconds onboarding_patience{30'000};
  bool strict_start = false;      ///< dependents of a service that failed wait until it is up (DEP-45)
  bool keeper = false;            ///< supervisor::SupervisorOptions::keeper
};

/// The facade: opens a configuration and supervises what it describes. Not thread-safe: construct it and call
/// it on the thread that runs `context`. Every awaitable runs there. Owns its log and worker threads.
class Engine {
 public:
  /// Loads the configuration (created from the catalogue when missing) and opens the logs; starts nothing.
  /// Fails as config::Manager::open does, and with Errc::conflict when another engine supervises this stack.
  static Result<std::unique_ptr<Engine>> open(boost::asio::io_context& context, Options options);
  ~Engine();

  boost::asio::any_io_executor get_executor() const;
  config::SnapshotPtr config() const;
  const catalog::Catalog& services() const;
  const Root& root() const;
  Log& log();
  /// Address of the API by configuration or option.
  std::string host() const;
  int port() const;
  /// Extra entries of dumb.api_service.allowed_hosts (API-5).
  std::vector<std::string> allowed_hosts() const;
  bool shutting_down() const;
  /// Who may use the API. The first call opens the user store beneath the root and may create it; it blocks.
  auth::Service& auth();

  /// The boot sequence (LIF-7): goes on with the children of an earlier run (LIF-125), then starts every
  /// enabled service, each when what it needs is up. Returns when every start has ended, well or not.
  boost::asio::awaitable<void> boot();
  /// LIF-72 to LIF-80. Returns when nothing this engine started is left. Calling it twice joins; `kill_now`
  /// after that kills at once (second signal, LIF-71).
  boost::asio::awaitable<void> shutdown();
  /// After shutdown(): false when a link operation does not end within its ten seconds, because a file system
  /// hangs. Destroying the engine waits for it; a program may end without.
  bool quiet() const;
  /// Returns when no `down` is under way: nobody would do the rest of it after a handover.
  boost::asio::awaitable<void> await_down();
  /// Lets go of every child without ending it, so that another engine over the same root can adopt it. Until
  /// `letting_go` is called what is asked is answered; what changes something is refused from the begin on.
  /// End this program at once afterwards, by exec or without destroying anything. Fails with unavailable
  /// while shutting down.
  boost::asio::awaitable<Result<void>> hand_over(std::function<void()> letting_go = {});
  void kill_now();
  /// SIGHUP: reads the configuration again; on an error the old snapshot stays (CFG-34).
  Result<void> reload();

  // Errors of the following: not_found (404), invalid_argument (400), conflict (409), unavailable (503),
  // everything else 500.
  boost::asio::awaitable<Result<OperationReply>> start(std::string process_name);
  boost::asio::awaitable<Result<OperationReply>> stop(std::string process_name);
  boost::asio::awaitable<Result<OperationReply>> restart(std::string process_name);
  /// Starts the named services and the enabled ones they need, or every enabled one, each at the instant its
  /// own last need is met (DEP-45). The named ones are enabled and saved. Returns when every start is over or
  /// held back by one that failed; how each went is in the answer.
  boost::asio::awaitable<Result<StackOperation>> up(StackRequest request);
  /// Stops the named services after everything that runs and needs them, or whatever runs, in the exact
  /// reverse of the start (DEP-44). Returns when all have ended.
  boost::asio::awaitable<Result<StackOperation>> down(StackRequest request);
  /// The latest boot, up or down.
  StackOperation stack_operation() const;
  StartupStatus startup_status() const;
  /// POST /process/start-core-service (ONB-1 to ONB-63): configures the services, saves once, then starts one
  /// process after the other. Fails only with conflict (another call is under way) and unavailable; how each
  /// service went is in the reply.
  boost::asio::awaitable<Result<onboarding::Reply>> onboard(onboarding::Request request);
  /// What onboard() would do now. Changes nothing.
  boost::asio::awaitable<Result<onboarding::PlanReply>> onboarding_plan(onboarding::Request request);
  /// Whether a client should offer onboarding; only a client says so (ONB-60).
  onboarding::Status onboarding_status() const;
  boost::asio::awaitable<Result<onboarding::Marked>> mark_onboarding(bool completed);
  /// ONB-86 to ONB-93.
  onboarding::CoreServiceList core_services() const;
  onboarding::OptionalServiceList optional_services(const onboarding::OptionalQuery& query) const;
  /// DEP-21 to DEP-33. `scope`: "runtime", "all" or blank.
  Result<graph::GraphAnswer> dependency_graph(std::string_view process_name, std::string_view scope) const;
  /// DEP-36 to DEP-50.
  Result<PlanAnswer> startup_plan(const PlanRequest& request) const;
  Result<ServiceStatus> status(std::string_view process_name) const;
  boost::asio::awaitable<Result<ServiceHealth>> status_with_health(std::string process_name);
  boost::asio::awaitable<HealthReport> health();
  boost::asio::awaitable<ProcessList> processes();
  boost::asio::awaitable<Result<ProcessDetail>> process(std::string process_name, std::string scope);
  Capabilities capabilities() const;
  /// What the running services use (LIF-171). Measured on a worker, at most once per `usage_interval`, and
  /// not while nobody asks; the first answer after a while takes a quarter of a second.
  boost::asio::awaitable<Usage> usage();
  /// What happened, behind a cursor or lately (LIF-155). Waits for it when asked to; the end of the shutdown
  /// ends that.
  boost::asio::awaitable<Result<EventList>> events(EventQuery query);
  boost::asio::awaitable<Result<LogChunk>> logs(LogQuery query);
  /// The machine and what runs on it (UI-110), as JSON; not older than a second.
  boost::asio::awaitable<Text> metrics();
  /// What was written of it (UI-119 to UI-122). Files are read in pieces.
  boost::asio::awaitable<metrics::SeriesAnswer> metrics_series(metrics::HistoryQuery query);
  boost::asio::awaitable<HistoryItems> metrics_history(metrics::HistoryQuery query);
  /// One client's part in a live channel.
  std::shared_ptr<Feed> feed(realtime::Channel channel, realtime::Request request);
  /// The whole effective document, or one block (CFG-71).
  Result<json::object> config_of(std::optional<std::string> process_name) const;
  /// CFG-72, CFG-82 to CFG-88; the reply as described there.
  boost::asio::awaitable<Result<json::object>> update_config(ConfigUpdate update);

  // Updates (API-48 to API-59). The answers are the payloads described there; a failed update is one of them.
  boost::asio::awaitable<Result<UpdateStatus>> update_status(std::string process_name);
  boost::asio::awaitable<Result<json::object>> update_check(UpdateCheckRequest request);
  boost::asio::awaitable<Result<json::object>> update_install(UpdateInstallRequest request);
  boost::asio::awaitable<Result<RescheduleReply>> reschedule_update(std::string process_name);

  // Link operations (symlinks.md) run on threads of their own. Cancelling the awaiting coroutine ends a dry run
  // or comparison early; what changes links, and a snapshot, goes on (SYM-52). The answers are the objects of SYM-28, 32, 37
  // and 39. Beyond the errors above: conflict when roots are in use, ENOSPC and EDQUOT when the manifest
  // could not be written, EAGAIN when too many jobs are active.
  boost::asio::awaitable<Result<json::object>> symlink_repair(symlinks::RepairRequest request);
  boost::asio::awaitable<Result<json::object>> symlink_backup(symlinks::BackupRequest request);
  boost::asio::awaitable<Result<json::object>> symlink_restore(symlinks::RestoreRequest request);
  boost::asio::awaitable<Result<json::object>> symlink_compare(symlinks::CompareRequest request);
  boost::asio::awaitable<Result<QueuedJob>> symlink_repair_job(symlinks::RepairRequest request);
  boost::asio::awaitable<Result<QueuedJob>> symlink_backup_job(symlinks::BackupRequest request);
  boost::asio::awaitable<Result<QueuedJob>> symlink_restore_job(symlinks::RestoreRequest request);
  boost::asio::awaitable<Result<SnapshotList>> symlink_snapshots(std::string process_name);
  boost::asio::awaitable<Result<ManifestFileList>> symlink_manifest_files(std::string manifest_path);
  boost::asio::awaitable<Result<BackupStatus>> symlink_backup_status(std::string process_name);
  boost::asio::awaitable<Result<RescheduleReply>> reschedule_symlink_backup(std::string process_name);
  /// Background jobs (SYM-43 to SYM-51).
  boost::asio::awaitable<Result<json::object>> job(std::string job_id);
  boost::asio::awaitable<Result<LatestJob>> latest_job(LatestJobQuery query);
  boost::asio::awaitable<JobList> jobs();
  boost::asio::awaitable<Result<CancelledJob>> cancel_job(std::string job_id);

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dumb::engine
