// Taking over a configuration: which processes changed, what that touches, and nothing else (DEP-46). A new
// model is the same with every process changed, so that both give one result.
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <unordered_set>

#include "graph/model_impl.hpp"

namespace dumb::graph {
namespace {

void unique(IndexList& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

const Edge* Model::Impl::edge(Index source, Index target) const {
  const std::vector<Edge>& edges = out[source];
  const auto found = std::lower_bound(edges.begin(), edges.end(), target,
                                      [](const Edge& e, Index t) { return e.target < t; });
  return found != edges.end() && found->target == target ? &*found : nullptr;
}

void Model::Impl::mark(Index index) {
  if (marked_[index] != 0 || facts[index].process.name.empty()) return;
  marked_[index] = 1;
  affected_.push_back(index);
}

/// The tables of their keys look at edges with the changed ones.
void Model::Impl::mark_mentioning(const IndexList& changed) {
  std::unordered_set<std::string_view> keys;
  for (const Index index : changed) {
    const KeyRow* row = tables->find(facts[index].process.key);
    if (row == nullptr || !keys.insert(facts[index].process.key).second) continue;
    for (const std::string& key : row->mentioned_by) {
      const auto found = by_key.find(key);
      if (found == by_key.end()) continue;
      for (const Index other : found->second) mark(other);
    }
  }
}

void Model::Impl::admit(const Facts& next) {
  Index index = 0;
  if (free_.empty()) {
    index = static_cast<Index>(facts.size());
    facts.emplace_back();
    for (auto& list : given) list.emplace_back();
    for (auto& list : lacking) list.emplace_back();
    reversed.emplace_back();
    out.emplace_back();
    in.emplace_back();
    missing.emplace_back();
    marked_.push_back(0);
  } else {
    index = free_.back();
    free_.pop_back();
  }
  facts[index] = next;
  by_exact.emplace(next.process.name, index);
  enter(index);
  mark(index);
  admitted_.push_back(index);
}

/// Takes away what the process published and gave; the slot is freed when nothing refers to it any more.
void Model::Impl::withdraw(Index index) {
  leave(index);
  by_exact.erase(facts[index].process.name);
  facts[index] = Facts();
  for (std::size_t phase = 0; phase < phase_count; ++phase) recompute(static_cast<Phase>(phase), index);
  missing[index].clear();
  if (marked_[index] != 0) std::erase(affected_, index);
  marked_[index] = 0;
  withdrawn_.push_back(index);
}

/// `next` is null for a process that is gone.
void Model::Impl::change(const std::string& name, const Facts* next) {
  const auto found = by_exact.find(name);
  const bool known = found != by_exact.end();
  if (!known && next == nullptr) return;
  if (known && next != nullptr && facts[found->second].same(*next)) {
    facts[found->second].position = next->position;
    return;
  }
  IndexList asking;
  if (first_) {
    admit(*next);
    return;
  }
  if (known) askers(facts[found->second], asking);
  if (next != nullptr) askers(*next, asking);
  for (const Index index : asking) mark(index);
  if (!known) {
    admit(*next);
  } else if (next == nullptr) {
    withdraw(found->second);
  } else {
    const Index index = found->second;
    leave(index);
    facts[index] = *next;
    enter(index);
    mark(index);
  }
}

void Model::Impl::positions(const config::Snapshot& next) {
  for (std::size_t i = 0; i < next.blocks().size(); ++i) {
    const auto found = by_exact.find(next.blocks()[i].process_name);
    if (found != by_exact.end()) facts[found->second].position = i;
  }
}

void Model::Impl::take(const config::Snapshot& next, const std::vector<std::string>* changed) {
  generation = next.generation();
  const std::vector<config::BlockRef>& blocks = next.blocks();
  if (first_) {
    facts.reserve(blocks.size());
    by_exact.reserve(blocks.size());
    for (auto* look_up : {&by_key, &by_lower_name, &by_slug}) look_up->reserve(blocks.size());
  }
  if (changed == nullptr) {
    std::unordered_set<std::string_view> there;
    for (const config::BlockRef& ref : blocks) there.insert(ref.process_name);
    std::vector<std::string> gone;
    for (const auto& [name, index] : by_exact) {
      if (!there.contains(name)) gone.push_back(name);
    }
    for (const std::string& name : gone) change(name, nullptr);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const Facts facts_now = facts_of(blocks[i], next.block(blocks[i]), i, *tables);
      change(facts_now.process.name, &facts_now);
    }
  } else {
    bool moved = blocks.size() != by_exact.size();
    for (const std::string& name : *changed) {
      const config::BlockRef* ref = next.find(name);
      if (ref == nullptr) {
        change(name, nullptr);
        moved = true;
        continue;
      }
      const auto position = static_cast<std::size_t>(ref - blocks.data());
      const auto found = by_exact.find(name);
      moved = moved || found == by_exact.end() || facts[found->second].position != position;
      const Facts facts_now = facts_of(*ref, next.block(*ref), position, *tables);
      change(name, &facts_now);
    }
    if (moved) positions(next);
  }
  duplicates.clear();
  for (const config::BlockRef& ref : next.duplicates()) duplicates.push_back(ref.process_name);
  std::sort(duplicates.begin(), duplicates.end());
  duplicates.erase(std::unique(duplicates.begin(), duplicates.end()), duplicates.end());
  settle();
}

/// Recomputes one phase of one process; true when what it gives changed.
bool Model::Impl::recompute(Phase phase, Index index) {
  Contributions fresh;
  std::vector<Missing> unmet;
  if (!facts[index].process.name.empty()) {
    if (phase == observed) observe(index, fresh, unmet);
    if (phase == tabled) tables_of(index, fresh, unmet);
    if (phase == conditional) gaps_of(index, fresh);
    if (phase == linked) links_of(index, fresh);
  }
  if (phase <= tabled) lacking[phase][index] = std::move(unmet);
  Contributions& old = given[phase][index];
  if (fresh == old) return false;
  for (const Contribution& one : old) {
    if (!one.reversed) continue;
    std::erase(reversed[one.other], index);
    touched_.push_back(one.other);
  }
  for (const Contribution& one : fresh) {
    if (!one.reversed) continue;
    reversed[one.other].push_back(index);
    touched_.push_back(one.other);
  }
  touched_.push_back(index);
  old = std::move(fresh);
  return true;
}

void Model::Impl::merge(Index source) {
  Contributions all;
  for (const auto& phase : given) {
    for (const Contribution& one : phase[source]) {
      if (!one.reversed) all.push_back(one);
    }
  }
  for (const Index owner : reversed[source])
    all.push_back({owner, false, Signals::of(Signal::core_service_fields).bits(), Condition::started});
  unite(all);
  std::vector<Edge>& edges = out[source];
  auto old = edges.begin();
  for (const Contribution& one : all) {
    for (; old != edges.end() && old->target < one.other; ++old) std::erase(in[old->target], source);
    if (old != edges.end() && old->target == one.other) {
      ++old;
    } else {
      in[one.other].push_back(source);
    }
  }
  for (; old != edges.end(); ++old) std::erase(in[old->target], source);
  edges.clear();
  for (const Contribution& one : all) edges.push_back({source, one.other, Signals(one.bits), one.condition});
}

void Model::Impl::merge_touched() {
  unique(touched_);
  for (const Index source : touched_) merge(source);
  touched_.clear();
}

void Model::Impl::settle() {
  merge_touched();  // edges of processes that are gone
  for (std::size_t phase = 0; phase < phase_count; ++phase) {
    IndexList changed;
    for (const Index index : affected_) {
      if (recompute(static_cast<Phase>(phase), index)) changed.push_back(index);
    }
    // An edge given against its direction changes what the tables of its source look at, too.
    changed.insert(changed.end(), touched_.begin(), touched_.end());
    unique(changed);
    merge_touched();
    if (affected_.size() < by_exact.size()) mark_mentioning(changed);
    for (const Index index : changed) mark(index);
  }
  for (const Index index : affected_) {
    missing[index] = lacking[observed][index];
    missing[index].insert(missing[index].end(), lacking[tabled][index].begin(), lacking[tabled][index].end());
    sort_missing(missing[index]);
    marked_[index] = 0;
  }
  affected_.clear();
  for (const Index index : withdrawn_) {
    out[index].clear();
    in[index].clear();
    reversed[index].clear();
  }
  order_names();
  free_.insert(free_.end(), withdrawn_.begin(), withdrawn_.end());
  withdrawn_.clear();
  first_ = false;
}

void Model::Impl::order_names() {
  const auto by_name = [&](Index a, Index b) { return facts[a].process.name < facts[b].process.name; };
  if (!withdrawn_.empty())
    std::erase_if(sorted, [&](Index index) { return facts[index].process.name.empty(); });
  std::sort(admitted_.begin(), admitted_.end(), by_name);
  const auto middle = sorted.insert(sorted.end(), admitted_.begin(), admitted_.end());
  std::inplace_merge(sorted.begin(), middle, sorted.end(), by_name);
  admitted_.clear();
}

}  // namespace dumb::graph
