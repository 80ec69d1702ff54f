#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace dumb::server {

/// The result of `work`, or nothing when it has not ended within `limit`: it is then asked to end and left
/// alone, its result dropped. Rethrows what `work` threw in time. T is default-constructible.
template <class T>
boost::asio::awaitable<std::optional<T>> with_deadline(boost::asio::awaitable<T> work,
                                                       std::chrono::milliseconds limit) {
  namespace asio = boost::asio;
  struct State {
    explicit State(const asio::any_io_executor& executor) : wake(executor) {}
    asio::steady_timer wake;
    asio::cancellation_signal cancel;
    bool ended = false;
    std::exception_ptr failure;
    std::optional<T> value;
  };
  const auto executor = co_await asio::this_coro::executor;
  auto state = std::make_shared<State>(executor);
  state->wake.expires_after(limit);
  auto finish = [state](std::exception_ptr failure, T value) {
    state->ended = true;
    state->failure = std::move(failure);
    state->value = std::move(value);
    state->wake.cancel();
  };
  asio::co_spawn(executor, std::move(work),
                 asio::bind_cancellation_slot(state->cancel.slot(), std::move(finish)));
  constexpr auto token = asio::as_tuple(asio::use_awaitable);
  while (!state->ended && state->wake.expiry() > std::chrono::steady_clock::now()) {
    const auto [error] = co_await state->wake.async_wait(token);
    const auto cancelled = co_await asio::this_coro::cancellation_state;
    if (error && cancelled.cancelled() != asio::cancellation_type::none) break;
  }
  if (!state->ended) {
    state->cancel.emit(asio::cancellation_type::all);
    co_return std::nullopt;
  }
  if (state->failure) std::rethrow_exception(state->failure);
  co_return std::move(state->value);
}

}  // namespace dumb::server
