#include <fmt/format.h>

#include <dumb/base/codec.hpp>
#include <dumb/engine/types.hpp>
#include <dumb/graph/answer.hpp>
#include <dumb/graph/drawing.hpp>

#include "cli/src/dependency_text.hpp"
#include "support/cli_program.hpp"

using namespace dumb;
using graph::Classification;
using graph::Reason;
using graph::Severity;
using graph::Signal;
using graph::Strength;
using test::check_golden;
using test::CliProgram;

namespace {

graph::PlanEdge edge(std::string source, std::string target, std::vector<Signal> signals,
                     bool relaxed = false) {
  graph::PlanEdge out{std::move(source),      std::move(target),    std::move(signals),
                      Strength::hard_runtime, Classification::hard, relaxed};
  if (relaxed) out.strength = Strength::hard_configured;
  return out;
}

/// Two levels over a database and a mount; an arr and its rclone in a cycle that was broken.
graph::Plan sample_plan() {
  graph::Plan plan;
  plan.ok = false;
  plan.updated_at = "2026-02-11T12:00:00Z";
  const std::vector<std::vector<std::string>> levels{
      {"PostgreSQL", "Zurg w/ Riven"}, {"rclone w/ Riven"}, {"Riven Backend", "Zilean"}, {"Riven Frontend"}};
  for (const auto& members : levels) {
    const auto level = static_cast<std::int64_t>(plan.groups.size());
    plan.groups.push_back(
        {fmt::format("level_{}", level), fmt::format("Level {}", level), "parallel", level, members});
    plan.order.insert(plan.order.end(), members.begin(), members.end());
  }
  plan.edges = {edge("Riven Backend", "PostgreSQL", {Signal::core_service_map}),
                edge("Riven Backend", "rclone w/ Riven", {Signal::wait_for_dir, Signal::wait_for_mounts}),
                edge("Riven Frontend", "Riven Backend", {Signal::core_service_map, Signal::wait_for_url}),
                edge("Zilean", "PostgreSQL", {Signal::non_core_dependency_map}),
                edge("rclone w/ Riven", "Riven Backend", {Signal::core_service_fields}, true),
                edge("rclone w/ Riven", "Zurg w/ Riven", {Signal::rclone_provider_zurg})};
  graph::Cycle cycle;
  cycle.members = {"Riven Backend", "rclone w/ Riven"};
  cycle.path = {"Riven Backend", "rclone w/ Riven", "Riven Backend"};
  cycle.relaxed_edges = {{"rclone w/ Riven", "Riven Backend"}};
  cycle.resolved = true;
  cycle.message = "Riven Backend -> rclone w/ Riven -> Riven Backend";
  plan.cycles = {cycle};
  plan.missing = {{"Zilean", Signal::wait_for_url, "9999", Reason::unresolved, Severity::warning},
                  {"Zurg w/ Riven", Signal::depends_on, "VPN", Reason::disabled, Severity::error}};
  return plan;
}

engine::StackStep step(std::string name, double waited, std::optional<double> took,
                       std::optional<std::string> last = {}) {
  engine::StackStep out;
  out.process_name = std::move(name);
  out.state = took ? "ready" : "failed";
  out.service_state = took ? "running" : "failed";
  if (!took) out.reason = "exit code 7 after 30 ms";
  out.last_need = std::move(last);
  out.waited_seconds = waited;
  out.took_seconds = took;
  return out;
}

engine::StackOperation sample_start() {
  engine::StackOperation start;
  start.operation = "boot";
  start.started_at = 1'770'811'100;
  start.completed_at = 1'770'811'104;
  start.elapsed_seconds = 3.456;
  start.critical_seconds = 3.4;
  start.critical_chain = {"Zurg w/ Riven", "rclone w/ Riven", "Riven Backend", "Riven Frontend"};
  start.steps = {step("PostgreSQL", 0, 1.25),
                 step("Riven Backend", 2.6, 0.5, "rclone w/ Riven"),
                 step("Riven Frontend", 3.1, 0.35, "Riven Backend"),
                 step("Zilean", 1.25, std::nullopt, "PostgreSQL"),
                 step("Zurg w/ Riven", 0, 2),
                 step("rclone w/ Riven", 2, 0.6, "Zurg w/ Riven")};
  return start;
}

template <class T>
std::string body_of(const T& value) {
  return jsonx::print_compact(codec::encode(value));
}

void lay_down_states(CliProgram& program) {
  const auto state = [&](const std::string& encoded, std::string_view name, std::string_view rest) {
    program.answer(
        "GET /process/service-status?process_name=" + encoded,
        fmt::format(R"({{"process_name":"{}","status":"stopped",{},"pid":null,"started_at":null}})", name,
                    rest));
  };
  state("PostgreSQL", "PostgreSQL", R"("state":"running","state_reason":null)");
  state("Zurg%20w%2F%20Riven", "Zurg w/ Riven", R"("state":"failed","state_reason":"exit code 7")");
  state("rclone%20w%2F%20Riven", "rclone w/ Riven",
        R"("state":"waiting","state_reason":"waits for Zurg w/ Riven, which failed: exit code 7")");
  state("Riven%20Backend", "Riven Backend", R"("state":"setting_up","state_reason":null)");
  state("Riven%20Frontend", "Riven Frontend", R"("state":"stopped","state_reason":null)");
}

constexpr std::string_view plan_call = "GET /process/startup-plan";
constexpr std::string_view graph_call = "GET /process/startup-plan?scope=runtime";

graph::GraphAnswer sample_answer() {
  graph::GraphAnswer answer;
  answer.process_name = "rclone w/ Riven";
  answer.config_key = "rclone";
  answer.context.mode = "dependency";
  answer.updated_at = "2026-02-11T12:00:00Z";
  using graph::RowState;
  answer.nodes = {
      {"Riven Backend", "Riven Backend", "riven_backend", "Riven Backend", RowState::stopped},
      {"Riven Frontend", "Riven Frontend", "riven_frontend", "Riven Frontend", RowState::disabled},
      {"Zurg w/ Riven", "Zurg w/ Riven", "zurg", "Zurg w/ Riven", RowState::stopped},
      {"rclone w/ Riven", "rclone w/ Riven", "rclone", "rclone w/ Riven", RowState::stopped}};
  answer.edges = {{"Riven Backend",
                   "rclone w/ Riven",
                   {Signal::wait_for_mounts},
                   Strength::hard_runtime,
                   Classification::hard},
                  {"Riven Frontend",
                   "rclone w/ Riven",
                   {Signal::documented_integration},
                   Strength::soft_linkage,
                   Classification::linkage},
                  {"rclone w/ Riven",
                   "Zurg w/ Riven",
                   {Signal::rclone_provider_zurg},
                   Strength::hard_runtime,
                   Classification::hard}};
  answer.parallel_groups = {{"pre_core", "Parallel prerequisites", "parallel", {"Zurg w/ Riven"}},
                            {"core_target", "Core target", "serial", {"rclone w/ Riven"}},
                            {"post_core", "Dependents", "parallel", {"Riven Backend"}}};
  return answer;
}

}  // namespace

