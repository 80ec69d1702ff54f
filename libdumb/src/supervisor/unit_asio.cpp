#include "supervisor/unit_asio.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <exception>
#include <utility>

#include "base/offload.hpp"
#include "supervisor/readiness_asio.hpp"

namespace dumb::supervisor {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

std::string text_of(std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  }
}

}  // namespace

Unit::Unit(Shared& shared, std::string name)
    : shared_(shared),
      name_(std::move(name)),
      machine_(name_),
      timer_(shared.executor),
      exit_(shared.executor),
      work_ended_(shared.executor) {
  const auto memory = shared_.memory->take(name_);
  if (!memory) return;
  machine_.restore(*memory, shared_.clock->now());
  launches_ = std::max<std::int64_t>(0, memory->launches);
}

ServiceMemory Unit::memory() const {
  ServiceMemory memory = machine_.memory();
  memory.launches = launches_;
  return memory;
}

void Unit::configure_machine() {
  const StopPlan plan = shared_.source->stop_plan(name_);
  machine_.set_options(
      {shared_.options.immediate_exit_watch, plan.grace, shared_.options.kill_wait, plan.quit_grace});
  RestartRules rules = shared_.source->restart_rules(name_);
  if (*shared_.refusing) rules.armed = false;
  machine_.set_rules(std::move(rules), shared_.options.chance(), shared_.clock->wall());
}

void Unit::detach() {
  error_code ignored;
  exit_.close(ignored);
  timer_.cancel();
  // What a service says from now on is for whoever goes on.
  if (const auto watch = readiness_watch_.lock()) watch->emit(asio::cancellation_type::all);
}

void Unit::feed(const Event& event) {
  if (shared_.detached) return;
  const auto self = shared_from_this();
  if (!hurry_) configure_machine();  // else it was when the standby was made, and nothing has changed since
  for (const Action& action : machine_.on(event, shared_.clock->now())) {
    std::visit([&](const auto& one) { perform(one); }, action);
  }
  const std::uint64_t changes = machine_.restarts().changes();
  if (std::exchange(remembered_, changes) != changes) shared_.memory->write_soon();
  if (!hurry_) consider_standby();
}

ServiceInfo Unit::info() const {
  ServiceInfo info;
  info.process_name = name_;
  info.state = machine_.state();
  info.reason = machine_.reason();
  info.desired = machine_.desired();
  info.restart_disabled = machine_.restart_disabled();
  info.ended_unasked = machine_.ended_unasked();
  info.killed = machine_.killing();
  info.config_key = plan_.config_key;
  info.instance = plan_.instance;
  info.last_exit = machine_.last_exit();
  info.last_exit_at = machine_.last_exit_at();
  info.ready = machine_.ready();
  info.readiness_reason = machine_.readiness_reason();
  info.ready_at = machine_.ready_at();
  info.becoming_ready = machine_.becoming_ready();
  info.settled = machine_.settled();
  info.completed = machine_.completed();
  info.last_unasked = machine_.last_unasked();
  info.last_unasked_at = machine_.last_unasked_at();
  info.restarts = machine_.restarts().statistics(shared_.clock->now());
  if (machine_.occupied()) {
    info.pid = machine_.pid();
    info.start_ticks = child_.start_ticks;
    info.started_at = started_at_;
    info.started_steady = started_steady_;
    info.to_main_log = plan_.to_main_log && !plan_.discard_output;
    info.log_file = plan_.log_file;
    info.access_file = plan_.access_file;
    info.adopted = adopted_;
    info.config_hash = plan_.config_hash;
  }
  return info;
}

ServiceBrief Unit::brief() const {
  ServiceBrief brief;
  brief.state = machine_.state();
  brief.reason = machine_.reason();
  brief.refused_until = machine_.restarts().refused_until();
  if (machine_.occupied()) {
    brief.pid = machine_.pid();
    brief.started_at = started_at_;
    brief.adopted = adopted_;
    if (adopted_) brief.config_hash = plan_.config_hash;
  }
  return brief;
}

std::optional<UsageTarget> Unit::usage_target() const {
  if (!machine_.occupied() || !processes_) return std::nullopt;
  UsageTarget target;
  target.process_name = name_;
  target.leader = child_.pid;
  target.mark = mark_;
  target.adopted = foreign_;
  target.start_ticks = child_.start_ticks;
  target.end_ticks = end_ticks_;
  if (const ControlGroup* group = processes_->group()) target.group = group->directory();
  target.run = order_;
  target.since = started_steady_;
  target.restarts = std::max<std::int64_t>(0, launches_ - 1);
  return target;
}

