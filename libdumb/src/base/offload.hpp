#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace dumb {

namespace detail {
/// What tells `work` to end early: a flag, or a token of its own.
struct Ending {
  std::atomic<bool> flag{false};
  std::stop_source source;
  void ask() {
    flag = true;
    source.request_stop();
  }
};

template <class F>
auto call_with_stop(F& work, const Ending& ending) {
  if constexpr (std::is_invocable_v<F&, const std::atomic<bool>&>) {
    return work(ending.flag);
  } else if constexpr (std::is_invocable_v<F&, std::stop_token>) {
    return work(ending.source.get_token());
  } else {
    return work();
  }
}
}  // namespace detail

/// Runs `work(stop)`, or `work()`, on the pool and returns its value on the executor of the awaiting
/// coroutine. `stop` is a `const std::atomic<bool>&` or a `std::stop_token`: when the coroutine is cancelled,
/// it asks the work to end early; this still waits for it, because the work may refer to what the caller
/// owns. Needs throw_if_cancelled(false).
template <class F, class R = decltype(detail::call_with_stop(std::declval<F&>(),
                                                             std::declval<const detail::Ending&>()))>
boost::asio::awaitable<R> offload(boost::asio::thread_pool& pool, F work) {
  namespace asio = boost::asio;
  struct State {
    explicit State(asio::any_io_executor executor) : finished(std::move(executor)) {}
    detail::Ending ending;
    bool done = false;
    std::optional<R> result;
    std::exception_ptr broken;
    asio::steady_timer finished;
  };
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto state = std::make_shared<State>(executor);
  state->finished.expires_at(asio::steady_timer::time_point::max());
  auto task = [state, executor, work = std::move(work)]() mutable {
    try {
      state->result.emplace(detail::call_with_stop(work, state->ending));
    } catch (...) {
      state->broken = std::current_exception();
    }
    // The last owner of the timer must be on the executor's thread.
    asio::post(executor, [state = std::move(state)]() {
      state->done = true;
      state->finished.cancel();
    });
  };
  asio::post(pool, std::move(task));
  constexpr auto token = asio::as_tuple(asio::use_awaitable);
  while (!state->done) {
    co_await state->finished.async_wait(token);
    if (!state->done) state->ending.ask();
  }
  if (state->broken) std::rethrow_exception(state->broken);
  co_return std::move(*state->result);
}

}  // namespace dumb
