#include <algorithm>
#include <chrono>
#include <dumb/schedule/zone.hpp>

namespace dumb::schedule {
namespace {

constexpr std::int64_t day_length = 86'400;

std::int64_t floor_div(std::int64_t a, std::int64_t b) noexcept {
  return a / b - (a % b < 0 ? 1 : 0);
}

}  // namespace

CivilDay civil_of(Day day) noexcept {
  const std::chrono::year_month_day civil{std::chrono::sys_days(std::chrono::days(day))};
  return {int(civil.year()), unsigned(civil.month()), unsigned(civil.day())};
}

Day day_of(const CivilDay& civil) noexcept {
  const std::chrono::year_month_day day{std::chrono::year(civil.year), std::chrono::month(civil.month),
                                        std::chrono::day(civil.day)};
  return std::chrono::sys_days(day).time_since_epoch().count();
}

LocalTime local_of(Instant instant, const Zone& zone) {
  const std::int64_t shown = instant + zone.offset_at(instant);
  const Day day = floor_div(shown, day_length);
  return {day, static_cast<std::int32_t>(shown - day * day_length)};
}

Instant instant_of(LocalTime time, const Zone& zone) {
  const std::int64_t shown = time.day * day_length + time.second_of_day;
  // No zone is more than a day from UTC, and none changes twice within two days.
  const Instant before = shown - day_length;
  const Instant after = shown + day_length;
  const Instant earlier = shown - std::max(zone.offset_at(before), zone.offset_at(after));
  const Instant later = shown - std::min(zone.offset_at(before), zone.offset_at(after));
  const auto shows = [&](Instant at) { return at + zone.offset_at(at) == shown; };
  if (shows(earlier)) return earlier;
  if (shows(later)) return later;
  // Skipped: the first instant at which clocks show more.
  Instant low = before;
  Instant high = after;
  while (high - low > 1) {
    const Instant middle = low + (high - low) / 2;
    (middle + zone.offset_at(middle) > shown ? high : low) = middle;
  }
  return high;
}

}  // namespace dumb::schedule
