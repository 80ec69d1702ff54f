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
  std::visit([&](const auto& one) { on(one, out, now); }, event);
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
  ++run_;
  enter(State::setting_up, {}, out);
  out.emplace_back(action::RunSetup{run_});
}

void Machine::fail(Error error, Actions& out) {
  enter(State::failed, error.message(), out);
  if (std::exchange(start_open_, false)) out.emplace_back(action::StartEnded{error});
  settle(std::move(error), out);
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

/// Asks for the earlier of the two instants that are awaited.
void Machine::wake(Actions& out) const {
  if (!deadline_ && !ready_by_) return;
  const SteadyTime never = SteadyTime::max();
  out.emplace_back(action::WakeAt{std::min(deadline_.value_or(never), ready_by_.value_or(never))});
}

/// The watch is over and the process lives: the start is answered.
void Machine::confirm(Actions& out) {
  deadline_.reset();
  enter(State::running, {}, out);
  if (std::exchange(start_open_, false)) out.emplace_back(action::StartEnded{});
  out.emplace_back(action::PostStart{run_});
  wake(out);
}

/// A start of what runs already.
void Machine::answer_running(Actions& out) {
  out.emplace_back(action::StartEnded{});
  if (std::exchange(settle_open_, true)) return;  // joins what is still awaited
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
  deadline_ = now + options_.grace;
  enter(State::stopping, {}, out);
  out.emplace_back(action::Terminate{});
  out.emplace_back(action::WakeAt{*deadline_});
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
      if (std::exchange(start_after_, false)) abandon_start(out);
      // A shutdown may have less patience than the stop it joins.
      if (deadline_ && !quit_ && !killed_ && now + options_.grace < *deadline_) {
        deadline_ = now + options_.grace;
        out.emplace_back(action::WakeAt{*deadline_});
      } else if (killed_ && !deadline_) {
        // An earlier stop has given up on it: this one tries again, and is answered in time as well.
        deadline_ = now + options_.kill_wait;
        out.emplace_back(action::Kill{});
        out.emplace_back(action::WakeAt{*deadline_});
      }
      break;
    case State::stopped:
    case State::backoff:
    case State::failed:
      if (state_ == State::backoff) enter(State::stopped, {}, out);
      break;
  }
  // While remains of an earlier run are collected, a stop is over when they are gone.
  if (state_ != State::stopping && !collecting_ && std::exchange(stop_open_, false)) {
    out.emplace_back(action::StopEnded{});
  }
}

