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

Rewritten rewrite_link(const Rewriter& rewriter, std::string_view target, std::string_view directory,
                       std::string_view on_disk, std::string_view name, std::string& result) {
  const auto rule = rewriter.rewrite(target, result);
  if (!rule) return {};
  if (result.size() > target_limit) return {Rewritten::Kind::refused, *rule, ENAMETOOLONG};
  const auto is_itself = [&](std::string_view place) {
    const bool slash = !place.ends_with('/');
    return result.size() == place.size() + (slash ? 1 : 0) + name.size() && result.starts_with(place) &&
           result.ends_with(name) && (!slash || result[place.size()] == '/');
  };
  if (is_itself(directory) || is_itself(on_disk)) return {Rewritten::Kind::refused, *rule, ELOOP};
  return {Rewritten::Kind::changed, *rule, 0};
}

namespace {

/// What one thread of the walk finds. Counted here and added to the report at the end of each directory.
class RewriteSink final : public LinkSink {
 public:
  explicit RewriteSink(RepairPlan& plan)
      : plan_(plan),
        by_rules_alone_(plan.include_broken && !plan.verify),
        counts_only_(by_rules_alone_ && plan.journal == nullptr) {
    change_.old_target.emplace();
    change_.new_target.emplace();
  }

  void link(const WalkedDirectory& here, std::string_view name, std::string_view target) override {
    if (here.fd != directory_fd_) enter(here);
    ++scanned_;
    const Rewritten found = rewrite_link(plan_.rewriter, target, spelled_, on_disk_, name, result_);
    if (found.kind == Rewritten::Kind::unchanged) {
      ++unchanged_;
    } else if (found.kind == Rewritten::Kind::refused && plan_.include_broken) {
      refuse(name, result_, found.number);
    } else if (counts_only_) {
      ++changed_;
      if (kept_ < plan_.limit) {
        ++kept_;
        shown_.push_back({join_path(spelled_, name), std::string(target), result_, plan_.rules[found.rule]});
      }
    } else if (by_rules_alone_) {
      write(here, name, target, result_);
    } else {
      links_.push_back({std::string(name), std::string(target), result_, found.rule, found.number});
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

  void end() override { flush(); }

  void failed(const std::string& path, int number, std::string_view what) override {
    if (what == "read link") ++scanned_;
    const std::lock_guard lock(plan_.mutex);
    keep(plan_.report.errors, plan_.report.errors_total, plan_.limit, error_item(path, number, what));
  }

 private:
  struct Found {
    std::string name;
    std::string target;
    std::string result;
    std::size_t rule;
    int number;  ///< why it cannot have that target; 0 when it can
  };

  void refuse(std::string_view name, const std::string& result, int number) {
    failed(join_path(spelled_, name), number, "rewrite the target to \"" + result.substr(0, 200) + "\"");
  }

  /// Tells of links that lead to something, but cannot have their new target.
  void drop_refused() {
    std::erase_if(links_, [&](const Found& link) {
      if (link.number != 0) refuse(link.name, link.result, link.number);
      return link.number != 0;
    });
  }

  void enter(const WalkedDirectory& here) {
    if (&here.tree != tree_) {
      tree_ = &here.tree;
      tree_on_disk_ = plan_.context.on_disk(here.tree.spelled);
    }
    directory_fd_ = here.fd;
    spelled_ = join_path(here.tree.spelled, here.path);
    on_disk_ = join_path(tree_on_disk_, here.path);
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
    if (!plan_.include_broken) {
      drop_broken(here);
      drop_refused();
    }
    if (plan_.verify) verify(here);
    if (plan_.journal != nullptr) {
      for (const Found& link : links_) write(here, link.name, link.target, link.result);
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

  /// To the journal. Whole elements are collected, so that threads seldom meet there.
  void write(const WalkedDirectory& here, std::string_view name, std::string_view target,
             std::string_view result) {
    constexpr std::size_t piece = 128 * 1024;
    change_.path.assign(spelled_);
    if (!spelled_.ends_with('/')) change_.path += '/';
    change_.path += name;
    change_.old_target->assign(target);
    change_.new_target->assign(result);
    change_.owner = owner_of(plan_.context.calls, here.fd, name.data());
    append_change(buffer_, change_);
    buffer_ += ",\n";
    ++written_;
    if (buffer_.size() >= piece) flush();
  }

  void flush() {
    if (written_ > 0) plan_.journal->append(buffer_, written_);
    buffer_.clear();
    written_ = 0;
  }

  RepairPlan& plan_;
  bool by_rules_alone_;  ///< nothing else decides about a link
  bool counts_only_;     ///< and nothing is written
  std::uint64_t changed_ = 0;
  std::size_t kept_ = 0;
  std::vector<LinkChange> shown_;
  int directory_fd_ = -1;
  std::string spelled_;
  std::string on_disk_;
  std::string result_;
  const Tree* tree_ = nullptr;
  std::string tree_on_disk_;
  Change change_;
  std::string buffer_;         ///< of the journal
  std::uint64_t written_ = 0;  ///< changes in buffer_
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
