#include <dumb/base/clock.hpp>

namespace dumb {
namespace {
class SystemClock final : public Clock {
 public:
  SteadyTime now() const noexcept override { return std::chrono::steady_clock::now(); }
  WallTime wall() const noexcept override { return std::chrono::system_clock::now(); }
};
}  // namespace

const Clock& system_clock() noexcept {
  static const SystemClock clock;
  return clock;
}

double unix_seconds(WallTime time) noexcept {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace dumb
