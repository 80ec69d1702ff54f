#include "event_lines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <dumb/base/text.hpp>

#include "exit_code.hpp"
#include "services.hpp"

namespace dumb::cli {
namespace {

std::string name_of(const engine::Event& event) {
  return event.process_name.empty() ? "dumb" : printable(event.process_name);
}

std::string change_of(const engine::Event& event) {
  if (!event.previous || *event.previous == event.state) return printable(event.state);
  return printable(fmt::format("{} -> {}", *event.previous, event.state));
}

std::string why(const engine::Event& event) {
  std::string text = event.cause;
  if (event.reason) text += ": " + *event.reason;
  if (event.exit && text.find(*event.exit) == std::string::npos) text += "; " + *event.exit;
  if (event.pid && (event.state == "running" || event.exit)) text += fmt::format(" (pid {})", *event.pid);
  return printable(text);
}

/// Takes exactly `digits` digits off the text.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
  if (error != std::errc() || end != text.data() + digits || number < 0) return std::nullopt;
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// "10m", "1h30m": seconds.
std::optional<double> span_of(std::string_view text) {
  double seconds = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto count = text::to_int(text.substr(0, digits));
    if (digits == 0 || !count || digits == text.size()) return std::nullopt;
    constexpr std::string_view units = "smhdw";
    constexpr double lengths[] = {1, 60, 3'600, 86'400, 604'800};
    const auto unit = units.find(text[digits]);
    if (unit == std::string_view::npos) return std::nullopt;
    seconds += static_cast<double>(*count) * lengths[unit];
    text.remove_prefix(digits + 1);
  }
  return seconds;
}

/// The clock time behind a date; false when there is something else.
bool take_clock(std::string_view& text, std::tm& parts) {
  const auto hour = take_number(text, 2);
  const bool colon = take(text, ":");
  const auto minute = take_number(text, 2);
  if (!hour || !colon || !minute || *hour > 24 || *minute > 59) return false;
  parts.tm_hour = *hour;
  parts.tm_min = *minute;
  if (!take(text, ":")) return true;
  const auto second = take_number(text, 2);
  if (!second || *second > 60) return false;
  parts.tm_sec = *second;
  if (take(text, ".")) text.remove_prefix(std::min(text.find_first_not_of("0123456789"), text.size()));
  return true;
}

/// Seconds east of UTC; nullopt: none is given, `text` stays.
std::optional<int> take_zone(std::string_view& text) {
  if (take(text, "Zz")) return 0;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  std::string_view rest = text.substr(1);
  const auto hours = take_number(rest, 2);
  take(rest, ":");
  const auto minutes = take_number(rest, 2);
  if (!hours || !minutes || *hours > 14 || *minutes > 59) return std::nullopt;
  text = rest;
  return sign * (*hours * 3'600 + *minutes * 60);
}

std::optional<double> time_of(std::string_view text) {
  std::tm parts{};
  const auto year = take_number(text, 4);
  const bool first = take(text, "-");
  const auto month = take_number(text, 2);
  const bool second = take(text, "-");
  const auto day = take_number(text, 2);
  if (!year || !first || !month || !second || !day) return std::nullopt;
  if (*month < 1 || *month > 12 || *day < 1 || *day > 31) return std::nullopt;
  parts.tm_year = *year - 1900;
  parts.tm_mon = *month - 1;
  parts.tm_mday = *day;
  parts.tm_isdst = -1;
  if (!text.empty() && (!take(text, "T ") || !take_clock(text, parts))) return std::nullopt;
  const auto zone = take_zone(text);
  if (!text.empty()) return std::nullopt;
  if (zone) return static_cast<double>(::timegm(&parts) - *zone);
  return static_cast<double>(std::mktime(&parts));
}

}  // namespace

Result<Since> parse_since(std::string_view text, double now) {
  Since since;
  if (const auto number = text::to_int(text); number && *number >= 0 && text.front() != '+') {
    since.seq = *number;
  } else if (const auto span = span_of(text)) {
    since.time = now - *span;
  } else if (const auto time = time_of(text)) {
    since.time = *time;
  } else {
    return Error(
        Trouble::usage,
        fmt::format("--since must be a sequence number, a span as 10m or a time as 2026-02-11T12:00; "
                    "got '{}'",
                    text));
  }
  return since;
}

EventColumns event_columns(const std::vector<engine::Event>& events) {
  EventColumns columns;
  columns.name = 12;
  for (const engine::Event& event : events) {
    columns.name = std::max(columns.name, display_width(name_of(event)));
    columns.change = std::max(columns.change, display_width(change_of(event)));
  }
  return columns;
}

std::string event_line(const engine::Event& event, const EventColumns& columns,
                       const std::function<std::string(double)>& local_time, const Style& style) {
  const auto padded = [&](Color color, const std::string& text, std::size_t width) {
    const std::size_t used = display_width(text);
    return style.paint(color, text) + std::string(used < width ? width - used : 0, ' ') + "  ";
  };
  const std::string time = local_time(event.time);
  const std::string change = change_of(event);
  std::string line = style.paint(Color::dim, time) + "  ";
  std::size_t used = display_width(time) + 2;
  if (columns.name > 0) {
    line += padded(Color::bold, name_of(event), columns.name);
    used += std::max(columns.name, display_width(name_of(event))) + 2;
  }
  line += padded(state_color(event.state), change, columns.change);
  used += std::max(columns.change, display_width(change)) + 2;
  const std::string reason = why(event);
  // Where hardly anything of the reason would fit, the terminal may break the line.
  constexpr std::size_t least = 20;
  const bool cut = style.width >= used + least;
  return line + (cut ? clip(reason, style.width - used, style) : reason);
}

}  // namespace dumb::cli
