#pragma once

#include <sys/types.h>
#include <dumb/supervisor/mounts.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Where the control groups (cgroups(7), version 2) of services are and what their files say. All pure.
namespace dumb::supervisor {

/// A process's group in the version 2 hierarchy ("/user.slice/x"), from the text of /proc/<pid>/cgroup;
/// nullopt when it has none, or one outside of what its namespace shows.
std::optional<std::string> parse_own_group(std::string_view text);

/// The directory of `group` beneath the mount of the hierarchy that shows it; nullopt when none does.
std::optional<std::filesystem::path> group_directory(std::string_view group,
                                                     const std::vector<Mount>& mounts);

/// Name of the directory that holds all groups of one supervisor, the same for the same run directory.
std::string group_tree_name(const std::filesystem::path& run_directory);

/// The group of one launch as it stands in /proc/<pid>/cgroup of one of its processes, cut off behind `unit`
/// ("dumb-<id>/<name>-<supervisor>-<number>"). nullopt when `group` is not within it: a supervisor may itself
/// be within the group of a service of another one, as its children are then. nullopt as well when `own`, the
/// group of the process that asks, is within it: what is done to the group would be done to that process.
std::optional<std::string> unit_group(std::string_view group, std::string_view unit, std::string_view own);

/// Process numbers of a cgroup.procs file; 0, which stands for a process outside of the pid namespace, is
/// left out.
std::vector<pid_t> parse_procs(std::string_view text);

/// "populated" of a cgroup.events file: whether any process, zombies aside, is in the group or beneath.
std::optional<bool> parse_populated(std::string_view text);

/// User and system time, in microseconds, of a cpu.stat file.
std::optional<std::uint64_t> parse_cpu_usage(std::string_view text);

}  // namespace dumb::supervisor
