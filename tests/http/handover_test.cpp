#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/unique_fd.hpp>

#include "golden.hpp"
#include "harness.hpp"
#include "program.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;

namespace {

/// dumb-server over a scratch root with one service, which ends itself on SIGTERM.
class Ground {
 public:
  explicit Ground(std::vector<std::string> options = {"--port", "0"}) {
    std::filesystem::permissions(root_.path(), std::filesystem::perms(0755));
    json::object document;
    document["dumb"].emplace_object()["frontend"].emplace_object()["enabled"] = false;
    json::object block = child_block("One", {"--text", "hello"});
    block["enabled"] = true;
    document["one"] = std::move(block);
    write_text(root_ / "config/dumb_config.json", jsonx::print(document));
    std::vector<std::string> argv{DUMB_SERVER, "--root", root_.path().native()};
    argv.insert(argv.end(), options.begin(), options.end());
    server_.emplace(argv, environment());
  }
  std::vector<std::string> environment() const {
    return {"PATH=/usr/bin:/bin", "HOME=" + root_.path().native()};
  }
  Program& server() { return *server_; }
  const TempDir& root() const { return root_; }
  int pid_at(int port) {
    int pid = 0;
    eventually([&] {
      const json::value body = parsed(request(port, "GET", "/process/service-status?process_name=One").body);
      pid = jsonx::string_at(body.as_object(), "state") == "running" ? body.at("pid").to_number<int>() : 0;
      return pid != 0;
    });
    return pid;
  }

 private:
  TempDir root_;
  std::optional<Program> server_;
};

/// A connection to the socket a successor would use.
UniqueFd visit(const std::filesystem::path& root) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un place{};
  place.sun_family = AF_UNIX;
  const std::string path = (root / "run/dumb/handover").native();
  REQUIRE(path.size() < sizeof place.sun_path);
  std::copy(path.begin(), path.end(), place.sun_path);
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0);
  return fd;
}

/// Whether anything listens on that address and port.
bool answers(const char* address, int port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, address, &place.sin_addr);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0;
}

}  // namespace

TEST_CASE("a stop asked for while the server replaces itself is obeyed by its successor, gently",
          "[server][LIF-7][LIF-71][LIF-125]") {
  Ground ground;
  REQUIRE(ground.pid_at(ground.server().listening_port()) != 0);
  ground.server().signal(SIGUSR2);
  SECTION("while it lets go") {
    REQUIRE(ground.server().prints("hands over to another dumb-server"));
  }
  SECTION("whenever") {}
  const int number = GENERATE(SIGTERM, SIGINT);
  ground.server().signal(number);
  CHECK(ground.server().wait(60s) == 0);
  CHECK(ground.server().prints("nothing had to be killed, nothing is left"));
}

TEST_CASE("orders that come one after the other do not end the server", "[server][LIF-7][LIF-125]") {
  Ground ground;
  const int port = ground.server().listening_port();
  const int pid = ground.pid_at(port);
  REQUIRE(pid != 0);
  for (int i = 0; i < 20; ++i) ground.server().signal(i % 2 == 0 ? SIGUSR2 : SIGHUP);
  REQUIRE(ground.server().prints("hands over to another dumb-server"));
  for (int i = 0; i < 20; ++i) ground.server().signal(i % 2 == 0 ? SIGUSR2 : SIGHUP);
  CHECK(ground.pid_at(port) == pid);
  ground.server().signal(SIGTERM);
  CHECK(ground.server().wait(60s) == 0);
  CHECK(ground.server().prints("nothing is left"));
}

TEST_CASE("a server that is stopped at its first instructions stops in order", "[server][LIF-7]") {
  for (int i = 0; i < 10; ++i) {
    Ground ground;
    ground.server().signal(SIGTERM);
    const auto status = ground.server().wait(60s);
    // Before main() nobody can hold a signal back.
    if (status != -SIGTERM) CHECK(status == 0);
  }
}

TEST_CASE("a successor that listens elsewhere closes the socket it was given", "[server][LIF-125]") {
  Ground ground({"--host", "0.0.0.0", "--port", "0"});
  const int port = ground.server().listening_port();
  const int pid = ground.pid_at(port);
  REQUIRE(answers("127.0.0.2", port));
  std::vector<std::string> argv{DUMB_SERVER, "--root", ground.root().path().native(), "--replace", "--host"};
  SECTION("at another address") {
    argv.insert(argv.end(), {"127.0.0.1", "--port", std::to_string(port)});
    Program next(argv, ground.environment());
    CHECK(ground.server().wait() == 0);
    CHECK(next.listening_port() == port);
    CHECK(ground.pid_at(port) == pid);
    CHECK_FALSE(answers("127.0.0.2", port));
    next.signal(SIGTERM);
    CHECK(next.wait(60s) == 0);
  }
  SECTION("at another port") {
    const int other = free_port();
    argv.insert(argv.end(), {"0.0.0.0", "--port", std::to_string(other)});
    Program next(argv, ground.environment());
    CHECK(ground.server().wait() == 0);
    CHECK(next.listening_port() == other);
    CHECK(ground.pid_at(other) == pid);
    CHECK_FALSE(answers("127.0.0.1", port));
    next.signal(SIGTERM);
    CHECK(next.wait(60s) == 0);
  }
}

TEST_CASE("SIGUSR2 over a configuration that cannot be used leaves everything as it is",
          "[server][LIF-125]") {
  Ground ground;
  const int port = ground.server().listening_port();
  const int pid = ground.pid_at(port);
  const auto config = ground.root() / "config/dumb_config.json";
  const std::string good = read_text(config);
  write_text(config, "{ \"dumb\": ");
  ground.server().signal(SIGUSR2);
  CHECK(ground.server().prints("this program stays"));
  CHECK(ground.pid_at(port) == pid);
  write_text(config, good);
  ground.server().signal(SIGTERM);
  CHECK(ground.server().wait(60s) == 0);
}

TEST_CASE("who asks for a handover and goes away does not end the server", "[server][LIF-125]") {
  Ground ground;
  const int port = ground.server().listening_port();
  const int pid = ground.pid_at(port);
  for (int i = 0; i < 3; ++i) {
    UniqueFd visitor = visit(ground.root().path());
    // However far it has come with it: before it lets go, and when everything is let go of.
    if (i > 0) REQUIRE(ground.server().prints("hands over to another dumb-server"));
    visitor.reset();
    CHECK(ground.pid_at(port) == pid);
  }
  CHECK(ground.server().prints("this program goes on"));
  ground.server().signal(SIGTERM);
  CHECK(ground.server().wait(60s) == 0);
}

TEST_CASE("a successor that cannot listen where it should stays at the old port", "[server][LIF-125]") {
  Ground ground({"--host", "127.0.0.1", "--port", "0"});
  const int port = ground.server().listening_port();
  const int pid = ground.pid_at(port);
  Ground neighbour({"--host", "127.0.0.1", "--port", "0"});
  const int taken = neighbour.server().listening_port();
  Program next({DUMB_SERVER, "--root", ground.root().path().native(), "--replace", "--host", "127.0.0.1",
                "--port", std::to_string(taken)},
               ground.environment());
  CHECK(ground.server().wait() == 0);
  CHECK(next.listening_port() == port);
  CHECK(ground.pid_at(port) == pid);
  CHECK(next.prints("still listening on port"));
  next.signal(SIGTERM);
  CHECK(next.wait(60s) == 0);
}
