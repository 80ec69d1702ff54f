// Boot and the files others read.
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
#include "engine/update_service.hpp"

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
  const Result<void> prepared = co_await offload(workers, work);
  if (!prepared) log.error("the service user cannot be made: " + prepared.error().to_string());
}

/// Enabled services that can be started: the frontend only when it is installed (LIF-7).
std::set<std::string> Engine::Impl::startable_names() const {
  std::set<std::string> names = enabled_names();
  for (const auto* ref : config()->of_key("dumb_frontend")) {
    const std::string directory = jsonx::string_at(config()->block(*ref), "config_dir");
    std::error_code ignored;
    if (!std::filesystem::exists(root().map(directory) / ".output/server/index.mjs", ignored))
      names.erase(ref->process_name);
  }
  return names;
}

/// A service that was disabled while it waited for its turn is not started, unless it was asked for by name.
void Engine::Impl::call_off_disabled() {
  const std::set<std::string> enabled = enabled_names();
  std::set<std::string> gone;
  for (const std::string& name : runs.book().pending_unasked()) {
    if (!enabled.contains(name)) gone.insert(name);
  }
  if (!gone.empty()) runs.book().call_off(gone, "it was disabled");
}

void Engine::Impl::let_operations_in() {
  holding_operations = false;
  boot_event->cancel();
}

asio::awaitable<void> Engine::Impl::boot() {
  boot_event = event_of(context);
  holding_operations = true;
  log.info(logs::start_marker(version(manager->environment()), ::getpid()));
  tell_start();
  tell_cycles();
  adopt_children();
  write_run_files();
  ++background;
  auto looked = [this](std::exception_ptr error) {
    --background;
    if (error) log.error("the look back at interrupted link operations ended by an exception");
  };
  asio::co_spawn(context, look_back_at_links(), std::move(looked));
  std::set<std::string> names = startable_names();
  for (const std::string& name : restore_rest()) names.erase(name);
  expected_services = names;
  for (const std::string& name : enabled_names()) {
    if (!names.contains(name) && !resting.contains(name))
      log.info(name + " is not installed and is not started");
  }
  co_await prepare_host();
  if (shutting_down) co_return;
  co_await reserve_ports(names);
  if (shutting_down) co_return;
  for (const std::string& name : names) {
    if (const auto* ref = config()->find(name)) refresh_generated(*ref);
  }
  enter_phase(Phase::starting_services, cause::boot);
  write_run_files();
  // A restart that was pending or refused in an earlier run has its own time.
  std::erase_if(names, [this](const std::string& name) { return supervisor.take_up_restart(name); });
  // What was adopted is up; others may need it to become healthy.
  std::erase_if(names, [this](const std::string& name) {
    const supervisor::ServiceInfo info = supervisor.info(name);
    return info.settled || info.completed;  // its work was done between two runs
  });
  const auto run = runs.book().up("boot", start_items(names));
  let_operations_in();
  stabilizer_timer = event_of(context);
  ++background;
  auto stable = [this](std::exception_ptr) { --background; };
  asio::co_spawn(context, stabilize(run), std::move(stable));
  self_check = std::make_shared<asio::steady_timer>(context);
  ++background;
  auto ended = [this](std::exception_ptr) { --background; };
  asio::co_spawn(context, check_self(), std::move(ended));
  start_workers();
  update_service->load();
  co_await runs.wait(run);
  update_service->settle();
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
  auto done = [this](std::exception_ptr error) {
    if (error) run_files_writing = false;
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
  run_files_writing = false;  // here: what changes from now on needs another writer
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
  json::object startup = codec::encode(startup_status()).as_object();
  startup.stable_erase("services");
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