TEST_CASE("plan shows the levels, the waits, the longest chain and what is wrong",
          "[cli][DEP-36][DEP-38][DEP-41][DEP-42]") {
  CliProgram program;
  program.answer(std::string(plan_call), body_of(sample_plan()));
  program.answer("GET /process/stack-operation", body_of(engine::StackOperation()));
  CHECK(program.run({"plan"}) == 0);
  check_golden("plan_pipe.txt", program.out);
  CHECK(program.err.empty());
}

TEST_CASE("plan shows what the last start took and how much of it nobody had to wait for", "[cli][DEP-45]") {
  CliProgram program;
  program.answer(std::string(plan_call), body_of(sample_plan()));
  program.answer("GET /process/stack-operation", body_of(sample_start()));
  CHECK(program.run({"plan"}) == 0);
  check_golden("plan_measured_pipe.txt", program.out);
  program.terminal(80);
  CHECK(program.run({"plan"}) == 0);
  check_golden("plan_measured_80_color.txt", program.out);
  program.terminal(44);
  CHECK(program.run({"plan", "--color", "never"}) == 0);
  check_golden("plan_measured_44_plain.txt", program.out);
}

TEST_CASE("plan tells how far a start that goes on has come", "[cli][DEP-45]") {
  CliProgram program;
  program.answer(std::string(plan_call), body_of(sample_plan()));
  engine::StackOperation start = sample_start();
  start.operation = "up";
  start.running = true;
  start.completed_at.reset();
  engine::StackStep& backend = start.steps[1];
  backend.state = "pending";
  backend.waited_seconds.reset();
  backend.took_seconds.reset();
  program.answer("GET /process/stack-operation", body_of(start));
  CHECK(program.run({"plan"}) == 0);
  CHECK_THAT(program.out, ContainsSubstring("Start of @1770811100: 4 of 6 services up in 3.5 s so far\n"
                                            "Zilean: exit code 7 after 30 ms\n"));
  CHECK_THAT(program.out, ContainsSubstring("rclone w/ Riven (directory, mount)"));
  CHECK(program.out.find("Critical path") == std::string::npos);
}

