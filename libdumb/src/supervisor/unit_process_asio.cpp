// The process of a unit: its launch, its signals, its end.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <csignal>
#include <dumb/base/text.hpp>
#include <exception>
#include <utility>

#include "supervisor/launch_job_posix.hpp"
#include "supervisor/records_posix.hpp"
#include "supervisor/unit_asio.hpp"

namespace dumb::supervisor {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

}  // namespace

/// What has to be there before the child is.
Result<void> Unit::prepare_readiness() {
  awaited_line_.reset();
  notify_ = NotifySocket();
  notify_address_.clear();
  told_ready_.reset();
  told_once_ = told_late_ = false;
  if (!plan_.readiness) return {};
  if (std::holds_alternative<readiness::LogLine>(plan_.readiness->how)) {
    plan_.discard_output = false;  // somebody reads it
    awaited_line_ = std::make_shared<OneShot<bool>>(shared_.executor);
  }
  if (std::holds_alternative<readiness::Notify>(plan_.readiness->how)) {
    auto socket = open_notify_socket();
    if (!socket) return socket.error();
    notify_ = std::move(*socket);
    notify_address_ = notify_.address;
    // One that this program was given itself is not the child's.
    std::erase_if(plan_.spec.env,
                  [](const std::string& entry) { return entry.starts_with("NOTIFY_SOCKET="); });
    plan_.spec.env.push_back("NOTIFY_SOCKET=" + notify_.address);
  }
  return {};
}

/// Called on the log thread, so it holds nothing that may be destroyed there.
std::function<bool(std::string_view)> Unit::line_watch() const {
  if (!awaited_line_) return {};
  return [matches = line_matcher(std::get<readiness::LogLine>(plan_.readiness->how)),
          event = std::weak_ptr(awaited_line_), executor = shared_.executor](std::string_view line) {
    if (!matches(line)) return false;
    asio::post(executor, [event] {
      if (const auto written = event.lock()) written->set(true);
    });
    return true;
  };
}

Unit::Upcoming Unit::upcoming(LaunchPlan plan) const {
  Upcoming next;
  next.plan = std::move(plan);
  next.number = shared_.next_unit++;
  const auto number = static_cast<std::int64_t>(next.number);
  next.mark = make_mark(shared_.directory_id, ::getpid(), number, name_);
  next.base = shared_.options.run_directory / file_stem(name_, number);
  // One that this program was given itself is not the child's.
  std::erase_if(next.plan.spec.env, [](const std::string& entry) {
    return entry.starts_with("DUMB_UNIT=") || entry.starts_with("DUMB_HELPER=");
  });
  next.plan.spec.env.push_back(next.mark);
  return next;
}

/// Who it is from here on.
void Unit::become(Upcoming next) {
  plan_ = std::move(next.plan);
  order_ = number_ = next.number;
  mark_ = std::move(next.mark);
  fifo_base_ = std::move(next.base);
  adopted_ = foreign_ = written_ready_ = written_ending_ = written_completed_ = false;
}

LaunchJob Unit::job_of(const LaunchPlan& plan, const std::filesystem::path& base,
                       std::uint64_t number) const {
  LaunchJob job;
  job.spec = plan.spec;
  job.base = base;
  job.captured = !plan.discard_output;
  if (shared_.groups) {
    job.groups = &shared_.groups;
    job.group = text::slug(name_) + "-" + std::to_string(::getpid()) + "-" + std::to_string(number);
  }
  job.clock = shared_.clock;
  return job;
}

/// What the next launch takes.
Result<LaunchJob> Unit::prepare_launch() {
  if (!prepared_) {
    auto plan = shared_.source->launch_plan(name_);
    if (!plan) return plan.error();
    prepared_ = std::move(*plan);
  }
  become(upcoming(std::move(*prepared_)));
  prepared_.reset();
  if (auto prepared = prepare_readiness(); !prepared) return prepared.error();
  LaunchJob job = job_of(plan_, fifo_base_, number_);
  job.record = record();
  return job;
}

