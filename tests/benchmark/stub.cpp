// A service that is ready a given time after its start: tells NOTIFY_SOCKET, then sleeps until it is ended.
// Linked statically and without C++ runtime calls, so that its own start costs as little as a process can.
//
//   dumb-bench-stub MICROSECONDS
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  const long delay = argc > 1 ? std::atol(argv[1]) : 0;
  const timespec pause{delay / 1000000, delay % 1000000 * 1000};
  ::nanosleep(&pause, nullptr);
  const char* path = std::getenv("NOTIFY_SOCKET");
  const int fd = path != nullptr ? ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
  if (fd >= 0) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    const std::size_t size = offsetof(sockaddr_un, sun_path) + std::strlen(address.sun_path);
    if (address.sun_path[0] == '@') address.sun_path[0] = 0;
    ::sendto(fd, "READY=1", 7, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
             static_cast<socklen_t>(size));
    ::close(fd);
  }
  for (;;) ::pause();
}
