#include <sys/stat.h>
#include <unistd.h>

#include <dumb/base/text.hpp>
#include <filesystem>
#include <mutex>

#include "engine/event_file_posix.hpp"
#include "engine/event_recorder_asio.hpp"
#include "engine_scratch.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace fs = std::filesystem;
using engine::Event;
using engine::EventFile;
using engine::EventList;
using engine::EventQuery;
using test::Scratch;

namespace {

Event event_of(std::string name, std::string state) {
  Event event;
  event.process_name = std::move(name);
  event.state = std::move(state);
  event.cause = "api";
  return event;
}

std::string numbered(std::int64_t seq) {
  Event event = event_of("A", "running");
  event.seq = seq;
  return engine::event_line(event);
}

/// Everything told of a service, one line per event.
std::vector<std::string> told_of(Scratch& s, std::string name) {
  EventQuery query;
  query.process_name = std::move(name);
  const auto answer = s.run(s.engine->events(query));
  REQUIRE(answer);
  std::vector<std::string> lines;
  for (const Event& event : answer->events) {
    lines.push_back(event.previous.value_or("none") + " > " + event.state + " " + event.cause +
                    (event.reason ? ": " + *event.reason : "") + (event.exit ? " | " + *event.exit : ""));
  }
  return lines;
}

struct Records final : Log {
  void write(Level, std::string_view message) override {
    const std::lock_guard lock(mutex);
    all.emplace_back(message);
  }
  std::mutex mutex;
  std::vector<std::string> all;
};

/// A recorder with a life of its own.
struct Bench {
  explicit Bench(EventFile file) : recorder({context, workers, log, tasks}, std::move(file), 8) {}
  ~Bench() {
    workers.stop();
    workers.join();
  }
  void settle() {
    REQUIRE(test::run_until(context, [&] { return tasks == 0; }));
  }

  asio::io_context context;
  asio::thread_pool workers{1};
  Records log;
  std::size_t tasks = 0;
  engine::EventRecorder recorder;
};

}  // namespace

TEST_CASE("start, stop and crash are told with who caused them", "[engine][LIF-150][LIF-151]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  s.add(file, "bad", "Bad", Scratch::custom({"--exit", "7"}));
  s.add(file, "late", "Late", Scratch::custom({"--after", "900", "--exit", "3"}));
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Svc")));
  const auto pid = s.engine->status("Svc")->pid;
  REQUIRE(s.run(s.engine->stop("Svc")));
  CHECK(told_of(s, " svc ") == std::vector<std::string>{"stopped > setting_up api: a start was asked for",
                                                        "setting_up > waiting api", "waiting > starting api",
                                                        "starting > running api",
                                                        "running > stopping api: a stop was asked for",
                                                        "stopping > stopped api | signal 15 (TERM)"});
  EventQuery all;
  const auto told = s.run(s.engine->events(all));
  for (const Event& event : told->events) {
    if (event.state == "running" || event.state == "stopped") CHECK(event.pid == pid);
    CHECK(event.time > 1'700'000'000);
  }
  REQUIRE_FALSE(s.run(s.engine->start("Bad")));
  REQUIRE(told_of(s, "Bad").size() == 4);
  CHECK_THAT(told_of(s, "Bad").back(),
             StartsWith("starting > failed exit: ended right after its start") && EndsWith("| exit code 7"));
  REQUIRE(s.run(s.engine->start("Late")));
  REQUIRE(test::run_until(s.context, [&] { return s.state("Late") == "stopped"; }));
  CHECK(told_of(s, "Late").back() == "running > stopped exit: ended by itself: exit code 3 | exit code 3");
  s.run(s.engine->shutdown());
}

TEST_CASE("a boot tells its phases and what it starts", "[engine][LIF-150][LIF-151][LIF-157]") {
  Scratch s;
  auto file = Scratch::document();
  jsonx::set(file, {"dumb", "startup", "readiness_timeout_seconds"}, 1);
  s.add(file, "svc", "Svc", Scratch::custom({}));
  s.add(file, "bad", "Bad", Scratch::custom({"--exit", "7"}));
  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  const auto over = [&] { return s.engine->startup_status().terminal; };
  REQUIRE(test::run_until(s.context, over));
  CHECK(told_of(s, "Svc").front() == "stopped > setting_up boot: the stack starts");
  auto stack = told_of(s, "DUMB API");
  // Beside the phases: what the boot saves of the configuration.
  std::erase_if(stack, [](const std::string& line) { return line.find("config:") != std::string::npos; });
  REQUIRE(stack.size() == 4);
  CHECK(stack[0] == "none > initializing boot: DUMB " + engine::version() + " starts");
  CHECK(stack[1] == "initializing > starting_services boot");
  CHECK(stack[2] == "starting_services > stabilizing boot");
  CHECK_THAT(stack[3], StartsWith("stabilizing > degraded boot: Bad: ") && ContainsSubstring("exit code 7"));
  CHECK(s.engine->reload());
  CHECK(told_of(s, "dumb").back() == "degraded > degraded reload: the configuration was read again");
  s.run(s.engine->shutdown());
  CHECK(told_of(s, "Svc").back() == "stopping > stopped shutdown | signal 15 (TERM)");
  CHECK_THAT(told_of(s, "dumb").back(), StartsWith("shutting_down > shutting_down shutdown: shut down in"));
}

TEST_CASE("a restart is told step by step", "[engine][LIF-150][LIF-151]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Svc")));
  const std::size_t before = told_of(s, "Svc").size();
  REQUIRE(s.run(s.engine->restart("Svc")));
  auto lines = told_of(s, "Svc");
  lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(before));
  CHECK(lines == std::vector<std::string>{"running > stopping api: a restart was asked for",
                                          "stopping > stopped api | signal 15 (TERM)",
                                          "stopped > setting_up api", "setting_up > waiting api",
                                          "waiting > starting api", "starting > running api"});
  s.run(s.engine->shutdown());
}

