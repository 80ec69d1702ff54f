#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <dumb/symlinks/operations.hpp>
#include <dumb/symlinks/paths.hpp>
#include <filesystem>
#include <system_error>

#include "symlinks/resume_posix.hpp"

namespace dumb::symlinks {
namespace {

namespace fs = std::filesystem;

/// Settles one run. False when its record must stay for another attempt.
class Recovery {
 public:
  Recovery(const Context& context, const RunRecord& record)
      : context_(context), record_(record), ops_(context.calls, record.run_id) {
    found_.run_id = record.run_id;
    found_.owner = record.owner;
    found_.manifest = record.manifest;
  }

  bool run() {
    auto manifest = open_checked(context_, record_.manifest, {});
    if (!manifest) {
      note(record_.manifest, manifest.error());
      // A manifest that is gone or damaged will not come back; what cannot be read now may be readable later.
      return manifest.error().is(Errc::not_found) || manifest.error().is(Errc::invalid_argument);
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
      if (!more || !*more) return static_cast<bool>(more);
      const auto change = to_change(element);
      if (change && admitted(*change)) settle(places, *change, entry);
    }
  }

  Interrupted take() { return std::move(found_); }

 private:
  void note(const std::string& path, const Error& error) {
    ErrorItem item;
    item.link_path = path;
    item.error = error.message();
    found_.errors.push_back(std::move(item));
  }

  bool admitted(const Change& change) const {
    return is_admitted(contents_, change.path) &&
           (change.destination.empty() || is_admitted(contents_, change.destination));
  }

  void settle(Places& places, const Change& change, std::uint64_t entry) {
    for (const std::string* path : {&change.path, &change.destination}) {
      int number = 0;
      const Directory* directory = path->empty() ? nullptr : places.parent_of(*path, number);
      if (directory == nullptr) continue;
      const Done done = ops_.settle(directory->fd.get(), std::string(base_name(*path)), change, entry);
      if (done.kind == Done::Kind::failed && found_.errors.size() < 1000) {
        found_.errors.push_back(error_item(*path, done.number, done.what));
      }
    }
    const auto now = places.state(change.path);
    const auto there =
        change.destination.empty() ? Result<LinkState>(LinkState{}) : places.state(change.destination);
    if (!now || !there) return;
    if (is_half_done(change, *now, *there)) finish(places, change, now->target, entry);
    if (change.more) return;
    const Pending left = resume_change(change, *now, *there);
    found_.done += left == Pending::done || left == Pending::finish ? 1 : 0;
    found_.pending += left == Pending::apply ? 1 : 0;
  }

  void finish(Places& places, const Change& change, const std::string& left, std::uint64_t entry) {
    int number = 0;
    const Directory* from = places.parent_of(change.path, number);
    if (from == nullptr) return;
    const Done done = ops_.remove(*from, std::string(base_name(change.path)), left, entry);
    if (done.kind == Done::Kind::failed && found_.errors.size() < 1000) {
      found_.errors.push_back(error_item(change, done));
    }
  }

  const Context& context_;
  const RunRecord& record_;
  LinkOps ops_;
  Contents contents_;
  Interrupted found_;
};

template <class Iterator>
void remove_stale(const fs::path& directory) {
  const auto limit = fs::file_time_type::clock::now() - std::chrono::hours(1);
  std::error_code error;
  for (Iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code unseen;
    const std::string name = entry->path().filename().native();
    if (!name.starts_with('.') || !name.ends_with(".tmp")) continue;
    if (!fs::is_regular_file(entry->symlink_status(unseen))) continue;
    if (entry->last_write_time(unseen) < limit && !unseen) fs::remove(entry->path(), unseen);
  }
}

/// Manifests that were being written when their process ended (SYM-31).
void remove_stale_temporaries(const Context& context) {
  remove_stale<fs::recursive_directory_iterator>(
      context.on_disk(context.environment.config_directory + "/symlink-repair"));
  for (const std::string& directory : context.environment.service_directories) {
    remove_stale<fs::directory_iterator>(context.on_disk(directory));
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
