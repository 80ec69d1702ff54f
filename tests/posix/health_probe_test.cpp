#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

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
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

/// A listening TCP socket on 127.0.0.1. With `full`, its backlog is used up, so that a connect hangs.
struct Listener {
  enum class Backlog { open, full };
  explicit Listener(Backlog backlog = Backlog::open) {
    fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(fd.get(), backlog == Backlog::full ? 0 : 16) != 0 ||
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no listener");
    }
    port = ntohs(address.sin_port);
    for (int i = 0; backlog == Backlog::full && i < 4; ++i) {
      fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)::connect(fillers.back().get(), reinterpret_cast<sockaddr*>(&address), size);
    }
  }
  UniqueFd fd;
  std::vector<UniqueFd> fillers;
  std::uint16_t port = 0;
};

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
