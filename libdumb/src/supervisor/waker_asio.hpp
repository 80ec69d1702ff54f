#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "supervisor/event_asio.hpp"

namespace dumb::supervisor {

/// Wakes a waiting coroutine: its timer is cancelled by whichever descriptor speaks first. Handlers keep it
/// alive.
struct Waker : std::enable_shared_from_this<Waker> {
  explicit Waker(const boost::asio::any_io_executor& executor) : timer(executor), descriptor(executor) {}

  /// Adopts a descriptor to watch; a negative one leaves only the timer.
  void watch(int fd) {
    if (fd >= 0) descriptor.assign(fd);
  }
  void arm(boost::asio::posix::descriptor_base::wait_type type) {
    if (!descriptor.is_open() || std::exchange(armed, true)) return;
    descriptor.async_wait(type, [self = shared_from_this()](boost::system::error_code error) {
      self->armed = false;
      if (error) return;
      self->woken = true;
      self->timer.cancel();
    });
  }
  void close() {
    boost::system::error_code ignored;
    descriptor.close(ignored);
  }

  boost::asio::steady_timer timer;
  boost::asio::posix::stream_descriptor descriptor;
  bool armed = false;
  bool woken = false;
};

/// Closes the descriptor however the wait ends, so that its handler ends too.
struct CloseAtEnd {
  explicit CloseAtEnd(std::shared_ptr<Waker> owned) : waker(std::move(owned)) {}
  CloseAtEnd(const CloseAtEnd&) = delete;
  CloseAtEnd& operator=(const CloseAtEnd&) = delete;
  ~CloseAtEnd() { waker->close(); }
  std::shared_ptr<Waker> waker;
};

/// Sleeps until the descriptor speaks or `limit` is over; false when the coroutine was cancelled.
inline boost::asio::awaitable<bool> sleep_on(std::shared_ptr<Waker> waker,
                                             boost::asio::posix::descriptor_base::wait_type type,
                                             std::chrono::milliseconds limit) {
  if (std::exchange(waker->woken, false)) co_return true;
  waker->arm(type);
  const bool going_on = co_await pause_for(waker->timer, limit);
  waker->woken = false;
  co_return going_on;
}

}  // namespace dumb::supervisor
