// What the supervisor asks: setup, waits, launch, stop, post-start of one service.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <dumb/supervisor/shutdown.hpp>
#include <filesystem>
#include <map>

#include "engine/impl.hpp"
#include "supervisor/left_helpers_posix.hpp"
#include "supervisor/records_posix.hpp"

namespace dumb::engine {
namespace {

int signal_number(std::string_view name) {
  static const std::map<std::string, int, std::less<>> known{{"SIGTERM", SIGTERM},
                                                             {"SIGINT", SIGINT},
                                                             {"SIGQUIT", SIGQUIT},
                                                             {"SIGHUP", SIGHUP},
                                                             {"SIGKILL", SIGKILL}};
  const auto found = known.find(name);
  return found == known.end() ? SIGTERM : found->second;
}

logs::LineFormat format_of(std::string_view key) {
  if (key == "zurg") return logs::LineFormat::zurg;
  if (key == "cli_debrid") return logs::LineFormat::cli_debrid;
  if (key == "traefik") return logs::LineFormat::traefik;
  return logs::LineFormat::general;
}

Level level_of(const json::object& block) {
  return parse_level(jsonx::string_at(block, "log_level", "INFO")).value_or(Level::info);
}

}  // namespace

/// Recomputes the generated layer of a block: what setup decided, and the waits that depend on other
/// services.
void Engine::Impl::refresh_generated(const config::BlockRef& ref) {
  json::object members = setup_generated[ref.process_name];
  std::vector<std::string> decypharr;
  if (const auto blocks = config()->of_key("decypharr"); !blocks.empty() && blocks.front()->enabled) {
    const std::string path = jsonx::string_at(config()->block(*blocks.front()), "config_file");
    const auto text = file::read(root().map(path));
    decypharr = supervisor::decypharr_mounts(*config(), text ? *text : std::string());
  }
  for (auto& [name, value] : supervisor::injected_waits(*config(), ref, manager->model(), decypharr)) {
    json::value& present = members[name];
    if (present.is_array() && value.is_array()) {
      for (json::value& element : value.get_array()) present.get_array().push_back(element);
    } else {
      present = value;
    }
  }
  manager->set_generated(ref.path, std::move(members));
}

setup::Context Engine::Impl::setup_context(const config::BlockRef& ref) {
  setup::Context request;
  request.catalog = &catalog;
  request.config = config();
  request.block = ref;
  request.root = root();
  request.service_user = service_identity();
  request.environment = manager->environment();
  request.log = &log;
  request.workers = &workers;
  request.is_running = [this](std::string_view name) {
    return supervisor.info(name).state == supervisor::State::running;
  };
  request.private_directory = run_directory();
  request.repair_plex = [this] { return repair_before_start(); };
  for (const std::string& name : manager->secret_variables()) request.environment.erase(name);  // CFG-46
  request.environment[std::string(supervisor::helper_variable)] =
      supervisor::run_directory_id(run_directory());
  return request;
}

asio::awaitable<Result<void>> Engine::Impl::setup(std::string process_name) {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (companions.contains(process_name)) co_return Result<void>();
  auto found = find_configured(process_name);
  if (!found) co_return found.error();
  const config::BlockRef ref = *found;
  const Error cancelled(Errc::cancelled, "the start was cancelled", ref.process_name);
  // What was asked for during the boot is heard before the first service of it is launched.
  co_await first_start_queued();
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) co_return cancelled;
  // Two writers would spoil the database.
  while (ref.config_key == "plex" && repair.ended) {
    const auto event = repair.ended;
    const std::optional<bool> over = co_await supervisor::OneShot<bool>::wait(event);
    if (!over) co_return cancelled;
  }
  const bool is_set_up = service_of(ref) == nullptr || set_up.contains(ref.process_name);
  if (is_set_up && !api_start.contains(ref.process_name)) {
    port_changes.erase(ref.process_name);
    bounded_waits.erase(ref.process_name);
    refresh_generated(ref);
    co_return Result<void>();
  }
  const bool entered = co_await setup_gate.enter();
  if (!entered) {
    api_start.erase(ref.process_name);
    co_return cancelled;
  }
  const Gate::Held place(setup_gate);
  if (shutting_down) {
    // Its turn came because others were called off; so will it be.
    const auto never = std::make_shared<supervisor::OneShot<bool>>(context.get_executor());
    co_await supervisor::OneShot<bool>::wait(never);
    co_return cancelled;
  }
  const Result<void> done = co_await set_up_now(process_name);
  co_return done;
}

