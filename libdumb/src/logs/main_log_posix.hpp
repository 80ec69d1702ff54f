#pragma once

#include <atomic>
#include <cstdint>
#include <dumb/logs/log_service.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "logs/console_posix.hpp"
#include "logs/file_sink_posix.hpp"

namespace dumb::logs {

/// The wall clock as records show it; converted once a second. Used by one thread.
class RecordClock {
 public:
  /// Takes the time that time() and stamp() give until the next call.
  void update();
  void set(std::int64_t unix_seconds);
  const LocalTime& time() const noexcept { return time_; }
  const std::string& text() const noexcept { return text_; }

 private:
  std::int64_t seconds_ = -1;
  LocalTime time_;
  std::string text_;
};

/// Who is told of every main-log record. Thread-safe: after remove() returned on another thread than the
/// log's, the callback runs no more.
class Subscribers {
 public:
  std::uint64_t add(std::function<void(const std::string&)> callback);
  void remove(std::uint64_t id);
  void tell(const std::string& record);

 private:
  struct Entry {
    std::uint64_t id;
    std::shared_ptr<const std::function<void(const std::string&)>> callback;
  };
  std::atomic<bool> any_{false};  ///< spares the lock when nobody listens
  // Recursive: a callback may unsubscribe.
  std::recursive_mutex mutex_;
  std::vector<Entry> entries_;
  std::uint64_t last_ = 0;
};

/// The main log: file, standard output, subscribers. Used by the log thread; file() by any.
class MainLog {
 public:
  explicit MainLog(MainLogOptions options);

  void configure(MainLogOptions options);
  const MainLogOptions& options() const noexcept { return options_; }
  /// Settings a service's own file shares with this one.
  FileSinkOptions sink_options() const;

  /// A whole record without its LF, redacted.
  void add(Level level, const std::string& record, const LocalTime& time);
  /// FileSink::writes_for() and plan_write() of its file.
  bool writes_for(std::size_t bytes, const LocalTime& now) const { return sink_->writes_for(bytes, now); }
  std::optional<PlannedWrite> plan_write(const LocalTime& now) { return sink_->plan_write(now); }
  /// Writes what was added. False when standard output has to be tried again later.
  bool flush(RecordClock& clock);
  void drain_console(std::chrono::milliseconds limit) { console_.drain(limit); }
  /// Adds a record of the program itself; `message` is redacted.
  void add_own(Level level, std::string_view message, const RecordClock& clock);

  /// Lines of another file that nobody will write any more: told at once, or when this log can be written
  /// again.
  void tell_loss(const std::filesystem::path& file, const Loss& loss, const RecordClock& clock);

  Subscribers& subscribers() noexcept { return subscribers_; }
  std::filesystem::path file() const;

 private:
  void open_file(const LocalTime& now);

  void tell_losses(const RecordClock& clock);

  MainLogOptions options_;
  std::vector<std::string> untold_;  // losses, while this log cannot be written itself
  std::unique_ptr<FileSink> sink_;
  Console console_;
  Subscribers subscribers_;
  mutable std::mutex path_mutex_;
  std::filesystem::path path_;
};

/// "<stamp> - <LEVEL> - ", the beginning of a record, in place of what `record` held.
void begin_record(std::string& record, const std::string& stamp, Level level);

}  // namespace dumb::logs
