#include <dumb/supervisor/usage.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;

namespace {

UsageTarget target(std::string name, std::uint64_t run, std::optional<SteadyTime> since = {}) {
  UsageTarget target;
  target.process_name = std::move(name);
  target.run = run;
  target.since = since;
  return target;
}

TreeUsage cpu(double seconds) {
  TreeUsage tree;
  tree.processes = 1;
  tree.cpu_seconds = seconds;
  return tree;
}

}  // namespace

TEST_CASE("processor use is what was added between two samples", "[supervisor][LIF-171]") {
  UsageMeter meter;
  const SteadyTime start = SteadyTime() + 1h;
  auto readings = meter.add({target("a", 1)}, {start, {cpu(10)}});
  REQUIRE(readings.size() == 1);
  CHECK(readings[0].cpu_percent == 0);
  CHECK(meter.interval() == 0s);
  readings = meter.add({target("a", 1)}, {start + 2s, {cpu(13)}});
  CHECK(readings[0].cpu_percent == Approx(150));
  CHECK(readings[0].tree.cpu_seconds == Approx(13));
  CHECK(meter.interval() == 2s);
  CHECK(meter.last() == start + 2s);
}

TEST_CASE("time of processes that are gone stays counted within a run", "[supervisor][LIF-171]") {
  UsageMeter meter;
  const SteadyTime start = SteadyTime() + 1h;
  meter.add({target("a", 1)}, {start, {cpu(10)}});
  auto readings = meter.add({target("a", 1)}, {start + 1s, {cpu(4)}});
  CHECK(readings[0].cpu_percent == 0);
  CHECK(readings[0].tree.cpu_seconds == Approx(10));
  readings = meter.add({target("a", 1)}, {start + 2s, {cpu(5)}});
  CHECK(readings[0].cpu_percent == Approx(100));
  CHECK(readings[0].tree.cpu_seconds == Approx(11));
  // Another run begins at nothing, and what it used since then counts.
  readings = meter.add({target("a", 2, start + 3s)}, {start + 4s, {cpu(0.5)}});
  CHECK(readings[0].tree.cpu_seconds == Approx(0.5));
  CHECK(readings[0].cpu_percent == Approx(25));
}

TEST_CASE("services come and go between samples", "[supervisor][LIF-171]") {
  UsageMeter meter;
  const SteadyTime start = SteadyTime() + 1h;
  meter.add({target("a", 1)}, {start, {cpu(1)}});
  // Not seen before although it had been running: nothing can be said of now.
  auto readings = meter.add({target("b", 2, start - 1min), target("c", 3, start + 1s)},
                            {start + 2s, {cpu(60), cpu(0.2)}});
  REQUIRE(readings.size() == 2);
  CHECK(readings[0].cpu_percent == 0);
  CHECK(readings[1].cpu_percent == Approx(10));
  readings = meter.add({target("a", 1)}, {start + 3s, {cpu(2)}});
  CHECK(readings[0].cpu_percent == 0);
  CHECK(meter.add({}, {start + 4s, {}}).empty());
}

TEST_CASE("what /proc says of a process's use is read", "[supervisor][LIF-171]") {
  const auto usage = parse_stat_usage(
      "42 (a b) c)) S 1 42 42 0 -1 4194560 100 200 0 0 7 3 20 11 20 0 5 0 1234 1000 25 18446744073709551615");
  REQUIRE(usage);
  CHECK(usage->ticks == 41);
  CHECK(usage->threads == 5);
  CHECK_FALSE(parse_stat_usage("42 (x) S 1 2 3"));
  CHECK_FALSE(parse_stat_usage("42 x S"));
  CHECK_FALSE(parse_stat_usage(""));
  CHECK(parse_status_memory("Name:\tVmRSS: 7 kB\nVmRSS:\t    2048 kB\nVmSwap:\t  4 kB\nThreads:\t1\n") ==
        2052 * 1024);
  CHECK(parse_status_memory("Name:\tkthreadd\n") == 0);
}
