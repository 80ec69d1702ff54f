// GET /process/dependency-graph: everything around one process (DEP-22 to DEP-34, DEP-52).
#include <algorithm>
#include <dumb/graph/answer.hpp>

#include "graph/rows.hpp"

namespace dumb::graph {
namespace {

bool shown(const Edge& edge, Scope scope) {
  return scope == Scope::all || edge.signals.hard();
}

/// All edges from and to a process in scope.
std::vector<Edge> incident(const Model& model, Index process, Scope scope) {
  std::vector<Edge> edges;
  for (const Edge& edge : model.outgoing(process)) {
    if (shown(edge, scope)) edges.push_back(edge);
  }
  for (const Index source : model.incoming(process)) {
    const Edge& edge = *model.edge(source, process);
    if (shown(edge, scope)) edges.push_back(edge);
  }
  const auto name = [&](Index index) -> const std::string& { return model.process(index).name; };
  std::sort(edges.begin(), edges.end(), [&](const Edge& a, const Edge& b) {
    return a.source != b.source ? name(a.source) < name(b.source) : name(a.target) < name(b.target);
  });
  return edges;
}

std::vector<EdgeRow> rows_of(const Model& model, const std::vector<Edge>& edges) {
  std::vector<EdgeRow> rows;
  rows.reserve(edges.size());
  for (const Edge& edge : edges) rows.push_back(model.row(edge));
  return rows;
}

/// DEP-31.
std::vector<ParallelGroup> groups_of(const Model& model, Index process, const std::vector<Edge>& edges) {
  ParallelGroup before{"pre_core", "Parallel prerequisites", "parallel", {}};
  ParallelGroup after{"post_core", "Dependents", "parallel", {}};
  for (const Edge& edge : edges) {  // sorted by source, then target
    if (edge.source == process && edge.signals.hard())
      before.members.push_back(model.process(edge.target).name);
    if (edge.target == process) after.members.push_back(model.process(edge.source).name);
  }
  std::vector<ParallelGroup> groups;
  if (!before.members.empty()) groups.push_back(std::move(before));
  groups.push_back({"core_target", "Core target", "serial", {model.process(process).name}});
  if (!after.members.empty()) groups.push_back(std::move(after));
  return groups;
}

class Builder {
 public:
  Builder(const Model& model, const Statuses& statuses, Index process, Scope scope)
      : model_(model),
        rows_(model, statuses, process),
        self_(model.process(process)),
        process_(process),
        scope_(scope),
        edges_(incident(model, process, scope)) {}

  GraphAnswer run(const Ordering& ordering, const Statuses& statuses, WallTime now) {
    GraphAnswer out;
    out.process_name = self_.name;
    out.config_key = self_.key;
    out.scope = scope_;
    out.dependency_rows = rows_.dependencies();
    out.dependent_rows = rows_.dependents();
    const std::vector<StageMembers> stages = stages_of(model_, ordering, process_);
    context(out);
    startup_order(out, stages);
    linked(out);
    nodes(out);
    out.edges = rows_of(model_, edges_);
    out.parallel_groups = groups_of(model_, process_, edges_);
    for (const StageMembers& stage : stages) {
      Stage row{stage.stage, {}};
      for (const Index index : stage.members) row.members.push_back(model_.process(index).name);
      std::sort(row.members.begin(), row.members.end());
      out.startup_stages.push_back(std::move(row));
    }
    out.updated_at = timestamp(now);
    out.dependency_truth_table = truth_table();
    out.core_services = rows_.core_services();
    for (const Index index : model_.by_name()) {
      const std::string& name = model_.process(index).name;
      const auto status = statuses.find(name);
      out.statuses.emplace_hint(out.statuses.end(), name,
                                status == statuses.end() ? "unknown" : status->second);
    }
    if (const Index cycle = ordering.component[process_]; cycle != Ordering::none)
      out.cycles.push_back(ordering.cycles[cycle]);
    out.missing = model_.missing(process_);
    return out;
  }

