// What is told of services and of the stack, and who is told.
#include <unistd.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <string>

#include "engine/feeds.hpp"
#include "engine/impl.hpp"
#include "engine/link_service.hpp"

namespace dumb::engine {
namespace {

constexpr std::int64_t most_events = 1'000;
constexpr double longest_wait = 60;

}  // namespace

EventFile Engine::Impl::event_file() const {
  const logs::MainLogOptions log_file = log_options();
  EventFile file;
  file.path = log_file.directory / "events.jsonl";
  file.uid = log_file.uid;
  file.gid = log_file.gid;
  return file;
}

std::optional<std::string> Engine::Impl::redacted(const std::string& reason) const {
  if (reason.empty()) return std::nullopt;
  return redactor()(reason);
}

void Engine::Impl::entered(const supervisor::ServiceInfo& at) {
  if (at.state == supervisor::State::running && links) links->backups().service_started(at.process_name);
  note_onboarding(at);
  feeds->changed();
  EnteredState now;
  now.process_name = at.process_name;
  now.state = std::string(codec::enum_name(at.state));
  now.reason = at.reason;
  now.pid = at.pid;
  if (at.last_exit) now.exit = at.last_exit->to_string();
  now.exit_at = at.last_exit_at;
  now.ready = at.ready;
  now.readiness_reason = at.readiness_reason;
  now.ended_unasked = at.ended_unasked;
  now.by_policy = at.restarts.trying || may_restart(at);
  std::optional<Event> event = causes.entered(now);
  if (!event) return;
  if (event->reason) event->reason = redacted(*event->reason);
  events.record(std::move(*event));
}

void Engine::Impl::tell_stack(std::string_view cause, const std::string& reason) {
  Event event;
  event.state = std::string(codec::enum_name(phase));
  event.previous = event.state;
  event.reason = redacted(reason);
  event.cause = std::string(cause);
  events.record(std::move(event));
}

void Engine::Impl::tell_start() {
  Event event;
  event.state = std::string(codec::enum_name(phase));
  event.cause = std::string(cause::boot);
  event.pid = ::getpid();
  event.reason = "DUMB " + version(manager->environment()) + " starts";
  if (!events.orderly_before()) *event.reason += "; the run before did not end by a shutdown";
  events.record(std::move(event));
}

void Engine::Impl::enter_phase(Phase next, std::string_view cause, const std::string& reason) {
  if (phase == next) return;
  Event event;
  event.previous = std::string(codec::enum_name(phase));
  phase = next;
  event.state = std::string(codec::enum_name(phase));
  event.reason = redacted(reason);
  event.cause = std::string(cause);
  events.record(std::move(event));
}

/// The name events of a process carry; that of DUMB itself is empty. Services that are in the configuration
/// no longer are known as long as there are events of them.
Result<std::string> Engine::Impl::name_in_events(std::string_view process_name) const {
  const auto ref = find(process_name);
  if (ref) return is_api(*ref) ? std::string() : ref->process_name;
  const std::string folded = text::fold(process_name);
  if (folded == "dumb" || folded == "dmb") return std::string();
  if (const auto known = events.log().find_name(process_name)) return *known;
  return ref.error();
}

void Engine::Impl::tell_cause(const StackRun& run, const std::string& process_name) {
  const Ask ask = run.stops ? Ask::stop : Ask::start;
  if (run.operation == "shutdown") {
    causes.asked(process_name, ask, cause::shutdown, "DUMB is shutting down");
    return;
  }
  if (!run.asked.empty() && !run.asked.contains(process_name)) {
    const std::string others = text::join({run.asked.begin(), run.asked.end()}, ", ");
    causes.asked(process_name, ask, cause::needs, (run.stops ? "needs " : "is needed by ") + others);
    return;
  }
  std::string reason = run.operation == "boot" ? "the stack starts"
                       : run.stops             ? "it was asked to be down"
                                               : "it was asked to be up";
  const Rollout::Entry* entry = run.rollout.find(process_name);
  if (entry != nullptr && entry->last_need) reason += "; waited for " + *entry->last_need;
  causes.asked(process_name, ask, run.operation == "boot" ? cause::boot : cause::api, std::move(reason));
}

/// What is wrong at the end of the first start, in one sentence; empty when nothing is.
std::string Engine::Impl::failures_text() const {
  constexpr std::size_t most = 5;
  std::vector<std::string> parts;
  for (const auto& [name, reason] : startup_failures) {
    if (parts.size() < most) parts.push_back(name + ": " + reason);
  }
  if (startup_failures.size() > most)
    parts.push_back("and " + std::to_string(startup_failures.size() - most) + " more");
  return text::join(parts, "; ");
}

asio::awaitable<Result<EventList>> Engine::Impl::query_events(EventQuery query) {
  if (query.since && *query.since < 0)
    co_return Error(Errc::invalid_argument, "must not be negative", "since");
  if (query.limit < 1) co_return Error(Errc::invalid_argument, "must be at least 1", "limit");
  if (!(query.timeout >= 0)) co_return Error(Errc::invalid_argument, "must not be negative", "timeout");
  query.limit = std::min(query.limit, most_events);
  query.timeout = std::min(query.timeout, longest_wait);
  std::shared_ptr<const std::string> only;
  if (!text::blank(query.process_name)) {
    const auto name = name_in_events(query.process_name);
    if (!name) co_return name.error();
    only = std::make_shared<const std::string>(*name);
  }
  const EventList answer = co_await events.query(query, only);
  co_return answer;
}

}  // namespace dumb::engine
