#include <dumb/supervisor/usage.hpp>

#include <csignal>

#include "support/service_stack.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using Stack = test::ServiceStack;

TEST_CASE("the use of a service is that of its whole tree", "[supervisor][LIF-171]") {
  for (const Containment containment : {Containment::automatic, Containment::descent_only}) {
    Stack stack(containment);
    stack.services["busy"] = {.arguments = {"--daemon", "--fork", "--allocate", "64", "--open", "50",
                                            "--threads", "3", "--burn", "300"}};
    stack.services["idle"] = {.arguments = {"--text", "idle"}};
    REQUIRE(stack.start("busy"));
    REQUIRE(stack.start("idle"));
    REQUIRE(test::run_until(stack.context, [&] {
      return stack.log_of("busy").find("burnt") != std::string::npos &&
             stack.log_of("busy").find("daemon ") != std::string::npos;
    }));
    const auto targets = stack.supervisor.usage_targets();
    REQUIRE(targets.size() == 2);
    CHECK(targets[0].process_name == "busy");
    CHECK(targets[0].leader == stack.supervisor.info("busy").pid);
    const UsageSample sample = take_usage_sample(targets);
    REQUIRE(sample.trees.size() == 2);
    const TreeUsage& busy = sample.trees[0];
    CHECK(busy.processes == 3);
    CHECK(busy.threads == 6);
    CHECK(busy.memory_bytes >= 64 << 20);
    CHECK(busy.open_files >= 50 + 9);  // and the streams of three processes
    CHECK(busy.cpu_seconds >= 0.29);
    const TreeUsage& idle = sample.trees[1];
    CHECK(idle.processes == 1);
    CHECK(idle.threads == 1);
    CHECK(idle.memory_bytes > 0);
    CHECK(idle.memory_bytes < 32 << 20);
    CHECK(idle.cpu_seconds < busy.cpu_seconds);
    CHECK(targets[0].restarts == 0);
    REQUIRE(test::run(stack.context, stack.supervisor.restart("idle")));
    CHECK(stack.supervisor.usage_targets()[1].restarts == 1);
    CHECK(stack.supervisor.usage_targets()[1].run != targets[1].run);
    REQUIRE(stack.stop("busy"));
    CHECK(stack.supervisor.usage_targets().size() == 1);
    CHECK(take_usage_sample(targets).trees[0].processes == 0);  // gone while it is looked at
    stack.finish();
  }
}
