#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <dumb/logs/log_service.hpp>
#include <dumb/logs/redact.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "logs/journal_posix.hpp"
#include "logs/main_log_posix.hpp"
#include "logs/splitter.hpp"
#include "logs/tail.hpp"

namespace dumb::logs {

/// What all captures share; lives on the log thread and outlives them.
struct CaptureContext {
  boost::asio::io_context& io;
  MainLog& main;
  RecordClock& clock;
  std::function<Redactor()> redactor;  ///< the one in force now
  std::function<void()> flush_main;
  std::vector<char> block;  ///< one read buffer for all streams
};

/// Drains one child's output into its sinks (LIF-104 to LIF-107). Every method runs on the log thread.
class Capture : public std::enable_shared_from_this<Capture> {
 public:
  using Done = std::function<void(std::string tail)>;

  Capture(CaptureContext& context, CaptureSpec spec);
  void start();
  void set_threshold(Level level) { threshold_ = level; }
  void set_options(const FileSinkOptions& options);
  /// Reads what is there now, without waiting.
  void poll();
  /// LogService::finish(); `closed` runs before `done`.
  void finish(std::chrono::milliseconds limit, std::function<void()> closed, Done done);
  /// Ends at once and leaves everything to whoever goes on with the journal.
  void detach();
  /// Ends at once with what has been read: lines that are not terminated included.
  void close();

 private:
  /// How a read ended: at its own limit, with a block not filled, with nothing there, without writers.
  enum class ReadEnd { more, almost_empty, empty, end };
  struct Stream {
    Stream(boost::asio::io_context& io) : fd(io), pause(io) {}
    boost::asio::posix::stream_descriptor fd;
    boost::asio::steady_timer pause;
    LineSplitter splitter;
    Tail tail;
    Level previous = Level::info;
    std::size_t number = 0;  ///< in the journal
    std::uint64_t base = 0;  ///< where in the spool the splitter began
    StreamPosition covered;  ///< lines up to here are with the sinks
  };

  void open_journal();
  void open_stream(std::optional<Stream>& stream, UniqueFd fd, std::size_t number);
  void wait(Stream& stream);
  void wait_later(Stream& stream, std::chrono::milliseconds pause);
  void on_readable(Stream& stream);
  ReadEnd read(Stream& stream, int blocks, std::size_t& bytes);
  void line(Stream& stream, std::string_view raw, bool continued, bool near_end);
  void access_line(std::string_view text);
  void emit(Level level, std::string_view text);
  ssize_t take(Stream& stream, char* block, std::size_t size);
  void make_room(std::size_t bytes, bool main, bool file, bool access);
  void flush();
  void write_all();
  void plan_writes();
  void report(FileSink& sink);
  void drop(std::unique_ptr<FileSink>& sink);
  void finish_step();
  template <class Visit>
  void each_stream(Visit visit) {
    for (auto* stream : {&output_, &error_}) {
      if (*stream) visit(**stream);
    }
  }

  CaptureContext& context_;
  std::string name_;
  LineFormat format_;
  bool to_main_;
  Level threshold_;
  UniqueFd output_fd_, error_fd_;  ///< until start()
  std::optional<Stream> output_, error_;
  std::unique_ptr<FileSink> file_, access_;
  bool drop_access_ = false;
  std::filesystem::path journal_base_;  ///< until the journal is opened
  std::unique_ptr<Journal> journal_;
  std::vector<PlannedWrite> planned_;
  std::function<bool(std::string_view)> until_;
  Redactor redactor_;
  // Scratch space, so that a line costs no allocation.
  std::string cleaned_, text_, hidden_, record_;

  enum class Phase { draining, finishing, closed };
  Phase phase_ = Phase::draining;
  std::chrono::steady_clock::time_point deadline_;
  std::function<void()> closed_;
  Done done_;
};

}  // namespace dumb::logs
