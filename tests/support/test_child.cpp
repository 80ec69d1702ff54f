// The service the tests supervise. Options, acted on in this order:
//   --ignore-term          SIGTERM is ignored
//   --ignore-int           SIGINT is ignored
//   --print N              prints N lines "line 1" … "line N" on standard output
//   --print-bytes N        prints N bytes in lines of 100
//   --numbers MS           prints "number 1", "number 2", … as fast as it can until MS have passed since its
//                          launch, then "the last was N"
//   --pace MS              for --numbers: after each 1000 lines or so, waits so long
//   --note FILE            adds a line with its pid to FILE
//   --rate N               prints N lines a second until it is ended
//   --text T / --error T   prints T and a newline on standard output / error
//   --raw HEX              writes the bytes as they are, no newline
//   --env NAME             prints "NAME=value" (or "NAME is unset")
//   --cwd / --ids / --fds  prints the working directory / uid, gid, groups / open descriptors
//   --touch FILE           creates FILE
//   --listen PORT          accepts TCP connections on 127.0.0.1:PORT and answers HTTP 200 "ok"
//   --healthy FILE         with --listen: answers 503 while FILE does not exist
//   --wait-for FILE        goes on when FILE exists
//   --need FILE            ends at once, with status 0 when FILE exists, else 1
//   --notify T             sends T to NOTIFY_SOCKET, as sd_notify(3)
//   --notify-child T       does so from a child, which lives on
//   --fork                 starts a child in the same group that sleeps until killed; prints "child PID"
//   --daemon               starts a child in a session of its own, re-parented; prints "daemon PID"
//   --session              starts a child in a session of its own; prints "session PID"
//   --deaf                 like --daemon, and that daemon ignores SIGTERM; prints "deaf PID"
//   --serve-apart PORT     a daemon in a session of its own listens on PORT; prints "server PID"
//   --bomb N G             N processes that each start a replacement and end, G times, every other one in a
//                          session of its own; the last ones sleep. Prints "bomb"
//   --burn MS              uses the processor for MS milliseconds of its time; prints "burnt"
//   --allocate MIB         fills that much memory; prints "allocated"
//   --open N               opens N descriptors; prints "opened"
//   --threads N            starts N threads that sleep; prints "threads"
//   --hold                 like --fork, and that child keeps standard output open when the parent ends
//   --exit N               ends with status N (after --after)
//   --signal N             kills itself with signal N (after --after)
//   --after MS             how long to live, milliseconds; without it and without --exit: until killed
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

namespace {

void put(const std::string& text) {
  const char* at = text.data();
  std::size_t left = text.size();
  while (left > 0) {
    const ssize_t done = ::write(STDOUT_FILENO, at, left);
    if (done <= 0) return;
    at += done;
    left -= static_cast<std::size_t>(done);
  }
}

void sleep_for_ever() {
  for (;;) ::pause();
}

[[noreturn]] void sleeper() {
  std::signal(SIGTERM, SIG_DFL);
  for (;;) ::pause();
}

[[noreturn]] void talk(long lines) {
  const long pause = 1'000'000'000L / (lines > 0 ? lines : 1);
  const timespec time{pause / 1'000'000'000L, pause % 1'000'000'000L};
  for (unsigned long number = 1;; ++number) {
    put("INFO line " + std::to_string(number) + " of one that talks and talks and talks and talks\n");
    ::nanosleep(&time, nullptr);
  }
}

long long now_ms() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

int listen_on(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<unsigned short>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 64) != 0) {
    std::fprintf(stderr, "ERROR cannot listen on port %d: %s\n", port, std::strerror(errno));
    std::exit(98);
  }
  return fd;
}

bool exists(const std::string& file) {
  return ::access(file.c_str(), F_OK) == 0;
}

void notify(const std::string& text) {
  const char* name = std::getenv("NOTIFY_SOCKET");
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = name == nullptr ? 0 : std::strlen(name);
  if (size == 0 || size >= sizeof address.sun_path) {
    std::fprintf(stderr, "ERROR no usable NOTIFY_SOCKET\n");
    std::exit(97);
  }
  std::memcpy(address.sun_path, name, size);
  if (address.sun_path[0] == '@') address.sun_path[0] = 0;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  if (::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&address), length) < 0) {
    std::perror("ERROR sendto");
  }
  ::close(fd);
}

/// A process without parent in a session of its own; true in it. Its middle parent prints `what` and its pid.
bool daemonize(const std::string& what, bool deaf) {
  if (::fork() != 0) return false;
  ::setsid();
  if (deaf) std::signal(SIGTERM, SIG_IGN);
  const pid_t child = ::fork();
  if (child == 0) return true;
  put(what + " " + std::to_string(child) + "\n");
  std::_Exit(0);
}

