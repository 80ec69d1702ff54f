#include "engine/event_file_posix.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/unique_fd.hpp>

namespace dumb::engine {
namespace {

// The directory may belong to the user the services run as: nothing but a plain file of one name is opened.
constexpr int careful = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
constexpr mode_t file_mode = 0600;

Error failure(std::string_view what, const std::filesystem::path& path) {
  return system_error(errno, what, path.native());
}

std::filesystem::path older(const EventFile& file) {
  std::filesystem::path path = file.path;
  path += ".1";
  return path;
}

Result<std::uint64_t> size_of(int fd, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return failure("look at it", path);
  if (!S_ISREG(status.st_mode) || status.st_nlink > 1)
    return Error(Errc::io, "is no plain file of one name", path.native());
  return static_cast<std::uint64_t>(status.st_size);
}

/// The last `most` bytes, from the beginning of a line on.
Result<std::string> read_end(const std::filesystem::path& path, std::uint64_t most) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | careful));
  if (!fd && errno == ENOENT) return std::string();
  if (!fd) return failure("read", path);
  const auto size = size_of(fd.get(), path);
  if (!size) return size.error();
  const std::uint64_t skipped = *size > most ? *size - most : 0;
  std::string text(*size - skipped, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count =
        ::pread(fd.get(), text.data() + done, text.size() - done, static_cast<off_t>(skipped + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure("read", path);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  text.resize(done);
  if (skipped > 0) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  return text;
}

Result<UniqueFd> open_to_append(const EventFile& file) {
  constexpr int flags = O_RDWR | O_APPEND | careful;
  UniqueFd fd(::open(file.path.c_str(), flags));
  if (fd) return fd;
  if (errno != ENOENT) return failure("open", file.path);
  if (auto made = file::make_directories(file.path.parent_path(), 0755, file.uid, file.gid); !made)
    return made.error();
  fd.reset(::open(file.path.c_str(), flags | O_CREAT | O_EXCL, file_mode));
  if (!fd) return failure("create", file.path);
  if (file.uid || file.gid) {
    const auto same = static_cast<uid_t>(-1);
    if (::fchown(fd.get(), file.uid.value_or(same), file.gid.value_or(static_cast<gid_t>(-1))) != 0)
      return failure("give it to its owner", file.path);
  }
  return fd;
}

bool ends_torn(int fd, std::uint64_t size) {
  char last = '\n';
  return size > 0 && ::pread(fd, &last, 1, static_cast<off_t>(size - 1)) == 1 && last != '\n';
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

Result<StoredEvents> load_events(const EventFile& file, std::size_t most) {
  const auto before = read_end(older(file), file.limit);
  if (!before) return before.error();
  const auto current = read_end(file.path, file.limit);
  if (!current) return current.error();
  return read_events(*before, *current, most);
}

Result<void> append_events(const EventFile& file, std::string_view lines) {
  auto fd = open_to_append(file);
  if (!fd) return fd.error();
  auto size = size_of(fd->get(), file.path);
  if (!size) return size.error();
  if (rotate_events(*size, lines.size(), file.limit)) {
    if (::rename(file.path.c_str(), older(file).c_str()) != 0) return failure("rotate", file.path);
    fd = open_to_append(file);
    if (!fd) return fd.error();
    size = std::uint64_t{0};
  }
  std::string text;
  if (ends_torn(fd->get(), *size)) text = "\n";
  text += lines;
  if (write_all(fd->get(), text)) return {};
  const Error error = failure("write", file.path);
  // What was written is written again with the next try.
  (void)!::ftruncate(fd->get(), static_cast<off_t>(*size));
  return error;
}

}  // namespace dumb::engine
