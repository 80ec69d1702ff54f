#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <dumb/base/gate.hpp>
#include <dumb/base/log.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/engine/updates.hpp>
#include <dumb/health/health.hpp>
#include <dumb/schedule/agenda.hpp>
#include <dumb/setup/install.hpp>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>

#include "engine/update_rules.hpp"

namespace dumb::engine {

namespace asio = boost::asio;

/// Checks, installs and schedules updates (SVC 5). Not thread-safe; use it on the context's thread.
class UpdateService {
 public:
  struct Hooks {
    std::filesystem::path state_file;
    std::chrono::seconds catch_up{300};
    std::chrono::milliseconds health_timeout{120'000};
    std::chrono::milliseconds stabilization{15'000};
    std::function<config::SnapshotPtr()> config;
    std::function<Result<config::BlockRef>(std::string_view)> find;
    std::function<setup::InstallOptions(const config::BlockRef&)> options;
    std::function<asio::awaitable<std::optional<std::string>>(config::BlockRef)> version;
    std::function<bool(const std::string&)> is_running;
    std::function<bool(const std::string&)> is_busy;  ///< another operation on it is under way
    std::function<asio::awaitable<Result<void>>(std::string)> stop;
    std::function<asio::awaitable<Result<void>>(std::string)> start;
    std::function<asio::awaitable<health::Verdict>(std::string)> probe;
    std::function<asio::awaitable<Result<void>>(std::string, json::object)> save;
    std::function<void(const config::BlockRef&)> forget;  ///< what is known of its setup and version
    asio::thread_pool* pool = nullptr;
  };
  UpdateService(asio::io_context& context, Log& log, std::size_t& background, Hooks hooks);

  /// Reads what an earlier run left, then follows the configuration.
  void load();
  /// The first start is over: what an earlier run left unproven is watched now.
  void settle();
  /// Ends the waiting and what is under way.
  void stop();

  Result<UpdateStatus> status(std::string_view process_name) const;
  asio::awaitable<Result<json::object>> check(UpdateCheckRequest request);
  asio::awaitable<Result<json::object>> install(UpdateInstallRequest request);
  /// API-57.
  Result<std::string> reschedule(std::string_view process_name);

 private:
  class Busy;
  struct Job {
    config::BlockRef ref;
    setup::InstallOptions options;
    std::vector<std::string> stopped;  ///< those of its root that ran (SVC-80)
  };
  asio::awaitable<Result<setup::InstallOptions>> options_of(config::BlockRef ref);
  asio::awaitable<json::object> look(config::BlockRef ref, bool force);
  asio::awaitable<json::object> replace(config::BlockRef ref, UpdateInstallRequest request, bool scheduled);
  asio::awaitable<json::object> replace_apart(config::BlockRef ref, UpdateInstallRequest request);
  asio::awaitable<json::object> take_over(Job job, setup::Prepared prepared);
  asio::awaitable<Result<void>> stop_sharing(Job& job);
  asio::awaitable<Result<void>> start_again(Job job);
  asio::awaitable<Result<void>> prove(std::string process_name);
  asio::awaitable<std::string> go_back(Job job);
  asio::awaitable<void> settle_trials();
  asio::awaitable<void> run(std::string process_name);
  std::vector<config::BlockRef> sharing(const config::BlockRef& ref) const;
  UpdateSettings settings_of(const config::BlockRef& ref) const;
  void begin(std::string what, asio::awaitable<void> work);
  void follow_config();
  void wait();
  void wake();
  void save_state();
  asio::awaitable<void> write_state();
  static schedule::Instant now();
  std::optional<schedule::Instant> next_of(const std::string& process_name) const;
  const json::object& keep(json::object status);

  asio::io_context& context_;
  Log& log_;
  std::size_t& background_;
  Hooks hooks_;
  Gate works_;  // two downloads or builds at a time (SVC-95)
  schedule::Agenda agenda_;
  std::map<std::string, schedule::Entry> stored_;  // of an earlier run, not on the agenda yet
  std::map<std::string, UpdateSettings> followed_;
  std::map<std::string, json::object, std::less<>> statuses_;
  std::set<std::string> busy_;
  std::list<asio::cancellation_signal> signals_;
  asio::steady_timer timer_;
  schedule::Instant last_wake_ = 0;
  bool loaded_ = false;
  bool stopped_ = false;
  bool unsaved_ = false;
  bool writing_ = false;
};

}  // namespace dumb::engine