void Machine::on(const event::StartAsked&, Actions& out, SteadyTime) {
  desired_ = true;
  disabled_ = false;
  restarted_once_ = false;
  switch (state_) {
    case State::running:
      answer_running(out);
      return;
    case State::setting_up:
    case State::waiting:
    case State::starting:
      start_open_ = true;  // joins the start under way
      return;
    case State::stopping:
      start_open_ = settle_open_ = start_after_ = true;
      return;
    case State::stopped:
    case State::backoff:
    case State::failed:
      break;
  }
  start_open_ = settle_open_ = true;
  if (collecting_) {
    start_after_ = true;
    enter(State::setting_up, "waits until the remains of the last run are gone", out);
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
  if (state_ == State::setting_up || state_ == State::waiting) {
    abandon_start(out);
    enter(State::stopped, {}, out);
  }
  if (state_ == State::starting || state_ == State::running) {
    abandon_start(out);
    desired_ = true;
    disabled_ = false;
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
  if (pid_ > 0) {
    killed_ = true;
    deadline_ = now + options_.kill_wait;
    out.emplace_back(action::Kill{});
    out.emplace_back(action::WakeAt{*deadline_});
  }
}

void Machine::on(const event::SetupDone& done, Actions& out, SteadyTime) {
  if (done.run != run_ || state_ != State::setting_up) return;
  if (done.error) {
    fail(*done.error, out);
    return;
  }
  enter(State::waiting, {}, out);
  out.emplace_back(action::RunWaits{run_});
}

void Machine::on(const event::WaitsDone& done, Actions& out, SteadyTime) {
  if (done.run != run_ || state_ != State::waiting) return;
  if (done.error) {
    fail(*done.error, out);
    return;
  }
  enter(State::starting, {}, out);
  out.emplace_back(action::Spawn{});
}

void Machine::on(const event::WaitProgress& progress, Actions& out, SteadyTime) {
  if (progress.run != run_ || state_ != State::waiting || reason_ == progress.missing) return;
  enter(State::waiting, progress.missing, out);
}

void Machine::on(const event::Spawned& spawned, Actions& out, SteadyTime now) {
  if (state_ != State::starting) return;
  pid_ = spawned.pid;
  one_shot_ = spawned.one_shot;
  deadline_ = now + options_.immediate_exit_watch;
  forget_readiness();
  if (spawned.ready_within) {
    ready_ = false;
    ready_within_ = *spawned.ready_within;
    ready_by_ = now + ready_within_;
  }
  out.emplace_back(action::Publish{state_, reason_});
  wake(out);
  out.emplace_back(action::WatchReadiness{run_});
}

void Machine::on(const event::SpawnFailed& failed, Actions& out, SteadyTime) {
  if (state_ == State::starting) fail(failed.error, out);
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

void Machine::on(const event::Exited& exited, Actions& out, SteadyTime) {
  if (pid_ <= 0 || collecting_) return;
  collecting_ = true;
  last_exit_ = exited.status;
  last_exit_at_ = exited.at;
  if (state_ == State::running) {
    ended_unasked_ = true;
    deadline_.reset();
    forget_readiness();
    ++run_;
    out.emplace_back(action::CancelWork{});
    completed_ = one_shot_ && exited.status.success();
    const std::string reason = (completed_ ? "completed: " : "ended by itself: ") + exited.status.to_string();
    enter(State::stopped, reason, out);
    settle(completed_ ? std::nullopt : std::optional(Error(Errc::spawn_failed, reason, name_)), out);
    out.emplace_back(action::Kill{});
  } else if (state_ == State::starting) {
    ended_unasked_ = true;
    deadline_.reset();
    forget_readiness();
    ++run_;
    out.emplace_back(action::CancelWork{});
    out.emplace_back(action::Kill{});
  }
  out.emplace_back(action::Collect{});
}

void Machine::on(const event::Gone& gone, Actions& out, SteadyTime) {
  if (!collecting_) return;
  collecting_ = false;
  pid_ = -1;
  deadline_.reset();
  if (state_ == State::starting && one_shot_ && last_exit_->success()) {
    completed_ = true;
    enter(State::stopped, "completed: " + last_exit_->to_string(), out);
    if (std::exchange(start_open_, false)) out.emplace_back(action::StartEnded{});
    settle(std::nullopt, out);
  } else if (state_ == State::starting) {
    std::string message = "ended right after its start with " + last_exit_->to_string();
    if (!gone.tail.empty()) message += ": " + gone.tail;
    fail(Error(Errc::spawn_failed, std::move(message), name_), out);
  } else if (state_ == State::stopping) {
    enter(State::stopped, {}, out);
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
  settle_when_over(out);
}

void Machine::on(const event::Woke&, Actions& out, SteadyTime now) {
  if (ready_by_ && now >= *ready_by_) {
    ready_by_.reset();
    settle_when_over(out);
    if (deadline_ && now < *deadline_) wake(out);
  }
  if (!deadline_ || now < *deadline_) return;
  deadline_.reset();
  if (state_ == State::starting && pid_ > 0 && !collecting_) {
    confirm(out);
    return;
  }
  if (state_ == State::stopping) escalate(out, now);
}

/// The patience of one step of a stop is over: quit signal, if the service has one, then SIGKILL, then the
/// truth that it did not work.
void Machine::escalate(Actions& out, SteadyTime now) {
  if (!killed_) {
    const bool quit = !quit_ && options_.quit_grace > Duration::zero();
    (quit ? quit_ : killed_) = true;
    deadline_ = now + (quit ? options_.quit_grace : options_.kill_wait);
    out.emplace_back(quit ? Action(action::Quit{}) : Action(action::Kill{}));
    out.emplace_back(action::WakeAt{*deadline_});
    return;
  }
  const Error error(Errc::stop_failed, "something it started is still alive after SIGKILL", name_);
  reason_ = error.message();
  out.emplace_back(action::Publish{state_, reason_});
  if (std::exchange(stop_open_, false)) out.emplace_back(action::StopEnded{error});
  if (std::exchange(start_after_, false)) {
    if (std::exchange(start_open_, false)) out.emplace_back(action::StartEnded{error});
    settle(error, out);
  }
}

}  // namespace dumb::supervisor
