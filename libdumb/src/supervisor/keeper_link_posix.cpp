#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "supervisor/keeper_process_posix.hpp"

namespace dumb::supervisor::keeper {
namespace {

constexpr int patience = 1000;  // ms, with one who does not read or answer

struct Place {
  UniqueFd directory;
  sockaddr_un address{};
};
/// The name of a socket is short; by way of the directory's descriptor any path will do.
Result<Place> place_of(const std::filesystem::path& run_directory) {
  Place place;
  place.directory.reset(::open(run_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place.directory) return system_error(errno, "open", run_directory.native());
  const std::string name = "/proc/self/fd/" + std::to_string(place.directory.get()) + "/" + socket_name;
  place.address.sun_family = AF_UNIX;
  std::memcpy(place.address.sun_path, name.c_str(), name.size() + 1);
  return place;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// A keeper that does not answer must not hold its supervisor for long.
void limit_waits(int socket) {
  const timeval limit{patience / 1000, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

}  // namespace

bool send_packet(int socket, const void* bytes, std::size_t size, const int* descriptors, std::size_t count) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_items)> control{};
  iovec part{const_cast<void*>(bytes), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* entry = CMSG_FIRSTHDR(&message);
    entry->cmsg_level = SOL_SOCKET;
    entry->cmsg_type = SCM_RIGHTS;
    entry->cmsg_len = CMSG_LEN(sizeof(int) * count);
    std::memcpy(CMSG_DATA(entry), descriptors, sizeof(int) * count);
  }
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
    if (errno == EINTR) continue;
    pollfd room{socket, POLLOUT, 0};
    if (errno != EAGAIN || ::poll(&room, 1, patience) <= 0) return false;
  }
}

Packet receive_packet(int socket, void* bytes, std::size_t room, int* descriptors, int flags) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_items)> control;
  iovec part{bytes, room};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  Packet packet;
  while ((packet.size = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  if (packet.size < 0) return packet;
  for (cmsghdr* entry = CMSG_FIRSTHDR(&message); entry != nullptr; entry = CMSG_NXTHDR(&message, entry)) {
    if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS) continue;
    packet.descriptors = (entry->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(descriptors, CMSG_DATA(entry), packet.descriptors * sizeof(int));
  }
  return packet;
}

UniqueFd connect_keeper(const std::filesystem::path& run_directory) {
  const auto place = place_of(run_directory);
  if (!place) return {};
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd || ::connect(fd.get(), generic(place->address), sizeof place->address) != 0) return {};
  limit_waits(fd.get());
  return fd;
}

Result<UniqueFd> start_keeper(const std::filesystem::path& run_directory) {
  const auto place = place_of(run_directory);
  if (!place) return place.error();
  const UniqueFd directory(::open(run_directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int ends[2] = {-1, -1};
  if (!directory || !listener || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return system_error(errno, "create a socket");
  UniqueFd own(ends[0]);
  const UniqueFd other(ends[1]);
  limit_waits(own.get());
  ::unlinkat(place->directory.get(), socket_name, 0);
  if (::bind(listener.get(), generic(place->address), sizeof place->address) != 0 ||
      ::listen(listener.get(), 8) != 0)
    return system_error(errno, "open the keeper's socket in", run_directory.native());
  // The child answers to no signal by a handler of this program.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) become_keeper(listener.get(), other.get(), directory.get());
  const int failed = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return system_error(failed, "start the keeper");
  return own;
}

}  // namespace dumb::supervisor::keeper
