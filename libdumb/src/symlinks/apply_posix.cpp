#include "symlinks/apply_posix.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <dumb/symlinks/paths.hpp>
#include <utility>

#include "symlinks/files_posix.hpp"
#include "symlinks/path_index.hpp"

namespace dumb::symlinks {

using Kind = Done::Kind;

Applier::Applier(Places& places, std::string run_id)
    : places_(places), ops_(places.context().calls, std::move(run_id)) {}

void Applier::touched(const Directory& directory) {
  if (touched_.contains(directory.device)) return;
  const int fd = places_.context().calls.open(directory.fd.get(), ".", O_RDONLY | O_DIRECTORY, 0);
  if (fd >= 0) touched_[directory.device].reset(fd);
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
  const std::string name(base_name(change.path));
  touched(*directory);
  if (!change.new_target) return ops_.remove(*directory, name, *change.old_target, entry);
  if (!change.old_target) return ops_.create(*directory, name, *change.new_target, change.new_owner, entry);
  return ops_.replace(*directory, name, *change.old_target, *change.new_target, change.new_owner, entry);
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
  const bool plain = change.kind == Change::Kind::move && !change.two_step;
  if (!plain) {
    const Done made = at_destination(change, *to, goal, entry);
    if (made.kind != Kind::done || change.kind == Change::Kind::copy) return made;
  }
  Directory* from = places_.parent_of(change.path, number);
  if (from == nullptr) return {Kind::failed, number, "open the directory of the link"};
  touched(*from);
  if (!plain) return ops_.remove(*from, name, *change.old_target, entry);
  return ops_.move(*from, name, *to, goal, *change.old_target, change.replaced_target, entry);
}

Done Applier::finish(const Change& change, const std::string& left, std::uint64_t entry) {
  int number = 0;
  Directory* from = places_.parent_of(change.path, number);
  if (from == nullptr) return {Kind::failed, number, "open the directory of the link"};
  touched(*from);
  return ops_.remove(*from, std::string(base_name(change.path)), left, entry);
}

bool FailureWatch::note(const Done& done) {
  if (done.kind != Kind::failed) {
    times_ = 0;
    return false;
  }
  times_ = done.number == last_ ? times_ + 1 : 1;
  last_ = done.number;
  return done.number == ENOSPC || done.number == EDQUOT || done.number == EROFS || times_ >= 100;
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

namespace {

/// What a resumed run does with one change.
class Resumer {
 public:
  Resumer(Places& places, Applier& applier, int manifest, bool rehearse)
      : places_(places), applier_(applier), manifest_(manifest), rehearse_(rehearse) {}

  /// Notes where the moves are, so that a rewrite whose link was moved on is known to be done.
  Result<void> prepare() {
    FileSource source(places_.context().calls, manifest_);
    ManifestReader reader(source);
    Element element;
    auto array = ManifestReader::Array::changes;
    for (;;) {
      auto more = reader.next(element, array);
      if (!more) return more.error();
      if (!*more) return {};
      if (element.source_path.is_text()) moves_.set(element.source_path.bytes, element.offset);
    }
  }

  /// Nothing when the change was done already.
  std::optional<Done> apply(const Change& change, std::uint64_t entry) {
    const auto path = places_.state(change.path);
    const auto destination =
        change.destination.empty() ? Result<LinkState>(LinkState{}) : places_.state(change.destination);
    for (const auto* state : {&path, &destination}) {
      if (!*state) return Done{Kind::failed, state->error().code().value(), "read link"};
    }
    switch (resume_change(change, *path, *destination)) {
      case Pending::apply:
        return rehearse_ ? Done{} : applier_.apply(change, entry);
      case Pending::finish:
        return rehearse_ ? Done{} : applier_.finish(change, path->target, entry);
      case Pending::done:
        return std::nullopt;
      case Pending::changed:
        break;
    }
    if (change.kind == Change::Kind::link && moved_on(change)) return std::nullopt;
    return Done{Kind::changed};
  }

 private:
  bool moved_on(const Change& change) {
    const auto offset = moves_.find(change.path);
    if (!offset) return false;
    FileSource source(places_.context().calls, manifest_, *offset);
    Element element;
    if (!ManifestReader::read_element(source, element)) return false;
    const auto move = to_change(element);
    if (!move || move->path != change.path) return false;
    const auto destination = places_.state(move->destination);
    return destination && destination->is(move->new_target);
  }

  Places& places_;
  Applier& applier_;
  int manifest_;
  bool rehearse_;
  PathIndex moves_;
};

}  // namespace

Result<Applied> apply_manifest(Places& places, const std::string& run_id, int manifest, ApplyMode mode,
                               const std::stop_token& stop, const ApplyHooks& hooks) {
  Applier applier(places, run_id);
  Resumer resumer(places, applier, manifest, mode == ApplyMode::rehearse);
  if (mode != ApplyMode::fresh) {
    if (auto ready = resumer.prepare(); !ready) return ready.error();
  }
  FileSource source(places.context().calls, manifest);
  ManifestReader reader(source);
  FailureWatch watch;
  Applied applied;
  Element element;
  auto array = ManifestReader::Array::changes;
  bool refused = false;  // the first half of this unit did not succeed
  for (std::uint64_t entry = 0;; ++entry) {
    auto more = reader.next(element, array);
    if (!more) return more.error();
    if (!*more) break;
    const auto change = to_change(element);
    if (!change) continue;
    const bool second_half = std::exchange(refused, false);
    if (second_half) {
      refused = change->more;
      continue;
    }
    if (applied.cancelled || applied.aborted) {
      refused = change->more;
      hooks.not_attempted(*change);
      continue;
    }
    std::optional<Done> done;
    if (hooks.admitted && !hooks.admitted(*change)) {
      done = Done{Kind::failed, EPERM, "change what the manifest's roots do not hold"};
    } else if (mode == ApplyMode::fresh) {
      done = applier.apply(*change, entry);
    } else {
      done = resumer.apply(*change, entry);
    }
    if (done && done->kind != Kind::done) refused = change->more;
    if (change->more && !refused) continue;
    if (done) {
      hooks.finished(*change, *done);
    } else {
      hooks.already_done(*change);
    }
    if (done && watch.note(*done)) applied.aborted = errno_name(done->number);
    applied.cancelled = stop.stop_requested();
  }
  if (const int number = applier.sync(); number != 0 && !applied.aborted)
    applied.aborted = errno_name(number);
  return applied;
}

}  // namespace dumb::symlinks
