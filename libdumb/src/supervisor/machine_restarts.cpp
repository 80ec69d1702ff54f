// Restarts nobody asked for: the part of the machine that follows its RestartPolicy.
#include <fmt/format.h>

#include <dumb/supervisor/machine.hpp>
#include <utility>

namespace dumb::supervisor {
namespace {

using Stage = RestartPolicy::Stage;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string pending_text(const RestartPolicy& policy) {
  return fmt::format("restart after {:.3g} s", seconds(policy.delay()));
}

std::string crash_loop_text(const RestartPolicy& policy) {
  const RestartSettings& settings = policy.settings();
  return fmt::format("crash loop: {} restarts in {:g} s", settings.max_restarts, seconds(settings.window));
}

}  // namespace

/// LIF-91; tells only what is new.
void Machine::request(const std::string& why, Actions& out, SteadyTime now) {
  const Stage before = policy_.stage();
  policy_.request(why, desired_ && !disabled_, now);
  if (policy_.stage() == before) return;
  if (policy_.stage() == Stage::pending) {
    out.emplace_back(
        action::Tell{Level::info, fmt::format("{}: {} ({})", name_, pending_text(policy_), why)});
  } else if (policy_.stage() == Stage::refused) {
    out.emplace_back(action::Tell{
        Level::warning, fmt::format("{} is not restarted: {} ({})", name_, crash_loop_text(policy_), why)});
  }
}

/// Nothing runs and nothing is under way: where that leaves the service.
void Machine::come_to_rest(State otherwise, std::string reason, Actions& out) {
  rest_ = otherwise;
  rest_reason_ = reason;
  const std::string_view between = reason.empty() ? "" : "; ";
  if (policy_.stage() == Stage::pending) {
    enter(State::backoff, fmt::format("{}{}{}", reason, between, pending_text(policy_)), out);
  } else if (policy_.stage() == Stage::refused) {
    enter(State::failed, fmt::format("{}{}{}", crash_loop_text(policy_), between, reason), out);
  } else {
    enter(otherwise, std::move(reason), out);
  }
}

/// What a running service says of a restart because of its health.
void Machine::show_restart(Actions& out) {
  if (state_ != State::running) return;
  std::string text;
  if (policy_.stage() == Stage::pending) text = pending_text(policy_) + ": unhealthy";
  if (policy_.stage() == Stage::refused) text = crash_loop_text(policy_) + "; unhealthy";
  if (text != reason_) enter(State::running, std::move(text), out);
}

/// LIF-93: the time of a pending restart has come.
void Machine::attempt(Actions& out, SteadyTime now) {
  if (!policy_.allowed() || !desired_ || disabled_) {
    call_off_restart(out);
    return;
  }
  restarted_once_ = false;
  switch (state_) {
    case State::running:
      policy_.begin_attempt(now);
      abandon_start(out);
      start_open_ = settle_open_ = start_after_ = true;
      ask_to_end(out, now);
      break;
    case State::stopping:  // one whose process could not be ended
      policy_.begin_attempt(now);
      start_open_ = settle_open_ = start_after_ = true;
      if (!deadline_) insist(options_.kill_wait, out, now);
      break;
    case State::backoff:
      policy_.begin_attempt(now);
      start_open_ = settle_open_ = true;
      if (collecting_) {
        start_after_ = true;
        enter(State::setting_up, "waits until the remains of the last run are gone", out);
        if (!deadline_) insist(options_.grace + options_.kill_wait, out, now);
      } else {
        begin(out);
      }
      break;
    case State::stopped:
    case State::setting_up:
    case State::waiting:
    case State::starting:
    case State::failed:
      policy_.call_off();
      break;
  }
}

/// The policy is gone, or a shutdown has begun.
void Machine::call_off_restart(Actions& out) {
  const Stage stage = policy_.stage();
  if (stage != Stage::pending && stage != Stage::refused) return;
  policy_.call_off();
  if (state_ == State::backoff || state_ == State::failed) enter(rest_, rest_reason_, out);
  show_restart(out);
}

/// A refused restart may have become possible, or needless.
void Machine::reconsider(Actions& out, SteadyTime now) {
  if (policy_.stage() != Stage::refused) return;
  if (const auto why = policy_.reconsider(now)) request(*why, out, now);
  if (policy_.stage() == Stage::refused) return;
  if (state_ == State::failed) come_to_rest(rest_, rest_reason_, out);
  show_restart(out);
}

void Machine::on(const event::HealthTold& told, Actions& out, SteadyTime now) {
  if (told.run != run_ || state_ != State::running) return;
  // LIF-141: what has not been ready yet is neither well nor ill.
  const std::optional<bool> healthy = becoming_ready() ? std::nullopt : told.healthy;
  if (policy_.checked(healthy, now) && policy_.health_counts()) {
    request(told.reason.empty() ? "unhealthy" : "unhealthy: " + told.reason, out, now);
  }
  show_restart(out);
}

/// What was pending or refused in an earlier run is so again.
void Machine::take_up_restart(Actions& out) {
  if (!policy_.armed() || !policy_.take_up()) return;
  if (state_ == State::running) {
    show_restart(out);
  } else if (state_ == State::stopped && !disabled_) {
    desired_ = true;
    come_to_rest(rest_, rest_reason_, out);
  } else {
    policy_.call_off();
  }
}

void Machine::on(const event::RulesChanged&, Actions& out, SteadyTime now) {
  take_up_restart(out);
  if (policy_.allowed()) {
    reconsider(out, now);
  } else {
    call_off_restart(out);
  }
}

}  // namespace dumb::supervisor
