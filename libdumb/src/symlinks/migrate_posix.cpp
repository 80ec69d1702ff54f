#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <dumb/symlinks/paths.hpp>

#include "symlinks/path_index.hpp"
#include "symlinks/plan_posix.hpp"

namespace dumb::symlinks {
namespace {

/// What the planned moves make of places on disk, by real path. Only kept where moves can meet.
class Overlay {
 public:
  enum State : std::uint64_t { freed = 1, directory = 2, link = 3 };
  void set(std::string_view path, State state, std::size_t migration = 0) {
    index_.set(path, state | migration << 2U);
  }
  std::optional<State> find(std::string_view path, std::size_t& migration) const {
    const auto value = index_.find(path);
    if (!value) return std::nullopt;
    migration = *value >> 2U;
    return static_cast<State>(*value & 3U);
  }

 private:
  PathIndex index_;
};

/// Plans all migrations of a run, one directory at a time.
class Migrator {
 public:
  Migrator(RepairPlan& plan) : plan_(plan) {
    for (std::size_t i = 0; i < plan.migrations.size(); ++i) {
      const MigrationTrees& a = plan.migrations[i];
      watch_ |= is_within(a.from.real, a.to.real);
      for (std::size_t j = 0; j < i; ++j) {
        const MigrationTrees& b = plan.migrations[j];
        watch_ |= is_within(a.to.real, b.to.real) || is_within(b.to.real, a.to.real);
      }
    }
  }

  void run(const std::stop_token& stop);

  struct Found {
    std::string name;
    std::string target;
  };
  /// All links of one directory of the migration being walked.
  void directory(const WalkedDirectory& here, std::vector<Found>& links);
  RepairPlan& plan() { return plan_; }
  /// Whether another walk of this run counts the links in the same directory. `path` is as requested, in the
  /// migration being walked.
  bool is_counted(std::string_view path) const;

 private:
  struct Destination {
    int number = 0;  ///< why its directory cannot be used
    UniqueFd fd;     ///< none when it does not exist yet
    std::string real;
    std::string spelled;
    bool apart = false;  ///< on another file system than the source
  };
  struct Standing {
    enum class Kind { absent, link, other, unreadable };
    Kind kind = Kind::absent;
    std::string target;
    std::optional<Ownership> owner;
    int number = 0;
  };

  Destination open_destination(const WalkedDirectory& here);
  bool are_apart(const WalkedDirectory& here, const Destination& destination);
  Standing standing(const Destination& destination, const std::string& name);
  std::optional<std::string> final_target(std::size_t migration, std::string_view real_source);
  std::string new_target(const MigrationTrees& migration, const std::string& target,
                         const std::string& real_directory, const std::string& real_destination);
  std::string rewritten(const std::string& target, const std::string& real_directory,
                        const std::string& spelled_directory, const std::string& name);
  void one(const WalkedDirectory& here, const Destination& destination, const Found& link);
  void record(const WalkedDirectory& here, const Destination& destination, Change change);
  void note_directories(const Destination& destination);
  void fail(const Change& change, int number, std::string_view what);

  RepairPlan& plan_;
  Overlay overlay_;
  bool watch_ = false;
  std::size_t current_ = 0;
  PathIndex made_;
  std::string buffer_;
  std::uint64_t buffered_ = 0;
};

class MigrationSink final : public LinkSink {
 public:
  explicit MigrationSink(Migrator& migrator) : migrator_(migrator) {}
  void link(const WalkedDirectory&, std::string_view name, std::string_view target) override {
    links_.push_back({std::string(name), std::string(target)});
  }
  void leave(const WalkedDirectory& here) override {
    if (!links_.empty()) migrator_.directory(here, links_);
    links_.clear();
  }
  void failed(const std::string& path, int number, std::string_view what) override {
    RepairPlan& plan = migrator_.plan();
    if (what == "read link" && !migrator_.is_counted(path)) ++plan.report.scanned_symlinks;
    keep(plan.report.errors, plan.report.errors_total, plan.limit, error_item(path, number, what));
  }

