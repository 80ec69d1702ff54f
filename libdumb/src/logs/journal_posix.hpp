#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <dumb/base/log.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dumb::logs {

/// How far a stream's lines are in the files.
struct StreamPosition {
  std::uint64_t offset = 0;   ///< in the stream's spool
  Level level = Level::info;  ///< of the last line, for those that continue it
  bool continued = false;     ///< what follows is a further part of a cut line
};

/// A write about to happen to a log file that only grows.
struct PlannedWrite {
  std::filesystem::path file;
  dev_t device = 0;
  ino_t inode = 0;
  std::uint64_t size = 0;    ///< of the file before
  std::uint64_t length = 0;  ///< of what is added
};

/// What makes a capture exact when this program is killed at any instruction: no byte of the child's output
/// is lost, none is written twice. Three files beside the FIFOs, all of them in the page cache, which
/// survives:
///
/// - a spool per stream. splice(2) moves bytes from the FIFO into it in one step of the kernel, so that a
/// byte
///   is in one of the two, and the size of the spool is the count;
/// - a cursor, mapped into memory. Before log files are written it holds their sizes and the positions in the
///   spools that the write stands for; one store after it makes those positions valid.
///
/// A killed write is found by its cursor: when every file has its planned size the positions are taken over,
/// else the files are cut back to where they were and the lines are written again. Used by one thread.
class Journal {
 public:
  static constexpr std::size_t streams = 2;
  static constexpr std::size_t most_files = 3;

  /// Whether an earlier program has left one.
  static bool exists(const std::filesystem::path& base);
  /// Opens or creates the files `<base>.cursor`, `<base>.out.spool` and `<base>.err.spool`, settling what a
  /// killed program left. Fails when the file system cannot do it; a capture works without as well.
  static Result<std::unique_ptr<Journal>> open(const std::filesystem::path& base);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Where the lines of a stream go on.
  StreamPosition position(std::size_t stream) const;
  /// Like read(2) on the FIFO, but by way of the spool; what an earlier program left there comes first.
  ssize_t read(std::size_t stream, int fifo, char* block, std::size_t size);
  /// Whether the spool holds what read() has not handed out.
  bool pending(std::size_t stream) const noexcept {
    return !rescued_[stream].empty() || read_[stream] != size_[stream];
  }
  /// Whether it works still. A full disk ends it: reading goes on then, and a kill may cost bytes.
  bool broken() const noexcept { return broken_; }

  /// Call before the files are written and after it. Between two of these pairs nothing else writes to them.
  void begin(const std::array<StreamPosition, streams>& positions, const std::vector<PlannedWrite>& writes);
  void commit();
  /// Gives back the room of what is in the files. True when the spool of `stream` was emptied, and its
  /// positions begin at 0 again.
  bool trim(std::size_t stream);

  /// The line somebody waits for was found. Call it before its position is committed: who is killed then has
  /// the next run know of it.
  void note_line();
  static bool line_seen(const std::filesystem::path& base);

  /// Removes the files of a capture that has ended.
  static void remove(const std::filesystem::path& base);

 private:
  struct Cursor;
  Journal() = default;
  void give_up();

  Cursor* cursor_ = nullptr;
  std::array<UniqueFd, streams> spools_;
  std::array<std::uint64_t, streams> size_{};     // of the spool
  std::array<std::uint64_t, streams> read_{};     // handed out
  std::array<std::uint64_t, streams> punched_{};  // given back
  bool broken_ = false;  // there is no room for the spool: from now on bytes are only read
  std::array<std::string, streams> rescued_;  // what a spool still held when that happened
  friend bool settle_cursor(Cursor& cursor);
  friend std::size_t settle_journals(const std::filesystem::path& directory);
};

/// Settles every capture that a killed program left in the directory. Call it before anything is written to
/// the log files. Returns how many writes were found unfinished.
std::size_t settle_journals(const std::filesystem::path& directory);

}  // namespace dumb::logs
