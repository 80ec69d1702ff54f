#include "engine/stack_runs.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace dumb::engine {
namespace {

namespace asio = boost::asio;
using Condition = Need::Condition;
using std::chrono::milliseconds;

constexpr auto token = asio::as_tuple(asio::use_awaitable);

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string state_of(const StackRun& run, const Rollout::Entry& entry) {
  switch (entry.step) {
    case Rollout::Step::pending:
      return "pending";
    case Rollout::Step::under_way:
      return run.stops ? "stopping" : "starting";
    case Rollout::Step::done:
      return run.stops ? "stopped" : "ready";
    case Rollout::Step::failed:
      return "failed";
    case Rollout::Step::called_off:
      return "called_off";
  }
  return {};
}

}  // namespace

std::shared_ptr<StackRun> StackRuns::up(std::string operation, std::vector<RolloutItem> items,
                                        std::set<std::string> asked) {
  auto run = std::make_shared<StackRun>(std::move(operation), std::move(items), system_clock().now());
  run->asked = std::move(asked);
  return begin(std::move(run));
}

std::shared_ptr<StackRun> StackRuns::down(std::string operation, std::vector<RolloutItem> items,
                                          std::set<std::string> asked) {
  auto run = std::make_shared<StackRun>(std::move(operation), std::move(items), system_clock().now());
  run->asked = std::move(asked);
  run->stops = true;
  return begin(std::move(run));
}

std::shared_ptr<StackRun> StackRuns::begin(std::shared_ptr<StackRun> run) {
  run->started_at = system_clock().wall();
  run->over = std::make_shared<asio::steady_timer>(context_);
  run->over->expires_at(asio::steady_timer::time_point::max());
  supersede(*run);
  active_.push_back(run);
  latest_ = run;
  if (!run->stops) {
    std::set<std::string> outside;
    for (const Rollout::Entry& entry : run->rollout.entries()) {
      for (const Need& need : entry.needs) {
        if (run->rollout.find(need.name) == nullptr) outside.insert(need.name);
      }
    }
    for (const std::string& name : outside) learn_state(run, name);
  }
  const Rollout::Names first = run->rollout.begin(system_clock().now());
  perform(run, first);
  settle(run);
  return run;
}

/// Starts that are held back wait for what may be long in coming; one that begins them all takes over.
void StackRuns::supersede(const StackRun& next) {
  if (next.stops) return;
  const std::vector<std::shared_ptr<StackRun>> runs = active_;
  for (const auto& run : runs) {
    if (run->stops || !run->rollout.over()) continue;
    const auto& entries = run->rollout.entries();
    const bool covered = std::all_of(entries.begin(), entries.end(), [&](const Rollout::Entry& entry) {
      return entry.step != Rollout::Step::pending || next.rollout.find(entry.name) != nullptr;
    });
    if (!covered) continue;
    run->rollout.call_off_all("a later start has taken over", system_clock().now());
    settle(run);
  }
}

asio::awaitable<void> StackRuns::wait(std::shared_ptr<StackRun> run) {
  while (!run->rollout.over()) {
    co_await run->over->async_wait(token);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
  }
}

void StackRuns::perform(const std::shared_ptr<StackRun>& run, const Rollout::Names& names) {
  for (const std::string& name : names) {
    ++tasks_;
    auto ended = [this, run, name](std::exception_ptr error) {
      --tasks_;
      if (!error) return;
      const Rollout::Names next =
          run->rollout.on_ended(name, "the operation ended by an exception", system_clock().now());
      perform(run, next);
      settle(run);
    };
    asio::co_spawn(context_, step(run, name), std::move(ended));
  }
}

