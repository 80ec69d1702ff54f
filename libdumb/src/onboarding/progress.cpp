// Which process of a decision is next, and what became of the services.
#include <algorithm>
#include <dumb/onboarding/decision.hpp>

namespace dumb::onboarding {
namespace {

bool counts(const Unit& unit) {
  return unit.kind == Unit::Kind::core && !unit.refused;
}

}  // namespace

Progress::Progress(Decision decision) : decision_(std::move(decision)) {
  reply_.warnings = decision_.warnings;
  reply_.port_changes = decision_.port_changes;
}

void Progress::enter_unit() {
  entered_ = true;
  failed_ = false;
  member_ = 0;
  const Unit& unit = decision_.units[unit_];
  if (!unit.refused) return;
  failed_ = true;
  if (unit.kind == Unit::Kind::prerequisite) return;  // who needs it tells
  reply_.errors.push_back({unit.service, unit.refused->message, unit.refused->stage, std::nullopt, {}});
}

void Progress::end_unit() {
  const Unit& unit = decision_.units[unit_];
  if (counts(unit) && !failed_)
    reply_.results.push_back({unit.service, unit.skipped ? "skipped" : "started"});
  ++unit_;
  entered_ = false;
}

bool Progress::needed_later(const std::string& process_name) const {
  for (std::size_t i = unit_; i < decision_.units.size(); ++i) {
    for (const Member& member : decision_.units[i].members) {
      const bool needed = member.role == Role::dependency || member.role == Role::soft;
      if (needed && member.process_name == process_name) return true;
    }
  }
  return false;
}

std::optional<Progress::Next> Progress::next() {
  while (unit_ < decision_.units.size()) {
    if (!entered_) enter_unit();
    const Unit& unit = decision_.units[unit_];
    if (unit.refused || member_ >= unit.members.size()) {
      end_unit();
      continue;
    }
    const Member& member = unit.members[member_];
    if (const auto known = handled_.find(member.process_name); known != handled_.end()) {
      const Known outcome = known->second;
      settle_member(member, outcome);
      continue;
    }
    const Launch& launch = decision_.launches[member.process_name];
    if (launch.failure) {
      done(launch.failure);
      continue;
    }
    return Next{member.process_name, launch.restart, needed_later(member.process_name)};
  }
  return std::nullopt;
}

void Progress::done(const std::optional<Failure>& failure) {
  const Member member = decision_.units[unit_].members[member_];
  const Known known{failure, failure ? member.process_name : std::string()};
  handled_[member.process_name] = known;
  settle_member(member, known);
}

void Progress::settle_member(const Member& member, const Known& known) {
  if (known.failure) {
    fail(member, known);
  } else {
    ++member_;
  }
}

/// What one failure means for the service it belongs to.
void Progress::fail(const Member& member, const Known& known) {
  const Unit& unit = decision_.units[unit_];
  ErrorEntry entry;
  entry.service = unit.service;
  entry.error = known.failure->message;
  entry.stage = known.failure->stage;
  if (!known.process_name.empty()) entry.process_name = known.process_name;
  if (member.role == Role::soft) {
    entry.service = member.config_key;
    const bool told = std::any_of(reply_.errors.begin(), reply_.errors.end(), [&](const ErrorEntry& other) {
      return other.service == entry.service && other.process_name == entry.process_name;
    });
    if (!told) reply_.errors.push_back(std::move(entry));
    ++member_;
    return;
  }
  failed_ = true;
  if (member.role != Role::dependency) {  // the others of its kind are independent of it
    ++member_;
    for (std::size_t i = member_; member.role == Role::own && i < unit.members.size(); ++i) {
      if (unit.members[i].role != Role::after) continue;
      entry.not_started.push_back(unit.members[i].process_name);
      handled_.emplace(unit.members[i].process_name, known);
    }
    if (member.role == Role::own && !entry.not_started.empty()) member_ = unit.members.size();
  } else {
    for (std::size_t i = member_ + 1; i < unit.members.size(); ++i) {
      const Member& other = unit.members[i];
      if (handled_.contains(other.process_name)) continue;
      entry.not_started.push_back(other.process_name);
      // Who needs this service later fails by the same cause.
      if (other.role == Role::own || other.role == Role::after) handled_.emplace(other.process_name, known);
    }
    member_ = unit.members.size();
  }
  if (unit.kind != Unit::Kind::prerequisite) reply_.errors.push_back(std::move(entry));
}

void Progress::abandon(const Failure& why) {
  while (unit_ < decision_.units.size()) {
    if (!entered_) enter_unit();
    const Unit& unit = decision_.units[unit_];
    const bool open = !unit.refused && member_ < unit.members.size();
    if (open) {
      ErrorEntry entry;
      entry.service = unit.service;
      entry.error = why.message;
      entry.stage = why.stage;
      for (std::size_t i = member_; i < unit.members.size(); ++i) {
        if (!handled_.contains(unit.members[i].process_name))
          entry.not_started.push_back(unit.members[i].process_name);
      }
      failed_ = true;
      if (unit.kind != Unit::Kind::prerequisite) reply_.errors.push_back(std::move(entry));
    }
    end_unit();
  }
}

void Progress::moved(PortChangeEntry change) {
  for (PortChangeEntry& known : reply_.port_changes) {
    if (known.process_name != change.process_name || known.field != change.field) continue;
    known.to = change.to;
    return;
  }
  reply_.port_changes.push_back(std::move(change));
}

std::vector<PlannedStep> Progress::steps(const std::set<std::string>& running) const {
  std::vector<PlannedStep> out;
  std::set<std::string> seen;
  for (const Unit& unit : decision_.units) {
    for (const Member& member : unit.members) {
      if (!seen.insert(member.process_name).second) continue;
      const auto launch = decision_.launches.find(member.process_name);
      const bool again = launch != decision_.launches.end() && launch->second.restart;
      const bool up = running.contains(member.process_name);
      out.push_back({member.process_name, unit.service, again ? "restart" : up ? "keep" : "start"});
    }
  }
  return out;
}

}  // namespace dumb::onboarding
