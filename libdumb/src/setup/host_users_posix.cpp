#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/unique_fd.hpp>
#include <thread>

#include "setup/host_users.hpp"

namespace dumb::setup::host {
namespace {

namespace fs = std::filesystem;

/// The lock that passwd(1), useradd(8) and their like take. Given back by closing it.
Result<UniqueFd> lock_database(const fs::path& etc, std::chrono::milliseconds patience) {
  const fs::path path = etc / ".pwd.lock";
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(errno, "open the lock of the user database", path.native());
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  // A lock of the open file: another one of this process conflicts with it, unlike with F_SETLK.
  while (::fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      return system_error(errno, "lock the user database", path.native());
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return Error(Errc::timed_out, "another program keeps the user database locked", path.native());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return fd;
}

Result<std::optional<std::string>> read_optional(const fs::path& path) {
  auto text = file::read(path);
  if (text) return std::optional(*text);
  if (text.error().code() == boost::system::errc::no_such_file_or_directory) {
    return std::optional<std::string>();
  }
  return text.error();
}

}  // namespace

Result<UserEdit> make_service_user(const fs::path& etc, uid_t uid, gid_t gid,
                                   std::chrono::milliseconds patience) {
  const auto lock = lock_database(etc, patience);
  if (!lock) return lock.error();
  const auto passwd = read_optional(etc / "passwd");
  if (!passwd) return passwd.error();
  const auto group = read_optional(etc / "group");
  if (!group) return group.error();
  const auto shadow = read_optional(etc / "shadow");
  if (!shadow) return shadow.error();
  const UserTexts before{passwd->value_or(""), group->value_or(""), *shadow};
  UserEdit edit = with_service_user(before, uid, gid);
  if (edit.texts.group != before.group) {
    if (auto done = file::write_atomic(etc / "group", edit.texts.group); !done) return done.error();
  }
  if (edit.texts.shadow != before.shadow) {
    file::WriteOptions secret;
    secret.mode = 0640;
    if (auto done = file::write_atomic(etc / "shadow", *edit.texts.shadow, secret); !done)
      return done.error();
  }
  if (edit.texts.passwd != before.passwd) {
    if (auto done = file::write_atomic(etc / "passwd", edit.texts.passwd); !done) return done.error();
  }
  return edit;
}

}  // namespace dumb::setup::host
