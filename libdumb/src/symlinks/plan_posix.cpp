#include "symlinks/plan_posix.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dumb/symlinks/paths.hpp>

namespace dumb::symlinks {

bool RepairPlan::rewrites_in(std::string_view real_directory) const {
  return std::any_of(roots.begin(), roots.end(),
                     [&](const Tree& root) { return root.fd && is_within(real_directory, root.real); });
}

Rewritten rewrite_link(const Rewriter& rewriter, const Context& context, std::string_view target,
                       std::string_view directory, std::string_view name, std::string& result) {
  const auto rule = rewriter.rewrite(target, result);
  if (!rule) return {};
  if (result.size() > target_limit) return {Rewritten::Kind::refused, *rule, ENAMETOOLONG};
  const auto is_itself = [&](std::string_view place) {
    const bool slash = !place.ends_with('/');
    return result.size() == place.size() + (slash ? 1 : 0) + name.size() && result.starts_with(place) &&
           result.ends_with(name) && (!slash || result[place.size()] == '/');
  };
  if (is_itself(directory)) return {Rewritten::Kind::refused, *rule, ELOOP};
  if (!context.environment.root.is_identity() && is_itself(context.on_disk(directory))) {
    return {Rewritten::Kind::refused, *rule, ELOOP};
  }
  return {Rewritten::Kind::changed, *rule, 0};
}

namespace {

/// What one thread of the walk finds. Counted here and added to the report at the end of each directory.
class RewriteSink final : public LinkSink {
 public:
  explicit RewriteSink(RepairPlan& plan)
      : plan_(plan), counts_only_(plan.journal == nullptr && plan.include_broken && !plan.verify) {}

  void link(const WalkedDirectory& here, std::string_view name, std::string_view target) override {
    if (here.fd != directory_fd_) enter(here);
    ++scanned_;
    const Rewritten found = rewrite_link(plan_.rewriter, plan_.context, target, spelled_, name, result_);
    if (found.kind == Rewritten::Kind::unchanged) {
      ++unchanged_;
    } else if (found.kind == Rewritten::Kind::refused) {
      failed(join_path(spelled_, name), found.number,
             "rewrite the target to \"" + result_.substr(0, 200) + "\"");
    } else if (counts_only_) {
      ++changed_;
      if (kept_ < plan_.limit) {
        ++kept_;
        shown_.push_back({join_path(spelled_, name), std::string(target), result_, plan_.rules[found.rule]});
      }
    } else {
      links_.push_back({std::string(name), std::string(target), result_, found.rule});
    }
    if (links_.size() >= 512) settle(here);
  }

  void leave(const WalkedDirectory& here) override {
    settle(here);
    directory_fd_ = -1;
    const std::lock_guard lock(plan_.mutex);
    RepairReport& report = plan_.report;
    report.scanned_symlinks += scanned_;
    report.skipped_unchanged += unchanged_;
    report.changed += changed_;
    for (LinkChange& change : shown_) {
      if (report.changes.size() < plan_.limit) report.changes.push_back(std::move(change));
    }
    shown_.clear();
    plan_.found += scanned_;
    scanned_ = unchanged_ = changed_ = 0;
    plan_.meter->update([&](Progress& progress) { progress.processed = plan_.found; });
  }

  void failed(const std::string& path, int number, std::string_view what) override {
    const std::lock_guard lock(plan_.mutex);
    keep(plan_.report.errors, plan_.report.errors_total, plan_.limit, error_item(path, number, what));
  }

 private:
  struct Found {
    std::string name;
    std::string target;
    std::string result;
    std::size_t rule;
  };

  void enter(const WalkedDirectory& here) {
    directory_fd_ = here.fd;
    spelled_ = join_path(here.tree.spelled, here.path);
  }

  /// Leaves out links whose target is missing, when asked to.
  void drop_broken(const WalkedDirectory& here) {
    std::vector<Look> looks;
    for (const Found& link : links_) looks.push_back({link.target, Presence::unknown});
    plan_.targets.look(here.fd, join_path(here.tree.real, here.path), looks);
    std::uint64_t missing = 0;
    std::uint64_t unknown = 0;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < links_.size(); ++i) {
      unknown += looks[i].answer == Presence::unknown ? 1 : 0;
      if (looks[i].answer == Presence::missing) {
        ++missing;
        continue;
      }
      if (kept != i) links_[kept] = std::move(links_[i]);
      ++kept;
    }
    links_.resize(kept);
    const std::lock_guard lock(plan_.mutex);
    plan_.report.skipped_nonexistent_target += missing;
    plan_.report.targets_unknown += unknown;
  }

  void verify(const WalkedDirectory& here) {
    std::vector<Look> looks;
    for (const Found& link : links_) looks.push_back({link.result, Presence::unknown});
    plan_.targets.look(here.fd, join_path(here.tree.real, here.path), looks);
    const std::lock_guard lock(plan_.mutex);
    for (const Look& look : looks) {
      plan_.report.new_targets_missing += look.answer == Presence::missing ? 1 : 0;
      plan_.report.targets_unknown += look.answer == Presence::unknown ? 1 : 0;
    }
  }

  void settle(const WalkedDirectory& here) {
    if (links_.empty()) return;
    if (!plan_.include_broken) drop_broken(here);
    if (plan_.verify) verify(here);
    if (plan_.journal != nullptr) {
      write(here);
    } else {
      const std::lock_guard lock(plan_.mutex);
      RepairReport& report = plan_.report;
      report.changed += links_.size();
      for (const Found& link : links_) {
        if (report.changes.size() >= plan_.limit) break;
        report.changes.push_back(
            {join_path(spelled_, link.name), link.target, link.result, plan_.rules[link.rule]});
      }
    }
    links_.clear();
  }

  void write(const WalkedDirectory& here) {
    buffer_.clear();
    Change change;
    for (Found& link : links_) {
      change.path = join_path(spelled_, link.name);
      change.old_target = std::move(link.target);
      change.new_target = std::move(link.result);
      change.owner = owner_of(plan_.context.calls, here.fd, link.name);
      append_change(buffer_, change);
      buffer_ += ",\n";
    }
    plan_.journal->append(buffer_, links_.size());
  }

  RepairPlan& plan_;
  bool counts_only_;  ///< nothing but the rules decides about a link
  std::uint64_t changed_ = 0;
  std::size_t kept_ = 0;
  std::vector<LinkChange> shown_;
  int directory_fd_ = -1;
  std::string spelled_;
  std::string result_;
  std::string buffer_;
  std::vector<Found> links_;
  std::uint64_t scanned_ = 0;
  std::uint64_t unchanged_ = 0;
};

}  // namespace

void plan_rewrites(RepairPlan& plan, const std::stop_token& stop) {
  WalkOptions options;
  options.threads = walk_threads(plan.context.environment);
  auto outcome = walk(
      plan.context, plan.roots, options, [&] { return std::make_unique<RewriteSink>(plan); }, stop);
  plan.report.skipped_mounts = std::move(outcome.skipped_mounts);
}

}  // namespace dumb::symlinks
