#include <dumb/engine/engine.hpp>

#include <unistd.h>

#include <csignal>
#include <dumb/base/atomic_file.hpp>
#include <dumb/catalog/catalog.hpp>

#include "engine_scratch.hpp"
#include "supervisor/proc_posix.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using test::Scratch;

namespace {

bool is_gone(pid_t pid) {
  const auto stat = supervisor::read_stat(pid);
  return !stat || stat->state == 'Z';
}

}  // namespace

TEST_CASE("a stack boots, reports itself and leaves nothing behind",
          "[engine][LIF-7][LIF-34][LIF-60][LIF-76][LIF-82]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "one", "One",
        Scratch::custom({"--text", "INFO up", "--env", "GREETING", "--env", "EXTRA", "--ids"}));
  file["one"].as_object()["env"] = json::object{{"EXTRA", "{process_name}!"}};
  s.add(file, "two", "Two", Scratch::custom({"--fork"}));
  file["two"].as_object()["depends_on"] = json::array{"One"};
  s.add(file, "off", "Off", Scratch::custom({}));
  file["off"].as_object()["enabled"] = false;
  REQUIRE(s.open(file));
  const std::string before = s.file_text();
  s.run(s.engine->boot());
  CHECK(s.state("One") == "running");
  CHECK(s.state("two") == "running");
  CHECK(s.state("Off") == "stopped");
  CHECK(s.engine->status("DUMB API")->status == "running");
  CHECK(s.file_text() == before);
  const auto one = s.engine->status("One");
  const auto two = s.engine->status("Two");
  CHECK(*one->started_at <= *two->started_at);
  REQUIRE(test::run_until(s.context, [&] {
    const auto text = file::read(s.dir / "healthcheck/running_processes.json");
    return text && text->find("\"One\": " + std::to_string(*one->pid)) != std::string::npos;
  }));
  const auto listed = s.run(s.engine->processes());
  REQUIRE(listed.processes.size() > 20);
  CHECK(s.run(s.engine->health()).healthy);
  s.run(s.engine->shutdown());
  CHECK(is_gone(static_cast<pid_t>(*one->pid)));
  CHECK(is_gone(static_cast<pid_t>(*two->pid)));
  CHECK_THAT(s.log("one.log"), ContainsSubstring("GREETING=hello") && ContainsSubstring("EXTRA=One!"));
  if (::geteuid() == 0) CHECK_THAT(s.log("one.log"), ContainsSubstring("uid=1000 gid=1000"));
  CHECK(test::holds_no_launch(s.dir / "run/dumb"));
  CHECK_THAT(test::read_text(s.dir / "healthcheck/running_processes.json"), !ContainsSubstring("One"));
}

TEST_CASE("what is asked for while the machine is being prepared happens after it",
          "[engine][LIF-6][LIF-7][LIF-122]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  s.add(file, "rid", "Rid", Scratch::custom({}));
  s.add(file, "off", "Off", Scratch::custom({}));
  file["off"].as_object()["enabled"] = false;
  REQUIRE(s.open(file));
  bool booted = false;
  asio::co_spawn(s.context, s.engine->boot(), [&](std::exception_ptr) { booted = true; });
  // Queued behind the first step of the boot and before its next one.
  std::optional<Result<engine::OperationReply>> stopped;
  asio::co_spawn(
      s.context, s.engine->stop("Rid"),
      [&](std::exception_ptr, Result<engine::OperationReply> reply) { stopped = std::move(reply); });
  CHECK(s.run(s.engine->start("nobody")).error().is(Errc::not_found));
  CHECK_FALSE(booted);
  const auto started = s.run(s.engine->start("Off"));
  REQUIRE(started);
  CHECK(started->status == "Service started successfully");
  REQUIRE(test::run_until(s.context, [&] { return booted && stopped; }));
  CHECK(*stopped);
  CHECK(s.state("Svc") == "running");
  CHECK(s.state("Off") == "running");
  CHECK(s.state("Rid") == "stopped");
  CHECK_FALSE(std::filesystem::exists(s.dir / "log/rid.log"));  // it never ran
  s.run(s.engine->shutdown());
  engine::LogQuery query;
  query.process_name = "DUMB API";
  const auto told = s.run(s.engine->logs(query));
  REQUIRE(told);
  const std::string wanted = ::geteuid() == 0 ? "is not a mount point" : "owners are left as they are";
  CHECK_THAT(told->chunk, ContainsSubstring(wanted));
}

