#include <fmt/format.h>
#include <algorithm>
#include <dumb/graph/plan.hpp>
#include <tuple>

#include "graph/components.hpp"

namespace dumb::graph {
namespace {

constexpr std::string_view own_key = "dumb_api_service";

/// Of the processes that `allowed` takes, those reachable from `start` over hard edges; marks by Index.
template <class F>
std::vector<char> prerequisites(const Model& model, std::vector<Index> open, F allowed) {
  std::vector<char> found(model.bound(), 0);
  for (const Index index : open) found[index] = 1;
  while (!open.empty()) {
    const Index index = open.back();
    open.pop_back();
    for (const Edge& edge : model.outgoing(index)) {
      if (found[edge.target] != 0 || !edge.signals.hard() || !allowed(model.process(edge.target))) continue;
      found[edge.target] = 1;
      open.push_back(edge.target);
    }
  }
  return found;
}

std::vector<Index> plan_nodes(const Model& model, const PlanOptions& options) {
  const auto takes_part = [&](const Process& process) {
    return process.key != own_key && (process.enabled || options.include_disabled);
  };
  std::vector<Index> nodes;
  if (options.process_name.empty()) {
    for (const Index index : model.by_name()) {
      if (takes_part(model.process(index))) nodes.push_back(index);
    }
    return nodes;
  }
  const Index start = *model.find(options.process_name);
  if (model.process(start).key == own_key) return nodes;
  const std::vector<char> found = prerequisites(model, {start}, takes_part);
  for (const Index index : model.by_name()) {
    if (found[index] != 0) nodes.push_back(index);
  }
  return nodes;
}

void add_groups(const Model& model, const HardGraph& graph, Plan& plan) {
  const std::vector<Index> levels = levels_of(graph);
  Index count = 0;
  for (const Index level : levels) count = std::max(count, level + 1);
  for (Index level = 0; level < count; ++level) {
    PlanGroup group;
    group.id = fmt::format("level_{}", level);
    group.label = fmt::format("Level {}", level);
    group.level = level;
    plan.groups.push_back(std::move(group));
  }
  for (Index node = 0; node < graph.nodes.size(); ++node)
    plan.groups[levels[graph.units.of[node]]].members.push_back(model.process(graph.nodes[node]).name);
  plan.order.reserve(graph.nodes.size());
  for (const PlanGroup& group : plan.groups)
    plan.order.insert(plan.order.end(), group.members.begin(), group.members.end());
  plan.shutdown_groups.assign(plan.groups.rbegin(), plan.groups.rend());
  plan.shutdown_order.assign(plan.order.rbegin(), plan.order.rend());
}

void add_edges(const Model& model, const HardGraph& graph, Plan& plan) {
  plan.edges.reserve(graph.edges.targets.size());
  for (Index node = 0; node < graph.nodes.size(); ++node) {
    for (Index at = graph.edges.begin[node]; at < graph.edges.begin[node + 1]; ++at) {
      EdgeRow row = model.row(*model.edge(graph.nodes[node], graph.nodes[graph.edges.targets[at]]));
      plan.edges.push_back({std::move(row.source), std::move(row.target), std::move(row.signals),
                            row.strength, row.classification, graph.relaxed(node, at), row.condition});
    }
  }
}

/// What is only linked; the levels are made without it.
void add_links(const Model& model, const HardGraph& graph, Plan& plan) {
  for (const Index source : graph.nodes) {
    for (const Edge& edge : model.outgoing(source)) {
      if (edge.signals.hard() || graph.node_of[edge.target] == HardGraph::npos) continue;
      EdgeRow row = model.row(edge);
      plan.edges.push_back({std::move(row.source), std::move(row.target), std::move(row.signals),
                            row.strength, row.classification, false, row.condition});
    }
  }
  std::sort(plan.edges.begin(), plan.edges.end(), [](const PlanEdge& a, const PlanEdge& b) {
    return std::tie(a.source, a.target) < std::tie(b.source, b.target);
  });
  plan.edge_count = plan.edges.size();
}

}  // namespace

std::string timestamp(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto days = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(seconds - days);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

Ordering order_of(const Model& model) {
  const HardGraph graph = hard_graph(model, model.by_name());
  Ordering ordering;
  ordering.unit.assign(model.bound(), Ordering::none);
  ordering.component.assign(model.bound(), Ordering::none);
  std::vector<Index> components;
  ordering.cycles = cycles_of(model, graph, components);
  std::vector<Index> cycle_of(graph.first.size.size(), Ordering::none);
  for (Index cycle = 0; cycle < components.size(); ++cycle) cycle_of[components[cycle]] = cycle;
  for (Index node = 0; node < graph.nodes.size(); ++node) {
    ordering.unit[graph.nodes[node]] = graph.units.of[node];
    ordering.component[graph.nodes[node]] = cycle_of[graph.first.of[node]];
  }
  return ordering;
}

Result<Plan> plan(const Model& model, const PlanOptions& options, WallTime now) {
  if (!options.process_name.empty() && model.find(options.process_name) == nullptr)
    return Error(Errc::not_found, "there is no process named '" + options.process_name + "'");
  const HardGraph graph = hard_graph(model, plan_nodes(model, options));
  Plan plan;
  plan.generation = model.generation();
  plan.updated_at = timestamp(now);
  plan.node_count = graph.nodes.size();
  plan.edge_count = graph.edges.targets.size();
  add_groups(model, graph, plan);
  add_edges(model, graph, plan);
  if (options.scope == Scope::all) add_links(model, graph, plan);
  std::vector<Index> components;
  plan.cycles = cycles_of(model, graph, components);
  for (const Index index : graph.nodes) {
    const std::vector<Missing>& missing = model.missing(index);
    plan.missing.insert(plan.missing.end(), missing.begin(), missing.end());
  }
  plan.duplicates = model.duplicates();
  plan.ok = std::all_of(plan.cycles.begin(), plan.cycles.end(), [](const Cycle& c) { return c.resolved; }) &&
            std::none_of(plan.missing.begin(), plan.missing.end(),
                         [](const Missing& row) { return row.severity == Severity::error; });
  return plan;
}

std::set<std::string> with_prerequisites(const Model& model, const std::set<std::string>& of) {
  std::vector<Index> open;
  for (const std::string& name : of) {
    if (const Index* index = model.find(name)) open.push_back(*index);
  }
  const auto allowed = [](const Process& process) { return process.enabled && process.key != own_key; };
  const std::vector<char> found = prerequisites(model, std::move(open), allowed);
  std::set<std::string> names = of;
  for (const Index index : model.by_name()) {
    if (found[index] != 0) names.insert(model.process(index).name);
  }
  return names;
}

std::set<std::string> with_dependents(const Model& model, const std::set<std::string>& of,
                                      const std::set<std::string>& among) {
  std::set<std::string> names = of;
  std::vector<Index> open;
  for (const std::string& name : of) {
    if (const Index* index = model.find(name)) open.push_back(*index);
  }
  while (!open.empty()) {
    const Index target = open.back();
    open.pop_back();
    for (const Index source : model.incoming(target)) {
      const std::string& name = model.process(source).name;
      if (!model.edge(source, target)->signals.hard() || !among.contains(name)) continue;
      if (names.insert(name).second) open.push_back(source);
    }
  }
  return names;
}

}  // namespace dumb::graph
