#pragma once

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <dumb/base/log.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::logs {

/// Settings of the main log; may be replaced while running.
struct MainLogOptions {
  std::filesystem::path directory;  ///< mapped beneath the root
  std::string name = "DUMB";
  Level threshold = Level::info;
  std::uint64_t max_size = 10U << 20U;  ///< bytes; 0: no limit
  int keep = 2;                         ///< rotated files kept
  int days = 0;                         ///< rotated files older than this many days go; 0: none is too old
  bool color = true;                    ///< of standard output
  bool standard_output = true;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
};

/// Rules by which a service's lines are read (LIF-107); chosen by config key.
enum class LineFormat { general, zurg, cli_debrid, traefik };

/// One child's output.
struct CaptureSpec {
  std::string process_name;
  LineFormat format = LineFormat::general;
  UniqueFd standard_output;  ///< reading end of a FIFO or pipe; made non-blocking
  UniqueFd standard_error;
  bool to_main_log = true;
  std::filesystem::path file;         ///< empty: no file of its own
  std::filesystem::path access_file;  ///< traefik's access log; empty: none
  Level file_threshold = Level::info;
  /// Where a journal of what was read and written is kept, without suffix; empty: none. With one no output is
  /// lost or written twice when this program is killed, and a capture attached to the same journal goes on.
  std::filesystem::path journal;
  /// Called on the log thread with every line, without its colours and before any redaction, until it returns
  /// true; must be quick and must not throw. Empty: nobody looks for a line.
  std::function<bool(std::string_view line)> until;
};

using CaptureId = std::uint64_t;

/// The main log and every capture, on one thread of their own. All calls are thread-safe and return at once;
/// records of one source keep their order. Destruction flushes and joins.
class LogService final : public Log {
 public:
  /// Opens the main log file (pruning old ones) and writes nothing yet. A directory that cannot be written is
  /// reported on standard error; standard output still gets every record.
  explicit LogService(MainLogOptions options);
  ~LogService() override;

  void write(Level level, std::string_view message) override;
  void configure(MainLogOptions options);
  /// Values the redactor hides from now on.
  void set_secrets(std::vector<std::string> secrets);

  /// Starts to drain a child's output.
  CaptureId attach(CaptureSpec spec);
  void set_threshold(CaptureId id, Level file_threshold);
  /// The source is gone: drains what is left, at most `limit`, closes the files, then calls `done` on the log
  /// thread with the last lines (redacted, at most 2 KiB) of standard error, or of standard output when there
  /// are none.
  void finish(CaptureId id, std::chrono::milliseconds limit, std::function<void(std::string tail)> done);

  /// Gives every capture up where it stands: what was read is in the files, journals stay for whoever goes
  /// on. Blocks until that is so.
  void detach_all();

  /// Called on the log thread with the text of every main-log record as it stands in the file, without
  /// newline. The callback must not block. Returns an id for unsubscribe().
  std::uint64_t subscribe(std::function<void(const std::string& line)> callback);
  void unsubscribe(std::uint64_t id);

  /// Blocks until everything written before the call is in the files.
  void flush();
  /// The active main log file.
  std::filesystem::path main_file() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Settles what a killed program left in the journals of this directory. Call it before the LogService whose
/// files they name is made.
void settle_captures(const std::filesystem::path& directory);
/// Whether a capture with this journal has come upon the line its `until` waits for, in this run or an earlier
/// one. Never told of a capture whose journal does not work.
bool awaited_line_seen(const std::filesystem::path& journal);
/// Removes the journal of a capture that has ended.
void remove_journal(const std::filesystem::path& journal);

}  // namespace dumb::logs
