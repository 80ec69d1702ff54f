#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace dumb::symlinks {

/// Every call of the kernel that this module makes on a user's disk, so that a test can stand between. All
/// answer a value >= 0 or a negated errno. Paths are C strings; `directory` may be AT_FDCWD.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;
  virtual int open(int directory, const char* path, int flags, mode_t mode);
  /// openat2 with RESOLVE_BENEATH and, when `links` is not allowed, RESOLVE_NO_SYMLINKS. Where the kernel has
  /// no openat2 the path is walked component by component with O_NOFOLLOW.
  enum class Links { refused, inside };
  virtual int open_beneath(int directory, const char* path, int flags, Links links, mode_t mode);
  virtual ssize_t list(int fd, void* buffer, std::size_t size);
  virtual ssize_t read_link(int directory, const char* name, char* buffer, std::size_t size);
  virtual int stat(int directory, const char* name, struct stat* info, int flags);
  virtual int make_link(const char* target, int directory, const char* name);
  virtual int rename(int from_directory, const char* from, int to_directory, const char* to, unsigned flags);
  /// A second name for a file.
  virtual int link(int directory, const char* from, const char* to);
  virtual int unlink(int directory, const char* name, int flags);
  virtual int make_directory(int directory, const char* name, mode_t mode);
  /// "" is the directory itself.
  virtual int own(int directory, const char* name, uid_t uid, gid_t gid);
  virtual int set_mode(int fd, mode_t mode);
  virtual int set_times(int directory, const char* name, const struct timespec times[2]);
  virtual ssize_t read(int fd, void* buffer, std::size_t size, std::uint64_t offset);
  virtual ssize_t write(int fd, const void* bytes, std::size_t size);
  virtual int sync(int fd);
  virtual int sync_file_system(int fd);
  virtual int lock(int fd, int operation);
};

/// The kernel itself.
SystemCalls& real_system_calls() noexcept;

/// Name of an errno: "ENOSPC"; "E<number>" for one without a name.
const char* errno_name(int number) noexcept;

}  // namespace dumb::symlinks
