#include "supervisor/record.hpp"

#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::string_literals;

namespace {

constexpr const char* root = "0123456789abcdef";

ChildRecord record_of(const std::string& name, std::int64_t number, std::int64_t pid,
                      std::int64_t start_ticks) {
  ChildRecord record;
  record.boot = "this boot";
  record.root = root;
  record.process_name = name;
  record.number = number;
  record.mark = make_mark(root, 77, number, name);
  record.pid = pid;
  record.start_ticks = start_ticks;
  return record;
}

Candidate process(std::int64_t pid, std::int64_t start_ticks, const std::string& environment) {
  return {pid, start_ticks, find_mark(environment), {}};
}

std::string environment_of(const ChildRecord& record) {
  return "PATH=/bin\0"s + record.mark + "\0HOME=/\0"s;
}

Findings match(const std::vector<ChildRecord>& records, const std::vector<Candidate>& candidates) {
  return match_children(records, candidates, "this boot", root);
}

}  // namespace

TEST_CASE("a state file says again what was written", "[supervisor][LIF-125][LIF-128]") {
  ChildRecord record = record_of("Röd: one", 4, 1234, 99);
  record.log_file = "/log/one.log";
  record.started_steady = 123456789012345;
  record.ready = true;
  const auto again = parse_record(print_record(record));
  REQUIRE(again);
  CHECK(print_record(*again) == print_record(record));
  CHECK(again->process_name == "Röd: one");
  CHECK(again->started_steady == 123456789012345);
}

TEST_CASE("a torn state file, or one whose values cannot be, is none", "[supervisor][LIF-125]") {
  const ChildRecord good = record_of("One", 4, 1234, 99);
  const std::string text = print_record(good);
  REQUIRE(parse_record(text));
  // Without its last line end it is whole.
  for (std::size_t size = 0; size + 1 < text.size(); ++size) CHECK_FALSE(parse_record(text.substr(0, size)));
  const auto changed = [&](auto change) {
    ChildRecord record = good;
    change(record);
    return static_cast<bool>(parse_record(print_record(record)));
  };
  CHECK_FALSE(changed([](ChildRecord& r) { r.version = 2; }));
  CHECK_FALSE(changed([](ChildRecord& r) { r.pid = 1; }));
  CHECK_FALSE(changed([](ChildRecord& r) { r.pid = -5; }));
  CHECK_FALSE(changed([](ChildRecord& r) { r.number = 5; }));
  CHECK_FALSE(changed([](ChildRecord& r) { r.start_ticks = 0; }));
  CHECK_FALSE(changed([](ChildRecord& r) { r.process_name = "Other"; }));
  CHECK_FALSE(changed([](ChildRecord& r) { r.mark = "DUMB_UNIT=x"; }));
  CHECK_FALSE(parse_record("[]"));
  CHECK_FALSE(parse_record("{}"));
}

TEST_CASE("a mark names run directory, launch and service", "[supervisor][LIF-125]") {
  const auto mark = parse_mark(make_mark(root, 77, 12, "My: service"));
  REQUIRE(mark);
  CHECK(mark->root == root);
  CHECK(mark->number == 12);
  CHECK(mark->process_name == "My: service");
  for (const char* other : {"DUMB_UNIT=", "DUMB_UNIT=12-3", "DUMB_UNIT=a-1-x:One", "DUMB_UNIT=a-1-0:One",
                            "DUMB_UNIT=a-1-2:", "DUMB_UNITS=a-1-2:One", "PATH=/bin"}) {
    CHECK_FALSE(parse_mark(other));
  }
  CHECK(find_mark("A=1\0DUMB_UNIT=a-1-2:One\0"s).mark);
  CHECK(find_mark("A=1\0B=2\0"s).legible);
  CHECK_FALSE(find_mark("postgres: writer\0\0\0"s).legible);
  CHECK_FALSE(find_mark("").legible);
}

TEST_CASE("the recorded process is known by boot, pid, start time and mark", "[supervisor][LIF-125]") {
  const ChildRecord one = record_of("One", 3, 100, 5000);
  const auto found = match({one}, {process(100, 5000, environment_of(one)), process(200, 1, "A=1\0"s)});
  REQUIRE(found.children.size() == 1);
  CHECK(found.children[0].alive);
  CHECK(found.children[0].recorded);
  CHECK(found.children[0].record.pid == 100);
  CHECK(found.sentences.empty());
}