TEST_CASE("reasons hold no secret", "[engine][LIF-150]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "bad", "Bad", Scratch::custom({"--error", "password=hunter2hunter2 refused", "--exit", "7"}));
  REQUIRE(s.open(file));
  REQUIRE_FALSE(s.run(s.engine->start("Bad")));
  CHECK_THAT(told_of(s, "Bad").back(), ContainsSubstring("refused") && !ContainsSubstring("hunter2"));
  s.run(s.engine->shutdown());
  CHECK_THAT(test::read_text(s.dir / "log/events.jsonl"),
             ContainsSubstring("refused") && !ContainsSubstring("hunter2"));
}

TEST_CASE("events outlive the server and go on where they ended", "[engine][LIF-152][LIF-153]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Svc")));
  s.run(s.engine->shutdown());
  const auto before = s.run(s.engine->events({}))->events;
  REQUIRE(before.size() > 5);
  CHECK(before.front().seq == 1);
  s.engine.reset();
  const fs::path path = s.dir / "log/events.jsonl";
  CHECK((fs::status(path).permissions() & fs::perms::all) == fs::perms(0600));
  CHECK_THAT(test::read_text(path), EndsWith("{\"closed\":" + std::to_string(before.back().seq) + "}\n"));

  REQUIRE(s.open(file));
  EventQuery query;
  query.since = before.back().seq - 1;
  CHECK(s.run(s.engine->events(query))->events.size() == 1);
  REQUIRE(s.run(s.engine->start("Svc")));
  const auto after = s.run(s.engine->events(query));
  CHECK_FALSE(after->lost);
  for (std::size_t i = 0; i < after->events.size(); ++i)
    CHECK(after->events[i].seq == before.back().seq + static_cast<std::int64_t>(i));
  s.run(s.engine->shutdown());
}

TEST_CASE("events follow the log directory when the configuration is read again", "[engine][LIF-153]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Svc")));
  const auto before = s.run(s.engine->events({}))->events;
  REQUIRE(before.size() > 1);
  jsonx::set(file, {"dumb", "log_dir"}, "/elsewhere");
  test::write_text(s.dir / "config/dumb_config.json", jsonx::print(file));
  REQUIRE(s.engine->reload());
  s.run(s.engine->shutdown());
  const auto after = s.run(s.engine->events({}))->events;
  s.engine.reset();
  std::string expected;
  for (const Event& event : after) expected += engine::event_line(event);
  expected += engine::closing_line(after.back().seq);
  CHECK(test::read_text(s.dir / "elsewhere/events.jsonl") == expected);
  // The next server, told of that place, knows them all.
  REQUIRE(s.open(file));
  const auto again = s.run(s.engine->events({}))->events;
  REQUIRE(again.size() == after.size());
  CHECK(again.front().seq == 1);
  s.run(s.engine->shutdown());
}

