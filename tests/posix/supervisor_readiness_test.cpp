#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <dumb/supervisor/mounts.hpp>

#include "supervisor/notify_posix.hpp"
#include "supervisor/proc_posix.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/service_stack.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using Stack = test::ServiceStack;

namespace {

/// Probes of a test are asked often, and give up late.
Readiness ready_by(readiness::How how) {
  Readiness settings;
  settings.how = std::move(how);
  settings.period = 10ms;
  settings.start_timeout = 60s;
  return settings;
}

/// A start under way that is awaited to its settlement.
class Settling {
 public:
  Settling(Stack& stack, const std::string& name) : stack_(stack) {
    asio::co_spawn(stack.context, stack.supervisor.start_and_settle(name),
                   [state = state_](std::exception_ptr, Result<void> result) { *state = std::move(result); });
  }
  bool over() const { return state_->has_value(); }
  Result<void> result() {
    REQUIRE(test::run_until(stack_.context, [&] { return over(); }));
    return **state_;
  }

 private:
  Stack& stack_;
  std::shared_ptr<std::optional<Result<void>>> state_ = std::make_shared<std::optional<Result<void>>>();
};

/// Runs until the service runs, is not ready and says so with `reason`.
bool unready(Stack& stack, const std::string& name, const std::string& reason) {
  return test::run_until(stack.context, [&] {
    const ServiceInfo info = stack.supervisor.info(name);
    return info.state == State::running && info.ready == false &&
           info.readiness_reason.find(reason) != std::string::npos;
  });
}
bool becomes(Stack& stack, const std::string& name, bool ready) {
  return test::run_until(stack.context, [&] { return stack.supervisor.info(name).ready == ready; });
}

/// A listener that never accepts.
struct DeafListener {
  DeafListener() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(fd.get(), 64) == 0);
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
  }
  UniqueFd fd;
  std::uint16_t port = 0;
};

void send_datagram(const std::string& to, const std::string& text) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(to.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, to.data(), to.size());
  REQUIRE(to.front() == '@');
  address.sun_path[0] = 0;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + to.size());
  REQUIRE(::sendto(fd.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&address), size) >= 0);
}

/// Whether a living process works in the directory.
bool inhabited(const std::filesystem::path& directory) {
  const auto processes = scan_processes();
  REQUIRE(processes);
  return std::any_of(processes->begin(), processes->end(), [&](const ProcStat& process) {
    std::error_code ignored;
    return process.state != 'Z' && std::filesystem::read_symlink(
                                       "/proc/" + std::to_string(process.pid) + "/cwd", ignored) == directory;
  });
}

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a start is answered before the port opens and settled when it does",
          "[supervisor][LIF-56][LIF-137][LIF-139][CFG-108]") {
  Stack stack;
  const int port = test::free_port();
  const std::string gate = stack.dir / "gate";
  stack.services["web"] = {
      .arguments = {"--wait-for", gate, "--listen", std::to_string(port)},
      .readiness = ready_by(readiness::Tcp{"127.0.0.1", static_cast<std::uint16_t>(port)})};
  Settling settling(stack, "web");
  CHECK(stack.start("web"));
  CHECK(unready(stack, "web", "no answer on 127.0.0.1:" + std::to_string(port)));
  CHECK_FALSE(settling.over());
  CHECK_FALSE(stack.supervisor.info("web").ready_at);
  test::write_text(gate, "");
  CHECK(settling.result());
  const ServiceInfo info = stack.supervisor.info("web");
  CHECK(info.ready == true);
  CHECK(info.readiness_reason.empty());
  REQUIRE(info.ready_at);
  CHECK(*info.ready_at > *info.started_steady);
  stack.finish();
  CHECK_FALSE(stack.supervisor.info("web").ready);
}

TEST_CASE("readiness within the watch answers the start", "[supervisor][LIF-56][LIF-137][API-31]") {
  Stack stack;
  const int port = test::free_port();
  stack.services["web"] = {
      .arguments = {"--listen", std::to_string(port)},
      .readiness = ready_by(readiness::Tcp{"127.0.0.1", static_cast<std::uint16_t>(port)})};
  REQUIRE(stack.start("web"));
  CHECK(stack.supervisor.info("web").ready == true);
  CHECK(stack.settle("web"));
  stack.finish();
}

