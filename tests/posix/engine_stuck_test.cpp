// A shutdown comes to its end whatever the kernel holds fast.
#include "engine_scratch.hpp"
#include "supervisor/proc_posix.hpp"
#include "support/freezer.hpp"
#include "support/lacks.hpp"

using namespace dumb;
using test::Scratch;

TEST_CASE("a shutdown reports what survives SIGKILL and does not wait for it", "[engine][LIF-63][LIF-80]") {
  const auto ice = test::Freezer::make();
  if (!ice) {
    test::lacks("freezer", "an unkillable process");
    return;
  }
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "stuck", "Stuck", Scratch::custom({}));
  s.add(file, "svc", "Svc", Scratch::custom({}));
  jsonx::set(file, {"dumb", "shutdown_timeout"}, 2);
  REQUIRE(s.open(file));
  s.boot();
  const auto pid = static_cast<pid_t>(*s.engine->status("Stuck")->pid);
  REQUIRE(ice->freeze(pid));
  s.run(s.engine->shutdown());
  CHECK(supervisor::read_stat(pid));
  const std::string log = s.main_log();
  CHECK_THAT(log, ContainsSubstring("Stuck: something it started is still alive after SIGKILL"));
  CHECK_THAT(log, ContainsSubstring("; still alive: Stuck\n"));
  CHECK(s.state("Svc") == "stopped");
  ice->thaw();
  CHECK(test::run_until(s.context, [&] { return !supervisor::read_stat(pid); }));
}
