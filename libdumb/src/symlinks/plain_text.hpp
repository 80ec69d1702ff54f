#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace dumb::symlinks {

/// How many bytes at the front JSON takes as they are: printable ASCII without quote and backslash. Eight at
/// a time, because every path and target of a large tree comes by here.
inline std::size_t plain_prefix(std::string_view bytes) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t tops = 0x8080808080808080U;
  // The top bit of each byte that is zero; bytes above the first such one may be marked wrongly, which the
  // loop below sorts out.
  const auto zero = [](std::uint64_t word) { return (word - ones) & ~word & tops; };
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    const std::uint64_t odd = (word & tops) | ((word - ones * 0x20) & ~word & tops) |
                              zero(word ^ (ones * '"')) | zero(word ^ (ones * '\\')) |
                              zero(word ^ (ones * 0x7F));
    if (odd != 0) break;
  }
  for (; i < bytes.size(); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (c < 0x20 || c >= 0x7F || c == '"' || c == '\\') break;
  }
  return i;
}

}  // namespace dumb::symlinks
