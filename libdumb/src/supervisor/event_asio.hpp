#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>

namespace dumb::supervisor {

/// Something that happens once; any number of coroutines of one thread may wait for it. Hold it in a
/// shared_ptr: every waiter keeps it alive.
template <class T>
class OneShot {
 public:
  explicit OneShot(const boost::asio::any_io_executor& executor) : timer_(executor) {
    timer_.expires_at(boost::asio::steady_timer::time_point::max());
  }
  bool done() const noexcept { return value_.has_value(); }
  void set(T value) {
    if (value_) return;
    value_ = std::move(value);
    timer_.cancel();
  }
  /// The value; nullopt when the waiting coroutine was cancelled first.
  static boost::asio::awaitable<std::optional<T>> wait(std::shared_ptr<OneShot> self) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
    while (!self->value_) {
      // A cancellation that came before this wait began would not end it.
      const auto before = co_await boost::asio::this_coro::cancellation_state;
      if (before.cancelled() != boost::asio::cancellation_type::none) co_return std::nullopt;
      co_await self->timer_.async_wait(token);
      const auto state = co_await boost::asio::this_coro::cancellation_state;
      if (!self->value_ && state.cancelled() != boost::asio::cancellation_type::none) co_return std::nullopt;
    }
    co_return self->value_;
  }

 private:
  boost::asio::steady_timer timer_;
  std::optional<T> value_;
};

/// Sleeps; false when the coroutine was cancelled.
inline boost::asio::awaitable<bool> pause_for(boost::asio::steady_timer& timer,
                                              std::chrono::milliseconds time) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  // A cancellation that came before this wait began would not end it.
  const auto before = co_await boost::asio::this_coro::cancellation_state;
  if (before.cancelled() != boost::asio::cancellation_type::none) co_return false;
  timer.expires_after(time);
  constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
  co_await timer.async_wait(token);
  const auto state = co_await boost::asio::this_coro::cancellation_state;
  co_return state.cancelled() == boost::asio::cancellation_type::none;
}

}  // namespace dumb::supervisor
