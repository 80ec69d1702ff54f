#include <dumb/supervisor/ports.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>

namespace dumb::supervisor {
namespace {

/// A LISTEN line of /proc/net/tcp or tcp6 for this port (proc(5)).
bool listens(const char* table, std::int64_t port) {
  const auto text = file::read(table);
  if (!text) return false;
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", static_cast<unsigned>(port));
  for (const std::string& line : text::split(*text, '\n')) {
    const std::string_view view = text::trim(line);
    const std::size_t local = view.find(' ');
    if (local == std::string_view::npos) continue;
    const std::string_view rest = view.substr(local + 1);
    const std::size_t end = rest.find(' ');
    if (end == std::string_view::npos || !rest.substr(0, end).ends_with(wanted)) continue;
    const std::string_view remote = rest.substr(end + 1);
    const std::size_t state = remote.find(' ');
    if (state != std::string_view::npos && remote.substr(state + 1).starts_with("0A")) return true;
  }
  return false;
}

bool bindable(int family, std::int64_t port) {
  const UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return true;  // a family this machine lacks is ignored
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  int result = 0;
  if (family == AF_INET) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    result = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } else {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<std::uint16_t>(port));
    result = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  return result == 0 || errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL || errno == EINVAL;
}

}  // namespace

bool port_in_use(std::int64_t port) {
  return listens("/proc/net/tcp", port) || listens("/proc/net/tcp6", port) || !bindable(AF_INET, port) ||
         !bindable(AF_INET6, port);
}

}  // namespace dumb::supervisor
