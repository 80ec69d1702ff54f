#pragma once

#include <sys/types.h>

#include <cstdint>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "logs/journal_posix.hpp"
#include "logs/record.hpp"

namespace dumb::logs {

struct FileSinkOptions {
  std::uint64_t max_size = 0;  ///< bytes; 0: no limit
  int keep = 2;
  int days = 0;  ///< rotated files older than this many days go; 0: none is too old
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
};

/// What could not be written to a file, told once writing works again.
struct Loss {
  std::uint64_t lines = 0;
  std::string reason;
};

/// An append-only log file that rotates itself (LIF-100, LIF-101). Failure never reaches the caller: lines
/// are counted, and the file is opened anew once a second (LIF-102). Also follows a file that somebody else
/// moved away or emptied. Used by one thread.
class FileSink {
 public:
  FileSink(std::filesystem::path file, FileSinkOptions options);
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  /// Opens the file, creating its directory, and removes old rotated files. False when it cannot be opened.
  bool open(const LocalTime& now);
  void set_options(FileSinkOptions options) { options_ = std::move(options); }

  /// Adds a record (LF is added here) to what the next flush() writes.
  void append(std::string_view record, const LocalTime& now);
  /// append() without any write, unless the record begins a new file. Ask writes_for() first.
  void add(std::string_view record, const LocalTime& now);
  /// Whether what was appended should be written before a record of `bytes` bytes is added: it is much, or
  /// the record begins a new file.
  bool writes_for(std::size_t bytes, const LocalTime& now) const;
  /// Writes what was appended.
  void flush(const LocalTime& now);
  /// What the next flush() at this time will write, and where; nullopt: nothing, or to no file that grows.
  std::optional<PlannedWrite> plan_write(const LocalTime& now);

  /// The loss that ended with the last flush.
  std::optional<Loss> take_recovered();
  /// The loss that has not ended, for one who gives up this sink.
  std::optional<Loss> take_loss();
  /// What was flushed last could not be written.
  bool losing() const noexcept { return lost_ != 0; }
  const std::string& last_error() const noexcept { return error_; }
  /// The active file; changes with the date when its name has one.
  const std::filesystem::path& file() const noexcept { return file_; }

 private:
  bool ensure_open(const LocalTime& now);
  bool open_file();
  void follow(const LocalTime& now);
  void rotate(const LocalTime& now);
  void remove_expired(const LocalTime& now);
  void fail(int number, std::string_view what, const LocalTime& now);
  void lose(std::string_view unwritten);

  std::filesystem::path file_;
  FileSinkOptions options_;
  UniqueFd fd_;
  bool regular_ = false;
  std::uint64_t size_ = 0;
  Date opened_;  ///< the day the content belongs to
  std::string pending_;
  std::optional<LocalTime> checked_;  ///< when the file was last compared with its name
  std::optional<LocalTime> failed_;   ///< when opening or writing failed last
  std::optional<LocalTime> blocked_;  ///< when a rotation failed last
  std::string error_;
  std::uint64_t lost_ = 0;
  std::optional<Loss> recovered_;
};

/// A time of the wall clock in the local zone.
LocalTime local_time(std::int64_t unix_seconds);

}  // namespace dumb::logs
