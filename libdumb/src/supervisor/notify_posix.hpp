#pragma once

#include <sys/types.h>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <optional>
#include <string>

/// The receiving end of sd_notify(3): https://www.freedesktop.org/software/systemd/man/sd_notify.html
namespace dumb::supervisor {

struct Datagram {
  pid_t sender = 0;  ///< by the kernel's word; 0: unknown
  std::string text;  ///< at most 4 KiB; longer ones come empty
};

struct NotifySocket {
  UniqueFd fd;          ///< datagrams, non-blocking, credentials come along
  std::string address;  ///< for NOTIFY_SOCKET: '@' and an abstract name, which a child of any user can reach
  std::optional<Datagram> said;  ///< while nobody listened
};
Result<NotifySocket> open_notify_socket(const std::string& address = {});

/// Whether a datagram is there still when it has been read.
enum class Reading { taken, looked_at };
/// The next datagram, nullopt when there is none. Descriptors that come along are closed, which is what a
/// sender of BARRIER=1 waits for.
std::optional<Datagram> receive_datagram(int fd, Reading reading = Reading::taken);
/// The same without memory of its own: the whole length of the datagram, which may be larger than `room`,
/// below zero when there is none.
ssize_t receive_datagram(int fd, char* text, std::size_t room, pid_t& sender, Reading reading);

}  // namespace dumb::supervisor
