#include <dumb/supervisor/supervisor.hpp>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <csignal>
#include <dumb/base/atomic_file.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <map>

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

UrlWait url_wait(std::string url) {
  UrlWait wait;
  wait.url = std::move(url);
  return wait;
}

bool gone(pid_t pid) {
  const auto stat = read_stat(pid);
  return !stat || stat->state == 'Z';
}

}  // namespace

TEST_CASE("the brief of a service says what all of it says", "[supervisor][LIF-58]") {
  Stack stack;
  stack.services["a"] = {.arguments = {"--text", "INFO hello"}};
  const auto check_same = [&stack](std::string_view name) {
    const ServiceInfo whole = stack.supervisor.info(name);
    const ServiceBrief brief = stack.supervisor.brief(name);
    CHECK(brief.state == whole.state);
    CHECK(brief.reason == whole.reason);
    CHECK(brief.pid == whole.pid);
    CHECK(brief.started_at == whole.started_at);
    CHECK(brief.refused_until == whole.restarts.refused_until);
    CHECK(brief.adopted == whole.adopted);
  };
  check_same("a");
  REQUIRE(stack.start("a"));
  CHECK(stack.supervisor.brief("a").pid > 0);
  check_same("a");
  REQUIRE(stack.stop("a"));
  CHECK(stack.supervisor.brief("a").state == State::stopped);
  check_same("a");
  check_same("nobody");
}

TEST_CASE("a service starts, runs and stops", "[supervisor][LIF-40][LIF-57][LIF-62]") {
  Stack stack;
  stack.services["a"] = {.arguments = {"--text", "INFO hello"}};
  REQUIRE(stack.start("a"));
  const ServiceInfo info = stack.supervisor.info("a");
  CHECK(info.state == State::running);
  CHECK(info.pid > 0);
  CHECK(read_stat(info.pid)->session == info.pid);
  REQUIRE(stack.start("a"));  // running already
  CHECK(stack.supervisor.info("a").pid == info.pid);
  CHECK(stack.setups["a"] == 1);
  REQUIRE(stack.stop("a"));
  CHECK(stack.supervisor.info("a").state == State::stopped);
  CHECK(gone(info.pid));
  REQUIRE(stack.stop("a"));
  CHECK_THAT(stack.log_of("a"), ContainsSubstring("hello"));
  stack.finish();
}

TEST_CASE("an exit within the watch is a failure with code and last words", "[supervisor][LIF-56]") {
  Stack stack;
  stack.services["seven"] = {
      .arguments = {"--error", "ERROR no such device", "--exit", "7", "--after", "300"}};
  const auto seven = stack.start("seven");
  REQUIRE_FALSE(seven);
  CHECK(seven.error().is(Errc::spawn_failed));
  CHECK_THAT(seven.error().message(), ContainsSubstring("exit code 7"));
  CHECK_THAT(seven.error().message(), ContainsSubstring("no such device"));
  CHECK(stack.supervisor.info("seven").state == State::failed);
  stack.services["zero"] = {.arguments = {"--exit", "0"}};
  CHECK_THAT(stack.start("zero").error().message(), ContainsSubstring("exit code 0"));
  stack.services["signal"] = {.arguments = {"--signal", "11"}};
  CHECK_THAT(stack.start("signal").error().message(), ContainsSubstring("signal 11 (SEGV)"));
  stack.finish();
}

TEST_CASE("what cannot be executed says why", "[supervisor][LIF-55]") {
  Stack stack;
  stack.services["none"] = {.program = "/nonexistent"};
  const auto started = stack.start("none");
  REQUIRE_FALSE(started);
  CHECK_THAT(started.error().message(), ContainsSubstring("/nonexistent: No such file or directory"));
  CHECK(stack.supervisor.info("none").state == State::failed);
  CHECK(test::holds_no_launch(stack.dir / "run"));
  stack.finish();
}

TEST_CASE("an answering port ends the watch", "[supervisor][LIF-56][API-31]") {
  Stack stack;
  const int port = test::free_port();
  stack.services["web"] = {.arguments = {"--listen", std::to_string(port)},
                           .endpoints = {{{"127.0.0.1"}, static_cast<std::uint16_t>(port)}}};
  REQUIRE(stack.start("web"));
  CHECK(stack.supervisor.info("web").state == State::running);
  stack.finish();
}

