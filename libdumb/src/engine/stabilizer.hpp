#pragma once

#include <dumb/base/clock.hpp>
#include <optional>

/// When the first start of the stack counts as done (LIF-31). Decides; performs nothing.
namespace dumb::engine {

class Stabilizer {
 public:
  struct Limits {
    Duration readiness_timeout = std::chrono::seconds(300);  ///< from the first start
    Duration poll_interval = std::chrono::seconds(5);
    Duration stabilization = std::chrono::seconds(15);  ///< how long all must be healthy without a break
  };
  enum class Verdict { open, ready, degraded };

  Stabilizer(Limits limits, SteadyTime began)
      : limits_(limits), deadline_(began + limits.readiness_timeout) {}

  /// `all_healthy`: every expected service is ready and healthy at `now`. Call it on every change, and at
  /// look_again().
  Verdict on(bool all_healthy, SteadyTime now);
  /// When to look at the latest.
  SteadyTime look_again(SteadyTime now) const;
  SteadyTime deadline() const noexcept { return deadline_; }

 private:
  Limits limits_;
  SteadyTime deadline_;
  std::optional<SteadyTime> healthy_since_;
};

}  // namespace dumb::engine
