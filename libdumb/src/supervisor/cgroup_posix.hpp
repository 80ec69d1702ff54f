#pragma once

#include <csignal>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/cgroup.hpp"

namespace dumb::supervisor {

/// The control group of one unit: every process it ever started is in it or in a group beneath, whatever
/// sessions, forks and daemons it made. Empty when the unit has none.
class ControlGroup {
 public:
  ControlGroup() = default;
  explicit ControlGroup(std::filesystem::path directory) : directory_(std::move(directory)) {}

  explicit operator bool() const noexcept { return !directory_.empty(); }
  const std::filesystem::path& directory() const noexcept { return directory_; }
  /// For LaunchSpec::control_group.
  UniqueFd open() const noexcept;
  /// SIGKILL to all of it at once, forks under way included.
  bool kill() const noexcept;
  /// Sends a signal to every process in it; how many it reached. Never reaches a recycled pid.
  std::size_t signal(int number) const;
  /// Whether a process is left, zombies aside; nullopt when that cannot be told. `events`: of open_events(),
  /// which spares to open it.
  std::optional<bool> populated(const UniqueFd& events = UniqueFd()) const;
  UniqueFd open_events() const noexcept;
  std::vector<pid_t> processes() const;
  /// Removes the directory and those beneath, when nothing is left in them.
  void remove() noexcept;

 private:
  std::filesystem::path directory_;
};

/// Where to look for the hierarchy; tests show another.
struct GroupView {
  std::filesystem::path own_group = "/proc/self/cgroup";
  std::filesystem::path mountinfo = "/proc/self/mountinfo";
};

/// The directory "dumb-<id>" beneath this process's own group, with one group per unit. No controller is
/// enabled, so the rule against processes in inner groups does not apply and this process stays where it is.
class GroupTree {
 public:
  GroupTree() = default;
  /// Fails, with what is missing, where no group can be made: no version 2 hierarchy, not writable, or a
  /// kernel before 5.14 (no cgroup.kill). Groups that an earlier run left empty are removed.
  static Result<GroupTree> open(const std::filesystem::path& run_directory, const GroupView& view = {});

  explicit operator bool() const noexcept { return !directory_.empty(); }
  const std::filesystem::path& directory() const noexcept { return directory_; }
  Result<ControlGroup> make(const std::string& unit) const;
  /// Removes the directory when no unit is left in it.
  void remove() noexcept;

 private:
  std::filesystem::path directory_;
};

/// The group that was made for a launch over this run directory, when a process is in it and this process
/// may kill it without ending itself. `name`: of the group, as it was given to GroupTree::make().
std::optional<ControlGroup> group_of(pid_t pid, const std::filesystem::path& run_directory,
                                     const std::string& name, const GroupView& view = {});

}  // namespace dumb::supervisor
