#include "symlinks/apply_posix.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <dumb/symlinks/paths.hpp>
#include <utility>

namespace dumb::symlinks {

using Kind = Done::Kind;

Applier::Applier(Places& places, const std::string& run_id, std::function<Result<void>()> two_steps)
    : places_(places), ops_(places.context().calls, run_id), note_two_steps_(std::move(two_steps)) {}

void Applier::touched(const Directory& directory) {
  if (last_touched_ == directory.device) return;
  last_touched_ = directory.device;
  if (touched_.contains(directory.device)) return;
  const int fd = places_.context().calls.open(directory.fd.get(), ".", O_RDONLY | O_DIRECTORY, 0);
  if (fd >= 0) touched_[directory.device].reset(fd);
}

void Applier::take_over(Applier& other) {
  touched_.merge(other.touched_);
}

int Applier::sync() {
  int worst = 0;
  for (const auto& [device, fd] : touched_) {
    const int done = places_.context().calls.sync_file_system(fd.get());
    if (done < 0) worst = -done;
  }
  return worst;
}

Done Applier::apply(const Change& change, std::uint64_t entry) {
  return change.kind == Change::Kind::link ? apply_link(change, entry) : apply_transfer(change, entry);
}

Done Applier::apply_link(const Change& change, std::uint64_t entry) {
  int number = 0;
  Directory* directory = change.old_target ? places_.parent_of(change.path, number)
                                           : places_.make_parent_of(change.path, nullptr, number);
  if (directory == nullptr) {
    if (number == ENOENT) return {Kind::changed};
    return {Kind::failed, number, "open the directory of the link"};
  }
  name_ = base_name(change.path);
  touched(*directory);
  if (!change.new_target) return ops_.remove(*directory, name_, *change.old_target, entry);
  if (!change.old_target) return ops_.create(*directory, name_, *change.new_target, change.new_owner, entry);
  return ops_.replace(*directory, name_, *change.old_target, *change.new_target, change.new_owner, entry);
}

Done Applier::at_destination(const Change& change, Directory& directory, const std::string& name,
                             std::uint64_t entry) {
  // What was moved keeps its owner and time; a copy is a link of its own.
  const auto& owner = change.kind == Change::Kind::move ? change.owner : std::optional<Ownership>();
  if (change.replaced_target) {
    return ops_.replace(directory, name, *change.replaced_target, *change.new_target, owner, entry);
  }
  return ops_.create(directory, name, *change.new_target, owner, entry);
}

/// The second half of a two-step move cannot be done: its first half goes, so that the link is as it was.
Done Applier::take_back(const Change& change, Directory& directory, const std::string& name,
                        std::uint64_t entry) {
  if (change.replaced_target) {
    return ops_.replace(directory, name, *change.new_target, *change.replaced_target, change.replaced_owner,
                        entry);
  }
  return ops_.remove(directory, name, *change.new_target, entry);
}

Done Applier::apply_transfer(const Change& change, std::uint64_t entry) {
  auto source = places_.state(change.path);
  if (!source) return {Kind::failed, source.error().code().value(), "read link"};
  if (!source->is(change.old_target)) return {Kind::changed};
  int number = 0;
  Directory* to = places_.make_parent_of(change.destination, &change.path, number);
  if (to == nullptr) return {Kind::failed, number, "open the directory of the destination"};
  const std::string goal(base_name(change.destination));
  const std::string name(base_name(change.path));
  touched(*to);
  if (change.kind == Change::Kind::copy) return at_destination(change, *to, goal, entry);
  if (change.two_step) return two_steps(change, *to, entry);
  Directory* from = places_.parent_of(change.path, number);
  if (from == nullptr) return {Kind::failed, number, "open the directory of the link"};
  touched(*from);
  const Done moved = ops_.move(*from, name, *to, goal, *change.old_target, change.replaced_target, entry);
  if (moved.kind != Kind::failed || moved.number != EXDEV) return moved;
  // One mount may still be several file systems to a rename (a union). The plan did not know, so that
  // recovery is told before there are two of a link.
  if (note_two_steps_) {
    if (auto noted = note_two_steps_(); !noted)
      return {Kind::failed, noted.error().code().value(), "record that the move takes two steps"};
    note_two_steps_ = nullptr;
  }
  return two_steps(change, *to, entry);
}

Done Applier::two_steps(const Change& change, Directory& to, std::uint64_t entry) {
  const std::string goal(base_name(change.destination));
  const Done made = at_destination(change, to, goal, entry);
  if (made.kind != Kind::done) return made;
  int number = 0;
  Directory* from = places_.parent_of(change.path, number);
  Done removed{Kind::failed, number, "open the directory of the link"};
  if (from != nullptr) {
    touched(*from);
    removed = ops_.remove(*from, std::string(base_name(change.path)), *change.old_target, entry);
  }
  if (removed.kind == Kind::done) return removed;
  const Done back = take_back(change, to, goal, entry);
  return back.kind == Kind::failed ? back : removed;
}

Done Applier::finish(const Change& change, const std::string& left, std::uint64_t entry) {
  int number = 0;
  Directory* from = places_.parent_of(change.path, number);
  if (from == nullptr) return {Kind::failed, number, "open the directory of the link"};
  touched(*from);
  return ops_.remove(*from, std::string(base_name(change.path)), left, entry);
}

dev_t Applier::file_system_of(const Change& change) {
  return places_.file_system_of(change.destination.empty() ? change.path : change.destination);
}

bool FailureWatch::note(const Done& done, dev_t file_system) {
  if (done.kind != Kind::failed) {
    failing_.erase(file_system);
    return false;
  }
  Row& row = failing_[file_system];
  row.times = done.number == row.number ? row.times + 1 : 1;
  row.number = done.number;
  return done.number == ENOSPC || done.number == EDQUOT || done.number == EROFS || row.times >= 100;
}

ErrorItem error_item(const Change& change, const Done& done) {
  const int number = done.kind == Kind::exists ? EEXIST : done.number;
  ErrorItem item = error_item(change.path, number, *done.what == '\0' ? "create link" : done.what);
  if (change.kind != Change::Kind::link) {
    item.link_path.clear();
    item.source_path = change.path;
    item.target_path = change.destination;
  }
  return item;
}

}  // namespace dumb::symlinks
