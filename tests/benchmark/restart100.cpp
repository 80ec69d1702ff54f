// How long a service is away when it is killed: from kill(2) to the first instruction of its replacement.
//
//   dumb-bench-restart100 PATH-OF-DUMB-SERVER PATH-OF-FIRST [CHILDREN [KILLS]]
//
// Three supervisors with as many children each run at the same time, and are asked in turn: dumb-server,
// whose policy is to restart at once; runsvdir of Debian's package `runit` (without it, its row is left out
// and that is said); and, as the floor, a loop that knows nothing but pidfd and posix_spawn. Each child is
// killed no sooner than 2.5 s after its start: runit waits a second before it replaces a younger one.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr long long least_age = 2'500'000'000;  // of a child that is killed, nanoseconds

std::vector<pid_t>& supervisors() {
  static std::vector<pid_t> pids;
  return pids;
}

[[noreturn]] void fail(const std::string& what) {
  for (const pid_t pid : supervisors()) ::kill(pid, SIGTERM);
  std::fprintf(stderr, "restart100: %s\n", what.c_str());
  std::exit(1);
}

long long now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

struct Begun {
  pid_t pid = 0;
  long long at = 0;  // nanoseconds, CLOCK_MONOTONIC
};

/// Where the children of one supervisor tell that they have begun.
class Roll {
 public:
  explicit Roll(fs::path path) : path_(std::move(path)) {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("cannot bind");
    ::chmod(path_.c_str(), 0666);
  }
  Roll(const Roll&) = delete;
  Roll& operator=(const Roll&) = delete;
  ~Roll() { ::close(fd_); }
  const fs::path& path() const { return path_; }
  Begun next() const {
    pollfd readable{fd_, POLLIN, 0};
    long long message[2];
    if (::poll(&readable, 1, 20'000) <= 0) fail("nobody began within 20 s: " + path_.native());
    if (::recv(fd_, message, sizeof message, 0) != sizeof message) fail("cannot read");
    return {static_cast<pid_t>(message[0]), message[1]};
  }

 private:
  fs::path path_;
  int fd_ = -1;
};

pid_t spawn(std::vector<std::string> words, const fs::path& roll) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string variable = "NOTIFY_SOCKET=" + roll.native();
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {variable.data(), path.data(), nullptr};
  pid_t pid = 0;
  if (::posix_spawnp(&pid, arguments[0], nullptr, nullptr, arguments.data(), environment) != 0)
    fail("cannot run " + words[0]);
  return pid;
}

/// The floor, in a process of its own.
[[noreturn]] void bare_loop(const std::string& program, const fs::path& roll, std::size_t children) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  supervisors().clear();
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  struct Child {
    pid_t pid = 0;
    int pidfd = -1;
  };
  static std::vector<Child> all(children);
  const auto begin = [&](std::size_t i) {
    all[i].pid = spawn({program}, roll);
    all[i].pidfd = static_cast<int>(::syscall(SYS_pidfd_open, all[i].pid, 0));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].pidfd, &event);
  };
  std::signal(SIGTERM, [](int) {
    for (const Child& child : all) ::kill(child.pid, SIGKILL);
    ::_exit(0);
  });
  for (std::size_t i = 0; i < children; ++i) begin(i);
  for (;;) {
    epoll_event event{};
    if (::epoll_wait(epoll, &event, 1, -1) != 1) continue;
    Child& child = all[event.data.u64];
    ::waitpid(child.pid, nullptr, 0);
    ::close(child.pidfd);
    begin(event.data.u64);
  }
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

void write_config(const fs::path& root, const std::string& program, const fs::path& roll,
                  std::size_t children) {
  fs::create_directories(root / "config");
  std::ofstream file(root / "config/dumb_config.json");
  const bool root_user = ::geteuid() == 0;  // services never run as root
  file
      << R"({"dumb": {"frontend": {"enabled": false}, "metrics": {"history_enabled": false}, "api_service": {"port": )"
      << free_port()
      << R"(}, "auto_restart": {"enabled": true, "restart_on_unhealthy": false, "backoff_seconds": [0],)"
      << R"( "max_restarts": 1000, "services": [)";
  for (std::size_t i = 0; i < children; ++i) file << (i == 0 ? "" : ", ") << "\"Service " << i << '"';
  file << R"(]}}, "puid": )" << (root_user ? 1000 : ::geteuid()) << R"(, "pgid": )"
       << (root_user ? 1000 : ::getegid());
  for (std::size_t i = 0; i < children; ++i) {
    file << R"(, "service)" << i << R"(": {"enabled": true, "process_name": "Service )" << i
         << R"(", "command": [")" << program << R"("], "env": {"NOTIFY_SOCKET": ")" << roll.native()
         << "\"}}";
  }
  file << "}\n";
}