TEST_CASE("a service that ignores SIGTERM is killed after its grace", "[supervisor][LIF-63][LIF-64]") {
  Stack stack;
  stack.services["deaf"] = {.arguments = {"--ignore-term"}, .grace = 200ms};
  REQUIRE(stack.start("deaf"));
  REQUIRE(stack.stop("deaf"));
  CHECK(stack.supervisor.info("deaf").last_exit == ExitStatus{ExitStatus::Kind::signal, SIGKILL});
  stack.finish();
}

TEST_CASE("a service with a quit signal ends by it and is not killed", "[supervisor][LIF-79][LIF-80]") {
  Stack stack;
  stack.services["db"] = {
      .arguments = {"--ignore-term"}, .grace = 100ms, .quit_signal = SIGQUIT, .quit_grace = 10s};
  REQUIRE(stack.start("db"));
  REQUIRE(stack.stop("db"));
  CHECK(stack.supervisor.info("db").last_exit == ExitStatus{ExitStatus::Kind::signal, SIGQUIT});
  CHECK_FALSE(stack.supervisor.info("db").killed);
  stack.services["deaf"] = {.arguments = {"--ignore-term"}, .grace = 100ms};
  REQUIRE(stack.start("deaf"));
  REQUIRE(stack.stop("deaf"));
  CHECK(stack.supervisor.info("deaf").killed);
  stack.finish();
}

TEST_CASE("of each process is known who, since when and where its output goes", "[supervisor][LIF-58]") {
  Stack stack;
  stack.services["a"] = {};
  const SteadyTime steady = system_clock().now();
  const WallTime wall = system_clock().wall();
  REQUIRE(stack.start("a"));
  const ServiceInfo info = stack.supervisor.info("a");
  CHECK(info.process_name == "a");
  CHECK(info.config_key == "key of a");
  CHECK(info.instance == "instance of a");
  CHECK(info.state == State::running);
  CHECK(info.desired);
  const auto stat = read_stat(info.pid);
  REQUIRE(stat);
  CHECK(stat->parent == ::getpid());
  CHECK(info.start_ticks == stat->start_ticks);
  REQUIRE(info.started_at);
  REQUIRE(info.started_steady);
  CHECK(*info.started_steady >= steady);
  CHECK(*info.started_steady <= system_clock().now());
  CHECK(*info.started_at >= wall - 1s);
  CHECK(*info.started_at <= system_clock().wall() + 1s);
  CHECK(info.to_main_log);
  CHECK(info.log_file == stack.dir / "log/a.log");
  CHECK(info.access_file.empty());
  // A descriptor of this very process is held, so that a recycled number is nobody's.
  const auto held = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
      const auto text = file::read(entry.path());
      if (text && text->find("\nPid:\t" + std::to_string(info.pid) + "\n") != std::string::npos) ++count;
    }
    return count;
  };
  CHECK(held() > 0);
  REQUIRE(stack.stop("a"));
  const ServiceInfo after = stack.supervisor.info("a");
  CHECK(after.pid == -1);
  CHECK_FALSE(after.started_at);
  CHECK_FALSE(after.started_steady);
  CHECK_FALSE(after.desired);
  CHECK(after.log_file.empty());
  CHECK(held() == 0);
  stack.finish();
}

TEST_CASE("stopped means that children and daemons of the service are gone too", "[supervisor][LIF-63]") {
  Stack stack;
  stack.services["family"] = {.arguments = {"--fork", "--daemon"}};
  REQUIRE(stack.start("family"));
  const pid_t child = stack.number_in_log("family", "child ");
  const pid_t daemon = stack.number_in_log("family", "daemon ");
  CHECK_FALSE(gone(child));
  CHECK_FALSE(gone(daemon));
  CHECK(read_stat(daemon)->parent == ::getpid());
  REQUIRE(stack.stop("family"));
  CHECK(gone(child));
  CHECK(gone(daemon));
  stack.finish();
}

TEST_CASE("a crash is seen at once and its remains are killed", "[supervisor][LIF-69][LIF-70]") {
  Stack stack;
  stack.services["crash"] = {.arguments = {"--hold"}};
  REQUIRE(stack.start("crash"));
  const pid_t child = stack.number_in_log("crash", "child ");
  const pid_t leader = stack.supervisor.info("crash").pid;
  ::kill(leader, SIGKILL);
  REQUIRE(test::run_until(stack.context, [&] { return stack.supervisor.info("crash").pid <= 0; }));
  const ServiceInfo info = stack.supervisor.info("crash");
  CHECK(info.state == State::stopped);
  CHECK(info.ended_unasked);
  CHECK(info.last_exit == ExitStatus{ExitStatus::Kind::signal, SIGKILL});
  CHECK(gone(child));
  REQUIRE(stack.start("crash"));
  stack.finish();
}

