#include "supervisor/unit_processes_posix.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <utility>

namespace dumb::supervisor {

namespace {

/// Whether every process's parent was seen as well. One whose parent was not may be an orphan by now.
bool parents_seen(const std::vector<ProcStat>& processes) {
  std::vector<pid_t> pids;
  pids.reserve(processes.size());
  for (const ProcStat& process : processes) pids.push_back(process.pid);
  std::sort(pids.begin(), pids.end());
  return std::all_of(processes.begin(), processes.end(), [&](const ProcStat& process) {
    return process.parent == 0 || std::binary_search(pids.begin(), pids.end(), process.parent);
  });
}

}  // namespace

ProcessTable::ProcessTable(boost::asio::any_io_executor executor)
    : executor_(std::move(executor)), state_(std::make_shared<State>()) {}

const std::optional<std::vector<ProcStat>>& ProcessTable::look() {
  if (!state_->valid) {
    const auto before = newest_process();
    state_->processes = scan_processes();
    const auto after = newest_process();
    state_->certain =
        before && after && *before <= *after && state_->processes && parents_seen(*state_->processes);
    state_->valid = true;
    boost::asio::post(executor_, [state = state_] { state->valid = false; });
  }
  return state_->processes;
}

bool ProcessTable::certain() const noexcept {
  return state_->certain;
}

void ProcessTable::forget() {
  state_->valid = false;
}

namespace {

class GroupProcesses final : public UnitProcesses {
 public:
  GroupProcesses(pid_t leader, ControlGroup group)
      : leader_(leader), group_(std::move(group)), events_(group_.open_events()) {}

  std::size_t signal(int number) override { return group_.signal(number); }
  void kill() override {
    if (!gone() && !group_.kill()) group_.signal(SIGKILL);  // into an empty one nobody can come back
    if (leader_ > 0) ::kill(-leader_, SIGKILL);  // should it have left: the id is its own until it is reaped
  }
  bool gone() override { return gone_ = gone_ || group_.populated(events_) == false; }
  void release() override {
    leader_ = -1;
    group_.remove();
  }
  const ControlGroup* group() const noexcept override { return &group_; }

 private:
  pid_t leader_;
  ControlGroup group_;
  UniqueFd events_;
  bool gone_ = false;  // for good
};

class DescentProcesses final : public UnitProcesses {
 public:
  DescentProcesses(Membership unit, ProcessTable& table) : unit_(std::move(unit)), table_(table) {}

  std::size_t signal(int number) override {
    std::size_t reached = 0;
    const auto& processes = table_.look();
    if (!processes) return 0;
    for (const ProcStat& process : members_of(unit_, *processes)) {
      const UniqueFd pidfd = open_process(process.pid, process.start_ticks);
      if (pidfd && signal_process(pidfd, number)) ++reached;
    }
    return reached;
  }
  void kill() override {
    // The id is ours until the leader is reaped.
    if (unit_.leader > 0 && !unit_.adopted) ::kill(-unit_.leader, SIGKILL);
    signal(SIGKILL);
  }
  bool gone() override {
    const auto& processes = table_.look();
    const bool none = processes && members_of(unit_, *processes).empty();
    empty_looks_ = none ? empty_looks_ + 1 : 0;
    return none && (table_.certain() || empty_looks_ >= enough_looks);
  }
  void leader_ended(std::uint64_t ticks) override { unit_.end_ticks = ticks; }
  void release() override { unit_.leader = -1; }

 private:
  static constexpr int enough_looks = 3;  // where certainty is not to be had, as with hidden processes
  Membership unit_;
  ProcessTable& table_;
  int empty_looks_ = 0;
};

}  // namespace

std::unique_ptr<UnitProcesses> make_unit_processes(Membership unit, ControlGroup group, ProcessTable& table) {
  const pid_t leader = unit.adopted ? -1 : unit.leader;
  if (group) return std::make_unique<GroupProcesses>(leader, std::move(group));
  return std::make_unique<DescentProcesses>(std::move(unit), table);
}

}  // namespace dumb::supervisor
