#include "deadline_asio.hpp"

#include <boost/asio/io_context.hpp>
#include <stdexcept>

#include "support/catch.hpp"

using namespace dumb::server;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

asio::awaitable<int> after(std::chrono::milliseconds time, int value, bool& cancelled) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  const auto [error] = co_await timer.async_wait(token);
  cancelled = bool(error);
  co_return value;
}

asio::awaitable<int> broken() {
  throw std::runtime_error("broken");
  co_return 1;
}

/// Runs `work` under a limit to its end; `failure` gets what came out of it as an exception.
std::optional<int> run(asio::awaitable<int> work, std::chrono::milliseconds limit,
                       std::exception_ptr* failure = nullptr) {
  asio::io_context context;
  std::optional<int> out;
  asio::co_spawn(context, with_deadline(std::move(work), limit),
                 [&](std::exception_ptr thrown, std::optional<int> value) {
                   out = value;
                   if (failure != nullptr) *failure = std::move(thrown);
                 });
  context.run();
  return out;
}

}  // namespace

TEST_CASE("work that ends in time gives its value", "[server][LIF-116]") {
  bool cancelled = true;
  CHECK(run(after(1ms, 7, cancelled), 20s) == 7);
  CHECK_FALSE(cancelled);
}

TEST_CASE("work beyond its deadline is cancelled and not waited for", "[server][LIF-116]") {
  bool cancelled = false;
  const auto begin = std::chrono::steady_clock::now();
  CHECK_FALSE(run(after(60s, 7, cancelled), 20ms));
  CHECK(cancelled);
  CHECK(std::chrono::steady_clock::now() - begin < 20s);
}

TEST_CASE("what the work throws comes out", "[server][LIF-116]") {
  std::exception_ptr failure;
  CHECK_FALSE(run(broken(), 20s, &failure));
  CHECK(failure != nullptr);
}
