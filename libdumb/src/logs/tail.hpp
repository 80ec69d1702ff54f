#pragma once

#include <string>
#include <string_view>

namespace dumb::logs {

/// The last lines of a stream, to tell why a process ended. Bounded; pure.
class Tail {
 public:
  static constexpr std::size_t most = 2048;  ///< bytes of text()

  void add(std::string_view line) {
    kept_ += line.substr(line.size() > most ? line.size() - most : 0);
    kept_ += '\n';
    if (kept_.size() > 4 * most) kept_.erase(0, kept_.size() - 2 * most);
  }

  /// Whole lines without the last line end, at most `most` bytes; the end of the last line when that alone is
  /// longer.
  std::string text() const {
    if (kept_.empty()) return {};
    const std::string_view all = std::string_view(kept_).substr(0, kept_.size() - 1);
    std::size_t begin = 0;
    if (all.size() > most) {
      begin = all.size() - most;
      const std::size_t line = all.find('\n', begin - 1);
      if (line != std::string_view::npos) begin = line + 1;
    }
    // A cut line begins with a whole character.
    while (begin < all.size() && (static_cast<unsigned char>(all[begin]) & 0xC0U) == 0x80U) ++begin;
    return std::string(all.substr(begin));
  }

 private:
  std::string kept_;
};

}  // namespace dumb::logs
