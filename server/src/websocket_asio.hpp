#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket.hpp>
#include <chrono>
#include <cstdint>
#include <dumb/engine/feed.hpp>
#include <functional>
#include <memory>
#include <string>

#include "http_server.hpp"

namespace dumb::server {

/// One client of a live channel after its upgrade request (RFC 6455). Takes messages of its feed as fast as
/// the client reads them; what it does not read in time, the feed replaces or drops. Its handlers keep it
/// alive; not thread-safe.
class WebSocketSession : public std::enable_shared_from_this<WebSocketSession> {
 public:
  using UpgradeRequest = boost::beast::http::request<boost::beast::http::string_body>;

  /// `ended` is called once, when the socket is closed.
  WebSocketSession(boost::asio::ip::tcp::socket socket, std::shared_ptr<engine::Feed> feed,
                   SocketLimits limits, std::function<void()> ended);

  /// Completes the handshake, then sends and answers until either side ends it.
  void start(UpgradeRequest request);
  /// Ends it because the server goes away (1001).
  void leave();
  /// Closes the connection at once, without a word.
  void drop();

 private:
  using Clock = std::chrono::steady_clock;
  using error_code = boost::system::error_code;
  using CloseCode = boost::beast::websocket::close_code;

  void accepted();
  void read();
  void heard(std::size_t size);
  /// Sends the next thing there is to send, unless something is on its way.
  void pump();
  void written(const error_code& error);
  void close(CloseCode code, std::string reason);
  void close_unless_allowed();
  /// Looks after what nobody else notices: silence, stalls, rights that have ended.
  void tick();
  void watch();
  /// Of bytes the client's machine has acknowledged.
  std::uint64_t acknowledged();

  boost::beast::websocket::stream<boost::asio::ip::tcp::socket> stream_;
  std::shared_ptr<engine::Feed> feed_;
  const SocketLimits limits_;
  std::function<void()> ended_;
  boost::asio::steady_timer timer_;
  boost::beast::flat_buffer input_;
  UpgradeRequest request_;     ///< until the handshake is over
  realtime::Message sending_;  ///< null: nothing is on its way
  std::size_t answers_ = 0;    ///< owed to the client, each one `answer_`
  std::string_view answer_;
  bool open_ = false;
  bool closing_ = false;
  bool pinging_ = false;
  Clock::time_point heard_at_;  ///< when anything came from the client last
  Clock::time_point pinged_at_;
  Clock::time_point closing_since_;
  Clock::time_point moved_at_;  ///< when it last took bytes of what is on its way
  std::uint64_t moved_ = 0;
};

}  // namespace dumb::server
