#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/json.hpp>

#include "cli_stack.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

/// A chain of services that starts with the server, and two that do not.
class ChainStack : public CliStack {
 public:
  ChainStack() : CliStack(config()) {}
  json::value run_json(std::vector<std::string> words) const {
    words.emplace_back("--json");
    const auto parsed = jsonx::parse(run(std::move(words)).out);
    return parsed ? *parsed : json::value();
  }
  bool boot_is_over() const {
    return eventually([&] {
      const json::value report = run_json({"plan"});
      const json::value* operation = jsonx::find(report, {"operation", "operation"});
      const json::value* running = jsonx::find(report, {"operation", "running"});
      return operation != nullptr && *operation == "boot" && running != nullptr && *running == false;
    });
  }

 private:
  static std::string config() {
    return fmt::format(
        R"({{"dumb":{{"frontend":{{"enabled":false}}}},)"
        R"("base":{{"process_name":"Base","enabled":true,"command":["{0}"]}},)"
        R"("middle":{{"process_name":"Middle","enabled":true,"command":["{0}"],"depends_on":["Base"]}},)"
        R"("top":{{"process_name":"Top","enabled":true,"command":["{0}"],)"
        R"("depends_on":["Middle",{{"process_name":"Base","condition":"started"}}]}},)"
        R"("aside":{{"process_name":"Aside","enabled":false,"command":["{0}"],"depends_on":["Top"]}},)"
        R"("broken":{{"process_name":"Broken","enabled":false,"command":["{0}","--error","no way","--exit","7"],)"
        R"("depends_on":["Base"]}}}})",
        test_child());
  }
};

std::size_t place(const Ended& ended, std::string_view text) {
  const std::size_t found = ended.out.find(text);
  CHECK(found != std::string::npos);
  return found;
}

}  // namespace

TEST_CASE("down takes the dependents first, up the needs first", "[cli][API-132][DEP-44][DEP-45]") {
  const ChainStack stack;
  REQUIRE(stack.boot_is_over());
  const Ended down = stack.run({"down", "middle"});
  CHECK(down.status == 0);
  CHECK_THAT(down.out, ContainsSubstring("Middle: stopped\n"));
  CHECK_THAT(down.out, ContainsSubstring("Top: stopped\n"));
  CHECK(down.out.find("Base") == std::string::npos);
  CHECK_THAT(down.out, ContainsSubstring("2 services stopped in "));
  CHECK_THAT(down.out, ContainsSubstring(": Top > Middle\n"));
  const Ended up = stack.run({"up", "Top"});
  CHECK(up.status == 0);
  CHECK(up.err.empty());
  CHECK_THAT(up.out, ContainsSubstring("Top: waiting (waits for Middle"));
  CHECK(place(up, "Middle: running\n") < place(up, "Top: running\n"));
  CHECK_THAT(up.out, ContainsSubstring("2 services up in "));
  CHECK_THAT(up.out, ContainsSubstring(": Middle > Top\n"));
  CHECK(stack.run({"up"}).out == "nothing to start\n");
}

TEST_CASE("a stack goes down and comes up as a whole", "[cli][DEP-44][DEP-45]") {
  const ChainStack stack;
  REQUIRE(stack.boot_is_over());
  const json::value down = stack.run_json({"down"});
  CHECK(down.at("operation") == "down");
  CHECK(down.at("ok") == true);
  CHECK(down.at("critical_chain") == json::array({"Top", "Middle", "Base"}));
  CHECK(stack.run({"down"}).out == "nothing to stop\n");
  const json::value up = stack.run_json({"up"});
  CHECK(up.at("ok") == true);
  CHECK(up.at("critical_chain") == json::array({"Base", "Middle", "Top"}));
  CHECK(up.at("steps").as_array().size() == 3);
}

TEST_CASE("up tells the services that fail and the names nobody has", "[cli][DEP-45][API-16]") {
  const ChainStack stack;
  REQUIRE(stack.boot_is_over());
  const Ended failed = stack.run({"up", "Broken", "Aside"});
  CHECK(failed.status == 1);
  CHECK_THAT(failed.out, ContainsSubstring("Aside: running\n"));
  CHECK_THAT(failed.out, ContainsSubstring("Broken: failed\n"));
  CHECK_THAT(failed.out, ContainsSubstring("1 of 2 services up in "));
  CHECK_THAT(failed.err, ContainsSubstring("dumb-cli: Broken: "));
  CHECK_THAT(failed.err, ContainsSubstring("exit code 7"));
  const Ended unknown = stack.run({"up", "nobody"});
  CHECK(unknown.status == 4);
  CHECK_THAT(unknown.err, ContainsSubstring("nobody"));
  CHECK(stack.run({"down", "Base", "nobody"}).status == 4);
  CHECK_THAT(stack.run({"status", "Base"}).out, ContainsSubstring("running for"));
}

TEST_CASE("plan shows the levels and what the boot took", "[cli][DEP-36][DEP-38]") {
  const ChainStack stack;
  REQUIRE(stack.boot_is_over());
  const Ended plan = stack.run({"plan"});
  CHECK(plan.status == 0);
  CHECK(plan.err.empty());
  CHECK(plan.out.starts_with("LEVEL  SERVICE  WAITS FOR"));
  CHECK_THAT(plan.out, ContainsSubstring("    0  Base     -  "));
  CHECK_THAT(plan.out, ContainsSubstring("    1  Middle   Base (depends_on)"));
  CHECK_THAT(plan.out, ContainsSubstring("Middle (depends_on; came last)\n"));
  CHECK_THAT(plan.out, ContainsSubstring("\nLongest chain: Base > Middle > Top\n"));
  CHECK_THAT(plan.out, ContainsSubstring("\nBoot of "));
  CHECK_THAT(plan.out, ContainsSubstring(": 3 services up in "));
  CHECK_THAT(plan.out, ContainsSubstring(": Base > Middle > Top\n"));
  const json::value report = stack.run_json({"plan"});
  CHECK(report.at("plan").at("order") == json::array({"Base", "Middle", "Top"}));
  CHECK(report.at("operation").at("operation") == "boot");
}

TEST_CASE("graph draws the running stack and the surroundings of one service", "[cli][DEP-22][DEP-36]") {
  const ChainStack stack;
  REQUIRE(stack.boot_is_over());
  CHECK(stack.run({"graph"}).out ==
        "Top (running)\n"
        "├── Base (running) [depends_on]\n"
        "└── Middle (running) [depends_on]\n"
        "    └── Base (running) [depends_on]\n");
  const Ended around = stack.run({"graph", "top", "--scope", "all"});
  CHECK(around.status == 0);
  CHECK_THAT(around.out, ContainsSubstring("Aside (disabled)\n└── Top (running) [depends_on]\n"));
  const Ended dot = stack.run({"graph", "--format", "dot"});
  CHECK(dot.status == 0);
  CHECK(dot.out.starts_with("digraph dumb {\n"));
  CHECK_THAT(dot.out, ContainsSubstring("n2 -> n1 [label=\"depends_on\",style=solid];\n"));
  CHECK(stack.run({"graph", "--format", "mermaid", "--scope", "all"}).out.starts_with("graph RL\n"));
  CHECK(stack.run_json({"graph", "Top"}).at("process_name") == "Top");
  CHECK(stack.run({"graph", "nobody"}).status == 4);
}
