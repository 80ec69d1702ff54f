#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http_server.hpp"

namespace dumb::test {

/// Keeps what was logged. Thread-safe.
class LogCapture final : public Log {
 public:
  void write(Level level, std::string_view message) override;
  std::vector<std::string> lines() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// An event loop on a thread of its own.
class Loop {
 public:
  Loop();
  ~Loop();
  boost::asio::io_context& context() { return context_; }
  /// Runs `work` on the loop and waits for it.
  void run(const std::function<void()>& work);
  /// Runs a coroutine on the loop and waits for its end; rethrows.
  void await(const std::function<boost::asio::awaitable<void>()>& work);
  /// Ends the thread; what still waits in the loop is dropped with it.
  void end();

 private:
  boost::asio::io_context context_{1};
  std::thread thread_;
};

/// An HttpServer with a handler of the test's own, on a free port of loopback.
class HandlerServer {
 public:
  explicit HandlerServer(server::HttpServer::Handler handler, server::Limits limits = {});
  ~HandlerServer();
  int port() const { return port_; }
  Loop& loop() { return loop_; }
  LogCapture& log() { return log_; }
  server::HttpServer::Statistics statistics();
  /// Returns when HttpServer::stop() has.
  void stop();

 private:
  LogCapture log_;
  Loop loop_;
  std::unique_ptr<server::HttpServer> server_;
  int port_ = 0;
};

/// An answer as it came over the wire.
struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
};

/// A client that sends exactly the bytes it is told to.
class RawClient {
 public:
  explicit RawClient(int port);
  ~RawClient();
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  RawClient& operator=(RawClient&&) = delete;

  /// False when the server has closed the connection.
  bool send(std::string_view bytes);
  void finish_sending();
  /// The next answer; nullopt when the connection ended before one was complete. `head_only`: an answer to
  /// HEAD.
  enum class Body { expected, absent };
  std::optional<Answer> receive(Body body = Body::expected);
  /// Whether the server closes the connection before the limit without sending anything more.
  bool closed(std::chrono::milliseconds limit = std::chrono::seconds(20));
  void close();

 private:
  bool fill();

  int fd_ = -1;
  std::string buffer_;
};

/// One request on a connection of its own. `head` are further header lines, each with its line end.
Answer request(int port, std::string_view method, std::string_view target, std::string_view body = {},
               std::string_view head = "Content-Type: application/json\r\n");

}  // namespace dumb::test
