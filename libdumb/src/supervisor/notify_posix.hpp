#pragma once

#include <sys/types.h>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <optional>
#include <string>

/// The receiving end of sd_notify(3): https://www.freedesktop.org/software/systemd/man/sd_notify.html
namespace dumb::supervisor {

struct NotifySocket {
  UniqueFd fd;          ///< datagrams, non-blocking, credentials come along
  std::string address;  ///< for NOTIFY_SOCKET: '@' and an abstract name, which a child of any user can reach
};
Result<NotifySocket> open_notify_socket(const std::string& address = {});

struct Datagram {
  pid_t sender = 0;  ///< by the kernel's word; 0: unknown
  std::string text;  ///< at most 4 KiB; longer ones come empty
};
/// The next datagram, nullopt when there is none. Descriptors that come along are closed, which is what a
/// sender of BARRIER=1 waits for.
std::optional<Datagram> receive_datagram(int fd);

}  // namespace dumb::supervisor
