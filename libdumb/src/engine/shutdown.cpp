// Shutdown, and the order of every stop.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/shutdown.hpp>

#include "engine/impl.hpp"
#include "engine/update_service.hpp"
#include "engine/link_service.hpp"

namespace dumb::engine {
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

std::set<std::string> to_set(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

void Engine::Impl::kill_now() {
  for (const std::string& name : supervisor.occupied()) supervisor.kill(name);
}

asio::awaitable<void> Engine::Impl::shutdown() {
  if (shutting_down) {
    while (!shut_down) co_await shutdown_done->async_wait(token);
    co_return;
  }
  shutting_down = true;
  host_stop = true;
  shutdown_begun = system_clock().now();
  shutdown_done = std::make_shared<asio::steady_timer>(context);
  shutdown_done->expires_at(asio::steady_timer::time_point::max());
  enter_phase(Phase::shutting_down, cause::shutdown);
  log.info("shutting down");
  supervisor.refuse_starts();
  forget_rest();
  write_run_files();
  if (self_check) self_check->cancel();
  stop_workers();
  update_service->stop();
  if (boot_event) boot_event->cancel();
  wake_stabilizer();
  runs.call_off_all("DUMB is shutting down");
  ++background;
  auto ended = [this](std::exception_ptr) { --background; };
  asio::co_spawn(context, links->shutdown(), std::move(ended));
  co_await call_off_starts();
  const std::set<std::string> stopped = to_set(supervisor.occupied());
  const auto run = runs.book().down("shutdown", stop_items(stopped));
  co_await runs.wait(run);
  co_await call_off_starts();
  // A process that survives SIGKILL is reported, not waited for.
  if (supervisor.occupied().empty()) co_await supervisor.idle();
  const std::string line = final_line(shutdown_begun, stopped);
  log.info(line);
  tell_stack(cause::shutdown, line);
  events.close();
  write_run_files();
  while (background > 0) {
    asio::steady_timer pause(context);
    pause.expires_after(std::chrono::milliseconds(5));
    co_await pause.async_wait(token);
  }
  log.flush();
  shut_down = true;
  events.stop_waiting();
  shutdown_done->cancel();
}

/// LIF-73, LIF-74: dependents before what they need, then by tier. A service whose block has vanished keeps
/// the tier of the key it was launched with.
Engine::Impl::StopOrder Engine::Impl::stop_order(const std::set<std::string>& names) const {
  StopOrder order;
  order.needs = graph::start_needs(dependencies(), names);
  const auto key_of = [this](const std::string& name) -> std::string {
    if (const auto* ref = config()->find(name)) return ref->config_key;
    const auto known = launched.find(name);
    return known != launched.end() ? known->second.config_key : std::string();
  };
  const std::vector<std::string>& tiers = catalog.shutdown_tiers();
  for (const std::string& name : names) {
    const catalog::Service* service = catalog.find(key_of(name));
    std::string tier = service != nullptr ? service->shutdown.tier : "remaining";
    if (companions.contains(name)) {
      tier = "db";
      for (const std::string& other : names) {
        if (key_of(other) == "postgres") order.needs[name].emplace(other, graph::Need());
        if (key_of(other) == "pgadmin") order.needs[other].emplace(name, graph::Need());
      }
    }
    order.tier_of[name] =
        static_cast<std::size_t>(std::find(tiers.begin(), tiers.end(), tier) - tiers.begin());
  }
  return order;
}

/// DEP-44.
std::vector<RolloutItem> Engine::Impl::stop_items(const std::set<std::string>& names) const {
  const StopOrder order = stop_order(names);
  const std::map<std::string, graph::StopStep> steps = graph::stop_steps(order.tier_of, order.needs);
  std::map<std::size_t, std::vector<std::string>> tiers;
  for (const auto& [name, step] : steps) tiers[step.tier].push_back(name);
  std::vector<RolloutItem> items;
  for (const auto& [name, step] : steps) {
    RolloutItem item;
    item.name = name;
    for (const std::string& other : step.after) item.needs.push_back({other});
    if (const auto own = tiers.find(step.tier); own != tiers.begin()) {
      for (const std::string& other : std::prev(own)->second) item.needs.push_back({other});
    }
    items.push_back(std::move(item));
  }
  return items;
}

/// LIF-79; zero: there is none.
std::chrono::milliseconds Engine::Impl::shutdown_budget() const {
  const json::value* budget = jsonx::find(config()->effective(), {"dumb", "shutdown_timeout"});
  if (budget == nullptr || !budget->is_number() || budget->to_number<double>() <= 0)
    return std::chrono::milliseconds(0);
  const std::chrono::duration<double> seconds(budget->to_number<double>());
  return std::chrono::ceil<std::chrono::milliseconds>(seconds);
}

/// LIF-79: what a shutdown has left of its budget is shared by what still runs.
void Engine::Impl::fit_stop(const std::string& process_name) {
  const std::chrono::milliseconds allowed = shutdown_budget();
  if (!shutting_down || allowed == std::chrono::milliseconds(0)) return;
  const StopOrder order = stop_order(to_set(supervisor.occupied()));
  fitted_stops.erase(process_name);
  std::vector<supervisor::StopGroup> groups;
  for (const std::vector<std::string>& group : graph::stop_groups(order.tier_of, order.needs)) {
    supervisor::StopGroup& plan = groups.emplace_back();
    for (const std::string& name : group) plan[name] = stop_plan(name);
  }
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      allowed - (system_clock().now() - shutdown_begun));
  const supervisor::StopGroup fitted = supervisor::fit_graces(groups, left);
  if (const auto own = fitted.find(process_name); own != fitted.end()) fitted_stops.insert(*own);
}

/// LIF-80.
std::string Engine::Impl::final_line(SteadyTime begun, const std::set<std::string>& stopped) const {
  const auto took = std::chrono::duration<double>(system_clock().now() - begun);
  const std::vector<std::string> left = supervisor.occupied();
  std::vector<std::string> killed;
  for (const supervisor::ServiceInfo& info : supervisor.all()) {
    if (info.killed && stopped.contains(info.process_name)) killed.push_back(info.process_name);
  }
  const std::string seconds = std::to_string(took.count());
  std::string line = "shut down in " + seconds.substr(0, seconds.find('.') + 3) + " s";
  line += killed.empty() ? ", nothing had to be killed" : "; killed: " + text::join(killed, ", ");
  line += left.empty() ? ", nothing is left" : "; still alive: " + text::join(left, ", ");
  return line;
}

/// Ends every start that is no process yet, until none is left.
asio::awaitable<void> Engine::Impl::call_off_starts() {
  for (bool again = true; again;) {
    again = false;
    for (const supervisor::ServiceInfo& info : supervisor.all()) {
      if (!supervisor.preemptible(info.process_name)) continue;
      again = true;
      const std::string name = info.process_name;
      causes.asked(name, Ask::stop, cause::shutdown, "DUMB is shutting down");
      const Result<void> stopped = co_await supervisor.stop_and_wait(name);
      if (!stopped) log.warning(stopped.error().to_string());
    }
  }
}

}  // namespace dumb::engine
