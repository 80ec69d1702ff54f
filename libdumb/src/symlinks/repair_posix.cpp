#include <fcntl.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/operations.hpp>
#include <dumb/symlinks/paths.hpp>
#include <tuple>

#include "symlinks/plan_posix.hpp"
#include "symlinks/resume_posix.hpp"

namespace dumb::symlinks {
namespace {

constexpr std::size_t most_roots = 256;

Error refused(std::string message) {
  return {Errc::invalid_argument, std::move(message)};
}

Result<void> check(const RepairRequest& request, const std::vector<RewriteRule>& rules) {
  const std::int64_t limit = request.changes_limit.value_or(1000);
  if (limit < 0 || limit > 10000) return refused("changes_limit must be between 0 and 10000");
  if (request.roots && request.roots->size() > most_roots) return refused("more than 256 roots");
  if (request.root_migrations && request.root_migrations->size() > most_roots) {
    return refused("more than 256 root migrations");
  }
  const bool migrates = request.root_migrations && !request.root_migrations->empty();
  if (rules.empty() && !migrates) return refused("there is no rule, preset or root migration");
  return {};
}

/// Normalised roots of a request; blank ones are dropped unless all are.
Result<std::vector<std::string>> normal_roots(const std::vector<std::string>& given) {
  std::vector<std::string> roots;
  for (const std::string& text : given) {
    if (text::blank(text)) continue;
    auto root = normal_root(text);
    if (!root) return root.error();
    roots.push_back(std::move(*root));
  }
  if (roots.empty()) return refused("all roots are blank");
  return roots;
}

Result<void> open_roots(RepairPlan& plan, const RepairRequest& request) {
  std::vector<std::string> roots;
  if (request.roots && !request.roots->empty()) {
    auto given = normal_roots(*request.roots);
    if (!given) return given.error();
    roots = std::move(*given);
  } else if (!plan.rules.empty()) {
    roots = default_roots(plan.context.environment);
  }
  plan.report.roots = roots;
  return open_trees(plan.context, roots, plan.roots, plan.report.missing_roots, plan.report.errors,
                    plan.report.errors_total);
}

bool same_directory(const Context& context, const Tree& a, const Tree& b) {
  if (a.real == b.real) return true;
  struct stat one {};
  struct stat other {};
  return a.fd && b.fd && context.calls.stat(a.fd.get(), "", &one, AT_EMPTY_PATH) >= 0 &&
         context.calls.stat(b.fd.get(), "", &other, AT_EMPTY_PATH) >= 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

bool overlap(const Tree& a, const Tree& b) {
  return is_within(a.real, b.real) || is_within(b.real, a.real);
}

/// SYM-23, between two migrations.
Result<void> check_pair(const MigrationTrees& a, const MigrationTrees& b, bool copy) {
  const auto shown = [](const std::string& path) { return "\"" + printable(path) + "\""; };
  if (!copy && overlap(a.from, b.from)) {
    return refused("from_root " + shown(a.asked.from_root) + " and " + shown(b.asked.from_root) + " overlap");
  }
  for (const auto* pair : {&a, &b}) {
    const MigrationTrees& other = pair == &a ? b : a;
    if (overlap(pair->to, other.from)) {
      return refused("to_root " + shown(pair->asked.to_root) + " overlaps from_root " +
                     shown(other.asked.from_root) + ": chained migrations need a request each");
    }
  }
  return {};
}

Result<void> open_migrations(RepairPlan& plan, const RepairRequest& request) {
  std::vector<MigrationTrees> all;
  for (const RootMigration& given : request.root_migrations.value_or(std::vector<RootMigration>())) {
    auto from = normal_root(given.from_root);
    if (!from) return from.error();
    auto to = normal_root(given.to_root);
    if (!to) return to.error();
    MigrationTrees trees;
    trees.asked = {std::move(*from), std::move(*to)};
    const auto same = [&](const MigrationTrees& other) { return other.asked == trees.asked; };
    if (std::any_of(all.begin(), all.end(), same)) continue;
    auto source = open_tree(plan.context, trees.asked.from_root);
    if (!source) return source.error();
    auto goal = open_tree(plan.context, trees.asked.to_root);
    if (!goal) return goal.error();
    trees.from = std::move(*source);
    trees.to = std::move(*goal);
    if (same_directory(plan.context, trees.from, trees.to)) {
      return refused("from_root and to_root \"" + printable(trees.asked.to_root) +
                     "\" are the same directory");
    }
    for (const MigrationTrees& other : all) {
      if (auto good = check_pair(other, trees, plan.copy); !good) return good;
    }
    all.push_back(std::move(trees));
  }
  for (MigrationTrees& trees : all) {
    plan.report.root_migrations.push_back(trees.asked);
    if (!trees.from.fd) {
      plan.report.missing_migration_roots.push_back(trees.asked.from_root);
    } else if (!trees.from.directory) {
      keep(plan.report.errors, plan.report.errors_total, plan.limit,
           error_item(trees.asked.from_root, ENOTDIR, "open directory"));
    } else {
      plan.migrations.push_back(std::move(trees));
    }
  }
  return {};
}

/// All trees of the run, for its locks and for applying. The plan's own are used up.
std::vector<Tree> all_trees(RepairPlan& plan) {
  std::vector<Tree> trees = std::move(plan.roots);
  for (MigrationTrees& migration : plan.migrations) {
    trees.push_back(std::move(migration.from));
    trees.push_back(std::move(migration.to));
  }
  return trees;
}

Result<void> lock(RunLocks& locks, RepairPlan& plan, const Control& control) {
  // A lock needs the real paths only; the descriptors stay with the plan.
  std::vector<Tree> trees;
  const auto add = [&](const Tree& tree) {
    Tree copy;
    copy.spelled = tree.spelled;
    copy.real = tree.real;
    copy.directory = tree.directory;
    if (tree.fd)
      copy.fd.reset(std::max(plan.context.calls.open(tree.fd.get(), ".", O_PATH | O_DIRECTORY, 0), -1));
    trees.push_back(std::move(copy));
  };
  for (const Tree& tree : plan.roots) add(tree);
  for (const MigrationTrees& migration : plan.migrations) {
    add(migration.from);
    add(migration.to);
  }
  return locks.take(plan.context, control, "symlink_repair", trees, Locks::Mode::exclusive);
}

/// Which migration made a change, for the report.
const RootMigration* migration_of(const RepairReport& report, const Change& change) {
  for (const RootMigration& migration : report.root_migrations) {
    if (is_within(change.path, migration.from_root) &&
        change.destination == join_path(migration.to_root, below(change.path, migration.from_root))) {
      return &migration;
    }
  }
  return nullptr;
}

void sort_lists(RepairReport& report) {
  std::sort(report.changes.begin(), report.changes.end(),
            [](const LinkChange& a, const LinkChange& b) { return a.link_path < b.link_path; });
  std::sort(report.moves.begin(), report.moves.end(), [](const LinkMove& a, const LinkMove& b) {
    return std::tie(a.source_path, a.target_path) < std::tie(b.source_path, b.target_path);
  });
  std::sort(report.errors.begin(), report.errors.end(), [](const ErrorItem& a, const ErrorItem& b) {
    return std::tie(a.link_path, a.source_path) < std::tie(b.link_path, b.source_path);
  });
  std::sort(report.skipped_mounts.begin(), report.skipped_mounts.end());
  report.skipped_mounts.erase(std::unique(report.skipped_mounts.begin(), report.skipped_mounts.end()),
                              report.skipped_mounts.end());
}

}  // namespace

void finish(RepairReport& report) {
  report.changes_total = report.changed;
  report.moves_total = report.moved + report.copied;
  sort_lists(report);
  report.truncated = report.changes.size() < report.changes_total ||
                     report.moves.size() < report.moves_total || report.errors.size() < report.errors_total;
}

std::vector<std::string> default_roots(const Environment& environment) {
  std::vector<std::string> roots{"/mnt/debrid/decypharr_symlinks", "/mnt/debrid/nzbdav-symlinks",
                                 "/mnt/debrid/combined_symlinks", "/mnt/debrid/clid_symlinks"};
  for (const std::string& more : environment.more_default_roots) {
    const auto root = normal_root(more);
    if (root && std::find(roots.begin(), roots.end(), *root) == roots.end()) roots.push_back(*root);
  }
  return roots;
}

Result<void> open_trees(const Context& context, const std::vector<std::string>& roots,
                        std::vector<Tree>& trees, std::vector<std::string>& missing,
                        std::vector<ErrorItem>& errors, std::uint64_t& total) {
  for (const std::string& root : roots) {
    auto tree = open_tree(context, root);
    if (!tree) return tree.error();
    if (!tree->fd) {
      missing.push_back(root);
    } else if (!tree->directory) {
      keep(errors, total, 1000, error_item(root, ENOTDIR, "open directory"));
      continue;
    }
    trees.push_back(std::move(*tree));
  }
  // A root inside another one is walked with it, under the spelling of the outermost (SYM-80).
  std::vector<bool> inner(trees.size());
  for (std::size_t i = 0; i < trees.size(); ++i) {
    for (std::size_t j = 0; j < trees.size(); ++j) {
      const bool within = i != j && trees[j].fd && is_within(trees[i].real, trees[j].real);
      if (within && (trees[i].real != trees[j].real || j < i)) inner[i] = true;
    }
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    if (inner[i]) continue;
    if (kept != i) trees[kept] = std::move(trees[i]);
    ++kept;
  }
  trees.resize(kept);
  return {};
}

void count_applied(RepairReport& report, Meter& meter, std::size_t limit, const Rewriter& rewriter,
                   const Change& change, const Done& done) {
  switch (done.kind) {
    case Done::Kind::changed:
      ++report.skipped_changed_during_run;
      break;
    case Done::Kind::exists:
      if (change.kind != Change::Kind::link) {
        ++report.skipped_existing_destination;
        break;
      }
      [[fallthrough]];
    case Done::Kind::failed:
      keep(report.errors, report.errors_total, limit, error_item(change, done));
      break;
    case Done::Kind::done:
      if (change.kind == Change::Kind::link) {
        if (report.changes.size() >= limit) {
          ++report.changed;
          break;
        }
        LinkChange shown{change.path, change.old_target.value_or(""), change.new_target.value_or(""), {}};
        std::string result;
        if (const auto rule = rewriter.rewrite(shown.old_target, result))
          shown.matched_rule = report.rules[*rule];
        keep(report.changes, report.changed, limit, std::move(shown));
        break;
      }
      const bool copy = change.kind == Change::Kind::copy;
      LinkMove move{{},
                    {},
                    change.path,
                    change.destination,
                    copy,
                    *change.old_target,
                    *change.new_target,
                    change.replaced_target};
      if (const RootMigration* migration = migration_of(report, change)) {
        move.from_root = migration->from_root;
        move.to_root = migration->to_root;
      }
      keep(report.moves, copy ? report.copied : report.moved, limit, std::move(move));
  }
  meter.update([&](Progress& progress) {
    ++progress.processed;
    progress.changed = report.changed;
    progress.moved = report.moved;
    progress.copied = report.copied;
    progress.errors = report.errors_total;
  });
}

namespace {

Result<RepairReport> apply(RepairPlan& plan, Journal& journal, const Control& control) {
  const Environment& environment = plan.context.environment;
  if (auto done = journal.commit(plan.created_dirs, control.owner); !done) return done.error();
  RepairReport& report = plan.report;
  (journal.automatic() ? report.auto_manifest : report.backup_manifest) = journal.path();
  if (environment.before_apply) environment.before_apply();
  plan.meter->stage(Stage::processing, journal.count());
  std::vector<Tree> trees = all_trees(plan);
  Places places(plan.context, trees, Places::Reach::trees);
  ApplyHooks hooks;
  hooks.finished = [&](const Change& change, const Done& done) {
    count_applied(report, *plan.meter, plan.limit, plan.rewriter, change, done);
  };
  hooks.not_attempted = [&](const Change&) {
    ++report.not_attempted;
    plan.meter->update([](Progress& progress) { ++progress.processed; });
  };
  hooks.two_steps = [&] { return journal.note_two_steps(); };
  auto applied =
      apply_manifest(places, journal.run_id(), journal.fd(), ApplyMode::fresh, control.stop, hooks);
  plan.meter->stage(Stage::finalizing);
  if (applied) {
    report.aborted = applied->aborted;
    report.cancelled = applied->cancelled;
  } else {
    report.aborted = errno_name(applied.error().code().value());
  }
  if (auto closed = journal.close(); !closed && !report.aborted) {
    report.aborted = errno_name(closed.error().code().value());
  }
  finish(report);
  plan.meter->stage(Stage::completed);
  return std::move(report);
}

}  // namespace

Result<void> check(const Environment& environment, const RepairRequest& request) {
  const Context context(environment);
  if (request.resume_manifest_path) return check_resume(context, request);
  auto rules = effective_rules(request);
  if (!rules) return rules.error();
  if (auto good = check(request, *rules); !good) return good;
  RepairPlan plan(context, request, std::move(*rules));
  if (request.backup_path) {
    auto given = place_for(environment, *request.backup_path, ManifestUse::write);
    if (!given) return given.error();
  }
  if (auto good = open_roots(plan, request); !good) return good;
  return open_migrations(plan, request);
}

Result<RepairReport> repair(const Environment& environment, const RepairRequest& request,
                            const Control& control) {
  const Context context(environment);
  if (request.resume_manifest_path) return resume(context, request, control);
  auto rules = effective_rules(request);
  if (!rules) return rules.error();
  if (auto good = check(request, *rules); !good) return good.error();
  RepairPlan plan(context, request, std::move(*rules), control.stop);
  std::optional<ManifestPlace> place;
  if (request.backup_path) {
    auto given = place_for(environment, *request.backup_path, ManifestUse::write);
    if (!given) return given.error();
    place = std::move(*given);
  }
  if (auto good = open_roots(plan, request); !good) return good.error();
  if (auto good = open_migrations(plan, request); !good) return good.error();
  RunLocks locks;
  std::optional<Journal> journal;
  Meter meter(context, control);
  plan.meter = &meter;
  if (!plan.report.dry_run) {
    if (auto taken = lock(locks, plan, control); !taken) return taken.error();
    Header header;
    header.operation = "symlink_repair";
    header.roots = plan.report.roots;
    header.root_migrations = plan.report.root_migrations;
    journal.emplace(context, std::move(header), std::move(place));
    plan.journal = &*journal;
  }
  meter.stage(Stage::collecting);
  plan_rewrites(plan, control.stop);
  plan_migrations(plan, control.stop);
  if (control.stop.stop_requested()) {
    plan.report.not_attempted = journal ? journal->count() : 0;
    finish(plan.report);
    return cancelled(control, to_json(plan.report), "cancelled before anything was changed");
  }
  if (journal && journal->count() > 0) return apply(plan, *journal, control);
  finish(plan.report);
  meter.stage(Stage::completed);
  return std::move(plan.report);
}

}  // namespace dumb::symlinks
