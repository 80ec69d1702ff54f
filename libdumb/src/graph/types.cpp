#include <algorithm>
#include <array>
#include <bit>
#include <dumb/base/codec.hpp>
#include <dumb/graph/types.hpp>

namespace dumb::graph {
namespace {

constexpr std::size_t signal_count = 13;

/// Every signal, by name in byte order.
const std::array<Signal, signal_count>& sorted_signals() {
  static const std::array<Signal, signal_count> sorted = [] {
    std::array<Signal, signal_count> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Signal>(i);
    std::sort(all.begin(), all.end(),
              [](Signal a, Signal b) { return codec::enum_name(a) < codec::enum_name(b); });
    return all;
  }();
  return sorted;
}

constexpr Signals linkage(static_cast<std::uint16_t>(Signals::of(Signal::zilean_optional_integration).bits() |
                                                     Signals::of(Signal::documented_integration).bits()));
constexpr Signals configured = Signals::of(Signal::core_service_fields);

TruthRow truth(Signal signal, std::string description) {
  const Strength strength = strength_of(signal);
  return {signal, strength == Strength::soft_linkage ? Classification::linkage : Classification::hard,
          strength, std::move(description)};
}

}  // namespace

Strength strength_of(Signal signal) noexcept {
  return Signals::of(signal).strength();
}

Strength Signals::strength() const noexcept {
  const std::uint16_t hard = static_cast<std::uint16_t>(bits_ & ~linkage.bits_);
  if ((hard & ~configured.bits_) != 0) return Strength::hard_runtime;
  return hard != 0 ? Strength::hard_configured : Strength::soft_linkage;
}

std::vector<Signal> Signals::list() const {
  std::vector<Signal> out;
  out.reserve(static_cast<std::size_t>(std::popcount(bits_)));
  for (const Signal signal : sorted_signals()) {
    if (has(signal)) out.push_back(signal);
  }
  return out;
}

std::string label_of(const std::vector<Signal>& signals, const std::optional<Condition>& condition) {
  std::string out;
  for (const Signal signal : signals) {
    if (!out.empty()) out += ", ";
    out += codec::enum_name(signal);
    if (signal == Signal::depends_on && condition) out += ": " + std::string(codec::enum_name(*condition));
  }
  return out;
}

const std::vector<TruthRow>& truth_table() {
  static const std::vector<TruthRow> rows = {
      truth(Signal::core_service_map, "The catalogue says that this core service needs the other one."),
      truth(Signal::core_service_fields, "core_service or core_services attaches one to the other."),
      truth(Signal::wait_for_url, "The start waits until a URL of the other one answers."),
      truth(Signal::wait_for_dir, "The start waits for a directory on a mount of the other one."),
      truth(Signal::wait_for_mounts, "The start waits for a mount of the other one."),
      truth(Signal::rclone_provider_zurg, "This rclone instance mounts what zurg serves."),
      truth(Signal::rclone_provider_decypharr, "This rclone instance mounts what Decypharr serves."),
      truth(Signal::rclone_provider_nzbdav, "This rclone instance mounts what NzbDAV serves."),
      truth(Signal::zilean_optional_integration, "Can search through Zilean; the start never waits for it."),
      truth(Signal::non_core_dependency_map, "The catalogue says that this service needs the other one."),
      truth(Signal::conditional_startup_map, "Starts after the other one when that one is enabled."),
      truth(Signal::documented_integration,
            "Can be connected to the other one; the start never waits for it."),
      truth(Signal::depends_on, "The configuration names the other one in depends_on."),
  };
  return rows;
}

}  // namespace dumb::graph
