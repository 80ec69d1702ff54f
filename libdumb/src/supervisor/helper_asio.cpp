#include <dumb/supervisor/helper.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <dumb/base/text.hpp>
#include <memory>

#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kept_output = 64 * 1024;

/// One helper under way. Its handlers keep it alive; `finished` is an event: its wait ends by cancellation.
class Run : public std::enable_shared_from_this<Run> {
 public:
  Run(asio::any_io_executor executor, HelperSpec spec)
      : spec_(std::move(spec)),
        output_(executor),
        input_(executor),
        exit_(executor),
        limit_(executor),
        finished_(executor) {
    finished_.expires_at(asio::steady_timer::time_point::max());
  }

  Result<void> start() {
    std::array<int, 2> out{-1, -1};
    std::array<int, 2> in{-1, -1};
    if (::pipe2(out.data(), O_CLOEXEC) != 0) return system_error(errno, "create a pipe");
    UniqueFd out_read(out[0]);
    UniqueFd out_write(out[1]);
    UniqueFd in_read;
    UniqueFd in_write;
    if (!spec_.input.empty()) {
      if (::pipe2(in.data(), O_CLOEXEC) != 0) return system_error(errno, "create a pipe");
      in_read.reset(in[0]);
      in_write.reset(in[1]);
    }
    spec_.launch.standard_output = out_write.get();
    spec_.launch.standard_error = out_write.get();
    spec_.launch.standard_input = in_read ? in_read.get() : -1;
    auto child = spawn(spec_.launch);
    if (!child) return child.error();
    child_ = std::move(*child);
    output_.assign(out_read.release());
    if (in_write) input_.assign(in_write.release());
    exit_.assign(::fcntl(child_.pidfd.get(), F_DUPFD_CLOEXEC, 3));
    read();
    write();
    watch_exit();
    limit_.expires_after(spec_.timeout);
    limit_.async_wait([self = shared_from_this()](error_code error) {
      if (error) return;
      self->result_.timed_out = true;
      self->end();
    });
    return {};
  }

  /// Takes the group down and awaits its end for a while only.
  void end() {
    kill();
    if (reaped_ || std::exchange(ending_, true)) return;
    limit_.expires_after(spec_.kill_wait);
    limit_.async_wait([self = shared_from_this()](error_code error) {
      if (!error && !self->reaped_) self->leave_behind();
    });
  }
  bool left_behind() const { return result_.left_behind; }
  bool done() const { return done_; }
  asio::steady_timer& finished() { return finished_; }
  HelperResult take() { return std::move(result_); }

