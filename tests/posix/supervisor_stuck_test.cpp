// What sleeps uninterruptibly holds up nobody else.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <csignal>
#include <dumb/supervisor/helper.hpp>
#include <sstream>

#include "supervisor/proc_posix.hpp"
#include "support/config_bench.hpp"
#include "support/freezer.hpp"
#include "support/lacks.hpp"
#include "support/service_stack.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using Stack = test::ServiceStack;

namespace {

std::unique_ptr<test::Freezer> freezer() {
  auto made = test::Freezer::make();
  if (!made) test::lacks("freezer", "an unkillable process");
  return made;
}

/// Writes its own number to `file` and goes on for ever.
std::vector<std::string> told_in(const std::filesystem::path& file) {
  const std::string name = file.native();
  return {"/bin/sh", "-c", "echo $$ > " + name + ".new; mv " + name + ".new " + name + "; exec sleep 600"};
}

pid_t number_in(const std::filesystem::path& file) {
  return std::filesystem::exists(file) ? std::stoi(test::read_text(file)) : 0;
}

}  // namespace

TEST_CASE("a helper that SIGKILL does not end is left behind and reaped when it goes",
          "[supervisor][LIF-30][LIF-63]") {
  for (const bool cancelled : {true, false}) {
    const auto ice = freezer();
    if (!ice) return;
    test::TempDir dir;
    test::LogCapture log;
    asio::io_context context;
    asio::cancellation_signal stop;
    std::optional<Result<HelperResult>> outcome;
    HelperSpec spec;
    spec.launch.argv = told_in(dir / "pid");
    spec.launch.env = {"PATH=/usr/bin:/bin"};
    spec.owner = "svc:step";
    spec.timeout = cancelled ? 60s : 2s;
    spec.kill_wait = 100ms;
    spec.log = &log;
    spec.until_reaped = std::make_shared<int>();
    const std::weak_ptr<void> held = spec.until_reaped;
    auto done = [&](std::exception_ptr, Result<HelperResult> value) { outcome = std::move(value); };
    asio::co_spawn(context, run_helper(std::move(spec)), asio::bind_cancellation_slot(stop.slot(), done));
    REQUIRE(test::run_until(context, [&] { return number_in(dir / "pid") != 0; }));
    const pid_t pid = number_in(dir / "pid");
    REQUIRE(ice->freeze(pid));
    if (cancelled) stop.emit(asio::cancellation_type::all);
    REQUIRE(test::run_until(context, [&] { return outcome.has_value(); }));
    if (cancelled) {
      REQUIRE_FALSE(*outcome);
      CHECK(outcome->error().is(Errc::cancelled));
      CHECK_THAT(outcome->error().message(), ContainsSubstring("survives SIGKILL"));
    } else {
      REQUIRE(*outcome);
      CHECK((*outcome)->timed_out);
      CHECK((*outcome)->left_behind);
    }
    CHECK(log.contains("svc:step: process " + std::to_string(pid) + " survives SIGKILL and is left behind"));
    CHECK(read_stat(pid));
    CHECK_FALSE(held.expired());
    ice->thaw();
    REQUIRE(test::run_until(context, [&] { return held.expired(); }));
    CHECK_FALSE(read_stat(pid));  // reaped, no zombie
    CHECK_FALSE(is_spawned(pid));
  }
}

TEST_CASE("a readiness check that SIGKILL does not end withholds no stop and is not asked twice",
          "[supervisor][LIF-63][LIF-139]") {
  const auto ice = freezer();
  if (!ice) return;
  Stack stack(Containment::automatic, 300ms);
  Readiness settings;
  settings.how = readiness::Exec{told_in(stack.dir / "probe")};
  settings.period = 10ms;
  settings.timeout = 2s;
  settings.start_timeout = 60s;
  stack.services["db"] = {.readiness = settings};
  REQUIRE(stack.start("db"));
  REQUIRE(test::run_until(stack.context, [&] { return number_in(stack.dir / "probe") != 0; }));
  const pid_t probe = number_in(stack.dir / "probe");
  REQUIRE(ice->freeze(probe));
  REQUIRE(test::run_until(stack.context, [&] {
    return stack.supervisor.info("db").readiness_reason == "/bin/sh of before survives SIGKILL";
  }));
  CHECK(number_in(stack.dir / "probe") == probe);
  REQUIRE(stack.stop("db"));
  CHECK(stack.supervisor.info("db").state == State::stopped);
  stack.finish();
  CHECK(read_stat(probe));
  ice->thaw();
  CHECK(test::run_until(stack.context, [&] { return !read_stat(probe); }));
  stack.logs.flush();
  CHECK_THAT(test::read_text(stack.logs.main_file()),
             ContainsSubstring("a readiness check by /bin/sh survives SIGKILL and is left behind"));
}

TEST_CASE("a stop that has failed is answered whatever else still winds down",
          "[supervisor][LIF-63][LIF-66]") {
  const auto ice = freezer();
  if (!ice) return;
  Stack stack(Containment::automatic, 200ms);
  stack.services["stuck"] = {.grace = 100ms};
  stack.post_start_holds = true;  // and does not listen to being called off
  REQUIRE(stack.start("stuck"));
  const pid_t pid = stack.supervisor.info("stuck").pid;
  REQUIRE(ice->freeze(pid));
  const auto stopped = stack.stop("stuck");
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().is(Errc::stop_failed));
  CHECK(stack.post_start_holds);
  ice->thaw();
  REQUIRE(test::run_until(stack.context, [&] { return !read_stat(pid); }));
  stack.post_start_holds = false;
  stack.finish();
}
