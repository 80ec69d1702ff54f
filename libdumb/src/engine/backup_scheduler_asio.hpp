#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <dumb/base/log.hpp>
#include <dumb/schedule/agenda.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/backup_settings.hpp"

namespace dumb::engine {

namespace asio = boost::asio;

/// Takes the scheduled snapshots when they are due and keeps what is told of them over restarts. Not
/// thread-safe; use it on the context's thread.
class BackupScheduler {
 public:
  using Work = std::function<Result<symlinks::ScheduledReport>(const std::atomic<bool>&)>;
  struct Hooks {
    std::filesystem::path state_file;
    std::chrono::seconds catch_up{300};
    std::function<std::map<std::string, BackupSettings>()> settings;  ///< of every service that has them
    std::function<asio::thread_pool&()> pool;
    std::function<asio::thread_pool&()> small_pool;                ///< for the state file
    std::function<Work(const symlinks::ScheduledSnapshot&)> take;  ///< work for the pool
  };
  BackupScheduler(asio::io_context& context, Log& log, Hooks hooks);

  /// Reads what an earlier run of DUMB left, then follows the configuration.
  void load();
  /// Puts on the agenda what the configuration in force wants. Does nothing before load().
  void follow_config();
  /// Sees to the schedule of a service that has started (SYM-57).
  void service_started(const std::string& process_name);
  /// SYM-61: rebuilds one schedule; `settings` is empty for a service without scheduled snapshots.
  const json::object& reschedule(const std::string& process_name,
                                 const std::optional<BackupSettings>& settings);
  /// The last status object; null when nothing was ever recorded.
  const json::object* status(const std::string& process_name) const;
  /// Ends the waiting; runs under way are asked to end by whoever made their work.
  void stop();
  bool busy() const noexcept { return runs_ > 0 || writing_; }

 private:
  void apply(const std::string& process_name, const BackupSettings& settings);
  void wait();
  void wake();
  void start(const std::string& process_name);
  asio::awaitable<void> run(std::string process_name);
  void finished(const std::string& process_name, const Result<symlinks::ScheduledReport>& report,
                schedule::Instant begun);
  void save();
  asio::awaitable<void> write();
  json::object state() const;
  static schedule::Instant now();

  asio::io_context& context_;
  Log& log_;
  Hooks hooks_;
  schedule::Agenda agenda_;
  std::map<std::string, schedule::Entry> stored_;  // of an earlier run, not on the agenda yet
  std::map<std::string, BackupSettings> followed_;
  std::map<std::string, json::object> statuses_;
  asio::steady_timer timer_;
  schedule::Instant last_wake_ = 0;
  std::size_t runs_ = 0;
  bool loaded_ = false;
  bool stopped_ = false;
  bool unsaved_ = false;
  bool writing_ = false;
};

}  // namespace dumb::engine
