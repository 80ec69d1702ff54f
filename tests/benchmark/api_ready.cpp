// How long from exec of dumb-server until its API answers, while every service still waits for something.
//
//   dumb-bench-api-ready PATH-OF-DUMB-SERVER [RUNS]
//
// Compared with a floor: a program (this one, with --floor) that does nothing but listen and answer one
// request, so that the cost of fork, exec, the dynamic linker and the loopback interface is known. Prints
// milliseconds, the median of the runs, and the ratio.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "api_ready: %s\n", what.c_str());
  std::exit(1);
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int listen_on(int port, int& bound) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address = loopback(port);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("cannot bind");
  ::listen(fd, 16);
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  bound = ntohs(address.sin_port);
  return fd;
}

int free_port() {
  int port = 0;
  ::close(listen_on(0, port));
  return port;
}

/// The floor: answers one request and ends.
int floor_program(int port) {
  int bound = 0;
  const int listener = listen_on(port, bound);
  const int fd = ::accept(listener, nullptr, nullptr);
  char request[4096];
  if (::read(fd, request, sizeof request) <= 0) return 1;
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
  return ::write(fd, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()) ? 0 : 1;
}

/// One request on a new connection; the whole answer, or nothing when nobody listens yet.
std::string ask(int port, const std::string& target) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    if (::write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      char buffer[4096];
      for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;) {
        answer.append(buffer, static_cast<std::size_t>(n));
      }
    }
  }
  ::close(fd);
  return answer;
}

pid_t spawn(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail("cannot run " + words[0]);
  return pid;
}

struct Sample {
  double milliseconds = 0;
  pid_t pid = 0;
};

Sample time_to_answer(std::vector<std::string> words, int port) {
  const auto begin = Clock::now();
  const pid_t pid = spawn(std::move(words));
  while (ask(port, "/health").rfind("HTTP/1.1 200", 0) != 0) {
    if (Clock::now() - begin > std::chrono::seconds(20)) fail("no answer within 20 s");
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return {std::chrono::duration<double, std::milli>(Clock::now() - begin).count(), pid};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// A root whose enabled services all wait for a directory that never appears.
void write_config(const fs::path& root, int port) {
  fs::remove_all(root);
  fs::create_directories(root / "config");
  std::ofstream file(root / "config/dumb_config.json");
  file << R"({"dumb": {"frontend": {"enabled": false}, "api_service": {"port": )" << port << "}}";
  for (int i = 0; i < 20; ++i) {
    file << R"(, "service)" << i << R"(": {"enabled": true, "process_name": "Service )" << i
         << R"(", "command": ["/bin/true"], "wait_for_dir": "/never"})";
  }
  file << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--floor") return floor_program(std::atoi(argv[2]));
  if (argc < 2) fail("usage: dumb-bench-api-ready PATH-OF-DUMB-SERVER [RUNS]");
  const std::string server = argv[1];
  const int runs = argc > 2 ? std::max(1, std::atoi(argv[2])) : 15;
  char scratch[] = "/tmp/dumb-bench.XXXXXX";
  if (::mkdtemp(scratch) == nullptr) fail("no scratch directory");
  const fs::path root = fs::path(scratch) / "root";

  std::vector<double> floor_times;
  std::vector<double> server_times;
  for (int run = 0; run < runs; ++run) {
    int status = 0;
    const int floor_port = free_port();
    const Sample floor = time_to_answer(
        {fs::read_symlink("/proc/self/exe"), "--floor", std::to_string(floor_port)}, floor_port);
    ::waitpid(floor.pid, &status, 0);
    floor_times.push_back(floor.milliseconds);

    const int port = free_port();
    write_config(root, port);
    const Sample sample = time_to_answer({server, "--root", root}, port);
    server_times.push_back(sample.milliseconds);
    const auto begin = Clock::now();
    while (ask(port, "/process/service-status?process_name=Service%200").find("\"waiting\"") ==
           std::string::npos) {
      if (Clock::now() - begin > std::chrono::seconds(5)) fail("the services do not wait");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ::kill(sample.pid, SIGTERM);
    ::waitpid(sample.pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("dumb-server did not end well");
  }
  fs::remove_all(scratch);
  std::printf("floor        %7.2f ms\n", median(floor_times));
  std::printf("dumb-server  %7.2f ms\n", median(server_times));
  std::printf("ratio        %7.2f\n", median(server_times) / median(floor_times));
}
