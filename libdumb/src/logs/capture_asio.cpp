#include "logs/capture_asio.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "logs/classify.hpp"
#include "logs/clean.hpp"
#include "logs/record.hpp"

namespace dumb::logs {
namespace {

using namespace std::chrono_literals;

constexpr int pipe_size = 256 << 10;
constexpr std::size_t small_read = 8U << 10U;
constexpr std::size_t near_end_bytes = 2 * Tail::most;
constexpr auto small_pause =
    1ms;  ///< lets a chatty writer fill the pipe a little instead of waking us per line
constexpr auto closed_pause = 100ms;  ///< between looks at a pipe without writers

}  // namespace

Capture::Capture(CaptureContext& context, CaptureSpec spec)
    : context_(context),
      format_(spec.format),
      to_main_(spec.to_main_log),
      threshold_(spec.file_threshold),
      output_fd_(std::move(spec.standard_output)),
      error_fd_(std::move(spec.standard_error)),
      drop_access_(spec.format == LineFormat::traefik && spec.access_file.empty()),
      until_(std::move(spec.until)) {
  append_line_text(name_, spec.process_name);
  const FileSinkOptions options = context.main.sink_options();
  if (!spec.file.empty()) file_ = std::make_unique<FileSink>(std::move(spec.file), options);
  if (!spec.access_file.empty()) access_ = std::make_unique<FileSink>(std::move(spec.access_file), options);
}

void Capture::start() {
  context_.clock.update();
  for (FileSink* sink : {file_.get(), access_.get()}) {
    if (sink == nullptr || sink->open(context_.clock.time())) continue;
    context_.main.add_own(Level::error, fmt::format("{}: {}", name_, sink->last_error()), context_.clock);
  }
  open_stream(output_, std::move(output_fd_));
  open_stream(error_, std::move(error_fd_));
  context_.flush_main();
}

void Capture::open_stream(std::optional<Stream>& stream, UniqueFd fd) {
  if (!fd) return;
  const int flags = ::fcntl(fd.get(), F_GETFL);
  ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
  // More room lets the child go on while the disk is busy. Not granted to everybody, and no harm then.
  ::fcntl(fd.get(), F_SETPIPE_SZ, pipe_size);
  stream.emplace(context_.io);
  boost::system::error_code error;
  stream->fd.assign(fd.get(), error);
  if (error) {
    context_.main.add_own(Level::error, fmt::format("{}: output cannot be read: {}", name_, error.message()),
                          context_.clock);
    stream.reset();
    return;
  }
  fd.release();
  wait(*stream);
}

void Capture::wait(Stream& stream) {
  auto on_ready = [self = shared_from_this(), &stream](const boost::system::error_code& error) {
    if (error == boost::asio::error::operation_aborted || self->phase_ != Phase::draining) return;
    if (error) return self->wait_later(stream, closed_pause);  // nothing to poll on: looked at now and then
    self->on_readable(stream);
  };
  stream.fd.async_wait(boost::asio::posix::stream_descriptor::wait_read, std::move(on_ready));
}

void Capture::wait_later(Stream& stream, std::chrono::milliseconds pause) {
  stream.pause.expires_after(pause);
  stream.pause.async_wait(
      [self = shared_from_this(), &stream, pause](const boost::system::error_code& error) {
        if (error || self->phase_ != Phase::draining) return;
        if (pause == closed_pause) return self->on_readable(stream);
        self->wait(stream);
      });
}

void Capture::on_readable(Stream& stream) {
  std::size_t bytes = 0;
  const ReadEnd end = read(stream, 4, bytes);
  flush();
  if (end == ReadEnd::end) {
    wait_later(stream, closed_pause);
  } else if (end != ReadEnd::more && bytes < small_read) {
    wait_later(stream, small_pause);
  } else {
    wait(stream);
  }
}

/// Reads at most `blocks` blocks and hands out their lines.
Capture::ReadEnd Capture::read(Stream& stream, int blocks, std::size_t& bytes) {
  context_.clock.update();
  redactor_ = context_.redactor();
  std::vector<char>& block = context_.block;
  for (int i = 0; i < blocks; ++i) {
    const ssize_t got = ::read(stream.fd.native_handle(), block.data(), block.size());
    if (got == 0) return ReadEnd::end;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN ? ReadEnd::empty : ReadEnd::end;
    const std::string_view data(block.data(), static_cast<std::size_t>(got));
    bytes += data.size();
    // Lines that many later ones of this block will push out of the tail need not enter it.
    const char* const tail_from =
        data.size() > near_end_bytes ? data.data() + data.size() - near_end_bytes : data.data();
    stream.splitter.feed(data, [&](std::string_view text, bool continued) {
      const bool inside =
          std::less_equal<>()(data.data(), text.data()) && std::less<>()(text.data(), tail_from);
      line(stream, text, continued, !inside);
    });
    if (data.size() < block.size()) return ReadEnd::almost_empty;
  }
  return ReadEnd::more;
}

void Capture::line(Stream& stream, std::string_view raw, bool continued, bool near_end) {
  const std::string_view clean = clean_line(raw, cleaned_);
  if (clean.empty()) return;
  if (until_ && until_(clean)) until_ = nullptr;
  if (format_ == LineFormat::traefik && is_access_line(clean)) return access_line(clean);
  Classified found{stream.previous, clean};
  if (!continued) found = classify(format_, clean, stream.previous, text_);
  stream.previous = found.level;
  const bool main = to_main_ && found.level >= context_.main.options().threshold;
  const bool file = file_ && found.level >= threshold_;
  if (!main && !file && !near_end) return;
  hidden_.clear();
  if (redactor_.apply(found.text, hidden_)) found.text = hidden_;
  if (near_end) stream.tail.add(found.text);
  if (!main && !file) return;
  begin_record(record_, context_.clock.text(), found.level);
  record_ += name_;
  record_ += " subprocess: ";
  append_line_text(record_, found.text);
  if (main) context_.main.add(found.level, record_, context_.clock.time());
  if (file) file_->append(record_, context_.clock.time());
}

void Capture::access_line(std::string_view text) {
  if (!access_) return;
  hidden_.clear();
  access_->append(redactor_.apply(text, hidden_) ? std::string_view(hidden_) : text, context_.clock.time());
}

void Capture::flush() {
  for (FileSink* sink : {file_.get(), access_.get()}) {
    if (sink == nullptr) continue;
    sink->flush(context_.clock.time());
    report(*sink);
  }
  context_.flush_main();
}

void Capture::report(FileSink& sink) {
  const auto loss = sink.take_recovered();
  if (!loss) return;
  const std::string text =
      fmt::format("{} lines of {} were lost: {}", loss->lines, sink.file().native(), loss->reason);
  context_.main.add_own(Level::error, text, context_.clock);
}

void Capture::set_options(const FileSinkOptions& options) {
  if (file_) file_->set_options(options);
  if (access_) access_->set_options(options);
}

void Capture::poll() {
  if (phase_ != Phase::draining) return;
  std::size_t bytes = 0;
  each_stream([&](Stream& stream) { read(stream, 16, bytes); });
  flush();
}

void Capture::finish(std::chrono::milliseconds limit, std::function<void()> closed, Done done) {
  if (phase_ != Phase::draining) {
    // A second call waits for nothing: the first one's end is near.
    if (done) done({});
    return;
  }
  phase_ = Phase::finishing;
  deadline_ = std::chrono::steady_clock::now() + limit;
  closed_ = std::move(closed);
  done_ = std::move(done);
  each_stream([](Stream& stream) {
    boost::system::error_code ignored;
    stream.fd.cancel(ignored);
    stream.pause.cancel();
  });
  finish_step();
}

void Capture::finish_step() {
  if (phase_ != Phase::finishing) return;
  bool more = false;
  std::size_t bytes = 0;
  each_stream([&](Stream& stream) {
    const ReadEnd end = read(stream, 4, bytes);
    more = more || end == ReadEnd::more || end == ReadEnd::almost_empty;
  });
  if (more && std::chrono::steady_clock::now() < deadline_) {
    flush();
    boost::asio::post(context_.io, [self = shared_from_this()] { self->finish_step(); });
    return;
  }
  close();
}

void Capture::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  std::string tail;
  each_stream([&](Stream& stream) {
    stream.splitter.finish(
        [&](std::string_view text, bool continued) { line(stream, text, continued, true); });
    if (std::string text = stream.tail.text(); !text.empty()) tail = std::move(text);
    boost::system::error_code ignored;
    stream.pause.cancel();
    stream.fd.close(ignored);
  });
  flush();
  file_.reset();
  access_.reset();
  const auto closed = std::exchange(closed_, nullptr);
  const auto done = std::exchange(done_, nullptr);
  if (closed) closed();
  if (done) done(std::move(tail));
}

}  // namespace dumb::logs