TEST_CASE("an HTTP probe wants 200 to 399", "[supervisor][CFG-107]") {
  Stack stack;
  const std::string port = std::to_string(test::free_port());
  const std::string healthy = stack.dir / "healthy";
  stack.services["web"] = {
      .arguments = {"--healthy", healthy, "--listen", port},
      .readiness = ready_by(readiness::Http{"http://u:secret@127.0.0.1:" + port + "/x?t=1"})};
  Settling settling(stack, "web");
  CHECK(unready(stack, "web", "HTTP status 503 from http://127.0.0.1:" + port + "/x"));
  test::write_text(healthy, "");
  CHECK(settling.result());
  std::filesystem::remove(healthy);
  CHECK(unready(stack, "web", "HTTP status 503"));
  stack.finish();
}

TEST_CASE("a probe that hangs is a failure, and a start gives up after its time",
          "[supervisor][LIF-137][LIF-139][CFG-113]") {
  Stack stack;
  const DeafListener deaf;
  Readiness settings = ready_by(readiness::Http{"http://127.0.0.1:" + std::to_string(deaf.port) + "/"});
  settings.timeout = 40ms;
  settings.start_timeout = 900ms;
  stack.services["web"] = {.readiness = settings};
  const auto settled = stack.settle("web");
  REQUIRE_FALSE(settled);
  CHECK(settled.error().is(Errc::timed_out));
  CHECK_THAT(settled.error().message(), ContainsSubstring("not ready after 0.9 s: "));
  const ServiceInfo info = stack.supervisor.info("web");
  CHECK(info.state == State::running);
  CHECK(info.ready == false);
  const auto again = stack.settle("web");
  REQUIRE_FALSE(again);
  CHECK_THAT(again.error().message(), ContainsSubstring("not ready: "));
  stack.finish();
  stack.logs.flush();
  CHECK(times(test::read_text(stack.logs.main_file()), "web is not ready") == 1);
}

TEST_CASE("an exec probe runs in the service's directory and environment, and readiness comes and goes",
          "[supervisor][LIF-140][CFG-109]") {
  Stack stack;
  Readiness settings = ready_by(readiness::Exec{{"dumb-test-child", "--need", "flag"}});
  settings.failure_threshold = 2;
  const std::string programs = std::filesystem::path(test::test_child()).parent_path();
  stack.services["db"] = {.readiness = settings, .environment = {"PATH=" + programs}};
  Settling settling(stack, "db");
  CHECK(unready(stack, "db", "dumb-test-child: exit code 1"));
  test::write_text(stack.dir / "flag", "");
  CHECK(settling.result());
  const auto first = stack.supervisor.info("db").ready_at;
  for (int i = 0; i < 2; ++i) {
    std::filesystem::remove(stack.dir / "flag");
    CHECK(becomes(stack, "db", false));
    CHECK(stack.supervisor.info("db").state == State::running);
    test::write_text(stack.dir / "flag", "");
    CHECK(becomes(stack, "db", true));
  }
  CHECK(stack.supervisor.info("db").ready_at == first);
  stack.finish();
  stack.logs.flush();
  const std::string log = test::read_text(stack.logs.main_file());
  CHECK(times(log, "db is ready after ") == 1);
  CHECK(times(log, "db is not ready any more: dumb-test-child: exit code 1") == 2);
  CHECK(times(log, "db is ready again") == 2);
  CHECK(test::run_until(stack.context, [&] { return !inhabited(stack.dir.path()); }));
}

TEST_CASE("an exec probe runs as the service's user", "[supervisor][CFG-109]") {
  if (::geteuid() != 0) {
    WARN("only root can start services of another user");
    return;
  }
  Stack stack;
  std::filesystem::permissions(stack.dir.path(), std::filesystem::perms(0777));
  stack.services["db"] = {
      .readiness = ready_by(readiness::Exec{{test::test_child(), "--touch", "mark", "--exit", "0"}}),
      .identity = Identity{65534, 65534, {}}};
  CHECK(stack.settle("db"));
  struct stat info {};
  REQUIRE(::stat((stack.dir / "mark").c_str(), &info) == 0);
  CHECK(info.st_uid == 65534);
  stack.finish();
}

TEST_CASE("exec probes that hang or cannot run say so, and a stop ends them at once",
          "[supervisor][LIF-137][LIF-139]") {
  Stack stack;
  Readiness hangs = ready_by(readiness::Exec{{test::test_child(), "--fork"}});
  hangs.timeout = 30ms;
  stack.services["hangs"] = {.readiness = hangs};
  Readiness long_one = ready_by(readiness::Exec{{test::test_child(), "--touch", "begun", "--fork"}});
  long_one.timeout = 3600s;
  stack.services["long"] = {.readiness = long_one};
  stack.services["none"] = {.readiness = ready_by(readiness::Exec{{"/nonexistent/check"}})};
  Settling hanging(stack, "hangs");
  Settling waiting(stack, "long");
  Settling nothing(stack, "none");
  CHECK(unready(stack, "hangs", "did not end within 30 ms"));
  CHECK(unready(stack, "none", "/nonexistent/check: No such file or directory"));
  CHECK(test::run_until(stack.context, [&] { return std::filesystem::exists(stack.dir / "begun"); }));
  CHECK(inhabited(stack.dir.path()));
  for (const char* name : {"hangs", "long", "none"}) REQUIRE(stack.stop(name));
  CHECK(hanging.result().error().is(Errc::cancelled));
  CHECK(waiting.result().error().is(Errc::cancelled));
  CHECK(nothing.result().error().is(Errc::cancelled));
  stack.finish();
  CHECK(test::run_until(stack.context, [&] { return !inhabited(stack.dir.path()); }));
}

