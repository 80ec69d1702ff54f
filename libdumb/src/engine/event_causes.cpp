#include "engine/event_causes.hpp"

#include <utility>

namespace dumb::engine {
namespace {

bool brings_about(Ask ask, std::string_view from, std::string_view state) {
  // One that is adopted runs without having been set up.
  const bool idle = from == "stopped" || from == "failed" || from == "backoff";
  const bool starts = state == "setting_up" || (idle && (state == "starting" || state == "running"));
  const bool stops = state == "stopping" || state == "stopped";
  return (ask != Ask::stop && starts) || (ask != Ask::start && stops);
}

/// Where a start, or a stop, is over.
bool settles(Ask ask, std::string_view state) {
  if (ask == Ask::stop) return state == "stopped" || state == "failed";
  return state == "running" || state == "failed";
}

}  // namespace

void EventCauses::asked(const std::string& process_name, Ask ask, std::string_view cause,
                        std::string reason) {
  known_[process_name].asked = Asked{ask, std::string(cause), std::move(reason)};
}

/// Settles the cause of what is entered; the reason is the supervisor's own where it gives one.
std::string EventCauses::take_reason(Known& known, const EnteredState& now, bool ended) {
  std::string reason = now.reason;
  if (ended && now.ended_unasked) {
    known.cause = cause::exit;
    return reason;
  }
  // A stop or start of its own accord; what was asked for before it cancelled it.
  if (!known.asked && (now.by_policy || (known.state == "backoff" && now.state == "setting_up"))) {
    known.cause = cause::restart_policy;
    return reason;
  }
  if (known.asked && now.state != known.state && brings_about(known.asked->ask, known.state, now.state)) {
    known.cause = known.asked->cause;
    if (reason.empty()) reason = known.asked->reason;
    known.asked.reset();
  }
  return reason;
}

/// A running service has become ready, or is so no longer. What it waits for until then is no news.
std::optional<std::string> EventCauses::take_readiness(Known& known, const EnteredState& now) {
  const bool before = std::exchange(known.ready, now.state == "running" && now.ready.value_or(false));
  if (known.ready == before || now.state != "running") return std::nullopt;
  if (known.ready) return "is ready";
  return now.readiness_reason.empty() ? "is not ready any longer"
                                      : "is not ready any longer: " + now.readiness_reason;
}

std::optional<Event> EventCauses::entered(const EnteredState& now) {
  Known& known = known_[now.process_name];
  if (now.pid > 0) known.pid = now.pid;
  const auto readiness = take_readiness(known, now);
  if (now.state == known.state && now.reason == known.reason && !readiness) return std::nullopt;
  const bool ended = now.exit_at && now.exit_at != known.exit_at;
  Event event;
  event.process_name = now.process_name;
  event.state = now.state;
  event.previous = known.state;
  if (std::string reason = take_reason(known, now, ended); !reason.empty()) event.reason = std::move(reason);
  if (readiness && !event.reason) event.reason = readiness;
  event.cause = known.cause;
  if (now.pid > 0 || ended) event.pid = known.pid;
  if (ended) event.exit = now.exit;
  if (known.asked && settles(known.asked->ask, now.state)) known.asked.reset();
  known.state = now.state;
  known.reason = now.reason;
  if (ended) known.exit_at = now.exit_at;
  return event;
}

}  // namespace dumb::engine
