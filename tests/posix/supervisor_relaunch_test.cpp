// Restarts without a pause: the next launch is ready while the process runs.
#include <csignal>

#include "support/catch.hpp"
#include "support/service_stack.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using supervisor::State;

namespace {

bool gone(pid_t pid) {
  return ::kill(pid, 0) != 0;
}

struct Stack {
  Stack() {
    stack.relaunches = true;
    stack.rules.armed = true;
    stack.rules.settings.enabled = true;
    stack.rules.settings.restart_on_unhealthy = false;
    stack.rules.settings.max_restarts = 100;
    stack.rules.settings.backoff = {Duration::zero()};
  }

  /// FIFOs for standard output in the run directory: one of each process and one of each launch that is
  /// ready.
  std::size_t fifos() const {
    std::size_t found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(stack.home / "run"))
      found += entry.path().extension() == ".out" ? 1U : 0U;
    return found;
  }
  void start(const std::string& name) {
    REQUIRE(stack.start(name));
    await_running(name, -1);
  }
  void await_running(const std::string& name, pid_t before) {
    REQUIRE(test::run_until(stack.context, [&] {
      const auto info = stack.supervisor.info(name);
      return info.state == State::running && info.settled && info.pid != before;
    }));
  }
  void await_fifos(std::size_t count) {
    REQUIRE(test::run_until(stack.context, [&] { return fifos() == count; }));
  }
  pid_t kill(const std::string& name) {
    const pid_t pid = stack.supervisor.info(name).pid;
    REQUIRE(pid > 0);
    stack.entries.clear();
    ::kill(pid, SIGKILL);
    return pid;
  }
  std::vector<State> states() const {
    std::vector<State> seen;
    for (const auto& entry : stack.entries)
      if (seen.empty() || seen.back() != entry.state) seen.push_back(entry.state);
    return seen;
  }

  test::ServiceStack stack;
};

}  // namespace

TEST_CASE("a service without back-off is launched as it was made ready",
          "[supervisor][LIF-91][LIF-93][LIF-93a]") {
  Stack bench;
  test::ServiceStack& stack = bench.stack;
  stack.services["a"] = {.arguments = {"--print", "3"}};
  bench.start("a");
  // Where the kernel tells only a moment later that nothing is left, the launch is made from the beginning.
  bool taken = false;
  for (int round = 1; round <= 20 && !taken; ++round) {
    bench.await_fifos(2);
    const int setups = stack.setups["a"];
    const pid_t before = bench.kill("a");
    bench.await_running("a", before);
    taken = stack.setups["a"] == setups;
    CHECK(bench.states() ==
          std::vector{State::backoff, State::setting_up, State::waiting, State::starting, State::running});
    for (const auto& entry : stack.entries) {
      if (taken && entry.state == State::waiting) CHECK(entry.pid == -1);
      if (entry.state == State::running) CHECK(entry.pid == stack.supervisor.info("a").pid);
    }
    CHECK(test::run_until(stack.context, [&] { return gone(before); }));
    CHECK(stack.supervisor.info("a").restarts.successes == round);
  }
  CHECK(taken);
  stack.finish();
  CHECK(bench.fifos() == 0);
}

TEST_CASE("the output of both processes is there in its order after a restart without pause",
          "[supervisor][LIF-93a]") {
  Stack bench;
  test::ServiceStack& stack = bench.stack;
  stack.services["a"] = {.arguments = {"--print", "500"}};
  bench.start("a");
  bench.await_fifos(2);
  const pid_t before = bench.kill("a");
  bench.await_running("a", before);
  REQUIRE(test::run_until(stack.context, [&] {
    const std::string text = stack.log_of("a");
    return std::count(text.begin(), text.end(), '\n') == 1000;
  }));
  const std::string text = stack.log_of("a");
  std::size_t at = 0;
  for (int process = 0; process < 2; ++process) {
    for (int line = 1; line <= 500; ++line) {
      at = text.find("line " + std::to_string(line) + "\n", at);
      REQUIRE(at != std::string::npos);
      ++at;
    }
  }
  stack.finish();
}

TEST_CASE("what was made ready is not used when it does not hold any more", "[supervisor][LIF-89][LIF-93a]") {
  Stack bench;
  test::ServiceStack& stack = bench.stack;
  stack.services["a"] = {};
  bench.start("a");
  bench.await_fifos(2);
  stack.relaunch_holds = false;
  const pid_t before = bench.kill("a");
  bench.await_running("a", before);
  CHECK(stack.setups["a"] == 2);
  stack.finish();
  CHECK(bench.fifos() == 0);
}

TEST_CASE("nothing is made ready for a service that is not restarted at once",
          "[supervisor][LIF-91][LIF-93a]") {
  Stack bench;
  test::ServiceStack& stack = bench.stack;
  stack.rules.settings.backoff = {10min};
  stack.services["a"] = {};
  bench.start("a");
  REQUIRE(test::run_until(stack.context, [&] { return stack.supervisor.info("a").settled; }));
  stack.context.restart();
  while (stack.context.poll() > 0) {
  }
  CHECK(bench.fifos() == 1);
  // One that is allowed no more restarts neither.
  stack.rules.settings.backoff = {Duration::zero()};
  stack.supervisor.rules_changed();
  bench.await_fifos(2);
  stack.rules.settings.max_restarts = 0;
  stack.supervisor.rules_changed();
  bench.await_fifos(1);
  stack.finish();
}
