#pragma once

#include <cstdint>

/// Local time. All pure but machine_zone().
namespace dumb::schedule {

/// Unix seconds.
using Instant = std::int64_t;

/// A calendar day as days since 1970-01-01.
using Day = std::int64_t;

struct CivilDay {
  int year = 1970;
  unsigned month = 1;  ///< 1-12
  unsigned day = 1;    ///< 1-31
};
CivilDay civil_of(Day day) noexcept;
Day day_of(const CivilDay& civil) noexcept;

/// What local clocks show.
struct LocalTime {
  Day day = 0;
  std::int32_t second_of_day = 0;
  bool operator==(const LocalTime&) const = default;
};

class Zone {
 public:
  virtual ~Zone() = default;
  /// Seconds local clocks are ahead of UTC at this instant.
  virtual std::int32_t offset_at(Instant instant) const = 0;
};

/// Always the same offset.
class FixedZone final : public Zone {
 public:
  explicit FixedZone(std::int32_t offset = 0) : offset_(offset) {}
  std::int32_t offset_at(Instant) const override { return offset_; }

 private:
  std::int32_t offset_;
};

/// The time zone of this machine, as TZ or /etc/localtime say. Thread-safe.
const Zone& machine_zone() noexcept;

LocalTime local_of(Instant instant, const Zone& zone);
/// The first instant at which local clocks show this; the first valid one after it when they skip it.
Instant instant_of(LocalTime time, const Zone& zone);

}  // namespace dumb::schedule
