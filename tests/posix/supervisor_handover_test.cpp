// What one run of the program leaves to the next.
#include <csignal>
#include <dumb/base/atomic_file.hpp>

#include "supervisor/proc_posix.hpp"
#include "supervisor/record.hpp"
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

/// A supervisor that takes over the run directory of a stack.
struct Next {
  explicit Next(Stack& stack)
      : supervisor(stack.context.get_executor(), stack.pool, stack, stack.logs,
                   {.run_directory = stack.dir / "run",
                    .immediate_exit_watch = 700ms,
                    .kill_wait = stack.kill_wait,
                    .containment = stack.containment}) {}
  void finish(Stack& stack) {
    for (const std::string& name : supervisor.occupied())
      REQUIRE(test::run(stack.context, supervisor.stop_and_wait(name)));
    test::run(stack.context, supervisor.idle());
  }
  Supervisor supervisor;
};

std::size_t files_of(const Stack& stack, std::string_view suffix) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(stack.dir / "run"))
    count += entry.path().filename().native().ends_with(suffix);
  return count;
}

bool is_zombie(pid_t pid) {
  const auto stat = read_stat(pid);
  return stat && stat->state == 'Z';
}

}  // namespace

TEST_CASE("who has handed over leaves a child that ends, and what it wrote, to the next",
          "[supervisor][LIF-125][LIF-128]") {
  Stack stack;
  stack.services["a"] = {.arguments = {"--text", "INFO hello"}};
  REQUIRE(stack.start("a"));
  const pid_t pid = stack.supervisor.info("a").pid;
  stack.supervisor.detach();
  ::kill(pid, SIGKILL);
  REQUIRE(test::eventually([&] { return is_zombie(pid); }));
  for (int i = 0; i < 20; ++i) stack.context.poll();
  // Not reaped, and nothing removed: another program is going to look at it.
  CHECK(is_zombie(pid));
  CHECK(files_of(stack, ".child") == 1);
  CHECK(files_of(stack, ".out") == 1);
  Next next(stack);
  // The same process goes on here, as after an exec: how its child ended is known.
  next.supervisor.adopt();
  REQUIRE(test::run_until(stack.context, [&] { return next.supervisor.info("a").state == State::stopped; }));
  CHECK(next.supervisor.info("a").last_unasked == ExitStatus{ExitStatus::Kind::signal, SIGKILL});
  next.finish(stack);
  CHECK(files_of(stack, ".child") == 0);
}

TEST_CASE("a child that was told to end goes on ending, and is started when somebody wants it",
          "[supervisor][LIF-68][LIF-125]") {
  Stack stack;
  stack.services["a"] = {.arguments = {"--ignore-term"}};
  REQUIRE(stack.start("a"));
  const pid_t pid = stack.supervisor.info("a").pid;
  auto restart = stack.supervisor.restart("a");
  asio::co_spawn(stack.context, std::move(restart), [](std::exception_ptr, const Result<void>&) {});
  REQUIRE(test::run_until(stack.context, [&] { return stack.supervisor.stopping("a"); }));
  stack.supervisor.detach();
  Next next(stack);
  const Adoption found = next.supervisor.adopt();
  CHECK(found.adopted == std::vector<std::string>{"a"});
  CHECK(next.supervisor.info("a").state == State::stopping);
  CHECK(next.supervisor.info("a").pid == pid);
  const bool wanted = GENERATE(true, false);
  std::optional<Result<void>> started;
  if (wanted) {
    asio::co_spawn(stack.context, next.supervisor.start_and_settle("a", Asker::boot),
                   [&](std::exception_ptr, Result<void> result) { started = std::move(result); });
  }
  ::kill(pid, SIGKILL);
  if (wanted) {
    REQUIRE(test::run_until(stack.context, [&] { return started.has_value(); }));
    CHECK(*started);
    CHECK(next.supervisor.info("a").state == State::running);
    CHECK(next.supervisor.info("a").pid != pid);
  } else {
    REQUIRE(
        test::run_until(stack.context, [&] { return next.supervisor.info("a").state == State::stopped; }));
  }
  CHECK_FALSE(next.supervisor.info("a").last_unasked);  // its end was asked for
  next.finish(stack);
}
