#include "style.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <dumb/base/text.hpp>

namespace dumb::cli {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 1;
};

// The text is valid UTF-8 or any byte stands for itself; never reads past the end.
CodePoint next_code_point(std::string_view text) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(0);
  const std::size_t size = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  if (size == 1 || text.size() < size) return {lead, 1};
  char32_t value = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) value = (value << 6U) | (byte(i) & 0x3FU);
  return {value, size};
}

struct Range {
  char32_t first, last;
};

template <std::size_t N>
bool among(const std::array<Range, N>& ranges, char32_t value) noexcept {
  for (const Range& range : ranges) {
    if (value >= range.first && value <= range.last) return true;
  }
  return false;
}

constexpr std::array<Range, 9> zero_width{{{0x0300, 0x036F},
                                           {0x0483, 0x0489},
                                           {0x0591, 0x05BD},
                                           {0x064B, 0x065F},
                                           {0x200B, 0x200F},
                                           {0x20D0, 0x20FF},
                                           {0xFE00, 0xFE0F},
                                           {0xFE20, 0xFE2F},
                                           {0xE0100, 0xE01EF}}};
constexpr std::array<Range, 13> double_width{{{0x1100, 0x115F},
                                              {0x2E80, 0x303E},
                                              {0x3041, 0x33FF},
                                              {0x3400, 0x4DBF},
                                              {0x4E00, 0xA4CF},
                                              {0xAC00, 0xD7A3},
                                              {0xF900, 0xFAFF},
                                              {0xFE30, 0xFE6F},
                                              {0xFF00, 0xFF60},
                                              {0xFFE0, 0xFFE6},
                                              {0x1F300, 0x1F64F},
                                              {0x1F680, 0x1FAFF},
                                              {0x20000, 0x3FFFD}}};
constexpr std::array<Range, 3> direction{{{0x202A, 0x202E}, {0x2066, 0x2069}, {0x2028, 0x2029}}};

std::size_t width_of(char32_t value) noexcept {
  if (among(zero_width, value)) return 0;
  return among(double_width, value) ? 2 : 1;
}

std::string_view escape_of(Color color) noexcept {
  switch (color) {
    case Color::none:
      return "";
    case Color::dim:
      return "\x1b[2m";
    case Color::bold:
      return "\x1b[1m";
    case Color::red:
      return "\x1b[31m";
    case Color::green:
      return "\x1b[32m";
    case Color::yellow:
      return "\x1b[33m";
    case Color::cyan:
      return "\x1b[36m";
    case Color::bold_red:
      return "\x1b[1;31m";
  }
  return "";
}

std::string_view value_of(const Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string_view() : std::string_view(found->second);
}

bool is_utf8_locale(const Environment& environment) {
  for (const std::string_view name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = text::lower(value_of(environment, name));
    if (value.empty()) continue;
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

std::string Style::paint(Color wanted, std::string_view text) const {
  if (!color || wanted == Color::none || text.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", escape_of(wanted), text);
}

Style style_for(ColorMode mode, bool is_terminal, std::size_t columns, const Environment& environment) {
  Style style;
  style.utf8 = is_utf8_locale(environment);
  if (is_terminal) {
    const auto wanted = text::to_int(value_of(environment, "COLUMNS"));
    style.width = wanted && *wanted > 0 ? static_cast<std::size_t>(*wanted) : columns;
    if (style.width == 0) style.width = 80;
  }
  const bool plain = !value_of(environment, "NO_COLOR").empty() || value_of(environment, "TERM") == "dumb";
  style.color = mode == ColorMode::always || (mode == ColorMode::automatic && is_terminal && !plain);
  return style;
}

std::optional<ColorMode> parse_color_mode(std::string_view text) noexcept {
  if (text == "auto") return ColorMode::automatic;
  if (text == "always") return ColorMode::always;
  if (text == "never") return ColorMode::never;
  return std::nullopt;
}

std::size_t display_width(std::string_view utf8) noexcept {
  std::size_t width = 0;
  while (!utf8.empty()) {
    const CodePoint point = next_code_point(utf8);
    width += width_of(point.value);
    utf8.remove_prefix(point.size);
  }
  return width;
}

std::string clip(std::string_view text, std::size_t width, const Style& style) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  const std::string_view mark = style.utf8 ? "…" : "~";
  std::string kept;
  std::size_t used = 1;  // the mark
  while (!text.empty()) {
    const CodePoint point = next_code_point(text);
    used += width_of(point.value);
    if (used > width) break;
    kept += text.substr(0, point.size);
    text.remove_prefix(point.size);
  }
  while (!kept.empty() && kept.back() == ' ') kept.pop_back();
  return kept.append(mark);
}

std::string printable(std::string_view text) {
  const std::string valid = text::to_utf8(text);
  std::string_view rest = valid;
  std::string out;
  out.reserve(valid.size());
  while (!rest.empty()) {
    const CodePoint point = next_code_point(rest);
    if (point.value == '\n' || point.value == '\t' || point.value == '\r') {
      out += ' ';
    } else if (point.value < 0x20 || (point.value >= 0x7F && point.value < 0xA0)) {
      out += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(point.value));
    } else if (among(direction, point.value)) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(point.value));
    } else {
      out += rest.substr(0, point.size);
    }
    rest.remove_prefix(point.size);
  }
  return out;
}

}  // namespace dumb::cli
