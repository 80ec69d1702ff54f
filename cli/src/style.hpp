#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dumb::cli {

using Environment = std::map<std::string, std::string, std::less<>>;

enum class Color { none, dim, bold, red, green, yellow, cyan, bold_red };
enum class ColorMode { automatic, always, never };

/// How text may look where it goes.
struct Style {
  std::size_t width = 0;  ///< columns; 0: no limit (a pipe or a file)
  bool color = false;
  bool utf8 = true;
  /// The text between the escape sequences of `color`; the text alone without colour.
  std::string paint(Color color, std::string_view text) const;
};

/// The style of a stream. `--color` decides; on automatic, a terminal gets colour unless NO_COLOR is set and
/// not empty or TERM is "dumb". `columns` is the terminal's width, 0 when unknown; COLUMNS wins over it.
/// Pure.
Style style_for(ColorMode mode, bool is_terminal, std::size_t columns, const Environment& environment);
std::optional<ColorMode> parse_color_mode(std::string_view text) noexcept;

/// Columns a text takes on a terminal: combining marks none, East Asian wide characters and emoji two.
std::size_t display_width(std::string_view utf8) noexcept;
/// At most `width` columns of `text`; when something is cut it ends with an ellipsis.
std::string clip(std::string_view text, std::size_t width, const Style& style);
/// Safe on one line of a terminal: valid UTF-8, blanks for tabs and line ends, other control characters
/// (escape sequences, direction overrides) spelled out.
std::string printable(std::string_view text);

}  // namespace dumb::cli