TEST_CASE("plan does not take a stop for a start", "[cli]") {
  CliProgram program;
  program.answer(std::string(plan_call), body_of(sample_plan()));
  engine::StackOperation stop = sample_start();
  stop.operation = "down";
  program.answer("GET /process/stack-operation", body_of(stop));
  CHECK(program.run({"plan"}) == 0);
  CHECK(program.out == test::read_text(DUMB_SOURCE_DIR "/tests/data/cli/plan_pipe.txt"));
}

TEST_CASE("plan in JSON holds the plan and the latest operation", "[cli][DEP-43]") {
  CliProgram program;
  const std::string plan = body_of(sample_plan());
  const std::string start = body_of(sample_start());
  const std::string none = body_of(engine::StackOperation());
  program.answer(std::string(plan_call), plan);
  program.answer("GET /process/stack-operation", none);
  program.answer("GET /process/stack-operation", start);
  CHECK(program.run({"plan", "--json"}) == 0);
  CHECK(jsonx::parse(program.out).value() ==
        jsonx::parse(fmt::format(R"({{"plan":{},"operation":{}}})", plan, none)).value());
  CHECK(program.run({"plan", "--json"}) == 0);
  CHECK(jsonx::parse(program.out).value() ==
        jsonx::parse(fmt::format(R"({{"plan":{},"operation":{}}})", plan, start)).value());
}

TEST_CASE("graph draws the stack as a tree with the states of its services", "[cli][DEP-36]") {
  CliProgram program;
  program.answer(std::string(graph_call), body_of(sample_plan()));
  lay_down_states(program);
  CHECK(program.run({"graph"}) == 0);
  check_golden("graph_pipe.txt", program.out);
  program.terminal(80);
  CHECK(program.run({"graph"}) == 0);
  check_golden("graph_color.txt", program.out);
  program.system.environment["LANG"] = "C";
  CHECK(program.run({"graph", "--color", "never"}) == 0);
  check_golden("graph_ascii.txt", program.out);
}

TEST_CASE("graph NAME draws what the service needs and what needs it", "[cli][DEP-22][DEP-29][DEP-30]") {
  CliProgram program;
  program.answer("GET /process/dependency-graph?process_name=rclone&scope=all", body_of(sample_answer()));
  lay_down_states(program);
  program.terminal(80);
  CHECK(program.run({"graph", "rclone", "--scope", "ALL"}) == 0);
  check_golden("graph_name_color.txt", program.out);
  CHECK(program.run({"graph", "rclone", "--scope", "all", "--format", "dot"}) == 0);
  check_golden("graph_name.dot", program.out);
}

TEST_CASE("graph prints the formats of other programs as the library draws them", "[cli][DEP-49][DEP-50]") {
  CliProgram program;
  program.answer(std::string(graph_call), body_of(sample_plan()));
  program.answer("GET /process/startup-plan?scope=all", body_of(graph::Plan()));
  CHECK(program.run({"graph", "--format", "dot"}) == 0);
  CHECK(program.out == graph::to_dot(sample_plan()));
  CHECK(program.run({"graph", "--format", "mermaid"}) == 0);
  CHECK(program.out == graph::to_mermaid(sample_plan()));
  CHECK(program.run({"graph", "--format", "json"}) == 0);
  CHECK(jsonx::parse(program.out).value() == codec::encode(sample_plan()));
  CHECK(program.run({"graph", "--json"}) == 0);
  CHECK(jsonx::parse(program.out).value() == codec::encode(sample_plan()));
  CHECK(program.requests.size() == 4);  // no states for these
  CHECK(program.run({"graph", "--scope", "all"}) == 0);
  CHECK(program.out.empty());
  CHECK(program.err == "dumb-cli: no service is enabled\n");
}

