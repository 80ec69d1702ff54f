// What a unit tells: those who wait for it, the log, its owner.
#include <exception>
#include <utility>

#include "supervisor/unit_asio.hpp"

namespace dumb::supervisor {

using std::chrono::milliseconds;

void Unit::perform(const action::StartEnded& todo) {
  tell_now();
  if (const auto event = std::exchange(start_event_, nullptr)) event->set(todo.error);
  if (todo.error) {
    if (!todo.error->is(Errc::cancelled))
      shared_.logs->error(name_ + " failed to start: " + todo.error->message());
    if (const auto event = std::exchange(settle_event_, nullptr)) event->set(todo.error);
  } else if (machine_.occupied()) {
    shared_.logs->info(name_ + " started with pid " + std::to_string(machine_.pid()));
  }
}

void Unit::perform(const action::StartSettled& todo) {
  tell_now();
  const bool late = todo.error && machine_.state() == State::running && !machine_.ready_at();
  if (late && !std::exchange(told_late_, true)) shared_.logs->error(name_ + " is " + todo.error->message());
  if (const auto event = std::exchange(settle_event_, nullptr)) event->set(todo.error);
}

/// One line whenever readiness comes or goes.
void Unit::tell_readiness() {
  const State state = machine_.state();
  const bool runs = state == State::starting || state == State::running;
  const std::optional<bool> ready = runs ? machine_.ready() : std::nullopt;
  const std::optional<bool> before = std::exchange(told_ready_, ready);
  if (machine_.ready_at() && !std::exchange(written_ready_, true)) write_down();
  if (ready == before || !ready || !machine_.ready_at()) return;
  const std::string& reason = machine_.readiness_reason();
  if (!*ready) {
    shared_.logs->warning(name_ + " is not ready any more" + (reason.empty() ? "" : ": " + reason));
  } else if (told_once_) {
    shared_.logs->info(name_ + " is ready again");
  } else {
    const auto took = std::chrono::duration_cast<milliseconds>(*machine_.ready_at() - *started_steady_);
    shared_.logs->info(name_ + " is ready after " + std::to_string(took.count()) + " ms");
    told_once_ = true;
  }
}

void Unit::perform(const action::StopEnded& todo) {
  tell_now();
  if (todo.error) {
    shared_.logs->error(name_ + ": " + todo.error->message());
  }
  stop_outcome_ = Outcome(todo.error);
  answer_stop();
}

/// A stop is over only when setup or whatever else was called off has ended as well. One that has failed has
/// nothing to wait for: what it depends on may be stopped only after it.
void Unit::answer_stop() {
  if (!stop_outcome_ || (!*stop_outcome_ && !work_.empty())) return;
  const Outcome outcome = *std::exchange(stop_outcome_, std::nullopt);
  if (const auto event = std::exchange(stop_event_, nullptr)) event->set(outcome);
}

void Unit::perform(const action::Publish& todo) {
  tell_readiness();
  if (hurry_) {
    hurry_->told.push_back(Told{todo, machine_.pid(), machine_.restarts().statistics(shared_.clock->now())});
    return;
  }
  ServiceInfo entered = info();
  entered.state = todo.state;
  entered.reason = todo.reason;
  tell(entered);
}

void Unit::tell(const ServiceInfo& entered) {
  shared_.source->entered(entered);
  shared_.source->changed(name_);
  shared_.changed();
}

}  // namespace dumb::supervisor