TEST_CASE("a server that was killed in the middle of a line gives no number twice",
          "[engine][LIF-152][LIF-153][LIF-157]") {
  Scratch s;
  auto file = Scratch::document();
  s.add(file, "svc", "Svc", Scratch::custom({}));
  REQUIRE(s.open(file));
  REQUIRE(s.run(s.engine->start("Svc")));
  s.run(s.engine->shutdown());
  const std::int64_t newest = s.run(s.engine->events({}))->cursor;
  s.engine.reset();
  const fs::path path = s.dir / "log/events.jsonl";
  const std::string text = test::read_text(path);
  const std::size_t end = text.rfind("{\"closed\"");
  test::write_text(path, text.substr(0, end - 20));

  REQUIRE(s.open(file));
  s.run(s.engine->boot());
  EventQuery query;
  query.since = newest;
  const auto answer = s.run(s.engine->events(query));
  CHECK_FALSE(answer->lost);
  REQUIRE(answer->events.size() > 1);
  CHECK(answer->events.front().seq > newest + 1'000);
  CHECK_THAT(answer->events.front().reason.value_or(""), ContainsSubstring("did not end by a shutdown"));
  s.run(s.engine->shutdown());
  s.engine.reset();
  // The torn line was closed before anything followed it.
  const auto read = engine::load_events(EventFile{path, 1U << 20U, {}, {}}, 1'000);
  REQUIRE(read);
  CHECK(read->orderly);
  CHECK(read->events[static_cast<std::size_t>(newest) - 1].seq > newest);
}

TEST_CASE("what is asked for wrongly is refused", "[engine][LIF-155]") {
  Scratch s;
  REQUIRE(s.open(Scratch::document()));
  const auto refused = [&](EventQuery query) {
    const auto answer = s.run(s.engine->events(query));
    REQUIRE_FALSE(answer);
    return answer.error().is(Errc::invalid_argument) ? answer.error().where() : answer.error().to_string();
  };
  CHECK(refused({-1, "", 10, 0}) == "since");
  CHECK(refused({0, "", 0, 0}) == "limit");
  CHECK(refused({0, "", 10, -0.5}) == "timeout");
  CHECK(s.run(s.engine->events({0, "nobody", 10, 0})).error().is(Errc::not_found));
  CHECK(s.run(s.engine->events({0, "DUMB API", 5'000, 0})));
  CHECK(s.run(s.engine->events({0, "dumb", 10, 0})));
  s.run(s.engine->shutdown());
}

TEST_CASE("the end of a shutdown answers who waits for events", "[engine][LIF-156]") {
  Scratch s;
  REQUIRE(s.open(Scratch::document()));
  std::optional<EventList> answer;
  const auto wait_on = [&](std::int64_t since) {
    answer.reset();
    asio::co_spawn(s.context, s.engine->events({since, "Zilean", 10, 60}),
                   [&](std::exception_ptr, const Result<EventList>& list) {
                     if (list) answer = *list;
                   });
  };
  wait_on(0);
  CHECK_FALSE(test::run_until(
      s.context, [&] { return answer.has_value(); }, 50ms));
  s.run(s.engine->shutdown());
  REQUIRE(test::run_until(
      s.context, [&] { return answer.has_value(); }, 2s));
  CHECK(answer->events.empty());
  wait_on(answer->cursor);
  REQUIRE(test::run_until(
      s.context, [&] { return answer.has_value(); }, 2s));
}

TEST_CASE("an event wakes exactly who waits for it", "[engine][LIF-156]") {
  test::TempDir dir;
  Bench b(EventFile{dir / "events.jsonl", 1U << 20U, {}, {}});
  std::vector<std::int64_t> got;
  const auto wait_for = [&](std::string only) {
    EventQuery query;
    query.since = b.recorder.log().newest();
    query.timeout = 30;
    asio::co_spawn(b.context, b.recorder.query(query, std::make_shared<const std::string>(std::move(only))),
                   [&](std::exception_ptr, const EventList& list) {
                     for (const Event& event : list.events) got.push_back(event.seq);
                   });
  };
  wait_for("A");
  wait_for("A");
  wait_for("B");
  asio::post(b.context, [&] {
    b.recorder.record(event_of("A", "running"));
    b.recorder.record(event_of("A", "stopped"));
  });
  REQUIRE(test::run_until(b.context, [&] { return got.size() >= 4; }));
  CHECK(got == std::vector<std::int64_t>{1, 2, 1, 2});
  asio::post(b.context, [&] { b.recorder.record(event_of("B", "running")); });
  REQUIRE(test::run_until(b.context, [&] { return got.size() >= 5; }));
  CHECK(got.back() == 3);
  // A wait that nothing answers ends at its time.
  EventQuery query;
  query.since = 3;
  query.timeout = 0.05;
  const EventList nothing = test::run<EventList>(b.context, b.recorder.query(query, nullptr));
  CHECK(nothing.events.empty());
  CHECK(nothing.cursor == 3);
  b.settle();
}

TEST_CASE("events that cannot be written are kept, told of once and written later", "[engine][LIF-153]") {
  test::TempDir dir;
  test::write_text(dir / "log", "in the way");
  Bench b(EventFile{dir / "log/events.jsonl", 1U << 20U, {}, {}});
  b.log.all.clear();
  for (int i = 0; i < 3; ++i) {
    b.recorder.record(event_of("A", "running"));
    b.settle();
  }
  REQUIRE(b.log.all.size() == 1);
  CHECK_THAT(b.log.all[0], StartsWith("events cannot be kept: "));
  CHECK(b.recorder.log().query(0, nullptr, 10).events.size() == 3);
  fs::remove(dir / "log");
  b.recorder.record(event_of("A", "stopped"));
  b.settle();
  CHECK(b.log.all.back() == "events are kept again");
  const auto read = engine::load_events(EventFile{dir / "log/events.jsonl", 1U << 20U, {}, {}}, 10);
  REQUIRE(read);
  CHECK(read->events.size() == 4);
}

TEST_CASE("the file is rotated by size and both parts are read", "[engine][LIF-153][LIF-154]") {
  test::TempDir dir;
  const EventFile file{dir / "events.jsonl", 1'000, {}, {}};
  for (int i = 1; i <= 30; ++i) REQUIRE(engine::append_events(file, numbered(i)));
  CHECK(fs::file_size(dir / "events.jsonl") <= 1'000);
  CHECK(fs::file_size(dir / "events.jsonl.1") <= 1'000);
  const auto read = engine::load_events(file, 100);
  REQUIRE(read);
  REQUIRE(read->events.size() > 6);
  CHECK(read->events.back().seq == 30);
  for (std::size_t i = 1; i < read->events.size(); ++i)
    CHECK(read->events[i].seq == read->events[i - 1].seq + 1);
  // Longer than it may be, it is read from its end.
  const auto end = engine::load_events(EventFile{file.path, 400, {}, {}}, 100);
  REQUIRE(end);
  CHECK(end->events.back().seq == 30);
  CHECK(end->events.size() < read->events.size());
}

TEST_CASE("a torn end is closed before the next line, and a link is not followed", "[engine][LIF-153]") {
  test::TempDir dir;
  const EventFile file{dir / "events.jsonl", 1U << 20U, {}, {}};
  REQUIRE(engine::append_events(file, numbered(1) + numbered(2).substr(0, 30)));
  REQUIRE(engine::append_events(file, numbered(3)));
  const auto read = engine::load_events(file, 10);
  REQUIRE(read);
  REQUIRE(read->events.size() == 2);
  CHECK(read->events[1].seq == 3);
  test::write_text(dir / "precious", "keep");
  for (const bool hard : {false, true}) {
    const EventFile link{dir / (hard ? "hard.jsonl" : "soft.jsonl"), 1U << 20U, {}, {}};
    if (hard) {
      fs::create_hard_link(dir / "precious", link.path);
    } else {
      fs::create_symlink(dir / "precious", link.path);
    }
    CHECK_FALSE(engine::append_events(link, numbered(4)));
    CHECK_FALSE(engine::load_events(link, 10));
  }
  const EventFile pipe{dir / "pipe.jsonl", 1U << 20U, {}, {}};
  REQUIRE(::mkfifo(pipe.path.c_str(), 0600) == 0);
  CHECK_FALSE(engine::load_events(pipe, 10));
  CHECK_FALSE(engine::append_events(pipe, numbered(4)));
  CHECK(test::read_text(dir / "precious") == "keep");
}

TEST_CASE("nothing is recorded behind the end of a run, whose numbers the next one gives",
          "[engine][LIF-152][LIF-153]") {
  const test::TempDir dir;
  const EventFile file{dir / "events.jsonl", 1U << 20U, {}, {}};
  Event event;
  event.process_name = "Svc";
  event.state = "running";
  event.cause = "api";
  {
    Bench bench(file);
    bench.recorder.record(event);
    bench.recorder.close();
    bench.recorder.record(event);
    bench.settle();
    CHECK(bench.recorder.written());
    CHECK(bench.recorder.log().newest() == 1);
  }
  Bench next(file);
  CHECK(next.recorder.orderly_before());
  next.recorder.record(event);
  CHECK(next.recorder.log().newest() == 2);
  next.settle();
}

TEST_CASE("events for which there was no room are counted", "[engine][LIF-153]") {
  test::TempDir dir;
  test::write_text(dir / "log", "in the way");
  Bench b(EventFile{dir / "log/events.jsonl", 8U << 20U, {}, {}});
  b.log.all.clear();
  b.recorder.record(event_of("A", "running"));
  b.settle();
  for (int i = 0; i < 20; ++i) b.recorder.record(event_of("A", "stopped"));
  b.settle();
  fs::remove(dir / "log");
  b.recorder.record(event_of("A", "running"));
  b.settle();
  CHECK(b.log.all.back() == "events are kept again; 14 are missing in their file");
}
