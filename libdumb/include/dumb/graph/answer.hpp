#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <dumb/graph/plan.hpp>

/// The bodies of GET /process/dependency-graph and of the graph part of GET /process. Pure.
namespace dumb::graph {

struct ContextCore {
  std::string key;
  std::string name;
  std::vector<std::string> dependencies;
};
BOOST_DESCRIBE_STRUCT(ContextCore, (), (key, name, dependencies))
struct Context {
  std::string mode;  ///< "core" or "dependency"
  std::string key;
  ContextCore core;
};
BOOST_DESCRIBE_STRUCT(Context, (), (mode, key, core))

struct OrderRow {
  std::string key, label;
  RowState state{};
  std::vector<Signal> signals;
  Classification classification{};
  Strength strength{};
};
BOOST_DESCRIBE_STRUCT(OrderRow, (), (key, label, state, signals, classification, strength))

struct DependencyRow {
  std::string key, label;
  RowState state{};
  std::uint64_t process_count = 0;
  bool scoped = false;
  std::optional<std::string> starter_process_name;
  std::vector<Signal> signals;
  Classification classification{};
  Strength strength{};
  std::string order;  ///< "before", or "after" for a companion
};
BOOST_DESCRIBE_STRUCT(DependencyRow, (),
                      (key, label, state, process_count, scoped, starter_process_name, signals,
                       classification, strength, order))

struct DependentRow {
  std::string key, label;
  RowState state{};
  std::vector<std::string> missing_deps;
  std::vector<Signal> signals;
  Classification classification{};
  Strength strength{};
};
BOOST_DESCRIBE_STRUCT(DependentRow, (), (key, label, state, missing_deps, signals, classification, strength))

struct LinkedRow {
  std::string process_name, key, label;
  RowState state{};
  std::vector<Signal> signals;
  Classification classification{};
  Strength strength{};
};
BOOST_DESCRIBE_STRUCT(LinkedRow, (), (process_name, key, label, state, signals, classification, strength))

struct NodeRow {
  std::string id, process_name, key, label;
  RowState state{};
};
BOOST_DESCRIBE_STRUCT(NodeRow, (), (id, process_name, key, label, state))

struct ParallelGroup {
  std::string id, label, type;
  std::vector<std::string> members;
};
BOOST_DESCRIBE_STRUCT(ParallelGroup, (), (id, label, type, members))

struct Stage {
  std::int64_t stage = 0;
  std::vector<std::string> members;
};
BOOST_DESCRIBE_STRUCT(Stage, (), (stage, members))

struct CoreServiceRow {
  std::string name, key;
  std::vector<std::string> dependencies;
};
BOOST_DESCRIBE_STRUCT(CoreServiceRow, (), (name, key, dependencies))

/// GET /process/dependency-graph (DEP-22). The caller fills `processes` with the entries of
/// GET /process/processes, their `config` cut down by shown_config().
struct GraphAnswer {
  std::string process_name, config_key;
  Scope scope{};
  Context context;
  std::vector<OrderRow> startup_order;
  std::vector<DependencyRow> dependency_rows;
  std::vector<DependentRow> dependent_rows;
  std::vector<LinkedRow> linked_outgoing_rows, linked_incoming_rows;
  std::vector<NodeRow> nodes;
  std::vector<EdgeRow> edges;
  std::vector<ParallelGroup> parallel_groups;
  std::vector<Stage> startup_stages;
  std::string updated_at;
  std::vector<TruthRow> dependency_truth_table;
  std::vector<CoreServiceRow> core_services;
  json::array processes;
  std::map<std::string, std::string> statuses;
  std::string edge_direction = "depends_on";
  std::vector<Cycle> cycles;
  std::vector<Missing> missing;
};
BOOST_DESCRIBE_STRUCT(GraphAnswer, (),
                      (process_name, config_key, scope, context, startup_order, dependency_rows,
                       dependent_rows, linked_outgoing_rows, linked_incoming_rows, nodes, edges,
                       parallel_groups, startup_stages, updated_at, dependency_truth_table, core_services,
                       processes, statuses, edge_direction, cycles, missing))

/// `ordering` is order_of(model).
GraphAnswer answer(const Model& model, const Ordering& ordering, const Statuses& statuses, Index process,
                   Scope scope, WallTime now);

/// What GET /process adds (DEP-34).
struct ProcessGraph {
  Scope scope{};
  std::vector<ParallelGroup> parallel_groups;
  std::vector<EdgeRow> edges;
};
BOOST_DESCRIBE_STRUCT(ProcessGraph, (), (scope, parallel_groups, edges))
ProcessGraph process_graph(const Model& model, Index process, Scope scope);

/// The members of a process's block that its entry in `processes` shows, without credentials (DEP-32).
json::object shown_config(const json::object& block);

/// State of a set of processes (DEP-23).
RowState state_of(const Model& model, const Statuses& statuses, const std::vector<Index>& processes);

}  // namespace dumb::graph
