#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/operations.hpp>
#include <dumb/symlinks/paths.hpp>

#include "symlinks/plan_posix.hpp"
#include "symlinks/resume_posix.hpp"

namespace dumb::symlinks {
namespace {

constexpr std::size_t most_errors = 1000;

/// A snapshot while it is taken.
struct Snapshot {
  Snapshot(const Context& in_context, const BackupRequest& request, const Control& control)
      : context(in_context),
        targets(in_context, control.stop),
        meter(in_context, control),
        include_broken(request.include_broken.value_or(true)),
        check_targets(request.check_targets.value_or(true)) {}

  const Context& context;
  Targets targets;
  Meter meter;
  bool include_broken;
  bool check_targets;
  BackupReport report;
  std::unique_ptr<DurableFile> file;
  std::optional<Error> failure;  ///< the file could not be written
  std::stop_source give_up;      ///< ends the walk then
  std::mutex mutex;              ///< guards report, file and failure
};

class SnapshotSink final : public LinkSink {
 public:
  explicit SnapshotSink(Snapshot& snapshot) : snapshot_(snapshot) {}

  void link(const WalkedDirectory& here, std::string_view name, std::string_view target) override {
    SnapshotEntry entry;
    entry.link_path = join_path(join_path(here.tree.spelled, here.path), name);
    entry.target = target;
    entry.owner = owner_of(snapshot_.context.calls, here.fd, name.data());
    entries_.push_back(std::move(entry));
    if (entries_.size() >= 512) settle(here);
  }

  void leave(const WalkedDirectory& here) override { settle(here); }

  void failed(const std::string& path, int number, std::string_view what) override {
    const std::lock_guard lock(snapshot_.mutex);
    BackupReport& report = snapshot_.report;
    if (what == "read link") ++report.scanned_symlinks;
    keep(report.errors, report.errors_total, most_errors, error_item(path, number, what));
  }

 private:
  void look(const WalkedDirectory& here) {
    std::vector<Look> looks;
    for (const SnapshotEntry& entry : entries_) looks.push_back({entry.target, Presence::unknown});
    snapshot_.targets.look(here.fd, join_path(here.tree.real, here.path), looks);
    for (std::size_t i = 0; i < looks.size(); ++i) {
      if (looks[i].answer == Presence::unknown) {
        ++unknown_;
      } else {
        entries_[i].target_exists = looks[i].answer == Presence::present;
      }
    }
  }

  void settle(const WalkedDirectory& here) {
    if (entries_.empty()) return;
    unknown_ = 0;
    if (snapshot_.check_targets) look(here);
    buffer_.clear();
    std::uint64_t recorded = 0;
    for (const SnapshotEntry& entry : entries_) {
      if (!snapshot_.include_broken && entry.target_exists == false) continue;
      append_entry(buffer_, entry);
      buffer_ += ",\n";
      ++recorded;
    }
    add(recorded);
    entries_.clear();
  }

  void add(std::uint64_t recorded) {
    const std::lock_guard lock(snapshot_.mutex);
    BackupReport& report = snapshot_.report;
    Result<void> done;
    if (recorded > 0 && !snapshot_.failure) {
      if (report.recorded_entries > 0) done = snapshot_.file->append(",\n");
      if (done) done = snapshot_.file->append(std::string_view(buffer_).substr(0, buffer_.size() - 2));
    }
    if (!done) {
      snapshot_.failure = done.error();
      snapshot_.give_up.request_stop();
    }
    report.scanned_symlinks += entries_.size();
    report.recorded_entries += recorded;
    report.skipped_broken += entries_.size() - recorded;
    report.targets_unknown += unknown_;
    snapshot_.meter.update([&](Progress& progress) {
      progress.processed = report.scanned_symlinks;
      progress.recorded_entries = report.recorded_entries;
      progress.errors = report.errors_total;
    });
  }