 private:
  /// The group's id stays reserved until the leader is reaped, so this reaches nobody else.
  void kill() {
    if (!reaped_) ::kill(-child_.pid, SIGKILL);
  }
  /// It sleeps uninterruptibly. Only its end is watched any more, so that it is reaped then.
  void leave_behind() {
    result_.left_behind = true;
    const std::string number = std::to_string(child_.pid);
    if (spec_.log != nullptr)
      spec_.log->warning(spec_.owner + ": process " + number + " survives SIGKILL and is left behind");
    spec_.log = nullptr;
    spec_.on_line = nullptr;
    error_code ignored;
    input_.close(ignored);
    output_.close(ignored);
    output_open_ = false;
    done_ = true;
    finished_.cancel();
  }
  void read() {
    output_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](error_code error, std::size_t size) {
                              if (size > 0) self->keep({self->buffer_.data(), size});
                              if (self->left_behind()) return;
                              if (self->exited_) {
                                self->drain();
                              } else if (!error) {
                                self->read();
                              } else {
                                self->output_open_ = false;
                              }
                              self->settle();
                            });
  }
  /// The group is dead, so the rest of the output is in the pipe already; a process that left the group and
  /// holds it open is not waited for.
  void drain() {
    error_code ignored;
    output_.native_non_blocking(true, ignored);
    constexpr std::size_t largest_pipe = 1U << 20U;
    for (std::size_t total = 0; total < largest_pipe;) {
      const ssize_t got = ::read(output_.native_handle(), buffer_.data(), buffer_.size());
      if (got <= 0) break;
      keep({buffer_.data(), static_cast<std::size_t>(got)});
      total += static_cast<std::size_t>(got);
    }
    output_.close(ignored);
    output_open_ = false;
  }
  void write() {
    if (!input_.is_open()) return;
    asio::async_write(input_, asio::buffer(spec_.input),
                      [self = shared_from_this()](error_code, std::size_t) {
                        error_code ignored;
                        self->input_.close(ignored);
                      });
  }
  void watch_exit() {
    exit_.async_wait(asio::posix::descriptor_base::wait_read, [self = shared_from_this()](error_code error) {
      if (!error) self->on_exit();
    });
  }
  void on_exit() {
    const auto status = peek_status(child_);
    // The event was that of an earlier helper, whose descriptor had the same number.
    if (!status) return watch_exit();
    result_.status = *status;
    kill();  // what the helper left behind would keep its output open
    try_wait(child_);
    reaped_ = true;
    spec_.until_reaped.reset();
    limit_.cancel();
    exited_ = true;
    error_code ignored;
    input_.close(ignored);
    // A read may have filled the buffer without its handler having run yet: that handler goes on.
    if (output_open_) output_.cancel(ignored);
    settle();
  }
  void settle() {
    if (!exited_ || output_open_ || done_) return;
    if (!partial_.empty()) emit(std::exchange(partial_, {}));
    done_ = true;
    finished_.cancel();
  }
  void keep(std::string_view bytes) {
    result_.output += bytes;
    if (result_.output.size() > 2 * kept_output) result_.output.erase(0, result_.output.size() - kept_output);
    if (spec_.log == nullptr && !spec_.on_line) return;
    partial_ += bytes;
    std::size_t start = 0;
    for (std::size_t end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', start)) {
      emit(partial_.substr(start, end - start));
      start = end + 1;
    }
    partial_.erase(0, start);
    if (partial_.size() > kept_output) emit(std::exchange(partial_, {}));
  }
  void emit(const std::string& line) {
    if (text::blank(line)) return;
    if (spec_.on_line) spec_.on_line(line);
    if (spec_.log != nullptr) spec_.log->info(spec_.owner + " subprocess: " + text::to_utf8(line));
  }

  HelperSpec spec_;
  Child child_;
  asio::posix::stream_descriptor output_;
  asio::posix::stream_descriptor input_;
  asio::posix::stream_descriptor exit_;
  asio::steady_timer limit_;
  asio::steady_timer finished_;
  std::array<char, 16384> buffer_{};
  std::string partial_;
  HelperResult result_;
  bool output_open_ = true;
  bool exited_ = false;
  bool ending_ = false;
  bool reaped_ = false;
  bool done_ = false;
};

}  // namespace

asio::awaitable<Result<HelperResult>> run_helper(HelperSpec spec) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto run = std::make_shared<Run>(executor, std::move(spec));
  if (auto started = run->start(); !started) co_return started.error();
  bool cancelled = false;
  constexpr auto token = asio::as_tuple(asio::use_awaitable);
  while (!run->done()) {
    co_await run->finished().async_wait(token);
    if (!run->done() && !cancelled) {
      // Asked to end: take the group down, then wait for it undisturbed.
      cancelled = true;
      run->end();
      const auto deaf = asio::disable_cancellation();
      co_await asio::this_coro::reset_cancellation_state(deaf);
    }
  }
  if (cancelled) {
    const char* left = run->left_behind() ? " and survives SIGKILL" : "";
    co_return Error(Errc::cancelled, std::string("the helper was cancelled") + left);
  }
  HelperResult result = run->take();
  if (result.output.size() > kept_output) result.output.erase(0, result.output.size() - kept_output);
  co_return result;
}

}  // namespace dumb::supervisor
