#include <dumb/supervisor/readiness.hpp>

#include "support/catch.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
using test::object;

namespace {

Result<std::string> unchanged(std::string_view text) {
  return std::string(text);
}
Readiness read(std::string_view block, const Root& root = Root()) {
  INFO(block);
  const auto found = readiness_of(object(block), root, unchanged);
  REQUIRE(found);
  REQUIRE(*found);
  return **found;
}
template <class T>
T how(std::string_view block, const Root& root = Root()) {
  const Readiness found = read(block, root);
  REQUIRE(std::holds_alternative<T>(found.how));
  return std::get<T>(found.how);
}

}  // namespace

TEST_CASE("a block without readiness declares none", "[supervisor][CFG-106]") {
  CHECK_FALSE(*readiness_of(object("{}"), Root(), unchanged));
  CHECK_FALSE(*readiness_of(object(R"({"readiness": null})"), Root(), unchanged));
}

TEST_CASE("readiness is read with its defaults and numbers", "[supervisor][CFG-113]") {
  const Readiness plain = read(R"({"readiness": {"notify": true}})");
  CHECK(plain.initial_delay == 0ms);
  CHECK(plain.period == 1s);
  CHECK(plain.timeout == 1s);
  CHECK(plain.start_timeout == 300s);
  CHECK(plain.success_threshold == 1);
  CHECK(plain.failure_threshold == 3);
  const Readiness full =
      read(R"({"readiness": {"tcp": 1, "http": null, "initial_delay_ms": 5, "period_ms": 20,
      "timeout_ms": 30, "start_timeout_ms": 40, "success_threshold": 2, "failure_threshold": 4}})");
  CHECK(full.initial_delay == 5ms);
  CHECK(full.period == 20ms);
  CHECK(full.timeout == 30ms);
  CHECK(full.start_timeout == 40ms);
  CHECK(full.success_threshold == 2);
  CHECK(full.failure_threshold == 4);
}