/// The process is there: it is watched and listened to from here on.
Result<void> Unit::take_launched(LaunchDone done) {
  shared_.table->forget();
  for (const std::string& warning : done.warnings) shared_.logs->warning(name_ + ": " + warning);
  if (done.error) return *done.error;
  if (auto watched = watch_exit(done.child); !watched) {
    remove_launch_files(fifo_base_);
    done.group.remove();
    return watched;
  }
  child_ = std::move(done.child);
  end_ticks_ = 0;
  ++launches_;
  came_before_ = true;
  processes_ = make_unit_processes(membership(), std::move(done.group), *shared_.table);
  started_at_ = done.started_at;
  started_steady_ = done.started_steady;
  keep_notify();
  if (plan_.discard_output) return {};
  const auto number = static_cast<std::int64_t>(number_);
  shared_.keeper->keep(number, keeper::Kind::output, done.output.get());
  shared_.keeper->keep(number, keeper::Kind::failures, done.failures.get());
  if (draining_) {
    unheard_.emplace(std::move(done.output), std::move(done.failures));
  } else {
    begin_capture(std::move(done.output), std::move(done.failures));
  }
  return {};
}

void Unit::finish_launch(LaunchDone done) {
  if (shared_.detached) return;  // it is recorded: whoever goes on finds it
  if (auto launched = take_launched(std::move(done)); !launched) {
    feed(event::SpawnFailed{launched.error()});
    return;
  }
  await_exit();
  std::optional<Duration> ready_within;
  if (plan_.readiness) ready_within = plan_.readiness->start_timeout;
  feed(event::Spawned{child_.pid, ready_within, plan_.one_shot});
}

/// A first launch goes to the launchers: several overlap, and this thread never waits for an exec. Who comes
/// back after an end shall be away for a short time only and does not pay for the way there and back.
void Unit::perform(const action::Spawn&) {
  if (launch_at_once()) return;
  auto job = prepare_launch();
  if (!job) {
    feed(event::SpawnFailed{job.error()});
    return;
  }
  if (came_before_) {
    finish_launch(supervisor::perform(std::move(*job)));
    return;
  }
  ++tasks_;
  ++shared_.tasks;
  asio::post(*shared_.launchers, [self = shared_from_this(), job = std::move(*job)]() mutable {
    const asio::any_io_executor executor = self->shared_.executor;
    auto done = std::make_shared<LaunchDone>(supervisor::perform(std::move(job)));
    asio::post(executor, [self = std::move(self), done = std::move(done)] {
      --self->tasks_;
      --self->shared_.tasks;
      self->finish_launch(std::move(*done));
      self->shared_.changed();
    });
  });
}

void Unit::begin_capture(UniqueFd output, UniqueFd error) {
  logs::CaptureSpec spec;
  spec.process_name = name_;
  spec.format = plan_.format;
  spec.standard_output = std::move(output);
  spec.standard_error = std::move(error);
  spec.to_main_log = plan_.to_main_log;
  spec.file = plan_.log_file;
  spec.access_file = plan_.access_file;
  spec.file_threshold = plan_.file_threshold;
  spec.journal = fifo_base_;
  spec.until = line_watch();
  capture_ = shared_.logs->attach(std::move(spec));
}

void Unit::set_file_threshold(Level threshold) {
  if (!capture_ || plan_.file_threshold == threshold) return;
  plan_.file_threshold = threshold;
  shared_.logs->set_threshold(*capture_, threshold);
  write_down();
}

/// Prepares to learn of the end. A child that could not be watched is ended at once: nothing runs
/// unsupervised.
Result<void> Unit::watch_exit(const Child& child) {
  auto watched = watch_pidfd(child);
  if (watched) return watched;
  ::kill(-child.pid, SIGKILL);
  pollfd ended{child.pidfd.get(), POLLIN, 0};
  ::poll(&ended, 1, 1000);
  try_wait(child);
  return watched;
}

