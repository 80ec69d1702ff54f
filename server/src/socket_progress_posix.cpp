#include "socket_progress_posix.hpp"

// Not <netinet/tcp.h>: the C library's structure ends before the field, and the two cannot be had together.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace dumb::server {

std::uint64_t acknowledged_bytes(int socket) noexcept {
  ::tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_acked : 0;
}

}  // namespace dumb::server
