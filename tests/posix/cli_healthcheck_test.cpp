#include <fmt/format.h>
#include <unistd.h>

#include "support/cli_program.hpp"
#include "support/support.hpp"

using namespace dumb;
using test::CliProgram;
using test::TempDir;
using test::write_text;

namespace {

// A stack that consists of one service: this very process.
class Stack {
 public:
  Stack() { program.system.environment["DUMB_ROOT"] = dir.path().native(); }
  void processes(const std::string& text) { write_text(dir / "healthcheck/running_processes.json", text); }
  void startup(const std::string& text) { write_text(dir / "healthcheck/startup_state.json", text); }
  void config(int port) {
    write_text(
        dir / "config/dumb_config.json",
        fmt::format(R"({{"mine":{{"process_name":"Mine","enabled":true,"command":["x"],"host":"127.0.0.1",)"
                    R"("env":{{"PORT":"{{port}}"}},"port":{}}}}})",
                    port));
  }
  int check() { return program.run({"healthcheck"}); }

  TempDir dir;
  CliProgram program;
};

std::string own_entry() {
  return fmt::format(R"({{"Mine": {}}})", ::getpid());
}

}  // namespace

TEST_CASE("healthcheck is content with recorded processes that live", "[cli][LIF-120]") {
  Stack stack;
  stack.processes(own_entry());
  stack.startup(R"({"phase":"ready","terminal":true})");
  CHECK(stack.check() == 0);
  CHECK(stack.program.out == "healthy, 1 process\n");
  CHECK_FALSE(std::filesystem::exists(stack.dir / "config"));
}

TEST_CASE("healthcheck probes the configured ports and leaves the configuration alone",
          "[cli][LIF-85][LIF-120]") {
  Stack stack;
  stack.processes(own_entry());
  const int port = test::free_port();
  stack.config(port);
  const std::string before = test::read_text(stack.dir / "config/dumb_config.json");
  CHECK(stack.check() == 1);
  CHECK_THAT(stack.program.err, ContainsSubstring(fmt::format("Mine: no answer on 127.0.0.1:{}", port)));
  CHECK(stack.program.out.empty());
  CHECK(test::read_text(stack.dir / "config/dumb_config.json") == before);
  CHECK(stack.program.run({"healthcheck", "--json"}) == 1);
  CHECK_THAT(stack.program.out, ContainsSubstring("\"healthy\": false"));
}

TEST_CASE("healthcheck tells every process that is not what was recorded", "[cli][LIF-120]") {
  Stack stack;
  stack.processes(fmt::format(R"({{"Mine": {}, "Gone": 4194305}})", ::getpid()));
  stack.startup(R"({"phase":"ready","terminal":true,"start_ticks":{"Mine":1}})");
  CHECK(stack.check() == 1);
  CHECK(stack.program.err == fmt::format("Mine: not running (pid {} is another process now) | "
                                         "Gone: not running (pid 4194305 is gone)\n",
                                         ::getpid()));
}

TEST_CASE("healthcheck without a record fails, but not while the server boots", "[cli][LIF-119][LIF-120]") {
  Stack stack;
  CHECK(stack.check() == 1);
  CHECK_THAT(stack.program.err, ContainsSubstring("running_processes.json"));
  stack.processes("{");
  CHECK(stack.check() == 1);
  stack.startup(R"({"phase":"starting_services","terminal":false})");
  CHECK(stack.check() == 0);
  CHECK(stack.program.out == "healthy, starting services\n");
  stack.startup(R"({"phase":"shutting_down","terminal":false})");
  CHECK(stack.check() == 1);
  CHECK(stack.program.err == "the server is shutting down\n");
}

TEST_CASE("healthcheck with an unreadable configuration checks the processes only", "[cli][LIF-120]") {
  Stack stack;
  stack.processes(own_entry());
  write_text(stack.dir / "config/dumb_config.json", "{ broken");
  CHECK(stack.check() == 0);
}
