#include "graph/components.hpp"

#include <algorithm>
#include <dumb/base/text.hpp>

namespace dumb::graph {
namespace {

constexpr Index unseen = static_cast<Index>(-1);

/// Tarjan's algorithm with its own stack.
class Search {
 public:
  explicit Search(const Adjacency& graph)
      : graph_(graph), number_(graph.size(), unseen), low_(graph.size(), 0) {
    result_.of.assign(graph.size(), unseen);
  }

  Components run() {
    for (Index root = 0; root < graph_.size(); ++root) {
      if (number_[root] == unseen) walk(root);
    }
    return std::move(result_);
  }

 private:
  struct Frame {
    Index node;
    Index next;
  };

  void open(Index node) {
    number_[node] = low_[node] = counter_++;
    open_.push_back(node);
    frames_.push_back({node, graph_.begin[node]});
  }

  void walk(Index root) {
    open(root);
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (frame.next < graph_.begin[frame.node + 1]) {
        const Index node = frame.node;
        const Index target = graph_.targets[frame.next++];
        if (number_[target] == unseen) {
          open(target);
        } else if (result_.of[target] == unseen) {
          low_[node] = std::min(low_[node], number_[target]);
        }
        continue;
      }
      close();
    }
  }

  void close() {
    const Index node = frames_.back().node;
    frames_.pop_back();
    if (!frames_.empty()) {
      Index& above = low_[frames_.back().node];
      above = std::min(above, low_[node]);
    }
    if (low_[node] != number_[node]) return;
    const auto component = static_cast<Index>(result_.size.size());
    result_.size.push_back(0);
    for (Index member = unseen; member != node;) {
      member = open_.back();
      open_.pop_back();
      result_.of[member] = component;
      ++result_.size[component];
    }
  }

  const Adjacency& graph_;
  Components result_;
  std::vector<Index> number_, low_, open_;
  std::vector<Frame> frames_;
  Index counter_ = 0;
};

/// A shortest closed walk through `start` in its component, smallest names first (DEP-41).
std::vector<Index> shortest_cycle(const HardGraph& graph, Index start, const std::vector<Index>& members) {
  const Index component = graph.first.of[start];
  // Distances to `start`, found backwards; members are ascending, so a position can be looked up.
  const auto place = [&](Index node) {
    return static_cast<std::size_t>(std::lower_bound(members.begin(), members.end(), node) - members.begin());
  };
  std::vector<std::vector<Index>> sources(members.size());
  for (const Index node : members) {
    for (Index at = graph.edges.begin[node]; at < graph.edges.begin[node + 1]; ++at) {
      const Index target = graph.edges.targets[at];
      if (graph.first.of[target] == component) sources[place(target)].push_back(node);
    }
  }
  std::vector<Index> distance(members.size(), unseen);
  std::vector<Index> queue{start};
  distance[place(start)] = 0;
  for (std::size_t head = 0; head < queue.size(); ++head) {
    const Index here = distance[place(queue[head])];
    for (const Index source : sources[place(queue[head])]) {
      Index& there = distance[place(source)];
      if (there != unseen) continue;
      there = here + 1;
      queue.push_back(source);
    }
  }
  std::vector<Index> path{start};
  do {
    const Index node = path.back();
    Index best = unseen;
    Index best_distance = unseen;
    for (Index at = graph.edges.begin[node]; at < graph.edges.begin[node + 1]; ++at) {
      const Index target = graph.edges.targets[at];
      if (graph.first.of[target] != component) continue;
      const Index far = distance[place(target)];
      if (far < best_distance || (far == best_distance && target < best)) {
        best = target;
        best_distance = far;
      }
    }
    path.push_back(best);
  } while (path.back() != start);
  return path;
}

Cycle describe(const Model& model, const HardGraph& graph, const std::vector<Index>& members) {
  const auto name = [&](Index node) -> const std::string& { return model.process(graph.nodes[node]).name; };
  Cycle cycle;
  cycle.resolved = true;
  for (const Index node : members) {
    cycle.members.push_back(name(node));
    if (graph.units.size[graph.units.of[node]] > 1) cycle.resolved = false;
    for (Index at = graph.edges.begin[node]; at < graph.edges.begin[node + 1]; ++at) {
      if (graph.relaxed(node, at)) cycle.relaxed_edges.push_back({name(node), name(graph.edges.targets[at])});
    }
  }
  const std::vector<Index> path = shortest_cycle(graph, members.front(), members);
  for (std::size_t i = 0; i < path.size(); ++i) {
    cycle.path.push_back(name(path[i]));
    if (i > 0) cycle.edges.push_back(model.row(*model.edge(graph.nodes[path[i - 1]], graph.nodes[path[i]])));
  }
  cycle.message = text::join(cycle.path, " -> ");
  return cycle;
}

}  // namespace

