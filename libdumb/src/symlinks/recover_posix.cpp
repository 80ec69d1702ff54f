#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/operations.hpp>
#include <dumb/symlinks/paths.hpp>
#include <filesystem>
#include <set>
#include <system_error>

#include "symlinks/resume_posix.hpp"

namespace dumb::symlinks {
namespace {

namespace fs = std::filesystem;

/// Whether a directory that cannot be opened is no more, rather than out of reach for now.
bool is_gone(int number) noexcept {
  return number == ENOENT || number == ENOTDIR || number == ELOOP || number == EXDEV;
}

/// Settles one run, or what an earlier attempt left of it.
class Recovery {
 public:
  Recovery(const Context& context, const RunRecord& record)
      : context_(context), record_(record), ops_(context.calls, record.run_id) {
    found_.run_id = record.run_id;
    found_.owner = record.owner;
    found_.manifest = record.manifest;
  }

  /// False when the record must stay for another attempt.
  bool run() {
    auto manifest = open_checked(context_, record_.manifest, {});
    if (!manifest) {
      note(record_.manifest, manifest.error());
      // A manifest that is gone or damaged will not come back; what cannot be read now may be readable later.
      if (manifest.error().is(Errc::not_found)) return !is_away(record_.manifest);
      return manifest.error().is(Errc::invalid_argument);
    }
    contents_ = manifest->contents;
    auto trees = trees_of(context_, contents_);
    if (!trees) {
      note(record_.manifest, trees.error());
      return false;
    }
    Places places(context_, *trees, contents_.version >= 2 ? Places::Reach::trees : Places::Reach::anywhere);
    FileSource source(context_.calls, manifest->file.get());
    ManifestReader reader(source);
    Element element;
    auto array = ManifestReader::Array::changes;
    for (std::uint64_t entry = 0;; ++entry) {
      auto more = reader.next(element, array);
      if (!more) return false;
      if (!*more) break;
      auto change = to_change(element);
      if (change && change->kind == Change::Kind::move) change->two_step |= record_.two_step;
      if (change && admitted(*change) && concerns(places, *change)) settle(places, *change, entry);
    }
    if (left_.empty()) return true;
    remember();
    return false;
  }

  Interrupted take() { return std::move(found_); }

 private:
  void note(const std::string& path, const Error& error) { note(path, error.message(), {}); }
  void note(const std::string& path, std::string message, std::string code) {
    if (found_.errors.size() >= 1000) return;
    ErrorItem item;
    item.link_path = path;
    item.error = std::move(message);
    item.code = std::move(code);
    found_.errors.push_back(std::move(item));
  }
  void note(ErrorItem item) {
    if (found_.errors.size() < 1000) found_.errors.push_back(std::move(item));
  }

  bool admitted(const Change& change) const {
    return is_admitted(contents_, change.path) &&
           (change.destination.empty() || is_admitted(contents_, change.destination));
  }

  /// A second attempt keeps to the trees the first could not reach: in the others the user has gone on.
  bool concerns(Places& places, const Change& change) const {
    if (record_.left.empty()) return true;
    const auto is_left = [&](const std::string& path) {
      const Tree* tree = path.empty() ? nullptr : places.tree_of(path);
      return tree != nullptr &&
             std::find(record_.left.begin(), record_.left.end(), tree->spelled) != record_.left.end();
    };
    return is_left(change.path) || is_left(change.destination);
  }

  /// Whether what should be at a path is on a disk that is not there: below a mount point without its mount,
  /// or in no directory at all.
  bool is_away(const std::string& path) const {
    if (is_within(path, context_.environment.config_directory)) return false;
    const std::string directory = context_.on_disk(parent_path(path));
    if (context_.mounts.is_unmounted(directory)) return true;
    const UniqueFd fd(
        std::max(context_.calls.open(AT_FDCWD, directory.c_str(), O_PATH | O_DIRECTORY, 0), -1));
    return !fd;
  }
  bool is_away(const Tree& tree, const std::string& path) const {
    if (context_.mounts.is_unmounted(context_.on_disk(path))) return true;
    if (tree.fd) return false;
    // A root that the run was to make may never have been there.
    return std::none_of(contents_.created_dirs.begin(), contents_.created_dirs.end(),
                        [&](const std::string& made) { return is_within(tree.spelled, made); });
  }

  void leave(Places& places, const std::string& path) {
    if (const Tree* tree = path.empty() ? nullptr : places.tree_of(path)) left_.insert(tree->spelled);
  }

