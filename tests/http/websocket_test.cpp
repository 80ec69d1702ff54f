#include <sys/socket.h>

#include <boost/json.hpp>
#include <dumb/auth/accounts.hpp>
#include <dumb/auth/password.hpp>
#include <dumb/auth/service.hpp>
#include <dumb/auth/token.hpp>
#include <dumb/base/text.hpp>

#include "golden.hpp"
#include "socket_client.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view secret = "0123456789abcdef0123456789abcdef0123456789a";

json::object services() {
  json::object all;
  all["echo"] = child_block("Echo", {});
  all["other"] = child_block("Other", {"--exit", "3"});
  return all;
}

std::string token_of(std::string_view user, std::int64_t expires = 4'102'444'800) {
  return auth::sign_token({std::string(user), expires, auth::TokenKind::access}, secret,
                          auth::Algorithm::hs256);
}

void write_users(const Stack& stack, bool disabled = false) {
  auth::Accounts accounts = auth::Accounts::create(std::string(secret));
  REQUIRE(accounts.add_user("alice", auth::hash_password("correct horse", 4).value()));
  REQUIRE(accounts.add_user("bobby", auth::hash_password("battery staple", 4).value()));
  if (disabled) REQUIRE(accounts.set_disabled("alice", true));
  write_text(stack.root() / "config/users.json", accounts.print());
}

/// The entry of a service in the next message that fulfils `wanted`.
json::object entry_when(SocketClient& client, std::string_view name,
                        const std::function<bool(const json::object&)>& wanted) {
  for (int messages = 0; messages < 200; ++messages) {
    const auto text = client.receive();
    REQUIRE(text);
    const json::value message = parsed(*text);
    REQUIRE(message.at("type") == "status");
    for (const json::value& entry : message.at("processes").as_array()) {
      if (entry.at("process_name") == json::value(name) && wanted(entry.as_object()))
        return entry.as_object();
    }
  }
  FAIL("no such message about " << name);
  return {};
}

