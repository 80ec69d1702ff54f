#include <dumb/supervisor/helper.hpp>
#include <dumb/supervisor/launch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <csignal>

#include "supervisor/proc_posix.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::supervisor;
namespace asio = boost::asio;

namespace {

LaunchSpec child_spec(std::vector<std::string> arguments) {
  LaunchSpec spec;
  spec.argv = std::move(arguments);
  spec.argv.insert(spec.argv.begin(), test::test_child());
  spec.env = {"PATH=/usr/bin:/bin"};
  spec.directory = "/";
  return spec;
}

Result<HelperResult> run(HelperSpec spec) {
  asio::io_context context;
  auto future = asio::co_spawn(context, run_helper(std::move(spec)), asio::use_future);
  context.run();
  return future.get();
}

ExitStatus wait_for_end(const Child& child) {
  std::optional<ExitStatus> status;
  REQUIRE(test::eventually([&] { return (status = try_wait(child)).has_value(); }));
  return *status;
}

}  // namespace

TEST_CASE("a helper returns its status and its output", "[supervisor][LIF-30][LIF-53]") {
  const int leak = ::open("/dev/null", O_RDONLY);  // inheritable on purpose
  HelperSpec spec;
  spec.launch = child_spec({"--cwd", "--env", "COLOUR", "--env", "HOME", "--fds", "--exit", "3"});
  spec.launch.env.emplace_back("COLOUR=red");
  spec.launch.directory = "/usr";
  const auto result = run(spec);
  ::close(leak);
  REQUIRE(result);
  CHECK(result->status == ExitStatus{ExitStatus::Kind::code, 3});
  CHECK_THAT(result->output, ContainsSubstring("cwd=/usr\nCOLOUR=red\nHOME is unset\n"));
  CHECK_THAT(result->output, ContainsSubstring("fds=0,1,2,\n"));
}

TEST_CASE("what fails before exec names the step and the reason", "[supervisor][LIF-55]") {
  LaunchSpec spec = child_spec({});
  spec.argv = {"/nonexistent/program"};
  auto child = spawn(spec);
  REQUIRE_FALSE(child);
  CHECK(child.error().is(Errc::spawn_failed));
  CHECK_THAT(child.error().message(),
             ContainsSubstring("execute the program /nonexistent/program: No such file"));
  spec.argv = {"no-such-program-anywhere"};
  CHECK_THAT(spawn(spec).error().message(), ContainsSubstring("'no-such-program-anywhere' on the PATH"));
  spec = child_spec({"--exit", "0"});
  spec.directory = "/nonexistent";
  CHECK_THAT(spawn(spec).error().message(), ContainsSubstring("enter the working directory /nonexistent"));
  spec = child_spec({});
  spec.argv = {"/etc/passwd"};
  CHECK_THAT(spawn(spec).error().message(), ContainsSubstring("Permission denied"));
}

TEST_CASE("exit codes and signals are told apart", "[supervisor][LIF-59]") {
  auto seven = spawn(child_spec({"--exit", "7"}));
  REQUIRE(seven);
  CHECK(wait_for_end(*seven) == ExitStatus{ExitStatus::Kind::code, 7});
  auto killed = spawn(child_spec({"--signal", "11"}));
  REQUIRE(killed);
  CHECK(wait_for_end(*killed) == ExitStatus{ExitStatus::Kind::signal, SIGSEGV});
  CHECK_FALSE(send_signal(*killed, SIGTERM));
}

TEST_CASE("a status can be peeked while the id stays reserved", "[supervisor][LIF-59]") {
  auto child = spawn(child_spec({"--exit", "5"}));
  REQUIRE(child);
  std::optional<ExitStatus> status;
  REQUIRE(test::eventually([&] { return (status = peek_status(*child)).has_value(); }));
  CHECK(*status == ExitStatus{ExitStatus::Kind::code, 5});
  CHECK(read_stat(child->pid)->state == 'Z');
  CHECK(wait_for_end(*child) == *status);
  CHECK_FALSE(open_process(child->pid, child->start_ticks));
}

TEST_CASE("as root a child drops its identity and root's groups", "[supervisor][LIF-54]") {
  if (::geteuid() != 0) {
    WARN("not root: identity drop is not exercised");
    return;
  }
  HelperSpec spec;
  spec.launch = child_spec({"--ids", "--exit", "0"});
  spec.launch.identity = Identity{1234, 2345, {2345, 44}};
  const auto result = run(spec);
  REQUIRE(result);
  CHECK_THAT(result->output, ContainsSubstring("uid=1234 gid=2345 groups=44,2345"));
}

TEST_CASE("a helper that outlives its limit is killed with its group", "[supervisor][LIF-30]") {
  HelperSpec spec;
  spec.launch = child_spec({"--ignore-term", "--hold"});
  spec.timeout = std::chrono::milliseconds(150);
  const auto result = run(spec);
  REQUIRE(result);
  CHECK(result->timed_out);
  CHECK(result->status == ExitStatus{ExitStatus::Kind::signal, SIGKILL});
  const std::size_t at = result->output.find("child ");
  REQUIRE(at != std::string::npos);
  const pid_t grandchild = std::stoi(result->output.substr(at + 6));
  CHECK(test::eventually([&] {
    const auto stat = read_stat(grandchild);
    return !stat || stat->state == 'Z';
  }));
}

TEST_CASE("a helper reads what it is given and its cancellation leaves nothing",
          "[supervisor][LIF-30][SVC-21]") {
  HelperSpec echo;
  echo.launch = child_spec({});
  echo.launch.argv = {"cat"};
  echo.input = std::string(200'000, 'x') + "end";
  const auto result = run(echo);
  REQUIRE(result);
  CHECK(result->status.success());
  CHECK(result->output.size() == 64 * 1024);
  CHECK(result->output.ends_with("xend"));

  asio::io_context context;
  HelperSpec hang;
  hang.launch = child_spec({"--ignore-term"});
  asio::cancellation_signal stop;
  std::optional<Result<HelperResult>> outcome;
  asio::co_spawn(
      context, run_helper(hang),
      asio::bind_cancellation_slot(
          stop.slot(), [&](std::exception_ptr, Result<HelperResult> value) { outcome = std::move(value); }));
  asio::post(context, [&] { stop.emit(asio::cancellation_type::all); });
  context.run();
  REQUIRE(outcome);
  REQUIRE_FALSE(*outcome);
  CHECK(outcome->error().is(Errc::cancelled));
}
