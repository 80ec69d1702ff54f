#include "symlinks/restore_plan_posix.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/paths.hpp>
#include <utility>

namespace dumb::symlinks {
namespace {

constexpr std::size_t most_errors = 1000;
/// Elements whose targets are looked at in one go.
constexpr std::size_t most_ahead = 256;
/// Which target of an element a path was planned to have.
enum class Made : std::uint64_t { nothing, old_target, replaced_target, target };

/// A file in small pieces, for reading single elements.
class ShortReads final : public ByteSource {
 public:
  ShortReads(SystemCalls& calls, int fd, std::uint64_t offset) : source_(calls, fd, offset) {}
  Result<std::size_t> read(char* buffer, std::size_t size) override {
    return source_.read(buffer, std::min<std::size_t>(size, 1024));
  }

 private:
  FileSource source_;
};

}  // namespace

RestorePlan::RestorePlan(const Context& context, Options options, RestoreReport& report, Meter& meter,
                         const std::stop_token& stop)
    : context_(context),
      options_(options),
      report_(report),
      meter_(meter),
      stop_(stop),
      targets_(context, stop) {}

Result<void> RestorePlan::open(const std::string& path) {
  bool reserved = false;
  std::uint64_t seen = 0;
  auto manifest =
      open_checked(context_, path, stop_, [&](const Element& element, ManifestReader::Array array) {
        if (!std::exchange(reserved, true)) repeated_.reserve(1U << 16U);
        if (array == ManifestReader::Array::changes) offsets_.push_back(element.offset);
        for (const auto* text : {&element.link_path, &element.source_path, &element.target_path}) {
          if (text->is_text()) repeated_.add(text->bytes);
        }
        if (++seen % 1024 == 0) meter_.update([&](Progress& progress) { progress.processed = seen; });
      });
  if (!manifest) return manifest.error();
  manifest_ = std::move(*manifest);
  repeated_.settle();
  if (!is_undo()) offsets_ = {};
  report_.manifest_path = manifest_.path;
  report_.manifest_created_at = manifest_.contents.created_at;
  report_.manifest_type = is_undo() ? ManifestType::symlink_repair : ManifestType::symlink_snapshot;
  auto trees = trees_of(context_, manifest_.contents);
  if (!trees) return trees.error();
  trees_ = std::move(*trees);
  places_.emplace(context_, trees_,
                  manifest_.contents.version >= 2 ? Places::Reach::trees : Places::Reach::anywhere);
  return {};
}

Result<void> RestorePlan::run(const std::function<void(const Decided&)>& each) {
  return is_undo() ? run_undo(each) : run_snapshot(each);
}

Result<void> RestorePlan::run_snapshot(const std::function<void(const Decided&)>& each) {
  FileSource source(context_.calls, manifest_.file.get());
  ManifestReader reader(source);
  std::vector<Element> elements(options_.restore_broken ? 1 : most_ahead);
  auto array = ManifestReader::Array::entries;
  for (bool ended = false; !ended;) {
    std::size_t count = 0;
    while (count < elements.size()) {
      auto more = reader.next(elements[count], array);
      if (!more) return more.error();
      ended = !*more;
      if (ended) break;
      if (array == ManifestReader::Array::entries) ++count;
    }
    look_ahead(elements, count);
    for (std::size_t i = 0; i < count; ++i) {
      if (stop_.stop_requested()) return Error(Errc::cancelled, "cancelled before anything was changed");
      entry(elements[i], each);
    }
  }
  return {};
}

Result<void> RestorePlan::run_undo(const std::function<void(const Decided&)>& each) {
  std::vector<Element> unit;  // an entry that takes two changes is undone as one
  std::vector<Element> elements(options_.restore_broken ? 1 : most_ahead);
  for (auto offset = offsets_.rbegin(); offset != offsets_.rend();) {
    std::size_t count = 0;
    for (; count < elements.size() && offset != offsets_.rend(); ++count, ++offset) {
      ShortReads source(context_.calls, manifest_.file.get(), *offset);
      if (auto read = ManifestReader::read_element(source, elements[count]); !read) return read;
      elements[count].offset = *offset;
    }
    look_ahead(elements, count);
    for (std::size_t i = 0; i < count; ++i) {
      if (stop_.stop_requested()) return Error(Errc::cancelled, "cancelled before anything was changed");
      if (!unit.empty() && !elements[i].more) {
        change(unit, each);
        unit.clear();
      }
      unit.push_back(elements[i]);
    }
  }
  if (!unit.empty()) change(unit, each);
  return {};
}

void RestorePlan::look_ahead(const std::vector<Element>& elements, std::size_t count) {
  looked_.clear();
  if (options_.restore_broken) return;
  std::vector<Look> looks;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& target = is_undo() ? elements[i].old_target : elements[i].target;
    if (target.is_text() && target.bytes.starts_with('/')) looks.push_back({target.bytes, Presence::unknown});
  }
  targets_.look(-1, "/", looks);
  for (Look& look : looks) looked_.insert_or_assign(std::move(look.target), look.answer);
}

