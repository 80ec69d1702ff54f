#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "supervisor/cgroup_posix.hpp"
#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {

/// One look at /proc, shared by all who ask for it within one turn of the event loop: a hundred services that
/// end together cost one walk.
class ProcessTable {
 public:
  explicit ProcessTable(boost::asio::any_io_executor executor);
  /// nullopt when the processes cannot all be seen.
  const std::optional<std::vector<ProcStat>>& look();
  /// A process was made: the last look is out of date.
  void forget();
  /// The last look cannot have overlooked a process that starts another and ends: numbers did not begin again
  /// meanwhile, and every parent was seen.
  bool certain() const noexcept;

 private:
  struct State {
    bool valid = false;
    bool certain = false;
    std::optional<std::vector<ProcStat>> processes;
  };
  boost::asio::any_io_executor executor_;
  std::shared_ptr<State> state_;
};

/// All processes of one run of a service, from its spawn until nothing is left.
class UnitProcesses {
 public:
  virtual ~UnitProcesses() = default;
  /// Sends a signal to each of them; how many it reached.
  virtual std::size_t signal(int number) = 0;
  /// SIGKILL to all of them, now.
  virtual void kill() = 0;
  /// Whether nothing but zombies is left; false when that cannot be told.
  virtual bool gone() = 0;
  /// The leader has ended; `ticks`: about when, as start times of processes count it.
  virtual void leader_ended(std::uint64_t ticks) { static_cast<void>(ticks); }
  /// Called once, when nothing is left: gives back what held them together.
  virtual void release() = 0;
  /// Their control group; nullptr when they have none.
  virtual const ControlGroup* group() const noexcept { return nullptr; }
};

/// Of an adopted unit the leader's number may be somebody else's as soon as it has ended.
/// Held by `group` when it is not empty, else found by descent. `table` must outlive the result.
std::unique_ptr<UnitProcesses> make_unit_processes(Membership unit, ControlGroup group, ProcessTable& table);

}  // namespace dumb::supervisor
