#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/operations.hpp>
#include <dumb/symlinks/paths.hpp>
#include <utility>

#include "symlinks/restore_plan_posix.hpp"

namespace dumb::symlinks {
namespace {

constexpr std::size_t most_errors = 1000;

Header undo_header(const RestorePlan& plan) {
  Header header;
  header.operation = "symlink_manifest_restore";
  const Contents& contents = plan.manifest().contents;
  header.roots = contents.roots;
  header.root_migrations = contents.root_migrations;
  return header;
}

/// The steps of one entry as changes of the journal, with the owner each link has now.
void write_steps(const Context& context, Places& places, Journal& journal, const Decided& decided,
                 std::string& buffer) {
  buffer.clear();
  const auto& steps = decided.verdict.steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Change change;
    change.path = steps[i].path;
    change.old_target = steps[i].from;
    change.new_target = steps[i].to;
    change.new_owner = steps[i].owner;
    change.more = i + 1 < steps.size();
    int number = 0;
    if (change.old_target) {
      const Directory* directory = places.parent_of(change.path, number);
      if (directory != nullptr) {
        change.owner =
            owner_of(context.calls, directory->fd.get(), std::string(base_name(change.path)).c_str());
      }
    }
    append_change(buffer, change);
    buffer += ",\n";
  }
  journal.append(buffer, steps.size());
}

void count(RestoreReport& report, Meter& meter, const Change& change, const Done& done) {
  switch (done.kind) {
    case Done::Kind::done:
      ++report.restored;
      break;
    case Done::Kind::changed:
    case Done::Kind::exists:
      ++report.skipped_changed_during_run;
      break;
    case Done::Kind::failed:
      ++report.entry_errors;
      keep(report.errors, report.errors_total, most_errors, error_item(change, done));
  }
  meter.update([&](Progress& progress) {
    ++progress.processed;
    progress.restored = report.restored;
    progress.errors = report.errors_total;
  });
}

/// Directories the undone run had made go when they are empty, deepest first.
void remove_created(RestorePlan& plan, RestoreReport& report) {
  const auto& created = plan.manifest().contents.created_dirs;
  plan.places().forget();
  for (auto path = created.rbegin(); path != created.rend(); ++path) {
    const bool good = path->starts_with('/') && !has_dotdot(*path) && !is_denied(*path) &&
                      path->find('\0') == std::string::npos;
    if (good && plan.places().remove_directory(*path)) continue;
    keep(report.errors, report.errors_total, most_errors,
         error_item(*path, EPERM, "remove a directory that the manifest's roots do not hold"));
  }
}

void sort_errors(RestoreReport& report) {
  std::stable_sort(report.errors.begin(), report.errors.end(),
                   [](const ErrorItem& a, const ErrorItem& b) { return a.link_path < b.link_path; });
}

Result<void> apply(const Context& context, RestorePlan& plan, Journal& journal, RestoreReport& report,
                   Meter& meter, const Control& control) {
  if (auto done = journal.commit(plan.created_dirs(), control.owner); !done) return done;
  report.undo_manifest = journal.path();
  if (context.environment.before_apply) context.environment.before_apply();
  plan.places().forget();
  ApplyHooks hooks;
  hooks.finished = [&](const Change& change, const Done& done) { count(report, meter, change, done); };
  hooks.not_attempted = [&](const Change&) { ++report.not_attempted; };
  auto applied =
      apply_manifest(plan.places(), journal.run_id(), journal.fd(), ApplyMode::fresh, control.stop, hooks);
  meter.stage(Stage::finalizing);
  if (applied) {
    report.aborted = applied->aborted;
    report.cancelled = applied->cancelled;
  } else {
    report.aborted = errno_name(applied.error().code().value());
  }
  if (plan.is_undo() && !report.aborted && !report.cancelled) remove_created(plan, report);
  if (auto closed = journal.close(); !closed && !report.aborted) {
    report.aborted = errno_name(closed.error().code().value());
  }
  return {};
}

}  // namespace

Result<void> check(const Environment& environment, const RestoreRequest& request) {
  auto place = place_for(environment, request.manifest_path, ManifestUse::read);
  if (!place) return place.error();
  const Context context(environment);
  auto file = open_manifest(context, *place);
  if (!file) return file.error();
  return {};
}

