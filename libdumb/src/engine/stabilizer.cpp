#include "engine/stabilizer.hpp"

#include <algorithm>

namespace dumb::engine {

Stabilizer::Verdict Stabilizer::on(bool all_healthy, SteadyTime now) {
  if (!all_healthy) healthy_since_.reset();
  if (all_healthy && !healthy_since_) healthy_since_ = now;
  if (healthy_since_ && now - *healthy_since_ >= limits_.stabilization) return Verdict::ready;
  return now >= deadline_ ? Verdict::degraded : Verdict::open;
}

SteadyTime Stabilizer::look_again(SteadyTime now) const {
  SteadyTime next = std::min(now + limits_.poll_interval, deadline_);
  if (healthy_since_) next = std::min(next, *healthy_since_ + limits_.stabilization);
  return std::max(next, now + std::chrono::milliseconds(1));
}

}  // namespace dumb::engine