TEST_CASE("start enables and saves, stop does not disable",
          "[engine][API-28][API-30][API-35][API-36][API-40]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "My Service", Scratch::custom({}));
  file["svc"].as_object()["enabled"] = false;
  REQUIRE(s.open(file));
  const auto started = s.run(s.engine->start(" my service "));
  REQUIRE(started);
  CHECK(started->status == "Service started successfully");
  CHECK(started->process_name == "My Service");
  CHECK_THAT(s.file_text(), ContainsSubstring("\"enabled\": true,\n        \"command\""));
  CHECK(s.run(s.engine->start("My Service")));
  const auto stopped = s.run(s.engine->stop("My Service"));
  REQUIRE(stopped);
  CHECK(stopped->status == "Service stopped successfully");
  CHECK_THAT(s.file_text(), ContainsSubstring("\"enabled\": true,\n        \"command\""));
  CHECK(s.run(s.engine->status_with_health("My Service"))->restart.disabled);
  CHECK(s.run(s.engine->stop("My Service"))->status == "Service stopped successfully");
  CHECK(s.run(s.engine->restart("My Service"))->status == "Service restarted successfully");
  s.run(s.engine->shutdown());
}

TEST_CASE("unknown, blank and own names are refused", "[engine][API-16][API-18][API-35][API-39][LIF-82]") {
  Scratch s;
  REQUIRE(s.open(Scratch::document()));
  for (const auto operation : {&engine::Engine::start, &engine::Engine::stop, &engine::Engine::restart}) {
    CHECK(s.run((s.engine.get()->*operation)("nobody")).error().is(Errc::not_found));
    CHECK(s.run((s.engine.get()->*operation)("  ")).error().is(Errc::invalid_argument));
    CHECK(s.run((s.engine.get()->*operation)("DUMB API")).error().is(Errc::unsupported));
  }
  CHECK(s.engine->status("nobody").error().is(Errc::not_found));
  CHECK(s.engine->status("DMB API")->status == "running");
  CHECK(s.engine->status("dbrepair")->status == "stopped");
  s.run(s.engine->shutdown());
  CHECK(s.run(s.engine->start("Zilean")).error().is(Errc::unavailable));
}

TEST_CASE("a service that ends at once is reported with its code and words", "[engine][API-31][LIF-56]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "bad", "Bad", Scratch::custom({"--error", "password=hunter2hunter2 refused", "--exit", "7"}));
  REQUIRE(s.open(file));
  const auto started = s.run(s.engine->start("Bad"));
  REQUIRE_FALSE(started);
  CHECK_THAT(started.error().message(), ContainsSubstring("exit code 7") && ContainsSubstring("refused"));
  CHECK(s.state("Bad") == "failed");
  CHECK(s.engine->status("Bad")->status == "stopped");
  const auto health = s.run(s.engine->status_with_health("Bad"));
  CHECK_FALSE(health->healthy);
  CHECK(*health->restart.last_exit_reason == "exit code 7");
  s.run(s.engine->shutdown());
}

TEST_CASE("a working directory that is not there fails the start by name", "[engine][LIF-41]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  file["svc"].as_object()["config_dir"] = "/nowhere";
  REQUIRE(s.open(file));
  const auto started = s.run(s.engine->start("Svc"));
  REQUIRE_FALSE(started);
  CHECK(started.error().message() == "the working directory /nowhere does not exist");
  CHECK(s.state("Svc") == "failed");
  s.run(s.engine->shutdown());
}

TEST_CASE("a start whose port is taken moves, tells and saves", "[engine][API-33][LIF-15][ONB-52]") {
  Scratch s;
  auto file = Scratch::document();
  const int taken = test::free_port();
  s.add(file, "holder", "Holder", Scratch::custom({"--listen", std::to_string(taken)}));
  s.add(file, "web", "Web", Scratch::custom({"--listen", "{port}"}));
  file["web"].as_object()["port"] = taken;
  file["web"].as_object()["enabled"] = false;
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Holder")));
  const auto started = s.run(s.engine->start("Web"));
  REQUIRE(started);
  REQUIRE(started->port_changes.size() == 1);
  CHECK(started->port_changes[0].field == "port");
  CHECK(started->port_changes[0].from == taken);
  CHECK(started->port_changes[0].to > taken);
  CHECK_THAT(s.file_text(), ContainsSubstring("\"port\": " + std::to_string(started->port_changes[0].to)));
  CHECK(s.run(s.engine->status_with_health("Web"))->healthy);
  s.run(s.engine->shutdown());
}