TEST_CASE("a recycled pid is never taken for the child", "[supervisor][LIF-125]") {
  const ChildRecord one = record_of("One", 3, 100, 5000);
  SECTION("another start time") {
    const auto found = match({one}, {process(100, 5001, "A=1\0"s)});
    REQUIRE(found.children.size() == 1);
    CHECK_FALSE(found.children[0].alive);
    REQUIRE(found.sentences.size() == 1);
    CHECK_THAT(found.sentences[0], ContainsSubstring("100"));
  }
  SECTION("the same start time, but not its environment") {
    CHECK_FALSE(match({one}, {process(100, 5000, "A=1\0"s)}).children[0].alive);
    const ChildRecord other = record_of("Other", 9, 100, 5000);
    CHECK_FALSE(match({one}, {process(100, 5000, environment_of(other))}).children[0].alive);
  }
}

TEST_CASE("a child that wrote over its environment, or got another, is known all the same",
          "[supervisor][LIF-125]") {
  const ChildRecord one = record_of("One", 3, 100, 5000);
  CHECK(match({one}, {process(100, 5000, "postgres: idle\0\0"s)}).children[0].alive);
  Candidate clean = process(100, 5000, "A=1\0"s);
  clean.streams = {"one-3.out", "null"};
  CHECK(match({one}, {clean}).children[0].alive);
  clean.streams = {"one-4.out", "null"};
  CHECK_FALSE(match({one}, {clean}).children[0].alive);
}

TEST_CASE("a child without a state file is found by its mark, the oldest process of it",
          "[supervisor][LIF-125]") {
  const ChildRecord one = record_of("One", 3, 100, 5000);
  const auto found =
      match({}, {process(300, 5100, environment_of(one)), process(100, 5000, environment_of(one))});
  REQUIRE(found.children.size() == 1);
  CHECK(found.children[0].record.pid == 100);
  CHECK(found.children[0].record.process_name == "One");
  CHECK(found.children[0].record.number == 3);
  CHECK_FALSE(found.children[0].recorded);
}

TEST_CASE("what is of another run directory or boot is left alone", "[supervisor][LIF-125]") {
  ChildRecord other = record_of("One", 3, 100, 5000);
  const std::string environment = environment_of(other);
  other.boot = "another boot";
  auto found = match({other}, {process(100, 5000, "A=1\0"s)});
  CHECK(found.children.empty());
  REQUIRE(found.sentences.size() == 1);
  CHECK_THAT(found.sentences[0], ContainsSubstring("another boot"));
  SECTION("its mark proves it nevertheless") {
    found = match({other}, {process(100, 5000, environment)});
    REQUIRE(found.children.size() == 1);
    CHECK(found.children[0].alive);
  }
  SECTION("marks of another directory prove nothing here") {
    ChildRecord foreign = record_of("One", 3, 100, 5000);
    foreign.root = "fedcba9876543210";
    foreign.mark = make_mark(foreign.root, 77, 3, "One");
    found = match({foreign}, {process(100, 5000, environment_of(foreign))});
    CHECK(found.children.empty());
    CHECK(found.sentences.size() == 1);
  }
}

TEST_CASE("remains of an ended child are not taken for it", "[supervisor][LIF-125]") {
  const ChildRecord one = record_of("One", 3, 100, 5000);
  const auto found = match({one}, {process(140, 5050, environment_of(one))});  // a daemon it left behind
  REQUIRE(found.children.size() == 1);
  CHECK_FALSE(found.children[0].alive);
}

TEST_CASE("of two launches of one service the one that lives counts", "[supervisor][LIF-125]") {
  const ChildRecord before = record_of("One", 3, 100, 5000);
  const ChildRecord now = record_of("One", 7, 200, 6000);
  auto found = match({before, now}, {process(200, 6000, environment_of(now))});
  REQUIRE(found.children.size() == 1);
  CHECK(found.children[0].record.number == 7);
  found = match({before, now}, {process(100, 5000, environment_of(before))});
  REQUIRE(found.children.size() == 1);
  CHECK(found.children[0].record.number == 3);
  CHECK(found.children[0].alive);
}
