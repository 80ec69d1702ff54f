#include "supervisor/unit_asio.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <exception>
#include <utility>

#include "base/offload.hpp"

namespace dumb::supervisor {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

/// A FIFO and its two ends. The child holds it open for reading and writing, so that neither a missing reader
/// nor a new one is noticed by it, and what is unread stays in the kernel.
struct Fifo {
  UniqueFd reader;
  UniqueFd child_end;
};

Result<Fifo> make_fifo(const std::filesystem::path& path) {
  ::unlink(path.c_str());
  if (::mkfifo(path.c_str(), 0600) != 0) return system_error(errno, "create a FIFO", path.native());
  Fifo fifo;
  fifo.reader.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  fifo.child_end.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fifo.reader || !fifo.child_end) return system_error(errno, "open a FIFO", path.native());
  ::fcntl(fifo.reader.get(), F_SETPIPE_SZ, 256 * 1024);  // room for an outage of the reader; may be refused
  return fifo;
}

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
      work_ended_(shared.executor) {}

void Unit::configure_machine() {
  const StopPlan plan = shared_.source->stop_plan(name_);
  machine_.set_options({shared_.options.immediate_exit_watch, plan.grace, shared_.options.kill_wait});
}

void Unit::feed(const Event& event) {
  const auto self = shared_from_this();
  configure_machine();
  for (const Action& action : machine_.on(event, shared_.clock->now())) {
    std::visit([&](const auto& one) { perform(one); }, action);
  }
}

ServiceInfo Unit::info() const {
  ServiceInfo info;
  info.process_name = name_;
  info.state = machine_.state();
  info.reason = machine_.reason();
  info.desired = machine_.desired();
  info.restart_disabled = machine_.restart_disabled();
  info.ended_unasked = machine_.ended_unasked();
  info.last_exit = machine_.last_exit();
  info.last_exit_at = machine_.last_exit_at();
  if (machine_.occupied()) {
    info.pid = machine_.pid();
    info.start_ticks = child_.start_ticks;
    info.started_at = started_at_;
    info.started_steady = started_steady_;
  }
  return info;
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

void Unit::run(asio::awaitable<void> task, std::function<Event(Error)> on_exception) {
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
    self->shared_.changed();
  };
  asio::co_spawn(shared_.executor, std::move(task),
                 asio::bind_cancellation_slot(signal->slot(), std::move(done)));
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
  run(do_setup(todo.run), [run = todo.run](Error error) -> Event {
    return event::SetupDone{run, std::move(error)};
  });
}
void Unit::perform(const action::RunWaits& todo) {
  run(do_waits(todo.run), [run = todo.run](Error error) -> Event {
    return event::WaitsDone{run, std::move(error)};
  });
}
void Unit::perform(const action::WatchReadiness& todo) {
  run(do_watch(todo.run), {});
}
void Unit::perform(const action::PostStart& todo) {
  run(do_post_start(todo.run), [run = todo.run](const Error&) -> Event {
    return event::PostStartDone{run, false};
  });
}
void Unit::perform(const action::Collect&) {
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
}