TEST_CASE("a line of output, of either stream, makes ready for the rest of the run",
          "[supervisor][LIF-137][LIF-140][CFG-110]") {
  Stack stack;
  const std::string gate = stack.dir / "gate";
  stack.services["plain"] = {.arguments = {"--text", "server is not there", "--wait-for", gate, "--text",
                                           "INFO server is ready (7 ms)"},
                             .readiness = ready_by(readiness::LogLine{"is ready (", false})};
  stack.services["error"] = {
      .arguments = {"--wait-for", gate, "--raw", "1b5b316d", "--error", "listening on 80"},
      .readiness = ready_by(readiness::LogLine{"^listening on [0-9]+$", true})};
  // Nobody keeps its output, and it is read all the same.
  stack.services["quiet"] = {.arguments = {"--wait-for", gate, "--text", "up"},
                             .readiness = ready_by(readiness::LogLine{"up", false}),
                             .discard_output = true};
  Settling plain(stack, "plain");
  Settling error(stack, "error");
  Settling quiet(stack, "quiet");
  for (const char* name : {"plain", "error", "quiet"}) {
    CHECK(unready(stack, name, "has not written the awaited line"));
  }
  CHECK_FALSE((plain.over() || error.over() || quiet.over()));
  test::write_text(gate, "");
  CHECK(plain.result());
  CHECK(error.result());
  CHECK(quiet.result());
  CHECK_THAT(stack.log_of("plain"), ContainsSubstring("server is not there"));
  // Each run says it anew.
  std::filesystem::remove(gate);
  REQUIRE(stack.stop("quiet"));
  Settling next(stack, "quiet");
  CHECK(unready(stack, "quiet", "has not written"));
  test::write_text(gate, "");
  CHECK(next.result());
  stack.finish();
}

TEST_CASE("a notification makes ready, its status is the reason, and stopping takes it back",
          "[supervisor][LIF-138][LIF-140][CFG-111]") {
  Stack stack;
  const std::string first = stack.dir / "first";
  const std::string second = stack.dir / "second";
  stack.services["n"] = {
      .arguments = {"--notify", "STATUS=loading\nMAINPID=1", "--wait-for", first, "--notify-child",
                    "READY=1\nSTATUS=serving", "--wait-for", second, "--notify", "STOPPING=1\nSTATUS=saving"},
      .readiness = ready_by(readiness::Notify{}),
      .environment = {"NOTIFY_SOCKET=/run/somebody/else"}};
  Settling settling(stack, "n");
  CHECK(unready(stack, "n", "loading"));
  CHECK_FALSE(settling.over());
  test::write_text(first, "");
  CHECK(settling.result());
  CHECK(stack.supervisor.info("n").readiness_reason == "serving");
  test::write_text(second, "");
  CHECK(unready(stack, "n", "saving"));
  stack.finish();
}

TEST_CASE("notifications of strangers are ignored", "[supervisor][LIF-138]") {
  Stack stack;
  const std::string first = stack.dir / "first";
  const std::string second = stack.dir / "second";
  stack.services["n"] = {.arguments = {"--env", "NOTIFY_SOCKET", "--wait-for", first, "--notify",
                                       "STATUS=mine", "--wait-for", second, "--notify", "READY=1"},
                         .readiness = ready_by(readiness::Notify{})};
  Settling settling(stack, "n");
  CHECK(unready(stack, "n", "has not sent READY=1"));
  std::string log;
  REQUIRE(test::run_until(stack.context, [&] {
    std::error_code ignored;
    if (!std::filesystem::exists(stack.dir / "log/n.log", ignored)) return false;
    log = stack.log_of("n");
    return log.find("NOTIFY_SOCKET=") != std::string::npos;
  }));
  std::string address = log.substr(log.find("NOTIFY_SOCKET=") + 14);
  address.resize(address.find('\n'));
  send_datagram(address, "READY=1");
  send_datagram(address, std::string(100, '\n') + "READY=1\nSTATUS=foreign");
  send_datagram(address, "");
  test::write_text(first, "");
  CHECK(unready(stack, "n", "mine"));  // what came before it was looked at
  CHECK_FALSE(settling.over());
  test::write_text(second, "");
  CHECK(settling.result());
  stack.finish();
}

