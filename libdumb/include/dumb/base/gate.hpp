#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>

namespace dumb {

/// Lets at most so many coroutines of one thread through at a time; the others wait for a place in order.
/// With one place it is a lock. Not thread-safe; call it on `executor`.
class Gate {
  struct State;

 public:
  explicit Gate(boost::asio::any_io_executor executor, std::size_t places = 1);

  /// Resolves with a place taken: hand it to a Held at once. False, without a place, when the waiting
  /// coroutine was cancelled.
  boost::asio::awaitable<bool> enter();
  std::size_t taken() const noexcept;
  std::size_t waiting() const noexcept;

  /// Gives a place back at the end of a scope. May outlive the gate.
  class Held {
   public:
    explicit Held(const Gate& gate) : state_(gate.state_) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held();

   private:
    std::shared_ptr<State> state_;
  };

 private:
  static boost::asio::awaitable<bool> enter(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace dumb
