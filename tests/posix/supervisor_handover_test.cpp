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

TEST_CASE("an awaited line that was read but not told of makes the service ready in the next run",
          "[supervisor][LIF-125][LIF-137]") {
  Stack stack;
  const auto go = stack.dir / "go";
  stack.services["a"] = {.arguments = {"--wait-for", go, "--text", "I am up"},
                         .readiness = Readiness{.how = readiness::LogLine{"I am up", false}}};
  asio::co_spawn(stack.context, stack.supervisor.start("a"), [](std::exception_ptr, const Result<void>&) {});
  REQUIRE(test::run_until(stack.context, [&] { return stack.supervisor.info("a").pid > 0; }));
  // From here on the control thread of the first run does nothing more.
  test::write_text(go, "");
  REQUIRE(test::eventually([&] { return logs::awaited_line_seen(stack.dir / "run/a-1"); }));
  stack.supervisor.detach();
  Next next(stack);
  next.supervisor.adopt();
  CHECK(test::run_until(stack.context, [&] { return next.supervisor.info("a").ready == true; }));
  next.finish(stack);
}

TEST_CASE("work that was done when the server was killed is not done again",
          "[supervisor][LIF-125][LIF-142]") {
  Stack stack;
  stack.services["job"] = {.arguments = {"--exit", "0", "--after", "800"}, .one_shot = true};
  REQUIRE(stack.start("job"));
  // As a kill leaves it after the end was seen and before anything followed from it.
  const pid_t pid = stack.supervisor.info("job").pid;
  const auto file = stack.dir / "run/job-1.child";
  const std::string before = test::read_text(file);
  auto record = parse_record(before);
  REQUIRE(record);
  CHECK_FALSE(record->completed);
  REQUIRE(test::run_until(stack.context, [&] { return stack.supervisor.info("job").completed; }));
  REQUIRE(test::run_until(stack.context, [&] { return !std::filesystem::exists(file); }));
  CHECK_FALSE(test::eventually([&] { return is_zombie(pid); }, 0ms));
  stack.finish();
  record->completed = true;
  SECTION("of the same configuration") {}
  SECTION("of another configuration") {
    record->config_hash = "another";
  }
  const bool same = record->config_hash != "another";
  test::write_text(file, print_record(*record));
  Next next(stack);
  next.supervisor.adopt();
  REQUIRE(test::run_until(stack.context, [&] {
    return next.supervisor.info("job").state == State::stopped && next.supervisor.info("job").pid <= 0;
  }));
  CHECK(next.supervisor.info("job").completed == same);
  CHECK_FALSE(std::filesystem::exists(file));
  next.finish(stack);
}

TEST_CASE("who is found by its mark alone runs since its start", "[supervisor][LIF-125]") {
  Stack stack;
  stack.services["a"] = {.arguments = {"--text", "hello"}};
  REQUIRE(stack.start("a"));
  const WallTime since = *stack.supervisor.info("a").started_at;
  const auto ticks = stack.supervisor.info("a").start_ticks;
  // So long that the time of the adoption would show.
  REQUIRE(test::run_until(stack.context, [&] { return age_of(ticks) > 300ms; }));
  stack.supervisor.detach();
  std::filesystem::remove(stack.dir / "run/a-1.child");
  Next next(stack);
  next.supervisor.adopt();
  const auto error = *next.supervisor.info("a").started_at - since;
  CHECK(std::chrono::abs(error) < 100ms);
  next.finish(stack);
}

TEST_CASE("the use of an adopted service is that of its own processes", "[supervisor][LIF-125][LIF-171]") {
  for (const Containment containment : {Containment::automatic, Containment::descent_only}) {
    Stack stack(containment);
    stack.services["a"] = {.arguments = {"--daemon", "--fork", "--text", "up"}};
    REQUIRE(stack.start("a"));
    stack.number_in_log("a", "daemon ");
    stack.supervisor.detach();
    Next next(stack);
    next.supervisor.adopt();
    const auto targets = next.supervisor.usage_targets();
    REQUIRE(targets.size() == 1);
    CHECK(targets[0].start_ticks == next.supervisor.info("a").start_ticks);
    CHECK(take_usage_sample(targets).trees[0].processes == 3);
    // Once it has ended, whoever gets its number is not meant.
    UsageTarget stranger = targets[0];
    stranger.group.clear();
    stranger.adopted = true;
    stranger.start_ticks -= 1;
    stranger.mark = "DUMB_UNIT=0123456789abcdef-1-1:none";
    CHECK(take_usage_sample({stranger}).trees[0].processes == 0);
    next.finish(stack);
  }
}
