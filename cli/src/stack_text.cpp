#include "stack_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <dumb/base/text.hpp>

#include "services.hpp"

namespace dumb::cli {
namespace {

bool goes_down(const engine::StackOperation& operation) {
  return operation.operation == "down" || operation.operation == "shutdown";
}

bool ended_well(const engine::StackStep& step) {
  return step.state == "ready" || step.state == "stopped";
}

std::string in_brackets(const std::optional<std::string>& reason) {
  return reason && !reason->empty() ? fmt::format(" ({})", *reason) : std::string();
}

struct Line {
  std::string text;
  Color color = Color::none;
};

Line line_of(const engine::StackStep& step) {
  const std::string& service = step.service_state;
  if (step.state == "pending") return {"waiting" + in_brackets(step.reason), Color::yellow};
  if (step.state == "starting") {
    // Between its turn and its first doing the service still is what it was.
    const bool idle = service.empty() || service == "stopped" || service == "failed";
    const std::string state = idle || service == "running" ? "starting" : service;
    return {text::replace_all(state, "_", " ") + in_brackets(step.reason), Color::yellow};
  }
  if (step.state == "ready") {
    if (service.empty() || service == "running") {
      if (step.warnings.empty()) return {"running", Color::green};
      return {fmt::format("running (without {})", text::join(step.warnings, ", ")), Color::yellow};
    }
    return {fmt::format("started, now {}", text::replace_all(service, "_", " ")), Color::yellow};
  }
  if (step.state == "stopping") return {"stopping", Color::yellow};
  if (step.state == "failed") return {"failed", Color::red};
  if (step.state == "called_off") return {"called off", Color::yellow};
  return {step.state, Color::dim};
}

std::string count_text(std::size_t done, std::size_t all) {
  const std::string services = all == 1 ? "service" : "services";
  return done == all ? fmt::format("{} {}", all, services) : fmt::format("{} of {} {}", done, all, services);
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds >= 59.95) return span_text(std::round(seconds));
  if (seconds >= 0.9995) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.0f} ms", std::max(0.0, seconds) * 1000);
}

std::string chain_text(const std::vector<std::string>& names) {
  return text::join(names, " > ");
}

std::string StackProgress::changes(const engine::StackOperation& operation, const Style& style) {
  std::string out;
  for (const engine::StackStep& step : operation.steps) {
    if (step.state == "pending" && goes_down(operation)) continue;
    const Line line = line_of(step);
    // Behind a long chain the reason changes with every link; only what a service itself waits for counts.
    const bool pending = step.state == "pending";
    const std::string now = pending ? "pending " + text::join(step.awaits, "\n") : line.text;
    if (std::exchange(told_[step.process_name], now) == now) continue;
    out +=
        fmt::format("{}: {}\n", printable(step.process_name), style.paint(line.color, printable(line.text)));
  }
  return out;
}

std::optional<std::string> step_failure(const engine::StackStep& step) {
  if (ended_well(step)) return std::nullopt;
  if (step.state == "called_off") return step.process_name + ": called off" + in_brackets(step.reason);
  return fmt::format("{}: {}", step.process_name, step.reason.value_or(step.state));
}

std::string stack_result(const engine::StackOperation& operation) {
  const auto done =
      static_cast<std::size_t>(std::count_if(operation.steps.begin(), operation.steps.end(), ended_well));
  return fmt::format("{} {} in {}", count_text(done, operation.steps.size()),
                     goes_down(operation) ? "stopped" : "up", duration_text(operation.elapsed_seconds));
}

std::string stack_summary(const engine::StackOperation& operation) {
  if (operation.steps.empty()) return goes_down(operation) ? "nothing to stop" : "nothing to start";
  if (operation.critical_chain.size() < 2) return stack_result(operation);
  return fmt::format("{}; critical path {}: {}", stack_result(operation),
                     duration_text(operation.critical_seconds), chain_text(operation.critical_chain));
}

}  // namespace dumb::cli