TEST_CASE("100 MB of output, bad UTF-8 and a last line without newline all arrive", "[supervisor][LIF-105]") {
  Stack stack;
  stack.services["loud"] = {.arguments = {"--print-bytes", "100000000", "--raw", "ff0a", "--raw", "6c617374",
                                          "--exit", "0", "--after", "1500"}};
  REQUIRE(stack.start("loud"));
  REQUIRE(test::run_until(
      stack.context, [&] { return stack.supervisor.info("loud").pid <= 0; }, 50s));
  stack.logs.flush();
  const std::string text = stack.log_of("loud");
  CHECK(std::count(text.begin(), text.end(), '\n') == 1'000'002);
  CHECK_THAT(text.substr(text.size() - 200), ContainsSubstring("\xEF\xBF\xBD"));
  CHECK(text.substr(text.size() - 5) == "last\n");
  stack.finish();
}

TEST_CASE("a directory wait ends when the directory appears", "[supervisor][LIF-42][LIF-45]") {
  Stack stack;
  Stack::Service service;
  service.waits.directories = {stack.dir / "a/b/c"};
  stack.services["w"] = service;
  std::optional<Result<void>> started;
  asio::co_spawn(stack.context, stack.supervisor.start("w"),
                 [&](std::exception_ptr, Result<void> result) { started = result; });
  REQUIRE(test::run_until(stack.context, [&] { return stack.supervisor.info("w").state == State::waiting; }));
  REQUIRE(test::run_until(stack.context, [&] { return !stack.supervisor.info("w").reason.empty(); }));
  CHECK_THAT(stack.supervisor.info("w").reason, ContainsSubstring("waits for directory"));
  std::filesystem::create_directories(stack.dir / "a");
  std::filesystem::create_directories(stack.dir / "a/b/c");
  REQUIRE(test::run_until(stack.context, [&] { return started.has_value(); }));
  CHECK(*started);
  stack.finish();
}

TEST_CASE("a mount wait ends when the mount appears", "[supervisor][LIF-43]") {
  if (::geteuid() != 0) {
    WARN("not root: no mount can be made here");
    return;
  }
  Stack stack;
  const auto point = stack.dir / "mnt";
  std::filesystem::create_directories(point);
  Stack::Service service;
  service.waits.mounts = {point};
  stack.services["m"] = service;
  std::optional<Result<void>> started;
  asio::co_spawn(stack.context, stack.supervisor.start("m"),
                 [&](std::exception_ptr, Result<void> result) { started = result; });
  REQUIRE(test::run_until(stack.context, [&] { return !stack.supervisor.info("m").reason.empty(); }));
  if (::mount("none", point.c_str(), "tmpfs", 0, "size=64k") != 0) {
    WARN("mounting is not permitted here");
  } else {
    REQUIRE(test::run_until(
        stack.context, [&] { return started.has_value(); }, 10s));
    CHECK(*started);
    bool lazy = true;
    REQUIRE(unmount(point, lazy));
    CHECK_FALSE(lazy);
    CHECK_FALSE(is_mounted(read_mounts(), point));
  }
  stack.finish();
}

