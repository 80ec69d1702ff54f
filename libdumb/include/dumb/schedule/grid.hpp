#pragma once

#include <cstdint>
#include <dumb/schedule/zone.hpp>
#include <optional>
#include <string>
#include <string_view>

/// When something recurs: at anchor + k * interval. All pure.
namespace dumb::schedule {

/// Longest interval taken: a century.
inline constexpr std::int64_t max_interval_hours = 876'600;

struct Timing {
  std::int64_t interval_hours = 168;  ///< at least 1
  std::int32_t start_minute = 240;    ///< of the local day
  bool operator==(const Timing&) const = default;
};

/// "HH:MM" as minute of the day.
std::optional<std::int32_t> minute_of_day(std::string_view text) noexcept;
std::string clock_text(std::int32_t minute_of_day);

struct Grid {
  Timing timing;
  Day anchor_day = 0;  ///< the local day it was made
  Instant anchor = 0;  ///< the instant of its start time on that day
  bool operator==(const Grid&) const = default;
};

Grid make_grid(const Timing& timing, Instant now, const Zone& zone);

/// The first point at or after `from`. An interval of whole days keeps the local time of day, any other
/// counts elapsed seconds (SYM-58).
Instant first_at_or_after(const Grid& grid, Instant from, const Zone& zone);

}  // namespace dumb::schedule
