#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <dumb/base/gate.hpp>
#include <utility>

namespace dumb {

namespace asio = boost::asio;

namespace {

struct Waiter {
  explicit Waiter(const asio::any_io_executor& executor) : turn(executor) {
    turn.expires_at(asio::steady_timer::time_point::max());
  }
  asio::steady_timer turn;  // never expires; cancelled when the place is given
  bool given = false;
};

}  // namespace

struct Gate::State {
  asio::any_io_executor executor;
  std::size_t places = 1;
  std::size_t taken = 0;
  std::deque<std::shared_ptr<Waiter>> waiting;

  /// A place goes straight to the first in the queue, so that nobody who comes later is faster.
  void leave() {
    if (waiting.empty()) {
      --taken;
      return;
    }
    const auto next = waiting.front();
    waiting.pop_front();
    next->given = true;
    next->turn.cancel();
  }
};

Gate::Gate(asio::any_io_executor executor, std::size_t places) : state_(std::make_shared<State>()) {
  state_->executor = std::move(executor);
  state_->places = places;
}

asio::awaitable<bool> Gate::enter() {
  return enter(state_);
}

asio::awaitable<bool> Gate::enter(std::shared_ptr<State> state) {
  if (state->taken < state->places) {
    ++state->taken;
    co_return true;
  }
  // However this ends, a coroutine that is gone is not in the queue and keeps no place.
  struct Queued {
    explicit Queued(const std::shared_ptr<State>& of)
        : state(of), waiter(std::make_shared<Waiter>(of->executor)) {
      state->waiting.push_back(waiter);
    }
    Queued(const Queued&) = delete;
    Queued& operator=(const Queued&) = delete;
    ~Queued() {
      std::erase(state->waiting, waiter);
      if (waiter->given && !accepted) state->leave();
    }
    std::shared_ptr<State> state;
    std::shared_ptr<Waiter> waiter;
    bool accepted = false;
  };
  Queued queued(state);
  constexpr auto token = asio::as_tuple(asio::use_awaitable);
  co_await queued.waiter->turn.async_wait(token);
  queued.accepted = queued.waiter->given;
  co_return queued.accepted;
}

std::size_t Gate::taken() const noexcept {
  return state_->taken;
}
std::size_t Gate::waiting() const noexcept {
  return state_->waiting.size();
}

Gate::Held::~Held() {
  state_->leave();
}

}  // namespace dumb
