#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/health/health.hpp>
#include <optional>
#include <stdexcept>

#include "support/catch.hpp"
#include "support/listener.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using test::Listener;

namespace {

health::Verdict probe(std::vector<health::Endpoint> endpoints, std::chrono::milliseconds timeout = 1500ms) {
  asio::io_context context;
  health::Verdict verdict;
  std::exception_ptr thrown;
  asio::co_spawn(context, health::probe(std::move(endpoints), timeout),
                 [&](const std::exception_ptr& exception, health::Verdict result) {
                   thrown = exception;
                   verdict = std::move(result);
                 });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  return verdict;
}

health::Endpoint at(std::uint16_t port) {
  return {{"127.0.0.1"}, port};
}
std::uint16_t closed_port() {
  return static_cast<std::uint16_t>(test::free_port());
}

}  // namespace

TEST_CASE("a service is healthy when every port accepts", "[health][LIF-85][API-44]") {
  const Listener one;
  const Listener two;
  CHECK(probe({}) == health::Verdict{});
  CHECK(probe({at(one.port), at(two.port)}) == health::Verdict{});
}

TEST_CASE("the first port that does not accept is named", "[health][LIF-85][API-44]") {
  const Listener open;
  const std::uint16_t closed = closed_port();
  const auto verdict = probe({at(open.port), at(closed), {{"127.0.0.2"}, 1}});
  CHECK_FALSE(verdict.healthy);
  CHECK(verdict.reason == "no answer on 127.0.0.1:" + std::to_string(closed));
}

TEST_CASE("ports that hang are probed at once, each to its limit", "[health][LIF-85][LIF-86]") {
  const Listener a(Listener::Backlog::full);
  const Listener b(Listener::Backlog::full);
  const Listener c(Listener::Backlog::full);
  const auto began = std::chrono::steady_clock::now();
  const auto verdict = probe({at(a.port), at(b.port), at(c.port)}, 400ms);
  const auto took = std::chrono::steady_clock::now() - began;
  CHECK(verdict.reason == "no answer on 127.0.0.1:" + std::to_string(a.port));
  CHECK(took >= 400ms);
  CHECK(took < 1000ms);
}

TEST_CASE("a later host of an endpoint is enough", "[health][LIF-85]") {
  const Listener open;
  CHECK(probe({{{"::1", "127.0.0.1"}, open.port}}).healthy);
  CHECK(probe({{{"localhost"}, open.port}}).healthy);
  const std::uint16_t closed = closed_port();
  const std::string port = std::to_string(closed);
  CHECK(probe({{{"::1", "127.0.0.1"}, closed}}).reason ==
        "no answer on [::1]:" + port + " or 127.0.0.1:" + port);
}

TEST_CASE("a cancelled probe ends at once and leaves nothing running", "[health][LIF-85]") {
  const Listener hung(Listener::Backlog::full);
  asio::io_context context;
  asio::cancellation_signal signal;
  std::optional<health::Verdict> verdict;
  asio::co_spawn(
      context, health::probe({at(hung.port)}, 30s),
      asio::bind_cancellation_slot(
          signal.slot(), [&](const std::exception_ptr&, health::Verdict result) { verdict = result; }));
  asio::steady_timer later(context, 30ms);
  later.async_wait([&](const auto&) { signal.emit(asio::cancellation_type::terminal); });
  const auto began = std::chrono::steady_clock::now();
  context.run();
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  REQUIRE(verdict);
  CHECK_FALSE(verdict->healthy);
}

TEST_CASE("a probe takes a place for each connect and waits when there is none", "[health][LIF-87]") {
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<health::Endpoint> endpoints;
  for (int i = 0; i < 5; ++i) {
    listeners.push_back(std::make_unique<Listener>(Listener::Backlog::full));
    endpoints.push_back({{"127.0.0.1"}, listeners.back()->port});
  }
  asio::io_context context;
  Gate places(context.get_executor(), 2);
  std::optional<health::Verdict> verdict;
  asio::co_spawn(
      context, health::probe(endpoints, 100ms, &places),
      [&](const std::exception_ptr&, health::Verdict result) { verdict.emplace(std::move(result)); });
  std::size_t most = 0;
  const auto begun = std::chrono::steady_clock::now();
  while (!verdict && context.run_one() != 0) most = std::max(most, places.taken());
  REQUIRE(verdict);
  CHECK_FALSE(verdict->healthy);
  CHECK(most == 2);
  // Three turns of two, two and one, each with the whole time.
  CHECK(std::chrono::steady_clock::now() - begun >= 290ms);
  context.run();
  CHECK(places.taken() == 0);
}
