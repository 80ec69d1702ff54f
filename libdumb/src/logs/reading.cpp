#include "logs/reading.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "logs/bytes.hpp"

namespace dumb::logs {
namespace {

constexpr std::string_view marker_text = "==== DUMB start ";
constexpr std::int64_t default_tail = 131072;
constexpr std::uint64_t main_tail = 256U << 10U;

bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// Moved back, by at most three bytes, to where a UTF-8 sequence begins that `bytes` does not hold whole.
std::size_t utf8_border(std::string_view bytes, std::size_t end) noexcept {
  for (std::size_t back = 1; back <= 3 && back <= end; ++back) {
    const auto byte = static_cast<unsigned char>(bytes[end - back]);
    if (byte < 0x80) return end;
    if (byte >= 0xC0) {
      const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
      return length > back ? end - back : end;
    }
  }
  return end;
}

/// "Feb  3, 2026 07:05:09 - LEVEL - " before the message of a record.
bool is_record_start(std::string_view head) noexcept {
  static constexpr std::string_view shape = "AAA 00, 0000 00:00:00 - ";
  if (head.size() < shape.size() + 3 || !head.ends_with(" - ")) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool fits = shape[i] == 'A'   ? is_letter(head[i])
                      : shape[i] == '0' ? is_digit(head[i]) || head[i] == ' '
                                        : head[i] == shape[i];
    if (!fits) return false;
  }
  const std::string_view level = head.substr(shape.size(), head.size() - shape.size() - 3);
  return parse_level(level).has_value();
}

}  // namespace

ReadStart choose_start(const ReadRequest& request, std::uint64_t size, std::string_view file_id) {
  const auto tail = static_cast<std::uint64_t>(std::clamp<std::int64_t>(
      request.tail_bytes.value_or(default_tail), 1024, static_cast<std::int64_t>(longest_chunk)));
  const auto back = [size](std::uint64_t bytes) { return size > bytes ? size - bytes : 0; };
  const bool other_file = request.file_id && *request.file_id != file_id;
  if (!request.cursor) {
    if (!request.main_log) return {back(tail), true, false};
    return {back(request.tail_bytes ? tail : main_tail), true, true};
  }
  const std::int64_t cursor = *request.cursor;
  if (cursor < 0 || static_cast<std::uint64_t>(cursor) > size || other_file) return {back(tail), true, false};
  if (size - static_cast<std::uint64_t>(cursor) > longest_chunk) return {back(longest_chunk), true, false};
  return {static_cast<std::uint64_t>(cursor), false, false};
}

Piece choose_lines(std::string_view bytes, std::size_t before, bool at_start) {
  std::size_t begin = before;
  const std::size_t last_end = before == 0 ? std::string_view::npos : bytes.rfind('\n', before - 1);
  const bool line_start = before == 0 ? at_start : last_end == before - 1;
  // Where no line end stands within the longest partial line before it, the offset is what an earlier piece
  // of an overlong line left, or lies in one; its rest is shown.
  const bool overlong = !line_start && last_end == std::string_view::npos && before >= longest_partial;
  if (!line_start && !overlong) {
    const std::size_t next = bytes.find('\n', before);
    if (next == std::string_view::npos) return {before, before};
    begin = next + 1;
  }
  if (overlong) {
    for (int skipped = 0; skipped < 3 && begin < bytes.size() && is_continuation(bytes[begin]); ++skipped)
      ++begin;
  }
  const std::size_t last = bytes.rfind('\n');
  std::size_t end = last == std::string_view::npos || last < begin ? begin : last + 1;
  if (bytes.size() - end > longest_partial) end = utf8_border(bytes, bytes.size());
  return {begin, std::max(begin, end)};
}

std::size_t last_marker(std::string_view bytes, std::size_t from) {
  for (std::size_t at = bytes.rfind(marker_text); at != std::string_view::npos && at >= from;
       at = at == 0 ? std::string_view::npos : bytes.rfind(marker_text, at - 1)) {
    const std::size_t line_end = at == 0 ? std::string_view::npos : bytes.rfind('\n', at - 1);
    const std::size_t line = line_end == std::string_view::npos ? 0 : line_end + 1;
    if (line >= from && is_record_start(bytes.substr(line, at - line))) return line;
  }
  return from;
}

std::string start_marker(std::string_view version, int pid) {
  return fmt::format("{}{} pid {}", marker_text, version, pid);
}

}  // namespace dumb::logs
