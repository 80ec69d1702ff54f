#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <dumb/base/log.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/engine/feed.hpp>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "message.hpp"

namespace dumb::server {

/// Bounds of a live channel's connection (UI-84 to UI-87).
struct SocketLimits {
  std::size_t message_bytes = 64U << 10U;        ///< of the client's; 1009 above, however many fragments
  std::chrono::milliseconds ping_after{20'000};  ///< without anything from the client
  std::chrono::milliseconds silence{60'000};     ///< after which it is taken to be gone
  std::chrono::milliseconds stall{30'000};       ///< in which it takes no byte while data waits
  std::chrono::milliseconds look_every{5'000};   ///< at all of these and at the client's right to be there
  std::chrono::milliseconds goodbye{2'000};      ///< for the client's part of closing
};

/// Bounds of what a client may send and how long it may take.
struct Limits {
  std::size_t header_bytes = 64U << 10U;          ///< request line and fields; 431 above
  std::size_t query_bytes = 16U << 10U;           ///< 414 above (API-8)
  std::size_t body_bytes = 1U << 20U;             ///< 413 above (API-8)
  std::size_t connections = 1024;                 ///< more wait in the kernel's queue
  std::chrono::milliseconds header_time{30'000};  ///< from the first byte of a request to the end of its head
  std::chrono::milliseconds body_time{60'000};
  std::chrono::milliseconds idle_time{75'000};   ///< from one answer to the next request
  std::chrono::milliseconds write_time{30'000};  ///< without progress
  std::chrono::milliseconds stop_time{2'000};    ///< for requests that run when the server stops (LIF-77)
  std::chrono::milliseconds watch_after{
      100};  ///< a request this old, or twice, hears of its client's leaving
  SocketLimits socket{};
};

/// HTTP/1.1 on one listening socket: reads requests, hands each to a handler, writes its answer. Keep-alive
/// and pipelining are understood; answers keep the order of the requests. A client that goes away, or ends
/// its side of the connection, during a long request is told to the handler as a *total* cancellation, which
/// by Asio's default nobody hears: the operation goes on (API-7), unless the handler has enabled it. Not
/// thread-safe: use it on its executor, of one thread.
class HttpServer {
 public:
  using Handler = std::function<boost::asio::awaitable<Response>(Request)>;
  /// What becomes of a request to speak WebSocket: a feed to serve, or an answer as to any other request.
  using Upgrader = std::function<std::variant<Response, std::shared_ptr<engine::Feed>>(const Request&)>;

  struct Statistics {
    std::size_t open = 0;  ///< connections now
    std::size_t accepted = 0;
    std::size_t accept_failures = 0;  ///< for want of descriptors or memory; tried again
  };

  HttpServer(boost::asio::any_io_executor executor, Handler handler, Limits limits, Log& log);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Without one, requests to speak WebSocket are handled as any other.
  void set_upgrader(Upgrader upgrader);

  /// Listens on an address or name and accepts from now on; port 0 takes a free one. Blocks for a name that
  /// has to be resolved. Fails with a sentence that names address and cause.
  Result<void> listen(const std::string& host, std::uint16_t port);
  /// Accepts from now on what arrives at a socket that listens already, if it does so at this address (`port`
  /// 0: any). Otherwise that one is closed and another opened.
  Result<void> listen(const std::string& host, std::uint16_t port, UniqueFd listening);
  std::uint16_t port() const noexcept;
  /// "http://127.0.0.1:8000"
  std::string url() const;
  Statistics statistics() const noexcept;

  /// Refuses new connections, closes those without a request, lets running requests end within `stop_time`,
  /// then cancels what is left. `handler`, `log` are not used any more afterwards.
  boost::asio::awaitable<void> stop();

  /// From here on each connection ends with its next answer; new ones are accepted still. Returns when those
  /// that were kept open without a request have ended so, at the latest after `limit`.
  boost::asio::awaitable<void> see_off(std::chrono::milliseconds limit);
  /// Accepts no more and gives the listening socket away: who connects from now on waits there for whoever
  /// accepts next.
  UniqueFd release();
  /// After release(): what was seen off and has not gone is closed, other connections end with their next
  /// answer, or at the latest after `limit`. `handler`, `log` are not used any more afterwards.
  boost::asio::awaitable<void> finish(std::chrono::milliseconds limit);

  struct Core;

 private:
  std::shared_ptr<Core> core_;  // shared with the connections' coroutines, which may outlive this object
};

}  // namespace dumb::server