OutcomeEvent Unit::start_event() {
  if (!start_event_) start_event_ = std::make_shared<OneShot<Outcome>>(shared_.executor);
  return start_event_;
}
OutcomeEvent Unit::settle_event() {
  if (!settle_event_) settle_event_ = std::make_shared<OneShot<Outcome>>(shared_.executor);
  return settle_event_;
}
OutcomeEvent Unit::stop_event() {
  if (!stop_event_) stop_event_ = std::make_shared<OneShot<Outcome>>(shared_.executor);
  return stop_event_;
}

// ---- work under way ----

std::shared_ptr<asio::cancellation_signal> Unit::run(asio::awaitable<void> task,
                                                     std::function<Event(Error)> on_exception) {
  auto signal = std::make_shared<asio::cancellation_signal>();
  work_.push_back(signal);
  ++tasks_;
  ++shared_.tasks;
  auto done = [self = shared_from_this(), signal, on_exception](std::exception_ptr error) {
    std::erase(self->work_, signal);
    --self->tasks_;
    --self->shared_.tasks;
    self->work_ended_.cancel();
    if (error) {
      self->shared_.logs->error(self->name_ + ": " + text_of(error));
      if (on_exception) self->feed(on_exception(Error(Errc::io, text_of(error), self->name_)));
    }
    self->answer_stop();
    if (!self->hurry_) self->consider_standby();
    self->shared_.changed();
  };
  asio::co_spawn(shared_.executor, std::move(task),
                 asio::bind_cancellation_slot(signal->slot(), std::move(done)));
  return signal;
}

void Unit::run_through(asio::awaitable<void> task) {
  ++tasks_;
  ++shared_.tasks;
  auto done = [self = shared_from_this()](std::exception_ptr error) {
    if (error) self->shared_.logs->error(self->name_ + ": " + text_of(error));
    --self->tasks_;
    --self->shared_.tasks;
    self->shared_.changed();
  };
  asio::co_spawn(shared_.executor, std::move(task), std::move(done));
}

void Unit::perform(const action::CancelWork&) {
  for (const auto& signal : std::vector(work_)) signal->emit(asio::cancellation_type::all);
}

void Unit::perform(const action::RunSetup& todo) {
  if (set_up_at_once(todo.run)) return;
  run(do_setup(todo.run), [run = todo.run](Error error) -> Event {
    return event::SetupDone{run, std::move(error)};
  });
}
void Unit::perform(const action::RunWaits& todo) {
  if (wait_at_once(todo.run)) return;
  run(do_waits(todo.run), [run = todo.run](Error error) -> Event {
    return event::WaitsDone{run, std::move(error)};
  });
}
void Unit::perform(const action::WatchReadiness& todo) {
  readiness_watch_ = run(do_watch(todo.run), {});
}
void Unit::perform(const action::PostStart& todo) {
  run(do_post_start(todo.run), [run = todo.run](const Error&) -> Event {
    return event::PostStartDone{run, false};
  });
}
void Unit::perform(const action::CheckHealth& todo) {
  run(do_check_health(todo.run), [run = todo.run](const Error&) -> Event {
    return event::HealthTold{run, std::nullopt};
  });
}
void Unit::perform(const action::Collect&) {
  if (collect_at_once()) return;
  run_through(do_collect());
}

asio::awaitable<void> Unit::do_setup(std::uint64_t run) {
  const auto self = shared_from_this();
  co_await asio::this_coro::throw_if_cancelled(false);
  // Work of an earlier run that was called off may still be winding down; two setups never overlap.
  constexpr auto token = asio::as_tuple(asio::use_awaitable);
  while (work_.size() > 1) {
    work_ended_.expires_at(asio::steady_timer::time_point::max());
    co_await work_ended_.async_wait(token);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
  }
  const std::string name = name_;
  const Result<void> result = co_await shared_.source->setup(name);
  event::SetupDone done{run, std::nullopt};
  if (!result) done.error = result.error();
  feed(done);
}

asio::awaitable<void> Unit::do_waits(std::uint64_t run) {
  const auto self = shared_from_this();
  co_await asio::this_coro::throw_if_cancelled(false);
  event::WaitsDone done{run, std::nullopt};
  auto plan = shared_.source->waits(name_);
  if (!plan) {
    done.error = plan.error();
  } else if (!plan->empty()) {
    auto progress = [self, run](std::string missing) {
      if (missing != self->machine_.reason()) self->shared_.logs->info(self->name_ + " " + missing);
      self->feed(event::WaitProgress{run, std::move(missing)});
    };
    const WaitPlan waits = *plan;
    const std::function<void(std::string)> callback = progress;
    const Result<void> result = co_await wait_for(waits, *shared_.workers, callback);
    if (!result) done.error = result.error();
  }
  if (!done.error) done.error = co_await find_fault_of_directory();
  feed(done);
  prepared_.reset();
}

