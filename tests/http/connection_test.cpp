#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "harness.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using server::Limits;
using server::Request;
using server::Response;

namespace {

/// Answers with what arrived.
asio::awaitable<Response> echo(Request request) {
  Response response;
  response.body = request.method + " " + request.path + " " + request.body;
  co_return response;
}

/// A handler that holds every request until the test opens the gate.
struct Gate {
  std::atomic<int> waiting{0};
  std::atomic<int> ended{0};
  std::atomic<int> cancelled{0};
  std::atomic<bool> open{false};

  server::HttpServer::Handler handler() {
    return [this](Request request) { return hold(std::move(request)); };
  }
  asio::awaitable<Response> hold(Request request) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    co_await asio::this_coro::throw_if_cancelled(false);
    ++waiting;
    while (!open) {
      timer.expires_after(2ms);
      const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
      if (error) {
        ++cancelled;
        co_return Response{};
      }
    }
    ++ended;
    auto answering = echo(std::move(request));
    Response response = co_await std::move(answering);
    co_return response;
  }
};

std::string get(std::string_view target, std::string_view head = {}) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", target, head);
}

int status_of(int port, std::string_view bytes) {
  RawClient client(port);
  client.send(bytes);
  const auto answer = client.receive();
  if (!answer) return 0;
  CHECK(answer->headers.at("connection") == "close");
  CHECK_THAT(answer->body, ContainsSubstring("{\"detail\":\""));
  CHECK(client.closed());
  return answer->status;
}

}  // namespace

TEST_CASE("a connection serves one request after the other", "[server]") {
  HandlerServer server(echo);
  RawClient client(server.port());
  for (const char* path : {"/a", "/b", "/c"}) {
    client.send(get(path));
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body == std::string("GET ") + path + " ");
    CHECK(answer->headers.at("connection") == "keep-alive");
    CHECK(answer->headers.count("date") == 1);
  }
  CHECK(server.statistics().accepted == 1);
}

TEST_CASE("pipelined requests are answered in order", "[server]") {
  HandlerServer server(echo);
  RawClient client(server.port());
  client.send(get("/1") + "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
              get("/3", "Connection: close\r\n"));
  for (const char* expected : {"GET /1 ", "POST /2 abc", "GET /3 "}) {
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->body == expected);
  }
  CHECK(client.closed());
}

TEST_CASE("a request may come in single bytes and chunks", "[server]") {
  HandlerServer server(echo);
  RawClient client(server.port());
  for (const char byte : std::string("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) {
    REQUIRE(client.send(std::string_view(&byte, 1)));
  }
  const auto answer = client.receive();
  REQUIRE(answer);
  CHECK(answer->body == "POST /x abcde");
}

TEST_CASE("HTTP/1.0 and Connection: close end the connection", "[server]") {
  HandlerServer server(echo);
  RawClient old(server.port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  REQUIRE(old.receive());
  CHECK(old.closed());
  RawClient closing(server.port());
  closing.send(get("/", "Connection: close\r\n"));
  REQUIRE(closing.receive());
  CHECK(closing.closed());
}

TEST_CASE("HEAD gets the length of the body without the body", "[server][API-4]") {
  HandlerServer server(echo);
  RawClient client(server.port());
  client.send("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n" + get("/next"));
  const auto head = client.receive(RawClient::Body::absent);
  REQUIRE(head);
  CHECK(head->headers.at("content-length") == "8");
  const auto next = client.receive();
  REQUIRE(next);
  CHECK(next->body == "GET /next ");
}

TEST_CASE("a client that asks first is told to go on", "[server]") {
  HandlerServer server(echo);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  const auto go_on = client.receive();
  REQUIRE(go_on);
  CHECK(go_on->status == 100);
  client.send("ok");
  const auto answer = client.receive();
  REQUIRE(answer);
  CHECK(answer->body == "POST / ok");
}

TEST_CASE("a client that has finished sending still gets its answer", "[server]") {
  HandlerServer server(echo);
  RawClient client(server.port());
  client.send(get("/x"));
  client.finish_sending();
  const auto answer = client.receive();
  REQUIRE(answer);
  CHECK(answer->body == "GET /x ");
}

TEST_CASE("what is not HTTP gets 400", "[server]") {
  HandlerServer server(echo);
  for (const std::string_view bytes :
       {"GARBAGE\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/3.0\r\n\r\n", "G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"}) {
    INFO(bytes);
    CHECK(status_of(server.port(), bytes) == 400);
  }
}

TEST_CASE("a request needs exactly one Host", "[server][API-5]") {
  HandlerServer server(echo);
  for (const std::string_view head : {"", "Host: a\r\nHost: b\r\n"}) {
    RawClient client(server.port());
    client.send(fmt::format("GET / HTTP/1.1\r\n{}\r\n", head));
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 400);
  }
}

TEST_CASE("a body above one MiB is refused, announced or not", "[server][API-8]") {
  HandlerServer server(echo);
  const std::size_t limit = 1U << 20U;
  const auto post = [&](std::size_t size) {
    return fmt::format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", size);
  };
  SECTION("exactly one MiB passes") {
    RawClient client(server.port());
    client.send(post(limit) + std::string(limit, 'x'));
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 200);
  }
  SECTION("one byte more, announced") {
    CHECK(status_of(server.port(), post(limit + 1)) == 413);
  }
  SECTION("the answer arrives although the client sends everything first") {
    RawClient client(server.port());
    client.send(post(4 * limit));
    client.send(std::string(4 * limit, 'x'));
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 413);
  }
  SECTION("in chunks") {
    RawClient client(server.port());
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
    for (int i = 0; i < 17 && client.send(chunk); ++i) continue;
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 413);
  }
}

