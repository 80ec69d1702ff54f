#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <dumb/base/unique_fd.hpp>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace dumb::test {

/// A listening TCP socket on 127.0.0.1. With `full`, its backlog is used up, so that a connect hangs.
struct Listener {
  enum class Backlog { open, full };
  explicit Listener(Backlog backlog = Backlog::open) {
    fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(fd.get(), backlog == Backlog::full ? 0 : 16) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no listener");
    }
    port = ntohs(address.sin_port);
    for (int i = 0; backlog == Backlog::full && i < 4; ++i) {
      fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)::connect(fillers.back().get(), reinterpret_cast<sockaddr*>(&address), size);
    }
  }
  /// Takes what has connected since the last call; how many that were.
  std::size_t accepted() const {
    std::size_t count = 0;
    for (;;) {
      const UniqueFd peer(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!peer) return count;
      ++count;
    }
  }
  UniqueFd fd;
  std::vector<UniqueFd> fillers;
  std::uint16_t port = 0;
};

/// Takes the port of 127.0.0.1 from everybody else, and never answers on it.
inline UniqueFd hold_port(int port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("the port cannot be held");
  return fd;
}

/// Connects to the listeners' ports that are under way on this machine now.
inline std::size_t connecting_to(const std::vector<const Listener*>& listeners) {
  std::ifstream table("/proc/net/tcp");
  if (!table) throw std::runtime_error("/proc/net/tcp cannot be read");
  std::size_t count = 0;
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string number, local, remote, state;
    fields >> number >> local >> remote >> state;
    if (state != "02" || remote.size() < 4) continue;  // SYN_SENT
    const auto port = std::stoul(remote.substr(remote.size() - 4), nullptr, 16);
    for (const Listener* listener : listeners) count += port == listener->port ? 1 : 0;
  }
  return count;
}

}  // namespace dumb::test
