#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace dumb::logs {

/// Whether every byte is printable ASCII (0x20 … 0x7E), eight at a time: the common case, for which the line
/// needs no cleaning and no copy.
inline bool is_plain_ascii(std::string_view text) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101ULL;
  constexpr std::uint64_t high = 0x8080808080808080ULL;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (; end - at >= 8; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    // A high bit is left wherever a byte is >= 0x80, below 0x20 (subtraction borrows) or 0x7F (addition
    // carries).
    if (((word | (word - 0x20 * ones) | (word + ones)) & high) != 0) return false;
  }
  for (; at != end; ++at) {
    if (*at < 0x20 || *at == 0x7F) return false;
  }
  return true;
}

inline bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
inline bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
inline bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
inline char lower_of(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace dumb::logs
