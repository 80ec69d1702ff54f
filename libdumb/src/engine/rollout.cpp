#include "engine/rollout.hpp"

#include <algorithm>
#include <utility>

namespace dumb::engine {
namespace {

using Condition = Need::Condition;

std::string failure_text(const std::string& name, const std::string& reason) {
  return name + (reason.empty() ? " failed" : ": " + reason);
}

/// Needs of an item, but for one on itself.
void take(Rollout::Entry& entry, RolloutItem& item) {
  entry.needs.clear();
  for (Need& need : item.needs) {
    if (need.name != entry.name) entry.needs.push_back(std::move(need));
  }
  entry.warnings = std::move(item.warnings);
}

Duration own_time(const Rollout::Entry& entry) {
  return entry.begun && entry.ended ? *entry.ended - *entry.begun : Duration{0};
}

}  // namespace

Rollout::Rollout(std::vector<RolloutItem> items, SteadyTime now) : started_(now) {
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (RolloutItem& item : items) {
    if (index_.contains(item.name)) continue;
    index_.emplace(item.name, entries_.size());
    Entry entry;
    entry.name = std::move(item.name);
    take(entry, item);
    entries_.push_back(std::move(entry));
  }
  put_in_order();
  open_needs();
}

/// Of those that are pending.
void Rollout::open_needs() {
  waiting_.clear();
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    if (entries_[e].step != Step::pending) continue;
    for (std::size_t n = 0; n < entries_[e].needs.size(); ++n) {
      entries_[e].open.push_back(n);
      waiting_[{entries_[e].needs[n].name, entries_[e].needs[n].condition}].emplace_back(e, n);
    }
  }
}

Rollout::Names Rollout::renew(std::vector<RolloutItem> items, SteadyTime now) {
  const bool begun = std::exchange(begun_, false);
  for (RolloutItem& item : items) {
    const auto found = index_.find(item.name);
    if (found == index_.end() || entries_[found->second].step != Step::pending) continue;
    take(entries_[found->second], item);
  }
  for (Entry& entry : entries_) {
    if (entry.step != Step::pending) continue;
    entry.open.clear();
    entry.held = false;
    entry.reason.clear();
  }
  put_in_order();
  open_needs();
  Names out;
  for (const auto& [key, known] : known_) {
    const auto waiting = waiting_.find(key);
    if (waiting == waiting_.end()) continue;
    for (const auto& [entry, need] : waiting->second) apply(entry, need, known, now, out);
  }
  begun_ = begun;
  for (Entry& entry : entries_) release(entry, now, out);
  return out;
}

/// Sorts the entries so that needs come first; what is in or behind a cycle loses its needs on others of it.
void Rollout::put_in_order() {
  order_.clear();
  std::vector<std::size_t> open(entries_.size());
  std::vector<std::vector<std::size_t>> dependents(entries_.size());
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    for (const Need& need : entries_[e].needs) {
      const auto found = index_.find(need.name);
      if (found == index_.end()) continue;
      // What has begun waits for nobody, whatever its needs were.
      const bool pending = entries_[found->second].step == Step::pending;
      if (entries_[e].step != Step::pending && pending) continue;
      dependents[found->second].push_back(e);
      ++open[e];
    }
  }
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    if (open[e] == 0) order_.push_back(e);
  }
  for (std::size_t next = 0; next < order_.size(); ++next) {
    for (const std::size_t dependent : dependents[order_[next]]) {
      if (--open[dependent] == 0) order_.push_back(dependent);
    }
  }
  std::vector<std::size_t> cyclic;
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    if (open[e] != 0) cyclic.push_back(e);
  }
  for (const std::size_t e : cyclic) {
    std::erase_if(entries_[e].needs, [&](const Need& need) {
      const auto found = index_.find(need.name);
      return found != index_.end() && open[found->second] != 0;
    });
  }
  order_.insert(order_.end(), cyclic.begin(), cyclic.end());
}

Rollout::Names Rollout::begin(SteadyTime now) {
  Names out;
  begun_ = true;
  for (Entry& entry : entries_) release(entry, now, out);
  return out;
}