asio::awaitable<void> StackRuns::step(std::shared_ptr<StackRun> run, std::string process_name) {
  std::optional<std::string> failure;
  hooks_.begins(*run, process_name);
  if (run->stops) {
    hooks_.stopping(process_name);
    const Result<void> stopped = co_await supervisor_.stop_and_wait(process_name);
    if (!stopped) failure = stopped.error().message();
    if (failure) log_.error(process_name + " could not be stopped: " + *failure);
  } else {
    if (const Rollout::Entry* entry = run->rollout.find(process_name); entry != nullptr) {
      for (const std::string& warning : entry->warnings)
        log_.warning(process_name + " is started without " + warning);
    }
    Result<void> started = co_await supervisor_.start_and_settle(process_name);
    // A restart in between gives up one start for another: that one counts.
    while (!started && started.error().is(Errc::cancelled) && supervisor_.coming(process_name))
      started = co_await supervisor_.start_and_settle(process_name);
    if (!started) failure = started.error().message();
  }
  const Rollout::Names next = run->rollout.on_ended(process_name, failure, system_clock().now());
  perform(run, next);
  learn_state(run, process_name);  // what came of it while its step was under way, as the end of a one-shot
  settle(run);
  const std::set<std::string> one{process_name};
  relearn(run.get(), one);
}

void StackRuns::relearn(const StackRun* except, const std::set<std::string>& names) {
  const std::vector<std::shared_ptr<StackRun>> runs = active_;
  for (const auto& run : runs) {
    if (run.get() == except || run->stops) continue;
    for (const std::string& name : names) learn_state(run, name);
    settle(run);
  }
}

void StackRuns::learn_state(const std::shared_ptr<StackRun>& run, const std::string& process_name) {
  if (run->stops) return;
  const supervisor::ServiceInfo info = supervisor_.info(process_name);
  ServiceView view;
  view.running = info.state == supervisor::State::running;
  view.settled = info.settled;
  view.coming = supervisor_.coming(process_name) || pending_beside(*run, process_name);
  view.completed = info.completed;
  view.reason = info.reason;
  const Rollout::Names next = run->rollout.observe(process_name, view, system_clock().now());
  perform(run, next);
  if (view.running && run->rollout.waits_for(process_name, Condition::healthy))
    watch_health(run, process_name);
}

void StackRuns::watch_health(const std::shared_ptr<StackRun>& run, const std::string& process_name) {
  if (!polled_.emplace(run.get(), process_name).second) return;
  ++tasks_;
  auto ended = [this, run, process_name](std::exception_ptr) {
    --tasks_;
    polled_.erase({run.get(), process_name});
  };
  asio::co_spawn(context_, poll_health(run, process_name), std::move(ended));
}

