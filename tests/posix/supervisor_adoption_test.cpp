// A supervisor that was killed, and the one that takes its children over: whole trees of processes.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <dumb/supervisor/usage.hpp>

#include "supervisor/cgroup_posix.hpp"
#include "supervisor/proc_posix.hpp"
#include "support/lacks.hpp"
#include "support/service_stack.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Stack = test::ServiceStack;

namespace {

// Its children are younger than itself, as the kernel counts it.
const Stack::Service family{.arguments = {"--burn", "30", "--fork", "--daemon", "--session", "--deaf"},
                            .grace = 300ms};

std::vector<Containment> containments() {
  const test::TempDir scratch;
  auto tree = GroupTree::open(scratch.path());
  if (!tree) {
    test::lacks("cgroup", tree.error().to_string());
    return {Containment::descent_only};
  }
  tree->remove();
  return {Containment::automatic, Containment::descent_only};
}

bool lives(pid_t pid) {
  const auto stat = read_stat(pid);
  return stat && stat->state != 'Z' && stat->state != 'X';
}

/// Runs a supervisor with the service "family" in a process of its own and kills that when the service runs.
void run_and_kill(const fs::path& home, Containment containment) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);  // the orphans shall not come back to this process
  const pid_t earlier = ::fork();
  REQUIRE(earlier >= 0);
  if (earlier == 0) {
    try {
      Stack stack(containment, 3s, home);
      stack.services["family"] = family;
      if (test::run(stack.context, stack.supervisor.start("family"))) {
        for (const char* word : {"child ", "daemon ", "session ", "deaf "}) {
          test::run_until(stack.context,
                          [&] { return stack.log_of("family").find(word) != std::string::npos; });
        }
        test::write_text(home / "ready", "");
        for (;;) ::pause();
      }
    } catch (...) {
      ::_exit(2);
    }
    ::_exit(1);
  }
  const bool ready = test::eventually([&] { return fs::exists(home / "ready"); });
  ::kill(earlier, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(earlier, &status, 0) == earlier);
  REQUIRE(ready);
}

struct Found {
  pid_t leader = -1;
  std::vector<pid_t> others;
};
Found find_family(Stack& stack) {
  Found found;
  for (const char* word : {"child ", "daemon ", "session ", "deaf "}) {
    found.others.push_back(stack.number_in_log("family", word));
    CHECK(lives(found.others.back()));
  }
  const auto stat = read_stat(found.others.front());
  REQUIRE(stat);
  found.leader = stat->session;
  return found;
}

/// The control groups of services in a run directory's tree.
std::vector<fs::path> groups_of(const fs::path& home) {
  std::vector<fs::path> found;
  auto tree = GroupTree::open(home / "run");
  if (!tree) return found;
  for (const fs::directory_entry& entry : fs::directory_iterator(tree->directory())) {
    if (entry.is_directory()) found.push_back(entry.path());
  }
  tree->remove();
  return found;
}

}  // namespace

TEST_CASE("a service of a killed supervisor is taken over and stopped with all it started",
          "[supervisor][LIF-63][LIF-125][LIF-170][LIF-171]") {
  for (const Containment containment : containments()) {
    const test::TempDir home;
    run_and_kill(home.path(), containment);
    Stack stack(containment, 3s, home.path());
    stack.services["family"] = family;
    const Found found = find_family(stack);
    const bool grouped = containment == Containment::automatic;
    CHECK(groups_of(home.path()).size() == (grouped ? 1U : 0U));
    const Adoption adoption = stack.supervisor.adopt();
    REQUIRE(adoption.adopted == std::vector<std::string>{"family"});
    const ServiceInfo info = stack.supervisor.info("family");
    CHECK(info.pid == found.leader);
    CHECK(info.adopted);
    CHECK(info.state == State::running);
    const auto targets = stack.supervisor.usage_targets();
    REQUIRE(targets.size() == 1);
    CHECK(targets.front().leader == found.leader);
    if (grouped) {
      CHECK(targets.front().group == groups_of(home.path()).front());
      CHECK(take_usage_sample(targets).trees.front().processes == 5);
    }
    REQUIRE(stack.stop("family"));
    CHECK(stack.supervisor.info("family").killed);  // the deaf one
    CHECK_FALSE(lives(found.leader));
    for (const pid_t pid : found.others) CHECK_FALSE(lives(pid));
    CHECK(groups_of(home.path()).empty());
    CHECK(test::holds_no_launch(home / "run"));
    stack.finish();
  }
}

TEST_CASE("what is left of a service that ended while nobody supervised it is found and ended",
          "[supervisor][LIF-63][LIF-69][LIF-125][LIF-170]") {
  for (const Containment containment : containments()) {
    const test::TempDir home;
    run_and_kill(home.path(), containment);
    Stack stack(containment, 3s, home.path());
    stack.services["family"] = family;
    const Found found = find_family(stack);
    ::kill(found.leader, SIGKILL);
    REQUIRE(test::eventually([&] { return !lives(found.leader); }));
    const Adoption adoption = stack.supervisor.adopt();
    // Until somebody reaps it, it is taken over as what it is, and ends at once.
    CHECK(adoption.adopted.size() + adoption.ended.size() == 1);
    REQUIRE(test::run_until(stack.context, [&] { return stack.supervisor.occupied().empty(); }));
    for (const pid_t pid : found.others) CHECK_FALSE(lives(pid));
    CHECK(groups_of(home.path()).empty());
    // Its last output is read meanwhile.
    CHECK(test::run_until(stack.context, [&] { return test::holds_no_launch(home / "run"); }));
    REQUIRE(stack.start("family"));
    stack.finish();
  }
}
