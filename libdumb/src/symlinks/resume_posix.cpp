#include "symlinks/resume_posix.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/paths.hpp>
#include <tuple>

namespace dumb::symlinks {

Result<OpenManifest> open_checked(const Context& context, const std::string& path,
                                  const std::stop_token& stop,
                                  const std::function<void(const Element&, ManifestReader::Array)>& each) {
  auto place = place_for(context.environment, path, ManifestUse::read);
  if (!place) return place.error();
  auto file = open_manifest(context, *place);
  if (!file) return file.error();
  OpenManifest manifest;
  manifest.file = std::move(*file);
  manifest.path = place->path();
  struct stat info {};
  if (context.calls.stat(manifest.file.get(), "", &info, AT_EMPTY_PATH) >= 0) {
    manifest.size = static_cast<std::uint64_t>(info.st_size);
  }
  FileSource source(context.calls, manifest.file.get());
  ManifestReader reader(source);
  Element element;
  auto array = ManifestReader::Array::entries;
  for (;;) {
    auto more = reader.next(element, array);
    if (!more) return more.error();
    if (!*more) break;
    if (stop.stop_requested()) return Error(Errc::cancelled, "cancelled before anything was changed");
    if (each) each(element, array);
  }
  manifest.contents = reader.contents();
  if (!manifest.contents.has_entries && !manifest.contents.has_changes) {
    return Error(Errc::invalid_argument,
                 "\"" + printable(manifest.path) + "\" has neither entries nor changes");
  }
  return manifest;
}

namespace {

std::vector<std::string> tree_paths(const Contents& contents) {
  std::vector<std::string> paths;
  for (const std::string& root : contents.roots) {
    if (root.starts_with('/')) paths.push_back(tidy_path(root));
  }
  for (const RootMigration& migration : contents.root_migrations) {
    for (const std::string& root : {migration.from_root, migration.to_root}) {
      if (root.starts_with('/')) paths.push_back(tidy_path(root));
    }
  }
  return paths;
}

}  // namespace

Result<std::vector<Tree>> trees_of(const Context& context, const Contents& contents) {
  std::vector<Tree> trees;
  for (const std::string& path : tree_paths(contents)) {
    const auto same = [&](const Tree& tree) { return tree.spelled == path; };
    if (std::any_of(trees.begin(), trees.end(), same)) continue;
    if (has_dotdot(path) || path.find('\0') != std::string::npos || is_denied(path)) continue;
    auto tree = open_tree(context, path);
    if (!tree && !tree.error().is(Errc::invalid_argument)) return tree.error();
    if (tree) trees.push_back(std::move(*tree));
  }
  return trees;
}

Result<void> check_free(const Context& context, const Control& control, const std::string& operation,
                        const std::string& path) {
  auto place = place_for(context.environment, path, ManifestUse::read);
  if (!place) return place.error();
  auto file = open_manifest(context, *place);
  if (!file) return file.error();
  FileSource source(context.calls, file->get());
  ManifestReader reader(source);
  Element element;
  auto array = ManifestReader::Array::changes;
  if (auto first = reader.next(element, array); !first) return first.error();
  const Contents& head = reader.contents();
  if (head.version >= 2 && head.roots.empty()) return {};  // they stand behind the elements
  auto trees = trees_of(context, head);
  if (!trees) return trees.error();
  RunLocks taken;
  return taken.take(context, control, operation, *trees, Locks::Mode::exclusive, head.version < 2);
}

bool is_admitted(const Contents& contents, std::string_view path) {
  if (!path.starts_with('/') || has_dotdot(path) || path.find('\0') != std::string_view::npos) return false;
  if (is_denied(path) || base_name(path).empty()) return false;
  if (contents.version < 2) return true;
  const auto paths = tree_paths(contents);
  return std::any_of(paths.begin(), paths.end(),
                     [&](const std::string& root) { return path != root && is_within(path, root); });
}

namespace {

Result<void> check_alone(const RepairRequest& request) {
  const auto given = [](const auto& list) { return list && !list->empty(); };
  if (given(request.roots) || given(request.rewrite_rules) || given(request.presets) ||
      given(request.root_migrations)) {
    return Error(Errc::invalid_argument,
                 "resume_manifest_path excludes roots, rules, presets and migrations");
  }
  const std::int64_t limit = request.changes_limit.value_or(1000);
  if (limit < 0 || limit > 10000)
    return Error(Errc::invalid_argument, "changes_limit must be between 0 and 10000");
  return {};
}

}  // namespace

Result<void> check_resume(const Context& context, const RepairRequest& request) {
  if (auto alone = check_alone(request); !alone) return alone;
  auto place = place_for(context.environment, *request.resume_manifest_path, ManifestUse::read);
  if (!place) return place.error();
  auto file = open_manifest(context, *place);
  if (!file) return file.error();
  return {};
}

Result<RepairReport> resume(const Context& context, const RepairRequest& request, const Control& control) {
  if (auto alone = check_alone(request); !alone) return alone.error();
  if (!request.dry_run.value_or(true)) {
    auto free = check_free(context, control, "symlink_repair", *request.resume_manifest_path);
    if (!free) return free.error();
  }
  Meter meter(context, control);
  std::uint64_t units = 0;
  auto manifest = open_checked(context, *request.resume_manifest_path, control.stop,
                               [&](const Element& element, ManifestReader::Array array) {
                                 if (array != ManifestReader::Array::changes) return;
                                 units += element.more ? 0 : 1;
                                 meter.update([&](Progress& progress) { progress.processed = units; });
                               });
  if (!manifest) return manifest.error();
  if (!manifest->contents.has_changes || manifest->contents.has_entries) {
    return Error(Errc::invalid_argument,
                 "\"" + printable(manifest->path) + "\" is not the manifest of a repair");
  }
  auto trees = trees_of(context, manifest->contents);
  if (!trees) return trees.error();
  RepairReport report;
  report.dry_run = request.dry_run.value_or(true);
  report.roots = manifest->contents.roots;
  report.root_migrations = manifest->contents.root_migrations;
  const bool bounded = manifest->contents.version >= 2;
  RunLocks locks;
  if (!report.dry_run) {
    auto taken = locks.take(context, control, "symlink_repair", *trees, Locks::Mode::exclusive, !bounded);
    if (!taken) return taken.error();
  }
  meter.stage(Stage::collecting);
  RunRecord record{new_run_id(), control.owner, "symlink_repair", manifest->path};
  Places places(context, *trees, bounded ? Places::Reach::trees : Places::Reach::anywhere);
  if (!report.dry_run) {
    if (auto recorded = write_run_record(context, record); !recorded) return recorded.error();
    report.backup_manifest = manifest->path;
    if (context.environment.before_apply) context.environment.before_apply();
  }
  meter.stage(Stage::processing, units);
  const Rewriter none({});
  const auto limit = static_cast<std::size_t>(request.changes_limit.value_or(1000));
  ApplyHooks hooks;
  hooks.admitted = [&](const Change& change) {
    return is_admitted(manifest->contents, change.path) &&
           (change.destination.empty() || is_admitted(manifest->contents, change.destination));
  };
  hooks.finished = [&](const Change& change, const Done& done) {
    count_applied(report, meter, limit, none, change, done);
  };
  const auto passed = [&](std::uint64_t& counter) {
    ++counter;
    meter.update([](Progress& progress) { ++progress.processed; });
  };
  hooks.already_done = [&](const Change&) { passed(report.skipped_unchanged); };
  hooks.not_attempted = [&](const Change&) { passed(report.not_attempted); };
  hooks.two_steps = [&] {
    record.two_step = true;
    return write_run_record(context, record);
  };
  auto applied =
      apply_manifest(places, record.run_id, manifest->file.get(),
                     report.dry_run ? ApplyMode::rehearse : ApplyMode::resume, control.stop, hooks);
  meter.stage(Stage::finalizing);
  if (applied) {
    report.aborted = applied->aborted;
    report.cancelled = applied->cancelled;
  } else {
    report.aborted = errno_name(applied.error().code().value());
  }
  if (!report.dry_run) {
    auto closed = remove_run_record(context, record.run_id);
    if (!closed && !report.aborted) report.aborted = errno_name(closed.error().code().value());
  }
  finish(report);
  meter.stage(Stage::completed);
  return report;
}

}  // namespace dumb::symlinks