TEST_CASE("descriptors sent along with a notification are closed", "[supervisor][LIF-138]") {
  auto socket = open_notify_socket();
  REQUIRE(socket);
  std::array<int, 2> ends{-1, -1};
  REQUIRE(::pipe(ends.data()) == 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  {
    const UniqueFd sender(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(&address.sun_path[1], socket->address.data() + 1, socket->address.size() - 1);
    std::string text = "BARRIER=1";
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket->address.size());
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* entry = CMSG_FIRSTHDR(&message);
    entry->cmsg_level = SOL_SOCKET;
    entry->cmsg_type = SCM_RIGHTS;
    entry->cmsg_len = CMSG_LEN(sizeof(int));
    const int sent = writer.get();
    std::memcpy(CMSG_DATA(entry), &sent, sizeof sent);
    REQUIRE(::sendmsg(sender.get(), &message, 0) > 0);
  }
  writer.reset();
  const auto got = receive_datagram(socket->fd.get());
  REQUIRE(got);
  CHECK(got->text == "BARRIER=1");
  CHECK(got->sender == ::getpid());
  char byte = 0;
  CHECK(::read(reader.get(), &byte, 1) == 0);  // nobody holds the writing end any more
  CHECK_FALSE(receive_datagram(socket->fd.get()));
}

TEST_CASE("a mount makes ready while it is there and answers", "[supervisor][LIF-137][LIF-140][CFG-112]") {
  Stack stack;
  const std::filesystem::path point = stack.dir / "mnt";
  std::filesystem::create_directory(point);
  Readiness settings = ready_by(readiness::Mount{point, "/mnt"});
  settings.period = 3600s;  // the mount table itself tells
  settings.failure_threshold = 1;
  stack.services["m"] = {.readiness = settings};
  Settling settling(stack, "m");
  CHECK(unready(stack, "m", "/mnt is not mounted"));
  if (::mount("none", point.c_str(), "tmpfs", 0, "size=64k") != 0) {
    WARN("mounting is not permitted here");
  } else {
    CHECK(settling.result());
    bool lazy = false;
    REQUIRE(unmount(point, lazy));
    CHECK(unready(stack, "m", "/mnt is not mounted"));
  }
  stack.finish();
}

TEST_CASE("the first probe waits for its delay", "[supervisor][LIF-137][CFG-113]") {
  Stack stack;
  Readiness settings = ready_by(readiness::Exec{{test::test_child(), "--touch", "asked", "--exit", "0"}});
  settings.initial_delay = 3600s;
  settings.start_timeout = 100ms;
  stack.services["late"] = {.readiness = settings};
  const auto settled = stack.settle("late");
  REQUIRE_FALSE(settled);
  CHECK(settled.error().message() == "not ready after 0.1 s");
  CHECK_FALSE(std::filesystem::exists(stack.dir / "asked"));
  stack.finish();
}

TEST_CASE("an end before readiness settles the start", "[supervisor][LIF-139]") {
  Stack stack;
  const std::string gate = stack.dir / "gate";
  stack.services["dies"] = {.arguments = {"--wait-for", gate, "--exit", "3"},
                            .readiness = ready_by(readiness::Notify{})};
  Settling settling(stack, "dies");
  CHECK(unready(stack, "dies", "has not sent READY=1"));
  test::write_text(gate, "");
  const auto settled = settling.result();
  REQUIRE_FALSE(settled);
  CHECK(settled.error().message() == "ended by itself: exit code 3");
  CHECK_FALSE(stack.supervisor.info("dies").ready);
  stack.finish();
}

TEST_CASE("a one-shot that ends with code 0 within the watch has started well",
          "[supervisor][LIF-56][LIF-142]") {
  Stack stack;
  stack.services["job"] = {.arguments = {"--text", "migrated", "--exit", "0"}, .one_shot = true};
  CHECK(stack.settle("job"));
  ServiceInfo info = stack.supervisor.info("job");
  CHECK(info.completed);
  CHECK(info.state == State::stopped);
  CHECK(info.reason == "completed: exit code 0");
  CHECK(stack.start("job"));
  stack.services["job"].arguments = {"--exit", "1"};
  CHECK_FALSE(stack.start("job"));
  CHECK_FALSE(stack.supervisor.info("job").completed);
  stack.finish();
}
