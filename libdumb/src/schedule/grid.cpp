#include <algorithm>
#include <dumb/schedule/grid.hpp>

namespace dumb::schedule {
namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

Instant point(const Grid& grid, std::int64_t k, const Zone& zone) {
  if (grid.timing.interval_hours % 24 != 0) return grid.anchor + k * grid.timing.interval_hours * 3600;
  return instant_of({grid.anchor_day + k * (grid.timing.interval_hours / 24), grid.timing.start_minute * 60},
                    zone);
}

}  // namespace

std::optional<std::int32_t> minute_of_day(std::string_view text) noexcept {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const std::size_t at : {0U, 1U, 3U, 4U}) {
    if (!is_digit(text[at])) return std::nullopt;
  }
  const int hours = (text[0] - '0') * 10 + (text[1] - '0');
  const int minutes = (text[3] - '0') * 10 + (text[4] - '0');
  if (hours > 23 || minutes > 59) return std::nullopt;
  return hours * 60 + minutes;
}

std::string clock_text(std::int32_t minute) {
  const auto two = [](std::int32_t n) { return std::string{char('0' + n / 10), char('0' + n % 10)}; };
  return two(minute / 60) + ":" + two(minute % 60);
}

Grid make_grid(const Timing& timing, Instant now, const Zone& zone) {
  Grid grid{timing, local_of(now, zone).day, 0};
  grid.anchor = instant_of({grid.anchor_day, timing.start_minute * 60}, zone);
  return grid;
}

Instant first_at_or_after(const Grid& grid, Instant from, const Zone& zone) {
  const std::int64_t step = grid.timing.interval_hours * 3600;
  // Local days differ from 24 hours by far less than a step of the grid.
  std::int64_t k = std::max<std::int64_t>(0, (from - grid.anchor) / step - 1);
  while (point(grid, k, zone) < from) ++k;
  return point(grid, k, zone);
}

}  // namespace dumb::schedule