TEST_CASE("each way to tell readiness is read",
          "[supervisor][CFG-107][CFG-108][CFG-109][CFG-110][CFG-111][CFG-112]") {
  using namespace readiness;
  CHECK(how<Http>(R"({"readiness": {"http": "http://h:1/p"}})").url == "http://h:1/p");
  CHECK(how<Http>(R"({"readiness": {"http": {"url": "http://h:1/p"}}})").url == "http://h:1/p");
  CHECK(how<Http>(R"({"port": 80, "readiness": {"http": {"path": "ping"}}})").url ==
        "http://127.0.0.1:80/ping");
  CHECK(how<Http>(R"({"port": 80, "readiness": {"http": {"path": "/p", "port": 81, "host": "::1"}}})").url ==
        "http://[::1]:81/p");
  CHECK(how<Tcp>(R"({"readiness": {"tcp": 80}})").port == 80);
  CHECK(how<Tcp>(R"({"readiness": {"tcp": 80}})").host == "127.0.0.1");
  const Tcp tcp = how<Tcp>(R"({"port": 7, "readiness": {"tcp": {"host": "db"}}})");
  CHECK(tcp.host == "db");
  CHECK(tcp.port == 7);
  CHECK(how<Exec>(R"({"readiness": {"exec": "a 'b c'"}})").argv == std::vector<std::string>{"a", "b c"});
  CHECK(how<Exec>(R"({"readiness": {"exec": ["a", "b c"]}})").argv == std::vector<std::string>{"a", "b c"});
  CHECK(how<LogLine>(R"({"readiness": {"log_line": "a.b"}})").pattern == "a.b");
  CHECK_FALSE(how<LogLine>(R"({"readiness": {"log_line": {"text": "a.b"}}})").regex);
  CHECK(how<LogLine>(R"({"readiness": {"log_line": {"regex": "a.b"}}})").regex);
  how<Notify>(R"({"readiness": {"notify": true}})");
  const Mount mount = how<Mount>(R"({"readiness": {"mount": "/mnt/x"}})", Root("/stack"));
  CHECK(mount.point == "/stack/mnt/x");
  CHECK(mount.shown == "/mnt/x");
}

TEST_CASE("paths of the block in a probe command are mapped beneath the root", "[supervisor][CFG-109]") {
  const auto found = how<readiness::Exec>(
      R"({"config_dir": "/app", "readiness": {"exec": ["/app/check", "--file=/app/x", "/usr/bin/y"]}})",
      Root("/stack"));
  CHECK(found.argv == std::vector<std::string>{"/stack/app/check", "--file=/stack/app/x", "/usr/bin/y"});
}

TEST_CASE("placeholders are replaced, but not in patterns", "[supervisor][CFG-114][LIF-50]") {
  const Expand expand = [](std::string_view text) -> Result<std::string> {
    return std::string(text == "{url}"    ? "http://h:1/"
                       : text == "{word}" ? "check"
                       : text == "{bad}"  ? "x"
                                          : text);
  };
  const auto url = readiness_of(object(R"({"readiness": {"http": "{url}"}})"), Root(), expand);
  CHECK(std::get<readiness::Http>((*url)->how).url == "http://h:1/");
  const auto exec = readiness_of(object(R"({"readiness": {"exec": "{word} -x"}})"), Root(), expand);
  CHECK(std::get<readiness::Exec>((*exec)->how).argv.front() == "check");
  const auto line = readiness_of(object(R"({"readiness": {"log_line": {"regex": "a{2}"}}})"), Root(), expand);
  CHECK(std::get<readiness::LogLine>((*line)->how).pattern == "a{2}");
  const auto bad = readiness_of(object(R"({"readiness": {"http": "{bad}"}})"), Root(), expand);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().is(Errc::invalid_config));
  CHECK_FALSE(readiness_of(object(R"({"readiness": {"http": "https://h/"}})"), Root(), expand));
  CHECK_FALSE(readiness_of(object(R"({"readiness": {"mount": "relative"}})"), Root(), expand));
  CHECK_FALSE(readiness_of(object(R"({"readiness": {"tcp": {}}})"), Root(), expand));
  CHECK_FALSE(readiness_of(object(R"({"readiness": {"period_ms": 10}})"), Root(), expand));
}

TEST_CASE("probes start fast and back off to the period, and keep to it once ready",
          "[supervisor][LIF-137][LIF-140]") {
  Readiness settings;
  settings.period = 40ms;
  ReadinessTracker tracker(settings);
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 6; ++i) {
    tracker.on(false, "no");
    pauses.push_back(tracker.next_pause());
  }
  CHECK(pauses == std::vector<std::chrono::milliseconds>{10ms, 15ms, 22ms, 33ms, 40ms, 40ms});
  Readiness slow;
  ReadinessTracker ready(slow);
  ready.on(true, "");
  CHECK(ready.next_pause() == 1s);
}

TEST_CASE("thresholds count answers in a row", "[supervisor][LIF-140]") {
  Readiness settings;
  settings.success_threshold = 2;
  settings.failure_threshold = 3;
  ReadinessTracker tracker(settings);
  const ReadinessState ready{true, {}};
  CHECK(tracker.on(false, "refused") == ReadinessState{false, "refused"});
  CHECK_FALSE(tracker.on(false, "refused"));  // told once
  CHECK(tracker.on(false, "timed out") == ReadinessState{false, "timed out"});
  CHECK_FALSE(tracker.on(true, ""));
  CHECK_FALSE(tracker.on(false, "timed out"));  // the row is broken
  CHECK_FALSE(tracker.on(true, ""));
  CHECK(tracker.on(true, "") == ready);
  CHECK_FALSE(tracker.on(true, ""));
  CHECK_FALSE(tracker.on(false, "a"));
  CHECK_FALSE(tracker.on(false, "b"));
  CHECK_FALSE(tracker.on(true, ""));  // a blip is no loss
  CHECK_FALSE(tracker.on(false, "a"));
  CHECK_FALSE(tracker.on(false, "b"));
  CHECK(tracker.on(false, "c") == ReadinessState{false, "c"});
  CHECK_FALSE(tracker.on(true, ""));
  CHECK(tracker.on(true, "") == ready);
}

TEST_CASE("notifications are read line by line, unknown ones are ignored", "[supervisor][LIF-138]") {
  CHECK(parse_notification("READY=1") == Notification{true, false, {}});
  CHECK(parse_notification("STATUS=loading\nREADY=1\nMAINPID=7\nX_Y=z\n") ==
        Notification{true, false, "loading"});
  CHECK(parse_notification("STOPPING=1") == Notification{false, true, {}});
  for (const char* none :
       {"", "\n\n", "READY=0", "ready=1", "READY=11", "xREADY=1", "READY = 1", "WATCHDOG=1"}) {
    INFO(none);
    CHECK(parse_notification(none) == Notification{});
  }
  CHECK(parse_notification("STATUS=") == Notification{false, false, ""});
  CHECK(parse_notification("STATUS= a\tb\x1B[1m \xFF ").status == "a b [1m \xEF\xBF\xBD");
  CHECK(parse_notification("STATUS=" + std::string(5000, 'x')).status == std::string(200, 'x'));
  // The limit is one of what is shown, and divides no character.
  CHECK(parse_notification("STATUS=" + std::string(150, '\x80')).status->size() == 198);
  CHECK(parse_notification("STATUS=" + std::string(199, 'x') + "\xC3\xA4 more").status ==
        std::string(199, 'x'));
  CHECK(parse_notification("STATUS=" + std::string(198, 'x') + "\xC3\xA4 more").status ==
        std::string(198, 'x') + "\xC3\xA4");
}

TEST_CASE("a line is found by text or by regular expression", "[supervisor][CFG-110]") {
  const LineMatcher plain = line_matcher({"a.b", false});
  CHECK(plain("xa.bx"));
  CHECK_FALSE(plain("axb"));
  const LineMatcher regex = line_matcher({"^started in [0-9]+ (ms|s)$", true});
  CHECK(regex("started in 12 ms"));
  CHECK_FALSE(regex("has started in 12 ms"));
  CHECK_FALSE(regex("started in 12 msx"));
  const LineMatcher inner = line_matcher({"b|c", true});
  CHECK(inner("xxc"));
  CHECK_FALSE(inner("xx"));
}

TEST_CASE("no line makes a regular expression run away", "[supervisor][CFG-110]") {
  // Exponential for a matcher that backtracks.
  const LineMatcher nested = line_matcher({"^(a+)+$", true});
  CHECK_FALSE(nested(std::string(1023, 'a') + "!"));
  CHECK(nested(std::string(500, 'a')));
  const LineMatcher many = line_matcher({"(x|xx)*y", true});
  CHECK_FALSE(many(std::string(60'000, 'x')));
  // What comes after the part that is looked at is not found.
  CHECK_FALSE(line_matcher({"needle", true})(std::string(1024, '-') + "needle"));
  CHECK(line_matcher({"needle", false})(std::string(60'000, '-') + "needle"));
}