struct Peer {
  Peer(const char* called, const fs::path& scratch) : name(called), roll(scratch / called) {}
  const char* name;
  Roll roll;
  std::vector<Begun> children;
  std::vector<double> away_us;

  void come_up(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) children.push_back(roll.next());
  }
  void kill_one(std::size_t i) {
    Begun& child = children[i % children.size()];
    while (now() - child.at < least_age) std::this_thread::sleep_for(5ms);
    const long long begin = now();
    ::kill(child.pid, SIGKILL);
    child = roll.next();
    away_us.push_back(static_cast<double>(child.at - begin) / 1e3);
  }
};

double quantile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) fail("usage: dumb-bench-restart100 SERVER FIRST [CHILDREN [KILLS]]");
  const std::string server = fs::canonical(argv[1]);
  const std::string program = fs::canonical(argv[2]);
  const std::size_t children = argc > 3 ? static_cast<std::size_t>(std::max(1, std::atoi(argv[3]))) : 100;
  const std::size_t kills = argc > 4 ? static_cast<std::size_t>(std::max(1, std::atoi(argv[4]))) : 300;
  std::string scratch = (fs::temp_directory_path() / "dumb-bench.XXXXXX").native();
  if (::mkdtemp(scratch.data()) == nullptr) fail("no scratch directory");
  ::chmod(scratch.c_str(), 0755);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const bool runit = ::access("/usr/bin/runsvdir", X_OK) == 0;
  if (!runit) std::printf("runsvdir is missing (apt-get install runit): its row is left out\n");

  std::vector<std::unique_ptr<Peer>> peers;
  peers.push_back(std::make_unique<Peer>("pidfd+spawn", scratch));
  const pid_t bare = ::fork();
  if (bare == 0) bare_loop(program, peers[0]->roll.path(), children);
  supervisors().push_back(bare);
  peers[0]->come_up(children);

  peers.push_back(std::make_unique<Peer>("dumb-server", scratch));
  write_config(fs::path(scratch) / "root", program, peers[1]->roll.path(), children);
  supervisors().push_back(spawn({server, "--root", scratch + "/root"}, {}));
  peers[1]->come_up(children);

  if (runit) {
    peers.push_back(std::make_unique<Peer>("runit", scratch));
    for (std::size_t i = 0; i < children; ++i) {
      const fs::path service = fs::path(scratch) / "sv" / ("service" + std::to_string(i));
      fs::create_directories(service);
      fs::create_symlink(program, service / "run");
    }
    supervisors().push_back(spawn({"runsvdir", "-P", scratch + "/sv"}, peers[2]->roll.path()));
    peers[2]->come_up(children);
  }
  std::this_thread::sleep_for(20s);  // until the start is over for everybody
  for (std::size_t i = 0; i < kills; ++i) {
    for (const auto& peer : peers) {
      peer->kill_one(i);
      std::this_thread::sleep_for(10ms);
    }
  }
  for (const pid_t pid : supervisors()) ::kill(pid, pid == supervisors().back() && runit ? SIGHUP : SIGTERM);
  for (const pid_t pid : supervisors()) ::waitpid(pid, nullptr, 0);
  // runsvdir leaves its runsv to end on their own; they are children of this process by now.
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  fs::remove_all(scratch);
  std::printf("%zu children, %zu kills of each, from kill to the first instruction of the next\n", children,
              kills);
  const double floor = quantile(peers[0]->away_us, 0.5);
  for (const auto& peer : peers) {
    const double median = quantile(peer->away_us, 0.5);
    std::printf("%-12s  p50 %8.0f us (%.2f of the floor)  p95 %8.0f us  p99 %8.0f us\n", peer->name, median,
                median / floor, quantile(peer->away_us, 0.95), quantile(peer->away_us, 0.99));
  }
}
