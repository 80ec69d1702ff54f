// Who reaps whom: the process is a subreaper, and the program it belongs to may have children of its own.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "supervisor/proc_posix.hpp"
#include "support/service_stack.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using Stack = test::ServiceStack;

TEST_CASE("orphans of services are reaped, children of the embedding program are left to it",
          "[supervisor][LIF-63]") {
  for (const Containment containment : {Containment::automatic, Containment::descent_only}) {
    Stack stack(containment);
    stack.services["family"] = {.arguments = {"--daemon", "--deaf"}};
    REQUIRE(stack.start("family"));
    const pid_t foreign = ::fork();
    if (foreign == 0) ::_exit(7);
    REQUIRE(foreign > 0);
    REQUIRE(test::eventually([&] {
      const auto stat = read_stat(foreign);
      return stat && stat->state == 'Z';
    }));
    // More than once, so that a look that was put off is seen to come.
    for (const char* word : {"daemon ", "deaf "}) {
      const pid_t orphan = stack.number_in_log("family", word);
      REQUIRE(read_stat(orphan));
      ::kill(orphan, SIGKILL);
      CHECK(test::run_until(stack.context, [&] { return !read_stat(orphan); }));
    }
    CHECK(stack.supervisor.info("family").state == State::running);
    int status = 0;
    CHECK(::waitpid(foreign, &status, WNOHANG) == foreign);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 7);
    stack.finish();
  }
}
