// Boot, shutdown and the files others read.
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/logs/log_reader.hpp>
#include <dumb/setup/host.hpp>
#include <dumb/supervisor/shutdown.hpp>
#include <filesystem>

#include "engine/impl.hpp"

namespace dumb::engine {
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

std::shared_ptr<asio::steady_timer> event_of(asio::io_context& context) {
  auto event = std::make_shared<asio::steady_timer>(context);
  event->expires_at(asio::steady_timer::time_point::max());
  return event;
}

}  // namespace

std::set<std::string> Engine::Impl::enabled_names() const {
  std::set<std::string> names;
  for (const config::BlockRef& ref : config()->blocks()) {
    if (ref.enabled && !is_api(ref)) names.insert(ref.process_name);
  }
  return names;
}

/// LIF-14 to LIF-17: every service of `of` gets ports that nobody else has; moves are saved.
asio::awaitable<void> Engine::Impl::reserve_ports(std::set<std::string> of) {
  const config::SnapshotPtr snapshot = config();
  std::set<std::string> running;
  for (const supervisor::ServiceInfo& info : supervisor.all()) {
    if (info.pid > 0) running.insert(info.process_name);
  }
  std::set<std::string> asking;
  for (const std::string& name : of) {
    if (!running.contains(name)) asking.insert(name);
  }
  // Ports of other enabled services are theirs, whether they run or not.
  std::set<std::string> others = enabled_names();
  for (const std::string& name : asking) others.erase(name);
  std::set<std::int64_t> reserved;
  reserved.insert(api_port());
  for (const supervisor::PortClaim& claim : supervisor::port_claims(*snapshot, others))
    reserved.insert(claim.port);
  const std::vector<supervisor::PortClaim> claims = supervisor::port_claims(*snapshot, asking);
  auto work = [claims, reserved] {
    return supervisor::assign_ports(claims, reserved, [](const supervisor::PortClaim&, std::int64_t port) {
      return supervisor::port_in_use(port);
    });
  };
  const std::vector<supervisor::PortMove> moves = co_await offload(workers, work);
  for (const supervisor::PortMove& move : moves) {
    const std::string& name = move.claim.process_name;
    const std::string what = name + " " + move.claim.field + " " + std::to_string(move.claim.port);
    if (move.to == 0) {
      log.warning(what + " is taken and stays as it is");
      continue;
    }
    json::object updates;
    updates[move.claim.field] = move.to;
    const Result<void> saved = co_await save_block(name, updates, config::Manager::Persist::yes);
    if (!saved) {
      log.warning(what + " is taken; the move to " + std::to_string(move.to) +
                  " was not saved: " + saved.error().to_string());
      continue;
    }
    port_changes[name].push_back({move.claim.field, move.claim.port, move.to});
    log.info(what + " is taken, moved to " + std::to_string(move.to));
  }
}

asio::awaitable<void> Engine::Impl::boot_one(std::string process_name, graph::Waits needs) {
  for (const auto& [need, how] : needs) {
    while (!settled.contains(need) && !shutting_down) {
      const auto event = boot_waiters[need];
      if (!event) break;
      co_await event->async_wait(token);
    }
  }
  if (!shutting_down) {
    const Result<void> started = co_await supervisor.start_and_settle(process_name);
    if (!started) {
      for (const auto& [need, how] : needs) {
        const supervisor::ServiceInfo info = supervisor.info(need);
        if (info.state == supervisor::State::running) continue;
        log.warning(process_name + " needs " + need + ", which is " +
                    std::string(codec::enum_name(info.state)) +
                    (info.reason.empty() ? "" : ": " + info.reason));
      }
    }
  }
  settled.insert(process_name);
  if (const auto event = boot_waiters[process_name]) event->cancel();
}

/// LIF-122 to LIF-124. Services run under numbers, so a missing account keeps none of them from starting.
asio::awaitable<void> Engine::Impl::prepare_host() {
  setup::HostOptions host;
  host.root = root();
  host.config = config();
  host.catalog = &catalog;
  host.log = &log;
  if (const auto identity = service_identity()) {
    host.is_root = true;
    host.uid = identity->uid;
    host.gid = identity->gid;
  }
  host.stop = &host_stop;
  auto work = [host] { return setup::prepare_host(host); };
  preparing_host = true;
  const Result<void> prepared = co_await offload(workers, work);
  preparing_host = false;
  if (!prepared) log.error("the service user cannot be made: " + prepared.error().to_string());
}

