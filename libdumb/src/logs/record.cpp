#include "logs/record.hpp"

#include <fmt/format.h>

#include <array>

#include "logs/bytes.hpp"

namespace dumb::logs {
namespace {

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void append_escape(std::string& out, unsigned char byte) {
  static constexpr std::string_view digits = "0123456789abcdef";
  out += "\\x";
  out += digits[byte >> 4U];
  out += digits[byte & 15U];
}

}  // namespace

std::string Date::to_string() const {
  return fmt::format("{:04}-{:02}-{:02}", year, month, day);
}

std::string stamp(const LocalTime& time) {
  const auto month = static_cast<std::size_t>(time.date.month - 1) % months.size();
  return fmt::format("{} {:2}, {} {:02}:{:02}:{:02}", months[month], time.date.day, time.date.year, time.hour,
                     time.minute, time.second);
}

void append_line_text(std::string& out, std::string_view text) {
  if (is_plain_ascii(text)) {
    out += text;
    return;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x09 && byte <= 0x0D) {
      out += ' ';
    } else if (byte < 0x20 || byte == 0x7F) {
      append_escape(out, byte);
    } else if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      append_escape(out, static_cast<unsigned char>(text[++i]));
    } else {
      out += text[i];
    }
  }
}

void append_message(std::string& out, std::string_view message) {
  while (message.ends_with('\n') || message.ends_with('\r')) message.remove_suffix(1);
  const std::size_t first = message.find('\n');
  append_line_text(out, message.substr(0, first));
  if (first == std::string_view::npos) return;
  std::string_view rest = message.substr(first);
  while (!rest.empty()) {
    // Between LF and TAB, which stay, the text is made harmless like any other.
    const std::size_t kept = std::min(rest.find_first_of("\n\t"), rest.size());
    append_line_text(out, rest.substr(0, kept));
    if (kept < rest.size()) out += rest[kept];
    rest.remove_prefix(std::min(kept + 1, rest.size()));
  }
}

std::string_view color_of(Level level) noexcept {
  switch (level) {
    case Level::debug:
      return "\x1b[36m";
    case Level::info:
      return "\x1b[32m";
    case Level::warning:
      return "\x1b[33m";
    case Level::error:
      return "\x1b[31m";
    case Level::critical:
      break;
  }
  return "\x1b[1;31m";
}

}  // namespace dumb::logs