Result<RestoreReport> restore(const Environment& environment, const RestoreRequest& request,
                              const Control& control) {
  const Context context(environment);
  RestoreReport report;
  report.dry_run = request.dry_run.value_or(true);
  report.overwrite_existing = request.overwrite_existing.value_or(false);
  report.restore_broken = request.restore_broken.value_or(true);
  Meter meter(context, control);
  if (report.dry_run) meter.stage(Stage::collecting);  // a real one has begun when it holds its roots
  RestorePlan plan(context, {report.overwrite_existing, report.restore_broken}, report, meter, control.stop);
  if (!report.dry_run) {
    auto free = check_free(context, control, "symlink_manifest_restore", request.manifest_path);
    if (!free) return free.error();
  }
  if (auto opened = plan.open(request.manifest_path); !opened) return opened.error();
  RunLocks locks;
  std::optional<Journal> journal;
  if (!report.dry_run) {
    auto taken = locks.take(context, control, "symlink_manifest_restore", plan.trees(),
                            Locks::Mode::exclusive, plan.manifest().contents.version < 2);
    if (!taken) return taken.error();
    journal.emplace(context, undo_header(plan), std::nullopt);
  }
  meter.stage(Stage::collecting);
  std::uint64_t planned = 0;
  std::string buffer;
  auto decided = plan.run([&](const Decided& entry) {
    if (entry.missing_target || entry.verdict.outcome != Outcome::restored) return;
    ++planned;
    if (journal) write_steps(context, plan.places(), *journal, entry, buffer);
  });
  if (!decided && decided.error().is(Errc::cancelled)) {
    report.not_attempted = planned;
    sort_errors(report);
    return cancelled(control, to_json(report), decided.error().message());
  }
  if (!decided) return decided.error();
  const std::uint64_t skipped = report.total_entries - planned;
  meter.stage(Stage::processing, report.total_entries);
  meter.update([&](Progress& progress) { progress.processed = skipped; });
  if (!journal) {
    report.restored = planned;
  } else if (planned > 0) {
    if (auto done = apply(context, plan, *journal, report, meter, control); !done) return done.error();
  } else if (plan.is_undo()) {
    remove_created(plan, report);
  }
  meter.update([&](Progress& progress) {
    progress.processed = report.total_entries;
    progress.restored = report.restored;
  });
  sort_errors(report);
  meter.stage(Stage::completed);
  return report;
}

namespace {

/// Keeps the first entries of each action, then takes them in turn (SYM-40).
class Sampler {
 public:
  explicit Sampler(std::size_t limit) : limit_(limit) {}

  void add(const Decided& decided) {
    SampleChange sample;
    sample.action = action(decided);
    auto& kept = kept_[static_cast<std::size_t>(sample.action)];
    if (kept.size() >= limit_) return;
    sample.link_path = decided.link_path;
    sample.target = decided.target.value_or("");
    if (sample.action == SampleAction::remove) sample.target = decided.now.target;
    sample.shows_current =
        sample.action == SampleAction::overwrite || sample.action == SampleAction::skip_existing;
    if (decided.now.kind == LinkState::Kind::link) sample.current_target = decided.now.target;
    kept.push_back(std::move(sample));
  }

  /// As many of each action as a round-robin gives, listed by action.
  std::vector<SampleChange> chosen() {
    std::array<std::size_t, 7> shares{};
    std::size_t left = limit_;
    for (std::size_t turn = 0; turn < limit_ && left > 0; ++turn) {
      for (std::size_t i = 0; i < kept_.size() && left > 0; ++i) {
        if (turn >= kept_[i].size()) continue;
        ++shares[i];
        --left;
      }
    }
    std::vector<SampleChange> out;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      for (std::size_t j = 0; j < shares[i]; ++j) out.push_back(std::move(kept_[i][j]));
    }
    return out;
  }

 private:
  static SampleAction action(const Decided& decided) {
    if (decided.missing_target) return SampleAction::skip_missing_target;
    switch (decided.verdict.outcome) {
      case Outcome::unchanged:
        return SampleAction::skip_unchanged;
      case Outcome::existing:
        return SampleAction::skip_existing;
      case Outcome::error:
        return SampleAction::error;
      case Outcome::restored:
        break;
    }
    const Step& first = decided.verdict.steps.front();
    if (!first.to) return SampleAction::remove;
    return first.from ? SampleAction::overwrite : SampleAction::create;
  }

  std::size_t limit_;
  std::array<std::vector<SampleChange>, 7> kept_;  ///< in the order of SampleAction
};

}  // namespace

Result<CompareReport> compare(const Environment& environment, const CompareRequest& request,
                              const Control& control) {
  if (request.sample_limit < 0 || request.sample_limit > 200) {
    return Error(Errc::invalid_argument, "sample_limit must be between 0 and 200");
  }
  const Context context(environment);
  CompareReport report;
  report.sample_limit = request.sample_limit;
  RestoreReport& projected = report.projected;
  projected.overwrite_existing = request.overwrite_existing;
  projected.restore_broken = request.restore_broken;
  Meter meter(context, control);
  meter.stage(Stage::collecting);
  RestorePlan plan(context, {request.overwrite_existing, request.restore_broken}, projected, meter,
                   control.stop);
  if (auto opened = plan.open(request.manifest_path); !opened) return opened.error();
  Sampler sampler(static_cast<std::size_t>(request.sample_limit));
  auto decided = plan.run([&](const Decided& entry) {
    if (!entry.missing_target && entry.verdict.outcome == Outcome::restored) ++projected.restored;
    sampler.add(entry);
  });
  if (!decided) return decided.error();
  report.sample_changes = sampler.chosen();
  sort_errors(projected);
  return report;
}

}  // namespace dumb::symlinks
