#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dumb::logs {

/// Cuts a stream of bytes at LF (LIF-105). Lines that lie within one block are handed out without a copy.
/// Pure.
class LineSplitter {
 public:
  static constexpr std::size_t limit = 64U << 10U;  ///< longer lines are cut into parts

  /// Calls `emit(std::string_view line, bool continued)` for each line that `block` completes, without its
  /// LF; `continued` says that the line is a further part of a cut one. The view is valid during the call
  /// only.
  template <class Emit>
  void feed(std::string_view block, Emit&& emit) {
    while (!block.empty()) {
      const std::size_t at = block.find('\n');
      const bool ended = at != std::string_view::npos;
      std::string_view piece = block.substr(0, at);
      block.remove_prefix(ended ? at + 1 : block.size());
      if (ended && partial_.empty() && piece.size() <= limit) {
        handed_ += piece.size() + 1;
        cut_ = false;
        if (!continued_ || !piece.empty()) emit(piece, continued_);
        continued_ = false;
        continue;
      }
      while (partial_.size() + piece.size() > limit) {
        const std::size_t room = limit - partial_.size();
        partial_.append(piece.substr(0, room));
        piece.remove_prefix(room);
        const std::string held = partial_.substr(partial_.size() - torn(partial_, piece.front()));
        partial_.resize(partial_.size() - held.size());
        handed_ += partial_.size();
        cut_ = true;
        release(emit);
        partial_ = held;
        continued_ = true;
      }
      partial_.append(piece);
      if (ended) {
        handed_ += partial_.size() + 1;
        cut_ = false;
        if (!partial_.empty()) release(emit);
        continued_ = false;
      }
    }
  }

  /// Hands out what came after the last LF, if anything.
  template <class Emit>
  void finish(Emit&& emit) {
    handed_ += partial_.size();
    cut_ = false;
    if (!partial_.empty()) release(emit);
    continued_ = false;
  }

  /// How many bytes of the stream the lines handed out so far stand for, the one being emitted and its LF
  /// included.
  std::uint64_t handed() const noexcept { return handed_; }
  /// Whether a further part follows the line handed out last.
  bool cut() const noexcept { return cut_; }
  /// Goes on in the middle of a line whose first parts somebody else has handed out.
  void go_on(bool continued) noexcept { continued_ = cut_ = continued; }

 private:
  template <class Emit>
  void release(Emit&& emit) {
    emit(std::string_view(partial_), continued_);
    partial_.clear();
    if (partial_.capacity() > 2 * limit) partial_.shrink_to_fit();
  }
  /// How many bytes at the end of `part` belong to a UTF-8 sequence that `next` continues.
  static std::size_t torn(std::string_view part, char next) noexcept {
    if ((static_cast<unsigned char>(next) & 0xC0U) != 0x80U) return 0;
    for (std::size_t back = 1; back <= 3; ++back) {
      const auto byte = static_cast<unsigned char>(part[part.size() - back]);
      if (byte >= 0xC0) return back;
      if (byte < 0x80) break;
    }
    return 0;
  }

  std::string partial_;
  bool continued_ = false;
  std::uint64_t handed_ = 0;
  bool cut_ = false;
};

}  // namespace dumb::logs
