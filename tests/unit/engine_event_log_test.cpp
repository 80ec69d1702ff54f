#include "engine/event_log.hpp"

#include "support/catch.hpp"

using namespace dumb;
using engine::Event;
using engine::EventList;
using engine::EventLog;

namespace {

Event event_of(std::string name, std::string state) {
  Event event;
  event.process_name = std::move(name);
  event.state = std::move(state);
  event.cause = "api";
  return event;
}

std::vector<std::int64_t> numbers(const std::vector<Event>& events) {
  std::vector<std::int64_t> seqs;
  for (const Event& event : events) seqs.push_back(event.seq);
  return seqs;
}

std::string stored(std::int64_t seq, std::string name = "Zilean", std::string state = "running") {
  Event event = event_of(std::move(name), std::move(state));
  event.seq = seq;
  event.time = 1'770'811'200.25;
  return engine::event_line(event);
}

using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("a cursor gives what came behind it, once, in pages", "[engine][LIF-150][LIF-155]") {
  EventLog log;
  for (int i = 0; i < 5; ++i) log.add(event_of(i % 2 == 0 ? "A" : "B", "running"));
  const EventList first = log.query(0, nullptr, 3);
  CHECK(numbers(first.events) == Numbers{1, 2, 3});
  CHECK(first.cursor == 3);
  CHECK_FALSE(first.lost);
  const EventList second = log.query(first.cursor, nullptr, 3);
  CHECK(numbers(second.events) == Numbers{4, 5});
  CHECK(second.cursor == 5);
  const EventList none = log.query(second.cursor, nullptr, 3);
  CHECK(none.events.empty());
  CHECK(none.cursor == 5);
  CHECK_FALSE(none.lost);
  log.add(event_of("A", "stopped"));
  CHECK(numbers(log.query(none.cursor, nullptr, 3).events) == Numbers{6});
}

TEST_CASE("without a cursor the latest events are given, oldest of them first", "[engine][LIF-155]") {
  EventLog log;
  CHECK(log.query(std::nullopt, nullptr, 2).events.empty());
  CHECK_FALSE(log.query(std::nullopt, nullptr, 2).oldest);
  for (int i = 0; i < 5; ++i) log.add(event_of("A", "running"));
  const EventList answer = log.query(std::nullopt, nullptr, 2);
  CHECK(numbers(answer.events) == Numbers{4, 5});
  CHECK(answer.cursor == 5);
  CHECK(answer.oldest == 1);
}

TEST_CASE("a service's events skip those of others without missing one of its own", "[engine][LIF-155]") {
  EventLog log;
  for (int i = 0; i < 6; ++i) log.add(event_of(i % 3 == 0 ? "A" : "B", "running"));
  const std::string a = "A";
  const EventList one = log.query(0, &a, 1);
  CHECK(numbers(one.events) == Numbers{1});
  CHECK(one.cursor == 1);
  const EventList rest = log.query(one.cursor, &a, 1);
  CHECK(numbers(rest.events) == Numbers{4});
  CHECK(rest.cursor == 6);
  const std::string stack;
  CHECK(log.query(0, &stack, 10).events.empty());
  CHECK(log.find_name(" a ") == "A");
  CHECK_FALSE(log.find_name("C"));
}

TEST_CASE("what fell out of the memory is said to be lost", "[engine][LIF-154][LIF-155]") {
  EventLog log(3);
  for (int i = 0; i < 3; ++i) log.add(event_of("A", "running"));
  CHECK_FALSE(log.query(0, nullptr, 10).lost);
  log.add(event_of("A", "running"));
  const EventList answer = log.query(0, nullptr, 10);
  CHECK(answer.lost);
  CHECK(answer.oldest == 2);
  CHECK(numbers(answer.events) == Numbers{2, 3, 4});
  CHECK_FALSE(log.query(1, nullptr, 10).lost);
  // A cursor nobody can have got from this log: everything is told again.
  const EventList foreign = log.query(99, nullptr, 10);
  CHECK(foreign.lost);
  CHECK(numbers(foreign.events) == Numbers{2, 3, 4});
  CHECK(foreign.cursor == 4);
}

TEST_CASE("an orderly run is continued without a gap", "[engine][LIF-152][LIF-153]") {
  const auto read = engine::read_events(stored(1) + stored(2), stored(3) + engine::closing_line(3), 10);
  CHECK(numbers(read.events) == Numbers{1, 2, 3});
  CHECK(read.events[0].process_name == "Zilean");
  CHECK(read.events[0].time == 1'770'811'200.25);
  CHECK(read.next == 4);
  CHECK(read.orderly);
  EventLog log(10);
  log.restore(read.events, read.next);
  CHECK(log.add(event_of("A", "running")).seq == 4);
  CHECK_FALSE(log.query(0, nullptr, 10).lost);
  const auto nothing = engine::read_events("", "", 10);
  CHECK(nothing.next == 1);
  CHECK(nothing.orderly);
}

TEST_CASE("after a run that was killed no number is given twice", "[engine][LIF-152]") {
  const auto read = engine::read_events("", stored(1) + stored(2), 10);
  CHECK_FALSE(read.orderly);
  CHECK(read.next == 3 + engine::numbers_left_out);
  // The closing line of an earlier run does not count.
  CHECK_FALSE(engine::read_events("", stored(1) + engine::closing_line(1) + stored(2), 10).orderly);
  EventLog log(10);
  log.restore(read.events, read.next);
  log.add(event_of("A", "running"));
  // Numbers that were left out are no loss.
  CHECK_FALSE(log.query(2, nullptr, 10).lost);
  CHECK(numbers(log.query(2, nullptr, 10).events) == Numbers{3 + engine::numbers_left_out});
}

TEST_CASE("torn, foreign and repeated lines are passed over", "[engine][LIF-153]") {
  const std::string torn = stored(4).substr(0, 40);
  const auto cut = engine::read_events("", stored(2) + stored(3) + torn, 10);
  CHECK(numbers(cut.events) == Numbers{2, 3});
  CHECK_FALSE(cut.orderly);
  const auto mixed = engine::read_events(
      "",
      stored(1) + "not json\n" + stored(2) + stored(2) + "[1]\n{\"seq\":\"x\"}\n" + torn + "\n" + stored(5),
      10);
  CHECK(numbers(mixed.events) == Numbers{1, 2, 5});
  CHECK(mixed.next == 6 + engine::numbers_left_out);
  // Cut behind its last character, a line is whole but for its end.
  const std::string line = stored(3);
  CHECK(numbers(engine::read_events("", stored(2) + line.substr(0, line.size() - 1), 10).events) ==
        Numbers{2, 3});
  const auto closed = engine::closing_line(3);
  CHECK_FALSE(engine::read_events("", line + closed.substr(0, closed.size() - 1), 10).orderly);
  // Nor is a number taken that no run can have reached: the next one would have no room.
  const std::string beyond = "9223372036854775807";
  std::string damaged = stored(2);
  damaged.replace(damaged.find("\"seq\":2") + 6, 1, beyond);
  const auto huge = engine::read_events("", stored(1) + damaged, 10);
  CHECK(numbers(huge.events) == Numbers{1});
  CHECK(huge.next == 2 + engine::numbers_left_out);
  CHECK(engine::read_events("", stored(1) + "{\"closed\":" + beyond + "}\n", 10).next ==
        2 + engine::numbers_left_out);
  const auto noise = engine::read_events("", std::string(3, '\0') + "\n\n\n", 10);
  CHECK(noise.events.empty());
  CHECK(noise.next == 1);
}

TEST_CASE("of a long file the latest events are taken, over both parts", "[engine][LIF-153][LIF-154]") {
  std::string older, current;
  for (int i = 1; i <= 6; ++i) older += stored(i);
  for (int i = 7; i <= 9; ++i) current += stored(i);
  current += engine::closing_line(9);
  CHECK(numbers(engine::read_events(older, current, 4).events) == Numbers{6, 7, 8, 9});
  CHECK(numbers(engine::read_events(older, current, 2).events) == Numbers{8, 9});
  EventLog log(4);
  const auto read = engine::read_events(older, current, 4);
  log.restore(read.events, read.next);
  CHECK(log.query(4, nullptr, 10).lost);
  CHECK_FALSE(log.query(5, nullptr, 10).lost);
}

TEST_CASE("a file makes room before it outgrows its limit", "[engine][LIF-153]") {
  CHECK_FALSE(engine::rotate_events(0, 500, 100));  // never leaves an empty one behind
  CHECK_FALSE(engine::rotate_events(60, 40, 100));
  CHECK(engine::rotate_events(60, 41, 100));
}

TEST_CASE("an event is one line, whatever its reason holds", "[engine][LIF-153]") {
  Event event = event_of("A", "failed");
  event.reason = "line one\nline \"two\"";
  event.exit = "exit code 7";
  event.pid = 42;
  const std::string line = engine::event_line(event);
  CHECK(line.find('\n') == line.size() - 1);
  event.seq = 1;
  const auto read = engine::read_events("", engine::event_line(event), 10);
  REQUIRE(read.events.size() == 1);
  CHECK(read.events[0].reason == event.reason);
  CHECK(read.events[0].exit == event.exit);
  CHECK(read.events[0].pid == event.pid);
  CHECK_FALSE(read.events[0].previous);
}

TEST_CASE("a service that changes all the time leaves the others their history",
          "[engine][LIF-154][LIF-155]") {
  EventLog log(16);
  for (int i = 0; i < 20; ++i) log.add(event_of("Quiet", i % 2 == 0 ? "running" : "stopped"));
  for (int i = 0; i < 1000; ++i) log.add(event_of("Flapping", "backoff"));
  const auto name = log.find_name("quiet");
  REQUIRE(name == std::optional<std::string>("Quiet"));
  const EventList last = log.query(std::nullopt, &*name, 100);
  REQUIRE(last.events.size() == EventLog::few);
  CHECK(last.events.back().seq == 20);
  CHECK(last.events.front().seq == 20 - static_cast<std::int64_t>(EventLog::few) + 1);
  CHECK(log.query(std::nullopt, &*name, 3).events.front().seq == 18);
  // With a cursor they are as lost as ever, and all together are the latest.
  CHECK(log.query(0, &*name, 100).lost);
  CHECK(log.query(std::nullopt, nullptr, 100).events.size() == 16);
  const std::string flapping = "Flapping";
  const EventList both = log.query(std::nullopt, &flapping, 100);
  REQUIRE(both.events.size() == 16 + EventLog::few);
  CHECK(both.events.back().seq == 1020);
  CHECK(both.events.front().seq == 1020 - 15 - static_cast<std::int64_t>(EventLog::few));
}

TEST_CASE("histories of services that are gone do not pile up", "[engine][LIF-154]") {
  EventLog log(2);
  for (std::size_t i = 0; i < EventLog::most_apart + 10; ++i)
    log.add(event_of("Service " + std::to_string(i), "running"));
  CHECK_FALSE(log.find_name("service 0"));
  CHECK(log.find_name("service 20") == std::optional<std::string>("Service 20"));
}