  void settle(Places& places, const Change& change, std::uint64_t entry) {
    for (const std::string* path : {&change.path, &change.destination}) {
      int number = 0;
      const Directory* directory = path->empty() ? nullptr : places.parent_of(*path, number);
      if (directory == nullptr) {
        const Tree* tree = path->empty() ? nullptr : places.tree_of(*path);
        if (tree == nullptr || (is_gone(number) && !is_away(*tree, *path))) continue;
        if (left_.insert(tree->spelled).second)
          note(error_item(*path, number, "settle what an interrupted run left"));
        continue;
      }
      std::string kept_as;
      const Done done =
          ops_.settle(directory->fd.get(), std::string(base_name(*path)), change, entry, kept_as);
      if (done.kind == Done::Kind::failed) {
        leave(places, *path);
        note(error_item(*path, done.number, done.what));
      }
      if (!kept_as.empty()) {
        note(
            *path,
            "another link or file stands here now; what stood here is kept as \"" + printable(kept_as) + "\"",
            "EEXIST");
      }
    }
    const auto now = places.state(change.path);
    const auto there =
        change.destination.empty() ? Result<LinkState>(LinkState{}) : places.state(change.destination);
    if (!now || !there) {
      leave_if_reachable_later(places, change.path, now);
      leave_if_reachable_later(places, change.destination, there);
      return;
    }
    if (is_half_done(change, *now, *there)) finish(places, change, now->target, entry);
    if (change.more) return;
    const Pending left = resume_change(change, *now, *there);
    found_.done += left == Pending::done || left == Pending::finish ? 1 : 0;
    found_.pending += left == Pending::apply ? 1 : 0;
  }

  void leave_if_reachable_later(Places& places, const std::string& path, const Result<LinkState>& state) {
    if (!state && !is_gone(state.error().code().value())) leave(places, path);
  }

  void finish(Places& places, const Change& change, const std::string& left, std::uint64_t entry) {
    int number = 0;
    const Directory* from = places.parent_of(change.path, number);
    if (from == nullptr) return;
    const Done done = ops_.remove(*from, std::string(base_name(change.path)), left, entry);
    if (done.kind != Done::Kind::failed) return;
    leave(places, change.path);
    note(error_item(change, done));
  }

  /// The record stays, with what is left to do.
  void remember() {
    RunRecord record = record_;
    record.left.assign(left_.begin(), left_.end());
    if (record.left == record_.left) return;
    if (auto done = write_run_record(context_, record); !done) note(record_.manifest, done.error());
  }

  const Context& context_;
  const RunRecord& record_;
  LinkOps ops_;
  Contents contents_;
  Interrupted found_;
  std::set<std::string> left_;  ///< trees that are to be settled another time
};

template <class Iterator>
void remove_stale(const fs::path& directory, bool (*is_ours)(std::string_view)) {
  const auto limit = fs::file_time_type::clock::now() - std::chrono::hours(1);
  std::error_code error;
  for (Iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code unseen;
    const std::string name = entry->path().filename().native();
    if (!is_ours(name)) continue;
    if (!fs::is_regular_file(entry->symlink_status(unseen))) continue;
    if (entry->last_write_time(unseen) < limit && !unseen) fs::remove(entry->path(), unseen);
  }
}

bool is_internal(std::string_view name) {
  return name.starts_with('.') && name.ends_with(".tmp");
}

/// Manifests that were being written when their process ended (SYM-31). Other programs have temporary files
/// in these directories too; `.state` is DUMB's alone.
void remove_stale_temporaries(const Context& context) {
  const std::string repair = context.environment.config_directory + "/symlink-repair";
  remove_stale<fs::recursive_directory_iterator>(context.on_disk(repair), is_temporary_file);
  remove_stale<fs::recursive_directory_iterator>(context.on_disk(repair + "/.state"), is_internal);
  for (const std::string& directory : context.environment.service_directories) {
    remove_stale<fs::directory_iterator>(context.on_disk(directory), is_temporary_file);
  }
}

}  // namespace

std::vector<Interrupted> recover(const Environment& environment) {
  const Context context(environment);
  std::vector<Interrupted> found;
  for (const RunRecord& record : read_run_records(context)) {
    Recovery recovery(context, record);
    const bool settled = recovery.run();
    found.push_back(recovery.take());
    if (!settled) continue;
    if (auto removed = remove_run_record(context, record.run_id); !removed) {
      ErrorItem item;
      item.link_path = record.manifest;
      item.error = removed.error().message();
      found.back().errors.push_back(std::move(item));
    }
  }
  remove_stale_temporaries(context);
  return found;
}

}  // namespace dumb::symlinks
