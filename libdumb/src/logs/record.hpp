#pragma once

#include <compare>
#include <dumb/base/log.hpp>
#include <string>
#include <string_view>

/// How a record looks (LIF-97, LIF-98). Pure.
namespace dumb::logs {

struct Date {
  int year = 1970;
  int month = 1;  ///< 1 … 12
  int day = 1;    ///< 1 … 31
  auto operator<=>(const Date&) const = default;
  /// "2026-02-03".
  std::string to_string() const;
};

/// A moment as clocks on the wall show it.
struct LocalTime {
  Date date;
  int hour = 0, minute = 0, second = 0;
  bool operator==(const LocalTime&) const = default;
};

/// "Feb  3, 2026 07:05:09": English month, day blank-padded to two.
std::string stamp(const LocalTime& time);

/// Appends `text` fit for one line: CR, TAB and other control characters that move the cursor become a blank,
/// the rest `\xNN`, C1 controls (U+0080 … U+009F) included. `text` is UTF-8.
void append_line_text(std::string& out, std::string_view text);

/// Appends a message of the program itself: like append_line_text(), but LF is kept, TAB too after the first
/// LF, and line ends at the very end are removed.
void append_message(std::string& out, std::string_view message);

/// The colour of a level on a terminal, and how to end it.
std::string_view color_of(Level level) noexcept;
inline constexpr std::string_view color_end = "\x1b[0m";

}  // namespace dumb::logs