TEST_CASE("a second operation is refused while one runs, a stop ends a waiting start",
          "[engine][API-19][API-37][LIF-4][LIF-65]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "w", "Waiter", Scratch::custom({}));
  file["w"].as_object()["wait_for_dir"] = "/never";
  file["w"].as_object()["enabled"] = false;
  s.add(file, "deaf", "Deaf", Scratch::custom({"--ignore-term"}));
  REQUIRE(s.open(file));
  std::optional<Result<engine::OperationReply>> first;
  asio::co_spawn(
      s.context, s.engine->start("Waiter"),
      [&](std::exception_ptr, Result<engine::OperationReply> result) { first = std::move(result); });
  REQUIRE(test::run_until(s.context, [&] { return s.state("Waiter") == "waiting"; }));
  CHECK(s.run(s.engine->start("Waiter")).error().is(Errc::conflict));
  CHECK(s.run(s.engine->stop("Waiter")));
  REQUIRE(first);
  CHECK(first->error().is(Errc::cancelled));

  REQUIRE(s.run(s.engine->start("Deaf")));
  std::optional<Result<engine::OperationReply>> stopping;
  asio::co_spawn(
      s.context, s.engine->stop("Deaf"),
      [&](std::exception_ptr, Result<engine::OperationReply> result) { stopping = std::move(result); });
  REQUIRE(test::run_until(s.context, [&] { return s.state("Deaf") == "stopping"; }));
  CHECK(s.run(s.engine->stop("Deaf"))->status == "Shutdown already in progress");
  CHECK(s.run(s.engine->start("Deaf")).error().is(Errc::conflict));
  ::kill(static_cast<pid_t>(*s.engine->status("Deaf")->pid), SIGKILL);
  REQUIRE(test::run_until(s.context, [&] { return stopping.has_value(); }));
  CHECK(*stopping);
  s.run(s.engine->shutdown());
}

TEST_CASE("a reload with a fault keeps the running configuration", "[engine][CFG-34]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  const auto pid = s.engine->status("Svc")->pid;
  test::write_text(s.dir / "config/dumb_config.json", "{\"puid\": 0}");
  CHECK_FALSE(s.engine->reload());
  test::write_text(s.dir / "config/dumb_config.json", "{");
  CHECK_FALSE(s.engine->reload());
  CHECK(s.engine->status("Svc")->pid == pid);
  CHECK(s.state("Svc") == "running");
  file["svc"].as_object()["log_level"] = "debug";
  test::write_text(s.dir / "config/dumb_config.json", jsonx::print(file));
  CHECK(s.engine->reload());
  CHECK(jsonx::string_at(*s.engine->config_of("Svc"), "log_level") == "DEBUG");
  CHECK(s.engine->status("Svc")->pid == pid);
  s.run(s.engine->shutdown());
}

TEST_CASE("a service whose block a reload removed can still be stopped", "[engine][CFG-34][LIF-64]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  const auto pid = static_cast<pid_t>(*s.engine->status("Svc")->pid);
  file.erase("svc");
  test::write_text(s.dir / "config/dumb_config.json", jsonx::print(file));
  REQUIRE(s.engine->reload());
  CHECK_FALSE(is_gone(pid));
  CHECK(s.engine->status("svc")->status == "running");
  CHECK(s.engine->config_of("Svc").error().is(Errc::not_found));
  CHECK(s.run(s.engine->restart("Svc")).error().is(Errc::not_found));
  CHECK_FALSE(is_gone(pid));
  CHECK(s.run(s.engine->stop("Svc")));
  CHECK(is_gone(pid));
  CHECK(s.engine->status("Svc").error().is(Errc::not_found));
  s.run(s.engine->shutdown());
}

