#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>

#include "http_server.hpp"

namespace dumb::server {

/// A connection as its server sees it; the rest lives in the connection's coroutine.
struct ConnectionHandle {
  boost::asio::cancellation_signal cancel;
  std::function<void()> close;          ///< closes the socket
  std::function<void()> leave = [] {};  ///< a live channel: says goodbye
  std::function<void()> watch;          ///< finds out when the client leaves during the present request
  bool busy = false;      ///< between the end of reading a request and the end of writing its answer
  bool seen_off = false;  ///< it was there when the server began to see its clients off
  bool met = false;       ///< the present request was running at an earlier look round
  bool watched = false;
};

struct HttpServer::Core {
  Core(boost::asio::any_io_executor executor_, Handler handler_, Limits limits_, Log& log_)
      : executor(std::move(executor_)),
        handler(std::move(handler_)),
        limits(limits_),
        log(log_),
        acceptor(executor),
        changed(executor),
        round(executor) {}

  boost::asio::any_io_executor executor;
  Handler handler;
  Upgrader upgrader;
  Limits limits;
  Log& log;
  boost::asio::ip::tcp::acceptor acceptor;
  boost::asio::steady_timer changed;  ///< cancelled when a connection ends
  boost::asio::steady_timer round;    ///< the next look at requests that take long
  std::list<ConnectionHandle> connections;
  Statistics statistics;
  bool looking = false;  ///< `round` is waited for
  bool stopping = false;
  bool draining = false;  ///< every connection ends with its next answer
};

/// To be called when a request begins: has it watched when it takes long. Quick requests, nearly all, cost
/// nothing by it.
void look_after_requests(const std::shared_ptr<HttpServer::Core>& core);

/// Serves one connection until it ends.
boost::asio::awaitable<void> serve_connection(std::shared_ptr<HttpServer::Core> core,
                                              boost::asio::ip::tcp::socket socket,
                                              std::list<ConnectionHandle>::iterator self);

}  // namespace dumb::server