/// The child enters its working directory and opens its program while a thread waits for it to exec: a mount
/// that hangs must be found out before.
asio::awaitable<std::optional<Error>> Unit::find_fault_of_directory() {
  auto plan = shared_.source->launch_plan(name_);
  if (!plan) co_return plan.error();
  const std::filesystem::path directory = plan->spec.directory;
  if (is_plain_launch(*plan)) {
    prepared_ = std::move(*plan);
    co_return std::nullopt;
  }
  struct Found {
    PathState directory = PathState::dead;
    PathState program = PathState::missing;  // which the launch itself tells best
  };
  auto work = [spec = plan->spec] {
    constexpr milliseconds patience{2'000};
    Found found{inspect_path(spec.directory, patience)};
    if (found.directory == PathState::directory) found.program = inspect_program(spec, patience);
    return found;
  };
  const Found found = co_await offload(*shared_.workers, work);
  const PathState state = found.directory;
  if (found.program == PathState::dead)
    co_return Error(Errc::spawn_failed, "the program " + plan->spec.argv.front() + " does not answer", name_);
  if (state == PathState::directory) co_return std::nullopt;
  const std::string shown = plan->shown_directory.empty() ? directory.native() : plan->shown_directory;
  const char* what = state == PathState::dead      ? " does not answer"
                     : state == PathState::missing ? " does not exist"
                                                   : " is no directory";
  co_return Error(Errc::spawn_failed, "the working directory " + shown + what, name_);
}

asio::awaitable<void> Unit::do_watch(std::uint64_t run) {
  const auto self = shared_from_this();
  if (!plan_.readiness) {
    co_await do_watch_endpoints(run);
    co_return;
  }
  ReadinessWatch watch;
  watch.settings = *plan_.readiness;
  watch.launch = plan_.spec;
  watch.members = membership();
  watch.line = awaited_line_;
  watch.notify = std::move(notify_);
  watch.ready = machine_.ready().value_or(false);
  watch.workers = shared_.workers;
  watch.kill_wait = std::chrono::duration_cast<milliseconds>(shared_.options.kill_wait);
  watch.log = shared_.logs;
  watch.tell = [this, run](const ReadinessState& state) {
    if (state.ready) {
      feed(event::Ready{run, state.reason});
    } else {
      feed(event::NotReady{run, state.reason});
    }
  };
  auto task = watch_readiness(std::move(watch));
  co_await std::move(task);
}

asio::awaitable<void> Unit::do_watch_endpoints(std::uint64_t run) {
  if (plan_.endpoints.empty()) co_return;
  asio::steady_timer timer(shared_.executor);
  const health::Endpoint endpoint = plan_.endpoints.front();
  milliseconds pause{10};
  for (;;) {
    const bool up = co_await health::answers(endpoint, milliseconds(500));
    if (machine_.state() != State::starting) co_return;
    if (up) {
      feed(event::Ready{run});
      co_return;
    }
    const bool going_on = co_await pause_for(timer, pause);
    if (!going_on || machine_.state() != State::starting) co_return;
    pause = std::min(pause * 3 / 2, milliseconds(200));
  }
}

asio::awaitable<void> Unit::do_post_start(std::uint64_t run) {
  const auto self = shared_from_this();
  co_await asio::this_coro::throw_if_cancelled(false);
  const std::string name = name_;
  const Result<bool> result = co_await shared_.source->post_start(name);
  event::PostStartDone done{run, false};
  if (result) {
    done.restart_needed = *result;
  } else if (!result.error().is(Errc::cancelled)) {
    shared_.logs->warning(name_ + ": what follows the start failed: " + result.error().to_string());
  }
  feed(done);
}

asio::awaitable<void> Unit::do_check_health(std::uint64_t run) {
  const auto self = shared_from_this();
  co_await asio::this_coro::throw_if_cancelled(false);
  const std::string name = name_;
  const health::Verdict verdict = co_await shared_.source->check_health(name);
  feed(event::HealthTold{run, verdict.healthy, verdict.reason});
}

void Unit::perform(const action::Tell& todo) {
  if (hurry_) {
    hurry_->told.emplace_back(todo);
  } else {
    shared_.logs->write(todo.level, todo.text);
  }
}

void Unit::perform(const action::WakeAt&) {
  // Actions performed before this one may have moved it.
  if (!machine_.wake_at() || wake_at_once()) return;
  timer_.expires_at(*machine_.wake_at());
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->feed(event::Woke{});
  });
}

}  // namespace dumb::supervisor
