// How often and how many at once health checks knock.
#include <array>

#include "engine_scratch.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/listener.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using test::Listener;
using test::Scratch;

namespace {

constexpr std::array<const char*, 4> variables{"PORT", "FRONTEND_PORT", "BACKEND_PORT", "WEBDAV_PORT"};

void probe_in_env(json::object& block, const char* variable, const Listener& listener) {
  jsonx::set(block, {"env", variable}, json::value(json::string(std::to_string(listener.port))));
}

/// Asks for the health of a service; counts down when it is told.
void ask(Scratch& s, const char* name, int& open) {
  ++open;
  asio::co_spawn(s.context, s.engine->status_with_health(name),
                 [&open](std::exception_ptr, const Result<engine::ServiceHealth>&) { --open; });
}

}  // namespace

TEST_CASE("no more than 32 probes of the whole stack are under way", "[engine][LIF-87]") {
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<const Listener*> all;
  for (int i = 0; i < 5; ++i) {
    listeners.push_back(std::make_unique<Listener>(Listener::Backlog::full));
    all.push_back(listeners.back().get());
  }
  const std::size_t others = test::connecting_to(all);
  Scratch s;
  auto file = Scratch::document();
  for (int i = 0; i < 8; ++i) {  // forty ports
    const std::string key = "svc" + std::to_string(i);
    s.add(file, key, "Svc " + std::to_string(i), Scratch::custom({}));
    json::object& block = file[key].as_object();
    for (std::size_t k = 0; k < variables.size(); ++k) probe_in_env(block, variables[k], *listeners[k]);
    block["webdav_port"] = listeners[4]->port;
  }
  jsonx::set(file, {"dumb", "auto_restart", "grace_period_seconds"}, 0);
  jsonx::set(file, {"dumb", "startup", "readiness_timeout_seconds"}, 0);
  REQUIRE(s.open(file));
  s.boot();
  REQUIRE(test::run_until(s.context, [&] { return test::connecting_to(all) == others; }));
  std::optional<engine::HealthReport> report;
  asio::co_spawn(s.context, s.engine->health(),
                 [&](std::exception_ptr, engine::HealthReport told) { report.emplace(std::move(told)); });
  std::size_t most = 0;
  REQUIRE(test::run_until(s.context, [&] {
    most = std::max(most, test::connecting_to(all) - others);
    return report.has_value();
  }));
  CHECK(most == 32);
  CHECK_FALSE(report->healthy);
  CHECK_THAT(report->details, ContainsSubstring("Svc 0: no answer on 127.0.0.1:"));
  s.run(s.engine->shutdown());
}

TEST_CASE("a service is probed once for all who ask, and again when two seconds have passed",
          "[engine][LIF-87]") {
  const Listener listener;
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  probe_in_env(file["svc"].as_object(), "PORT", listener);
  jsonx::set(file, {"dumb", "auto_restart", "grace_period_seconds"}, 0);
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  static_cast<void>(listener.accepted());  // the watch of the start
  int open = 0;
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) ask(s, "Svc", open);
  CHECK(s.run(s.engine->health()).healthy);
  REQUIRE(test::run_until(s.context, [&] { return open == 0; }));
  CHECK(listener.accepted() == 1);
  for (int i = 0; i < 10; ++i) CHECK(s.run(s.engine->status_with_health("Svc"))->healthy);
  CHECK(s.run(s.engine->health()).healthy);
  std::size_t more = 0;
  REQUIRE(test::eventually([&] {
    static_cast<void>(s.run(s.engine->status_with_health("Svc")));
    more += listener.accepted();
    return more > 0;
  }));
  CHECK(more == 1);
  CHECK(std::chrono::steady_clock::now() - begun >= 2s);
  s.run(s.engine->shutdown());
}

TEST_CASE("a service that does not answer has one probe in flight, whoever asks", "[engine][LIF-87]") {
  const Listener listener(Listener::Backlog::full);
  const std::size_t others = test::connecting_to({&listener});
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  probe_in_env(file["svc"].as_object(), "PORT", listener);
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  REQUIRE(test::run_until(s.context, [&] { return test::connecting_to({&listener}) == others; }));
  int open = 0;
  for (int i = 0; i < 10; ++i) ask(s, "Svc", open);
  std::size_t most = 0;
  REQUIRE(test::run_until(s.context, [&] {
    most = std::max(most, test::connecting_to({&listener}) - others);
    return open == 0;
  }));
  CHECK(most == 1);
  s.run(s.engine->shutdown());
}
