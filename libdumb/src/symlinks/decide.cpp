#include "symlinks/decide.hpp"

#include <utility>

namespace dumb::symlinks {

bool LinkState::is(const std::optional<std::string>& wanted) const noexcept {
  if (!wanted) return kind == Kind::absent;
  return kind == Kind::link && target == *wanted;
}

namespace {

std::optional<std::string> as_link(const LinkState& state) {
  return state.kind == LinkState::Kind::link ? std::optional<std::string>(state.target) : std::nullopt;
}

/// The verdict for steps of which some may turn out to change nothing.
Verdict carried_out(std::vector<Step> steps) {
  std::erase_if(steps, [](const Step& step) { return step.from == step.to; });
  const Outcome outcome = steps.empty() ? Outcome::unchanged : Outcome::restored;
  return {outcome, std::move(steps)};
}

Verdict undo_link(const Change& change, const LinkState& now, Overwrite overwrite) {
  if (now.is(change.old_target)) return {Outcome::unchanged};
  const Step back{change.path, as_link(now), change.old_target, change.owner};
  if (now.is(change.new_target)) return carried_out({back});
  if (now.kind == LinkState::Kind::absent) return carried_out({back});
  if (now.kind == LinkState::Kind::other) {
    return {overwrite == Overwrite::yes ? Outcome::error : Outcome::existing};
  }
  // Somebody else's link is replaced when asked for, but never removed.
  if (overwrite == Overwrite::yes && change.old_target) return carried_out({back});
  return {Outcome::existing};
}

Step restore_destination(const Change& change) {
  return {change.destination, change.new_target, change.replaced_target, change.replaced_owner};
}

Verdict undo_move(const Change& change, const LinkState& source, const LinkState& destination) {
  const Step back{change.path, as_link(source), change.old_target, change.owner};
  if (destination.is(change.new_target) && source.kind == LinkState::Kind::absent) {
    // A replaced link of the same target is put back as well: it had an owner and a time of its own.
    Verdict verdict{Outcome::restored, {back, restore_destination(change)}};
    const Step& last = verdict.steps.back();
    if (last.from == last.to && !last.owner) verdict.steps.pop_back();
    return verdict;
  }
  if (source.is(change.old_target) && change.replaced_target == change.new_target)
    return {Outcome::unchanged};
  if (is_half_done(change, source, destination)) return carried_out({back, restore_destination(change)});
  return {source.is(change.old_target) ? Outcome::unchanged : Outcome::existing};
}

Verdict undo_copy(const Change& change, const LinkState& destination) {
  if (destination.is(change.new_target)) return carried_out({restore_destination(change)});
  const bool as_before = destination.kind == LinkState::Kind::absent ||
                         (change.replaced_target && destination.is(change.replaced_target));
  return {as_before ? Outcome::unchanged : Outcome::existing};
}

}  // namespace

bool is_half_done(const Change& change, const LinkState& at_path, const LinkState& at_destination) {
  if (change.kind != Change::Kind::move || change.chained) return false;
  if (!change.two_step && !change.replaced_target) return false;
  if (!at_destination.is(change.new_target)) return false;
  return at_path.is(change.old_target) || (change.replaced_target && at_path.is(change.replaced_target));
}

Verdict restore_entry(const SnapshotEntry& entry, const LinkState& now, Overwrite overwrite) {
  if (now.is(entry.target)) return {Outcome::unchanged};
  if (now.kind != LinkState::Kind::absent && overwrite == Overwrite::no) return {Outcome::existing};
  if (now.kind == LinkState::Kind::other) return {Outcome::error};
  return {Outcome::restored, {Step{entry.link_path, as_link(now), entry.target, entry.owner}}};
}

Verdict undo_change(const Change& change, const LinkState& at_path, const LinkState& at_destination,
                    Overwrite overwrite) {
  switch (change.kind) {
    case Change::Kind::link:
      return undo_link(change, at_path, overwrite);
    case Change::Kind::move:
      return undo_move(change, at_path, at_destination);
    case Change::Kind::copy:
      break;
  }
  return undo_copy(change, at_destination);
}

Pending resume_change(const Change& change, const LinkState& at_path, const LinkState& at_destination) {
  if (change.kind == Change::Kind::link) {
    if (at_path.is(change.old_target)) return Pending::apply;
    return at_path.is(change.new_target) ? Pending::done : Pending::changed;
  }
  const bool free = at_destination.is(change.replaced_target);
  if (change.kind == Change::Kind::copy) {
    if (at_destination.is(change.new_target)) return Pending::done;
    return at_path.is(change.old_target) && free ? Pending::apply : Pending::changed;
  }
  // Where old, new and replaced targets are equal the state before looks like a half-done one: both end
  // right.
  if (is_half_done(change, at_path, at_destination)) return Pending::finish;
  if (at_path.is(change.old_target) && free) return Pending::apply;
  // The source of a finished move may have been taken by a later one.
  if (at_destination.is(change.new_target) && !at_path.is(change.old_target)) return Pending::done;
  return Pending::changed;
}

}  // namespace dumb::symlinks