 private:
  Migrator& migrator_;
  std::vector<Migrator::Found> links_;
};

void Migrator::run(const std::stop_token& stop) {
  for (current_ = 0; current_ < plan_.migrations.size() && !stop.stop_requested(); ++current_) {
    MigrationTrees& migration = plan_.migrations[current_];
    std::vector<Tree> trees(1);
    trees[0] = std::move(migration.from);
    WalkOptions options;  // one thread: moves are planned in order
    if (migration.to.real != trees[0].real) options.not_entered = {migration.to.real};
    // The slots of the deeper links are freed by the moves of those above them (SYM-24).
    const bool by_depth = is_within(trees[0].real, migration.to.real);
    const Tree& from = trees[0];
    migration.from.spelled = from.spelled;
    migration.from.real = from.real;
    const auto make = [&] { return std::make_unique<MigrationSink>(*this); };
    for (std::size_t depth = 0;; ++depth) {
      if (by_depth) options.only_depth = depth;
      auto outcome = walk(plan_.context, trees, options, make, stop);
      if (depth == 0) {
        auto& skipped = plan_.report.skipped_mounts;
        skipped.insert(skipped.end(), outcome.skipped_mounts.begin(), outcome.skipped_mounts.end());
      }
      if (!by_depth || outcome.deepest < depth || stop.stop_requested()) break;
    }
    migration.from = std::move(trees[0]);
  }
}

Migrator::Destination Migrator::open_destination(const WalkedDirectory& here) {
  const MigrationTrees& migration = plan_.migrations[current_];
  Destination out;
  out.real = join_path(migration.to.real, here.path);
  out.spelled = join_path(migration.asked.to_root, here.path);
  if (watch_) {  // a planned link stands where a directory would have to be
    for (std::string_view at = out.real; at.size() > migration.to.real.size(); at = parent_path(at)) {
      std::size_t other = 0;
      if (overlay_.find(at, other) == Overlay::link) out.number = ENOTDIR;
    }
  }
  if (out.number != 0 || !migration.to.fd) return out;
  if (!migration.to.directory) {
    out.number = ENOTDIR;
    return out;
  }
  const int fd = open_below(plan_.context.calls, migration.to.fd.get(), here.path, O_PATH);
  if (fd >= 0) out.fd.reset(fd);
  if (fd < 0 && fd != -ENOENT) out.number = -fd;
  return out;
}

/// Whether a rename cannot lead from one to the other: another mount, or a subvolume of the same.
bool Migrator::are_apart(const WalkedDirectory& here, const Destination& destination) {
  const MountTable& mounts = plan_.context.mounts;
  if (mounts.of(join_path(here.tree.real, here.path)) != mounts.of(destination.real)) return true;
  const UniqueFd& root = plan_.migrations[current_].to.fd;
  const UniqueFd& there = destination.fd ? destination.fd : root;
  struct stat from {};
  struct stat to {};
  return there && plan_.context.calls.stat(here.fd, "", &from, AT_EMPTY_PATH) >= 0 &&
         plan_.context.calls.stat(there.get(), "", &to, AT_EMPTY_PATH) >= 0 && from.st_dev != to.st_dev;
}

/// The target a link that an earlier migration planned to bring has: nothing has moved yet, so it is still
/// there.
std::optional<std::string> Migrator::final_target(std::size_t index, std::string_view real_destination) {
  const MigrationTrees& migration = plan_.migrations[index];
  const std::string rest(below(real_destination, migration.to.real));
  const std::string source = join_path(migration.from.real, rest);
  const auto state = look_at(plan_.context.calls, AT_FDCWD, source);
  if (!state || state->kind != LinkState::Kind::link) return std::nullopt;
  const std::string directory(parent_path(source));
  const std::string spelled = join_path(migration.asked.from_root, parent_path(rest));
  return new_target(migration, rewritten(state->target, directory, spelled, std::string(base_name(source))),
                    directory, std::string(parent_path(real_destination)));
}

Migrator::Standing Migrator::standing(const Destination& destination, const std::string& name) {
  const std::string real = join_path(destination.real, name);
  if (watch_) {
    std::size_t other = 0;
    const auto planned = overlay_.find(real, other);
    if (planned == Overlay::freed) return {};
    if (planned == Overlay::directory) return {Standing::Kind::other, {}, {}, 0};
    if (planned == Overlay::link) {
      auto target = final_target(other, real);
      if (target) return {Standing::Kind::link, std::move(*target), {}, 0};
    }
  }
  if (!destination.fd) return {};
  auto state = look_at(plan_.context.calls, destination.fd.get(), name);
  if (!state) return {Standing::Kind::unreadable, {}, {}, state.error().code().value()};
  if (state->kind == LinkState::Kind::absent) return {};
  if (state->kind == LinkState::Kind::other) return {Standing::Kind::other, {}, {}, 0};
  // A destination below the roots has been rewritten when its turn comes.
  return {Standing::Kind::link, rewritten(state->target, destination.real, destination.spelled, name),
          owner_of(plan_.context.calls, destination.fd.get(), name.c_str()), 0};
}

std::string Migrator::rewritten(const std::string& target, const std::string& real_directory,
                                const std::string& spelled_directory, const std::string& name) {
  std::string result;
  if (plan_.rewriter.empty() || !plan_.rewrites_in(real_directory)) return target;
  const Rewritten found = rewrite_link(plan_.rewriter, target, spelled_directory,
                                       plan_.context.on_disk(spelled_directory), name, result);
  if (found.kind != Rewritten::Kind::changed) return target;
  if (!plan_.include_broken && plan_.targets.look(-1, real_directory, target) == Presence::missing)
    return target;
  return result;
}

std::string Migrator::new_target(const MigrationTrees& migration, const std::string& target,
                                 const std::string& real_directory, const std::string& real_destination) {
  const auto moved = retarget(target, real_directory, real_destination);
  if (!moved) return target;
  if (is_within(moved->resolved, migration.from.real)) {
    struct stat info {};
    const int seen = plan_.context.calls.stat(AT_FDCWD, moved->resolved.c_str(), &info, AT_SYMLINK_NOFOLLOW);
    if (seen < 0 || S_ISLNK(info.st_mode) || S_ISDIR(info.st_mode)) return target;
  }
  return moved->recomputed;
}

void Migrator::fail(const Change& change, int number, std::string_view what) {
  ErrorItem item = error_item(std::string_view(), number, what);
  item.source_path = change.path;
  item.target_path = change.destination;
  keep(plan_.report.errors, plan_.report.errors_total, plan_.limit, std::move(item));
}

void Migrator::note_directories(const Destination& destination) {
  if (destination.fd) return;
  const MigrationTrees& migration = plan_.migrations[current_];
  std::vector<std::string> missing;
  std::string_view at = destination.spelled;
  std::string_view real = destination.real;
  for (; at.size() > 1; at = parent_path(at), real = parent_path(real)) {
    if (made_.find(at)) break;
    struct stat info {};
    if (plan_.context.calls.stat(AT_FDCWD, std::string(real).c_str(), &info, AT_SYMLINK_NOFOLLOW) >= 0) break;
    made_.set(at, 1);
    missing.emplace_back(at);
    if (watch_ && is_within(real, migration.to.real)) overlay_.set(real, Overlay::directory);
  }
  if (plan_.journal == nullptr) return;
  plan_.created_dirs.insert(plan_.created_dirs.end(), missing.rbegin(), missing.rend());
}

void Migrator::record(const WalkedDirectory& here, const Destination& destination, Change change) {
  const MigrationTrees& migration = plan_.migrations[current_];
  RepairReport& report = plan_.report;
  note_directories(destination);
  if (watch_) {
    const std::string name(base_name(change.path));
    if (!plan_.copy) overlay_.set(join_path(join_path(here.tree.real, here.path), name), Overlay::freed);
    overlay_.set(join_path(destination.real, name), Overlay::link, current_);
  }
  if (plan_.journal != nullptr) {
    append_change(buffer_, change);
    buffer_ += ",\n";
    ++buffered_;
    return;
  }
  ++(plan_.copy ? report.copied : report.moved);
  if (report.moves.size() >= plan_.limit) return;
  report.moves.push_back({migration.asked.from_root, migration.asked.to_root, change.path, change.destination,
                          plan_.copy, *change.old_target, *change.new_target, change.replaced_target});
}

void Migrator::one(const WalkedDirectory& here, const Destination& destination, const Found& link) {
  const MigrationTrees& migration = plan_.migrations[current_];
  const std::string real_directory = join_path(here.tree.real, here.path);
  const std::string spelled_directory = join_path(migration.asked.from_root, here.path);
  Change change;
  change.kind = plan_.copy ? Change::Kind::copy : Change::Kind::move;
  change.path = join_path(spelled_directory, link.name);
  change.destination = join_path(destination.spelled, link.name);
  if (destination.number != 0) return fail(change, destination.number, "use the destination's directory");
  change.old_target = rewritten(link.target, real_directory, spelled_directory, link.name);
  change.new_target = new_target(migration, *change.old_target, real_directory, destination.real);
  if (change.new_target->size() > target_limit) return fail(change, ENAMETOOLONG, "move the link");
  Standing standing = this->standing(destination, link.name);
  if (standing.kind == Standing::Kind::unreadable)
    return fail(change, standing.number, "look at the destination");
  if (standing.kind != Standing::Kind::absent && !plan_.overwrite) {
    ++plan_.report.skipped_existing_destination;
    return;
  }
  if (standing.kind == Standing::Kind::other) return fail(change, EEXIST, "replace what is no link");
  if (standing.kind == Standing::Kind::link) {
    change.replaced_target = std::move(standing.target);
    change.replaced_owner = standing.owner;
  }
  change.two_step = !plan_.copy && (change.new_target != change.old_target || destination.apart);
  change.chained =
      is_within(here.tree.real, migration.to.real) && is_within(destination.real, here.tree.real);
  change.owner = owner_of(plan_.context.calls, here.fd, link.name.c_str());
  record(here, destination, std::move(change));
}

bool Migrator::is_counted(std::string_view path) const {
  const Tree& from = plan_.migrations[current_].from;
  const std::string real = join_path(from.real, parent_path(below(path, from.spelled)));
  bool counted = plan_.rewrites_in(real);
  for (std::size_t i = 0; i < current_; ++i) counted |= is_within(real, plan_.migrations[i].from.real);
  return counted;
}

void Migrator::directory(const WalkedDirectory& here, std::vector<Found>& links) {
  if (!is_counted(join_path(join_path(here.tree.spelled, here.path), links.front().name))) {
    plan_.report.scanned_symlinks += links.size();
  }
  plan_.found += links.size();
  std::sort(links.begin(), links.end(), [](const Found& a, const Found& b) { return a.name < b.name; });
  Destination destination = open_destination(here);
  destination.apart = are_apart(here, destination);
  for (const Found& link : links) one(here, destination, link);
  if (plan_.journal != nullptr) plan_.journal->append(buffer_, buffered_);
  buffer_.clear();
  buffered_ = 0;
  plan_.meter->update([&](Progress& progress) { progress.processed = plan_.found; });
}

}  // namespace

void plan_migrations(RepairPlan& plan, const std::stop_token& stop) {
  Migrator(plan).run(stop);
}

}  // namespace dumb::symlinks
