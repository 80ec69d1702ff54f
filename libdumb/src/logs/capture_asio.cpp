#include "logs/capture_asio.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
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
      journal_base_(std::move(spec.journal)),
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
  // Most children are silent most of the time, so the files are made for the first output.
  if (!journal_base_.empty() && Journal::exists(journal_base_)) open_journal();
  open_stream(output_, std::move(output_fd_), 0);
  open_stream(error_, std::move(error_fd_), 1);
  context_.flush_main();
}

void Capture::open_journal() {
  auto journal = Journal::open(std::exchange(journal_base_, {}));
  if (journal) {
    journal_ = std::move(*journal);
    return;
  }
  const std::string text =
      fmt::format("{}: output may be lost if this program is killed: {}", name_, journal.error().to_string());
  context_.main.add_own(Level::warning, text, context_.clock);
}

void Capture::open_stream(std::optional<Stream>& stream, UniqueFd fd, std::size_t number) {
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
  stream->number = number;
  if (journal_) {
    stream->covered = journal_->position(number);
    stream->base = stream->covered.offset;
    stream->previous = stream->covered.level;
    stream->splitter.go_on(stream->covered.continued);
    if (journal_->pending(number)) return wait_later(*stream, small_pause);
  }
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
        const bool spooled = self->journal_ && self->journal_->pending(stream.number);
        if (pause == closed_pause || spooled) return self->on_readable(stream);
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
  } else if (journal_ && journal_->pending(stream.number)) {
    wait_later(stream, {});  // an earlier program left it: the FIFO does not speak of it
  } else {
    wait(stream);
  }
}

ssize_t Capture::take(Stream& stream, char* block, std::size_t size) {
  const int fd = stream.fd.native_handle();
  if (!journal_base_.empty()) {
    // Nothing may be read past the journal, not even what comes between this look and the read.
    pollfd readable{fd, POLLIN, 0};
    const bool something = ::poll(&readable, 1, 0) > 0;
    if (!something || (readable.revents & POLLIN) == 0) {
      errno = EAGAIN;
      return something && (readable.revents & POLLHUP) != 0 ? 0 : -1;
    }
    open_journal();
  }
  return journal_ ? journal_->read(stream.number, fd, block, size) : ::read(fd, block, size);
}

/// Reads at most `blocks` blocks and hands out their lines.
Capture::ReadEnd Capture::read(Stream& stream, int blocks, std::size_t& bytes) {
  context_.clock.update();
  redactor_ = context_.redactor();
  std::vector<char>& block = context_.block;
  for (int i = 0; i < blocks; ++i) {
    const ssize_t got = take(stream, block.data(), block.size());
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
      stream.covered = {stream.base + stream.splitter.handed(), stream.previous, stream.splitter.cut()};
    });
    if (journal_) flush();
    if (data.size() < block.size()) return ReadEnd::almost_empty;
  }
  return ReadEnd::more;
}

void Capture::line(Stream& stream, std::string_view raw, bool continued, bool near_end) {
  const std::string_view clean = clean_line(raw, cleaned_);
  if (clean.empty()) return;
  if (until_ && until_(clean)) {
    until_ = nullptr;
    if (journal_) journal_->note_line();
  }
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
  make_room(record_.size(), main, file, false);
  if (main) context_.main.add(found.level, record_, context_.clock.time());
  if (file) file_->add(record_, context_.clock.time());
}

void Capture::access_line(std::string_view text) {
  if (!access_) return;
  hidden_.clear();
  const std::string_view record = redactor_.apply(text, hidden_) ? std::string_view(hidden_) : text;
  make_room(record.size(), false, false, true);
  access_->add(record, context_.clock.time());
}

/// Sinks write only here and in flush(): all of them together, and never a line whose predecessors wait.
void Capture::make_room(std::size_t bytes, bool main, bool file, bool access) {
  const LocalTime& now = context_.clock.time();
  const bool full = (main && context_.main.writes_for(bytes, now)) ||
                    (file && file_->writes_for(bytes, now)) || (access && access_->writes_for(bytes, now));
  if (full) flush();
}

void Capture::plan_writes() {
  const LocalTime& now = context_.clock.time();
  planned_.clear();
  for (FileSink* sink : {file_.get(), access_.get()}) {
    if (sink == nullptr) continue;
    if (auto write = sink->plan_write(now)) planned_.push_back(std::move(*write));
  }
  if (auto write = context_.main.plan_write(now)) planned_.push_back(std::move(*write));
  std::array<StreamPosition, Journal::streams> positions;
  each_stream([&](Stream& stream) { positions[stream.number] = stream.covered; });
  journal_->begin(positions, planned_);
}

void Capture::flush() {
  if (journal_) plan_writes();
  write_all();
  if (!journal_) return;
  journal_->commit();
  each_stream([&](Stream& stream) {
    if (!journal_->trim(stream.number)) return;
    stream.base = std::uint64_t{0} - stream.splitter.handed();
    stream.covered.offset = 0;
  });
}

void Capture::write_all() {
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

/// What it could not write by now nobody will.
void Capture::drop(std::unique_ptr<FileSink>& sink) {
  if (!sink) return;
  if (const auto loss = sink->take_loss()) context_.main.tell_loss(sink->file(), *loss, context_.clock);
  sink.reset();
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

void Capture::detach() {
  if (phase_ == Phase::closed) return;
  if (!journal_) return close();
  if (journal_->broken()) {
    poll();  // what it holds nobody else would find
    return close();
  }
  phase_ = Phase::closed;
  each_stream([](Stream& stream) {
    boost::system::error_code ignored;
    stream.pause.cancel();
    stream.fd.close(ignored);
  });
  flush();
  journal_.reset();
  drop(file_);
  drop(access_);
}

void Capture::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  std::string tail;
  each_stream([&](Stream& stream) {
    stream.splitter.finish(
        [&](std::string_view text, bool continued) { line(stream, text, continued, true); });
    stream.covered = {stream.base + stream.splitter.handed(), stream.previous, false};
    if (std::string text = stream.tail.text(); !text.empty()) tail = std::move(text);
    boost::system::error_code ignored;
    stream.pause.cancel();
    stream.fd.close(ignored);
  });
  flush();
  journal_.reset();
  drop(file_);
  drop(access_);
  const auto closed = std::exchange(closed_, nullptr);
  const auto done = std::exchange(done_, nullptr);
  if (closed) closed();
  if (done) done(std::move(tail));
}

}  // namespace dumb::logs
