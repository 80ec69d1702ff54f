#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::logs {

/// Tells in one pass whether a line holds any of some words, in any letter case (Aho and Corasick's
/// automaton). Most lines hold none of the words a secret goes with, and this is all that is done to them.
class Trigger {
 public:
  explicit Trigger(const std::vector<std::string>& words);

  bool hit(std::string_view line) const noexcept {
    const std::uint32_t* const table = table_.data();
    std::size_t row = 0;
    for (const char c : line) {
      row = table[row + class_[static_cast<unsigned char>(c)]];
      if (row == found) return true;
    }
    return false;
  }

 private:
  static constexpr std::uint32_t found = ~0U;

  std::array<std::uint8_t, 256> class_{};  ///< 0: a byte of no word
  std::size_t classes_ = 1;
  std::vector<std::uint32_t> table_;  ///< by row start + class: the next row's start, or `found`
};

}  // namespace dumb::logs
