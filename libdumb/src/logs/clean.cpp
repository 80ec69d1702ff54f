#include "logs/clean.hpp"

#include <dumb/base/text.hpp>

#include "logs/bytes.hpp"

namespace dumb::logs {
namespace {

constexpr char escape = '\x1b';

std::string_view trim_end(std::string_view text) noexcept {
  while (!text.empty() && (text.back() == ' ' || (text.back() >= '\t' && text.back() <= '\r')))
    text.remove_suffix(1);
  return text;
}

/// Length of "parameters, intermediates, final byte" of a control sequence; a cut-off one reaches to the end.
std::size_t sequence_body(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size() && text[i] >= 0x20 && text[i] <= 0x3F) ++i;
  return i < text.size() && text[i] >= 0x40 && text[i] <= 0x7E ? i + 1 : i;
}

/// Length of a string (OSC, DCS …) up to its terminator BEL or ESC \.
std::size_t string_body(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\a') return i + 1;
    if (text[i] == escape) return i + (i + 1 < text.size() && text[i + 1] == '\\' ? 2 : 0);
  }
  return text.size();
}

/// Length of the escape sequence at the start of `text`, which begins with ESC.
std::size_t escape_length(std::string_view text) noexcept {
  if (text.size() < 2) return text.size();
  switch (text[1]) {
    case '[':
      return 2 + sequence_body(text.substr(2));
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
      return 2 + string_body(text.substr(2));
    default:
      break;
  }
  // Intermediates and one final byte: character sets, keypad modes and the like.
  std::size_t i = 1;
  while (i < text.size() && text[i] >= 0x20 && text[i] <= 0x2F) ++i;
  return i < text.size() && text[i] >= 0x30 && text[i] <= 0x7E ? i + 1 : i;
}

}  // namespace

std::string_view clean_line(std::string_view raw, std::string& scratch) {
  raw = trim_end(raw);
  if (is_plain_ascii(raw)) return raw;
  const bool repaired = !text::is_utf8(raw);
  std::string valid;
  if (repaired) {
    valid = text::to_utf8(raw);
    raw = valid;
  }
  std::size_t at = raw.find(escape);
  const auto next_c1 = [&](std::size_t from) { return raw.find("\xC2\x9B", from); };
  std::size_t c1 = next_c1(0);
  if (at == std::string_view::npos && c1 == std::string_view::npos && !repaired) return raw;
  scratch.clear();
  std::size_t done = 0;
  while (at != std::string_view::npos || c1 != std::string_view::npos) {
    const std::size_t begin = std::min(at, c1);
    scratch.append(raw.substr(done, begin - done));
    done =
        begin + (begin == at ? escape_length(raw.substr(begin)) : 2 + sequence_body(raw.substr(begin + 2)));
    if (at < done) at = raw.find(escape, done);
    if (c1 < done) c1 = next_c1(done);
  }
  scratch.append(raw.substr(done));
  return trim_end(scratch);
}

}  // namespace dumb::logs
