#include <algorithm>
#include <cmath>
#include <dumb/supervisor/shutdown.hpp>

namespace dumb::supervisor {
namespace {

using std::chrono::milliseconds;

struct Share {
  milliseconds wanted{0};
  milliseconds least{0};
  bool at_least = false;  // gets `least`, its part of the rest would be smaller
};

Share share_of(const StopGroup& group) {
  Share share;
  for (const auto& [name, plan] : group) {
    share.wanted = std::max(share.wanted, plan.grace + plan.quit_grace);
    if (plan.reserve > milliseconds(0)) {
      share.least = std::max(share.least, std::min(plan.reserve, plan.grace) + plan.quit_grace);
    }
  }
  return share;
}

/// The part of its wish every group gets that does not fall below its least.
double factor_of(std::vector<Share>& shares, milliseconds have) {
  for (;;) {
    double left = static_cast<double>(have.count());
    double wanted = 0;
    for (const Share& share : shares) {
      if (share.at_least) {
        left -= static_cast<double>(share.least.count());
      } else {
        wanted += static_cast<double>(share.wanted.count());
      }
    }
    const double factor = wanted > 0 ? std::clamp(left / wanted, 0.0, 1.0) : 0.0;
    bool settled = true;
    for (Share& share : shares) {
      if (share.at_least ||
          factor * static_cast<double>(share.wanted.count()) >= static_cast<double>(share.least.count())) {
        continue;
      }
      share.at_least = true;
      settled = false;
    }
    if (settled) return factor;
  }
}

}  // namespace

StopGroup fit_graces(const std::vector<StopGroup>& groups, milliseconds budget) {
  std::vector<Share> shares;
  for (const StopGroup& group : groups) shares.push_back(share_of(group));
  const double factor = factor_of(shares, std::max(milliseconds(0), budget - unmount_reserve));
  StopGroup fitted;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto part =
        milliseconds(std::llround(std::floor(factor * static_cast<double>(shares[i].wanted.count()))));
    const milliseconds time = shares[i].at_least ? shares[i].least : part;
    for (auto [name, plan] : groups[i]) {
      const milliseconds least = std::min(plan.reserve, plan.grace);
      plan.grace = std::clamp(time - plan.quit_grace, least, plan.grace);
      fitted.emplace(name, plan);
    }
  }
  return fitted;
}

}  // namespace dumb::supervisor
