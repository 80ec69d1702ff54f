#pragma once

#include <dumb/graph/answer.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "graph/model_impl.hpp"

namespace dumb::graph {

struct StageMembers {
  std::int64_t stage = 0;
  std::vector<Index> members;
};
/// The true order around a process (DEP-52), by stage.
std::vector<StageMembers> stages_of(const Model& model, const Ordering& ordering, Index process);

/// The rows that come from the tables of the catalogue (DEP-25, DEP-26).
class TableRows {
 public:
  TableRows(const Model& model, const Statuses& statuses, Index process)
      : model_(model), statuses_(statuses), process_(process), self_(model.impl().facts[process]) {}

  const Tables& tables() const noexcept { return *model_.impl().tables; }
  RowState state(const IndexList& processes) const { return state_of(model_, statuses_, processes); }
  std::vector<DependencyRow> dependencies() const;
  std::vector<DependentRow> dependents() const;
  std::vector<CoreServiceRow> core_services() const;
  /// The lowest stage a process matched for a need of this one is in; 0 for none.
  std::int64_t lowest_stage(const std::string& key, const std::vector<StageMembers>& stages) const;

 private:
  /// Processes of `key` that count for a need of `core_key`, in document order.
  IndexList matched(std::string_view key, std::string_view core_key) const;
  DependencyRow dependency(const std::string& key, Signal signal) const;
  /// Core needs of all processes of a key (DEP-8), then its non-core needs, each with its signal.
  std::vector<std::pair<std::string, Signal>> needs_of_key(std::string_view key) const;
  std::vector<std::string> core_needs(std::string_view key) const;
  bool companion(Index needed, Index of) const;

  const Model& model_;
  const Statuses& statuses_;
  Index process_;
  const Facts& self_;
};

}  // namespace dumb::graph