void Rollout::release(Entry& entry, SteadyTime now, Names& out) {
  if (!begun_ || entry.step != Step::pending || !entry.open.empty()) return;
  entry.step = Step::under_way;
  entry.held = false;
  entry.reason.clear();
  entry.begun = now;
  out.push_back(entry.name);
}

void Rollout::apply(std::size_t e, std::size_t n, const Known& known, SteadyTime now, Names& out) {
  Entry& entry = entries_[e];
  const Need& need = entry.needs[n];
  const auto open = std::find(entry.open.begin(), entry.open.end(), n);
  if (entry.step != Step::pending || open == entry.open.end()) return;
  if (!known.met) {
    const std::string text = failure_text(need.name, known.reason);
    if (need.binding) {
      entry.held = true;
      entry.reason = text;
      return;
    }
    if (!need.silent) entry.warnings.push_back(text);
  }
  entry.open.erase(open);
  entry.last_need = need.name;
  const auto failed = [&](std::size_t other) {
    const auto state = known_.find({entry.needs[other].name, entry.needs[other].condition});
    return state != known_.end() && !state->second.met;
  };
  entry.held = std::any_of(entry.open.begin(), entry.open.end(), failed);
  release(entry, now, out);
}

void Rollout::learn(const Key& key, const Known& known, SteadyTime now, Names& out) {
  const auto before = known_.find(key);
  if (before != known_.end() && before->second.met) return;  // met once is met
  known_[key] = known;
  const auto waiting = waiting_.find(key);
  if (waiting == waiting_.end()) return;
  for (const auto& [entry, need] : waiting->second) apply(entry, need, known, now, out);
}

Rollout::Names Rollout::observe(std::string_view name, const ServiceView& view, SteadyTime now) {
  Names out;
  const auto found = index_.find(name);
  if (found != index_.end()) {
    Entry& entry = entries_[found->second];
    // Until its own operation is over, that tells more than its state does.
    if (entry.step == Step::under_way) {
      if (view.running && !entry.running) entry.running = now;
      return out;
    }
    if (entry.step == Step::pending) {
      if (!begun_ || !view.settled) return out;
      // Somebody else has started it meanwhile.
      entry.step = Step::done;
      entry.held = false;
      entry.reason.clear();
      entry.open.clear();
      entry.begun = entry.running = entry.ended = now;
    }
  }
  const std::string key(name);
  if (view.settled) {
    learn({key, Condition::settled}, {true, {}}, now, out);
  } else if (view.completed) {
    learn({key, Condition::settled}, {true, {}}, now, out);
    learn({key, Condition::completed}, {true, {}}, now, out);
    learn({key, Condition::healthy}, {false, "has ended"}, now, out);
  } else if (view.running && !view.coming) {
    const std::string reason = view.reason.empty() ? "is not ready" : view.reason;
    for (const Condition condition : {Condition::settled, Condition::healthy})
      learn({key, condition}, {false, reason}, now, out);
  } else if (!view.coming) {
    const std::string reason = view.reason.empty() ? "is not running" : view.reason;
    for (const Condition condition : {Condition::settled, Condition::healthy, Condition::completed}) {
      learn({key, condition}, {false, reason}, now, out);
    }
  }
  return out;
}

Rollout::Names Rollout::on_met(std::string_view name, Condition condition, SteadyTime now) {
  Names out;
  learn({std::string(name), condition}, {true, {}}, now, out);
  return out;
}

Rollout::Names Rollout::on_failed(std::string_view name, Condition condition, const std::string& reason,
                                  SteadyTime now) {
  Names out;
  learn({std::string(name), condition}, {false, reason}, now, out);
  return out;
}

Rollout::Names Rollout::on_ended(std::string_view name, const std::optional<std::string>& error,
                                 SteadyTime now) {
  Names out;
  const auto found = index_.find(name);
  if (found == index_.end() || entries_[found->second].step != Step::under_way) return out;
  Entry& entry = entries_[found->second];
  entry.step = error ? Step::failed : Step::done;
  entry.reason = error.value_or("");
  entry.ended = now;
  const std::string key(name);
  learn({key, Condition::settled}, {!error, entry.reason}, now, out);
  if (error) {
    for (const Condition condition : {Condition::healthy, Condition::completed}) {
      learn({key, condition}, {false, entry.reason}, now, out);
    }
  }
  return out;
}

