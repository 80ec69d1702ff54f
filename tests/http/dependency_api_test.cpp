#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "golden.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

json::object needing(std::string_view name, const std::vector<std::string>& needs,
                     const std::vector<std::string>& arguments = {}) {
  json::object block = child_block(name, arguments);
  block["enabled"] = true;
  json::array list;
  for (const std::string& need : needs) list.emplace_back(need);
  block["depends_on"] = std::move(list);
  return block;
}

/// Front needs App, App needs Db and Cache; Lone needs nobody.
json::object family() {
  json::object services;
  services["front"] = needing("Front", {"App"});
  services["app"] = needing("App", {"Db", "Cache"});
  services["db"] = needing("Db", {});
  services["cache"] = needing("Cache", {});
  services["lone"] = needing("Lone", {});
  return services;
}

std::string names_body(const std::vector<std::string>& names) {
  json::array list;
  for (const std::string& name : names) list.emplace_back(name);
  json::object body;
  body["process_names"] = std::move(list);
  return jsonx::print_compact(body);
}

json::object object_of(const Answer& answer) {
  INFO(answer.body);
  REQUIRE(answer.status == 200);
  return parsed(answer.body).as_object();
}

const json::object& step(const json::object& operation, std::string_view name) {
  for (const json::value& one : operation.at("steps").as_array()) {
    if (one.at("process_name").as_string() == name) return one.as_object();
  }
  FAIL("no step of " << name);
  return operation;
}

double number(const json::object& object, std::string_view key) {
  return object.at(key).to_number<double>();
}

/// Whether `later` began when `earlier` was over, or after; times are sums of doubles.
bool follows(const json::object& later, const json::object& earlier) {
  return number(later, "waited_seconds") + 1e-6 >=
         number(earlier, "waited_seconds") + number(earlier, "took_seconds");
}

std::string encoded(std::string_view name) {
  return text::percent_encode(name);
}

}  // namespace

TEST_CASE("up of one service brings up what it needs first, and nothing else",
          "[server][API-130][API-132][DEP-45][LIF-36]") {
  Stack stack(family());
  const json::object up = object_of(stack.post("/process/up", names_body({"front"})));
  CHECK(up.at("operation") == "up");
  CHECK(up.at("ok").as_bool());
  CHECK_FALSE(up.at("running").as_bool());
  CHECK(up.at("steps").as_array().size() == 4);
  for (const char* name : {"Front", "App", "Db", "Cache"}) {
    CHECK(stack.state(name) == "running");
    CHECK(step(up, name).at("state") == "ready");
  }
  CHECK(stack.state("Lone") == "stopped");
  const json::object& app = step(up, "App");
  for (const char* need : {"Db", "Cache"}) {
    CHECK(follows(app, step(up, need)));
  }
  CHECK(follows(step(up, "Front"), app));
  CHECK(step(up, "Front").at("last_need") == "App");
  const json::array& chain = up.at("critical_chain").as_array();
  REQUIRE(chain.size() == 3);
  CHECK(chain[1] == "App");
  CHECK(chain[2] == "Front");
  CHECK(number(up, "critical_seconds") <= number(up, "elapsed_seconds"));
  // What runs already is left alone.
  const json::object again = object_of(stack.post("/process/up", names_body({"Front"})));
  CHECK(again.at("steps").as_array().empty());
  const json::object all = object_of(stack.post("/process/up", names_body({})));
  CHECK(all.at("steps").as_array().size() == 1);
  CHECK(stack.state("Lone") == "running");
  CHECK_GOLDEN("stack-operation", steady(object_of(stack.get("/process/stack-operation")), stack));
}

TEST_CASE("down of one service stops what needs it first, in reverse", "[server][API-131][DEP-44]") {
  Stack stack(family());
  object_of(stack.post("/process/up", names_body({})));
  const json::object down = object_of(stack.post("/process/down", names_body({"db"})));
  CHECK(down.at("operation") == "down");
  CHECK(down.at("ok").as_bool());
  CHECK(down.at("steps").as_array().size() == 3);
  for (const char* name : {"Front", "App", "Db"}) CHECK(stack.state(name) == "stopped");
  CHECK(stack.state("Cache") == "running");
  CHECK(stack.state("Lone") == "running");
  const json::object& app = step(down, "App");
  CHECK(follows(app, step(down, "Front")));
  CHECK(follows(step(down, "Db"), app));
  const json::object rest = object_of(stack.post("/process/down", names_body({})));
  CHECK(rest.at("steps").as_array().size() == 2);
  for (const char* name : {"Cache", "Lone"}) CHECK(stack.state(name) == "stopped");
}

