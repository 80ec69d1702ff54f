#include "engine_scratch.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using test::Scratch;

namespace {

json::object probe(const std::string& flag) {
  json::object readiness;
  readiness["exec"] = json::array{test::test_child(), "--need", flag};
  readiness["period_ms"] = 10;
  readiness["failure_threshold"] = 1;
  return readiness;
}

}  // namespace

TEST_CASE("health follows the declared readiness, not the port", "[engine][LIF-141][LIF-85][CFG-106]") {
  Scratch s;
  json::object file = Scratch::document();
  const std::string flag = s.dir / "flag";
  const std::string healthy = s.dir / "healthy";
  const int port = test::free_port();
  json::object web = Scratch::custom({"--listen", std::to_string(port), "--healthy", healthy});
  web["port"] = port;
  web["readiness"] = json::object{
      {"http", json::object{{"path", "/{process_name}"}}}, {"period_ms", 10}, {"failure_threshold", 1}};
  s.add(file, "web", "Web", std::move(web));
  json::object job = Scratch::custom({});
  job["port"] = test::free_port();  // nobody listens there
  job["readiness"] = probe(flag);
  s.add(file, "job", "Job", std::move(job));
  test::write_text(flag, "");
  std::filesystem::permissions(flag, std::filesystem::perms(0644));
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Web")));
  REQUIRE(s.run(s.engine->start("Job")));
  const auto reason = [&](const char* name) {
    const auto health = s.run(s.engine->status_with_health(name));
    REQUIRE(health);
    CHECK(health->healthy == !health->health_reason.has_value());
    return health->health_reason.value_or("healthy");
  };
  CHECK(reason("Web") ==
        "not ready yet: HTTP status 503 from http://127.0.0.1:" + std::to_string(port) + "/Web");
  CHECK(reason("Job") == "healthy");
  test::write_text(healthy, "");
  std::filesystem::permissions(healthy, std::filesystem::perms(0644));
  std::filesystem::remove(flag);
  CHECK(test::run_until(s.context, [&] { return reason("Web") == "healthy"; }));
  CHECK(test::run_until(s.context, [&] {
    return reason("Job") == "not ready any more: " + test::test_child() + ": exit code 1";
  }));
  s.run(s.engine->shutdown());
}

TEST_CASE("at boot a dependent waits for the declared readiness", "[engine][LIF-36][LIF-139][DEP-45]") {
  Scratch s;
  json::object file = Scratch::document();
  const std::string flag = s.dir / "flag";
  json::object database = Scratch::custom({});
  database["readiness"] = probe(flag);
  s.add(file, "database", "Database", std::move(database));
  json::object app = Scratch::custom({});
  app["depends_on"] = json::array{"Database"};
  s.add(file, "app", "App", std::move(app));
  REQUIRE(s.open(file));
  bool booted = false;
  boost::asio::co_spawn(s.context, s.engine->boot(), [&](std::exception_ptr) { booted = true; });
  REQUIRE(test::run_until(s.context, [&] { return s.state("Database") == "running"; }));
  const auto health = s.run(s.engine->status_with_health("Database"));
  CHECK_THAT(health->health_reason.value_or(""), ContainsSubstring("not ready yet"));
  CHECK(s.state("App") == "waiting");
  CHECK_FALSE(booted);
  test::write_text(flag, "");
  std::filesystem::permissions(flag, std::filesystem::perms(0644));
  CHECK(test::run_until(s.context, [&] { return booted; }));
  CHECK(s.state("App") == "running");
  s.run(s.engine->shutdown());
}

TEST_CASE("an end with code 0 is a success only of a service whose completion is awaited",
          "[engine][LIF-56][LIF-142]") {
  Scratch s;
  json::object file = Scratch::document();
  s.add(file, "job", "Job", Scratch::custom({"--exit", "0"}));
  s.add(file, "other", "Other", Scratch::custom({"--exit", "0"}));
  json::object app = Scratch::custom({});
  app["depends_on"] =
      json::array{json::object{{"process_name", "Job"}, {"condition", "completed_successfully"}},
                  json::object{{"process_name", "Other"}, {"condition", "started"}}};
  s.add(file, "app", "App", std::move(app));
  REQUIRE(s.open(file));
  CHECK(s.run(s.engine->start("Job")));
  CHECK(s.state("Job") == "stopped");
  CHECK(s.engine->status("Job")->state_reason == "completed: exit code 0");
  CHECK_FALSE(s.run(s.engine->start("Other")));
  CHECK(s.state("Other") == "failed");
  s.run(s.engine->shutdown());
}

TEST_CASE("a service that is still becoming ready does not make the stack unhealthy",
          "[engine][LIF-141][LIF-116]") {
  Scratch s;
  json::object file = Scratch::document();
  jsonx::set(file, {"dumb", "auto_restart", "grace_period_seconds"}, 0);
  const std::string flag = s.dir / "flag";
  json::object late = Scratch::custom({});
  late["enabled"] = false;
  late["readiness"] = probe(flag);
  s.add(file, "late", "Late", std::move(late));
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  REQUIRE(s.run(s.engine->start("Late")));
  CHECK_FALSE(s.run(s.engine->status_with_health("Late"))->healthy);
  CHECK(s.run(s.engine->health()).healthy);
  test::write_text(flag, "");
  std::filesystem::permissions(flag, std::filesystem::perms(0644));
  CHECK(test::run_until(s.context, [&] { return s.run(s.engine->status_with_health("Late"))->healthy; }));
  std::filesystem::remove(flag);
  CHECK(test::run_until(s.context, [&] { return !s.run(s.engine->health()).healthy; }));
  CHECK_THAT(s.run(s.engine->health()).details, ContainsSubstring("Late: not ready any more: "));
  s.run(s.engine->shutdown());
}
