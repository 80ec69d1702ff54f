#include "symlinks/files_posix.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/symlinks/bytes.hpp>
#include <utility>

namespace dumb::symlinks {
namespace {

constexpr std::size_t chunk = 256 * 1024;

Error refused(const ManifestPlace& place, std::string_view why) {
  return {Errc::invalid_argument, "path \"" + printable(place.path()) + "\" " + std::string(why)};
}

Error failed(int number, std::string_view what, std::string_view path) {
  return system_error(number, what, printable(path));
}

/// What a failed open of a manifest or its directory means.
Error opening_failed(const ManifestPlace& place, int number) {
  if (number == EXDEV || number == ELOOP) return refused(place, "leads outside the manifest directories");
  return failed(number, "open", place.path());
}

Result<UniqueFd> open_base(const Context& context, const ManifestPlace& place) {
  const std::string base = context.on_disk(place.base);
  const int fd = context.calls.open(AT_FDCWD, base.c_str(), O_PATH | O_DIRECTORY, 0);
  if (fd == -ENOENT) return Error(Errc::not_found, "no manifest \"" + printable(place.path()) + "\"");
  if (fd < 0) return failed(-fd, "open", place.base);
  return UniqueFd(fd);
}

/// A new directory is there after a power cut only when its parent is synced, and open to all whatever the
/// mask of the process.
Result<void> settle_directory(const Context& context, int at, const char* path, const std::string& name) {
  const int fd = context.calls.open(at, path, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return failed(-fd, "open the directory above", path);
  const UniqueFd held(fd);
  const UniqueFd made(
      std::max(context.calls.open(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0), -1));
  if (made) context.calls.set_mode(made.get(), 0755);
  const int done = context.calls.sync(fd);
  return done < 0 ? Result<void>(failed(-done, "sync the directory above", path)) : Result<void>();
}

Result<void> make_base(const Context& context, const std::string& path) {
  int made = context.calls.make_directory(AT_FDCWD, path.c_str(), 0755);
  if (made == -EEXIST) return {};
  const std::string_view parent = parent_path(path);
  if (made == -ENOENT && !parent.empty() && parent != path) {
    if (auto above = make_base(context, std::string(parent)); !above) return above;
    made = context.calls.make_directory(AT_FDCWD, path.c_str(), 0755);
    if (made == -EEXIST) return {};
  }
  if (made < 0) return failed(-made, "create directory", path);
  return settle_directory(context, AT_FDCWD, std::string(parent).c_str(), std::string(base_name(path)));
}

}  // namespace

ManifestPlaces places_of(const Environment& environment) {
  return {environment.config_directory + "/symlink-repair", environment.service_directories};
}

Result<UniqueFd> open_manifest(const Context& context, const ManifestPlace& place) {
  auto base = open_base(context, place);
  if (!base) return base.error();
  const int fd = context.calls.open_beneath(base->get(), place.rest.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY,
                                            SystemCalls::Links::inside, 0);
  if (fd == -ENOENT || fd == -ENOTDIR) {
    return Error(Errc::not_found, "no manifest \"" + printable(place.path()) + "\"");
  }
  if (fd < 0) return opening_failed(place, -fd);
  UniqueFd file(fd);
  struct stat info {};
  if (context.calls.stat(fd, "", &info, AT_EMPTY_PATH) < 0 || !S_ISREG(info.st_mode)) {
    return refused(place, "is not a regular file");
  }
  return file;
}

Result<UniqueFd> open_manifest_directory(const Context& context, const ManifestPlace& place) {
  if (auto made = make_base(context, context.on_disk(place.base)); !made) return made.error();
  auto base = open_base(context, place);
  if (!base) return base.error();
  UniqueFd at = std::move(*base);
  std::string_view rest = parent_path(place.rest);
  const int root = at.get();
  UniqueFd held;
  std::string walked;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string part(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    walked = join_path(walked, part);
    const auto open = [&] {
      return context.calls.open_beneath(root, walked.c_str(), O_PATH | O_DIRECTORY,
                                        SystemCalls::Links::inside, 0);
    };
    int next = open();
    if (next == -ENOENT) {
      const int above = held ? held.get() : root;
      const int made = context.calls.make_directory(above, part.c_str(), 0755);
      if (made < 0 && made != -EEXIST) return failed(-made, "create directory of", place.path());
      if (made >= 0) {
        if (auto done = settle_directory(context, above, ".", part); !done) return done.error();
      }
      next = open();
    }
    if (next < 0) return opening_failed(place, -next);
    held.reset(next);
  }
  const int directory = held ? held.get() : root;
  struct stat info {};
  const std::string name(base_name(place.rest));
  const int seen = context.calls.stat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW);
  if (seen >= 0 && !S_ISREG(info.st_mode)) return refused(place, "is there and not a regular file");
  const int opened = context.calls.open(directory, ".", O_RDONLY | O_DIRECTORY, 0);
  if (opened < 0) return failed(-opened, "open the directory of", place.path());
  return UniqueFd(opened);
}

Result<std::size_t> FileSource::read(char* buffer, std::size_t size) {
  const ssize_t got = calls_.read(fd_, buffer, size, offset_);
  if (got < 0) return system_error(static_cast<int>(-got), "read the manifest");
  offset_ += static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

DurableFile::DurableFile(SystemCalls& calls, UniqueFd directory, std::string name)
    : calls_(calls), directory_(std::move(directory)), name_(std::move(name)) {}

Result<std::unique_ptr<DurableFile>> DurableFile::create(SystemCalls& calls, UniqueFd directory,
                                                         std::string name) {
  std::unique_ptr<DurableFile> file(new DurableFile(calls, std::move(directory), std::move(name)));
  int fd = -EEXIST;
  for (int attempt = 0; fd == -EEXIST && attempt < 100; ++attempt) {
    file->temporary_ = temporary_file_name(file->name_);
    fd = calls.open(file->directory_.get(), file->temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
                    0644);
  }
  if (fd < 0) return failed(-fd, "create", file->name_);
  file->fd_.reset(fd);
  calls.set_mode(fd, 0644);  // whatever the mask of the process
  struct stat info {};
  if (calls.stat(file->directory_.get(), "", &info, AT_EMPTY_PATH) >= 0 && info.st_uid != ::geteuid()) {
    calls.own(file->directory_.get(), file->temporary_.c_str(), info.st_uid, info.st_gid);
  }
  return file;
}

DurableFile::~DurableFile() {
  if (fd_ && !committed_) calls_.unlink(directory_.get(), temporary_.c_str(), 0);
}

Result<void> DurableFile::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t done = calls_.write(fd_.get(), rest.data(), rest.size());
    if (done < 0) return failed(static_cast<int>(-done), "write", name_);
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
  buffer_.clear();
  return {};
}

Result<void> DurableFile::append(std::string_view bytes) {
  buffer_ += bytes;
  size_ += bytes.size();
  return buffer_.size() >= chunk ? flush() : Result<void>();
}

int DurableFile::rename_here(const std::string& from, const std::string& to) {
  return calls_.rename(directory_.get(), from.c_str(), directory_.get(), to.c_str(), 0);
}

/// The file that stands gets a second name, so that it is never away from its first; where there are no
/// second names it moves.
int DurableFile::keep_previous() {
  const std::string kept = name_.substr(0, name_.size() - 5) + ".prev.json";
  const std::string second = temporary_file_name(name_);
  const int linked = calls_.link(directory_.get(), name_.c_str(), second.c_str());
  if (linked == -ENOENT) return 0;
  const int moved = linked < 0 ? rename_here(name_, kept) : rename_here(second, kept);
  if (moved < 0 && linked >= 0) calls_.unlink(directory_.get(), second.c_str(), 0);
  return moved == -ENOENT ? 0 : moved;
}

Result<void> DurableFile::commit(Previous previous) {
  if (auto done = flush(); !done) return done;
  if (const int done = calls_.sync(fd_.get()); done < 0) return failed(-done, "sync", name_);
  if (previous == Previous::keep) {
    if (const int kept = keep_previous(); kept < 0) return failed(-kept, "keep the previous", name_);
  }
  const int renamed = rename_here(temporary_, name_);
  if (renamed < 0) return failed(-renamed, "replace", name_);
  committed_ = true;
  if (const int done = calls_.sync(directory_.get()); done < 0)
    return failed(-done, "sync the directory of", name_);
  return {};
}

std::string new_run_id() {
  unsigned char bytes[4];
  while (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
  }
  return text::hex_encode(std::string_view(reinterpret_cast<const char*>(bytes), sizeof bytes));
}

std::string temporary_file_name(std::string_view name) {
  // Random, because a process id comes again: in a container after each restart. Long names are cut so that
  // this one fits into 255 bytes.
  return ".dumb-" + std::string(name.substr(0, 200)) + "." + new_run_id() + ".tmp";
}

bool is_temporary_file(std::string_view name) {
  constexpr std::string_view head = ".dumb-";
  constexpr std::string_view tail = ".tmp";
  if (!name.starts_with(head) || !name.ends_with(tail) || name.size() < head.size() + tail.size() + 10) {
    return false;
  }
  const std::string_view number = name.substr(name.size() - tail.size() - 9, 9);
  return number.front() == '.' && number.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
}

std::string compact_time(WallTime time) {
  std::string out = manifest_time(time).substr(0, 19);
  std::erase_if(out, [](char c) { return c == '-' || c == ':'; });
  return out + "Z";
}

}  // namespace dumb::symlinks
