#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <dumb/health/health.hpp>
#include <dumb/logs/log_service.hpp>
#include <dumb/supervisor/supervisor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/stack_book.hpp"

/// Starts and stops of many services in the order of their needs: boot, up, down and shutdown.
namespace dumb::engine {

/// Performs what a StackBook decides. Everything happens on the thread of `context`. Call off everything and
/// wait for `tasks` to reach 0 before destroying it.
class StackRuns {
 public:
  struct Hooks {
    /// One probe now, not from a cache.
    std::function<boost::asio::awaitable<health::Verdict>(std::string)> probe;
    /// How long dependents wait for a running service to become healthy before they count as held back.
    std::function<Duration()> health_limit;
    /// The run is about to start or stop the service.
    std::function<void(const StackRun&, const std::string&)> begins;
    /// The service is about to be stopped.
    std::function<void(const std::string&)> stopping;
    /// What follows a change of the steps: reports are out of date.
    std::function<void()> changed;
  };

  StackRuns(boost::asio::io_context& context, supervisor::Supervisor& supervisor, logs::LogService& log,
            std::size_t& tasks, Hooks hooks);

  StackBook& book() noexcept { return book_; }
  const StackBook& book() const noexcept { return book_; }
  /// Resolves when nothing of it is under way or can begin by itself.
  boost::asio::awaitable<void> wait(StackRunPtr run);
  void call_off_all(const std::string& reason);

 private:
  StackBook::Hooks book_hooks();
  ServiceView look(const std::string& process_name) const;
  void perform(const StackRunPtr& run, const std::string& process_name);
  boost::asio::awaitable<void> step(StackRunPtr run, std::string process_name);
  void watch_health(const StackRunPtr& run, const std::string& process_name);
  boost::asio::awaitable<void> poll_health(StackRunPtr run, std::string process_name);

  using Timer = std::shared_ptr<boost::asio::steady_timer>;
  boost::asio::io_context& context_;
  supervisor::Supervisor& supervisor_;
  logs::LogService& log_;
  std::size_t& tasks_;
  Hooks hooks_;
  StackBook book_;
  std::map<const StackRun*, Timer> over_;  // somebody waits for these runs
  std::set<std::pair<const StackRun*, std::string>> polled_;
  std::set<Timer> polls_;  // pauses under way
};

}  // namespace dumb::engine