TEST_CASE("up enables what was asked for by name, and only that", "[server][API-29]") {
  json::object services = family();
  services["db"].as_object()["enabled"] = false;
  services["app"].as_object()["enabled"] = false;
  Stack stack(services);
  const json::object up = object_of(stack.post("/process/up", names_body({"app"})));
  CHECK(up.at("ok").as_bool());
  CHECK(stack.stored().at("app").at("enabled").as_bool());
  CHECK_FALSE(stack.stored().at("db").at("enabled").as_bool());
  CHECK(stack.state("Db") == "stopped");
  CHECK(stack.state("App") == "running");
  CHECK(stack.state("Cache") == "running");
}

TEST_CASE("a service that fails is told, and its dependents go on with a warning",
          "[server][LIF-8][DEP-45]") {
  json::object services = family();
  services["db"] = needing("Db", {}, {"--exit", "3"});
  Stack stack(services);
  const json::object up = object_of(stack.post("/process/up", names_body({"App"})));
  CHECK_FALSE(up.at("ok").as_bool());
  CHECK(step(up, "Db").at("state") == "failed");
  CHECK_THAT(std::string(step(up, "Db").at("reason").as_string()), ContainsSubstring("exit code 3"));
  CHECK(step(up, "App").at("state") == "ready");
  REQUIRE(step(up, "App").at("warnings").as_array().size() == 1);
  CHECK_THAT(std::string(step(up, "App").at("warnings").as_array()[0].as_string()),
             Catch::Matchers::StartsWith("Db: ") && ContainsSubstring("exit code 3"));
}

TEST_CASE("a service behind another one says whom it waits for, and a stop calls it off",
          "[server][DEP-45][API-131][API-133]") {
  TempDir scratch;
  json::object services = family();
  services["db"].as_object()["wait_for_dir"] = "/never/here";
  Stack stack(services);
  auto up = std::async(std::launch::async, [&] { return stack.post("/process/up", names_body({"front"})); });
  REQUIRE(eventually([&] { return stack.state("Db") == "waiting" && stack.state("Cache") == "running"; }));
  const auto reason = [&](std::string_view name) {
    const Answer answer = stack.get("/process/service-status?process_name=" + encoded(name));
    const json::value body = parsed(answer.body);
    return body.at("state_reason").is_string() ? std::string(body.at("state_reason").as_string())
                                               : std::string();
  };
  CHECK(stack.state("Front") == "waiting");
  CHECK(reason("Front") == "waits for App, which waits for Db, which waits for directory /never/here");
  const json::object now = object_of(stack.get("/process/stack-operation"));
  CHECK(now.at("running").as_bool());
  CHECK(step(now, "App").at("state") == "pending");
  CHECK(step(now, "App").at("awaits").as_array().size() == 1);

  CHECK(stack.operate("stop-service", "Front").status == 200);
  CHECK(stack.operate("stop-service", "App").status == 200);
  CHECK(stack.operate("stop-service", "Db").status == 200);
  const json::object ended = object_of(up.get());
  CHECK_FALSE(ended.at("ok").as_bool());
  CHECK(step(ended, "Front").at("state") == "called_off");
  CHECK(step(ended, "App").at("state") == "called_off");
  CHECK(step(ended, "Db").at("state") == "failed");
  for (const char* name : {"Front", "App", "Db"}) CHECK(stack.state(name) == "stopped");
}

TEST_CASE("bad requests of up and down are told with their place", "[server][API-10][API-14]") {
  Stack stack(family());
  CHECK(stack.post("/process/up", "{}").status == 422);
  CHECK(stack.post("/process/down", R"({"process_names": "db"})").status == 422);
  CHECK(stack.post("/process/up", names_body({"db", "nobody"})).status == 404);
  CHECK(stack.state("Db") == "stopped");
  CHECK(stack.post("/process/up", names_body({"DUMB API"})).status == 400);
  stack.begin_shutdown();
  CHECK(stack.post("/process/up", names_body({})).status == 503);
}

TEST_CASE("the dependency graph of a process is told as the frontend reads it",
          "[server][DEP-21][DEP-22][DEP-32][DEP-33][DEP-34][API-25][API-26][API-27]") {
  Stack stack(family());
  object_of(stack.post("/process/up", names_body({"app"})));
  const json::object graph = object_of(stack.get("/process/dependency-graph?process_name=app&scope=ALL"));
  CHECK(graph.at("process_name") == "App");
  CHECK(graph.at("scope") == "all");
  CHECK(graph.at("edges").as_array().size() == 3);
  CHECK(graph.at("statuses").at("App") == "running");
  CHECK(graph.at("statuses").at("Front") == "stopped");
  CHECK(graph.at("statuses").as_object().size() == graph.at("processes").as_array().size());
  for (const json::value& node : graph.at("nodes").as_array()) {
    const bool running = node.at("process_name") != "Front";
    CHECK(node.at("state") == (running ? "running" : "stopped"));
  }
  const json::object process = object_of(stack.get("/process?process_name=app&scope=all"));
  CHECK(process.at("edges") == graph.at("edges"));
  CHECK(process.at("parallel_groups") == graph.at("parallel_groups"));
  CHECK(process.at("scope") == "all");
  for (const char* path : {"/process/dependency-graph", "/process"}) {
    INFO(path);
    CHECK(stack.get(path).status == 422);
    const std::string target = std::string(path) + "?process_name=";
    CHECK(stack.get(target + "%20").status == 400);
    CHECK(stack.get(target + "nobody").status == 404);
    CHECK(stack.get(target + "app&scope=some").status == 400);
    CHECK(stack.get(target + "app&scope=%20").status == 200);
  }
}