/// One of a fork bomb; `generations` bounds how many processes there can ever be.
[[noreturn]] void bomb(int generations) {
  for (; generations > 0; --generations) {
    ::poll(nullptr, 0, 60);
    if (generations % 2 == 0) ::setsid();
    const pid_t child = ::fork();
    if (child != 0) std::_Exit(child > 0 ? 0 : 1);
  }
  ::alarm(30);  // should nobody end it
  sleeper();
}

/// Uses `milliseconds` of processor time.
void burn(long long milliseconds) {
  timespec used{};
  do {
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  } while (used.tv_sec * 1000LL + used.tv_nsec / 1000000 < milliseconds);
}

void serve(int fd, long long until, const std::string& healthy) {
  for (;;) {
    const long long left = until < 0 ? -1 : until - now_ms();
    if (until >= 0 && left <= 0) return;
    pollfd entry{fd, POLLIN, 0};
    if (::poll(&entry, 1, static_cast<int>(left)) <= 0) continue;
    const int peer = ::accept(fd, nullptr, nullptr);
    if (peer < 0) continue;
    char buffer[4096];
    pollfd readable{peer, POLLIN, 0};
    if (::poll(&readable, 1, 200) > 0 && ::read(peer, buffer, sizeof buffer) > 0) {
      const bool ok = healthy.empty() || exists(healthy);
      const std::string answer = std::string("HTTP/1.1 ") + (ok ? "200 OK" : "503 Not Yet") +
                                 "\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
      if (::write(peer, answer.data(), answer.size()) < 0) std::perror("write");
    }
    ::close(peer);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  int status = -1;
  int signal_number = 0;
  long long after = -1;
  int pace = 0;
  int listener = -1;
  std::string healthy;
  const long long start = now_ms();
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string& name = args[i];
    const auto value = [&]() -> std::string { return i + 1 < args.size() ? args[++i] : std::string(); };
    if (name == "--ignore-term") {
      std::signal(SIGTERM, SIG_IGN);
    } else if (name == "--ignore-int") {
      std::signal(SIGINT, SIG_IGN);
    } else if (name == "--print") {
      const int count = std::atoi(value().c_str());
      for (int line = 1; line <= count; ++line) put("line " + std::to_string(line) + "\n");
    } else if (name == "--numbers") {
      const long long end = start + std::atoll(value().c_str());
      long long number = 0;
      std::string block;
      while (now_ms() < end) {
        block.clear();
        // Blocks of changing size, most of them ending inside a line for whoever reads pages.
        for (long long line = number % 7 * 5; line >= 0; --line)
          block += "number " + std::to_string(++number) + "\n";
        put(block);
        if (pace > 0 && number / 1000 != (number - static_cast<long long>(block.size() / 8)) / 1000) {
          ::poll(nullptr, 0, pace);
        }
      }
      put("the last was " + std::to_string(number) + "\n");
    } else if (name == "--pace") {
      pace = std::atoi(value().c_str());
    } else if (name == "--note") {
      const int fd = ::open(value().c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
      const std::string line = std::to_string(::getpid()) + "\n";
      if (fd < 0 || ::write(fd, line.data(), line.size()) < 0) std::perror("--note");
      if (fd >= 0) ::close(fd);
    } else if (name == "--print-bytes") {
      const long long bytes = std::atoll(value().c_str());
      std::string block;
      while (block.size() < 100000) block += std::string(99, 'x') + "\n";
      for (long long done = 0; done < bytes; done += static_cast<long long>(block.size())) put(block);
    } else if (name == "--rate") {
      talk(std::atol(value().c_str()));
    } else if (name == "--text") {
      put(value() + "\n");
    } else if (name == "--error") {
      std::fprintf(stderr, "%s\n", value().c_str());
    } else if (name == "--raw") {
      const std::string hex = value();
      std::string bytes;
      for (std::size_t k = 0; k + 1 < hex.size(); k += 2) {
        bytes += static_cast<char>(std::strtol(hex.substr(k, 2).c_str(), nullptr, 16));
      }
      put(bytes);
    } else if (name == "--env") {
      const std::string variable = value();
      const char* found = std::getenv(variable.c_str());
      put(found == nullptr ? variable + " is unset\n" : variable + "=" + found + "\n");
    } else if (name == "--cwd") {
      char buffer[4096];
      put(std::string("cwd=") + (::getcwd(buffer, sizeof buffer) != nullptr ? buffer : "?") + "\n");
    } else if (name == "--ids") {
      gid_t groups[256];
      const int count = ::getgroups(256, groups);
      std::string text =
          "uid=" + std::to_string(::getuid()) + " gid=" + std::to_string(::getgid()) + " groups=";
      for (int k = 0; k < count; ++k) text += (k == 0 ? "" : ",") + std::to_string(groups[k]);
      put(text + "\n");
    } else if (name == "--fds") {
      std::string text = "fds=";
      if (DIR* directory = ::opendir("/proc/self/fd")) {
        const int own = ::dirfd(directory);
        while (const dirent* entry = ::readdir(directory)) {
          if (entry->d_name[0] == '.' || std::atoi(entry->d_name) == own) continue;
          text += std::string(entry->d_name) + ",";
        }
        ::closedir(directory);
      }
      put(text + "\n");
    } else if (name == "--touch") {
      const int fd = ::open(value().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
      if (fd >= 0) ::close(fd);
    } else if (name == "--listen") {
      listener = listen_on(std::atoi(value().c_str()));
    } else if (name == "--healthy") {
      healthy = value();
    } else if (name == "--wait-for") {
      const std::string file = value();
      while (!exists(file)) ::poll(nullptr, 0, 5);
    } else if (name == "--need") {
      status = exists(value()) ? 0 : 1;
    } else if (name == "--notify") {
      notify(value());
    } else if (name == "--notify-child") {
      const std::string text = value();
      if (::fork() == 0) {
        notify(text);
        sleeper();
      }
    } else if (name == "--fork" || name == "--hold") {
      const pid_t child = ::fork();
      if (child == 0) sleeper();
      put("child " + std::to_string(child) + "\n");
    } else if (name == "--daemon") {
      const pid_t middle = ::fork();
      if (middle == 0) {
        ::setsid();
        const pid_t child = ::fork();
        if (child == 0) sleeper();
        put("daemon " + std::to_string(child) + "\n");
        std::_Exit(0);
      }
    } else if (name == "--session") {
      const pid_t child = ::fork();
      if (child == 0) {
        ::setsid();
        sleeper();
      }
      put("session " + std::to_string(child) + "\n");
    } else if (name == "--deaf") {
      constexpr bool deaf = true;
      if (daemonize("deaf", deaf)) sleep_for_ever();
    } else if (name == "--serve-apart") {
      const int fd = listen_on(std::atoi(value().c_str()));
      constexpr bool deaf = false;
      if (daemonize("server", deaf)) serve(fd, -1, {});
      ::close(fd);
    } else if (name == "--bomb") {
      const int count = std::atoi(value().c_str());
      const int generations = std::atoi(value().c_str());
      for (int k = 0; k < count; ++k) {
        if (::fork() == 0) bomb(generations);
      }
      put("bomb\n");
    } else if (name == "--burn") {
      burn(std::atoll(value().c_str()));
      put("burnt\n");
    } else if (name == "--allocate") {
      const std::size_t bytes = static_cast<std::size_t>(std::atoll(value().c_str())) << 20U;
      auto* memory = static_cast<char*>(std::malloc(bytes));
      for (std::size_t at = 0; memory != nullptr && at < bytes; at += 4096) {
        static_cast<volatile char*>(memory)[at] = 1;
      }
      put("allocated\n");
    } else if (name == "--open") {
      for (int left = std::atoi(value().c_str()); left > 0; --left) {
        if (::open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return 66;
      }
      put("opened\n");
    } else if (name == "--threads") {
      for (int left = std::atoi(value().c_str()); left > 0; --left) std::thread(sleep_for_ever).detach();
      put("threads\n");
    } else if (name == "--exit") {
      status = std::atoi(value().c_str());
    } else if (name == "--signal") {
      signal_number = std::atoi(value().c_str());
    } else if (name == "--after") {
      after = std::atoll(value().c_str());
    } else {
      std::fprintf(stderr, "unknown option %s\n", name.c_str());
      return 64;
    }
  }
  const bool ends = status >= 0 || signal_number != 0 || after >= 0;
  const long long until = ends ? start + (after < 0 ? 0 : after) : -1;
  if (listener >= 0) {
    serve(listener, until, healthy);
  } else if (!ends) {
    sleep_for_ever();
  } else {
    for (long long left = until - now_ms(); left > 0; left = until - now_ms()) {
      ::poll(nullptr, 0, static_cast<int>(left));
    }
  }
  if (signal_number != 0) {
    std::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
  }
  return status < 0 ? 0 : status;
}
