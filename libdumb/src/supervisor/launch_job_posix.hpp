#pragma once

#include <dumb/base/clock.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/supervisor/launch.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "supervisor/cgroup_posix.hpp"
#include "supervisor/record.hpp"

namespace dumb::supervisor {

/// Everything one launch takes, as values: it may be performed on any thread.
struct LaunchJob {
  LaunchSpec spec;             ///< without descriptors
  std::filesystem::path base;  ///< of the names of its files
  bool captured = true;        ///< its output goes through FIFOs
  const GroupTree* groups = nullptr;
  std::string group;   ///< of the control group to make beneath `groups`; empty: none
  ChildRecord record;  ///< what is known of a process only is filled in
  const Clock* clock = nullptr;
};

/// What a launch made, or why there is no process.
struct LaunchDone {
  std::optional<Error> error;
  Child child;
  ControlGroup group;  ///< empty when the child is in none
  UniqueFd output;     ///< the reading ends of its FIFOs
  UniqueFd failures;
  WallTime started_at;
  SteadyTime started_steady;
  std::vector<std::string> warnings;
};

/// Makes FIFOs and control group, spawns, and writes down what was spawned. Blocking until the child's exec.
LaunchDone perform(LaunchJob job);

/// Fills in what is known only of a process.
void tell_process(ChildRecord& record, const Child& child, WallTime started_at, SteadyTime started_steady);

}  // namespace dumb::supervisor
