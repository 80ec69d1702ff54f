#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <dumb/base/log.hpp>
#include <dumb/engine/symlinks.hpp>
#include <dumb/jobs/runner.hpp>
#include <dumb/symlinks/operations.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "base/offload.hpp"
#include "engine/backup_scheduler_asio.hpp"
#include "supervisor/event_asio.hpp"

namespace dumb::engine {

/// Link operations on threads of their own, in the request or as jobs, and the scheduled snapshots. Not
/// thread-safe; use it on the context's thread.
class LinkService {
 public:
  struct Hooks {
    std::function<symlinks::Environment()> environment;  ///< of the configuration in force; no locks in it
    std::function<std::map<std::string, BackupSettings>()> backups;  ///< of services that have them
    std::chrono::milliseconds shutdown_limit{10'000};                ///< for what then still runs (SYM-52)
    std::chrono::milliseconds recovery_patience{5'000};              ///< before the API answers without it
  };
  LinkService(asio::io_context& context, Log& log, const Root& root, std::chrono::seconds catch_up,
              Hooks hooks);
  ~LinkService();

  /// Settles what an earlier run of DUMB left and reads its history, once; every operation waits for it.
  /// Where settling takes long, what only reads goes on without it, and what changes links finds them in use.
  asio::awaitable<void> ready();

  /// A dry run or comparison ends early when the awaiting coroutine is cancelled; what changes links, and a
  /// snapshot, goes on.
  asio::awaitable<Result<json::object>> repair(symlinks::RepairRequest request);
  asio::awaitable<Result<json::object>> backup(symlinks::BackupRequest request);
  asio::awaitable<Result<json::object>> restore(symlinks::RestoreRequest request);
  asio::awaitable<Result<json::object>> compare(symlinks::CompareRequest request);
  asio::awaitable<Result<QueuedJob>> queue_repair(symlinks::RepairRequest request);
  asio::awaitable<Result<QueuedJob>> queue_backup(symlinks::BackupRequest request);
  asio::awaitable<Result<QueuedJob>> queue_restore(symlinks::RestoreRequest request);
  asio::awaitable<Result<SnapshotList>> snapshots(std::string process_name, std::string path);
  asio::awaitable<Result<ManifestFileList>> manifest_files(std::string manifest_path);

  jobs::Runner& jobs() { return runner_; }
  BackupScheduler& backups() { return scheduler_; }
  /// Asks everything to end and waits for it, no longer than the limit.
  asio::awaitable<void> shutdown();
  /// Whether nothing runs on other threads; the destructor waits for what does.
  bool idle() const noexcept;

 private:
  struct Found {
    std::vector<jobs::Job> history;
    std::vector<std::string> faults;
  };
  symlinks::Environment environment() const;
  asio::thread_pool& pool();
  asio::thread_pool& small_pool();
  asio::thread_pool& check_pool();
  void tell(const std::vector<symlinks::Interrupted>& runs);
  asio::awaitable<void> settle_runs();
  asio::awaitable<void> load_history();
  template <class Request, class Operation>
  asio::awaitable<Result<json::object>> run(std::string what, Request request, Operation operation);
  template <class Request, class Operation>
  asio::awaitable<Result<QueuedJob>> queue(std::string what, Request request, Operation operation);

  asio::io_context& context_;
  Log& log_;
  Root root_;
  Hooks hooks_;
  std::filesystem::path state_;
  std::shared_ptr<symlinks::Locks> locks_;
  std::stop_source stop_;                        // of what runs in requests and of scheduled snapshots
  std::optional<asio::thread_pool> pool_;        // of runs; made when it is first needed
  std::optional<asio::thread_pool> small_pool_;  // of listings and state: no run holds them up
  std::optional<asio::thread_pool>
      check_pool_;  // of looks at the roots of a job, which may be on a dead disk
  jobs::Runner runner_;
  BackupScheduler scheduler_;
  std::shared_ptr<supervisor::OneShot<bool>> ready_;
  std::vector<symlinks::Interrupted> interrupted_;  // what recovery has found
  std::set<std::string> unsettled_;                 // jobs of which it had not yet told when they were shown
  asio::steady_timer patience_;                     // cancelled when recovery ends
  bool settling_ = false;
  std::size_t running_ = 0;  // operations in requests
  bool shut_down_ = false;
};

}  // namespace dumb::engine
