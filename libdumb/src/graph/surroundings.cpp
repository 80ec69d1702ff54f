#include <algorithm>
#include <dumb/graph/drawing.hpp>
#include <set>

namespace dumb::graph {

Plan surroundings(const GraphAnswer& answer) {
  Plan plan;
  plan.updated_at = answer.updated_at;
  std::set<std::string> placed;
  const auto add = [&](std::string id, std::string label, std::string type,
                       const std::vector<std::string>& members) {
    PlanGroup group;
    group.id = std::move(id);
    group.label = std::move(label);
    group.type = std::move(type);
    group.level = static_cast<std::int64_t>(plan.groups.size());
    for (const std::string& member : members) {
      if (placed.insert(member).second) group.members.push_back(member);
    }
    if (group.members.empty()) return;
    plan.order.insert(plan.order.end(), group.members.begin(), group.members.end());
    plan.groups.push_back(std::move(group));
  };
  for (const ParallelGroup& group : answer.parallel_groups)
    add(group.id, group.label, group.type, group.members);
  std::vector<std::string> rest;
  for (const NodeRow& node : answer.nodes) rest.push_back(node.process_name);
  add("linked", "Linked", "parallel", rest);
  for (const EdgeRow& edge : answer.edges)
    plan.edges.push_back({edge.source, edge.target, edge.signals, edge.strength, edge.classification, false});
  plan.node_count = plan.order.size();
  plan.edge_count = plan.edges.size();
  plan.shutdown_groups.assign(plan.groups.rbegin(), plan.groups.rend());
  plan.shutdown_order.assign(plan.order.rbegin(), plan.order.rend());
  plan.cycles = answer.cycles;
  plan.missing = answer.missing;
  return plan;
}

}  // namespace dumb::graph
