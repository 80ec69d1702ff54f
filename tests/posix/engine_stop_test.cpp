// A stop that meets something else under way.
#include <csignal>

#include "engine_scratch.hpp"

using namespace dumb;
using test::Scratch;
namespace asio = boost::asio;

TEST_CASE("a stop during a restart is a stop: it is awaited, and the service does not come back",
          "[engine][API-37][LIF-65][LIF-68]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "deaf", "Deaf", Scratch::custom({"--ignore-term"}));
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Deaf")));
  const auto pid = static_cast<pid_t>(*s.engine->status("Deaf")->pid);
  std::optional<Result<engine::OperationReply>> restart;
  asio::co_spawn(
      s.context, s.engine->restart("Deaf"),
      [&](std::exception_ptr, Result<engine::OperationReply> result) { restart = std::move(result); });
  REQUIRE(test::run_until(s.context, [&] { return s.state("Deaf") == "stopping"; }));
  std::optional<Result<engine::OperationReply>> stop;
  asio::co_spawn(
      s.context, s.engine->stop("Deaf"),
      [&](std::exception_ptr, Result<engine::OperationReply> result) { stop = std::move(result); });
  REQUIRE(test::run_until(s.context, [&] { return restart.has_value(); }));
  CHECK(restart->error().is(Errc::cancelled));
  CHECK_FALSE(stop);
  CHECK(s.run(s.engine->stop("Deaf"))->status == "Shutdown already in progress");
  ::kill(pid, SIGKILL);
  REQUIRE(test::run_until(s.context, [&] { return stop.has_value(); }));
  REQUIRE(*stop);
  CHECK((*stop)->status == "Service stopped successfully");
  CHECK(s.state("Deaf") == "stopped");
  CHECK(s.run(s.engine->status_with_health("Deaf"))->restart.disabled);
  s.run(s.engine->shutdown());
  CHECK_THAT(s.main_log(), !ContainsSubstring("Deaf failed to start"));
}
