#include "graph/rows.hpp"

#include <algorithm>
#include <map>

namespace dumb::graph {
namespace {

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

/// Longest distances between units, followed in an order that reaches each unit after all before it.
struct Distances {
  std::map<Index, std::vector<Index>> members;  ///< by unit: those of the processes that were reached
  std::map<Index, std::int64_t> far;            ///< by unit
};

}  // namespace

RowState state_of(const Model& model, const Statuses& statuses, const std::vector<Index>& processes) {
  if (processes.empty()) return RowState::missing;
  bool enabled = false;
  bool known = false;
  for (const Index index : processes) {
    const Process& process = model.process(index);
    const auto status = statuses.find(process.name);
    if (status != statuses.end() && status->second == "running") return RowState::running;
    enabled = enabled || process.enabled;
    known = known || (process.enabled && status != statuses.end() && status->second != "unknown");
  }
  if (!enabled) return RowState::disabled;
  return known ? RowState::stopped : RowState::unknown;
}

IndexList TableRows::matched(std::string_view key, std::string_view core_key) const {
  const Model::Impl& impl = model_.impl();
  IndexList found = impl.of_key(key);
  if (tables().scoped(key))
    std::erase_if(found, [&](Index index) { return !impl.facts[index].has_ref(core_key); });
  std::sort(found.begin(), found.end(),
            [&](Index a, Index b) { return impl.facts[a].position < impl.facts[b].position; });
  return found;
}

/// DEP-18: `needed` was found to depend on what needs it, so it starts after it.
bool TableRows::companion(Index needed, Index of) const {
  return model_.impl().edge_before(needed, of, tabled) && !model_.impl().edge_before(of, needed, tabled);
}

DependencyRow TableRows::dependency(const std::string& key, Signal signal) const {
  const IndexList found = matched(key, self_.process.key);
  DependencyRow row;
  row.key = key;
  row.label = tables().display_name(key);
  row.state = state(found);
  row.process_count = found.size();
  row.scoped = tables().scoped(key);
  const auto enabled =
      std::find_if(found.begin(), found.end(), [&](Index index) { return model_.process(index).enabled; });
  if (!found.empty())
    row.starter_process_name = model_.process(enabled == found.end() ? found.front() : *enabled).name;
  row.signals = {signal};
  IndexList candidates = found;
  if (enabled != found.end())
    std::erase_if(candidates, [&](Index index) { return !model_.process(index).enabled; });
  const bool after =
      !candidates.empty() && std::all_of(candidates.begin(), candidates.end(),
                                         [&](Index index) { return companion(index, process_); });
  row.order = after ? "after" : "before";
  return row;
}

std::vector<DependencyRow> TableRows::dependencies() const {
  std::vector<DependencyRow> rows;
  const KeyRow* own = tables().find(self_.process.key);
  if (own == nullptr) return rows;
  for (const std::string& key : self_.requires_) rows.push_back(dependency(key, Signal::core_service_map));
  for (const std::string& key : own->links.hard_links) {
    if (std::find(self_.requires_.begin(), self_.requires_.end(), key) == self_.requires_.end())
      rows.push_back(dependency(key, Signal::non_core_dependency_map));
  }
  return rows;
}

std::vector<std::string> TableRows::core_needs(std::string_view key) const {
  const Model::Impl& impl = model_.impl();
  const KeyRow* row = tables().find(key);
  const auto processes = impl.by_key.find(key);
  std::vector<std::string> needs;
  if (row == nullptr) return needs;
  if (processes == impl.by_key.end()) return row->links.requires_;
  for (const std::string& need : row->links.requires_) {
    const bool in_effect = std::any_of(processes->second.begin(), processes->second.end(), [&](Index index) {
      const std::vector<std::string>& own = impl.facts[index].requires_;
      return std::find(own.begin(), own.end(), need) != own.end();
    });
    if (in_effect) needs.push_back(need);
  }
  return needs;
}

std::vector<std::pair<std::string, Signal>> TableRows::needs_of_key(std::string_view key) const {
  std::vector<std::pair<std::string, Signal>> needs;
  for (std::string& need : core_needs(key)) needs.emplace_back(std::move(need), Signal::core_service_map);
  if (const KeyRow* row = tables().find(key)) {
    for (const std::string& need : row->links.hard_links)
      needs.emplace_back(need, Signal::non_core_dependency_map);
  }
  return needs;
}

std::vector<DependentRow> TableRows::dependents() const {
  std::vector<DependentRow> rows;
  const KeyRow* own = tables().find(self_.process.key);
  if (own == nullptr) return rows;
  std::vector<std::string> keys = own->mentioned_by;
  std::sort(keys.begin(), keys.end());
  for (const std::string& key : keys) {
    const IndexList processes = model_.impl().of_key(key);
    if (processes.empty() || (own->links.scoped && !self_.has_ref(key))) continue;
    const auto needs = needs_of_key(key);
    const auto need = std::find_if(needs.begin(), needs.end(),
                                   [&](const auto& one) { return one.first == self_.process.key; });
    if (need == needs.end()) continue;
    const bool only_companion =
        own->links.scoped && std::all_of(processes.begin(), processes.end(),
                                         [&](Index index) { return companion(process_, index); });
    if (only_companion) continue;
    DependentRow row;
    row.key = key;
    row.label = tables().display_name(key);
    row.state = state(processes);
    for (const auto& [needed, signal] : needs) {
      if (state(matched(needed, key)) != RowState::running) add_once(row.missing_deps, needed);
    }
    row.signals = {need->second};
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<CoreServiceRow> TableRows::core_services() const {
  std::vector<CoreServiceRow> rows;
  for (const std::string& key : tables().core_keys)
    rows.push_back({tables().display_name(key), key, core_needs(key)});
  return rows;
}

std::int64_t TableRows::lowest_stage(const std::string& key, const std::vector<StageMembers>& stages) const {
  const IndexList candidates = matched(key, self_.process.key);
  for (const StageMembers& stage : stages) {
    for (const Index member : stage.members) {
      if (std::find(candidates.begin(), candidates.end(), member) != candidates.end()) return stage.stage;
    }
  }
  return 0;
}

namespace {

/// Follows edges from `process` until nothing new is met; `next(index, visit)` calls visit(neighbour).
template <class F>
Distances reach(const Ordering& ordering, Index process, F next) {
  Distances out;
  std::vector<Index> open{process};
  std::map<Index, bool> seen{{process, true}};
  while (!open.empty()) {
    const Index index = open.back();
    open.pop_back();
    out.members[ordering.unit[index]].push_back(index);
    next(index, [&](Index other) {
      if (seen.emplace(other, true).second) open.push_back(other);
    });
  }
  return out;
}

template <class Units, class F>
void measure(Distances& distances, const Ordering& ordering, Units begin, Units end, F next) {
  for (auto unit = begin; unit != end; ++unit) {
    const std::int64_t here = distances.far[unit->first];
    for (const Index index : unit->second) {
      next(index, [&](Index other) {
        const Index there = ordering.unit[other];
        if (there == unit->first) return;
        std::int64_t& far = distances.far[there];
        far = std::max(far, here + 1);
      });
    }
  }
}

}  // namespace

std::vector<StageMembers> stages_of(const Model& model, const Ordering& ordering, Index process) {
  const auto counts = [&](const Edge& edge) { return edge.signals.hard() && !ordering.relaxed(edge); };
  const auto needs = [&](Index index, auto visit) {
    for (const Edge& edge : model.outgoing(index)) {
      if (counts(edge)) visit(edge.target);
    }
  };
  const auto needed_by = [&](Index index, auto visit) {
    for (const Index source : model.incoming(index)) {
      if (model.process(source).enabled && counts(*model.edge(source, index))) visit(source);
    }
  };
  const Index own_unit = ordering.unit[process];
  std::map<std::int64_t, std::vector<Index>> stages;
  stages[0].push_back(process);

  // Dependencies have lower numbers than their dependents, so one pass in this order is enough.
  Distances before = reach(ordering, process, needs);
  measure(before, ordering, before.members.rbegin(), before.members.rend(), needs);
  // The other members of the process's own cycle stand between it and what the cycle needs.
  const std::int64_t own_cycle = before.members[own_unit].size() > 1 ? 1 : 0;
  for (const auto& [unit, members] : before.members) {
    for (const Index member : members) {
      if (member != process) stages[unit == own_unit ? -1 : -before.far[unit] - own_cycle].push_back(member);
    }
  }
  Distances after = reach(ordering, process, needed_by);
  measure(after, ordering, after.members.begin(), after.members.end(), needed_by);
  for (const auto& [unit, members] : after.members) {
    if (unit == own_unit) continue;
    for (const Index member : members) stages[after.far[unit]].push_back(member);
  }
  std::vector<StageMembers> out;
  for (auto& [stage, members] : stages) out.push_back({stage, std::move(members)});
  return out;
}

}  // namespace dumb::graph