Components components_of(const Adjacency& graph) {
  return Search(graph).run();
}

HardGraph hard_graph(const Model& model, std::vector<Index> nodes) {
  HardGraph graph;
  graph.nodes = std::move(nodes);
  graph.node_of.assign(model.bound(), HardGraph::npos);
  for (Index node = 0; node < graph.nodes.size(); ++node) graph.node_of[graph.nodes[node]] = node;
  std::vector<std::pair<Index, Strength>> targets;
  for (const Index index : graph.nodes) {
    targets.clear();
    for (const Edge& edge : model.outgoing(index)) {
      const Strength strength = edge.signals.strength();
      const Index target = graph.node_of[edge.target];
      if (strength != Strength::soft_linkage && target != HardGraph::npos)
        targets.emplace_back(target, strength);
    }
    std::sort(targets.begin(), targets.end());
    for (const auto& [target, strength] : targets) {
      graph.edges.targets.push_back(target);
      graph.strength.push_back(strength);
    }
    graph.edges.close_node();
  }
  graph.first = components_of(graph.edges);
  Adjacency kept;
  for (Index node = 0; node < graph.nodes.size(); ++node) {
    for (Index at = graph.edges.begin[node]; at < graph.edges.begin[node + 1]; ++at) {
      if (!graph.relaxed(node, at)) kept.targets.push_back(graph.edges.targets[at]);
    }
    kept.close_node();
  }
  const bool some_relaxed = kept.targets.size() < graph.edges.targets.size();
  graph.units = some_relaxed ? components_of(kept) : graph.first;
  graph.members.resize(graph.units.size.size());
  for (Index node = 0; node < graph.nodes.size(); ++node) graph.members[graph.units.of[node]].push_back(node);
  return graph;
}

std::vector<Index> levels_of(const HardGraph& graph) {
  // Units are numbered dependencies first.
  std::vector<Index> level(graph.members.size(), 0);
  for (Index unit = 0; unit < graph.members.size(); ++unit) {
    for (const Index node : graph.members[unit]) {
      for (Index at = graph.edges.begin[node]; at < graph.edges.begin[node + 1]; ++at) {
        const Index other = graph.units.of[graph.edges.targets[at]];
        if (other != unit && !graph.relaxed(node, at)) level[unit] = std::max(level[unit], level[other] + 1);
      }
    }
  }
  return level;
}

std::vector<Cycle> cycles_of(const Model& model, const HardGraph& graph, std::vector<Index>& component_of) {
  std::vector<Cycle> cycles;
  std::vector<Index> order;  // components by their smallest member
  std::vector<std::vector<Index>> members(graph.first.size.size());
  for (Index node = 0; node < graph.nodes.size(); ++node) {
    if (!graph.in_cycle(node)) continue;
    std::vector<Index>& list = members[graph.first.of[node]];
    if (list.empty()) order.push_back(graph.first.of[node]);
    list.push_back(node);
  }
  for (const Index component : order) {
    cycles.push_back(describe(model, graph, members[component]));
    component_of.push_back(component);
  }
  return cycles;
}

}  // namespace dumb::graph
