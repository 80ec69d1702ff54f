// Boot, up and down with real children: conditions, strictness, phases.
#include <dumb/base/atomic_file.hpp>

#include "engine_stack_scene.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using test::begin_boot;
using test::needs;
using test::Scratch;
using test::step;

namespace {

std::string reason_of(Scratch& s, std::string_view name) {
  return s.engine->status(name)->state_reason.value_or("");
}

/// A flag that a child of another user can see.
void raise(const std::filesystem::path& flag) {
  test::write_text(flag, "");
  std::filesystem::permissions(flag, std::filesystem::perms(0644));
}

}  // namespace

TEST_CASE("a dependent that asks for a healthy service starts when its port answers",
          "[engine][CFG-21][DEP-45]") {
  Scratch s;
  json::object file = Scratch::document();
  const std::string flag = s.dir / "flag";
  const int port = test::free_port();
  json::object web = Scratch::custom({"--wait-for", flag, "--listen", std::to_string(port)});
  web["port"] = port;
  s.add(file, "web", "Web", std::move(web));
  s.add(file, "app", "App", Scratch::custom({}));
  s.add(file, "other", "Other", Scratch::custom({}));
  needs(file, "app", "Web", "healthy");
  needs(file, "other", "Web");
  REQUIRE(s.open(file));
  const auto booted = begin_boot(s);
  // Who just needs it started has it by then; who needs it healthy waits on.
  REQUIRE(test::run_until(s.context, [&] { return s.state("Other") == "running"; }));
  CHECK(s.state("App") == "waiting");
  CHECK_THAT(reason_of(s, "App"), StartsWith("waits for Web, which is running but not healthy yet"));
  CHECK_FALSE(*booted);
  raise(flag);
  REQUIRE(test::run_until(s.context, [&] { return *booted; }));
  CHECK(s.state("App") == "running");
  s.run(s.engine->shutdown());
}

TEST_CASE("a job that must succeed first holds its dependents until it does",
          "[engine][CFG-21][DEP-45][LIF-142]") {
  Scratch s;
  json::object file = Scratch::document();
  const std::string flag = s.dir / "flag";
  s.add(file, "job", "Job", Scratch::custom({"--need", flag}));
  s.add(file, "app", "App", Scratch::custom({}));
  s.add(file, "front", "Front", Scratch::custom({}));
  needs(file, "app", "Job", "completed_successfully");
  needs(file, "front", "App");
  REQUIRE(s.open(file));
  s.run(s.engine->boot());  // over, although two are held back
  const engine::StackOperation boot = s.engine->stack_operation();
  CHECK_FALSE(boot.ok);
  CHECK(step(boot, "Job").state == "failed");
  CHECK(step(boot, "App").state == "pending");
  CHECK(s.state("App") == "waiting");
  CHECK_THAT(reason_of(s, "Front"), ContainsSubstring("waits for App, which waits for Job, which failed: "));
  raise(flag);
  REQUIRE(s.run(s.engine->start("Job")));
  REQUIRE(test::run_until(s.context, [&] { return s.state("Front") == "running"; }));
  CHECK(s.state("App") == "running");
  CHECK(s.engine->stack_operation().steps.size() == 3);
  s.run(s.engine->shutdown());
}

TEST_CASE("what waits for a job starts in the same boot when the job has succeeded",
          "[engine][DEP-45][LIF-142]") {
  Scratch s;
  json::object file = Scratch::document();
  s.add(file, "job", "Job", Scratch::custom({"--exit", "0", "--after", GENERATE("0ms", "100ms", "2500ms")}));
  s.add(file, "app", "App", Scratch::custom({}));
  needs(file, "app", "Job", "completed_successfully");
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  REQUIRE(test::run_until(s.context, [&] { return s.state("App") == "running"; }));
  CHECK(reason_of(s, "Job") == "completed: exit code 0");
  CHECK(s.engine->stack_operation().ok);
  s.run(s.engine->shutdown());
}

TEST_CASE("strictly, dependents of a service that failed wait until it is up", "[engine][DEP-45]") {
  Scratch s;
  json::object file = Scratch::document();
  const std::string flag = s.dir / "flag";
  json::object db = Scratch::custom({});
  db["command"] = json::array{"/bin/sh", "-c", "test -e " + flag + " && exec sleep 1000"};
  s.add(file, "db", "Db", std::move(db));
  s.add(file, "app", "App", Scratch::custom({}));
  s.add(file, "lone", "Lone", Scratch::custom({}));
  needs(file, "app", "Db");
  s.strict_start = true;
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  CHECK(s.state("Db") == "failed");
  CHECK(s.state("Lone") == "running");
  CHECK(s.state("App") == "waiting");
  CHECK_THAT(reason_of(s, "App"), ContainsSubstring("waits for Db, which failed: "));
  raise(flag);
  REQUIRE(s.run(s.engine->start("Db")));
  REQUIRE(test::run_until(s.context, [&] { return s.state("App") == "running"; }));
  s.run(s.engine->shutdown());
}