/// A connection that reads nothing, whose system takes little in on its behalf.
class DeafClient {
 public:
  DeafClient(int port, std::string_view target) : client_(port) {
    client_.send("GET " + std::string(target) +
                 " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  }
  RawClient& raw() { return client_; }

 private:
  RawClient client_;
};

std::size_t open_connections(Stack& stack) {
  return stack.statistics().open;
}

}  // namespace

TEST_CASE("the status channel lists every service at once, and changes as they come",
          "[server][UI-80][UI-81][UI-90][UI-93][UI-95][UI-96][UI-97]") {
  Stack stack(services());
  SocketClient client(stack.port(), "/ws/status?health=true&interval=10");
  REQUIRE(client.status() == 101);
  const auto first = client.receive();
  REQUIRE(first);
  std::vector<std::string> names;
  const json::value message = parsed(*first);
  for (const json::value& entry : message.at("processes").as_array()) {
    names.emplace_back(entry.at("process_name").as_string());
    CHECK(entry.at("restart").is_object());
  }
  const json::value processes = parsed(stack.get("/process/processes").body);
  std::vector<std::string> listed;
  for (const json::value& entry : processes.at("processes").as_array())
    listed.emplace_back(entry.at("process_name").as_string());
  CHECK(names == listed);
  const auto stopped = [](const json::object& entry) { return entry.at("status") == "stopped"; };
  SocketClient late(stack.port(), "/ws/status/?health=1");
  const json::object idle = entry_when(late, "Echo", stopped);
  CHECK(idle.at("healthy").is_null());
  CHECK(idle.at("health_reason").is_null());

  REQUIRE(stack.operate("start-service", "Echo").status == 200);
  const auto runs = [](const json::object& entry) {
    return entry.at("status") == "running" && entry.at("healthy") == true;
  };
  const json::object running = entry_when(client, "Echo", runs);
  CHECK(running.at("state") == "running");
  REQUIRE(stack.operate("stop-service", "Echo").status == 200);
  CHECK(entry_when(client, "Echo", stopped).at("healthy").is_null());
  // It ends by itself.
  stack.operate("start-service", "Other");
  const auto fell = [](const json::object& entry) { return entry.at("healthy") == false; };
  const json::object failed = entry_when(client, "Other", fell);
  CHECK(failed.at("status") == "stopped");
  CHECK_THAT(std::string(failed.at("health_reason").as_string()), ContainsSubstring("not running"));
}

TEST_CASE("the short status names what runs", "[server][UI-94]") {
  Stack stack(services());
  SocketClient client(stack.port(), "/api/ws/status?interval=0.5");
  const auto none = client.receive();
  REQUIRE(none);
  CHECK(parsed(*none).at("running").as_array().size() == 1);  // the API itself
  REQUIRE(stack.operate("start-service", "Echo").status == 200);
  std::optional<std::string> text;
  do {
    text = client.receive();
    REQUIRE(text);
  } while (!text->ends_with(R"(,"Echo"]})") && text->find(R"("Echo")") == std::string::npos);
  CHECK(parsed(*text).at("type") == "status");
}

TEST_CASE("the log channel sends each record as it stands in the log, and none from before",
          "[server][UI-90][UI-91][UI-92]") {
  Stack stack({});
  stack.engine().log().warning("before");
  SocketClient client(stack.port(), "/ws/logs");
  REQUIRE(client.status() == 101);
  // An answer shows that the feed has begun.
  REQUIRE(client.send("ping"));
  REQUIRE(client.receive() == "pong");
  stack.engine().log().warning("one\nof two lines");
  for (int i = 0; i < 300; ++i) stack.engine().log().info("line " + std::to_string(i));
  const auto first = client.receive();
  REQUIRE(first);
  CHECK_THAT(*first, EndsWith(" - WARNING - one\nof two lines"));
  for (int i = 0; i < 300; ++i) {
    const auto line = client.receive();
    REQUIRE(line);
    REQUIRE_THAT(*line, EndsWith(" - INFO - line " + std::to_string(i)));
  }
}

TEST_CASE("a client's pings are answered, other texts are not", "[server][UI-89]") {
  Stack stack({});
  SocketClient client(stack.port(), "/ws/logs");
  for (const char* text : {R"({"type":)", "hello", R"({"type":"subscribe"})", R"({"type":"ping"})"})
    REQUIRE(client.send(text));
  CHECK(client.receive() == "pong");
  CHECK_FALSE(client.receive(50ms));
}

TEST_CASE("what is no channel is no upgrade", "[server][UI-80][API-5]") {
  Stack stack(services());
  CHECK(SocketClient(stack.port(), "/ws/nothing").status() == 404);
  CHECK(SocketClient(stack.port(), "/ws").status() == 404);
  CHECK(SocketClient(stack.port(), "/ws/status", "Origin: http://evil.example").status() == 403);
  CHECK(SocketClient(stack.port(), "/ws/status", "Origin: http://127.0.0.1:3005").status() == 101);
  const Answer plain = stack.get("/ws/status");
  CHECK(plain.status == 426);
  CHECK(plain.headers.at("upgrade") == "websocket");
  // An upgrade that a route is asked for is an ordinary request to it.
  CHECK(SocketClient(stack.port(), "/health").status() == 200);
}

TEST_CASE("without a valid token a channel is closed with 1008 after the handshake", "[server][UI-82]") {
  Stack stack({});
  write_users(stack);
  for (const std::string& query : {std::string(), "?token=" + token_of("nobody"),
                                   "?token=" + token_of("alice", 1000), std::string("?token=junk")}) {
    CAPTURE(query);
    SocketClient client(stack.port(), "/ws/status" + query);
    CHECK(client.status() == 101);
    CHECK_FALSE(client.receive());
    CHECK(client.close_code() == 1008);
    CHECK_THAT(client.close_reason(), ContainsSubstring("token"));
  }
  SocketClient client(stack.port(), "/ws/status?token=" + token_of("alice"));
  CHECK(client.receive());
}

TEST_CASE("a channel ends when its client's right to it does", "[server][UI-83]") {
  server::Limits limits;
  limits.socket.look_every = 20ms;
  Stack stack({}, {}, {}, limits);
  write_users(stack);
  SocketClient alice(stack.port(), "/ws/status?token=" + token_of("alice"));
  SocketClient bobby(stack.port(), "/ws/status?interval=0.5&token=" + token_of("bobby"));
  REQUIRE(alice.receive());
  REQUIRE(bobby.receive());
  write_users(stack, true);
  CHECK(alice.close_code() == 1008);
  CHECK(bobby.receive());
}

TEST_CASE("what a client may not send ends its channel with the code for it", "[server][UI-84]") {
  Stack stack({});
  SocketClient binary(stack.port(), "/ws/logs");
  REQUIRE(binary.send_binary("ping"));
  CHECK(binary.close_code() == 1003);
  SocketClient large(stack.port(), "/ws/logs");
  large.send(std::string(100'000, ' '));
  CHECK(large.close_code() == 1009);
  SocketClient endless(stack.port(), "/ws/logs");
  // Fragments of 32 KiB, masked with zeros, none of them the last.
  const std::string fragment = std::string("\xfe\x80\x00\x00\x00\x00\x00", 7) + std::string(32768, ' ');
  endless.send_raw('\x01' + fragment);
  for (int i = 0; i < 3; ++i) endless.send_raw('\x00' + fragment);
  CHECK(endless.close_code() == 1009);
  SocketClient unmasked(stack.port(), "/ws/logs");
  REQUIRE(unmasked.send_raw("\x81\x04ping"));
  CHECK(unmasked.close_code() == 1002);
  SocketClient invalid(stack.port(), "/ws/logs");
  REQUIRE(invalid.send("\xff\xfe"));
  CHECK(invalid.close_code() == 1007);
  SocketClient good(stack.port(), "/ws/logs");
  REQUIRE(good.send("ping"));
  CHECK(good.receive() == "pong");
}

TEST_CASE("a channel is closed with 1001 when the server goes away", "[server][UI-84]") {
  Stack stack({});
  SocketClient client(stack.port(), "/ws/status");
  REQUIRE(client.receive());
  stack.stop_serving();
  CHECK(client.close_code() == 1001);
}

TEST_CASE("a silent client is pinged, and dropped when it stays silent", "[server][UI-85]") {
  server::Limits limits;
  limits.socket.look_every = 10ms;
  limits.socket.ping_after = 20ms;
  limits.socket.silence = 300ms;
  Stack stack({}, {}, {}, limits);
  DeafClient deaf(stack.port(), "/ws/logs");
  SocketClient answering(stack.port(), "/ws/logs");  // its reading answers pings
  CHECK(eventually([&] { return open_connections(stack) == 2; }));
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(answering.receive(1000ms));
  CHECK(std::chrono::steady_clock::now() - began >= 1000ms);  // it was there for longer than a silence
  CHECK(eventually([&] { return open_connections(stack) == 0; }));
}

TEST_CASE("a client that goes away without a word leaves nothing behind", "[server][UI-85][UI-88]") {
  Stack stack(services());
  {
    std::vector<std::unique_ptr<SocketClient>> clients;
    for (int i = 0; i < 100; ++i) {
      const char* target = i % 2 == 0 ? "/ws/status?health=true&interval=0.5" : "/ws/logs";
      clients.push_back(std::make_unique<SocketClient>(stack.port(), target));
      REQUIRE(clients.back()->status() == 101);
    }
    CHECK(open_connections(stack) == 100);
    CHECK(clients[0]->receive());
    CHECK(clients[98]->receive());
  }
  CHECK(eventually([&] { return open_connections(stack) == 0; }));
}

TEST_CASE("a client that does not read loses its own lines only, and is dropped in the end",
          "[server][UI-87][UI-88]") {
  server::Limits limits;
  limits.socket.look_every = 10ms;
  limits.socket.stall = 500ms;
  Stack stack({}, {}, {}, limits);
  DeafClient deaf(stack.port(), "/ws/logs");
  REQUIRE(eventually([&] { return open_connections(stack) == 1; }));
  SocketClient reader(stack.port(), "/ws/logs");
  REQUIRE(reader.send("ping"));
  REQUIRE(reader.receive() == "pong");
  const std::string filler(8000, 'x');
  std::size_t sent = 0;
  for (; open_connections(stack) == 2 && sent < 200'000; ++sent) {
    stack.engine().log().info(filler);
    const auto line = reader.receive();
    REQUIRE(line);
    REQUIRE_THAT(*line, EndsWith(filler));
  }
  INFO(sent);
  CHECK(open_connections(stack) == 1);
}

TEST_CASE("lines a client has missed are counted where they are missing", "[server][UI-87]") {
  Stack stack({});
  SocketClient client(stack.port(), "/ws/logs");
  REQUIRE(client.send("ping"));
  REQUIRE(client.receive() == "pong");
  // More than the sockets of both sides and the queue hold together.
  const std::string filler(20'000, 'x');
  constexpr int count = 1500;
  for (int i = 0; i < count; ++i) stack.engine().log().info(std::to_string(i) + " " + filler);
  stack.engine().log().info("the end");
  REQUIRE(eventually([&] {
    return stack.get("/logs?process_name=DUMB&tail_bytes=1000").body.find("the end") != std::string::npos;
  }));
  int lines = 0;
  int missing = 0;
  for (bool ended = false; !ended;) {
    const auto line = client.receive();
    REQUIRE(line);
    const std::size_t at = line->find(" lines are missing here");
    ended = line->ends_with("the end");
    if (at != std::string::npos) {
      CHECK_THAT(*line, ContainsSubstring(" - WARNING - "));
      missing += std::stoi(line->substr(line->rfind(' ', at - 1)));
    } else if (!ended) {
      ++lines;
    }
  }
  CHECK(missing > 0);
  CHECK(lines + missing == count);
}
