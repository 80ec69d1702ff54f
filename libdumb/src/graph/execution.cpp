// What the executor of starts and stops works with: who waits for whom among the processes it is about.
#include <algorithm>
#include <dumb/graph/plan.hpp>
#include <queue>

#include "graph/components.hpp"

namespace dumb::graph {
namespace {

/// Names in an order in which everything comes after what `before` gives for it; what a cycle keeps from
/// that comes last.
struct Sorted {
  std::vector<std::string> order;
  std::size_t acyclic = 0;  ///< how many of `order` are in order
};

using Sources = std::map<std::string, std::set<std::string>>;

Sorted sorted_after(const Sources& before) {
  std::map<std::string, std::vector<std::string>> following;
  std::map<std::string, std::size_t> open;
  std::priority_queue<std::string, std::vector<std::string>, std::greater<>> ready;
  for (const auto& [name, sources] : before) {
    open[name] = sources.size();
    if (sources.empty()) ready.push(name);
    for (const std::string& source : sources) following[source].push_back(name);
  }
  Sorted out;
  while (!ready.empty()) {
    std::string name = ready.top();
    ready.pop();
    open.erase(name);
    for (const std::string& next : following[name]) {
      if (--open[next] == 0) ready.push(next);
    }
    out.order.push_back(std::move(name));
  }
  out.acyclic = out.order.size();
  for (const auto& [name, count] : open) out.order.push_back(name);
  return out;
}

}  // namespace

Needs start_needs(const Model& model, const std::set<std::string>& of) {
  Needs needs;
  std::vector<Index> nodes;
  for (const std::string& name : of) {  // in byte order
    needs[name];
    const Index* index = model.find(name);
    if (index != nullptr && model.process(*index).key != "dumb_api_service") nodes.push_back(*index);
  }
  const HardGraph graph = hard_graph(model, std::move(nodes));
  const auto name = [&](Index node) -> const std::string& { return model.process(graph.nodes[node]).name; };
  for (const std::vector<Index>& members : graph.members) {
    std::map<std::string, Need> together;
    for (const Index node : members) {
      for (Index at = graph.edges.begin[node]; at < graph.edges.begin[node + 1]; ++at) {
        const Index target = graph.edges.targets[at];
        const Index unit = graph.units.of[target];
        if (unit == graph.units.of[node] || graph.relaxed(node, at)) continue;
        const Edge& edge = *model.edge(graph.nodes[node], graph.nodes[target]);
        for (const Index other : graph.members[unit]) {
          Need& need = together.try_emplace(name(other), Need{Condition::started, Strength::hard_configured})
                           .first->second;
          need.strength = std::min(need.strength, edge.signals.strength());
          if (other == target) need.condition = std::max(need.condition, edge.condition);
        }
      }
    }
    for (const Index node : members) needs[name(node)] = together;
  }
  return needs;
}

std::map<std::string, StopStep> stop_steps(const std::map<std::string, std::size_t>& tier_of,
                                           const Needs& needs) {
  Sources before;  // dependents of each
  for (const auto& [name, tier] : tier_of) before[name];
  for (const auto& [name, targets] : needs) {
    if (!tier_of.contains(name)) continue;
    for (const auto& [target, need] : targets) {
      if (target != name && tier_of.contains(target)) before[target].insert(name);
    }
  }
  const Sorted sorted = sorted_after(before);
  const std::set<std::string> circular(sorted.order.begin() + static_cast<std::ptrdiff_t>(sorted.acyclic),
                                       sorted.order.end());
  std::map<std::string, StopStep> steps;
  std::size_t circular_tier = 0;
  for (const std::string& name : sorted.order) {
    StopStep& step = steps[name];
    step.tier = tier_of.at(name);
    for (const std::string& source : before[name]) {
      if (circular.contains(name) && circular.contains(source)) continue;
      step.tier = std::max(step.tier, steps[source].tier);
      step.after.insert(source);
    }
    if (circular.contains(name)) circular_tier = std::max(circular_tier, step.tier);
  }
  for (const std::string& name : circular) steps[name].tier = circular_tier;
  return steps;
}

std::vector<std::vector<std::string>> stop_groups(const std::map<std::string, std::size_t>& tier_of,
                                                  const Needs& needs) {
  const std::map<std::string, StopStep> steps = stop_steps(tier_of, needs);
  Sources before;
  for (const auto& [name, step] : steps) before[name] = step.after;
  std::map<std::string, std::size_t> depth;
  std::map<std::pair<std::size_t, std::size_t>, std::set<std::string>> groups;  // tier, depth in it
  for (const std::string& name : sorted_after(before).order) {
    const StopStep& step = steps.at(name);
    std::size_t here = 0;
    for (const std::string& source : step.after) {
      if (steps.at(source).tier == step.tier) here = std::max(here, depth[source] + 1);
    }
    depth[name] = here;
    groups[{step.tier, here}].insert(name);
  }
  std::vector<std::vector<std::string>> out;
  for (const auto& [place, names] : groups) out.emplace_back(names.begin(), names.end());
  return out;
}

CriticalPath critical_path(const Needs& needs, const std::map<std::string, double>& seconds) {
  Sources before;
  for (const auto& [name, targets] : needs) {
    before[name];
    for (const auto& [target, need] : targets) {
      if (needs.contains(target)) before[name].insert(target);
    }
  }
  std::map<std::string, CriticalStep> steps;
  std::map<std::string, std::string> follows;  // what a process waited for last
  const CriticalStep* last = nullptr;
  for (const std::string& name : sorted_after(before).order) {
    CriticalStep step{name, 0, 0};
    for (const std::string& need : before[name]) {
      const auto done = steps.find(need);
      if (done == steps.end()) continue;
      if (!follows.contains(name) || done->second.finish > step.begin) follows[name] = need;
      step.begin = std::max(step.begin, done->second.finish);
    }
    const auto takes = seconds.find(name);
    step.finish = step.begin + (takes == seconds.end() ? 0 : std::max(0.0, takes->second));
    const CriticalStep& stored = steps[name] = step;
    if (last == nullptr || stored.finish > last->finish ||
        (stored.finish == last->finish && stored.process_name < last->process_name))
      last = &stored;
  }
  CriticalPath path;
  if (last == nullptr) return path;
  path.makespan = last->finish;
  path.chain.push_back(*last);
  for (auto at = follows.find(last->process_name); at != follows.end(); at = follows.find(at->second))
    path.chain.push_back(steps.at(at->second));
  std::reverse(path.chain.begin(), path.chain.end());
  return path;
}

}  // namespace dumb::graph
