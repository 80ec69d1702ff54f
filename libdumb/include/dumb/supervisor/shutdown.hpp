#pragma once

#include <chrono>
#include <dumb/supervisor/supervisor.hpp>
#include <map>
#include <string>
#include <vector>

namespace dumb::supervisor {

/// Services that stop together, by process name.
using StopGroup = std::map<std::string, StopPlan>;

/// What a shutdown keeps for unmounting and its own end (LIF-79).
inline constexpr std::chrono::milliseconds unmount_reserve{2'000};

/// The plans of all groups, which stop one after another, with graces cut so that the longest of each add up
/// to `budget` less unmount_reserve. Groups shrink in proportion, but none below what its members reserve and
/// need to quit; with less time than that the others get none. Graces that fit stay. Pure.
StopGroup fit_graces(const std::vector<StopGroup>& groups, std::chrono::milliseconds budget);

}  // namespace dumb::supervisor