TEST_CASE("shutdown stops dependents before what they need", "[engine][LIF-72][LIF-73][DEP-44]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "base", "Base", Scratch::custom({}));
  s.add(file, "mid", "Mid", Scratch::custom({}));
  s.add(file, "top", "Top", Scratch::custom({}));
  file["mid"].as_object()["depends_on"] = json::array{"Base"};
  file["top"].as_object()["depends_on"] = json::array{"Mid"};
  s.add(file, "wait", "Wait", Scratch::custom({}));
  file["wait"].as_object()["wait_for_dir"] = "/never";
  REQUIRE(s.open(file));
  bool booted = false;
  asio::co_spawn(s.context, s.engine->boot(), [&](std::exception_ptr) { booted = true; });
  REQUIRE(test::run_until(s.context,
                          [&] { return s.state("Top") == "running" && s.state("Wait") == "waiting"; }));
  s.run(s.engine->shutdown());
  CHECK(test::run_until(s.context, [&] { return booted; }));
  CHECK(s.state("Wait") == "stopped");
  for (const char* name : {"Base", "Mid", "Top"}) CHECK(s.state(name) == "stopped");
  CHECK(s.run(s.engine->start("Base")).error().is(Errc::unavailable));
}

TEST_CASE("logs are read with a cursor and secrets stay out of them", "[engine][LIF-109][LIF-110][LIF-108]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({"--text", "INFO the key is topsecret123", "--print", "3"}));
  file["svc"].as_object()["api_key"] = "topsecret123";
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Svc")));
  engine::LogQuery query;
  query.process_name = "svc";
  std::optional<engine::LogChunk> chunk;
  REQUIRE(test::eventually([&] {
    chunk = *s.run(s.engine->logs(query));
    return chunk->chunk.find("line 3") != std::string::npos;
  }));
  CHECK(chunk->reset);
  CHECK(chunk->log == chunk->chunk);
  CHECK_THAT(chunk->chunk, ContainsSubstring("[REDACTED]") && !ContainsSubstring("topsecret123"));
  query.cursor = chunk->cursor;
  query.file_id = chunk->file_id;
  const auto next = s.run(s.engine->logs(query));
  CHECK(next->chunk.empty());
  CHECK_FALSE(next->reset);
  CHECK_FALSE(next->log);
  query.process_name = "nobody";
  CHECK(s.run(s.engine->logs(query)).error().is(Errc::not_found));
  s.run(s.engine->shutdown());
}

TEST_CASE("a crash makes the stack unhealthy and recovery is told", "[engine][LIF-117][LIF-118][LIF-121]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  jsonx::set(file, {"dumb", "auto_restart", "grace_period_seconds"}, 0);
  s.self_check = 50ms;
  REQUIRE(s.open(file));
  s.boot();
  CHECK(s.run(s.engine->health()).healthy);
  ::kill(static_cast<pid_t>(*s.engine->status("Svc")->pid), SIGKILL);
  REQUIRE(test::run_until(s.context, [&] { return s.state("Svc") == "stopped"; }));
  const auto report = s.run(s.engine->health());
  CHECK_FALSE(report.healthy);
  CHECK_THAT(report.details, ContainsSubstring("Svc: not running: ended by itself: signal 9 (KILL)"));
  const auto main_log = [&] {
    engine::LogQuery query;
    query.process_name = "DUMB";
    return s.run(s.engine->logs(query))->chunk;
  };
  REQUIRE(
      test::eventually([&] { return main_log().find("the stack is unhealthy: Svc") != std::string::npos; }));
  REQUIRE(s.run(s.engine->start("Svc")));
  REQUIRE(
      test::eventually([&] { return main_log().find("the stack is healthy again") != std::string::npos; }));
  s.run(s.engine->shutdown());
}

TEST_CASE("a default configuration is created, boots and is healthy", "[engine][CFG-2][UI-30]") {
  Scratch s;
  engine::Options options;
  options.root = Root(s.dir.path());
  options.log_to_standard_output = false;
  auto opened = engine::Engine::open(s.context, std::move(options));
  REQUIRE(opened);
  s.engine = std::move(*opened);
  CHECK(s.file_text() == jsonx::print(catalog::Catalog::embedded().default_document()));
  s.run(s.engine->boot());
  CHECK(s.run(s.engine->health()).healthy);
  s.run(s.engine->shutdown());
}
