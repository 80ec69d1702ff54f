#include "supervisor/notify_posix.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <random>

namespace dumb::supervisor {

Result<NotifySocket> open_notify_socket(const std::string& address_to_be) {
  NotifySocket socket;
  socket.fd.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.fd) return system_error(errno, "create a notify socket");
  const int yes = 1;
  if (::setsockopt(socket.fd.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0) {
    return system_error(errno, "ask for the senders of a notify socket");
  }
  std::random_device random;
  const std::uint64_t number = (std::uint64_t{random()} << 32U) | random();
  std::string name = "dumb/notify/" + std::to_string(::getpid()) + "-" + std::to_string(number);
  sockaddr_un address{};
  if (address_to_be.starts_with('@') && address_to_be.size() < sizeof address.sun_path)
    name = address_to_be.substr(1);
  address.sun_family = AF_UNIX;
  std::memcpy(&address.sun_path[1], name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (::bind(socket.fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return system_error(errno, "bind a notify socket");
  }
  socket.address = "@" + name;
  return socket;
}

ssize_t receive_datagram(int fd, char* text, std::size_t room, pid_t& sender, Reading reading) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int) * 64)> control;
  iovec part{text, room};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const int look = reading == Reading::looked_at ? MSG_PEEK : 0;
  const ssize_t got = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC | look);
  if (got < 0) return got;
  for (cmsghdr* entry = CMSG_FIRSTHDR(&message); entry != nullptr; entry = CMSG_NXTHDR(&message, entry)) {
    if (entry->cmsg_level != SOL_SOCKET) continue;
    if (entry->cmsg_type == SCM_CREDENTIALS) {
      ucred credentials{};
      std::memcpy(&credentials, CMSG_DATA(entry), sizeof credentials);
      sender = credentials.pid;
    } else if (entry->cmsg_type == SCM_RIGHTS) {
      const std::size_t count = (entry->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int received = -1;
        std::memcpy(&received, CMSG_DATA(entry) + i * sizeof(int), sizeof received);
        ::close(received);
      }
    }
  }
  return got;
}

std::optional<Datagram> receive_datagram(int fd, Reading reading) {
  std::array<char, 4096> text;
  Datagram out;
  const ssize_t got = receive_datagram(fd, text.data(), text.size(), out.sender, reading);
  if (got < 0) return std::nullopt;
  if (static_cast<std::size_t>(got) <= text.size())
    out.text.assign(text.data(), static_cast<std::size_t>(got));
  return out;
}

}  // namespace dumb::supervisor
