#include <fmt/format.h>

#include <algorithm>
#include <dumb/supervisor/machine.hpp>
#include <utility>

namespace dumb::supervisor {

Machine::Machine(std::string name, MachineOptions options) : name_(std::move(name)), options_(options) {}

bool Machine::busy() const noexcept {
  return state_ == State::setting_up || state_ == State::waiting || state_ == State::starting ||
         state_ == State::stopping;
}

Actions Machine::on(const Event& event, SteadyTime now) {
  Actions out;
  out.reserve(8);
  std::visit([&](const auto& one) { on(one, out, now); }, event);
  wake(out);
  return out;
}

void Machine::enter(State state, std::string reason, Actions& out) {
  state_ = state;
  reason_ = std::move(reason);
  out.emplace_back(action::Publish{state_, reason_});
}

void Machine::begin(Actions& out) {
  start_after_ = false;
  ended_unasked_ = false;
  post_start_over_ = false;
  completed_ = false;
  if (policy_.stage() != RestartPolicy::Stage::trying) policy_.call_off();
  ++run_;
  enter(State::setting_up, {}, out);
  out.emplace_back(action::RunSetup{run_});
}

void Machine::fail(Error error, Launched launched, Actions& out, SteadyTime now) {
  if (std::exchange(start_open_, false)) out.emplace_back(action::StartEnded{error});
  settle(error, out);
  const bool attempted = policy_.start_failed(error.message());
  if (attempted || launched == Launched::yes) request(error.message(), out, now);
  come_to_rest(State::failed, error.message(), out);
}

// ---- readiness ----

void Machine::note_readiness(bool ready, const std::string& reason, Actions& out) {
  if (ready_ == ready && readiness_reason_ == reason) return;
  ready_ = ready;
  readiness_reason_ = reason;
  out.emplace_back(action::Publish{state_, reason_});
}

void Machine::forget_readiness() {
  ready_.reset();
  ready_by_.reset();
  ready_at_.reset();
  readiness_reason_.clear();
}

Error Machine::never_ready() const {
  const double seconds = std::chrono::duration<double>(ready_within_).count();
  std::string message = fmt::format("not ready after {:g} s", seconds);
  if (!readiness_reason_.empty()) message += ": " + readiness_reason_;
  return Error(Errc::timed_out, std::move(message), name_);
}

void Machine::settle(std::optional<Error> error, Actions& out) {
  if (std::exchange(settle_open_, false)) out.emplace_back(action::StartSettled{std::move(error)});
}

void Machine::settle_when_over(Actions& out) {
  if (!post_start_over_ || ready_by_) return;
  const bool never = ready_ && !ready_at_;
  settle(never ? std::optional(never_ready()) : std::nullopt, out);
}

/// Asks for the earliest of the instants that are awaited, when it is another than before.
void Machine::wake(Actions& out) {
  std::optional<SteadyTime> next = policy_.wake_at(state_ == State::running);
  for (const std::optional<SteadyTime>& time : {deadline_, ready_by_}) {
    if (time && (!next || *time < *next)) next = time;
  }
  if (std::exchange(wake_, next) != next && next) out.emplace_back(action::WakeAt{*next});
}

/// The watch is over and the process lives: the start is answered.
void Machine::confirm(Actions& out) {
  deadline_.reset();
  policy_.started(wall_);
  enter(State::running, {}, out);
  if (std::exchange(start_open_, false)) out.emplace_back(action::StartEnded{});
  out.emplace_back(action::PostStart{run_});
}

/// A start of what runs already.
void Machine::answer_running(Actions& out) {
  out.emplace_back(action::StartEnded{});
  settle_open_ = true;
  if (!post_start_over_ || ready_by_) return;  // joins what is still awaited
  std::optional<Error> error;
  if (ready_ == false) {
    std::string reason = "not ready";
    if (!readiness_reason_.empty()) reason += ": " + readiness_reason_;
    error = Error(Errc::timed_out, std::move(reason), name_);
  }
  settle(std::move(error), out);
}

/// A start that will not happen, because a stop or restart came first.
void Machine::abandon_start(Actions& out) {
  ++run_;
  out.emplace_back(action::CancelWork{});
  const Error error(Errc::cancelled, "the start was cancelled by a stop", name_);
  if (std::exchange(start_open_, false)) out.emplace_back(action::StartEnded{error});
  settle(error, out);
}

void Machine::ask_to_end(Actions& out, SteadyTime now) {
  quit_ = killed_ = false;
  forget_readiness();
  policy_.ended(now);
  deadline_ = now + options_.grace;
  enter(State::stopping, {}, out);
  if (!launching_) out.emplace_back(action::Terminate{});
}

/// There is a process by now, which a stop was waiting for.
void Machine::end_late(Actions& out, SteadyTime now) {
  out.emplace_back(action::Publish{state_, reason_});
  if (killed_) {
    insist(options_.kill_wait, out, now);
  } else {
    deadline_ = now + options_.grace;
    out.emplace_back(action::Terminate{});
  }
}

/// The leader has ended and no stop had asked it to.
void Machine::end_unasked(Actions& out, SteadyTime now) {
  ended_unasked_ = true;
  last_unasked_ = last_exit_;
  last_unasked_at_ = last_exit_at_;
  deadline_.reset();
  forget_readiness();
  policy_.ended(now);
  ++run_;
  out.emplace_back(action::CancelWork{});
}

void Machine::stop(Actions& out, SteadyTime now) {
  switch (state_) {
    case State::setting_up:
    case State::waiting:
      start_after_ = false;
      abandon_start(out);
      enter(State::stopped, {}, out);
      break;
    case State::starting:
    case State::running:
      abandon_start(out);
      ask_to_end(out, now);
      break;
    case State::stopping:
      if (std::exchange(start_after_, false)) {
        abandon_start(out);
        out.emplace_back(action::Publish{state_, reason_});  // what follows it is another now
      }
      // A shutdown may have less patience than the stop it joins.
      if (deadline_ && !quit_ && !killed_ && now + options_.grace < *deadline_) {
        deadline_ = now + options_.grace;
      } else if (killed_ && !deadline_) {
        // An earlier stop has given up on it: this one tries again, and is answered in time as well.
        insist(options_.kill_wait, out, now);
      }
      break;
    case State::failed:
      if (policy_.stage() == RestartPolicy::Stage::refused) enter(State::stopped, {}, out);
      break;
    case State::backoff:
      enter(State::stopped, {}, out);
      break;
    case State::stopped:
      break;
  }
  policy_.call_off();
  if (state_ == State::stopping || !stop_open_) return;
  if (!collecting_) {
    stop_open_ = false;
    out.emplace_back(action::StopEnded{});
  } else if (!deadline_) {
    // While remains of an earlier run are collected, a stop is over when they are gone.
    insist(options_.grace + options_.kill_wait, out, now);
  }
}

/// SIGKILL, and a limit to how long its effect is awaited.
void Machine::insist(Duration patience, Actions& out, SteadyTime now) {
  deadline_ = now + patience;
  if (!launching_) out.emplace_back(action::Kill{});
}

void Machine::on(const event::StartAsked& asked, Actions& out, SteadyTime now) {
  desired_ = true;
  disabled_ = false;
  if (asked.by == Asker::hand) policy_.started_by_hand();
  switch (state_) {
    case State::running:
      show_restart(out);
      answer_running(out);
      return;
    case State::setting_up:
    case State::waiting:
    case State::starting:
      start_open_ = settle_open_ = true;  // joins the start under way
      return;
    case State::stopping:
      restarted_once_ = false;
      start_open_ = settle_open_ = start_after_ = true;
      if (killed_ && !deadline_) give_up(out, now);  // SIGKILL has failed before
      return;
    case State::stopped:
    case State::backoff:
    case State::failed:
      break;
  }
  restarted_once_ = false;
  start_open_ = settle_open_ = true;
  if (collecting_) {
    start_after_ = true;
    enter(State::setting_up, "waits until the remains of the last run are gone", out);
    if (!deadline_) insist(options_.grace + options_.kill_wait, out, now);
  } else {
    begin(out);
  }
}

void Machine::on(const event::StopAsked&, Actions& out, SteadyTime now) {
  desired_ = false;
  disabled_ = true;
  stop_open_ = true;
  stop(out, now);
}

void Machine::on(const event::RestartAsked& asked, Actions& out, SteadyTime now) {
  policy_.call_off();
  policy_.started_by_hand();
  if (state_ == State::setting_up || state_ == State::waiting) {
    abandon_start(out);
    enter(State::stopped, {}, out);
  }
  if (state_ == State::starting || state_ == State::running) {
    abandon_start(out);
    desired_ = true;
    disabled_ = false;
    restarted_once_ = false;
    start_open_ = settle_open_ = start_after_ = true;
    ask_to_end(out, now);
    return;
  }
  static_cast<void>(asked);
  on(event::StartAsked{}, out, now);
}

void Machine::on(const event::KillAsked&, Actions& out, SteadyTime now) {
  desired_ = false;
  disabled_ = true;
  stop(out, now);
  if (pid_ > 0 || launching_) {
    killed_ = true;
    insist(options_.kill_wait, out, now);
  }
}

void Machine::on(const event::SetupDone& done, Actions& out, SteadyTime now) {
  if (done.run != run_ || state_ != State::setting_up) return;
  if (done.error) {
    fail(*done.error, Launched::no, out, now);
    return;
  }
  enter(State::waiting, {}, out);
  out.emplace_back(action::RunWaits{run_});
}

void Machine::on(const event::WaitsDone& done, Actions& out, SteadyTime now) {
  if (done.run != run_ || state_ != State::waiting) return;
  if (done.error) {
    fail(*done.error, Launched::no, out, now);
    return;
  }
  enter(State::starting, {}, out);
  launching_ = true;
  out.emplace_back(action::Spawn{});
}

void Machine::on(const event::WaitProgress& progress, Actions& out, SteadyTime) {
  if (progress.run != run_ || state_ != State::waiting || reason_ == progress.missing) return;
  enter(State::waiting, progress.missing, out);
}

void Machine::on(const event::Spawned& spawned, Actions& out, SteadyTime now) {
  if (!std::exchange(launching_, false)) return;
  pid_ = spawned.pid;
  one_shot_ = spawned.one_shot;
  if (state_ == State::stopping) {
    end_late(out, now);
    return;
  }
  deadline_ = now + options_.immediate_exit_watch;
  forget_readiness();
  if (spawned.ready_within) {
    ready_ = false;
    ready_within_ = *spawned.ready_within;
    ready_by_ = now + ready_within_;
  }
  policy_.launched(now);
  out.emplace_back(action::Publish{state_, reason_});
  out.emplace_back(action::WatchReadiness{run_});
}

void Machine::on(const event::Adopted& adopted, Actions& out, SteadyTime now) {
  if (state_ != State::stopped || pid_ > 0) return;
  ++run_;
  desired_ = true;
  disabled_ = false;
  restarted_once_ = true;  // it was up before: nothing that follows its start may end it
  post_start_over_ = false;
  completed_ = ended_unasked_ = false;
  pid_ = adopted.pid;
  one_shot_ = adopted.one_shot;
  forget_readiness();
  policy_.adopted(adopted.since.value_or(now));
  if (adopted.ending) {
    ask_to_end(out, now);
    return;
  }
  if (policy_.stage() == RestartPolicy::Stage::trying) policy_.started(wall_);
  enter(State::running, {}, out);
  if (adopted.ready) {
    ready_ = *adopted.ready;
    ready_within_ = adopted.ready_within;
    if (*adopted.ready) {
      ready_at_ = now;
    } else {
      ready_by_ = now + ready_within_;
    }
    out.emplace_back(action::WatchReadiness{run_});
  }
  out.emplace_back(action::PostStart{run_});
}

void Machine::on(const event::LeftAtRest& left, Actions& out, SteadyTime) {
  if (state_ != State::stopped || pid_ > 0 || collecting_) return;
  completed_ = desired_ = left.completed_at.has_value();
  disabled_ = !completed_;
  if (completed_) {
    last_exit_ = ExitStatus{ExitStatus::Kind::code, 0};
    last_exit_at_ = left.completed_at;
  }
  enter(State::stopped, completed_ ? "completed: " + last_exit_->to_string() : "was stopped before", out);
}

void Machine::on(const event::SpawnFailed& failed, Actions& out, SteadyTime now) {
  if (!std::exchange(launching_, false)) return;
  if (state_ == State::starting) {
    fail(failed.error, Launched::no, out, now);
    return;
  }
  deadline_.reset();
  come_to_rest(State::stopped, {}, out);
  if (std::exchange(stop_open_, false)) out.emplace_back(action::StopEnded{});
  if (start_after_) begin(out);
}

void Machine::on(const event::Ready& ready, Actions& out, SteadyTime now) {
  if (ready.run != run_ || pid_ <= 0 || collecting_) return;
  if (state_ != State::starting && state_ != State::running) return;
  if (ready_) {
    ready_by_.reset();
    if (!ready_at_) ready_at_ = now;
    note_readiness(true, ready.note, out);
  }
  if (state_ == State::starting) confirm(out);
  settle_when_over(out);
}

void Machine::on(const event::NotReady& told, Actions& out, SteadyTime) {
  if (told.run != run_ || pid_ <= 0 || collecting_ || !ready_) return;
  if (state_ == State::starting || state_ == State::running) note_readiness(false, told.reason, out);
}

void Machine::on(const event::Exited& exited, Actions& out, SteadyTime now) {
  if (pid_ <= 0 || collecting_) return;
  collecting_ = true;
  last_exit_ = exited.status;
  last_exit_at_ = exited.at;
  if (state_ == State::running) {
    end_unasked(out, now);
    completed_ = one_shot_ && exited.status.success();
    const std::string reason = (completed_ ? "completed: " : "ended by itself: ") + exited.status.to_string();
    out.emplace_back(
        action::Tell{exited.status.success() ? Level::info : Level::error, name_ + " " + reason});
    settle(completed_ ? std::nullopt : std::optional(Error(Errc::spawn_failed, reason, name_)), out);
    if (completed_) {
      policy_.call_off();
    } else {
      request(exited.status.to_string(), out, now);
    }
    come_to_rest(State::stopped, reason, out);
    out.emplace_back(action::Kill{});
  } else if (state_ == State::starting) {
    end_unasked(out, now);
    insist(options_.grace + options_.kill_wait, out, now);  // somebody waits for the outcome
  }
  out.emplace_back(action::Collect{});
}

void Machine::on(const event::Gone& gone, Actions& out, SteadyTime now) {
  if (!collecting_) return;
  collecting_ = false;
  pid_ = -1;
  deadline_.reset();
  if (state_ == State::starting && one_shot_ && last_exit_->success()) {
    completed_ = true;
    policy_.started(wall_);
    enter(State::stopped, "completed: " + last_exit_->to_string(), out);
    if (std::exchange(start_open_, false)) out.emplace_back(action::StartEnded{});
    settle(std::nullopt, out);
  } else if (state_ == State::starting) {
    std::string message = "ended right after its start with " + last_exit_->to_string();
    if (!gone.tail.empty()) message += ": " + gone.tail;
    fail(Error(Errc::spawn_failed, std::move(message), name_), Launched::yes, out, now);
  } else if (state_ == State::stopping) {
    come_to_rest(State::stopped, {}, out);
  }
  if (std::exchange(stop_open_, false)) out.emplace_back(action::StopEnded{});
  if (start_after_) begin(out);
}

void Machine::on(const event::PostStartDone& done, Actions& out, SteadyTime now) {
  if (done.run != run_ || state_ != State::running) return;
  if (done.restart_needed && !std::exchange(restarted_once_, true)) {
    const bool owed = std::exchange(settle_open_, false);
    abandon_start(out);
    start_after_ = true;
    settle_open_ = owed;
    ask_to_end(out, now);
    return;
  }
  post_start_over_ = true;
  out.emplace_back(action::Publish{state_, reason_});
  settle_when_over(out);
}

void Machine::on(const event::Woke&, Actions& out, SteadyTime now) {
  if (wake_ && now >= *wake_) wake_.reset();  // what is awaited from here on is asked for again
  if (ready_by_ && now >= *ready_by_) {
    ready_by_.reset();
    settle_when_over(out);
  }
  if (deadline_ && now >= *deadline_) {
    deadline_.reset();
    if (state_ == State::starting && pid_ > 0 && !collecting_) {
      confirm(out);
    } else if (state_ == State::stopping) {
      escalate(out, now);
    } else if (collecting_) {
      give_up(out, now);
    }
  }
  if (policy_.due(now)) attempt(out, now);
  reconsider(out, now);
  if (state_ == State::running && policy_.check_due(now)) {
    policy_.check_begun();
    out.emplace_back(action::CheckHealth{run_});
  }
}

/// The patience of one step of a stop is over: quit signal, if the service has one, then SIGKILL, then the
/// truth that it did not work.
void Machine::escalate(Actions& out, SteadyTime now) {
  if (launching_ && !std::exchange(killed_, true)) {
    deadline_ = now + options_.kill_wait;
    return;
  }
  if (!killed_) {
    const bool quit = !quit_ && options_.quit_grace > Duration::zero();
    (quit ? quit_ : killed_) = true;
    deadline_ = now + (quit ? options_.quit_grace : options_.kill_wait);
    out.emplace_back(quit ? Action(action::Quit{}) : Action(action::Kill{}));
    return;
  }
  give_up(out, now);
}

/// SIGKILL has not worked: whoever waits is told. What is left is collected when it goes after all.
void Machine::give_up(Actions& out, SteadyTime now) {
  std::string message = launching_ ? "its launch goes on and cannot be called off"
                                   : "something it started is still alive after SIGKILL";
  if (state_ == State::starting) {
    message = "ended right after its start with " + last_exit_->to_string() + ", and " + message;
  }
  const Error error(Errc::stop_failed, std::move(message), name_);
  if (std::exchange(stop_open_, false)) out.emplace_back(action::StopEnded{error});
  const bool held = std::exchange(start_after_, false);
  if (state_ == State::starting || state_ == State::setting_up) {
    fail(error, state_ == State::starting ? Launched::yes : Launched::no, out, now);
    return;
  }
  if (state_ == State::stopping) {
    reason_ = error.message();
    out.emplace_back(action::Publish{state_, reason_});
  }
  if (!held) return;
  if (std::exchange(start_open_, false)) out.emplace_back(action::StartEnded{error});
  settle(error, out);
  if (policy_.start_failed(error.message())) request(error.message(), out, now);
}

}  // namespace dumb::supervisor
