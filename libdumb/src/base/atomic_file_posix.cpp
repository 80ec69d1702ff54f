#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/unique_fd.hpp>
#include <string>

namespace dumb::file {
namespace {

namespace fs = std::filesystem;

Error failed(std::string_view what, const fs::path& path) {
  return system_error(errno, what, path.native());
}

Result<void> write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0) {
      if (errno == EINTR) continue;
      return failed("write", path);
    }
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return {};
}

/// Where a chain of symlinks ends; a dangling last target is returned as it is.
Result<fs::path> resolve(fs::path path) {
  for (int hops = 0; hops < 40; ++hops) {
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    if (error) return path;
    path = target.is_absolute() ? target : path.parent_path() / target;
  }
  errno = ELOOP;
  return failed("resolve", path);
}

Result<void> give(int fd, const WriteOptions& options, const struct stat* old, const fs::path& path) {
  const uid_t uid = options.uid.value_or(old != nullptr ? old->st_uid : static_cast<uid_t>(-1));
  const gid_t gid = options.gid.value_or(old != nullptr ? old->st_gid : static_cast<gid_t>(-1));
  if ((uid != static_cast<uid_t>(-1) || gid != static_cast<gid_t>(-1)) && ::fchown(fd, uid, gid) != 0 &&
      ::geteuid() == 0) {
    return failed("set the owner of", path);
  }
  const mode_t mode = old != nullptr && !options.force_mode ? old->st_mode & 07777U : options.mode;
  if (::fchmod(fd, mode) != 0) return failed("set the mode of", path);
  return {};
}

void sync_directory(const fs::path& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) ::fsync(fd.get());
}

}  // namespace

Result<std::string> read(const fs::path& path, std::uint64_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return failed("open", path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return failed("inspect", path);
  if (S_ISDIR(info.st_mode)) {
    errno = EISDIR;
    return failed("read", path);
  }
  std::string bytes;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0) {
      if (errno == EINTR) continue;
      return failed("read", path);
    }
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(got));
    if (bytes.size() > limit) {
      return Error(Errc::io, "is larger than " + std::to_string(limit) + " bytes", path.native());
    }
  }
}

Result<void> write_atomic(const fs::path& wanted, std::string_view bytes, const WriteOptions& options) {
  const auto resolved = resolve(wanted);
  if (!resolved) return resolved.error();
  const fs::path& path = *resolved;
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  struct stat info {};
  const bool exists = ::stat(path.c_str(), &info) == 0;
  static std::atomic<unsigned> counter{0};
  fs::path temporary;
  UniqueFd fd;
  // In a container the process id is the same after each restart: one that was killed here may have left the
  // name behind.
  for (int attempt = 0; !fd && (attempt == 0 || (errno == EEXIST && attempt < 1000)); ++attempt) {
    temporary = directory / ("." + path.filename().native() + "." + std::to_string(::getpid()) + "-" +
                             std::to_string(counter++) + ".tmp");
    fd.reset(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  }
  if (!fd) return failed("create", temporary);
  const auto give_up = [&](const Error& error) {
    ::unlink(temporary.c_str());
    return error;
  };
  if (auto done = write_all(fd.get(), bytes, path); !done) return give_up(done.error());
  if (auto done = give(fd.get(), options, exists ? &info : nullptr, path); !done)
    return give_up(done.error());
  if (::fsync(fd.get()) != 0) return give_up(failed("sync", path));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return give_up(failed("replace", path));
  sync_directory(directory);
  return {};
}

Result<bool> write_if_changed(const fs::path& path, std::string_view bytes, const WriteOptions& options) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (fd && ::fstat(fd.get(), &info) == 0 && static_cast<std::uint64_t>(info.st_size) == bytes.size()) {
    const auto old = read(path);
    if (old && *old == bytes) {
      const bool mode_differs = options.force_mode && (info.st_mode & 07777U) != options.mode;
      const bool owner_differs =
          (options.uid && *options.uid != info.st_uid) || (options.gid && *options.gid != info.st_gid);
      if (mode_differs || owner_differs) {
        if (auto done = give(fd.get(), options, &info, path); !done) return done.error();
      }
      return false;
    }
  }
  if (auto done = write_atomic(path, bytes, options); !done) return done.error();
  return true;
}

Result<void> make_directories(const fs::path& path, mode_t mode, std::optional<uid_t> uid,
                              std::optional<gid_t> gid) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    errno = ENOTDIR;
    return failed("use as directory", path);
  }
  if (path.has_parent_path() && path.parent_path() != path) {
    if (auto done = make_directories(path.parent_path(), 0755, uid, gid); !done) return done;
  }
  if (::mkdir(path.c_str(), mode) != 0) {
    if (errno == EEXIST) return {};
    return failed("create directory", path);
  }
  if (::chmod(path.c_str(), mode) != 0) return failed("set the mode of", path);
  if ((uid || gid) && ::geteuid() == 0 &&
      ::lchown(path.c_str(), uid.value_or(static_cast<uid_t>(-1)), gid.value_or(static_cast<gid_t>(-1))) !=
          0) {
    return failed("set the owner of", path);
  }
  return {};
}

}  // namespace dumb::file