/// LIF-37: with a place held.
asio::awaitable<Result<void>> Engine::Impl::set_up_now(std::string process_name) {
  auto found = find_configured(process_name);
  if (!found) co_return found.error();
  const config::BlockRef ref = *found;
  port_changes.erase(ref.process_name);
  bounded_waits.erase(ref.process_name);  // of a start whose setup had failed
  if (api_start.erase(ref.process_name) != 0) {
    set_up.erase(ref.process_name);
    bounded_waits.insert(ref.process_name);
    versions.forget(ref.config_key, ref.instance);
    if (!ref.enabled) {
      json::object updates;
      updates["enabled"] = true;
      const Result<void> saved =
          co_await save_block(ref.process_name, updates, config::Manager::Persist::yes);
      // What the document lacks to be enabled, a command above all, fails the start (API-29).
      if (!saved) co_return Error(Errc::setup_failed, saved.error().to_string());
    }
    std::set<std::string> one;
    one.insert(ref.process_name);
    co_await reserve_ports(one);
  }
  if (service_of(ref) == nullptr || set_up.contains(ref.process_name)) {
    refresh_generated(ref);
    co_return Result<void>();
  }
  const setup::Context request = setup_context(ref);
  const Result<setup::Outcome> outcome = co_await setup::configure(request);
  if (!outcome) co_return outcome.error();
  if (!outcome->persisted.empty()) {
    const Result<void> saved =
        co_await save_block(ref.process_name, outcome->persisted, config::Manager::Persist::yes);
    if (!saved) co_return saved.error();
  }
  setup_generated[ref.process_name] = outcome->generated;
  refresh_generated(ref);
  set_up.insert(ref.process_name);
  co_return Result<void>();
}

Result<supervisor::WaitPlan> Engine::Impl::waits(const std::string& process_name) {
  if (companions.contains(process_name)) return supervisor::WaitPlan();
  auto ref = find_configured(process_name);
  if (!ref) return ref.error();
  supervisor::WaitPlan plan = supervisor::waits_of(config()->block(*ref), root());
  if (bounded_waits.erase(process_name) != 0) plan.limit = options.api_wait_limit;
  return plan;
}

Result<supervisor::LaunchPlan> Engine::Impl::launch_plan(const std::string& process_name) {
  supervisor::LaunchPlan plan;
  if (const auto companion = companions.find(process_name); companion != companions.end()) {
    plan.spec.argv = companion->second.argv;
    plan.spec.env = companion->second.env;
    plan.spec.directory = root().prefix();
    plan.spec.identity = service_identity();
    return plan;
  }
  auto ref = find_configured(process_name);
  if (!ref) return ref.error();
  const catalog::Service* service = service_of(*ref);
  supervisor::ResolveRequest request;
  request.config = config();
  request.block = *ref;
  request.service = service;
  request.root = root();
  request.inherited = manager->environment();
  request.hidden = manager->secret_variables();
  const bool as_root = service != nullptr && service->run_as == "root";
  if (!as_root) request.home = home_of_service_user();
  auto resolved = supervisor::resolve_launch(request);
  if (!resolved) return resolved.error();
  plan.spec.argv = std::move(resolved->argv);
  plan.spec.env = std::move(resolved->env);
  plan.spec.directory = resolved->directory;
  plan.shown_directory = root().unmap(resolved->directory).native();
  if (!as_root) plan.spec.identity = service_identity();
  plan.config_key = ref->config_key;
  plan.config_hash = config_hash_of(*ref);
  plan.instance = ref->instance;
  plan.endpoints = health::endpoints_of(resolved->block);
  plan.readiness = std::move(resolved->readiness);
  plan.one_shot = is_one_shot(process_name);
  plan.format = format_of(ref->config_key);
  plan.file_threshold = level_of(resolved->block);
  // Sinks of LIF-104.
  const bool captured = service == nullptr || service->logging.captured_to_log_file;
  const bool suppressed = jsonx::bool_at(resolved->block, "suppress_logging", false);
  const std::string log_file = jsonx::string_at(resolved->block, "log_file");
  if (captured && !log_file.empty()) plan.log_file = root().map(log_file);
  const std::string access_file = jsonx::string_at(resolved->block, "access_log_file");
  if (ref->config_key == "traefik" && !access_file.empty()) plan.access_file = root().map(access_file);
  plan.to_main_log = !suppressed;
  plan.discard_output = suppressed && plan.log_file.empty();
  launched[process_name] = {ref->config_key, stop_plan(process_name), mount_point_of(*ref)};
  return plan;
}

/// LIF-103: of the services that run.
void Engine::Impl::follow_log_levels() {
  const config::SnapshotPtr snapshot = config();
  for (const config::BlockRef& ref : snapshot->blocks())
    supervisor.set_file_threshold(ref.process_name, level_of(snapshot->block(ref)));
}