void RestorePlan::invalid(const std::string& path) {
  ++report_.skipped_invalid_entries;
  if (path.empty()) return;
  ErrorItem item;
  item.link_path = path;
  item.error = "is not a path this manifest may touch";
  item.code = "EINVAL";
  keep(report_.errors, report_.errors_total, most_errors, std::move(item));
}

void RestorePlan::fail(const std::string& path, const std::string& destination, int number,
                       std::string_view what) {
  ErrorItem item = error_item(path, number, what);
  if (!destination.empty()) {
    item.source_path = path;
    item.target_path = destination;
  }
  ++report_.entry_errors;
  keep(report_.errors, report_.errors_total, most_errors, std::move(item));
}

bool RestorePlan::target_missing(const std::string& link_path, const std::string& target) {
  if (const auto seen = looked_.find(target); seen != looked_.end()) return seen->second == Presence::missing;
  int number = 0;
  const Directory* directory = places_->parent_of(link_path, number);
  const std::string real = context_.on_disk(parent_path(link_path));
  return targets_.look(directory != nullptr ? directory->fd.get() : -1, real, target) == Presence::missing;
}

std::optional<LinkState> RestorePlan::planned(const std::string& path) {
  if (planned_.empty() || !repeated_.contains(path)) return std::nullopt;
  const auto found = planned_.find(path);
  if (!found) return std::nullopt;
  ShortReads source(context_.calls, manifest_.file.get(), *found >> 2U);
  Element element;
  if (!ManifestReader::read_element(source, element)) return std::nullopt;
  const bool named = element.link_path.bytes == path || element.source_path.bytes == path ||
                     element.target_path.bytes == path;
  if (!named) return std::nullopt;  // two paths of one hash
  switch (static_cast<Made>(*found & 3U)) {
    case Made::nothing:
      return LinkState{};
    case Made::old_target:
      return LinkState{LinkState::Kind::link, element.old_target.bytes};
    case Made::replaced_target:
      return LinkState{LinkState::Kind::link, element.replaced_target.bytes};
    case Made::target:
      break;
  }
  return LinkState{LinkState::Kind::link, element.target.bytes};
}

Result<LinkState> RestorePlan::state(const std::string& path) {
  if (auto known = planned(path)) return std::move(*known);
  return places_->state(path);
}

void RestorePlan::remember(const Step& step, std::uint64_t offset) {
  if (!step.from) note_directories(step.path);
  if (!repeated_.contains(step.path)) return;
  Made made = Made::nothing;
  if (step.to) {
    ShortReads source(context_.calls, manifest_.file.get(), offset);
    Element element;
    if (!ManifestReader::read_element(source, element)) return;
    made = !is_undo()                               ? Made::target
           : element.target_path.bytes == step.path ? Made::replaced_target
                                                    : Made::old_target;
  }
  planned_.set(step.path, offset << 2U | static_cast<std::uint64_t>(made));
}

void RestorePlan::note_directories(const std::string& path) {
  const std::string parent(parent_path(path));
  if (made_.find(parent)) return;
  int number = 0;
  if (places_->parent_of(path, number) != nullptr || number != ENOENT) return;
  std::vector<std::string> missing;
  places_->missing_above(path, missing);
  for (std::string& directory : missing) {
    if (made_.find(directory)) continue;
    made_.set(directory, 1);
    created_.push_back(std::move(directory));
  }
}

