#include "handover_posix.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace dumb::server {
namespace {

constexpr int answer_time = 2'000;  // ms, for a successor to say that it has got the socket
constexpr int patience = 30'000;    // ms, for an old server that ends helpers and files away logs

/// The name of a socket is short; by way of the directory's descriptor any path will do.
struct Place {
  UniqueFd directory;
  sockaddr_un address{};
};
Result<Place> place_of(const std::filesystem::path& run_directory) {
  Place place;
  place.directory.reset(::open(run_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place.directory) return system_error(errno, "open", run_directory.native());
  const std::string name = "/proc/self/fd/" + std::to_string(place.directory.get()) + "/handover";
  place.address.sun_family = AF_UNIX;
  std::memcpy(place.address.sun_path, name.c_str(), name.size() + 1);
  return place;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

bool readable(int fd, int limit) {
  pollfd entry{fd, POLLIN, 0};
  int done = 0;
  while ((done = ::poll(&entry, 1, limit)) < 0 && errno == EINTR) {
  }
  return done > 0;
}

/// What the old server says: its listening socket, or a sentence.
struct Words {
  UniqueFd listener;
  std::string text;
};
Words receive(int fd) {
  Words words;
  std::array<char, 1024> text;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec part{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (got <= 0) return words;
  words.text.assign(text.data(), static_cast<std::size_t>(got));
  const cmsghdr* entry = CMSG_FIRSTHDR(&message);
  if (entry != nullptr && entry->cmsg_level == SOL_SOCKET && entry->cmsg_type == SCM_RIGHTS) {
    int passed = -1;
    std::memcpy(&passed, CMSG_DATA(entry), sizeof passed);
    words.listener.reset(passed);
  }
  return words;
}

}  // namespace

Result<UniqueFd> open_handover_socket(const std::filesystem::path& run_directory) {
  auto place = place_of(run_directory);
  if (!place) return place.error();
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_error(errno, "create a socket");
  ::unlinkat(place->directory.get(), "handover", 0);
  if (::bind(fd.get(), generic(place->address), sizeof place->address) != 0 || ::listen(fd.get(), 4) != 0)
    return system_error(errno, "open the handover socket in", run_directory.native());
  return fd;
}

UniqueFd accept_successor(int socket) {
  UniqueFd peer(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC));
  ucred who{};
  socklen_t size = sizeof who;
  if (!peer || ::getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return {};
  if (who.uid != 0 && who.uid != ::geteuid()) return {};
  return peer;
}

bool is_there(int peer) {
  pollfd entry{peer, POLLIN, 0};
  // It says nothing, so only its end is to be read.
  return ::poll(&entry, 1, 0) == 0;
}

bool send_listener(int peer, int listener) {
  char text = 'L';
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec part{&text, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* entry = CMSG_FIRSTHDR(&message);
  entry->cmsg_level = SOL_SOCKET;
  entry->cmsg_type = SCM_RIGHTS;
  entry->cmsg_len = CMSG_LEN(sizeof listener);
  std::memcpy(CMSG_DATA(entry), &listener, sizeof listener);
  char answer = 0;
  return ::sendmsg(peer, &message, MSG_NOSIGNAL) > 0 && readable(peer, answer_time) &&
         ::recv(peer, &answer, 1, MSG_DONTWAIT) == 1;
}

void send_refusal(int peer, const std::string& reason) {
  const ssize_t done = ::send(peer, reason.data(), reason.size(), MSG_NOSIGNAL);
  (void)done;
}

Result<UniqueFd> take_over(const std::filesystem::path& run_directory) {
  auto place = place_of(run_directory);
  if (!place) return UniqueFd();
  const UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return system_error(errno, "create a socket");
  if (::connect(fd.get(), generic(place->address), sizeof place->address) != 0) return UniqueFd();
  ucred old{};
  socklen_t size = sizeof old;
  UniqueFd process;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &old, &size) == 0 && old.pid > 0)
    process.reset(static_cast<int>(::syscall(SYS_pidfd_open, old.pid, 0)));
  if (!readable(fd.get(), patience))
    return Error(Errc::timed_out, "the running dumb-server does not hand over");
  Words words = receive(fd.get());
  if (!words.listener) {
    return Error(Errc::conflict, words.text.empty()
                                     ? "the running dumb-server ended without handing over"
                                     : "the running dumb-server does not hand over: " + words.text);
  }
  // From here on there is nobody else.
  if (::send(fd.get(), "A", 1, MSG_NOSIGNAL) != 1)
    return Error(Errc::conflict, "the running dumb-server ended without handing over");
  // What it holds besides (the lock of the run directory, sockets of its children) is free when it is gone.
  if (!readable(process ? process.get() : fd.get(), patience))
    return Error(Errc::timed_out, "the running dumb-server does not end");
  return std::move(words.listener);
}

Error replace_program(const std::string& program, const std::vector<std::string>& arguments, int kept) {
  std::vector<char*> argv;
  for (const std::string& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
  if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    for (int fd = 3; fd < 65536; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  if (kept >= 0) ::fcntl(kept, F_SETFD, 0);
  ::execv(program.c_str(), argv.data());
  return system_error(errno, "execute", program);
}

std::string own_program() {
  std::array<char, PATH_MAX> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  return size > 0 ? std::string(path.data(), static_cast<std::size_t>(size)) : std::string();
}

}  // namespace dumb::server
