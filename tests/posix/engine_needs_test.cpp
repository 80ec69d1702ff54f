// What services wait for in each other, with real children: jobs, health that never comes, a changed mind.
#include "engine_stack_scene.hpp"

using namespace dumb;
using test::begin_boot;
using test::needs;
using test::Scratch;
using test::step;

namespace {

std::string reason_of(Scratch& s, std::string_view name) {
  return s.engine->status(name)->state_reason.value_or("");
}

/// Sick runs, and nobody listens on its port.
json::object sick_stack(Scratch& s) {
  json::object file = Scratch::document();
  json::object sick = Scratch::custom({});
  sick["port"] = test::free_port();
  s.add(file, "sick", "Sick", std::move(sick));
  s.add(file, "app", "App", Scratch::custom({}));
  needs(file, "app", "Sick", "healthy");
  jsonx::set(file, {"dumb", "startup", "readiness_timeout_seconds"}, 1.5);
  return file;
}

}  // namespace

TEST_CASE("up of a disabled service knows that what it needs is a job",
          "[engine][API-29][API-130][LIF-142]") {
  Scratch s;
  json::object file = Scratch::document();
  s.add(file, "job", "Job", Scratch::custom({"--exit", "0"}));
  s.add(file, "app", "App", Scratch::custom({}));
  file["app"].as_object()["enabled"] = false;
  needs(file, "app", "Job", "completed_successfully");
  REQUIRE(s.open(file));
  const auto over = s.run(s.engine->up({{"App"}}));
  REQUIRE(over);
  CHECK(over->ok);
  CHECK(s.state("App") == "running");
  CHECK(s.engine->config()->find("App")->enabled);
  s.run(s.engine->shutdown());
}

TEST_CASE("who waits for health that does not come is held with the reason, and goes on when it comes",
          "[engine][CFG-21][DEP-45][API-130]") {
  Scratch s;
  const json::object file = sick_stack(s);
  const std::string port = std::to_string(file.at("sick").at("port").as_int64());
  REQUIRE(s.open(file));
  s.run(s.engine->boot());  // it is over: nobody waits for ever
  const engine::StackOperation boot = s.engine->stack_operation();
  CHECK_FALSE(boot.ok);
  CHECK(step(boot, "App").state == "pending");
  CHECK_THAT(reason_of(s, "App"),
             StartsWith("waits for Sick, which is running but not healthy yet: ") && ContainsSubstring(port));
  REQUIRE(test::run_until(s.context, [&] { return s.engine->startup_status().terminal; }));
  const engine::StartupStatus now = s.engine->startup_status();
  CHECK(now.phase == "degraded");
  CHECK_THAT(now.failures.at("App"), ContainsSubstring("waits for Sick, which is running but not healthy"));
  CHECK_THAT(now.failures.at("Sick"), ContainsSubstring(port));
  CHECK(now.services.at("Sick").state == "failed");
  // Something answers there now.
  const auto helper = test::Scratch::custom({"--listen", port});
  json::object updates;
  updates["command"] = helper.at("command");
  engine::ConfigUpdate update;
  update.process_name = "Sick";
  update.updates = updates;
  REQUIRE(s.run(s.engine->update_config(update)));
  REQUIRE(s.run(s.engine->restart("Sick")));
  REQUIRE(test::run_until(s.context, [&] { return s.state("App") == "running"; }));
  s.run(s.engine->shutdown());
}

TEST_CASE("a need that is taken from the configuration is not waited for any more",
          "[engine][CFG-21][DEP-45]") {
  Scratch s;
  json::object file = sick_stack(s);
  jsonx::set(file, {"dumb", "startup", "readiness_timeout_seconds"}, 300);
  REQUIRE(s.open(file));
  const auto booted = begin_boot(s);
  REQUIRE(test::run_until(s.context, [&] { return s.state("Sick") == "running"; }));
  CHECK(s.state("App") == "waiting");
  json::object updates;
  updates["depends_on"] = nullptr;
  engine::ConfigUpdate update;
  update.process_name = "App";
  update.updates = updates;
  REQUIRE(s.run(s.engine->update_config(update)));
  REQUIRE(test::run_until(s.context, [&] { return *booted; }));
  CHECK(s.state("App") == "running");
  s.run(s.engine->shutdown());
}

TEST_CASE("down of a service that only waits says that its start is called off", "[engine][API-131]") {
  Scratch s;
  REQUIRE(s.open(sick_stack(s)));
  s.run(s.engine->boot());
  const auto over = s.run(s.engine->down({{"App"}}));
  REQUIRE(over);
  CHECK(over->ok);
  REQUIRE(over->steps.size() == 1);
  CHECK(over->steps.front().process_name == "App");
  CHECK(over->steps.front().state == "stopped");
  CHECK(over->steps.front().reason == "its start was still to come and is called off");
  CHECK(s.state("Sick") == "running");
  s.run(s.engine->shutdown());
}

TEST_CASE("a need on a service that is not enabled is told, and not waited for", "[engine][LIF-35][CFG-21]") {
  Scratch s;
  json::object file = Scratch::document();
  s.add(file, "job", "Job", Scratch::custom({"--exit", "0"}));
  file["job"].as_object()["enabled"] = false;
  s.add(file, "app", "App", Scratch::custom({}));
  needs(file, "app", "Job", "completed_successfully");
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  CHECK(s.state("App") == "running");
  CHECK(step(s.engine->stack_operation(), "App").warnings ==
        std::vector<std::string>{"Job, which is not enabled"});
  CHECK_THAT(s.main_log(), ContainsSubstring("App is started without Job, which is not enabled"));
  s.run(s.engine->shutdown());
}

TEST_CASE("services that wait for each other are told once for each configuration", "[engine][DEP-41]") {
  Scratch s;
  json::object file = Scratch::document();
  s.add(file, "x", "X", Scratch::custom({}));
  s.add(file, "y", "Y", Scratch::custom({}));
  needs(file, "x", "Y", "started");
  needs(file, "y", "X", "started");
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  CHECK(s.state("X") == "running");
  const auto told = [&] {
    const std::string log = s.main_log();
    std::size_t count = 0;
    for (std::size_t at = log.find("X -> Y -> X"); at != std::string::npos;
         at = log.find("X -> Y -> X", at + 1))
      ++count;
    return count;
  };
  CHECK(told() == 1);
  engine::ConfigUpdate update;
  update.process_name = "X";
  update.updates = json::object{{"log_level", "DEBUG"}};
  REQUIRE(s.run(s.engine->update_config(update)));
  CHECK(told() == 2);
  s.run(s.engine->shutdown());
}
