#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <dumb/symlinks/paths.hpp>
#include <dumb/symlinks/snapshots.hpp>
#include <tuple>
#include <utility>

#include "symlinks/resume_posix.hpp"

namespace dumb::symlinks {
namespace {

constexpr std::size_t most_files = 500;
constexpr std::size_t most_snapshots = 200;
constexpr std::uint64_t judged_bytes = 65536;

/// Regular files of a directory, without those whose name begins with a dot.
Result<std::vector<std::pair<ManifestFile, std::int64_t>>> regular_files(const Context& context,
                                                                         const std::string& directory) {
  std::vector<std::pair<ManifestFile, std::int64_t>> files;
  const int opened =
      context.calls.open(AT_FDCWD, context.on_disk(directory).c_str(), O_RDONLY | O_DIRECTORY, 0);
  if (opened == -ENOENT || opened == -ENOTDIR) return files;
  if (opened < 0) return system_error(-opened, "read directory", directory);
  const UniqueFd fd(opened);
  std::error_code error;
  for (std::filesystem::directory_iterator entry(context.on_disk(directory), error), end;
       !error && entry != end; entry.increment(error)) {
    ManifestFile file;
    file.name = entry->path().filename().native();
    struct stat info {};
    if (file.name.starts_with('.')) continue;
    if (context.calls.stat(opened, file.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(info.st_mode)) {
      continue;
    }
    file.path = join_path(directory, file.name);
    file.size_bytes = static_cast<std::uint64_t>(info.st_size);
    file.modified_at = info.st_mtim.tv_sec;
    files.emplace_back(std::move(file), info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec);
  }
  if (error) return system_error(error.value(), "read directory", directory);
  return files;
}

/// The beginning of a file.
class Beginning final : public ByteSource {
 public:
  Beginning(SystemCalls& calls, int fd) : calls_(calls), fd_(fd) {}
  Result<std::size_t> read(char* buffer, std::size_t size) override {
    const std::size_t wanted = std::min<std::size_t>(size, judged_bytes - at_);
    if (wanted == 0) return std::size_t{0};
    const ssize_t got = calls_.read(fd_, buffer, wanted, at_);
    if (got < 0) return system_error(static_cast<int>(-got), "read the manifest");
    at_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }

 private:
  SystemCalls& calls_;
  int fd_;
  std::uint64_t at_ = 0;
};

/// Whether a file begins as a snapshot does, and which process it names.
bool is_snapshot(const Context& context, const std::string& path, std::optional<std::string>& process) {
  const int fd = context.calls.open(AT_FDCWD, context.on_disk(path).c_str(), O_RDONLY | O_NOFOLLOW, 0);
  if (fd < 0) return false;
  const UniqueFd file(fd);
  Beginning source(context.calls, fd);
  ManifestReader reader(source);
  Element element;
  auto array = ManifestReader::Array::entries;
  for (;;) {
    const auto more = reader.next(element, array);
    if (!more || !*more) break;  // most are longer than what is judged
  }
  const Contents& contents = reader.contents();
  process = contents.process_name;
  return contents.has_entries &&
         (contents.manifest_type.empty() || contents.manifest_type == "symlink_snapshot");
}

enum class Which { trusted, held };

Result<std::vector<std::pair<ManifestFile, SnapshotFile>>> own_snapshots(const Context& context,
                                                                         const SnapshotTemplate& name,
                                                                         Which which) {
  std::vector<std::pair<ManifestFile, SnapshotFile>> own;
  auto files = regular_files(context, name.directory());
  if (!files) return files.error();
  for (auto& [file, mtime] : *files) {
    SnapshotFile snapshot;
    const std::string plain = which == Which::held ? name_before_held(file.name) : file.name;
    if (!name.matches(plain, &snapshot.time)) continue;
    std::optional<std::string> process;
    if (!is_snapshot(context, file.path, process) || !name.owns(plain, process)) continue;
    snapshot.path = file.path;
    snapshot.mtime_ns = mtime;
    own.emplace_back(std::move(file), std::move(snapshot));
  }
  return own;
}

Environment with_directory(const Environment& environment, const std::string& directory) {
  Environment out = environment;
  out.service_directories.push_back(directory);
  return out;
}

/// What a held run deletes of the held ones. The fullest stays: where no snapshot was ever trusted it may be
/// the best there is.
std::vector<std::string> held_to_prune(const Context& context, const SnapshotTemplate& name,
                                       std::uint64_t count, const std::string& written) {
  auto held = own_snapshots(context, name, Which::held);
  if (!held) return {};
  std::vector<SnapshotFile> files;
  for (const auto& [file, snapshot] : *held) files.push_back(snapshot);
  std::vector<std::string> gone = to_prune(std::move(files), count, written);
  std::uint64_t kept = 0;
  const ManifestFile* fullest = nullptr;
  for (const auto& [file, snapshot] : *held) {
    if (std::find(gone.begin(), gone.end(), file.path) == gone.end()) {
      kept = std::max(kept, file.size_bytes);
    } else if (fullest == nullptr || file.size_bytes > fullest->size_bytes) {
      fullest = &file;
    }
  }
  if (fullest != nullptr && fullest->size_bytes > kept) std::erase(gone, fullest->path);
  return gone;
}

/// The same without what a listing shows, newest first.
Result<std::vector<SnapshotFile>> files_of(const Context& context, const SnapshotTemplate& name,
                                           Which which) {
  auto own = own_snapshots(context, name, which);
  if (!own) return own.error();
  std::vector<SnapshotFile> files;
  for (auto& [file, snapshot] : *own) files.push_back(std::move(snapshot));
  sort_newest_first(files);
  return files;
}

/// What the newest older snapshot that can be read holds against the new one.
Trust judge(const Context& context, const BackupReport& report, const std::vector<SnapshotFile>& older) {
  Trust trust;
  trust.complete = report.errors_total == 0;
  trust.entries = report.recorded_entries;
  for (const SnapshotFile& file : older) {
    std::uint64_t entries = 0;
    bool lost = false;
    const auto read =
        open_checked(context, file.path, {}, [&](const Element& element, ManifestReader::Array) {
          ++entries;
          for (const std::string& root : report.missing_roots)
            lost |= is_within(element.link_path.bytes, root);
        });
    if (!read) continue;
    trust.older_entries = entries;
    trust.lost_root = lost;
    break;
  }
  return trust;
}

/// Deletes what retention lets go; what cannot be deleted is told.
void delete_all(const Context& context, const std::vector<std::string>& paths, ScheduledReport& report) {
  for (const std::string& path : paths) {
    const int removed = context.calls.unlink(AT_FDCWD, context.on_disk(path).c_str(), 0);
    if (removed >= 0) ++report.pruned;
    if (removed < 0 && removed != -ENOENT)
      report.retention_errors.push_back(error_item(path, -removed, "delete"));
  }
}

/// Gives a snapshot its final name, durably.
Result<void> put_in_place(const Context& context, const std::string& from, const std::string& to) {
  const int renamed =
      context.calls.rename(AT_FDCWD, context.on_disk(from).c_str(), AT_FDCWD, context.on_disk(to).c_str(), 0);
  if (renamed < 0) return system_error(-renamed, "replace", to);
  const std::string directory(parent_path(to));
  const int opened =
      context.calls.open(AT_FDCWD, context.on_disk(directory).c_str(), O_RDONLY | O_DIRECTORY, 0);
  const UniqueFd fd(std::max(opened, -1));
  const int synced = opened < 0 ? opened : context.calls.sync(opened);
  if (synced < 0) return system_error(-synced, "sync directory", directory);
  return {};
}

SnapshotFile written_file(const SnapshotTemplate& name, const std::string& path, WallTime now) {
  SnapshotFile written;
  written.path = path;
  name.matches(base_name(path), &written.time);
  written.mtime_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  return written;
}

}  // namespace

Result<FileListing> list_manifest_files(const Environment& environment, const std::string& manifest_path) {
  const Context context(environment);
  auto place = place_for(environment, manifest_path, ManifestUse::list);
  if (!place) return place.error();
  FileListing listing;
  listing.manifest_path = place->path();
  listing.directory = parent_path(listing.manifest_path);
  const std::string_view rest = parent_path(place->rest);
  const int base =
      context.calls.open(AT_FDCWD, context.on_disk(place->base).c_str(), O_PATH | O_DIRECTORY, 0);
  if (base < 0) return listing;
  const UniqueFd held(base);
  const int inside = context.calls.open_beneath(base, std::string(rest).c_str(), O_PATH | O_DIRECTORY,
                                                SystemCalls::Links::inside, 0);
  const UniqueFd directory(std::max(inside, -1));
  if (inside == -EXDEV || inside == -ELOOP) {
    return Error(Errc::invalid_argument,
                 "path \"" + listing.manifest_path + "\" leads outside the manifest directories");
  }
  auto files = regular_files(context, listing.directory);
  if (!files) return files.error();
  listing.count = files->size();
  std::sort(files->begin(), files->end(), [](const auto& a, const auto& b) {
    return std::tie(b.first.modified_at, a.first.name) < std::tie(a.first.modified_at, b.first.name);
  });
  for (auto& [file, mtime] : *files) {
    if (listing.files.size() < most_files) listing.files.push_back(std::move(file));
  }
  return listing;
}

SnapshotListing list_snapshots(const Environment& environment, const std::string& path,
                               const std::string& process_name) {
  SnapshotListing listing;
  const Context context(environment);
  const auto name =
      SnapshotTemplate::make(path, process_name, environment.config_directory + "/symlink-repair");
  if (!name) return listing;
  listing.pattern = name->pattern();
  auto own = own_snapshots(context, *name, Which::trusted);
  if (!own) return listing;
  listing.count = own->size();
  std::sort(own->begin(), own->end(), [](const auto& a, const auto& b) {
    return std::tie(b.first.modified_at, a.first.path) < std::tie(a.first.modified_at, b.first.path);
  });
  for (auto& [file, snapshot] : *own) {
    if (listing.manifests.size() < most_snapshots) listing.manifests.push_back(std::move(file));
  }
  return listing;
}

Result<ScheduledReport> take_scheduled_snapshot(const Environment& given, const ScheduledSnapshot& scheduled,
                                                const Control& control) {
  const auto name = SnapshotTemplate::make(scheduled.path, scheduled.process_name,
                                           given.config_directory + "/symlink-repair");
  if (!name) return name.error();
  const Environment environment = with_directory(given, name->directory());
  const Context context(environment);
  const WallTime now = context.clock.wall();
  const std::string wanted = name->path_at(now);
  auto own = files_of(context, *name, Which::trusted);
  if (!own) return own.error();
  // The new one stands beside the others, under a name that no later run compares itself with, until it is
  // known to be as good as they are.
  BackupRequest request;
  request.process_name = scheduled.process_name;
  request.roots = scheduled.roots;
  request.include_broken = scheduled.include_broken;
  request.backup_path = held_path(wanted, now);
  auto taken = backup(environment, request, control);
  if (!taken) return taken.error();
  ScheduledReport report;
  report.backup = std::move(*taken);
  report.held = held_because(judge(context, report.backup, *own));
  if (report.held) {
    delete_all(context, held_to_prune(context, *name, scheduled.retention_count, request.backup_path),
               report);
    return report;
  }
  if (auto placed = put_in_place(context, request.backup_path, wanted); !placed) return placed.error();
  report.backup.backup_manifest = wanted;
  std::erase_if(*own, [&](const SnapshotFile& file) { return file.path == wanted; });
  own->push_back(written_file(*name, wanted, now));
  delete_all(context, to_prune(*own, scheduled.retention_count, wanted), report);
  return report;
}

}  // namespace dumb::symlinks