/// Probes a running service until it is healthy: often at first, then once a second.
asio::awaitable<void> StackRuns::poll_health(std::shared_ptr<StackRun> run, std::string process_name) {
  const auto timer = std::make_shared<asio::steady_timer>(context_);
  milliseconds pause{10};
  while (run->rollout.waits_for(process_name, Condition::healthy) &&
         supervisor_.info(process_name).state == supervisor::State::running) {
    auto probe = hooks_.healthy(process_name);
    const bool healthy = co_await std::move(probe);
    if (healthy) {
      const Rollout::Names next = run->rollout.on_met(process_name, Condition::healthy, system_clock().now());
      perform(run, next);
      settle(run);
      co_return;
    }
    timer->expires_after(pause);
    polls_.insert(timer);
    co_await timer->async_wait(token);
    polls_.erase(timer);
    pause = std::min(pause * 3 / 2, milliseconds(1'000));
  }
}

void StackRuns::settle(const std::shared_ptr<StackRun>& run) {
  const bool over = run->rollout.over();
  if (over) {
    if (!run->completed) {
      run->completed = system_clock().now();
      run->completed_at = system_clock().wall();
    }
    run->over->cancel();
  }
  if (run->rollout.finished()) std::erase(active_, run);
  if (over != std::exchange(run->was_over, over) && over) {
    std::set<std::string> names;
    for (const Rollout::Entry& entry : run->rollout.entries()) names.insert(entry.name);
    relearn(run.get(), names);
  }
  hooks_.changed();
}

void StackRuns::changed(std::string_view process_name) {
  const std::vector<std::shared_ptr<StackRun>> runs = active_;
  for (const auto& run : runs) {
    learn_state(run, std::string(process_name));
    settle(run);
  }
}

void StackRuns::call_off(const std::set<std::string>& names, const std::string& reason) {
  const std::vector<std::shared_ptr<StackRun>> runs = active_;
  for (const auto& run : runs) {
    if (run->stops) continue;
    const Rollout::Names next = run->rollout.call_off(names, reason, system_clock().now());
    perform(run, next);
    settle(run);
  }
  relearn(nullptr, names);
}

void StackRuns::call_off_all(const std::string& reason) {
  const std::vector<std::shared_ptr<StackRun>> runs = active_;
  for (const auto& run : runs) {
    run->rollout.call_off_all(reason, system_clock().now());
    settle(run);
  }
  for (const auto& timer : polls_) timer->cancel();
}

/// Whether another operation is still going to start it.
bool StackRuns::pending_beside(const StackRun& run, std::string_view process_name) const {
  return std::any_of(active_.begin(), active_.end(), [&](const auto& other) {
    const Rollout::Entry* entry =
        other.get() == &run || other->stops ? nullptr : other->rollout.find(process_name);
    return entry != nullptr && (entry->step == Rollout::Step::under_way ||
                                (entry->step == Rollout::Step::pending && !other->rollout.over()));
  });
}

std::set<std::string> StackRuns::pending_unasked() const {
  std::set<std::string> names;
  for (const auto& run : active_) {
    if (run->stops) continue;
    for (const Rollout::Entry& entry : run->rollout.entries()) {
      if (entry.step == Rollout::Step::pending && !run->asked.contains(entry.name)) names.insert(entry.name);
    }
  }
  return names;
}

bool StackRuns::pending(std::string_view process_name) const {
  return std::any_of(active_.begin(), active_.end(), [&](const auto& run) {
    const Rollout::Entry* entry = run->stops ? nullptr : run->rollout.find(process_name);
    return entry != nullptr && entry->step == Rollout::Step::pending;
  });
}

std::set<std::string> StackRuns::pending() const {
  std::set<std::string> names;
  for (const auto& run : active_) {
    if (run->stops) continue;
    for (const Rollout::Entry& entry : run->rollout.entries()) {
      if (entry.step == Rollout::Step::pending) names.insert(entry.name);
    }
  }
  return names;
}

std::vector<std::string> StackRuns::awaited_by(std::string_view process_name) const {
  std::vector<std::string> names;
  for (const auto& run : active_) {
    const Rollout::Entry* entry = run->stops ? nullptr : run->rollout.find(process_name);
    if (entry == nullptr || entry->step != Rollout::Step::pending) continue;
    for (const std::size_t open : entry->open) {
      if (std::find(names.begin(), names.end(), entry->needs[open].name) == names.end())
        names.push_back(entry->needs[open].name);
    }
  }
  return names;
}

StackOperation report_of(const StackRun& run, SteadyTime now) {
  StackOperation report;
  report.operation = run.operation;
  report.running = !run.rollout.over();
  report.started_at = unix_seconds(run.started_at);
  if (run.completed_at && !report.running) report.completed_at = unix_seconds(*run.completed_at);
  const SteadyTime end = report.running ? now : run.completed.value_or(now);
  report.elapsed_seconds = seconds(end - run.rollout.started());
  const Rollout::CriticalPath path = run.rollout.critical_path();
  report.critical_seconds = seconds(path.length);
  report.critical_chain = path.chain;
  for (const Rollout::Entry& entry : run.rollout.entries()) {
    StackStep step;
    step.process_name = entry.name;
    step.state = state_of(run, entry);
    if (!entry.reason.empty()) step.reason = entry.reason;
    for (const Need& need : entry.needs) {
      if (std::find(step.needs.begin(), step.needs.end(), need.name) == step.needs.end())
        step.needs.push_back(need.name);
    }
    for (const std::size_t open : entry.open) {
      if (std::find(step.awaits.begin(), step.awaits.end(), entry.needs[open].name) == step.awaits.end())
        step.awaits.push_back(entry.needs[open].name);
    }
    step.warnings = entry.warnings;
    step.last_need = entry.last_need;
    if (entry.begun) step.waited_seconds = seconds(*entry.begun - run.rollout.started());
    if (entry.begun && entry.running) step.running_seconds = seconds(*entry.running - *entry.begun);
    if (entry.begun && entry.ended) step.took_seconds = seconds(*entry.ended - *entry.begun);
    report.steps.push_back(std::move(step));
  }
  report.ok = std::none_of(report.steps.begin(), report.steps.end(), [](const StackStep& step) {
    return step.state == "failed" || step.state == "called_off" || step.state == "pending";
  });
  return report;
}

}  // namespace dumb::engine
