#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>

namespace dumb::server {

/// Ends a socket's operations when they take too long. It leaves the socket able to send a last answer after
/// a late read, which a Beast stream's own timeout would not. Setting a later time costs no timer operation:
/// the timer finds out when it wakes.
class Deadline {
 public:
  enum class Late { stop_reading, close };

  explicit Deadline(boost::asio::ip::tcp::socket& socket)
      : state_(std::make_shared<State>(State{boost::asio::steady_timer(socket.get_executor()), &socket})) {}
  ~Deadline() {
    state_->socket = nullptr;
    state_->timer.cancel();
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void arm(std::chrono::milliseconds limit, Late late) {
    state_->passed = false;
    state_->late = late;
    state_->due = Clock::now() + limit;
    if (!state_->wakes_at || *state_->wakes_at > *state_->due) wait(state_);
  }
  void disarm() { state_->due.reset(); }
  bool passed() const noexcept { return state_->passed; }

 private:
  using Clock = boost::asio::steady_timer::clock_type;

  struct State {
    boost::asio::steady_timer timer;
    boost::asio::ip::tcp::socket* socket;         // null when the connection is gone
    std::optional<Clock::time_point> due{};       // nullopt: nothing is timed
    std::optional<Clock::time_point> wakes_at{};  // of the timer; nullopt: nobody waits
    Late late = Late::close;
    bool passed = false;
  };

  static void wait(const std::shared_ptr<State>& state) {
    state->wakes_at = state->due;
    state->timer.expires_at(*state->due);
    state->timer.async_wait([state](const boost::system::error_code& error) {
      if (error || state->socket == nullptr) return;
      state->wakes_at.reset();
      if (!state->due) return;
      if (Clock::now() < *state->due) return wait(state);
      expire(*state);
    });
  }

  static void expire(State& state) {
    state.due.reset();
    state.passed = true;
    boost::system::error_code ignored;
    if (state.late == Late::close) {
      state.socket->close(ignored);
    } else {
      // The shutdown catches a composed read that is between two of its steps.
      state.socket->shutdown(boost::asio::ip::tcp::socket::shutdown_receive, ignored);
      state.socket->cancel(ignored);
    }
  }

  std::shared_ptr<State> state_;  // shared with a wait that may complete late
};

}  // namespace dumb::server
