#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/http/client.hpp>
#include <optional>
#include <thread>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;

namespace {

/// Accepts one connection, reads one request, sends `answer` in pieces of 7 bytes, and closes - or, with
/// `hold`, keeps the connection open until the client goes away.
class OneShotServer {
 public:
  enum class End { close, hold };

  explicit OneShotServer(std::string answer, End end = End::close) : answer_(std::move(answer)), end_(end) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_.get(), 4) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no listener");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~OneShotServer() { thread_.join(); }
  OneShotServer(const OneShotServer&) = delete;
  OneShotServer& operator=(const OneShotServer&) = delete;

  http::Request request(const std::string& target = "/") const {
    http::Request request;
    request.url = http::parse_url("http://127.0.0.1:" + std::to_string(port_) + target).value();
    return request;
  }
  /// What the client sent; valid after fetch_blocking() came back, once the server thread is done.
  std::string received() {
    thread_.join();
    thread_ = std::thread([] {});
    return received_;
  }

 private:
  static bool readable(int fd) {
    pollfd wait{fd, POLLIN, 0};
    return ::poll(&wait, 1, 20'000) == 1;
  }
  void serve() {
    if (!readable(listener_.get())) return;
    const UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char block[4096];
    while (readable(client.get())) {
      const ssize_t got = ::recv(client.get(), block, sizeof block, 0);
      if (got <= 0) break;
      received_.append(block, static_cast<std::size_t>(got));
      const std::size_t head = received_.find("\r\n\r\n");
      if (head == std::string::npos) continue;
      const std::size_t length = received_.find("Content-Length: ");
      const std::size_t body = length == std::string::npos ? 0 : std::stoul(received_.substr(length + 16));
      if (received_.size() >= head + 4 + body) break;
    }
    for (std::size_t at = 0; at < answer_.size(); at += 7) {
      const std::string piece = answer_.substr(at, 7);
      if (::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) return;
    }
    if (end_ == End::close) return;
    while (readable(client.get()) && ::recv(client.get(), block, sizeof block, 0) > 0) {
    }
  }

  std::string answer_;
  End end_;
  UniqueFd listener_;
  int port_ = 0;
  std::string received_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("an answer with a length is read without waiting for the connection to end", "[http]") {
  OneShotServer server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Two: b\r\n\r\nhello",
                       OneShotServer::End::hold);
  const auto answer = http::fetch_blocking(server.request("/a?b=c"));
  REQUIRE(answer);
  CHECK(answer->status == 200);
  CHECK(answer->body == "hello");
  CHECK(answer->header("x-two") == "b");
  const std::string sent = server.received();
  CHECK(sent.starts_with("GET /a?b=c HTTP/1.1\r\n"));
  CHECK_THAT(sent, ContainsSubstring("Host: 127.0.0.1:"));
  CHECK_THAT(sent, ContainsSubstring("Connection: close"));
}

TEST_CASE("an HTTP/1.0 answer without a length ends with the connection", "[http]") {
  OneShotServer server("HTTP/1.0 200 OK\r\n\r\nall of it");
  const auto answer = http::fetch_blocking(server.request());
  REQUIRE(answer);
  CHECK(answer->body == "all of it");
}

TEST_CASE("a chunked answer is put together, an interim one is passed over", "[http]") {
  OneShotServer server(
      "HTTP/1.1 100 Continue\r\n\r\n"
      "HTTP/1.1 207 Multi-Status\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
  auto request = server.request();
  request.method = "PROPFIND";
  request.headers = {{"Depth", "0"}};
  request.body = "<x/>";
  const auto answer = http::fetch_blocking(request);
  REQUIRE(answer);
  CHECK(answer->status == 207);
  CHECK(answer->body == "abcdefg");
  const std::string sent = server.received();
  CHECK(sent.starts_with("PROPFIND / HTTP/1.1\r\n"));
  CHECK_THAT(sent, ContainsSubstring("Depth: 0\r\n"));
  CHECK(sent.ends_with("\r\n\r\n<x/>"));
}

TEST_CASE("a HEAD answer has no body whatever its length says", "[http]") {
  OneShotServer server("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", OneShotServer::End::hold);
  auto request = server.request();
  request.method = "HEAD";
  const auto answer = http::fetch_blocking(request);
  REQUIRE(answer);
  CHECK(answer->status == 200);
  CHECK(answer->body.empty());
}

TEST_CASE("user and password of the URL become basic authentication", "[http]") {
  OneShotServer server("HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n");
  auto request = server.request();
  request.url.user = "user";
  request.url.password = "pass";
  const auto answer = http::fetch_blocking(request);
  REQUIRE(answer);
  CHECK(answer->status == 401);
  CHECK_THAT(server.received(), ContainsSubstring("Authorization: Basic dXNlcjpwYXNz\r\n"));
}

TEST_CASE("an answer above the limit is an error", "[http]") {
  const auto [head, end] =
      GENERATE(std::pair{"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", OneShotServer::End::hold},
               std::pair{"HTTP/1.0 200 OK\r\n\r\n", OneShotServer::End::close});
  OneShotServer server(head + std::string(4000, 'x'), end);
  auto request = server.request();
  request.max_body = 1000;
  const auto answer = http::fetch_blocking(request);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().is(Errc::io));
  CHECK_THAT(answer.error().message(), ContainsSubstring("1000 bytes"));
}

TEST_CASE("a cut-off answer and no answer at all are errors", "[http]") {
  const std::string text =
      GENERATE("", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 20", "nonsense\r\n\r\n");
  OneShotServer server(text);
  CHECK_FALSE(http::fetch_blocking(server.request()));
}

TEST_CASE("the timeout covers the whole exchange", "[http]") {
  const std::string text = GENERATE("", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  OneShotServer server(text, OneShotServer::End::hold);
  auto request = server.request("/path?token=secretsecret");
  request.timeout = 150ms;
  const auto began = std::chrono::steady_clock::now();
  const auto answer = http::fetch_blocking(request);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().is(Errc::timed_out));
  CHECK(answer.error().to_string().find("secretsecret") == std::string::npos);
  CHECK(std::chrono::steady_clock::now() - began < 5s);
}

TEST_CASE("a refused connection, https and a header with a line break are errors", "[http]") {
  http::Request request;
  request.url = http::parse_url("http://127.0.0.1:" + std::to_string(test::free_port()) + "/").value();
  const auto refused = http::fetch_blocking(request);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == boost::system::errc::connection_refused);
  request.headers = {{"X", "a\r\nY: b"}};
  CHECK(http::fetch_blocking(request).error().is(Errc::invalid_argument));
  request.headers.clear();
  request.url.scheme = "https";
  CHECK_FALSE(http::fetch_blocking(request));
}

TEST_CASE("a name is resolved before connecting", "[http]") {
  OneShotServer server("HTTP/1.1 204 none\r\n\r\n");
  auto request = server.request();
  request.url.host = "localhost";
  const auto answer = http::fetch_blocking(request);
  REQUIRE(answer);
  CHECK(answer->status == 204);
}

TEST_CASE("a cancelled exchange ends at once", "[http]") {
  OneShotServer server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", OneShotServer::End::hold);
  boost::asio::io_context context;
  boost::asio::cancellation_signal signal;
  std::optional<Result<http::Response>> answer;
  boost::asio::co_spawn(context, http::fetch(server.request()),
                        boost::asio::bind_cancellation_slot(
                            signal.slot(), [&](const std::exception_ptr&, Result<http::Response> result) {
                              answer = std::move(result);
                            }));
  boost::asio::steady_timer later(context, 50ms);
  later.async_wait([&](const auto&) { signal.emit(boost::asio::cancellation_type::terminal); });
  const auto began = std::chrono::steady_clock::now();
  context.run();
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  REQUIRE(answer);
  REQUIRE_FALSE(*answer);
  CHECK(answer->error().is(Errc::cancelled));
}
