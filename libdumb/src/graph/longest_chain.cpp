#include <algorithm>
#include <dumb/graph/plan.hpp>
#include <limits>
#include <unordered_map>

namespace dumb::graph {
namespace {

using Numbers = std::vector<std::size_t>;

constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

/// The processes of a plan by their place in `order`, which is by level and then by name.
struct Places {
  explicit Places(const Plan& plan) : needs(plan.order.size()), level(plan.order.size()) {
    std::unordered_map<std::string_view, std::size_t> place;
    for (std::size_t i = 0; i < plan.order.size(); ++i) place.emplace(plan.order[i], i);
    for (const PlanGroup& group : plan.groups) {
      for (const std::string& member : group.members) level[place.at(member)] = group.level;
    }
    for (const PlanEdge& edge : plan.edges) {
      if (edge.relaxed || edge.strength == Strength::soft_linkage) continue;
      needs[place.at(edge.source)].push_back(place.at(edge.target));
    }
  }
  std::vector<Numbers> needs;
  std::vector<std::int64_t> level;
};

/// The first need one level lower, of `from` or of what shares a contracted cycle with it.
std::size_t one_lower(const Places& places, std::size_t from) {
  Numbers open{from};
  std::size_t best = none;
  for (std::size_t next = 0; next < open.size(); ++next) {
    for (const std::size_t need : places.needs[open[next]]) {
      if (places.level[need] == places.level[from] - 1) best = std::min(best, need);
      const bool same = places.level[need] == places.level[from];
      if (same && std::find(open.begin(), open.end(), need) == open.end()) open.push_back(need);
    }
  }
  return best;
}

}  // namespace

std::vector<std::string> longest_chain(const Plan& plan) {
  std::vector<std::string> chain;
  if (plan.groups.empty() || plan.groups.back().members.empty()) return chain;
  const Places places(plan);
  std::size_t at = plan.order.size() - plan.groups.back().members.size();
  for (; at != none; at = one_lower(places, at)) chain.push_back(plan.order[at]);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

}  // namespace dumb::graph
