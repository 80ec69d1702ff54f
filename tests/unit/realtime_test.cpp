#include <dumb/realtime/outbox.hpp>
#include <dumb/realtime/request.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::realtime;
using namespace std::chrono_literals;

namespace {

Message text(std::string value) {
  return std::make_shared<const std::string>(std::move(value));
}

std::vector<std::string> drained(Outbox& outbox) {
  std::vector<std::string> out;
  while (const Message message = outbox.take()) out.push_back(*message);
  return out;
}

LineOutbox lines(std::size_t most, std::size_t bytes) {
  return LineOutbox({most, bytes},
                    [](std::size_t count) { return text("missing " + std::to_string(count)); });
}

}  // namespace

TEST_CASE("a state that was not sent yet is replaced by the next one", "[realtime][UI-87]") {
  LatestOutbox outbox;
  CHECK(outbox.take() == nullptr);
  outbox.put(text("one"));
  outbox.put(text("two"));
  CHECK(drained(outbox) == std::vector<std::string>{"two"});
  outbox.put(text("three"));
  CHECK(drained(outbox) == std::vector<std::string>{"three"});
}

TEST_CASE("of too many lines the oldest go, and how many is told in their place", "[realtime][UI-87]") {
  LineOutbox outbox = lines(3, 1000);
  for (const char* line : {"a", "b", "c"}) outbox.put(text(line));
  CHECK(drained(outbox) == std::vector<std::string>{"a", "b", "c"});
  for (const char* line : {"d", "e", "f", "g", "h"}) outbox.put(text(line));
  CHECK(*outbox.take() == "missing 2");
  CHECK(*outbox.take() == "f");
  outbox.put(text("i"));
  CHECK(drained(outbox) == std::vector<std::string>{"g", "h", "i"});
  CHECK(outbox.take() == nullptr);
}

TEST_CASE("lines are bounded by their bytes as well, but the newest stays", "[realtime][UI-87]") {
  LineOutbox outbox = lines(100, 10);
  outbox.put(text("12345678"));
  outbox.put(text("123"));
  CHECK(drained(outbox) == std::vector<std::string>{"missing 1", "123"});
  outbox.put(text(std::string(50, 'x')));
  CHECK(drained(outbox) == std::vector<std::string>{std::string(50, 'x')});
  outbox.add_dropped(4);
  CHECK(drained(outbox) == std::vector<std::string>{"missing 4"});
}

TEST_CASE("the three channels have their paths and nothing else has", "[realtime][UI-80]") {
  CHECK(channel_of("/ws/logs") == Channel::logs);
  CHECK(channel_of("/ws/status") == Channel::status);
  CHECK(channel_of("/ws/metrics") == Channel::metrics);
  for (const char* path : {"/ws", "/ws/", "/ws/log", "/ws/logs/x", "/WS/logs", "/status", ""})
    CHECK_FALSE(channel_of(path));
}

TEST_CASE("what a client asks for is read leniently", "[realtime][UI-86][UI-93][UI-98]") {
  const Request plain = parse_request({});
  CHECK(plain.interval == 2s);
  CHECK_FALSE(plain.health);
  CHECK(plain.history_limit == 5000);
  CHECK(plain.history_points == 600);
  CHECK_FALSE(plain.history_since);
  const Request full = parse_request({{"interval", " 0.75 "},
                                      {"health", " Yes"},
                                      {"bootstrap", "on"},
                                      {"history", "1"},
                                      {"history_full", "TRUE"},
                                      {"history_limit", "10"},
                                      {"history_since", "1770811200.5"},
                                      {"history_bucket", "36"},
                                      {"history_points", "0"},
                                      {"token", "a.b.c"},
                                      {"unknown", "x"}});
  CHECK(full.interval == 750ms);
  CHECK((full.health && full.bootstrap && full.history && full.history_full));
  CHECK(full.history_limit == 10);
  CHECK(full.history_since == 1770811200.5);
  CHECK(full.history_bucket == 36);
  CHECK(full.history_points == 0);
  CHECK(full.token == "a.b.c");
  const Request odd = parse_request({{"interval", "soon"},
                                     {"health", "2"},
                                     {"history_limit", "many"},
                                     {"history_since", "nan"},
                                     {"history_points", "1e9"}});
  CHECK(odd.interval == 2s);
  CHECK_FALSE(odd.health);
  CHECK(odd.history_limit == 5000);
  CHECK_FALSE(odd.history_since);
  CHECK(odd.history_points == 600);
  CHECK(parse_request({{"interval", "0"}}).interval == 500ms);
  CHECK(parse_request({{"interval", "-3"}}).interval == 500ms);
  CHECK(parse_request({{"interval", "1e300"}}).interval == 10s);
}

TEST_CASE("a ping is a word or an object that says so", "[realtime][UI-89]") {
  for (const char* ping : {"ping", R"({"type":"ping"})", R"( {"a":1,"type":"ping"} )"}) CHECK(is_ping(ping));
  for (const char* other : {"", "pong", "Ping", R"({"type":"pong"})", R"({"type":1})", R"({"type":"ping")",
                            "[]", R"("ping")", "\xff"})
    CHECK_FALSE(is_ping(other));
}

TEST_CASE("a status is due at once, then each interval, and soon after a change", "[realtime][UI-93]") {
  Pacer pacer(2s);
  const Pacer::Time start{};
  CHECK(pacer.due() == Pacer::Time::min());
  pacer.sent(start);
  CHECK(pacer.due() == start + 2s);
  pacer.changed();
  CHECK(pacer.due() == start + 250ms);  // the fourth part of a second: not more often
  pacer.sent(start + 300ms);
  CHECK(pacer.due() == start + 2300ms);
}
