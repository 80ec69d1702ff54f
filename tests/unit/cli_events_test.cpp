#include <algorithm>
#include <cmath>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/types.hpp>

#include "cli/src/event_lines.hpp"
#include "support/cli_program.hpp"

using namespace dumb;
using engine::Event;
using test::CliProgram;

namespace {

constexpr double now = 1'770'811'200;  // 2026-02-11 12:00:00 UTC

Event event_of(std::int64_t seq, std::string name, std::string state) {
  Event event;
  event.seq = seq;
  event.time = now - 100 + static_cast<double>(seq);
  event.process_name = std::move(name);
  event.state = std::move(state);
  event.cause = "api";
  return event;
}

std::string list(const std::vector<Event>& events, std::int64_t cursor, bool lost = false) {
  return jsonx::print_compact(codec::encode(engine::EventList{events, cursor, 1, lost}));
}

std::vector<Event> many(std::int64_t first, std::int64_t last) {
  std::vector<Event> events;
  for (std::int64_t seq = first; seq <= last; ++seq) events.push_back(event_of(seq, "Zilean", "running"));
  return events;
}

std::string next(std::int64_t cursor) {
  return "GET /process/events?since=" + std::to_string(cursor) + "&limit=1000&timeout=10";
}

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("events are told one per line, aligned", "[cli][LIF-158]") {
  CliProgram program;
  Event boot = event_of(1, "", "initializing");
  boot.cause = "boot";
  boot.reason = "DUMB 0.1.0 starts";
  Event start = event_of(2, "rclone w/ RealDebrid", "setting_up");
  start.previous = "stopped";
  start.reason = "a start was asked for";
  Event running = event_of(3, "Zilean", "running");
  running.previous = "starting";
  running.pid = 42;
  Event crash = event_of(4, "Zilean", "stopped");
  crash.previous = "running";
  crash.cause = "exit";
  crash.reason = "ended by itself: exit code 7\x1b[2J";
  crash.exit = "exit code 7";
  crash.pid = 42;
  program.answer("GET /process/events?limit=50", list({boot, start, running, crash}, 4));
  CHECK(program.run({"events"}) == 0);
  CHECK(program.out ==
        "@1770811101  dumb                  initializing              boot: DUMB 0.1.0 starts\n"
        "@1770811102  rclone w/ RealDebrid  stopped -> setting_up     api: a start was asked for\n"
        "@1770811103  Zilean                starting -> running       api (pid 42)\n"
        "@1770811104  Zilean                running -> stopped        exit: ended by itself: exit code "
        "7\\x1b[2J (pid 42)\n");
  program.terminal(90);
  CHECK(program.run({"events", "--color", "never"}) == 0);
  for (const std::string& line : text::split(program.out, '\n')) CHECK(cli::display_width(line) <= 90);
}

TEST_CASE("events in JSON are one object per line", "[cli][LIF-158]") {
  CliProgram program;
  program.answer("GET /process/events?limit=2&process_name=Zilean", list(many(7, 8), 8));
  CHECK(program.run({"events", "--json", "-n", "2", "Zilean"}) == 0);
  REQUIRE(lines_of(program.out) == 2);
  const auto first = jsonx::parse(program.out.substr(0, program.out.find('\n')));
  REQUIRE(first);
  CHECK(first->at("seq").as_int64() == 7);
  CHECK(first->at("exit").is_null());
}

TEST_CASE("events since a number or a time are read page by page", "[cli][LIF-158]") {
  CliProgram program;
  program.answer("GET /process/events?since=10&limit=1000", list(many(11, 1010), 1010));
  program.answer("GET /process/events?since=1010&limit=1000", list(many(1011, 1012), 1012));
  CHECK(program.run({"events", "--since", "10"}) == 0);
  CHECK(lines_of(program.out) == 1002);
  CHECK(program.run({"events", "--since", "10", "-n", "3"}) == 0);
  CHECK(lines_of(program.out) == 3);
  program.answer("GET /process/events?since=0&limit=1000", list(many(1, 100), 100, true));
  CHECK(program.run({"events", "--since", "10s"}) == 0);
  CHECK(lines_of(program.out) == 11);
  CHECK(program.err.empty());
  CHECK(program.run({"events", "-n", "all"}) == 0);
  CHECK(lines_of(program.out) == 100);
  CHECK(program.run({"events", "--since", "0"}) == 0);
  CHECK(program.err == "dumb-cli: earlier events are no longer kept\n");
}

TEST_CASE("following events misses nothing while the server is away", "[cli][LIF-158]") {
  CliProgram program;
  program.answer("GET /process/events?limit=1", list(many(5, 5), 5));
  program.answer(next(5), list(many(6, 7), 7));
  program.refuse(next(7), Error(Errc::timed_out, "late"));
  program.refuse(next(7), Error(Errc::timed_out, "late"));
  program.answer(next(7), list(many(8, 8), 8));
  program.answer(next(8), list({}, 8));
  program.pauses = 6;
  CHECK(program.run({"events", "-f", "-n", "0"}) == 0);
  CHECK(lines_of(program.out) == 3);
  CHECK(program.err ==
        "dumb-cli: lost http://127.0.0.1:8000; waiting for it\ndumb-cli: http://127.0.0.1:8000 is back\n");
  program.answers[next(8)] = {};
  program.answer(next(8), list(many(20, 20), 20, true));
  program.answer(next(20), R"({"detail":"There is no process named Zilean."})", 404);
  program.answers["GET /process/events?limit=1"] = {};
  program.answer("GET /process/events?limit=1", list(many(8, 8), 8));
  program.pauses = 10;
  CHECK(program.run({"events", "-f", "-n", "1"}) == 4);
  CHECK(lines_of(program.out) == 2);
  CHECK(program.err.find("events in between are no longer kept") != std::string::npos);
}

TEST_CASE("following ends when nobody reads", "[cli][LIF-158]") {
  CliProgram program;
  program.answer("GET /process/events?limit=50", list(many(1, 1), 1));
  program.pauses = 100;
  program.reader_gone = true;
  CHECK(program.run({"events", "-f"}) == 0);
  CHECK(program.pauses == 100);
}

TEST_CASE("since is a number, a span or a time", "[cli][LIF-158]") {
  const auto time = [](std::string_view text) { return cli::parse_since(text, now)->time.value_or(0); };
  CHECK(cli::parse_since("0", now)->seq == 0);
  CHECK(cli::parse_since("1234", now)->seq == 1234);
  CHECK(time("90s") == now - 90);
  CHECK(time("1h30m") == now - 5'400);
  CHECK(time("2d") == now - 172'800);
  CHECK(time("1w") == now - 604'800);
  CHECK(time("2026-02-11T12:00Z") == now);
  CHECK(time("2026-02-11T12:00:00+01:00") == now - 3'600);
  CHECK(time("2026-02-11 12:00:07.5-0130") == now + 5'407);
  // Local time, whatever that is here, lies within a day of it.
  CHECK(std::abs(time("2026-02-11T12:00") - now) <= 86'400);
  CHECK(time("2026-02-11T12:00") - time("2026-02-11") == 43'200);
  for (const char* wrong :
       {"", "-1", "+5", "10x", "m", "10m5", "2026-02", "2026-13-01", "2026-02-11T", "2026-02-11T25",
        "2026-02-11T12:00Q", "2026-02-11T12:61", "yesterday", "2026-02-11T12:00+9"}) {
    INFO(wrong);
    CHECK_FALSE(cli::parse_since(wrong, now));
  }
  CliProgram program;
  CHECK(program.run({"events", "--since", "soon"}) == 2);
  CHECK(program.run({"events", "-n", "few"}) == 2);
  CHECK(program.requests.empty());
}
