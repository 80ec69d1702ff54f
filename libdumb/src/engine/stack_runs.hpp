#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <dumb/engine/types.hpp>
#include <dumb/logs/log_service.hpp>
#include <dumb/supervisor/supervisor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/rollout.hpp"

/// Starts and stops of many services in the order of their needs: boot, up, down and shutdown.
namespace dumb::engine {

/// One such operation. Kept by whoever waits for it.
struct StackRun {
  StackRun(std::string what, std::vector<RolloutItem> items, SteadyTime now)
      : operation(std::move(what)), rollout(std::move(items), now) {}

  std::string operation;  ///< "boot", "up", "down" or "shutdown"
  Rollout rollout;
  bool stops = false;
  std::set<std::string> asked;  ///< named by whoever asked; the others come along. Empty: all of them
  WallTime started_at;
  std::optional<WallTime> completed_at;  ///< when it was over first
  std::optional<SteadyTime> completed;
  std::shared_ptr<boost::asio::steady_timer> over;  ///< cancelled at each moment it is over
  bool was_over = false;                            ///< the others know that it is
};

/// Runs any number of them side by side: a service that two of them start is started once. Everything happens
/// on the thread of `context`. Call off everything and wait for `tasks` to reach 0 before destroying it.
class StackRuns {
 public:
  struct Hooks {
    /// One probe now, not from a cache.
    std::function<boost::asio::awaitable<bool>(std::string)> healthy;
    /// The run is about to start or stop the service.
    std::function<void(const StackRun&, const std::string&)> begins;
    /// The service is about to be stopped.
    std::function<void(const std::string&)> stopping;
    /// What follows a change of the steps: reports are out of date.
    std::function<void()> changed;
  };

  StackRuns(boost::asio::io_context& context, supervisor::Supervisor& supervisor, logs::LogService& log,
            std::size_t& tasks, Hooks hooks)
      : context_(context), supervisor_(supervisor), log_(log), tasks_(tasks), hooks_(std::move(hooks)) {}

  std::shared_ptr<StackRun> up(std::string operation, std::vector<RolloutItem> items,
                               std::set<std::string> asked = {});
  std::shared_ptr<StackRun> down(std::string operation, std::vector<RolloutItem> items,
                                 std::set<std::string> asked = {});
  /// Resolves when nothing of it is under way or can begin by itself.
  boost::asio::awaitable<void> wait(std::shared_ptr<StackRun> run);

  /// The state of the service may have changed.
  void changed(std::string_view process_name);
  /// The service shall not be started by what is under way.
  void call_off(const std::set<std::string>& names, const std::string& reason);
  void call_off_all(const std::string& reason);

  /// Whether a start of it is still to come.
  bool pending(std::string_view process_name) const;
  std::set<std::string> pending() const;
  /// Those of them that nobody named: they come along because they are enabled.
  std::set<std::string> pending_unasked() const;
  /// What a service that is still to be started waits for; empty when none is.
  std::vector<std::string> awaited_by(std::string_view process_name) const;
  /// The latest up or down, or the boot; null before the first.
  const StackRun* latest() const noexcept { return latest_.get(); }

 private:
  std::shared_ptr<StackRun> begin(std::shared_ptr<StackRun> run);
  void perform(const std::shared_ptr<StackRun>& run, const Rollout::Names& names);
  boost::asio::awaitable<void> step(std::shared_ptr<StackRun> run, std::string process_name);
  void learn_state(const std::shared_ptr<StackRun>& run, const std::string& process_name);
  void watch_health(const std::shared_ptr<StackRun>& run, const std::string& process_name);
  boost::asio::awaitable<void> poll_health(std::shared_ptr<StackRun> run, std::string process_name);
  void settle(const std::shared_ptr<StackRun>& run);
  /// What a run knows of the services of the others may be out of date.
  void relearn(const StackRun* except, const std::set<std::string>& names);
  void supersede(const StackRun& next);
  bool pending_beside(const StackRun& run, std::string_view process_name) const;

  boost::asio::io_context& context_;
  supervisor::Supervisor& supervisor_;
  logs::LogService& log_;
  std::size_t& tasks_;
  Hooks hooks_;
  std::vector<std::shared_ptr<StackRun>> active_;
  std::shared_ptr<StackRun> latest_;
  std::set<std::pair<const StackRun*, std::string>> polled_;
  std::set<std::shared_ptr<boost::asio::steady_timer>> polls_;  // pauses under way
};

/// What `run` looks like from outside.
StackOperation report_of(const StackRun& run, SteadyTime now);

}  // namespace dumb::engine
