#include "logs/rotation.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "support/catch.hpp"

using namespace dumb;
using logs::Date;
using logs::Rename;

namespace {
using Names = std::vector<std::string>;
using Renames = std::vector<Rename>;
const Date today{2026, 2, 11};
const Date yesterday{2026, 2, 10};
}  // namespace

namespace dumb::logs {
std::ostream& operator<<(std::ostream& out, const Rename& rename) {
  return out << rename.from << " -> " << rename.to;
}
}  // namespace dumb::logs

TEST_CASE("a log name is its stem, perhaps a date, and an extension", "[logs][LIF-100]") {
  CHECK(logs::parse_log_name("DUMB-2026-02-11.log") == logs::LogName{"DUMB", today, ".log"});
  CHECK(logs::parse_log_name("zilean.log") == logs::LogName{"zilean", {}, ".log"});
  CHECK(logs::parse_log_name("rclone_w_x.txt") == logs::LogName{"rclone_w_x", {}, ".txt"});
  CHECK(logs::parse_log_name("plain") == logs::LogName{"plain", {}, ""});
  CHECK(logs::parse_log_name("a-2026-13-01.log") == logs::LogName{"a-2026-13-01", {}, ".log"});
  CHECK(logs::parse_log_name("DUMB-2026-02-11.log").to_string() == "DUMB-2026-02-11.log");
}

TEST_CASE("an undated file keeps its name and older ones move up", "[logs][LIF-100]") {
  const auto plan = logs::plan_rotation({"zilean.log", "zilean-2026-02-11_1.log", "zilean-2026-02-11_2.log",
                                         "zilean-2026-02-09_1.log", "zilean2.log", "zilean-x.log"},
                                        "zilean.log", today, 10);
  CHECK(plan.active == "zilean.log");
  CHECK(plan.removals.empty());
  CHECK(plan.renames == Renames{{"zilean-2026-02-11_2.log", "zilean-2026-02-11_3.log"},
                                {"zilean-2026-02-11_1.log", "zilean-2026-02-11_2.log"},
                                {"zilean.log", "zilean-2026-02-11_1.log"}});
}

TEST_CASE("at midnight a dated file moves to the new date", "[logs][LIF-100]") {
  const auto plan =
      logs::plan_rotation({"DUMB-2026-02-10.log", "DUMB-2026-02-10_1.log"}, "DUMB-2026-02-10.log", today, 2);
  CHECK(plan.active == "DUMB-2026-02-11.log");
  CHECK(plan.removals.empty());
  CHECK(plan.renames == Renames{{"DUMB-2026-02-10_1.log", "DUMB-2026-02-10_2.log"},
                                {"DUMB-2026-02-10.log", "DUMB-2026-02-10_1.log"}});
}

TEST_CASE("the newest rotated files are kept, by date, then lowest index", "[logs][LIF-100]") {
  const auto plan = logs::plan_rotation(
      {"D-2026-02-11.log", "D-2026-02-11_1.log", "D-2026-02-11_2.log", "D-2026-02-10_1.log"},
      "D-2026-02-11.log", today, 2);
  CHECK(plan.active == "D-2026-02-11.log");
  CHECK(plan.removals == Names{"D-2026-02-11_2.log", "D-2026-02-10_1.log"});
  CHECK(plan.renames ==
        Renames{{"D-2026-02-11_1.log", "D-2026-02-11_2.log"}, {"D-2026-02-11.log", "D-2026-02-11_1.log"}});
}

TEST_CASE("a count of 0 keeps no rotated file", "[logs][LIF-100]") {
  const auto plan = logs::plan_rotation({"D.log", "D-2026-02-10_1.log"}, "D.log", today, 0);
  CHECK(plan.removals == Names{"D-2026-02-10_1.log", "D.log"});
  CHECK(plan.renames.empty());
}

TEST_CASE("old files are pruned at start-up, also those of days that were never rotated", "[logs][LIF-100]") {
  const Names listing{"D-2026-02-11.log",   "D-2026-02-10.log", "D-2026-02-10_1.log", "D-2026-02-09.log",
                      "D-2026-02-09_1.log", "D-x.log",          "E-2026-01-01.log",   "D-2026-02-08_x.log"};
  CHECK(logs::plan_pruning(listing, "D-2026-02-11.log", 2) ==
        Names{"D-2026-02-09.log", "D-2026-02-09_1.log"});
  CHECK(logs::plan_pruning(listing, "D-2026-02-11.log", 9).empty());
  // A dated file without index is no rotation of an undated log.
  CHECK(logs::plan_pruning({"z.log", "z-2026-02-10.log", "z-2026-02-10_1.log"}, "z.log", 0) ==
        Names{"z-2026-02-10_1.log"});
}

TEST_CASE("rotated files of days too long ago go, however few there are", "[logs][LIF-100]") {
  const Names listing{"D.log",
                      "D-2026-02-11_1.log",
                      "D-2026-02-04_1.log",
                      "D-2026-02-03_2.log",
                      "D-2025-02-11_1.log",
                      "E-2020-01-01_1.log"};
  CHECK(logs::plan_expiry(listing, "D.log", today, 7) == Names{"D-2026-02-03_2.log", "D-2025-02-11_1.log"});
  CHECK(logs::plan_expiry(listing, "D.log", today, 365) == Names{});
  CHECK(logs::plan_expiry(listing, "D.log", today, 364) == Names{"D-2025-02-11_1.log"});
  CHECK(logs::plan_expiry(listing, "D.log", today, 0).empty());
  CHECK(logs::plan_expiry({"D-2026-02-11.log", "D-2026-02-01.log"}, "D-2026-02-11.log", today, 3) ==
        Names{"D-2026-02-01.log"});
}

TEST_CASE("a file is left before the record that would make it reach its limit", "[logs][LIF-100]") {
  CHECK_FALSE(logs::must_rotate(today, today, 90, 9, 100));
  CHECK(logs::must_rotate(today, today, 90, 10, 100));
  CHECK_FALSE(logs::must_rotate(today, today, 0, 500, 100));
  CHECK_FALSE(logs::must_rotate(today, today, 1U << 30U, 500, 0));
  CHECK(logs::must_rotate(yesterday, today, 1, 1, 0));
}

TEST_CASE("no sequence of rotations loses a file it should keep", "[logs][LIF-100]") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    const int keep = static_cast<int>(random() % 5);
    std::string active = random() % 2 == 0 ? "D.log" : "D-2026-02-01.log";
    // Name to age: what was written when.
    std::map<std::string, int> files{{active, 0}};
    Date date{2026, 2, 1};
    for (int step = 1; step < 30; ++step) {
      if (random() % 3 == 0 && date.day < 28) ++date.day;
      Names listing;
      for (const auto& [name, age] : files) listing.push_back(name);
      const auto plan = logs::plan_rotation(listing, active, date, keep);
      for (const auto& name : plan.removals) REQUIRE(files.erase(name) == 1);
      for (const auto& [from, to] : plan.renames) {
        REQUIRE(files.contains(from));
        REQUIRE_FALSE(files.contains(to));
        files[to] = files[from];
        files.erase(from);
      }
      REQUIRE_FALSE(files.contains(plan.active));
      active = plan.active;
      files[active] = step;
      // What is left are exactly the newest.
      std::set<int> ages;
      for (const auto& [name, age] : files) ages.insert(age);
      REQUIRE(ages.size() == static_cast<std::size_t>(std::min(step, keep) + 1));
      REQUIRE(*ages.begin() == step - std::min(step, keep));
    }
  }
}
