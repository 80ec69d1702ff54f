#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace dumb::logs {

/// Standard output as a copy of the main log. A reader that does not keep up (a stopped terminal, a stalled
/// pipe) costs lines, never time: what does not fit is kept up to 1 MiB, then left out and counted. Used by
/// one thread.
class Console {
 public:
  explicit Console(int fd) : fd_(fd) {}

  /// `color`: escape sequence around the record; empty for none.
  void append(std::string_view record, std::string_view color);
  /// Writes what can be written without waiting. True when nothing is left.
  bool flush();
  /// flush() until nothing is left, for at most `limit`.
  void drain(std::chrono::milliseconds limit);
  /// Records left out since the last call, once there is room again.
  std::uint64_t take_dropped();

 private:
  int fd_;
  std::string pending_;
  std::size_t begin_ = 0;  ///< of what is not written yet
  std::uint64_t dropped_ = 0;
  bool gone_ = false;
};

}  // namespace dumb::logs