 private:
  void context(GraphAnswer& out) const {
    const bool core = rows_.tables().tabled(self_.key);
    out.context.mode = core ? "core" : "dependency";
    out.context.key = self_.key;
    out.context.core.key = self_.key;
    const KeyRow* row = rows_.tables().find(self_.key);
    out.context.core.name = row != nullptr ? row->display_name : self_.name;
    for (const DependencyRow& need : out.dependency_rows) out.context.core.dependencies.push_back(need.key);
  }

  /// DEP-27.
  void startup_order(GraphAnswer& out, const std::vector<StageMembers>& stages) const {
    const RowState state = rows_.state({process_});
    if (out.context.mode != "core") {
      out.startup_order.push_back(
          {self_.key, self_.name, state, {}, Classification::hard, Strength::hard_configured});
      for (const DependentRow& row : out.dependent_rows)
        out.startup_order.push_back(
            {row.key, row.label, row.state, row.signals, row.classification, row.strength});
      return;
    }
    std::vector<std::pair<std::int64_t, const DependencyRow*>> before;
    for (const DependencyRow& row : out.dependency_rows) {
      if (row.order == "before") before.emplace_back(rows_.lowest_stage(row.key, stages), &row);
    }
    std::stable_sort(before.begin(), before.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto add = [&](const DependencyRow& row) {
      out.startup_order.push_back(
          {row.key, row.label, row.state, row.signals, row.classification, row.strength});
    };
    for (const auto& [stage, row] : before) add(*row);
    out.startup_order.push_back({self_.key,
                                 rows_.tables().display_name(self_.key),
                                 state,
                                 {Signal::core_service_map},
                                 Classification::hard,
                                 Strength::hard_runtime});
    for (const DependencyRow& row : out.dependency_rows) {
      if (row.order != "before") add(row);
    }
  }

  /// DEP-28.
  void linked(GraphAnswer& out) const {
    for (const Edge& edge : edges_) {
      if (edge.signals == Signals::of(Signal::core_service_map)) continue;
      const bool outgoing = edge.source == process_;
      const Index other = outgoing ? edge.target : edge.source;
      const Process& process = model_.process(other);
      const Strength strength = edge.signals.strength();
      LinkedRow row{process.name,
                    process.key,
                    process.name,
                    rows_.state({other}),
                    edge.signals.list(),
                    strength == Strength::soft_linkage ? Classification::linkage : Classification::hard,
                    strength};
      (outgoing ? out.linked_outgoing_rows : out.linked_incoming_rows).push_back(std::move(row));
    }
  }

  /// DEP-29.
  void nodes(GraphAnswer& out) const {
    std::vector<Index> ends{process_};
    for (const Edge& edge : edges_) ends.push_back(edge.source == process_ ? edge.target : edge.source);
    std::sort(ends.begin(), ends.end());
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    std::sort(ends.begin(), ends.end(),
              [&](Index a, Index b) { return model_.process(a).name < model_.process(b).name; });
    for (const Index index : ends) {
      const Process& process = model_.process(index);
      out.nodes.push_back({process.name, process.name, process.key, process.name, rows_.state({index})});
    }
  }

  const Model& model_;
  TableRows rows_;
  const Process& self_;
  Index process_;
  Scope scope_;
  std::vector<Edge> edges_;
};

}  // namespace

GraphAnswer answer(const Model& model, const Ordering& ordering, const Statuses& statuses, Index process,
                   Scope scope, WallTime now) {
  return Builder(model, statuses, process, scope).run(ordering, statuses, now);
}

ProcessGraph process_graph(const Model& model, Index process, Scope scope) {
  const std::vector<Edge> edges = incident(model, process, scope);
  return {scope, groups_of(model, process, edges), rows_of(model, edges)};
}

}  // namespace dumb::graph