asio::awaitable<void> Engine::Impl::boot() {
  log.info(logs::start_marker(version(manager->environment()), ::getpid()));
  write_run_files();
  std::set<std::string> names = enabled_names();
  // The frontend is started at boot only when it is installed (LIF-7).
  for (const auto* ref : config()->of_key("dumb_frontend")) {
    const std::string directory = jsonx::string_at(config()->block(*ref), "config_dir");
    std::error_code ignored;
    if (names.contains(ref->process_name) &&
        !std::filesystem::exists(root().map(directory) / ".output/server/index.mjs", ignored)) {
      log.info(ref->process_name + " is not installed and is not started");
      names.erase(ref->process_name);
    }
  }
  co_await prepare_host();
  if (shutting_down) co_return;
  co_await reserve_ports(names);
  if (shutting_down) co_return;
  for (const std::string& name : names) {
    if (const auto* ref = config()->find(name)) refresh_generated(*ref);
  }
  phase = Phase::starting_services;
  write_run_files();
  const graph::Needs needs = graph::start_needs(graph::Model(*config(), catalog), names);
  for (const std::string& name : names) boot_waiters[name] = event_of(context);
  auto open = std::make_shared<std::size_t>(names.size());
  const auto finished = event_of(context);
  for (const auto& [name, targets] : needs) {
    auto done = [this, open, finished, name = name](std::exception_ptr error) {
      if (error) log.error(name + ": the boot start ended by an exception");
      if (--*open == 0) finished->cancel();
    };
    asio::co_spawn(context, boot_one(name, targets), std::move(done));
  }
  while (*open > 0) co_await finished->async_wait(token);
  boot_waiters.clear();
  if (shutting_down) co_return;
  self_check = std::make_shared<asio::steady_timer>(context);
  ++background;
  auto ended = [this](std::exception_ptr) { --background; };
  asio::co_spawn(context, check_self(), std::move(ended));
  start_workers();
  phase = Phase::stabilizing;
  bool all_up = true;
  for (const std::string& name : names) {
    const supervisor::ServiceInfo info = supervisor.info(name);
    all_up &= info.completed || (info.state == supervisor::State::running && info.ready.value_or(true));
  }
  phase = all_up ? Phase::ready : Phase::degraded;
  log.info(all_up ? "all enabled services are running"
                  : "boot is over; not every enabled service is running");
  write_run_files();
}

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
  const SteadyTime begun = system_clock().now();
  shutdown_done = event_of(context);
  phase = Phase::shutting_down;
  log.info("shutting down");
  supervisor.refuse_starts();
  write_run_files();
  if (self_check) self_check->cancel();
  stop_workers();
  for (const auto& [name, event] : boot_waiters) {
    if (event) event->cancel();
  }
  co_await call_off_starts();
  const std::vector<std::vector<std::string>> groups = stop_order();
  std::set<std::string> stopped;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    fit_stops(groups, i, begun);
    const std::vector<std::string> group = groups[i];
    co_await stop_together(group);
    stopped.insert(group.begin(), group.end());
  }
  co_await call_off_starts();
  // A process that survives SIGKILL is reported, not waited for.
  if (supervisor.occupied().empty()) co_await supervisor.idle();
  log.info(final_line(begun, stopped));
  write_run_files();
  while (background > 0) {
    asio::steady_timer pause(context);
    pause.expires_after(std::chrono::milliseconds(5));
    co_await pause.async_wait(token);
  }
  log.flush();
  shut_down = true;
  shutdown_done->cancel();
}

/// LIF-73, LIF-74: what runs, dependents before what they need, then by tier. A service whose block has
/// vanished keeps the tier of the key it was launched with.
std::vector<std::vector<std::string>> Engine::Impl::stop_order() const {
  const std::vector<std::string> running = supervisor.occupied();
  const std::set<std::string> names(running.begin(), running.end());
  graph::Needs needs = graph::start_needs(graph::Model(*config(), catalog), names);
  const auto key_of = [this](const std::string& name) -> std::string {
    if (const auto* ref = config()->find(name)) return ref->config_key;
    const auto known = launched.find(name);
    return known != launched.end() ? known->second.config_key : std::string();
  };
  const std::vector<std::string>& tiers = catalog.shutdown_tiers();
  std::map<std::string, std::size_t> tier_of;
  for (const std::string& name : running) {
    const catalog::Service* service = catalog.find(key_of(name));
    std::string tier = service != nullptr ? service->shutdown.tier : "remaining";
    if (companions.contains(name)) {
      tier = "db";
      for (const std::string& other : names) {
        if (key_of(other) == "postgres") needs[name][other] = {};
        if (key_of(other) == "pgadmin") needs[other][name] = {};
      }
    }
    tier_of[name] = static_cast<std::size_t>(std::find(tiers.begin(), tiers.end(), tier) - tiers.begin());
  }
  return graph::stop_groups(tier_of, needs);
}