void RestorePlan::conclude(const Decided& decided, const std::vector<std::uint64_t>& offsets,
                           const std::function<void(const Decided&)>& each) {
  if (decided.missing_target) {
    ++report_.skipped_nonexistent_target;
  } else {
    switch (decided.verdict.outcome) {
      case Outcome::restored:
        for (std::size_t i = 0; i < offsets.size(); ++i) remember(decided.verdict.steps[i], offsets[i]);
        break;
      case Outcome::unchanged:
        ++report_.skipped_unchanged;
        break;
      case Outcome::existing:
        ++report_.skipped_existing;
        break;
      case Outcome::error:
        if (decided.failed) break;
        fail(decided.link_path, decided.target_path, EEXIST, "replace what is no link");
    }
  }
  each(decided);
  if (++processed_ % 1024 == 0) meter_.update([&](Progress& progress) { progress.processed = processed_; });
}

void RestorePlan::entry(const Element& element, const std::function<void(const Decided&)>& each) {
  ++report_.total_entries;
  const auto wanted = to_entry(element);
  if (!wanted) return invalid({});
  if (!is_admitted(manifest_.contents, wanted->link_path)) return invalid(wanted->link_path);
  Decided decided;
  decided.link_path = wanted->link_path;
  decided.target = wanted->target;
  if (!options_.restore_broken && target_missing(wanted->link_path, wanted->target)) {
    decided.missing_target = true;
    return conclude(decided, {}, each);
  }
  auto now = state(wanted->link_path);
  if (!now) {
    fail(wanted->link_path, {}, now.error().code().value(), "look at the link");
    decided.failed = true;
    decided.verdict.outcome = Outcome::error;
    return conclude(decided, {}, each);
  }
  decided.now = std::move(*now);
  decided.verdict = restore_entry(*wanted, decided.now, options_.overwrite ? Overwrite::yes : Overwrite::no);
  const bool restored = decided.verdict.outcome == Outcome::restored;
  conclude(decided, restored ? std::vector<std::uint64_t>{element.offset} : std::vector<std::uint64_t>(),
           each);
}

bool RestorePlan::undo_one(const Change& change, Decided& decided) {
  if (!options_.restore_broken && change.old_target && target_missing(change.path, *change.old_target)) {
    decided.missing_target = true;
    return false;
  }
  auto now = state(change.path);
  auto there = change.destination.empty() ? Result<LinkState>(LinkState{}) : state(change.destination);
  if (!now || !there) {
    const Error& error = !now ? now.error() : there.error();
    fail(change.path, change.destination, error.code().value(), "look at the link");
    decided.failed = true;
    decided.verdict.outcome = Outcome::error;
    return false;
  }
  Verdict verdict = undo_change(change, *now, *there, options_.overwrite ? Overwrite::yes : Overwrite::no);
  decided.now = std::move(*now);
  if (verdict.outcome != Outcome::unchanged) decided.verdict.outcome = verdict.outcome;
  for (Step& step : verdict.steps) decided.verdict.steps.push_back(std::move(step));
  return verdict.outcome == Outcome::restored || verdict.outcome == Outcome::unchanged;
}

void RestorePlan::change(const std::vector<Element>& unit, const std::function<void(const Decided&)>& each) {
  ++report_.total_entries;
  std::vector<Change> changes;
  for (const Element& element : unit) {
    auto change = to_change(element);
    if (!change) return invalid({});
    for (const std::string* path : {&change->path, &change->destination}) {
      if (!path->empty() && !is_admitted(manifest_.contents, *path)) return invalid(*path);
    }
    changes.push_back(std::move(*change));
  }
  Decided decided;
  decided.link_path = changes.back().path;
  decided.target_path = changes.back().destination;
  decided.target = changes.back().old_target;
  std::vector<std::uint64_t> offsets;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const bool good = undo_one(changes[i], decided);
    offsets.resize(decided.verdict.steps.size(), unit[i].offset);
    if (good) continue;
    decided.verdict.steps.clear();
    offsets.clear();
    break;
  }
  conclude(decided, offsets, each);
}

}  // namespace dumb::symlinks
