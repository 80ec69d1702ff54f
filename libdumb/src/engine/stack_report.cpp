// What an operation on the stack looks like from outside.
#include <algorithm>

#include "engine/stack_book.hpp"

namespace dumb::engine {
namespace {

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