TEST_CASE("graph refuses what it cannot draw and tells an unknown name", "[cli][DEP-21]") {
  CliProgram program;
  CHECK(program.run({"graph", "--format", "svg"}) == 2);
  CHECK(program.err == "dumb-cli: --format must be tree, dot, mermaid or json, got 'svg'\n");
  CHECK(program.run({"graph", "--json", "--format", "dot"}) == 2);
  CHECK(program.run({"graph", "--scope", "some"}) == 2);
  CHECK_THAT(program.err, ContainsSubstring("--scope"));
  CHECK(program.requests.empty());
  program.answer("GET /process/dependency-graph?process_name=nope&scope=runtime",
                 R"({"detail":"There is no process named nope."})", 404);
  CHECK(program.run({"graph", "nope"}) == 4);
  CHECK(program.run({"graph", "nope", "--json"}) == 4);
  program.refuse("GET /process/startup-plan", Error(Errc::timed_out, "late"));
  CHECK(program.run({"plan"}) == 3);
}

TEST_CASE("every need that nothing meets has its sentence", "[cli][DEP-42]") {
  const auto sentence = [](Signal signal, std::string reference, Reason reason) {
    return cli::missing_sentence({"A", signal, std::move(reference), reason, Severity::warning});
  };
  CHECK(sentence(Signal::core_service_map, "postgres", Reason::missing) ==
        "A needs postgres, which is not there");
  CHECK(sentence(Signal::depends_on, "B", Reason::disabled) == "A needs B, which is not enabled");
  CHECK(sentence(Signal::wait_for_mounts, "/mnt/x", Reason::unresolved) ==
        "A waits for the mount /mnt/x, which no service provides");
  CHECK(sentence(Signal::wait_for_dir, "/mnt/x/a", Reason::unresolved) ==
        "A waits for the directory /mnt/x/a, which no service provides");
  CHECK(sentence(Signal::wait_for_url, "5572", Reason::unresolved) ==
        "A waits for the URL of port 5572, which no service provides");
  CHECK(sentence(Signal::wait_for_url, "box", Reason::external) ==
        "A waits for the URL of box, which is on another host");
}

TEST_CASE("cycles are told with what was done about them", "[cli][DEP-41]") {
  graph::Cycle cycle;
  cycle.members = {"A", "B", "C"};
  cycle.message = "A -> B -> C -> A";
  CHECK(cli::cycle_sentence(cycle) ==
        "A, B and C wait for each other (A -> B -> C -> A); they start together");
  cycle.resolved = true;
  cycle.relaxed_edges = {{"A", "B"}, {"B", "C"}};
  CHECK(cli::cycle_sentence(cycle) ==
        "A, B and C wait for each other (A -> B -> C -> A); to break it, A does not wait for B and B does "
        "not wait for C");
}

TEST_CASE("every signal has words of its own kind", "[cli][DEP-10]") {
  for (const graph::TruthRow& row : graph::truth_table()) CHECK_FALSE(cli::signal_words(row.signal).empty());
  CHECK(cli::signals_text({Signal::core_service_map, Signal::non_core_dependency_map,
                           Signal::wait_for_url}) == "needs it, URL");
}

TEST_CASE("plan says when a start is not all that is waited for", "[cli][DEP-10][DEP-36]") {
  graph::Plan plan = sample_plan();
  plan.edges[0] = edge("Riven Backend", "PostgreSQL", {Signal::depends_on});
  plan.edges[0].condition = graph::Condition::healthy;
  plan.edges[3] = edge("Zilean", "PostgreSQL", {Signal::depends_on});
  plan.edges[3].condition = graph::Condition::completed_successfully;
  CliProgram program;
  program.answer(std::string(plan_call), body_of(plan));
  program.answer("GET /process/stack-operation", body_of(engine::StackOperation()));
  CHECK(program.run({"plan"}) == 0);
  CHECK_THAT(program.out, Contains("PostgreSQL (depends_on, must be healthy)"));
  CHECK_THAT(program.out, Contains("PostgreSQL (depends_on, must have ended well)"));
}
