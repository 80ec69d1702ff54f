// A service that tells, by a datagram to NOTIFY_SOCKET, its pid and when it began, then sleeps until it is
// ended. Linked statically and without C++ runtime calls, so that its own start costs as little as a process
// can.
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

int main() {
  timespec began{};
  ::clock_gettime(CLOCK_MONOTONIC, &began);
  const char* path = std::getenv("NOTIFY_SOCKET");
  const int fd = path != nullptr ? ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
  if (fd >= 0) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    const long long message[2] = {::getpid(), began.tv_sec * 1'000'000'000LL + began.tv_nsec};
    ::sendto(fd, message, sizeof message, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
             sizeof address);
    ::close(fd);
  }
  for (;;) ::pause();
}
