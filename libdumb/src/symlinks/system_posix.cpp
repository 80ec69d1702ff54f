#include "symlinks/system_posix.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace dumb::symlinks {
namespace {

template <class T>
T answer(T result) noexcept {
  return result >= 0 ? result : static_cast<T>(-errno);
}

/// Component by component, no link followed, never above `directory`.
int walk_beneath(int directory, const char* path, int flags, mode_t mode) {
  int at = directory;
  std::string_view rest(path);
  for (;;) {
    while (rest.starts_with('/')) rest.remove_prefix(1);
    const std::size_t end = rest.find('/');
    const bool last = end == std::string_view::npos;
    const std::string part(rest.substr(0, end));
    const int wanted = last ? flags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW;
    const int next =
        part == ".."
            ? -EXDEV
            : answer(::openat(at, part.empty() ? "." : part.c_str(), wanted | O_CLOEXEC, last ? mode : 0));
    if (at != directory) ::close(at);
    if (next < 0 || last) return next;
    at = next;
    rest.remove_prefix(end + 1);
  }
}

int open_with(int directory, const char* path, open_how& how) {
  return static_cast<int>(
      answer(::syscall(SYS_openat2, directory, *path == '\0' ? "." : path, &how, sizeof how)));
}

/// Whether openat2 answers EPERM whatever it is asked: filters of older containers do not know it.
bool is_refused() {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  const int fd = open_with(AT_FDCWD, "/", how);
  if (fd >= 0) ::close(fd);
  return fd == -EPERM;
}

}  // namespace

int SystemCalls::open(int directory, const char* path, int flags, mode_t mode) {
  return answer(::openat(directory, path, flags | O_CLOEXEC, mode));
}

int SystemCalls::open_beneath(int directory, const char* path, int flags, Links links, mode_t mode) {
  static std::atomic<bool> missing{false};
  if (!missing) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
    how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
    how.resolve = RESOLVE_BENEATH | (links == Links::refused ? RESOLVE_NO_SYMLINKS : RESOLVE_NO_MAGICLINKS);
    // A rename somewhere else while a ".." is resolved is to be tried again.
    int fd = -EAGAIN;
    for (int attempt = 0; fd == -EAGAIN && attempt < 100; ++attempt) fd = open_with(directory, path, how);
    if (fd == -EAGAIN) return -EBUSY;
    if (fd != -ENOSYS && (fd != -EPERM || !is_refused())) return fd;
    missing = true;
  }
  return walk_beneath(directory, path, flags, mode);
}

ssize_t SystemCalls::list(int fd, void* buffer, std::size_t size) {
  return answer(static_cast<ssize_t>(::syscall(SYS_getdents64, fd, buffer, size)));
}

ssize_t SystemCalls::read_link(int directory, const char* name, char* buffer, std::size_t size) {
  return answer(::readlinkat(directory, name, buffer, size));
}

int SystemCalls::stat(int directory, const char* name, struct stat* info, int flags) {
  return answer(::fstatat(directory, name, info, flags));
}

int SystemCalls::make_link(const char* target, int directory, const char* name) {
  return answer(::symlinkat(target, directory, name));
}

int SystemCalls::rename(int from_directory, const char* from, int to_directory, const char* to,
                        unsigned flags) {
  return answer(static_cast<int>(::syscall(SYS_renameat2, from_directory, from, to_directory, to, flags)));
}

int SystemCalls::link(int directory, const char* from, const char* to) {
  return answer(::linkat(directory, from, directory, to, 0));
}

int SystemCalls::unlink(int directory, const char* name, int flags) {
  return answer(::unlinkat(directory, name, flags));
}

int SystemCalls::make_directory(int directory, const char* name, mode_t mode) {
  return answer(::mkdirat(directory, name, mode));
}

int SystemCalls::own(int directory, const char* name, uid_t uid, gid_t gid) {
  return answer(::fchownat(directory, name, uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
}

int SystemCalls::set_mode(int fd, mode_t mode) {
  return answer(::fchmod(fd, mode));
}

int SystemCalls::set_times(int directory, const char* name, const struct timespec times[2]) {
  return answer(::utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW));
}

ssize_t SystemCalls::read(int fd, void* buffer, std::size_t size, std::uint64_t offset) {
  for (;;) {
    const ssize_t got = ::pread(fd, buffer, size, static_cast<off_t>(offset));
    if (got >= 0 || errno != EINTR) return answer(got);
  }
}

ssize_t SystemCalls::write(int fd, const void* bytes, std::size_t size) {
  for (;;) {
    const ssize_t done = ::write(fd, bytes, size);
    if (done >= 0 || errno != EINTR) return answer(done);
  }
}

int SystemCalls::sync(int fd) {
  return answer(::fsync(fd));
}

int SystemCalls::sync_file_system(int fd) {
  return answer(::syncfs(fd));
}

int SystemCalls::lock(int fd, int operation) {
  return answer(::flock(fd, operation));
}

SystemCalls& real_system_calls() noexcept {
  static SystemCalls calls;
  return calls;
}

const char* errno_name(int number) noexcept {
  if (const char* name = ::strerrorname_np(number)) return name;
  thread_local char text[16];
  std::snprintf(text, sizeof text, "E%d", number);
  return text;
}

}  // namespace dumb::symlinks