/// Where the service mounts, mapped; empty when it mounts nothing itself.
std::filesystem::path Engine::Impl::mount_point_of(const config::BlockRef& ref) const {
  if (ref.config_key != "rclone") return {};
  const json::object& block = config()->block(ref);
  const std::string directory = jsonx::string_at(block, "mount_dir");
  std::string name = jsonx::string_at(block, "mount_name");
  while (name.starts_with('/')) name.erase(0, 1);
  if (directory.empty() || name.empty()) return {};
  return root().map(std::filesystem::path(directory) / name);
}

supervisor::StopPlan Engine::Impl::stop_plan(const std::string& process_name) {
  if (const auto fitted = fitted_stops.find(process_name); fitted != fitted_stops.end())
    return fitted->second;
  supervisor::StopPlan plan;
  const auto* ref = config()->find(process_name);
  if (const auto found = launched.find(process_name); ref == nullptr && found != launched.end()) {
    plan = found->second.stop;
  } else if (const catalog::Service* service = ref != nullptr ? service_of(*ref) : nullptr) {
    plan.signal = signal_number(service->shutdown.signal);
    plan.grace = std::chrono::seconds(service->shutdown.attempts * service->shutdown.wait_seconds);
    plan.reserve = std::chrono::seconds(service->shutdown.reserve_seconds);
    if (!service->shutdown.quit_signal.empty()) {
      plan.quit_signal = signal_number(service->shutdown.quit_signal);
      plan.quit_grace = std::chrono::seconds(service->shutdown.quit_seconds);
    }
  }
  return plan;
}

asio::awaitable<Result<bool>> Engine::Impl::post_start(std::string process_name) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto ref = find_configured(process_name);
  if (companions.contains(process_name) || !ref || service_of(*ref) == nullptr) co_return false;
  const setup::Context request = setup_context(*ref);
  const Result<setup::Outcome> outcome = co_await setup::post_start(request);
  if (!outcome) co_return outcome.error();
  for (const setup::Outcome::Companion& companion : outcome->companions) {
    companions[companion.process_name] = companion;
    const std::string name = companion.process_name;
    causes.asked(name, Ask::start, cause::needs, "follows the start of " + process_name);
    const Result<void> started = co_await supervisor.start(name);
    if (!started) log.warning(name + " failed to start: " + started.error().message());
  }
  if (!outcome->background.empty()) link_in_background(process_name, outcome->background);
  if (outcome->restart_needed)
    causes.asked(process_name, Ask::restart, cause::setup, "takes up what was set up after its start");
  co_return outcome->restart_needed;
}

/// LIF-81: nothing stays mounted where this service mounted, and never anything but exactly that point.
asio::awaitable<void> Engine::Impl::after_stop(std::string process_name) {
  stop_linking(process_name);
  const auto found = launched.find(process_name);
  if (found == launched.end() || found->second.mount_point.empty()) co_return;
  const std::filesystem::path point = found->second.mount_point;
  struct Unmounted {
    Result<void> result;
    bool lazy = false;
  };
  // A shutdown with a budget keeps only so much of it for this (LIF-79).
  const bool hurried = shutting_down && shutdown_budget() > std::chrono::milliseconds(0);
  const std::chrono::milliseconds patience = hurried ? supervisor::unmount_reserve : std::chrono::seconds(5);
  auto work = [point, patience] {
    Unmounted done;
    done.result = supervisor::unmount(point, done.lazy, patience);
    return std::make_shared<Unmounted>(std::move(done));
  };
  const std::shared_ptr<Unmounted> done = co_await offload(workers, work);
  if (!done->result) {
    log.error(process_name + ": " + done->result.error().to_string());
  } else if (done->lazy) {
    log.warning(process_name + ": " + root().unmap(point).native() + " was busy and is detached lazily");
  }
}

/// LIF-10, LIF-33, LIF-89.
supervisor::RestartRules Engine::Impl::restart_rules(const std::string& process_name) {
  supervisor::RestartRules rules;
  rules.settings = supervisor::restart_settings(config()->effective(), process_name);
  rules.armed = !shutting_down && phase != Phase::initializing && phase != Phase::preinstalling;
  rules.health_counts = phase == Phase::ready || phase == Phase::degraded;
  return rules;
}

asio::awaitable<health::Verdict> Engine::Impl::check_health(std::string process_name) {
  return verdict_of(std::move(process_name));
}

void Engine::Impl::changed(const std::string& process_name) {
  verdicts.erase(process_name);
  ffprobe_changes->cancel();
  note_rest(process_name);
  runs.book().changed(process_name);
  wake_stabilizer();
  write_run_files();
}

}  // namespace dumb::engine
