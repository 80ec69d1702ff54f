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

#include "supervisor/records_posix.hpp"
#include "supervisor/unit_asio.hpp"

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
  int made = ::mkfifo(path.c_str(), 0600);
  if (made != 0 && errno == EEXIST && ::unlink(path.c_str()) == 0) made = ::mkfifo(path.c_str(), 0600);
  if (made != 0) return system_error(errno, "create a FIFO", path.native());
  Fifo fifo;
  fifo.reader.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  fifo.child_end.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fifo.reader || !fifo.child_end) return system_error(errno, "open a FIFO", path.native());
  ::fcntl(fifo.reader.get(), F_SETPIPE_SZ, 256 * 1024);  // room for an outage of the reader; may be refused
  return fifo;
}

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

/// A group for the next process; an empty one when there is no hierarchy, or no room in it.
ControlGroup Unit::make_group(std::uint64_t number) {
  if (!shared_.groups) return {};
  auto group = shared_.groups.make(text::slug(name_) + "-" + std::to_string(::getpid()) + "-" +
                                   std::to_string(number));
  if (group) return std::move(*group);
  shared_.logs->warning(name_ + ": " + group.error().to_string());
  return {};
}

Result<void> Unit::launch() {
  if (!prepared_) {
    auto plan = shared_.source->launch_plan(name_);
    if (!plan) return plan.error();
    prepared_ = std::move(*plan);
  }
  plan_ = std::move(*prepared_);
  prepared_.reset();
  const std::uint64_t number = shared_.next_unit++;
  order_ = number;
  mark_ = make_mark(shared_.directory_id, ::getpid(), static_cast<std::int64_t>(number), name_);
  fifo_base_ = shared_.options.run_directory / file_stem(name_, static_cast<std::int64_t>(number));
  adopted_ = foreign_ = written_ready_ = false;
  // One that this program was given itself is not the child's.
  std::erase_if(plan_.spec.env, [](const std::string& entry) {
    return entry.starts_with("DUMB_UNIT=") || entry.starts_with("DUMB_HELPER=");
  });
  plan_.spec.env.push_back(mark_);
  if (auto prepared = prepare_readiness(); !prepared) return prepared.error();
  Fifo output;
  Fifo error;
  if (!plan_.discard_output) {
    for (auto [fifo, suffix] : {std::pair(&output, ".out"), std::pair(&error, ".err")}) {
      auto made = make_fifo(fifo_base_.native() + suffix);
      if (!made) return made.error();
      *fifo = std::move(*made);
    }
    plan_.spec.standard_output = output.child_end.get();
    plan_.spec.standard_error = error.child_end.get();
  }
  ControlGroup group = make_group(number);
  const UniqueFd group_directory = group.open();
  plan_.spec.control_group = group_directory.get();
  auto child = spawn(plan_.spec);
  plan_.spec.standard_output = plan_.spec.standard_error = plan_.spec.control_group = -1;
  shared_.table->forget();
  if (!child || !child->in_control_group) group.remove();
  Result<void> watched;
  if (child) watched = watch_exit(*child);
  if (!child || !watched) {
    remove_launch_files(fifo_base_);
    group.remove();
    return child ? watched.error() : child.error();
  }
  child_ = std::move(*child);
  ++launches_;
  processes_ = make_unit_processes(membership(), std::move(group), *shared_.table);
  started_at_ = shared_.clock->wall();
  started_steady_ = shared_.clock->now();
  write_down();
  if (!plan_.discard_output) begin_capture(std::move(output.reader), std::move(error.reader));
  return {};
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
    if (self->processes_) self->processes_->leader_ended(ticks_now());
    self->feed(event::Exited{status.value_or(ExitStatus{}), self->shared_.clock->wall()});
  });
}

void Unit::perform(const action::Spawn&) {
  if (auto launched = launch(); !launched) {
    feed(event::SpawnFailed{launched.error()});
    return;
  }
  await_exit();
  std::optional<Duration> ready_within;
  if (plan_.readiness) ready_within = plan_.readiness->start_timeout;
  feed(event::Spawned{child_.pid, ready_within, plan_.one_shot});
}

void Unit::perform(const action::Terminate&) {
  if (machine_.occupied() && processes_) processes_->signal(shared_.source->stop_plan(name_).signal);
}

void Unit::perform(const action::Quit&) {
  if (!machine_.occupied() || !processes_) return;
  shared_.logs->warning(name_ + " has not ended in its time and is told to quit");
  processes_->signal(shared_.source->stop_plan(name_).quit_signal);
}

void Unit::perform(const action::Kill&) {
  if (machine_.occupied() && processes_) processes_->kill();
}

asio::awaitable<void> Unit::do_collect() {
  const auto self = shared_from_this();
  asio::steady_timer timer(shared_.executor);
  std::chrono::microseconds pause{100};  // mostly it is a matter of the kernel's last steps
  for (;;) {
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
  }
  remove_launch_files(fifo_base_);
  const std::string name = name_;
  try {
    co_await shared_.source->after_stop(name);
  } catch (const std::exception& error) {
    shared_.logs->error(name_ + ": what follows a stop failed: " + error.what());
  }
  feed(event::Gone{std::move(tail)});
}

}  // namespace dumb::supervisor