TEST_CASE("a query above 16 KiB is refused, and so are large header fields", "[server][API-8]") {
  HandlerServer server(echo);
  const auto query = [](std::size_t size) { return get("/x?" + std::string(size, 'q')); };
  RawClient client(server.port());
  client.send(query(16U << 10U));
  REQUIRE(client.receive()->status == 200);
  client.send(query((16U << 10U) + 1));
  CHECK(client.receive()->status == 414);
  CHECK(status_of(server.port(), query(100U << 10U)) == 414);
  CHECK(status_of(server.port(), get("/x", "X: " + std::string(70U << 10U, 'h') + "\r\n")) == 431);
  CHECK(status_of(server.port(), get("/" + std::string(70U << 10U, 'p'))) == 431);
}

TEST_CASE("a head that trickles in is cut off", "[server]") {
  Limits limits;
  limits.header_time = 200ms;
  limits.stop_time = 200ms;  // also how long a refused client is listened to
  HandlerServer server(echo, limits);
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\n");
  // Further bytes do not buy time.
  const auto begin = std::chrono::steady_clock::now();
  const auto cut_off = [&] { return !client.send("X: y\r\n") || server.statistics().open == 0; };
  CHECK(eventually(cut_off, 10s));
  CHECK(eventually([&] { return server.statistics().open == 0; }));
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("a head that stops half way gets 408, a silent client nothing", "[server]") {
  Limits limits;
  limits.header_time = 100ms;
  HandlerServer server(echo, limits);
  CHECK(status_of(server.port(), "GET / HTTP/1.1\r\nHost: x\r\n") == 408);
  RawClient silent(server.port());
  CHECK(silent.closed());
}

TEST_CASE("a body that does not come gets 408", "[server]") {
  Limits limits;
  limits.body_time = 100ms;
  HandlerServer server(echo, limits);
  CHECK(status_of(server.port(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab") == 408);
}

TEST_CASE("an idle connection is closed", "[server]") {
  Limits limits;
  limits.idle_time = 100ms;
  HandlerServer server(echo, limits);
  RawClient client(server.port());
  client.send(get("/"));
  REQUIRE(client.receive());
  CHECK(client.closed());
}

TEST_CASE("a client that does not read its answer is given up", "[server]") {
  Limits limits;
  limits.write_time = 200ms;
  const auto large = [](Request) -> asio::awaitable<Response> {
    Response response;
    response.body.assign(64U << 20U, 'x');
    co_return response;
  };
  HandlerServer server(large, limits);
  RawClient client(server.port());
  client.send(get("/"));
  CHECK(eventually([&] { return server.statistics().accepted == 1 && server.statistics().open == 0; }));
}

TEST_CASE("sixty-four clients at once do not wait for each other", "[server][UI-7]") {
  Gate gate;
  HandlerServer server(gate.handler());
  std::vector<RawClient> clients;
  for (int i = 0; i < 64; ++i) clients.emplace_back(server.port());
  for (auto& client : clients) REQUIRE(client.send(get("/x")));
  REQUIRE(eventually([&] { return gate.waiting == 64; }));
  gate.open = true;
  for (auto& client : clients) {
    const auto answer = client.receive();
    REQUIRE(answer);
    CHECK(answer->status == 200);
  }
}

TEST_CASE("a client that goes away does not end the operation", "[server][API-7]") {
  Gate gate;
  HandlerServer server(gate.handler());
  {
    RawClient client(server.port());
    client.send(get("/x"));
    REQUIRE(eventually([&] { return gate.waiting == 1; }));
  }
  gate.open = true;
  CHECK(eventually([&] { return gate.ended == 1; }));
  CHECK(gate.cancelled == 0);
}

TEST_CASE("a handler that asks for it hears of a client that leaves", "[server][SYM-52]") {
  Gate gate;
  Limits limits;
  limits.watch_after = 5ms;
  const auto handler = [&gate](Request request) -> asio::awaitable<Response> {
    const auto all = asio::enable_total_cancellation();
    co_await asio::this_coro::reset_cancellation_state(all);
    auto holding = gate.hold(std::move(request));
    Response response = co_await std::move(holding);
    co_return response;
  };
  HandlerServer server(handler, limits);
  RawClient client(server.port());
  client.send(get("/x"));
  REQUIRE(eventually([&] { return gate.waiting == 1; }));
  SECTION("by closing") {
    client.close();
    CHECK(eventually([&] { return gate.cancelled == 1; }));
  }
  SECTION("by ending its side") {
    client.finish_sending();
    CHECK(eventually([&] { return gate.cancelled == 1; }));
  }
  SECTION("not by sending its next request early, nor on a connection that was watched before") {
    client.send(get("/y"));
    RawClient other(server.port());
    other.send(get("/z"));
    REQUIRE(eventually([&] { return gate.waiting == 2; }));
    other.close();
    REQUIRE(eventually([&] { return gate.cancelled == 1; }));
    gate.open = true;
    REQUIRE(client.receive());
    REQUIRE(client.receive());
    CHECK(gate.cancelled == 1);
    gate.open = false;
    client.send(get("/w"));
    REQUIRE(eventually([&] { return gate.waiting == 4; }));
    client.close();
    CHECK(eventually([&] { return gate.cancelled == 2; }));
  }
  gate.open = true;
}

TEST_CASE("above the limit connections wait for their turn", "[server]") {
  Limits limits;
  limits.connections = 2;
  HandlerServer server(echo, limits);
  RawClient first(server.port());
  RawClient second(server.port());
  REQUIRE(eventually([&] { return server.statistics().open == 2; }));
  RawClient third(server.port());
  third.send(get("/third"));
  first.send(get("/first"));
  REQUIRE(first.receive());
  CHECK(server.statistics().accepted == 2);
  first.close();
  const auto answer = third.receive();
  REQUIRE(answer);
  CHECK(answer->body == "GET /third ");
}

TEST_CASE("a shortage of descriptors passes and the server accepts again", "[server]") {
  HandlerServer server(echo);
  RawClient probe(server.port());
  probe.send(get("/"));
  REQUIRE(probe.receive());
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &old) == 0);
  std::vector<RawClient> clients;
  {
    // Room for the clients' own descriptors but for none of the server's.
    std::vector<int> sockets;
    for (int i = 0; i < 4; ++i) sockets.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    rlimit low = old;
    low.rlim_cur = static_cast<rlim_t>(sockets.back()) + 1;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    for (const int fd : sockets) ::close(fd);
    try {
      for (int i = 0; i < 4; ++i) clients.emplace_back(server.port());
    } catch (const std::exception&) {
      // The server took a descriptor first: the shortage is there all the same.
    }
  }
  const bool short_of = eventually([&] { return server.statistics().accept_failures > 0; });
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK(short_of);
  CHECK(request(server.port(), "GET", "/after").body == "GET /after ");
}

TEST_CASE("listening on a taken port fails with a sentence", "[server]") {
  HandlerServer server(echo);
  server.loop().run([&] {
    server::HttpServer second(server.loop().context().get_executor(), echo, {}, server.log());
    const auto listening = second.listen("127.0.0.1", static_cast<std::uint16_t>(server.port()));
    REQUIRE_FALSE(listening);
    CHECK_THAT(listening.error().message(), ContainsSubstring("another program already listens there"));
    CHECK_THAT(listening.error().message(), ContainsSubstring(std::to_string(server.port())));
    CHECK_FALSE(second.listen("no-such-name.invalid", 0));
    REQUIRE(second.listen("localhost", 0));
    CHECK(second.url().starts_with("http://"));
  });
}

TEST_CASE("a stop lets running requests end and refuses new ones", "[server][LIF-77]") {
  Gate gate;
  HandlerServer server(gate.handler());
  RawClient idle(server.port());
  RawClient half(server.port());
  half.send("GET / HT");
  RawClient busy(server.port());
  busy.send(get("/busy"));
  REQUIRE(eventually([&] { return gate.waiting == 1 && server.statistics().open == 3; }));
  std::thread stopping([&] { server.stop(); });
  CHECK(idle.closed());
  CHECK(half.closed());
  CHECK_THROWS(RawClient(server.port()));
  gate.open = true;
  const auto answer = busy.receive();
  stopping.join();
  REQUIRE(answer);
  CHECK(answer->body == "GET /busy ");
  CHECK(answer->headers.at("connection") == "close");
  CHECK(server.statistics().open == 0);
}

TEST_CASE("a stop cancels what does not end in time", "[server][LIF-77]") {
  Limits limits;
  limits.stop_time = 100ms;
  Gate gate;
  HandlerServer server(gate.handler(), limits);
  RawClient client(server.port());
  client.send(get("/"));
  REQUIRE(eventually([&] { return gate.waiting == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  server.stop();
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK(gate.cancelled == 1);
  CHECK(server.statistics().open == 0);
}

TEST_CASE("a handler that throws ends its connection and is logged", "[server]") {
  const auto broken = [](Request) -> asio::awaitable<Response> {
    throw std::logic_error("broken promise");
    co_return Response{};
  };
  HandlerServer server(broken);
  RawClient client(server.port());
  client.send(get("/"));
  CHECK(client.closed());
  REQUIRE(eventually([&] { return !server.log().lines().empty(); }));
  CHECK_THAT(server.log().lines().front(), ContainsSubstring("broken promise"));
}
