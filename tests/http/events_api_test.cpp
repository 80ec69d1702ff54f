#include <boost/json.hpp>
#include <chrono>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/types.hpp>
#include <future>

#include "golden.hpp"
#include "stack.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;
using engine::Event;
using engine::EventList;

namespace {

json::object services() {
  json::object all;
  all["echo"] = child_block("Echo", {});
  all["other"] = child_block("Other", {});
  return all;
}

EventList list_of(const Answer& answer) {
  INFO(answer.body);
  REQUIRE(answer.status == 200);
  auto list = codec::from_json<EventList>(parsed(answer.body));
  REQUIRE(list);
  return *list;
}

EventList events(Stack& stack, const std::string& query = {}) {
  return list_of(stack.get("/process/events" + query));
}

std::string after(const EventList& list, const std::string& rest = {}) {
  return "?since=" + std::to_string(list.cursor) + rest;
}

/// The events of one service, as "previous > state cause: reason".
std::vector<std::string> told(const EventList& list, std::string_view name) {
  std::vector<std::string> lines;
  for (const Event& event : list.events) {
    if (event.process_name != name) continue;
    lines.push_back(event.previous.value_or("none") + " > " + event.state + " " + event.cause +
                    (event.reason ? ": " + *event.reason : ""));
  }
  return lines;
}

}  // namespace

TEST_CASE("events are asked for by cursor, service and number", "[server][LIF-150][LIF-151][LIF-155]") {
  Stack stack(services());
  REQUIRE(stack.operate("start-service", "Echo").status == 200);
  REQUIRE(stack.operate("start-service", "Other").status == 200);
  const EventList echo = events(stack, "?since=0&process_name=echo");
  CHECK(told(echo, "Echo") == std::vector<std::string>{"stopped > setting_up api: a start was asked for",
                                                       "setting_up > waiting api", "waiting > starting api",
                                                       "starting > running api"});
  CHECK(echo.events.size() == 4);
  CHECK(echo.cursor == events(stack).cursor);
  CHECK(events(stack, after(echo)).events.empty());
  CHECK(events(stack, "?limit=1&process_name=Echo").events.front().state == "running");
  const EventList page = events(stack, "?since=0&limit=1&process_name=Echo");
  REQUIRE(page.events.size() == 1);
  CHECK(page.cursor == page.events.front().seq);
  const EventList none = events(stack, after(echo));
  REQUIRE(stack.operate("stop-service", "Echo").status == 200);
  CHECK(told(events(stack, after(none)), "Echo") ==
        std::vector<std::string>{"running > stopping api: a stop was asked for", "stopping > stopped api"});
  // Enabling a service at its start is a change of the configuration.
  const auto stack_events = told(events(stack, "?process_name=DUMB%20API"), "");
  REQUIRE_FALSE(stack_events.empty());
  CHECK_THAT(stack_events.front(), ContainsSubstring("config: the configuration was changed and saved"));
}

TEST_CASE("a cursor from another history gives everything and says so", "[server][LIF-155]") {
  Stack stack(services());
  REQUIRE(stack.operate("start-service", "Echo").status == 200);
  const EventList all = events(stack, "?since=0");
  CHECK_FALSE(all.lost);
  const EventList foreign = events(stack, "?since=100000&timeout=30");
  CHECK(foreign.lost);
  CHECK(foreign.events.size() == all.events.size());
}

TEST_CASE("a long poll waits for an event that fits, and no longer", "[server][LIF-156]") {
  Stack stack(services());
  const std::string query = "/process/events" + after(events(stack), "&process_name=Other&timeout=30");
  auto poll = std::async(std::launch::async, [&] { return stack.get(query); });
  // What happens to others does not answer it.
  REQUIRE(stack.operate("start-service", "Echo").status == 200);
  CHECK(poll.wait_for(0s) == std::future_status::timeout);
  REQUIRE(stack.operate("start-service", "Other").status == 200);
  REQUIRE(poll.wait_for(20s) == std::future_status::ready);
  const EventList list = list_of(poll.get());
  REQUIRE_FALSE(list.events.empty());
  CHECK(list.events.front().process_name == "Other");
  CHECK(list.events.front().state == "setting_up");
  const auto begun = std::chrono::steady_clock::now();
  const EventList nothing = events(stack, after(events(stack), "&timeout=0.2"));
  CHECK(nothing.events.empty());
  CHECK(std::chrono::steady_clock::now() - begun >= 200ms);
}

TEST_CASE("a shutdown is told to its end and ends long polls", "[server][LIF-156]") {
  Stack stack(services());
  REQUIRE(stack.operate("start-service", "Echo").status == 200);
  std::vector<std::string> seen;
  auto follower = std::async(std::launch::async, [&, cursor = events(stack).cursor]() mutable {
    // Until an answer without events, which only the end of the shutdown gives this soon. No assertions here:
    // they belong to the thread of the test.
    for (;;) {
      const Answer answer = stack.get("/process/events?timeout=60&since=" + std::to_string(cursor));
      const auto document = jsonx::parse(answer.body);
      const auto decoded = document ? codec::from_json<EventList>(*document) : Result<EventList>();
      if (!decoded) return;
      const EventList& list = *decoded;
      if (list.events.empty()) return;
      cursor = list.cursor;
      for (const std::string& line : told(list, "Echo")) seen.push_back(line);
      for (const std::string& line : told(list, "")) seen.push_back(line);
    }
  });
  stack.begin_shutdown();
  REQUIRE(follower.wait_for(20s) == std::future_status::ready);
  follower.get();
  REQUIRE(seen.size() >= 4);
  const auto has = [&](std::string_view text) {
    return std::find(seen.begin(), seen.end(), text) != seen.end();
  };
  CHECK(has("initializing > shutting_down shutdown"));
  CHECK(has("running > stopping shutdown: DUMB is shutting down"));
  CHECK(has("stopping > stopped shutdown"));
  CHECK_THAT(seen.back(), ContainsSubstring("shutdown: shut down in"));
}

TEST_CASE("up and down tell what was named and what came along", "[server][LIF-151]") {
  json::object all = services();
  for (auto& [key, block] : all) block.as_object()["enabled"] = true;
  json::array needs;
  needs.emplace_back("Other");
  all["echo"].as_object()["depends_on"] = std::move(needs);
  Stack stack(all);
  REQUIRE(stack.post("/process/up", R"({"process_names":["Echo"]})").status == 200);
  CHECK(told(events(stack), "Other").front() == "stopped > setting_up needs: is needed by Echo");
  CHECK(told(events(stack), "Echo").front() ==
        "stopped > setting_up api: it was asked to be up; waited for Other");
  const EventList before = events(stack);
  REQUIRE(stack.post("/process/down", R"({"process_names":["Other"]})").status == 200);
  const EventList list = events(stack, after(before));
  CHECK_THAT(told(list, "Echo").front(), StartsWith("running > stopping needs: needs Other"));
  CHECK_THAT(told(list, "Other").front(), StartsWith("running > stopping api: it was asked to be down"));
}

TEST_CASE("faulty questions for events are refused", "[server][LIF-155]") {
  Stack stack(services());
  CHECK(stack.get("/process/events?since=soon").status == 422);
  CHECK(stack.get("/process/events?limit=0").status == 400);
  CHECK(stack.get("/process/events?since=-1").status == 400);
  CHECK(stack.get("/process/events?timeout=-1").status == 400);
  CHECK(stack.get("/process/events?process_name=nobody").status == 404);
  CHECK(stack.get("/process/events?limit=100000").status == 200);
}
