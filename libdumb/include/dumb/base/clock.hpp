#pragma once

#include <chrono>

namespace dumb {

/// Monotonic time: every timeout, interval and back-off.
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;
/// Wall time: only what people see.
using WallTime = std::chrono::system_clock::time_point;

/// Where the shells read time from; the cores get it as an argument.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime now() const noexcept = 0;
  virtual WallTime wall() const noexcept = 0;
};

/// The machine's clocks. Thread-safe.
const Clock& system_clock() noexcept;

/// Seconds since 1970 with fraction, as the API reports times.
double unix_seconds(WallTime time) noexcept;

}  // namespace dumb
