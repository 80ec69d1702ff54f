#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>

namespace dumb::test {

/// Runs `context` until the coroutine has ended; throws after a minute.
template <class T>
T run(boost::asio::io_context& context, boost::asio::awaitable<T> task) {
  std::optional<T> value;
  std::exception_ptr failure;
  bool done = false;
  boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr error, T result) {
    failure = error;
    value = std::move(result);
    done = true;
  });
  context.restart();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done) {
    if (context.run_one_until(end) == 0 && std::chrono::steady_clock::now() >= end) {
      throw std::runtime_error("the coroutine did not end within a minute");
    }
  }
  if (failure) std::rethrow_exception(failure);
  return std::move(*value);
}

inline void run(boost::asio::io_context& context, boost::asio::awaitable<void> task) {
  auto wrapped = [](boost::asio::awaitable<void> inner) -> boost::asio::awaitable<bool> {
    co_await std::move(inner);
    co_return true;
  };
  run<bool>(context, wrapped(std::move(task)));
}

/// Runs `context` until `condition` holds; false when it did not within `limit`.
inline bool run_until(boost::asio::io_context& context, const std::function<bool()>& condition,
                      std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  context.restart();
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    if (context.stopped()) context.restart();
    context.run_one_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace dumb::test