/// The child enters its working directory while this thread waits for it to exec: a mount that hangs must be
/// found out before.
asio::awaitable<std::optional<Error>> Unit::find_fault_of_directory() {
  const auto plan = shared_.source->launch_plan(name_);
  if (!plan) co_return plan.error();
  const std::filesystem::path directory = plan->spec.directory;
  auto work = [directory] { return inspect_path(directory, milliseconds(2'000)); };
  const PathState state = co_await offload(*shared_.workers, work);
  if (state == PathState::directory) co_return std::nullopt;
  const std::string shown = plan->shown_directory.empty() ? directory.native() : plan->shown_directory;
  const char* what = state == PathState::dead      ? " does not answer"
                     : state == PathState::missing ? " does not exist"
                                                   : " is no directory";
  co_return Error(Errc::spawn_failed, "the working directory " + shown + what, name_);
}

asio::awaitable<void> Unit::do_watch(std::uint64_t run) {
  const auto self = shared_from_this();
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

// ---- the process ----

Result<void> Unit::launch() {
  auto plan = shared_.source->launch_plan(name_);
  if (!plan) return plan.error();
  plan_ = std::move(*plan);
  const std::uint64_t number = shared_.next_unit++;
  order_ = number;
  mark_ = "DUMB_UNIT=" + std::to_string(::getpid()) + "-" + std::to_string(number);
  plan_.spec.env.push_back(mark_);
  Fifo output;
  Fifo error;
  if (!plan_.discard_output) {
    fifo_base_ = shared_.options.run_directory / (text::slug(name_) + "-" + std::to_string(number));
    for (auto [fifo, suffix] : {std::pair(&output, ".out"), std::pair(&error, ".err")}) {
      auto made = make_fifo(fifo_base_.native() + suffix);
      if (!made) return made.error();
      *fifo = std::move(*made);
    }
    plan_.spec.standard_output = output.child_end.get();
    plan_.spec.standard_error = error.child_end.get();
  }
  auto child = spawn(plan_.spec);
  plan_.spec.standard_output = plan_.spec.standard_error = -1;
  Result<void> watched;
  if (child) watched = watch_exit(*child);
  if (!child || !watched) {
    if (!plan_.discard_output) {
      ::unlink((fifo_base_.native() + ".out").c_str());
      ::unlink((fifo_base_.native() + ".err").c_str());
    }
    return child ? watched.error() : child.error();
  }
  child_ = std::move(*child);
  started_at_ = shared_.clock->wall();
  started_steady_ = shared_.clock->now();
  if (!plan_.discard_output) {
    logs::CaptureSpec spec;
    spec.process_name = name_;
    spec.format = plan_.format;
    spec.standard_output = std::move(output.reader);
    spec.standard_error = std::move(error.reader);
    spec.to_main_log = plan_.to_main_log;
    spec.file = plan_.log_file;
    spec.access_file = plan_.access_file;
    spec.file_threshold = plan_.file_threshold;
    capture_ = shared_.logs->attach(std::move(spec));
  }
  return {};
}

/// Prepares to learn of the end. A child that could not be watched is ended at once: nothing runs
/// unsupervised.
Result<void> Unit::watch_exit(const Child& child) {
  error_code error;
  UniqueFd copy(::fcntl(child.pidfd.get(), F_DUPFD_CLOEXEC, 3));
  const int number = errno;
  if (copy) {
    exit_.assign(copy.get(), error);
    if (!error) {
      copy.release();
      return {};
    }
  }
  ::kill(-child.pid, SIGKILL);
  pollfd ended{child.pidfd.get(), POLLIN, 0};
  ::poll(&ended, 1, 1000);
  try_wait(child);
  if (error) return Error(error, "cannot watch the process: " + error.message());
  return system_error(number, "watch the process");
}

void Unit::perform(const action::Spawn&) {
  if (auto launched = launch(); !launched) {
    feed(event::SpawnFailed{launched.error()});
    return;
  }
  exit_.async_wait(asio::posix::descriptor_base::wait_read, [self = shared_from_this()](error_code error) {
    if (error) return;
    // Only peeked: until it is reaped in do_collect(), its pid, group and session belong to nobody else.
    const auto status = peek_status(self->child_);
    self->feed(event::Exited{status.value_or(ExitStatus{}), self->shared_.clock->wall()});
  });
  feed(event::Spawned{child_.pid});
}

std::size_t Unit::signal_all(int signal) {
  std::size_t reached = 0;
  const auto processes = scan_processes();
  if (!processes) return 0;
  for (const ProcStat& process : members_of(membership(), *processes)) {
    const UniqueFd pidfd = open_process(process.pid, process.start_ticks);
    if (pidfd && signal_process(pidfd, signal)) ++reached;
  }
  return reached;
}

void Unit::perform(const action::Terminate&) {
  if (!machine_.occupied()) return;
  signal_all(shared_.source->stop_plan(name_).signal);
}

void Unit::perform(const action::Kill&) {
  if (!machine_.occupied()) return;
  if (child_.pid > 0) ::kill(-child_.pid, SIGKILL);  // the id is ours until the leader is reaped
  signal_all(SIGKILL);
}

asio::awaitable<void> Unit::do_collect() {
  const auto self = shared_from_this();
  asio::steady_timer timer(shared_.executor);
  milliseconds pause{1};
  for (;;) {
    const auto processes = scan_processes();
    if (processes && members_of(membership(), *processes).empty()) break;
    // Remains of an end nobody asked for, or of a stop past its grace, are killed as they appear.
    if (machine_.state() != State::stopping || machine_.killing()) signal_all(SIGKILL);
    co_await pause_for(timer, pause);
    pause = std::min(pause * 2, milliseconds(100));
  }
  error_code ignored;
  exit_.close(ignored);
  try_wait(child_);
  child_ = Child{};  // from here on its numbers may belong to somebody else
  std::string tail;
  if (capture_) {
    auto drained = std::make_shared<OneShot<std::string>>(shared_.executor);
    const asio::any_io_executor executor = shared_.executor;
    shared_.logs->finish(*std::exchange(capture_, std::nullopt), shared_.options.drain_limit,
                         [drained, executor](std::string text) {
                           asio::post(executor, [drained, text = std::move(text)]() mutable {
                             drained->set(std::move(text));
                           });
                         });
    const std::optional<std::string> text = co_await OneShot<std::string>::wait(drained);
    tail = text.value_or("");
    ::unlink((fifo_base_.native() + ".out").c_str());
    ::unlink((fifo_base_.native() + ".err").c_str());
  }
  const std::string name = name_;
  try {
    co_await shared_.source->after_stop(name);
  } catch (const std::exception& error) {
    shared_.logs->error(name_ + ": what follows a stop failed: " + error.what());
  }
  feed(event::Gone{std::move(tail)});
}

void Unit::perform(const action::WakeAt& todo) {
  timer_.expires_at(todo.time);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->feed(event::Woke{});
  });
}

// ---- answers ----

void Unit::perform(const action::StartEnded& todo) {
  if (const auto event = std::exchange(start_event_, nullptr)) event->set(todo.error);
  if (todo.error) {
    if (!todo.error->is(Errc::cancelled))
      shared_.logs->error(name_ + " failed to start: " + todo.error->message());
    if (const auto event = std::exchange(settle_event_, nullptr)) event->set(todo.error);
  } else if (machine_.occupied()) {
    shared_.logs->info(name_ + " started with pid " + std::to_string(machine_.pid()));
  }
}

void Unit::perform(const action::StartSettled&) {
  if (const auto event = std::exchange(settle_event_, nullptr)) event->set(std::nullopt);
}

void Unit::perform(const action::StopEnded& todo) {
  if (todo.error) {
    shared_.logs->error(name_ + ": " + todo.error->message());
  }
  stop_outcome_ = Outcome(todo.error);
  answer_stop();
}

/// A stop is over only when setup or whatever else was called off has ended as well.
void Unit::answer_stop() {
  if (!stop_outcome_ || !work_.empty()) return;
  const Outcome outcome = *std::exchange(stop_outcome_, std::nullopt);
  if (const auto event = std::exchange(stop_event_, nullptr)) event->set(outcome);
}

void Unit::perform(const action::Publish&) {
  if (machine_.state() == State::stopped && machine_.ended_unasked() && machine_.last_exit()) {
    const std::string text = name_ + " " + machine_.reason();
    if (machine_.last_exit()->success()) {
      shared_.logs->info(text);
    } else {
      shared_.logs->error(text);
    }
  }
  shared_.source->changed(name_);
  shared_.changed();
}

}  // namespace dumb::supervisor
