#include <ctime>
#include <dumb/schedule/zone.hpp>

namespace dumb::schedule {
namespace {

class MachineZone final : public Zone {
 public:
  MachineZone() { ::tzset(); }
  std::int32_t offset_at(Instant instant) const override {
    const auto time = static_cast<std::time_t>(instant);
    std::tm local{};
    if (::localtime_r(&time, &local) == nullptr) return 0;
    return static_cast<std::int32_t>(local.tm_gmtoff);
  }
};

}  // namespace

const Zone& machine_zone() noexcept {
  static const MachineZone zone;
  return zone;
}

}  // namespace dumb::schedule
