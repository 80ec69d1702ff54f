#pragma once

#include <chrono>
#include <dumb/base/clock.hpp>
#include <dumb/graph/model.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

/// Orders: the start plan, what each process waits for at start and at stop, and the critical path. Pure.
namespace dumb::graph {

/// The order of all processes of a model, disabled ones too (DEP-40). Compute it once per model and keep it
/// beside; answers need it. Vectors are by Index.
struct Ordering {
  static constexpr Index none = static_cast<Index>(-1);
  /// Processes that start together: a contracted cycle, or one alone. A dependency's number is lower.
  std::vector<Index> unit;
  std::vector<Index> component;  ///< the cycle of DEP-40's first pass a process is in, or `none`
  std::vector<Cycle> cycles;     ///< by component, sorted by members
  /// Whether the edge is left out to break a cycle.
  bool relaxed(const Edge& edge) const {
    return edge.signals.strength() == Strength::hard_configured && component[edge.source] != none &&
           component[edge.source] == component[edge.target];
  }
};
Ordering order_of(const Model& model);

struct PlanOptions {
  std::string process_name{};  ///< exact; only it and its transitive prerequisites; "" = everything
  bool include_disabled = false;
  Scope scope = Scope::runtime;  ///< `all`: edges that are only links too; they order nothing
};

struct PlanGroup {
  std::string id;     ///< "level_0"
  std::string label;  ///< "Level 0"
  std::string type = "parallel";
  std::int64_t level = 0;
  std::vector<std::string> members;
  bool operator==(const PlanGroup&) const = default;
};
BOOST_DESCRIBE_STRUCT(PlanGroup, (), (id, label, type, level, members))

struct PlanEdge {
  std::string source;
  std::string target;
  std::vector<Signal> signals;
  Strength strength{};
  Classification classification{};
  bool relaxed = false;
  std::optional<Condition> condition{};  ///< as in EdgeRow
  bool operator==(const PlanEdge&) const = default;
  static constexpr std::array<std::string_view, 1> omit_empty{"condition"};
};
BOOST_DESCRIBE_STRUCT(PlanEdge, (), (source, target, signals, strength, classification, relaxed, condition))

/// GET /process/startup-plan (DEP-43).
struct Plan {
  bool ok = true;
  std::uint64_t generation = 0;
  std::string updated_at;
  std::uint64_t node_count = 0;
  std::uint64_t edge_count = 0;
  std::vector<PlanGroup> groups;
  std::vector<std::string> order;
  std::vector<PlanEdge> edges;  ///< by (source, target)
  std::vector<PlanGroup> shutdown_groups;
  std::vector<std::string> shutdown_order;
  std::vector<Cycle> cycles;
  std::vector<Missing> missing;
  std::vector<std::string> duplicates;
  std::string edge_direction = "depends_on";
};
BOOST_DESCRIBE_STRUCT(Plan, (),
                      (ok, generation, updated_at, node_count, edge_count, groups, order, edges,
                       shutdown_groups, shutdown_order, cycles, missing, duplicates, edge_direction))

/// The start plan of the enabled processes (DEP-36 to DEP-43). Fails with Errc::not_found when
/// `options.process_name` names no process.
Result<Plan> plan(const Model& model, const PlanOptions& options, WallTime now);

/// A longest chain of processes that start one after another, in that order: one per level of `plan`. Of
/// several the one with the smaller names, from the end. Empty for an empty plan.
std::vector<std::string> longest_chain(const Plan& plan);

/// What one process waits for in another.
struct Need {
  Condition condition = Condition::started;
  Strength strength = Strength::hard_runtime;
  bool operator==(const Need&) const = default;
};
/// Names waited for.
using Waits = std::map<std::string, Need>;
/// Process name -> names it waits for.
using Needs = std::map<std::string, Waits>;

/// What each of `of` waits for among `of` when it is started. Every name of `of` is a key, enabled or not,
/// also one that is no process of the model. Free of cycles: hard edges with cycles relaxed and contracted
/// (DEP-40); who needs one member of a contracted cycle waits for all of them, and each member for what any
/// of them needs.
Needs start_needs(const Model& model, const std::set<std::string>& of);
/// The given processes and everything they need, transitively; only enabled ones are added.
std::set<std::string> with_prerequisites(const Model& model, const std::set<std::string>& of);
/// The given processes and everything of `among` that needs them, transitively: what to stop first.
std::set<std::string> with_dependents(const Model& model, const std::set<std::string>& of,
                                      const std::set<std::string>& among);

/// When one process may be stopped: after every process of `after` is gone and every process with a lower
/// `tier` is.
struct StopStep {
  std::size_t tier = 0;
  std::set<std::string> after;  ///< the ones that wait for it at start: the exact reverse (DEP-44)
  bool operator==(const StopStep&) const = default;
};
/// `tier_of`: name -> tier of LIF-73, lowest stops first. A process that a later tier needs is moved to
/// that one, so tiers never contradict an edge. Every name of `tier_of` is a key of the result.
std::map<std::string, StopStep> stop_steps(const std::map<std::string, std::size_t>& tier_of,
                                           const Needs& needs);
/// The same as groups to stop one after another, members of a group together.
std::vector<std::vector<std::string>> stop_groups(const std::map<std::string, std::size_t>& tier_of,
                                                  const Needs& needs);

/// One process on the critical path, in order of time; times are counted from the begin of the start.
struct CriticalStep {
  std::string process_name;
  double begin = 0;   ///< seconds
  double finish = 0;  ///< seconds
  bool operator==(const CriticalStep&) const = default;
};
BOOST_DESCRIBE_STRUCT(CriticalStep, (), (process_name, begin, finish))
struct CriticalPath {
  double makespan = 0;  ///< seconds until everything is ready when nothing waits longer than it must
  std::vector<CriticalStep> chain;
  bool operator==(const CriticalPath&) const = default;
};
BOOST_DESCRIBE_STRUCT(CriticalPath, (), (makespan, chain))
/// `seconds`: how long each process takes from its start until it is ready; 0 for one that is not there. Of
/// equally long chains the one with the smaller names, from the end.
CriticalPath critical_path(const Needs& needs, const std::map<std::string, double>& seconds);

/// "2026-02-11T12:00:00Z".
std::string timestamp(WallTime time);

}  // namespace dumb::graph