TEST_CASE("a mount in use is detached when patience is over, and no later", "[supervisor][LIF-79][LIF-81]") {
  if (::geteuid() != 0) {
    WARN("not root: no mount can be made here");
    return;
  }
  const test::TempDir dir;
  const auto point = dir / "mnt";
  std::filesystem::create_directories(point);
  if (::mount("none", point.c_str(), "tmpfs", 0, "size=64k") != 0) {
    WARN("mounting is not permitted here");
    return;
  }
  const UniqueFd user(::open((point / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(user);
  const auto begin = std::chrono::steady_clock::now();
  bool lazy = false;
  CHECK(unmount(point, lazy, 200ms));
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(lazy);
  CHECK_FALSE(is_mounted(read_mounts(), point));
  CHECK(took >= 200ms);
  CHECK(took < 5s);  // what an unhurried one takes
}

TEST_CASE("a URL wait ends when the URL answers, and a bad one gives up by name", "[supervisor][LIF-44]") {
  Stack stack;
  const int port = test::free_port();
  stack.services["web"] = {.arguments = {"--listen", std::to_string(port)}};
  Stack::Service service;
  service.waits.urls = {url_wait("http://127.0.0.1:" + std::to_string(port) + "/ping")};
  stack.services["w"] = service;
  std::optional<Result<void>> started;
  asio::co_spawn(stack.context, stack.supervisor.start("w"),
                 [&](std::exception_ptr, Result<void> result) { started = result; });
  REQUIRE(test::run_until(stack.context, [&] { return !stack.supervisor.info("w").reason.empty(); }));
  REQUIRE(stack.start("web"));
  REQUIRE(test::run_until(stack.context, [&] { return started.has_value(); }));
  CHECK(*started);

  service.waits.urls = {
      url_wait("http://u:secret@127.0.0.1:" + std::to_string(test::free_port()) + "/x?token=t")};
  service.waits.url_limit = 300ms;
  stack.services["never"] = service;
  const auto never = stack.start("never");
  REQUIRE_FALSE(never);
  CHECK(never.error().is(Errc::timed_out));
  CHECK_THAT(never.error().message(), ContainsSubstring("/x"));
  CHECK_THAT(never.error().message(), !ContainsSubstring("secret") && !ContainsSubstring("token"));
  stack.finish();
}

TEST_CASE("a stop ends a start that waits, and nothing is launched", "[supervisor][LIF-4][LIF-46]") {
  Stack stack;
  Stack::Service service;
  service.waits.directories = {stack.dir / "never"};
  service.waits.urls = {url_wait("http://127.0.0.1:1/")};
  stack.services["w"] = service;
  std::optional<Result<void>> started;
  asio::co_spawn(stack.context, stack.supervisor.start("w"),
                 [&](std::exception_ptr, Result<void> result) { started = result; });
  REQUIRE(test::run_until(stack.context, [&] { return !stack.supervisor.info("w").reason.empty(); }));
  REQUIRE(stack.stop("w"));
  REQUIRE(started);
  CHECK(started->error().is(Errc::cancelled));
  CHECK(stack.supervisor.info("w").state == State::stopped);
  stack.finish();
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone_meanwhile;
    const auto target = std::filesystem::read_symlink(entry.path(), gone_meanwhile);
    CHECK(target != "anon_inode:inotify");
  }
}

TEST_CASE("a stop is over, and the next setup begins, only when the setup called off has ended",
          "[supervisor][LIF-30][LIF-62][API-36]") {
  Stack stack;
  stack.services["slow"] = {};
  stack.setup_winds_down = 150ms;
  std::optional<Result<void>> first;
  asio::co_spawn(stack.context, stack.supervisor.start("slow"),
                 [&](std::exception_ptr, Result<void> result) { first = result; });
  REQUIRE(test::run_until(stack.context, [&] { return stack.setups_open == 1; }));
  REQUIRE(stack.stop("slow"));
  CHECK(stack.setups_open == 0);
  REQUIRE(first);
  CHECK(first->error().is(Errc::cancelled));
  asio::co_spawn(stack.context, stack.supervisor.start("slow"),
                 [](std::exception_ptr, const Result<void>&) {});
  REQUIRE(test::run_until(stack.context, [&] { return stack.setups_open == 1; }));
  asio::co_spawn(stack.context, stack.supervisor.restart("slow"),
                 [](std::exception_ptr, const Result<void>&) {});
  REQUIRE(test::run_until(stack.context, [&] { return stack.setups["slow"] == 3; }));
  CHECK(stack.most_setups_open == 1);
  REQUIRE(stack.stop("slow"));
  stack.finish();
}

TEST_CASE("two starts at once launch one process", "[supervisor][LIF-4]") {
  Stack stack;
  stack.services["a"] = {};
  int done = 0;
  for (int i = 0; i < 2; ++i) {
    asio::co_spawn(stack.context, stack.supervisor.start("a"),
                   [&](std::exception_ptr, const Result<void>& result) { done += result ? 1 : 0; });
  }
  REQUIRE(test::run_until(stack.context, [&] { return done == 2; }));
  CHECK(stack.setups["a"] == 1);
  CHECK(stack.supervisor.occupied().size() == 1);
  stack.finish();
}

TEST_CASE("a restart gives a new process", "[supervisor][LIF-68]") {
  Stack stack;
  stack.services["a"] = {.arguments = {"--fork"}};
  REQUIRE(stack.start("a"));
  const pid_t first = stack.supervisor.info("a").pid;
  REQUIRE(test::run(stack.context, stack.supervisor.restart("a")));
  CHECK(stack.supervisor.info("a").pid != first);
  CHECK(gone(first));
  CHECK(stack.supervisor.info("a").state == State::running);
  stack.finish();
}