TEST_CASE("the first start goes through its phases to ready", "[engine][LIF-31][LIF-32][LIF-12]") {
  Scratch s;
  json::object file = Scratch::document();
  const std::string flag = s.dir / "flag";
  s.add(file, "db", "Db", Scratch::custom({"--wait-for", flag, "--notify", "READY=1"}));
  file["db"].as_object()["readiness"].emplace_object()["notify"] = true;
  s.add(file, "app", "App", Scratch::custom({}));
  s.add(file, "off", "Off", Scratch::custom({}));
  file["off"].as_object()["enabled"] = false;
  needs(file, "app", "Db");
  jsonx::set(file, {"dumb", "startup", "stabilization_seconds"}, 0.2);
  REQUIRE(s.open(file));
  CHECK(s.engine->startup_status().phase == "initializing");
  const auto booted = begin_boot(s);
  REQUIRE(test::run_until(s.context, [&] { return s.state("Db") == "running"; }));
  engine::StartupStatus now = s.engine->startup_status();
  CHECK(now.phase == "starting_services");
  CHECK_FALSE(now.terminal);
  CHECK_FALSE(now.completed_at);
  CHECK(now.expected_services == std::vector<std::string>{"App", "Db"});
  CHECK(now.services.at("Db").state == "starting");
  CHECK(now.services.at("App").state == "pending");
  CHECK_THAT(now.services.at("App").reason.value_or(""),
             StartsWith("waits for Db, which is running but not ready yet"));
  raise(flag);
  REQUIRE(test::run_until(s.context, [&] { return s.state("App") == "running"; }));
  REQUIRE(test::run_until(s.context, [&] { return s.engine->startup_status().phase == "stabilizing"; }));
  REQUIRE(test::run_until(s.context, [&] { return s.engine->startup_status().terminal; }));
  CHECK(*booted);
  now = s.engine->startup_status();
  CHECK(now.phase == "ready");
  CHECK(now.completed_at);
  CHECK(now.services.at("App").state == "ready");
  CHECK(now.failures.empty());
  REQUIRE(test::run_until(s.context, [&] {
    const auto text = file::read(s.dir / "healthcheck/startup_state.json");
    return text && text->find("\"ready\"") != std::string::npos;
  }));
  const auto state = jsonx::parse(test::read_text(s.dir / "healthcheck/startup_state.json"));
  CHECK(state->at("terminal").as_bool());
  CHECK(state->at("expected_services").as_array().size() == 2);
  CHECK_FALSE(state->as_object().contains("services"));
  s.run(s.engine->shutdown());
}

TEST_CASE("a first start that never comes to rest ends degraded, with reasons", "[engine][LIF-31][LIF-32]") {
  Scratch s;
  json::object file = Scratch::document();
  s.add(file, "bad", "Bad", Scratch::custom({"--exit", "3"}));
  s.add(file, "slow", "Slow", Scratch::custom({}));
  file["slow"].as_object()["wait_for_dir"] = "/never/here";
  s.add(file, "good", "Good", Scratch::custom({}));
  jsonx::set(file, {"dumb", "startup", "readiness_timeout_seconds"}, 1.0);
  REQUIRE(s.open(file));
  const auto booted = begin_boot(s);
  REQUIRE(test::run_until(s.context, [&] { return s.engine->startup_status().terminal; }));
  const engine::StartupStatus now = s.engine->startup_status();
  CHECK(now.phase == "degraded");
  CHECK(now.failures.size() == 2);
  CHECK_THAT(now.failures.at("Bad"), ContainsSubstring("exit code 3"));
  CHECK_THAT(now.failures.at("Slow"), ContainsSubstring("/never/here"));
  // The stack goes on starting behind it.
  CHECK_FALSE(*booted);
  std::filesystem::create_directories(s.dir / "never/here");
  REQUIRE(test::run_until(s.context, [&] { return *booted; }));
  CHECK(s.state("Slow") == "running");
  s.run(s.engine->shutdown());
}

TEST_CASE("a shutdown in the middle of a boot starts nothing more", "[engine][LIF-11][DEP-45]") {
  Scratch s;
  json::object file = Scratch::document();
  s.add(file, "db", "Db", Scratch::custom({}));
  file["db"].as_object()["wait_for_dir"] = "/never/here";
  const std::string touched = s.dir / "touched";
  s.add(file, "app", "App", Scratch::custom({"--touch", touched}));
  needs(file, "app", "Db");
  REQUIRE(s.open(file));
  const auto booted = begin_boot(s);
  REQUIRE(test::run_until(s.context, [&] { return s.state("Db") == "waiting"; }));
  s.run(s.engine->shutdown());
  CHECK(*booted);
  CHECK_FALSE(std::filesystem::exists(touched));
  CHECK(s.state("App") == "stopped");
}
