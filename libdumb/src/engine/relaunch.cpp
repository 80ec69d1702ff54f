// Launches that follow the end of their service at once: which ones can, and whether what was planned for
// them still holds.
#include <boost/json.hpp>

#include "engine/impl.hpp"

namespace dumb::engine {

/// Neither setup nor waits nor anything after the stop would come between. What a file outside of the
/// configuration decides (mounts, waits of media servers) is found out when it is needed.
bool Engine::Impl::relaunch_is_plain(const config::BlockRef& ref) const {
  if (shutting_down || api_start.contains(ref.process_name) || companions.contains(ref.process_name))
    return false;
  if (service_of(ref) != nullptr && !set_up.contains(ref.process_name)) return false;
  if (ref.config_key == "plex" && repair.ended) return false;
  const auto known = launched.find(ref.process_name);
  return known == launched.end() || known->second.mount_point.empty();
}

std::optional<supervisor::LaunchPlan> Engine::Impl::relaunch_plan(const std::string& process_name) {
  const auto ref = find_configured(process_name);
  if (!ref || !relaunch_is_plain(*ref) || !mount_point_of(*ref).empty()) return std::nullopt;
  if (!supervisor::waits_of(config()->block(*ref), root()).empty()) return std::nullopt;
  if (!supervisor::injected_waits(*config(), *ref, manager->model(), {}).empty()) return std::nullopt;
  const std::uint64_t generation = config()->generation();
  auto plan = launch_plan(process_name);
  if (!plan) return std::nullopt;
  relaunches[process_name] = generation;
  return std::move(*plan);
}

bool Engine::Impl::relaunch_fits(const std::string& process_name) {
  const auto planned = relaunches.find(process_name);
  if (planned == relaunches.end() || planned->second != config()->generation()) return false;
  const auto* ref = config()->find(process_name);
  return ref != nullptr && relaunch_is_plain(*ref);
}

}  // namespace dumb::engine
