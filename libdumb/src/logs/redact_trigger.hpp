#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::logs {

/// Tells whether a line holds any of some words of at least five bytes, in any letter case. Most lines hold
/// none of the words a secret goes with, and this is all that is done to them.
class Trigger {
 public:
  explicit Trigger(const std::vector<std::string>& words);

  /// Looks at every third group of three bytes: a word of five covers one of its first three groups wherever
  /// it stands. Only around a group that some word begins with does the exact search follow.
  bool hit(std::string_view line) const noexcept;

 private:
  /// Aho and Corasick's automaton, one step per byte.
  bool search(std::string_view part) const noexcept;
  /// Whether the group at `at` is among the first three of a word (or shares their hash).
  bool known(const char* at) const noexcept {
    const std::uint32_t hash = group(at);
    return (groups_[hash >> 6U] >> (hash & 63U) & 1U) != 0;
  }
  static std::uint32_t group(const char* at) noexcept;

  static constexpr std::uint32_t found = ~0U;

  std::array<std::uint64_t, 512> groups_{};  ///< a bit per hash of a group
  std::array<std::uint8_t, 256> class_{};    ///< 0: a byte of no word
  std::size_t classes_ = 1;
  std::size_t longest_ = 0;
  std::vector<std::uint32_t> table_;  ///< by row start + class: the next row's start, or `found`
};

}  // namespace dumb::logs
