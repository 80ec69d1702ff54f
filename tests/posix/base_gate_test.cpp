#include <dumb/base/gate.hpp>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <vector>

#include "support/async.hpp"
#include "support/catch.hpp"

using namespace dumb;
namespace asio = boost::asio;

namespace {

struct Visits {
  std::size_t inside = 0;
  std::size_t most = 0;
  std::vector<int> order;
  std::size_t turned_away = 0;
};

asio::awaitable<void> visit(Gate& gate, Visits& visits, int number) {
  const bool entered = co_await gate.enter();
  if (!entered) {
    ++visits.turned_away;
    co_return;
  }
  const Gate::Held place(gate);
  visits.order.push_back(number);
  visits.most = std::max(visits.most, ++visits.inside);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  for (int i = 0; i < 3; ++i) co_await asio::post(executor, asio::use_awaitable);
  --visits.inside;
}

void swallow(std::exception_ptr) {}

}  // namespace

TEST_CASE("a gate lets so many through at a time, in the order they came", "[base][LIF-87]") {
  for (const std::size_t places : {1U, 3U, 32U}) {
    asio::io_context context;
    Gate gate(context.get_executor(), places);
    Visits visits;
    for (int i = 0; i < 100; ++i) asio::co_spawn(context, visit(gate, visits, i), swallow);
    context.run();
    CHECK(visits.most == places);
    CHECK(visits.order.size() == 100);
    CHECK(std::is_sorted(visits.order.begin(), visits.order.end()));
    CHECK(gate.taken() == 0);
    CHECK(gate.waiting() == 0);
  }
}

TEST_CASE("who is cancelled while waiting leaves the queue and takes no place", "[base][LIF-87]") {
  asio::io_context context;
  Gate gate(context.get_executor(), 1);
  Visits visits;
  asio::cancellation_signal second;
  asio::co_spawn(context, visit(gate, visits, 1), swallow);
  asio::co_spawn(context, visit(gate, visits, 2), asio::bind_cancellation_slot(second.slot(), swallow));
  asio::co_spawn(context, visit(gate, visits, 3), swallow);
  REQUIRE(test::run_until(context, [&] { return gate.waiting() == 2; }));
  second.emit(asio::cancellation_type::terminal);
  context.restart();
  context.run();
  CHECK(visits.order == std::vector<int>{1, 3});
  CHECK(visits.turned_away == 1);
  CHECK(gate.taken() == 0);
}

TEST_CASE("a place that is given to a coroutine which is cancelled at once goes to the next",
          "[base][LIF-87]") {
  asio::io_context context;
  Gate gate(context.get_executor(), 1);
  Visits visits;
  asio::cancellation_signal second;
  auto first = std::make_unique<Gate::Held>(gate);
  REQUIRE(test::run(context, gate.enter()));  // the place `first` gives back
  asio::co_spawn(context, visit(gate, visits, 2), asio::bind_cancellation_slot(second.slot(), swallow));
  asio::co_spawn(context, visit(gate, visits, 3), swallow);
  REQUIRE(test::run_until(context, [&] { return gate.waiting() == 2; }));
  first.reset();  // hands the place to 2, whose coroutine has not run yet
  second.emit(asio::cancellation_type::terminal);
  context.restart();
  context.run();
  CHECK(std::find(visits.order.begin(), visits.order.end(), 3) != visits.order.end());
  CHECK(gate.taken() == 0);
  CHECK(gate.waiting() == 0);
}

TEST_CASE("coroutines and places may outlive the gate and its event loop's last turn", "[base]") {
  Visits visits;
  asio::io_context context;
  {
    Gate gate(context.get_executor(), 1);
    asio::co_spawn(context, visit(gate, visits, 1), swallow);
    asio::co_spawn(context, visit(gate, visits, 2), swallow);
    REQUIRE(test::run_until(context, [&] { return gate.waiting() == 1; }));
  }
  // The frames are destroyed with the context; the address sanitizer watches.
  CHECK(visits.order == std::vector<int>{1});
}