/// LIF-79: what the groups before `next` left of the budget is for it and the ones after it.
void Engine::Impl::fit_stops(const std::vector<std::vector<std::string>>& groups, std::size_t next,
                             SteadyTime begun) {
  const json::value* budget = jsonx::find(config()->effective(), {"dumb", "shutdown_timeout"});
  if (budget == nullptr || !budget->is_number() || budget->to_number<double>() <= 0) return;
  const std::chrono::duration<double> allowed(budget->to_number<double>());
  std::vector<supervisor::StopGroup> plans;
  for (std::size_t i = next; i < groups.size(); ++i) {
    supervisor::StopGroup& plan = plans.emplace_back();
    for (const std::string& name : groups[i]) {
      fitted_stops.erase(name);
      plan[name] = stop_plan(name);
    }
  }
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(allowed - (system_clock().now() - begun));
  fitted_stops = supervisor::fit_graces(plans, left);
}

asio::awaitable<void> Engine::Impl::stop_together(std::vector<std::string> names) {
  auto open = std::make_shared<std::size_t>(names.size());
  const auto finished = event_of(context);
  for (const std::string& name : names) {
    auto done = [this, open, finished, name](std::exception_ptr error, const Result<void>& result) {
      if (error || !result) log.error(name + " could not be stopped");
      if (--*open == 0) finished->cancel();
    };
    asio::co_spawn(context, supervisor.stop_and_wait(name), std::move(done));
  }
  while (*open > 0) co_await finished->async_wait(token);
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
      const Result<void> stopped = co_await supervisor.stop_and_wait(name);
      if (!stopped) log.warning(stopped.error().to_string());
    }
  }
}

/// LIF-121: what /health would say, once a minute; changes are logged, and every tenth repetition of a fault.
asio::awaitable<void> Engine::Impl::check_self() {
  const auto timer = self_check;
  std::size_t bad = 0;
  while (!shutting_down) {
    timer->expires_after(options.self_check_interval);
    co_await timer->async_wait(token);
    if (shutting_down) co_return;
    const HealthReport report = co_await health();
    if (report.healthy) {
      if (bad > 0) log.info("the stack is healthy again");
      bad = 0;
    } else if (bad++ % 10 == 0) {
      log.error("the stack is unhealthy: " + report.details);
    }
  }
}

/// LIF-60: at most one write per 100 ms, the last state always written.
void Engine::Impl::write_run_files() {
  run_files_pending = true;
  if (std::exchange(run_files_writing, true)) return;  // the writer under way looks again before it ends
  ++background;
  auto done = [this](std::exception_ptr) {
    run_files_writing = false;
    --background;
  };
  asio::co_spawn(context, write_run_files_soon(), std::move(done));
}

asio::awaitable<void> Engine::Impl::write_run_files_soon() {
  asio::steady_timer pause(context);
  while (std::exchange(run_files_pending, false)) {
    pause.expires_after(std::chrono::milliseconds(shutting_down ? 1 : 100));
    co_await pause.async_wait(token);
    run_files_pending = false;
    co_await write_run_files_now();
  }
}

asio::awaitable<void> Engine::Impl::write_run_files_now() {
  json::object running;
  json::object start_ticks;  // tells a recycled pid from the service (LIF-120)
  for (const supervisor::ServiceInfo& info : supervisor.all()) {
    if (info.state != supervisor::State::running || info.pid <= 0) continue;
    running[info.process_name] = info.pid;
    start_ticks[info.process_name] = info.start_ticks;
  }
  for (const auto* ref : config()->of_key("dumb_api_service")) running[ref->process_name] = ::getpid();
  if (shutting_down) running.clear();
  json::object startup;
  startup["phase"] = codec::enum_name(phase);
  startup["terminal"] = phase == Phase::ready || phase == Phase::degraded;
  startup["started_at"] = unix_seconds(started_at);
  startup["start_ticks"] = start_ticks;
  const std::string processes = jsonx::print(running);
  const std::string state = jsonx::print(startup);
  const std::filesystem::path directory = root().map("/healthcheck");
  auto work = [processes, state, directory] {
    if (auto made = file::make_directories(directory); !made) return made;
    auto first = file::write_atomic(directory / "running_processes.json", processes);
    if (!first) return first;
    return file::write_atomic(directory / "startup_state.json", state);
  };
  const Result<void> written = co_await offload(workers, work);
  if (!written) log.warning("the health files cannot be written: " + written.error().to_string());
}

}  // namespace dumb::engine