TEST_CASE("the entries of a dependency graph follow the configuration and the versions found",
          "[server][DEP-22][DEP-32]") {
  json::object services = family();
  services["front"].as_object()["enabled"] = false;
  Stack stack(services);
  const auto entry = [&](std::string_view name) {
    const json::object graph = object_of(stack.get("/process/dependency-graph?process_name=app"));
    for (const json::value& process : graph.at("processes").as_array()) {
      if (process.at("process_name").as_string() == name) return process;
    }
    throw std::runtime_error("no such entry");
  };
  CHECK_FALSE(entry("Front").at("enabled").as_bool());
  CHECK(entry("DUMB API").at("version").is_null());
  object_of(stack.post("/process/up", names_body({"front"})));
  CHECK(entry("Front").at("enabled").as_bool());
  CHECK(entry("Front").at("config").at("enabled").as_bool());
  const json::object list = object_of(stack.get("/process/processes"));
  for (const json::value& process : list.at("processes").as_array()) {
    if (process.at("process_name").as_string() != "DUMB API") continue;
    CHECK(process.at("version").is_string());
    CHECK(entry("DUMB API").at("version") == process.at("version"));
  }
}

TEST_CASE("no secret of a wait leaves through the dependency graph", "[server][DEP-32][DEP-14]") {
  json::object services = family();
  services["app"].as_object()["wait_for_url"] = json::value(
      {{{"url", "http://me:hush-1@127.0.0.1:1/x"}, {"auth", {{"user", "u"}, {"password", "hush-2"}}}}});
  services["app"].as_object()["api_key"] = "hush-3";
  Stack stack(services);
  const Answer answer = stack.get("/process/dependency-graph?process_name=app");
  REQUIRE(answer.status == 200);
  CHECK_THAT(answer.body, !ContainsSubstring("hush-"));
  CHECK_THAT(answer.body, ContainsSubstring("127.0.0.1:1/x"));
}

TEST_CASE("the startup plan is told as JSON and as drawings", "[server][DEP-36][DEP-43][DEP-49][DEP-50]") {
  Stack stack(family());
  const json::object plan = object_of(stack.get("/process/startup-plan?process_name=front"));
  CHECK(plan.at("node_count") == 4);
  CHECK(plan.at("groups").as_array().size() == 3);
  CHECK(plan.at("edge_direction") == "depends_on");
  const json::object whole = object_of(stack.get("/process/startup-plan"));
  CHECK(whole.at("node_count").to_number<int>() >= 5);
  const json::object disabled = object_of(stack.get("/process/startup-plan?include_disabled=true"));
  CHECK(disabled.at("node_count").to_number<int>() > whole.at("node_count").to_number<int>());

  const Answer dot = stack.get("/process/startup-plan?process_name=front&format=dot");
  CHECK(dot.status == 200);
  CHECK(dot.headers.at("content-type") == "text/vnd.graphviz");
  CHECK_THAT(dot.body, Catch::Matchers::StartsWith("digraph dumb {\n") && ContainsSubstring("depends_on"));
  const Answer mermaid = stack.get("/process/startup-plan?process_name=front&format=mermaid");
  CHECK(mermaid.headers.at("content-type") == "text/plain; charset=utf-8");
  CHECK_THAT(mermaid.body, Catch::Matchers::StartsWith("graph RL\n"));

  CHECK(stack.get("/process/startup-plan?process_name=nobody").status == 404);
  CHECK(stack.get("/process/startup-plan?format=pdf").status == 400);
  CHECK(stack.get("/process/startup-plan?include_disabled=perhaps").status == 400);
  CHECK(stack.get("/process/startup-plan?scope=none").status == 400);
}

TEST_CASE("how far the first start is, is told before it begins as well", "[server][LIF-32]") {
  Stack stack(family());
  CHECK_GOLDEN("startup-status", steady(parsed(stack.get("/process/startup-status").body), stack));
}
