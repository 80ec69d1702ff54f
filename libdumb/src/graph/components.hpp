#pragma once

#include <dumb/graph/model.hpp>
#include <vector>

namespace dumb::graph {

/// Edges of some processes in one array, for walks: targets of node i are targets[begin[i]] up to begin[i +
/// 1].
struct Adjacency {
  std::vector<Index> begin{0};
  std::vector<Index> targets;

  std::size_t size() const noexcept { return begin.size() - 1; }
  /// Appends a node; add its targets first.
  void close_node() { begin.push_back(static_cast<Index>(targets.size())); }
};

/// Strongly connected components, numbered so that an edge between two of them goes from the higher to the
/// lower number. Without recursion.
struct Components {
  std::vector<Index> of;    ///< by node
  std::vector<Index> size;  ///< by component
};
Components components_of(const Adjacency& graph);

/// The hard edges among `nodes`, which are sorted by name; node i of the result is nodes[i].
struct HardGraph {
  std::vector<Index> nodes;    ///< model indexes
  std::vector<Index> node_of;  ///< by model index; npos for one that is not in it
  Adjacency edges;
  std::vector<Strength> strength;  ///< by edge
  Components first;                ///< over all edges
  Components units;                ///< with relaxed edges left out; members of one unit start together
  std::vector<std::vector<Index>> members;  ///< by unit, ascending

  static constexpr Index npos = static_cast<Index>(-1);

  bool in_cycle(Index node) const { return first.size[first.of[node]] > 1; }
  /// Whether the edge at position `at` from `node` is left out (DEP-40).
  bool relaxed(Index node, Index at) const {
    return strength[at] == Strength::hard_configured && first.of[node] == first.of[edges.targets[at]];
  }
};
HardGraph hard_graph(const Model& model, std::vector<Index> nodes);

/// DEP-38: by unit.
std::vector<Index> levels_of(const HardGraph& graph);
/// DEP-41, sorted by members; `component_of[i]` is the component of cycle i.
std::vector<Cycle> cycles_of(const Model& model, const HardGraph& graph, std::vector<Index>& component_of);

}  // namespace dumb::graph