  Snapshot& snapshot_;
  std::vector<SnapshotEntry> entries_;
  std::string buffer_;
  std::uint64_t unknown_ = 0;
};

Result<std::vector<std::string>> roots_of(const Environment& environment, const BackupRequest& request) {
  if (!request.roots || request.roots->empty()) return default_roots(environment);
  std::vector<std::string> roots;
  for (const std::string& given : *request.roots) {
    if (text::blank(given)) continue;
    auto root = normal_root(given);
    if (!root) return root.error();
    roots.push_back(std::move(*root));
  }
  if (roots.empty()) return Error(Errc::invalid_argument, "all roots are blank");
  if (roots.size() > 256) return Error(Errc::invalid_argument, "more than 256 roots");
  return roots;
}

Result<void> take(Snapshot& snapshot, const std::vector<Tree>& trees, const Control& control) {
  const std::stop_callback forward(control.stop, [&] { snapshot.give_up.request_stop(); });
  WalkOptions options;
  options.threads = walk_threads(snapshot.context.environment);
  auto outcome = walk(
      snapshot.context, trees, options, [&] { return std::make_unique<SnapshotSink>(snapshot); },
      snapshot.give_up.get_token());
  snapshot.report.skipped_mounts = std::move(outcome.skipped_mounts);
  if (snapshot.failure) return *snapshot.failure;
  if (control.stop.stop_requested()) {
    json::object so_far = to_json(snapshot.report);
    so_far["backup_manifest"] = nullptr;
    return cancelled(control, std::move(so_far), "cancelled; no manifest was written");
  }
  return {};
}

}  // namespace

Result<void> check(const Environment& environment, const BackupRequest& request) {
  if (!request.check_targets.value_or(true) && !request.include_broken.value_or(true)) {
    return Error(Errc::invalid_argument, "include_broken false needs check_targets");
  }
  auto place = place_for(environment, request.backup_path, ManifestUse::write);
  if (!place) return place.error();
  auto roots = roots_of(environment, request);
  if (!roots) return roots.error();
  const Context context(environment);
  for (const std::string& root : *roots) {
    auto tree = open_tree(context, root);
    if (!tree) return tree.error();
  }
  return {};
}

Result<BackupReport> backup(const Environment& environment, const BackupRequest& request,
                            const Control& control) {
  const Context context(environment);
  Snapshot snapshot(context, request, control);
  BackupReport& report = snapshot.report;
  if (!snapshot.check_targets && !snapshot.include_broken) {
    return Error(Errc::invalid_argument, "include_broken false needs check_targets");
  }
  auto place = place_for(environment, request.backup_path, ManifestUse::write);
  if (!place) return place.error();
  auto roots = roots_of(environment, request);
  if (!roots) return roots.error();
  report.roots = *roots;
  report.backup_manifest = place->path();
  std::vector<Tree> trees;
  auto opened = open_trees(context, *roots, trees, report.missing_roots, report.errors, report.errors_total);
  if (!opened) return opened.error();
  RunLocks locks;
  auto taken = locks.take(context, control, "symlink_manifest_backup", trees, Locks::Mode::shared);
  if (!taken) return taken.error();
  snapshot.meter.stage(Stage::collecting);
  auto directory = open_manifest_directory(context, *place);
  if (!directory) return directory.error();
  auto file = DurableFile::create(context.calls, std::move(*directory), std::string(base_name(place->rest)));
  if (!file) return file.error();
  snapshot.file = std::move(*file);
  Header header;
  header.created_at = now_text(context);
  header.process_name = request.process_name;
  header.roots = *roots;
  header.include_broken = snapshot.include_broken;
  header.targets_checked = snapshot.check_targets;
  if (auto done = snapshot.file->append(snapshot_head(header)); !done) return done.error();
  snapshot.meter.stage(Stage::processing);
  if (auto done = take(snapshot, trees, control); !done) return done.error();
  snapshot.meter.stage(Stage::finalizing, report.scanned_symlinks);
  report.complete = report.errors_total == 0 && report.missing_roots.empty();
  auto done =
      snapshot.file->append(snapshot_tail({report.scanned_symlinks, report.recorded_entries,
                                           report.skipped_broken, report.errors_total, report.complete}));
  if (done) done = snapshot.file->commit(DurableFile::Previous::drop);
  if (!done) return done.error();
  std::sort(report.errors.begin(), report.errors.end(),
            [](const ErrorItem& a, const ErrorItem& b) { return a.link_path < b.link_path; });
  snapshot.meter.stage(Stage::completed);
  return std::move(report);
}

}  // namespace dumb::symlinks
