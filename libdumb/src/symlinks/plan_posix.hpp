#pragma once

#include <dumb/symlinks/rules.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "symlinks/run_posix.hpp"
#include "symlinks/targets_posix.hpp"
#include "symlinks/walk_posix.hpp"

namespace dumb::symlinks {

/// One migration with its two trees.
struct MigrationTrees {
  RootMigration asked;  ///< normalised
  Tree from;
  Tree to;
};

/// A repair while it is planned. Dry runs count what they would do; real runs write it to the journal.
struct RepairPlan {
  RepairPlan(const Context& in_context, const RepairRequest& request, std::vector<RewriteRule> effective,
             std::stop_token stop = {})
      : context(in_context),
        rules(std::move(effective)),
        rewriter(rules),
        targets(in_context, std::move(stop)) {
    report.dry_run = request.dry_run.value_or(true);
    report.rules = rules;
    include_broken = request.include_broken.value_or(true);
    overwrite = request.overwrite_existing.value_or(false);
    copy = request.copy_instead_of_move.value_or(false);
    verify = request.verify_new_targets.value_or(false);
    limit = static_cast<std::size_t>(request.changes_limit.value_or(1000));
  }

  const Context& context;
  std::vector<RewriteRule> rules;
  Rewriter rewriter;
  Targets targets;
  bool include_broken = true;
  bool overwrite = false;
  bool copy = false;
  bool verify = false;
  std::size_t limit = 1000;
  std::vector<Tree> roots;
  std::vector<MigrationTrees> migrations;
  Journal* journal = nullptr;  ///< of a real run
  Meter* meter = nullptr;
  RepairReport report;
  std::vector<std::string> created_dirs;
  std::uint64_t found = 0;  ///< links met so far, for progress
  std::mutex mutex;         ///< guards report, created_dirs and found

  /// Whether links of this real directory are rewritten by this run.
  bool rewrites_in(std::string_view real_directory) const;
};

/// Plans the rewriting of every link below the roots (SYM-14 to SYM-19).
void plan_rewrites(RepairPlan& plan, const std::stop_token& stop);
/// Plans the migrations in their order (SYM-20 to SYM-26).
void plan_migrations(RepairPlan& plan, const std::stop_token& stop);

/// What a rule makes of one link, with the reasons not to (SYM-18).
struct Rewritten {
  enum class Kind { unchanged, changed, refused };
  Kind kind = Kind::unchanged;
  std::size_t rule = 0;
  int number = 0;  ///< why it is refused
};
/// `directory` is as the request spells it, `on_disk` where that is.
Rewritten rewrite_link(const Rewriter& rewriter, std::string_view target, std::string_view directory,
                       std::string_view on_disk, std::string_view name, std::string& result);

}  // namespace dumb::symlinks
