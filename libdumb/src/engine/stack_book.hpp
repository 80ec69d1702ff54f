#pragma once

#include <dumb/base/clock.hpp>
#include <dumb/engine/types.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/rollout.hpp"

/// Which starts and stops of many services are under way, and what they know of each other. Decides; performs
/// nothing. One thread.
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
  bool was_over = false;            ///< the others know that it is
  std::set<std::string> was_stuck;  ///< and whom it cannot begin any more
};
using StackRunPtr = std::shared_ptr<StackRun>;

/// Any number of them side by side: a service that two of them start is started once.
class StackBook {
 public:
  struct Hooks {
    /// How the service is, but for what the book is still going to start.
    std::function<ServiceView(const std::string&)> look;
    /// Start or stop the service, and answer by ended(). Not before the book's own call has returned.
    std::function<void(const StackRunPtr&, const std::string&)> perform;
    /// Find out whether the service is healthy until the run does not await_health() any more; answer by
    /// healthy() and unhealthy(). Asked for again while it goes on.
    std::function<void(const StackRunPtr&, const std::string&)> watch_health;
    /// Nothing of it is under way or can begin by itself; so it may be more than once.
    std::function<void(const StackRunPtr&)> over;
    /// What follows a change of the steps: reports are out of date.
    std::function<void()> changed;
  };

  StackBook(const Clock& clock, Hooks hooks) : clock_(clock), hooks_(std::move(hooks)) {}

  StackRunPtr up(std::string operation, std::vector<RolloutItem> items, std::set<std::string> asked = {});
  StackRunPtr down(std::string operation, std::vector<RolloutItem> items, std::set<std::string> asked = {});

  /// What perform() asked for is over; `failure`: how it failed.
  void ended(const StackRunPtr& run, const std::string& process_name,
             const std::optional<std::string>& failure);
  void healthy(const StackRunPtr& run, const std::string& process_name);
  /// For longer than anybody should wait: dependents are held, and begin should it become healthy after all.
  void unhealthy(const StackRunPtr& run, const std::string& process_name, const std::string& reason);
  static bool awaits_health(const StackRun& run, const std::string& process_name);

  /// The state of the service may have changed.
  void changed(std::string_view process_name);
  /// The needs of the configuration have changed: who has not begun waits for what `needs_of` answers now.
  void renew(const std::function<std::vector<RolloutItem>(const std::set<std::string>&)>& needs_of);
  /// The service shall not be started by what is under way.
  void call_off(const std::set<std::string>& names, const std::string& reason);
  void call_off_all(const std::string& reason);

  /// Whether a down or shutdown is under way.
  bool stops() const;
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
  StackRunPtr begin(StackRunPtr run);
  void perform(const StackRunPtr& run, const Rollout::Names& names);
  void learn_state(const StackRunPtr& run, const std::string& process_name);
  /// What `run` needs and does not start itself.
  void learn_outside(const StackRunPtr& run);
  void settle(const StackRunPtr& run);
  /// What the runs know of these services may be out of date.
  void relearn(const StackRun* except, const std::set<std::string>& names);
  void supersede(const StackRun& next);
  bool pending_beside(const StackRun& run, std::string_view process_name) const;

  const Clock& clock_;
  Hooks hooks_;
  std::vector<StackRunPtr> active_;
  StackRunPtr latest_;
};

/// What `run` looks like from outside.
StackOperation report_of(const StackRun& run, SteadyTime now);

}  // namespace dumb::engine
