#include "log_lines.hpp"

#include <fmt/format.h>

#include <dumb/base/text.hpp>

namespace dumb::cli {
namespace {

constexpr std::string_view separator = " - ";

// "Feb  3, 2026 07:05:09": letters stand for themselves, 9 for a digit or blank, the rest as it is.
bool has_shape(std::string_view text, std::string_view shape) noexcept {
  if (text.size() != shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const char c = text[i];
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool digit = (c >= '0' && c <= '9') || c == ' ';
    if (shape[i] == 'a' ? !letter : shape[i] == '9' ? !digit : c != shape[i]) return false;
  }
  return true;
}

// Without ECMA-48 control sequences (ESC [ … final byte) and operating system commands (ESC ] … BEL or ESC
// \).
std::string without_escapes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\x1b' || i + 1 >= text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '[') {
      i += 2;
      while (i < text.size() && (text[i] < '@' || text[i] > '~')) ++i;
    } else if (text[i + 1] == ']') {
      i += 2;
      while (i < text.size() && text[i] != '\a' && text[i] != '\x1b') ++i;
      if (i < text.size() && text[i] == '\x1b') ++i;
    } else {
      ++i;
    }
  }
  return out;
}

std::string printable_with_tabs(std::string_view text) {
  std::vector<std::string> parts;
  for (const std::string& part : text::split(text, '\t')) parts.push_back(printable(part));
  return text::join(parts, "\t");
}

Color level_color(Level level) noexcept {
  switch (level) {
    case Level::debug:
      return Color::cyan;
    case Level::info:
      return Color::green;
    case Level::warning:
      return Color::yellow;
    case Level::error:
      return Color::red;
    case Level::critical:
      return Color::bold_red;
  }
  return Color::none;
}

}  // namespace

std::optional<LogRecord> parse_record(std::string_view line) noexcept {
  constexpr std::string_view shape = "aaa 99, 9999 99:99:99";
  if (line.size() <= shape.size() || !has_shape(line.substr(0, shape.size()), shape)) return std::nullopt;
  LogRecord record;
  record.time = line.substr(0, shape.size());
  line.remove_prefix(shape.size());
  if (line.substr(0, separator.size()) != separator) return std::nullopt;
  line.remove_prefix(separator.size());
  const auto end = line.find(separator);
  if (end == std::string_view::npos) return std::nullopt;
  record.level_text = line.substr(0, end);
  const auto level = parse_level(record.level_text);
  if (!level) return std::nullopt;
  record.level = *level;
  record.message = line.substr(end + separator.size());
  return record;
}

std::vector<std::string_view> split_lines(std::string_view chunk) {
  std::vector<std::string_view> lines;
  while (!chunk.empty()) {
    const auto end = chunk.find('\n');
    lines.push_back(chunk.substr(0, end));
    chunk.remove_prefix(end == std::string_view::npos ? chunk.size() : end + 1);
  }
  return lines;
}

std::string terminal_line(std::string_view line, const Style& style) {
  const std::string clean = printable_with_tabs(without_escapes(line));
  const auto record = parse_record(clean);
  if (!record || !style.color) return clean;
  const Color color = level_color(record->level);
  const bool loud = record->level >= Level::warning;
  return fmt::format("{} {} {}", style.paint(Color::dim, fmt::format("{} -", record->time)),
                     style.paint(color, record->level_text),
                     fmt::format("{} {}", style.paint(Color::dim, "-"),
                                 style.paint(loud ? color : Color::none, record->message)));
}

}  // namespace dumb::cli