Result<void> Unit::watch_pidfd(const Child& child) {
  UniqueFd copy(::fcntl(child.pidfd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return system_error(errno, "watch the process");
  error_code error;
  exit_.assign(copy.get(), error);
  if (error) return Error(error, "cannot watch the process: " + error.message());
  copy.release();
  return {};
}

void Unit::await_exit() {
  exit_.async_wait(asio::posix::descriptor_base::wait_read, [self = shared_from_this()](error_code error) {
    if (error) return;
    // Only peeked: until it is reaped in do_collect(), its pid, group and session belong to nobody else.
    const auto status = peek_status(self->child_);
    // First: whoever adopts it must not have the work done again.
    self->written_completed_ = self->plan_.one_shot && status && status->success();
    if (self->written_completed_) self->write_down();
    self->end_ticks_ = ticks_now();
    if (self->processes_) self->processes_->leader_ended(self->end_ticks_);
    self->hear_end({status.value_or(ExitStatus{}), self->shared_.clock->wall()});
  });
}

void Unit::perform(const action::Terminate&) {
  if (!machine_.occupied() || !processes_) return;
  // First: whoever adopts it must not take its end for one nobody asked for.
  if (!std::exchange(written_ending_, true)) write_down();
  processes_->signal(shared_.source->stop_plan(name_).signal);
}

void Unit::perform(const action::Quit&) {
  if (!machine_.occupied() || !processes_) return;
  shared_.logs->warning(name_ + " has not ended in its time and is told to quit");
  processes_->signal(shared_.source->stop_plan(name_).quit_signal);
}

void Unit::perform(const action::Kill&) {
  if (machine_.occupied() && processes_) processes_->kill();
}

/// The rest of the output and what becomes of the launch's files then. The next launch need not wait for it;
/// it is heard when this is written, so that lines stay in their order.
void Unit::begin_drain() {
  announce_drain();
  finish_capture(*std::exchange(capture_, std::nullopt), fifo_base_, number_);
}

void Unit::announce_drain() {
  draining_ = std::make_shared<OneShot<std::string>>(shared_.executor);
  ++tasks_;
  ++shared_.tasks;
}

void Unit::finish_capture(logs::CaptureId capture, const std::filesystem::path& base, std::uint64_t number) {
  auto ended = [self = shared_from_this(), base, number](std::string tail) {
    if (self->shared_.detached) return;  // what was not drained is for whoever goes on
    self->remove_files(base, number);
    std::exchange(self->draining_, nullptr)->set(std::move(tail));
    if (auto unheard = std::exchange(self->unheard_, std::nullopt))
      self->begin_capture(std::move(unheard->first), std::move(unheard->second));
    --self->tasks_;
    --self->shared_.tasks;
    self->shared_.changed();
  };
  const asio::any_io_executor executor = shared_.executor;
  shared_.logs->finish(
      capture, shared_.options.drain_limit, [ended = std::move(ended), executor](std::string text) mutable {
        asio::post(executor,
                   [ended = std::move(ended), text = std::move(text)]() mutable { ended(std::move(text)); });
      });
}

/// Of a launch that is over; what tells that a one-shot has done its work stays until that is noted.
void Unit::remove_files(const std::filesystem::path& base, std::uint64_t number) {
  if (written_completed_ && number == number_) {
    remove_output_files(base);
  } else {
    remove_launch_files(base);
  }
  shared_.keeper->drop(static_cast<std::int64_t>(number));
}

asio::awaitable<void> Unit::do_collect() {
  const auto self = shared_from_this();
  asio::steady_timer timer(shared_.executor);
  std::chrono::microseconds pause{100};  // mostly it is a matter of the kernel's last steps
  for (;;) {
    if (shared_.detached) co_return;
    if (processes_->gone()) break;
    // Remains of an end nobody asked for, or of a stop past its grace, are killed as they appear.
    if (machine_.state() != State::stopping || machine_.killing()) processes_->kill();
    timer.expires_after(pause);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    pause = std::min<std::chrono::microseconds>(pause * 2, milliseconds(100));
  }
  error_code ignored;
  exit_.close(ignored);
  processes_->release();
  processes_.reset();
  if (child_.pidfd) try_wait(child_);
  child_ = Child{};  // from here on its numbers may belong to somebody else
  if (draining_) {   // of the launch before, whose end is not long ago
    const auto before = draining_;
    co_await OneShot<std::string>::wait(before);
  }
  if (shared_.detached) co_return;
  std::string tail;
  if (capture_) {
    begin_drain();
    // A restart is on its way: nobody asks for the last lines.
    const bool hurried = machine_.state() == State::backoff || machine_.state() == State::setting_up;
    if (!hurried) {
      const auto drained = draining_;
      const std::optional<std::string> text = co_await OneShot<std::string>::wait(drained);
      tail = text.value_or("");
    }
    if (shared_.detached) co_return;  // what was not drained is for whoever goes on
  } else {
    remove_files(fifo_base_, number_);
  }
  const std::string name = name_;
  try {
    co_await shared_.source->after_stop(name);
  } catch (const std::exception& error) {
    shared_.logs->error(name_ + ": what follows a stop failed: " + error.what());
  }
  const bool completed = std::exchange(written_completed_, false);
  const std::filesystem::path base = fifo_base_;
  feed(event::Gone{std::move(tail)});
  if (completed && !shared_.detached) remove_launch_files(base);  // the owner has noted it
}

}  // namespace dumb::supervisor