void Rollout::call_off(Entry& entry, const std::string& reason, SteadyTime now, Names& out) {
  if (entry.step != Step::pending) return;
  entry.step = Step::called_off;
  entry.held = false;
  entry.open.clear();
  entry.reason = reason;
  entry.ended = now;
  for (const Condition condition : {Condition::settled, Condition::healthy, Condition::completed}) {
    learn({entry.name, condition}, {false, reason}, now, out);
  }
}

Rollout::Names Rollout::call_off(std::string_view name, const std::string& reason, SteadyTime now) {
  return call_off(std::set<std::string>{std::string(name)}, reason, now);
}

Rollout::Names Rollout::call_off(const std::set<std::string>& names, const std::string& reason,
                                 SteadyTime now) {
  const bool begun = std::exchange(begun_, false);
  Names out;
  for (const std::string& name : names) {
    if (const auto found = index_.find(name); found != index_.end())
      call_off(entries_[found->second], reason, now, out);
  }
  begun_ = begun;
  for (Entry& entry : entries_) release(entry, now, out);
  return out;
}

Rollout::Names Rollout::call_off_all(const std::string& reason, SteadyTime now) {
  std::set<std::string> all;
  for (const Entry& entry : entries_) all.insert(entry.name);
  return call_off(all, reason, now);
}

bool Rollout::over() const {
  std::size_t pending = 0;
  for (const Entry& entry : entries_) {
    if (entry.step == Step::under_way) return false;
    if (entry.step == Step::pending) ++pending;
  }
  return pending == 0 || pending == stuck().size();
}

std::set<std::string> Rollout::stuck() const {
  std::set<std::string> names;
  if (std::none_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.held; }))
    return names;
  std::vector<char> stuck(entries_.size());
  for (const std::size_t e : order_) {
    const Entry& entry = entries_[e];
    if (entry.step != Step::pending) continue;
    stuck[e] = entry.held ? 1 : 0;
    for (const std::size_t open : entry.open) {
      const auto found = index_.find(entry.needs[open].name);
      if (found != index_.end() && stuck[found->second] != 0) stuck[e] = 1;
    }
    if (stuck[e] != 0) names.insert(entry.name);
  }
  return names;
}

bool Rollout::finished() const noexcept {
  return std::none_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return entry.step == Step::pending || entry.step == Step::under_way;
  });
}

bool Rollout::waits_for(std::string_view name, Condition condition) const {
  const auto waiting = waiting_.find(Key(name, condition));
  if (waiting == waiting_.end()) return false;
  return std::any_of(waiting->second.begin(), waiting->second.end(), [this](const auto& place) {
    const Entry& entry = entries_[place.first];
    return entry.step == Step::pending &&
           std::find(entry.open.begin(), entry.open.end(), place.second) != entry.open.end();
  });
}

const Rollout::Entry* Rollout::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

Rollout::CriticalPath Rollout::critical_path() const {
  std::vector<Duration> before(entries_.size(), Duration{0});  // the longest way to the begin of each
  std::vector<std::optional<std::size_t>> from(entries_.size());
  CriticalPath path;
  std::optional<std::size_t> last;
  for (const std::size_t e : order_) {
    for (const Need& need : entries_[e].needs) {
      const auto found = index_.find(need.name);
      if (found == index_.end()) continue;
      const Duration length = before[found->second] + own_time(entries_[found->second]);
      if (!from[e] || length > before[e]) {
        before[e] = length;
        from[e] = found->second;
      }
    }
    const Duration whole = before[e] + own_time(entries_[e]);
    if (entries_[e].begun && (!last || whole > path.length)) {
      path.length = whole;
      last = e;
    }
  }
  for (std::optional<std::size_t> e = last; e; e = from[*e]) path.chain.push_back(entries_[*e].name);
  std::reverse(path.chain.begin(), path.chain.end());
  return path;
}

}  // namespace dumb::engine
