#include "engine/stack_book.hpp"

#include <algorithm>
#include <iterator>

namespace dumb::engine {

using Condition = Need::Condition;

StackRunPtr StackBook::up(std::string operation, std::vector<RolloutItem> items,
                          std::set<std::string> asked) {
  auto run = std::make_shared<StackRun>(std::move(operation), std::move(items), clock_.now());
  run->asked = std::move(asked);
  return begin(std::move(run));
}

StackRunPtr StackBook::down(std::string operation, std::vector<RolloutItem> items,
                            std::set<std::string> asked) {
  auto run = std::make_shared<StackRun>(std::move(operation), std::move(items), clock_.now());
  run->asked = std::move(asked);
  run->stops = true;
  return begin(std::move(run));
}

StackRunPtr StackBook::begin(StackRunPtr run) {
  run->started_at = clock_.wall();
  supersede(*run);
  active_.push_back(run);
  latest_ = run;
  learn_outside(run);
  const Rollout::Names first = run->rollout.begin(clock_.now());
  perform(run, first);
  for (const Rollout::Entry& entry : run->rollout.entries()) {
    if (entry.step == Rollout::Step::pending) learn_state(run, entry.name);
  }
  settle(run);
  return run;
}

void StackBook::learn_outside(const StackRunPtr& run) {
  if (run->stops) return;
  std::set<std::string> outside;
  for (const Rollout::Entry& entry : run->rollout.entries()) {
    for (const Need& need : entry.needs) {
      if (run->rollout.find(need.name) == nullptr) outside.insert(need.name);
    }
  }
  for (const std::string& name : outside) learn_state(run, name);
}

/// Starts that are held back wait for what may be long in coming; one that begins them all takes over.
void StackBook::supersede(const StackRun& next) {
  if (next.stops) return;
  const std::vector<StackRunPtr> runs = active_;
  for (const StackRunPtr& run : runs) {
    if (run->stops || !run->rollout.over()) continue;
    const auto& entries = run->rollout.entries();
    const bool covered = std::all_of(entries.begin(), entries.end(), [&](const Rollout::Entry& entry) {
      return entry.step != Rollout::Step::pending || next.rollout.find(entry.name) != nullptr;
    });
    if (!covered) continue;
    run->rollout.call_off_all("a later start has taken over", clock_.now());
    settle(run);
  }
}

void StackBook::perform(const StackRunPtr& run, const Rollout::Names& names) {
  for (const std::string& name : names) hooks_.perform(run, name);
}

void StackBook::ended(const StackRunPtr& run, const std::string& process_name,
                      const std::optional<std::string>& failure) {
  const Rollout::Names next = run->rollout.on_ended(process_name, failure, clock_.now());
  perform(run, next);
  settle(run);
  // Its own run as well: a job may have completed by now, which is more than its start.
  const std::set<std::string> one{process_name};
  relearn(nullptr, one);
}

void StackBook::relearn(const StackRun* except, const std::set<std::string>& names) {
  const std::vector<StackRunPtr> runs = active_;
  for (const StackRunPtr& run : runs) {
    if (run.get() == except || run->stops) continue;
    for (const std::string& name : names) learn_state(run, name);
    settle(run);
  }
}

void StackBook::learn_state(const StackRunPtr& run, const std::string& process_name) {
  if (run->stops) return;
  ServiceView view = hooks_.look(process_name);
  view.coming = view.coming || pending_beside(*run, process_name);
  const Rollout::Names next = run->rollout.observe(process_name, view, clock_.now());
  perform(run, next);
  if (view.running && awaits_health(*run, process_name)) hooks_.watch_health(run, process_name);
}

bool StackBook::awaits_health(const StackRun& run, const std::string& process_name) {
  return run.rollout.waits_for(process_name, Condition::healthy);
}

void StackBook::healthy(const StackRunPtr& run, const std::string& process_name) {
  const Rollout::Names next = run->rollout.on_met(process_name, Condition::healthy, clock_.now());
  perform(run, next);
  settle(run);
}

void StackBook::unhealthy(const StackRunPtr& run, const std::string& process_name,
                          const std::string& reason) {
  const Rollout::Names next = run->rollout.on_failed(process_name, Condition::healthy, reason, clock_.now());
  perform(run, next);
  settle(run);
}

void StackBook::settle(const StackRunPtr& run) {
  const bool over = run->rollout.over();
  if (over) {
    if (!run->completed) {
      run->completed = clock_.now();
      run->completed_at = clock_.wall();
    }
    hooks_.over(run);
  }
  if (run->rollout.finished()) std::erase(active_, run);
  // Others may wait for what this one is not going to begin, so that they tell it the same.
  std::set<std::string> stuck = run->rollout.stuck();
  std::set<std::string> news;
  std::set_difference(stuck.begin(), stuck.end(), run->was_stuck.begin(), run->was_stuck.end(),
                      std::inserter(news, news.end()));
  run->was_stuck = std::move(stuck);
  if (over != std::exchange(run->was_over, over) && over) {
    for (const Rollout::Entry& entry : run->rollout.entries()) news.insert(entry.name);
  }
  if (!news.empty()) relearn(run.get(), news);
  hooks_.changed();
}

void StackBook::changed(std::string_view process_name) {
  const std::set<std::string> one{std::string(process_name)};
  relearn(nullptr, one);
}

void StackBook::renew(const std::function<std::vector<RolloutItem>(const std::set<std::string>&)>& needs_of) {
  const std::vector<StackRunPtr> runs = active_;
  for (const StackRunPtr& run : runs) {
    if (run->stops || run->rollout.finished()) continue;
    std::set<std::string> names;
    for (const Rollout::Entry& entry : run->rollout.entries()) names.insert(entry.name);
    const Rollout::Names next = run->rollout.renew(needs_of(names), clock_.now());
    perform(run, next);
    learn_outside(run);
    for (const std::string& name : names) {
      if (awaits_health(*run, name)) learn_state(run, name);
    }
    settle(run);
  }
}

void StackBook::call_off(const std::set<std::string>& names, const std::string& reason) {
  const std::vector<StackRunPtr> runs = active_;
  for (const StackRunPtr& run : runs) {
    if (run->stops) continue;
    const Rollout::Names next = run->rollout.call_off(names, reason, clock_.now());
    perform(run, next);
    settle(run);
  }
  relearn(nullptr, names);
}

void StackBook::call_off_all(const std::string& reason) {
  const std::vector<StackRunPtr> runs = active_;
  for (const StackRunPtr& run : runs) {
    run->rollout.call_off_all(reason, clock_.now());
    settle(run);
  }
}

/// Whether another operation is still going to start it.
bool StackBook::pending_beside(const StackRun& run, std::string_view process_name) const {
  return std::any_of(active_.begin(), active_.end(), [&](const StackRunPtr& other) {
    const Rollout::Entry* entry =
        other.get() == &run || other->stops ? nullptr : other->rollout.find(process_name);
    return entry != nullptr &&
           (entry->step == Rollout::Step::under_way ||
            (entry->step == Rollout::Step::pending && !other->rollout.stuck().contains(entry->name)));
  });
}

std::set<std::string> StackBook::pending_unasked() const {
  std::set<std::string> names;
  for (const StackRunPtr& run : active_) {
    if (run->stops) continue;
    for (const Rollout::Entry& entry : run->rollout.entries()) {
      if (entry.step == Rollout::Step::pending && !run->asked.contains(entry.name)) names.insert(entry.name);
    }
  }
  return names;
}

bool StackBook::stops() const {
  return std::any_of(active_.begin(), active_.end(),
                     [](const StackRunPtr& run) { return run->stops && !run->rollout.over(); });
}

bool StackBook::pending(std::string_view process_name) const {
  return std::any_of(active_.begin(), active_.end(), [&](const StackRunPtr& run) {
    const Rollout::Entry* entry = run->stops ? nullptr : run->rollout.find(process_name);
    return entry != nullptr && entry->step == Rollout::Step::pending;
  });
}

std::set<std::string> StackBook::pending() const {
  std::set<std::string> names;
  for (const StackRunPtr& run : active_) {
    if (run->stops) continue;
    for (const Rollout::Entry& entry : run->rollout.entries()) {
      if (entry.step == Rollout::Step::pending) names.insert(entry.name);
    }
  }
  return names;
}

std::vector<std::string> StackBook::awaited_by(std::string_view process_name) const {
  std::vector<std::string> names;
  for (const StackRunPtr& run : active_) {
    const Rollout::Entry* entry = run->stops ? nullptr : run->rollout.find(process_name);
    if (entry == nullptr || entry->step != Rollout::Step::pending) continue;
    for (const std::size_t open : entry->open) {
      if (std::find(names.begin(), names.end(), entry->needs[open].name) == names.end())
        names.push_back(entry->needs[open].name);
    }
  }
  return names;
}

}  // namespace dumb::engine
