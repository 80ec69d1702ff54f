// The stack as a whole: up, down, and how far its first start is.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>

#include "engine/impl.hpp"
#include "engine/stabilizer.hpp"

namespace dumb::engine {
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

Duration seconds_at(const json::object& document, std::string_view key, double otherwise) {
  const json::value* value = jsonx::find(document, {"dumb", "startup", std::string(key)});
  const double seconds = value != nullptr && value->is_number() ? value->to_number<double>() : otherwise;
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::clamp(seconds, 0.0, 86'400.0)));
}

Stabilizer::Limits limits_of(const json::object& document) {
  Stabilizer::Limits limits;
  limits.readiness_timeout = seconds_at(document, "readiness_timeout_seconds", 300);
  limits.poll_interval = seconds_at(document, "readiness_poll_interval_seconds", 5);
  limits.stabilization = seconds_at(document, "stabilization_seconds", 15);
  return limits;
}

std::vector<std::string> listed(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

StackRuns::Hooks Engine::Impl::run_hooks() {
  StackRuns::Hooks hooks;
  hooks.probe = [this](std::string process_name) { return probe_now(std::move(process_name)); };
  hooks.health_limit = [this] { return limits_of(config()->effective()).readiness_timeout; };
  hooks.begins = [this](const StackRun& run, const std::string& name) { tell_cause(run, name); };
  hooks.stopping = [this](const std::string& process_name) { fit_stop(process_name); };
  hooks.changed = [this] { wake_stabilizer(); };
  return hooks;
}

asio::awaitable<health::Verdict> Engine::Impl::probe_now(std::string process_name) {
  const auto known = verdicts.find(process_name);
  if (known != verdicts.end()) known->second.at -= std::chrono::hours(1);
  co_return co_await verdict_of(process_name);
}

/// Resolves when nothing moves data of services any more (LIF-123) and the services of the boot are queued,
/// so that a stop reaches one that has not begun yet.
asio::awaitable<void> Engine::Impl::first_start_queued() {
  while (holding_operations && !shutting_down) {
    const auto event = boot_event;
    co_await event->async_wait(token);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
  }
}

/// Processes that exist, or are about to.
std::set<std::string> Engine::Impl::active_names() const {
  std::set<std::string> names = runs.book().pending();
  for (const supervisor::ServiceInfo& info : supervisor.all()) {
    if (info.pid > 0 || supervisor.busy(info.process_name) || may_restart(info))
      names.insert(info.process_name);
  }
  return names;
}

/// DEP-45. What is up already is no item, but may have to become healthy first.
std::vector<RolloutItem> Engine::Impl::start_items(const std::set<std::string>& names) const {
  std::set<std::string> all = active_names();
  all.insert(names.begin(), names.end());
  const graph::Needs needs = graph::start_needs(dependencies(), all);
  std::vector<RolloutItem> items;
  for (const std::string& name : names) {
    RolloutItem item;
    item.name = name;
    if (const auto found = needs.find(name); found != needs.end()) {
      for (const auto& [target, need] : found->second) {
        const bool strict = options.strict_start && need.strength == graph::Strength::hard_runtime;
        switch (need.condition) {
          case graph::Condition::started:
            item.needs.push_back({target, Need::Condition::settled, strict, false});
            break;
          case graph::Condition::healthy:
            item.needs.push_back({target, Need::Condition::settled, false, true});
            item.needs.push_back({target, Need::Condition::healthy, true, false});
            break;
          case graph::Condition::completed_successfully:
            item.needs.push_back({target, Need::Condition::completed, true, false});
            break;
        }
      }
    }
    item.warnings = disabled_needs(name, all);
    items.push_back(std::move(item));
  }
  return items;
}

/// What `depends_on` names and nobody waits for, since it is neither enabled nor among `active` (LIF-35).
std::vector<std::string> Engine::Impl::disabled_needs(const std::string& process_name,
                                                      const std::set<std::string>& active) const {
  std::vector<std::string> names;
  const graph::Model& model = dependencies();
  const graph::Index* process = model.find(process_name);
  if (process == nullptr) return names;
  for (const graph::Edge& edge : model.outgoing(*process)) {
    const graph::Process& target = model.process(edge.target);
    if (edge.signals.has(graph::Signal::depends_on) && !target.enabled && !active.contains(target.name))
      names.push_back(target.name + ", which is not enabled");
  }
  return names;
}

/// The configuration has changed: who still waits, waits by the new one.
void Engine::Impl::renew_needs() {
  runs.book().renew([this](const std::set<std::string>& names) { return start_items(names); });
}

/// DEP-41: once for each configuration.
void Engine::Impl::tell_cycles() {
  const graph::Model& model = dependencies();
  if (std::exchange(told_generation, model.generation()) == model.generation()) return;
  const auto plan = graph::plan(model, {}, system_clock().wall());
  if (!plan) return;
  for (const graph::Cycle& cycle : plan->cycles) {
    if (cycle.resolved) {
      log.warning("services wait for each other; the weakest need is left out: " + cycle.message);
    } else {
      log.error("services wait for each other, and start together: " + cycle.message);
    }
  }
}

StackOperation Engine::Impl::report(const StackRun& run) const {
  StackOperation answer = report_of(run, system_clock().now());
  const logs::Redactor redact = redactor();
  const graph::ProcessStates states = process_states();
  for (StackStep& step : answer.steps) {
    if (const Result<ServiceStatus> service = status(step.process_name, &states)) {
      step.service_state = service->state;
      const bool waits = !run.stops && (step.state == "pending" || step.state == "starting");
      if (waits && service->state_reason) step.reason = service->state_reason;
    }
    if (step.reason) step.reason = redact(*step.reason);
    for (std::string& warning : step.warnings) warning = redact(warning);
  }
  return answer;
}

namespace {

/// find_operable() would speak of a field that this request does not have.
Result<void> check_names(const StackRequest& request) {
  for (const std::string& name : request.process_names) {
    if (text::blank(name)) return Error(Errc::invalid_argument, "process_names must not hold a blank name");
  }
  return {};
}

}  // namespace

asio::awaitable<Result<StackOperation>> Engine::Impl::up(StackRequest request) {
  if (const auto checked = check_names(request); !checked) co_return checked.error();
  if (shutting_down) co_return Error(Errc::unavailable, "DUMB is shutting down");
  std::set<std::string> asked;
  for (const std::string& process_name : request.process_names) {
    const auto ref = find_operable(process_name);
    if (!ref) co_return ref.error();
    if (const auto present = find_configured(ref->process_name); !present) co_return present.error();
    asked.insert(ref->process_name);
  }
  co_await first_start_queued();
  // Before anything is ordered: what they need of each other counts only when they are enabled.
  for (const std::string& name : asked) co_await enable(name);
  if (shutting_down) co_return Error(Errc::unavailable, "DUMB is shutting down");
  std::set<std::string> names =
      asked.empty() ? startable_names() : graph::with_prerequisites(dependencies(), asked);
  std::erase_if(names, [&](const std::string& name) {
    const supervisor::ServiceInfo info = supervisor.info(name);
    return info.settled || (info.completed && !asked.contains(name));  // LIF-142: it is up
  });
  std::set<std::string> unasked = names;
  for (const std::string& name : asked) {
    unasked.erase(name);
    const bool idle = !supervisor.busy(name) && supervisor.info(name).pid <= 0;
    if (names.contains(name) && idle) api_start.insert(name);  // enabled and saved (API-29)
  }
  co_await reserve_ports(unasked);
  if (shutting_down) co_return Error(Errc::unavailable, "DUMB is shutting down");
  const auto run = runs.book().up("up", start_items(names), asked);
  co_await runs.wait(run);
  co_return report(*run);
}

/// API-29. What the document lacks to be enabled is told when the service is set up.
asio::awaitable<void> Engine::Impl::enable(std::string process_name) {
  const auto ref = find_configured(process_name);
  if (!ref || ref->enabled) co_return;
  json::object updates;
  updates["enabled"] = true;
  co_await save_block(process_name, updates, config::Manager::Persist::yes);
}

asio::awaitable<Result<StackOperation>> Engine::Impl::down(StackRequest request) {
  if (const auto checked = check_names(request); !checked) co_return checked.error();
  if (shutting_down) co_return Error(Errc::unavailable, "DUMB is shutting down");
  std::set<std::string> asked;
  for (const std::string& process_name : request.process_names) {
    const auto ref = find_operable(process_name);
    if (!ref) co_return ref.error();
    asked.insert(ref->process_name);
  }
  co_await first_start_queued();
  if (shutting_down) co_return Error(Errc::unavailable, "DUMB is shutting down");
  const std::set<std::string> active = active_names();
  std::set<std::string> names =
      request.process_names.empty() ? active : graph::with_dependents(dependencies(), asked, active);
  const std::set<std::string> pending = runs.book().pending();
  runs.book().call_off(names, "a stop was asked for");
  const std::optional<config::BlockRef> plex = plex_block();
  if (request.process_names.empty() || (plex && asked.contains(plex->process_name)))
    repair.start_again = false;  // a repair under way leaves Plex stopped
  for (const std::string& name : names) {
    const auto* ref = config()->find(name);
    if (ref != nullptr && ref->config_key == "postgres" && supervisor.info("pgAgent").pid > 0) {
      names.insert("pgAgent");  // LIF-67
      break;
    }
  }
  std::set<std::string> called_off;
  std::set_intersection(names.begin(), names.end(), pending.begin(), pending.end(),
                        std::inserter(called_off, called_off.end()));
  std::erase_if(names, [this](const std::string& name) {
    const supervisor::ServiceInfo info = supervisor.info(name);
    return info.pid <= 0 && !supervisor.busy(name) && !may_restart(info);
  });
  const auto run = runs.book().down("down", stop_items(names), asked);
  co_await runs.wait(run);
  StackOperation answer = report(*run);
  for (const std::string& name : called_off) {
    if (run->rollout.find(name) != nullptr) continue;
    StackStep step;
    step.process_name = name;
    step.state = step.service_state = "stopped";
    step.reason = "its start was still to come and is called off";
    answer.steps.push_back(std::move(step));
  }
  std::sort(answer.steps.begin(), answer.steps.end(),
            [](const StackStep& a, const StackStep& b) { return a.process_name < b.process_name; });
  co_return answer;
}

StackOperation Engine::Impl::stack_operation() const {
  return runs.book().latest() == nullptr ? StackOperation() : report(*runs.book().latest());
}

// ---- the first start ----

void Engine::Impl::wake_stabilizer() {
  if (stabilizer_timer) stabilizer_timer->cancel();
}

/// LIF-31: from the first start until the stack is found ready or degraded.
asio::awaitable<void> Engine::Impl::stabilize(std::shared_ptr<StackRun> run) {
  Stabilizer decide(limits_of(config()->effective()), run->rollout.started());
  const auto timer = stabilizer_timer;
  while (!shutting_down) {
    const bool starting = !run->rollout.over();
    if (!starting && phase == Phase::starting_services) {
      enter_phase(Phase::stabilizing, cause::boot);
      write_run_files();
    }
    std::map<std::string, std::string> unready;
    if (!starting) unready = co_await unready_services();
    if (shutting_down) co_return;
    const SteadyTime now = system_clock().now();
    const Stabilizer::Verdict verdict = decide.on(!starting && unready.empty(), now);
    if (verdict == Stabilizer::Verdict::open) {
      timer->expires_at(starting ? decide.deadline() : decide.look_again(now));
      co_await timer->async_wait(token);
      continue;
    }
    if (starting) unready = co_await unready_services();
    if (shutting_down) co_return;
    startup_failures = std::move(unready);
    startup_completed = system_clock().wall();
    const bool ready = verdict == Stabilizer::Verdict::ready;
    enter_phase(ready ? Phase::ready : Phase::degraded, cause::boot, failures_text());
    if (phase == Phase::ready) {
      log.info("all enabled services are running");
    } else {
      log.warning("the start of the stack is over; not every enabled service is ready");
      for (const auto& [name, reason] : startup_failures) log.warning(name + " is not ready: " + reason);
    }
    write_run_files();
    if (options.started) options.started();
    co_return;
  }
}

/// Expected services that are not ready and healthy now, with the reason.
asio::awaitable<std::map<std::string, std::string>> Engine::Impl::unready_services() {
  std::map<std::string, std::string> unready;
  std::vector<std::string> probed;
  for (const std::string& name : expected_services) {
    if (supervisor.info(name).state == supervisor::State::running) {
      probed.push_back(name);
      continue;
    }
    const StartupService known = startup_state(name);
    if (known.state != "ready") unready[name] = known.reason.value_or(known.state);
  }
  for (const std::string& name : probed) {
    ++background;
    auto ended = [this](std::exception_ptr, const health::Verdict&) { --background; };
    asio::co_spawn(context, verdict_of(name), std::move(ended));
  }
  for (const std::string& name : probed) {
    const health::Verdict verdict = co_await verdict_of(name);
    if (!verdict.healthy) unready[name] = verdict.reason;
  }
  co_return unready;
}

StartupService Engine::Impl::startup_state(const std::string& process_name) const {
  using supervisor::State;
  StartupService out;
  const supervisor::ServiceInfo info = supervisor.info(process_name);
  const logs::Redactor redact = redactor();
  if (!info.reason.empty()) out.reason = redact(info.reason);
  switch (info.state) {
    case State::running:
      out.state = info.ready.value_or(true) ? "ready" : info.becoming_ready ? "starting" : "failed";
      if (info.ready && !*info.ready) {
        out.reason = redact(readiness_text(info));
      } else if (const auto known = verdicts.find(process_name);
                 known != verdicts.end() && !known->second.verdict.reason.empty()) {
        out.state = startup_completed ? "failed" : "starting";
        out.reason = redact(known->second.verdict.reason);
      }
      break;
    case State::setting_up:
    case State::waiting:
    case State::starting:
    case State::backoff:
      out.state = "starting";
      break;
    case State::failed:
    case State::stopping:
      out.state = "failed";
      break;
    case State::stopped:
      if (runs.book().pending(process_name)) {
        out.state = "pending";
        const std::string chain = why_waiting(process_name, process_states());
        if (!chain.empty()) out.reason = redact(chain);
      } else if (info.completed) {
        out.state = "ready";
      } else {
        out.state = phase == Phase::initializing || phase == Phase::preinstalling ? "pending" : "failed";
      }
      break;
  }
  return out;
}

StartupStatus Engine::Impl::startup_status() const {
  StartupStatus answer;
  answer.phase = std::string(codec::enum_name(phase));
  answer.terminal = phase == Phase::ready || phase == Phase::degraded;
  answer.started_at = unix_seconds(started_at);
  if (startup_completed) answer.completed_at = unix_seconds(*startup_completed);
  answer.expected_services = listed(expected_services);
  const logs::Redactor redact = redactor();
  for (const std::string& name : expected_services) {
    StartupService state = startup_state(name);
    if (!startup_completed && state.state == "failed")
      answer.failures[name] = state.reason.value_or("failed");
    answer.services.emplace(name, std::move(state));
  }
  for (const auto& [name, reason] : startup_failures) answer.failures[name] = redact(reason);
  return answer;
}

}  // namespace dumb::engine
