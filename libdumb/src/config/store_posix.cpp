#include "config/store_posix.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>

#include <cerrno>
#include <chrono>
#include <system_error>

namespace dumb::config {
namespace {

namespace fs = std::filesystem;
constexpr int oldest_backup = 5;
constexpr auto lock_patience = std::chrono::seconds(10);

fs::path with_suffix(const fs::path& path, std::string_view suffix) {
  fs::path out = path;
  out += suffix;
  return out;
}

fs::path resolved(fs::path path) {
  for (int hops = 0; hops < 40; ++hops) {
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    if (error) break;
    path = target.is_absolute() ? target : path.parent_path() / target;
  }
  return path;
}

Result<UniqueFd> open_lock(const fs::path& file) {
  const fs::path path = with_suffix(file, ".lock");
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  // Where no file can be made next to it (a bind mount of the file alone) the file itself is the lock.
  if (!fd && (errno == EACCES || errno == EPERM || errno == EROFS)) {
    fd.reset(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  }
  if (!fd) return system_error(errno, "open the lock of", file.native());
  return fd;
}

Result<UniqueFd> lock(const fs::path& file) {
  auto fd = open_lock(file);
  if (!fd) return fd;
  const auto end = std::chrono::steady_clock::now() + lock_patience;
  while (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return system_error(errno, "lock", file.native());
    if (std::chrono::steady_clock::now() >= end) {
      return Error(Errc::timed_out, "is locked by another program", file.native());
    }
    ::poll(nullptr, 0, 20);
  }
  return fd;
}

/// Temporary files of writers that were killed. Nobody else writes while the lock is held.
void remove_leftovers(const fs::path& file) {
  const std::string prefix = "." + file.filename().native() + ".";
  std::error_code error;
  for (fs::directory_iterator it(file.parent_path(), error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().native();
    if (name.starts_with(prefix) && name.ends_with(".tmp")) {
      std::error_code ignored;
      fs::remove(it->path(), ignored);
    }
  }
}

file::WriteOptions like(const fs::path& file) {
  file::WriteOptions options;
  options.mode = 0600;
  options.force_mode = true;
  struct stat info {};
  if (::stat(file.c_str(), &info) == 0) {
    options.mode = info.st_mode & 07777U;
    options.uid = info.st_uid;
    options.gid = info.st_gid;
  }
  return options;
}

Result<void> rotate(const fs::path& backup) {
  for (int number = oldest_backup - 1; number >= 0; --number) {
    const fs::path from = number == 0 ? backup : with_suffix(backup, "." + std::to_string(number));
    const fs::path to = with_suffix(backup, "." + std::to_string(number + 1));
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
      return system_error(errno, "keep the backup", from.native());
    }
  }
  return {};
}

Result<void> write_in_place(const fs::path& file, std::string_view bytes) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd) return system_error(errno, "open", file.native());
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd.get(), bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return system_error(errno, "write", file.native());
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  if (::fsync(fd.get()) != 0) return system_error(errno, "sync", file.native());
  return {};
}

bool is_mount_point_error(const boost::system::error_code& code) {
  return code.category() == boost::system::system_category() &&
         (code.value() == EBUSY || code.value() == EXDEV || code.value() == EPERM);
}

/// Whether the file itself is a mount point by /proc/self/mountinfo (proc(5)), where blanks and the like are
/// \ooo.
bool is_mount_point(const fs::path& file) {
  const auto table = file::read("/proc/self/mountinfo");
  if (!table) return false;
  std::string wanted;
  for (const char c : file.native()) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\\') {
      const auto byte = static_cast<unsigned>(c);
      wanted += '\\';
      for (const unsigned shift : {6U, 3U, 0U}) wanted += static_cast<char>('0' + (byte >> shift & 7U));
    } else {
      wanted += c;
    }
  }
  for (const std::string& line : text::split(*table, '\n')) {
    const std::vector<std::string> fields = text::split(line, ' ');
    if (fields.size() > 4 && fields[4] == wanted) return true;
  }
  return false;
}

}  // namespace

Store::Store(fs::path file) : file_(resolved(fs::absolute(std::move(file)))) {}

bool Store::exists() const {
  struct stat info {};
  return ::stat(file_.c_str(), &info) == 0 || errno != ENOENT;
}

Result<std::string> Store::read() const {
  return file::read(file_);
}

Result<std::string> Store::read_backup() const {
  return file::read(with_suffix(file_, ".bak"));
}

Result<void> Store::create(std::string_view text, const Root& root, std::optional<uid_t> uid,
                           std::optional<gid_t> gid) const {
  const fs::path directory = file_.parent_path();
  std::error_code unknown;
  if (!fs::is_directory(directory, unknown)) {
    if (!root.contains(directory))
      return system_error(ENOENT, "create, the directory is missing", file_.native());
    if (auto made = file::make_directories(directory, 0755, uid, gid); !made) return made;
  }
  file::WriteOptions options;
  options.mode = 0600;
  if (::geteuid() == 0) {
    options.uid = uid;
    options.gid = gid;
  }
  return file::write_atomic(file_, text, options);
}

Result<void> Store::rewrite(const Rewrite& rewrite) const {
  const auto held = lock(file_);
  if (!held) return held.error();
  const auto old_text = read();
  if (!old_text) return old_text.error();
  const auto text = rewrite(*old_text);
  if (!text) return text.error();
  if (*text == *old_text) return {};
  if (!backed_up_) {
    remove_leftovers(file_);
    const fs::path backup = with_suffix(file_, ".bak");
    if (auto kept = rotate(backup); !kept) return kept;
    if (auto written = file::write_atomic(backup, *old_text, like(file_)); !written) return written;
    backed_up_ = true;
  }
  return replace(*old_text, *text);
}

Result<void> Store::replace(const std::string& old_text, const std::string& text) const {
  auto written = file::write_atomic(file_, text);
  if (written || !is_mount_point_error(written.error().code()) || !is_mount_point(file_)) return written;
  // A file that is itself a mount cannot be renamed over: the backup is what a crash in the middle leaves.
  const fs::path backup = with_suffix(file_, ".bak");
  if (auto kept = file::write_if_changed(backup, old_text, like(file_)); !kept) return kept.error();
  return write_in_place(file_, text);
}

}  // namespace dumb::config
