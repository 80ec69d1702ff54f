#pragma once

#include <dumb/base/clock.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/supervisor/launch.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/cgroup_posix.hpp"
#include "supervisor/record.hpp"

namespace dumb::supervisor {

/// Everything one launch takes, as values: it may be performed on any thread.
struct LaunchJob {
  LaunchSpec spec;             ///< without descriptors
  std::filesystem::path base;  ///< of the names of its files
  bool captured = true;        ///< its output goes through FIFOs
  const GroupTree* groups = nullptr;
  std::string group;  ///< of the control group to make beneath `groups`; empty: none
  /// Written down after the spawn, when what is known only of a process is filled in; nullopt: by the caller.
  std::optional<ChildRecord> record;
  const Clock* clock = nullptr;
};

/// Where one launch will take place: its FIFOs and its control group. May be made long before; what was made
/// is removed again unless a launch takes it.
struct LaunchSite {
  LaunchSite() = default;
  LaunchSite(LaunchSite&& other) noexcept;
  LaunchSite& operator=(LaunchSite&&) = delete;
  ~LaunchSite();

  std::optional<std::filesystem::path> base;  ///< of the files that were made; nullopt: taken
  UniqueFd output;                            ///< the reading ends of the FIFOs
  UniqueFd failures;
  UniqueFd child_output;  ///< the child's ends
  UniqueFd child_failures;
  ControlGroup group;  ///< empty when there is none
  UniqueFd group_directory;
  std::vector<std::string> warnings;
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

/// Makes FIFOs and control group.
Result<LaunchSite> make_site(const LaunchJob& job);

/// Spawns there, and writes down what was spawned. Blocking until the child's exec.
LaunchDone perform(LaunchJob job, LaunchSite site);

/// Both.
LaunchDone perform(LaunchJob job);

/// Takes the descriptors that spawn() needs on this thread, before there are many: a launch takes the longer
/// the higher their numbers are.
void reserve_for_spawning() noexcept;

/// Fills in what is known only of a process.
void tell_process(ChildRecord& record, const Child& child, WallTime started_at, SteadyTime started_steady);

}  // namespace dumb::supervisor
