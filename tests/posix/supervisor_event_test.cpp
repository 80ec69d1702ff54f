#include "supervisor/event_asio.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "support/async.hpp"
#include "support/catch.hpp"

using namespace dumb;
namespace asio = boost::asio;

namespace {

/// Is called off while it runs, and only then begins to wait.
asio::awaitable<bool> wait_when_called_off(asio::cancellation_signal& stop) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  stop.emit(asio::cancellation_type::all);
  asio::steady_timer timer(executor);
  const bool slept = co_await supervisor::pause_for(timer, std::chrono::hours(1));
  auto never = std::make_shared<supervisor::OneShot<int>>(executor);
  const std::optional<int> value = co_await supervisor::OneShot<int>::wait(never);
  co_return slept || value.has_value();
}

}  // namespace

TEST_CASE("a wait that begins after its cancellation ends at once", "[supervisor][LIF-5][LIF-46]") {
  asio::io_context context;
  asio::cancellation_signal stop;
  std::optional<bool> waited;
  asio::co_spawn(
      context, wait_when_called_off(stop),
      asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr, bool value) { waited = value; }));
  REQUIRE(test::run_until(context, [&] { return waited.has_value(); }));
  CHECK_FALSE(*waited);
}
