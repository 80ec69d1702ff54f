#include <boost/json.hpp>
#include <dumb/schedule/agenda.hpp>
#include <random>

#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::schedule;

namespace {

constexpr Instant hour = 3600;
constexpr Instant day = 24 * hour;

Instant utc(int year, unsigned month, unsigned date, int hours, int minutes = 0) {
  return day_of({year, month, date}) * day + hours * hour + minutes * 60;
}

/// UTC+1, and UTC+2 from 29 March 2026 01:00 UTC to 25 October 2026 01:00 UTC.
class Central final : public Zone {
 public:
  std::int32_t offset_at(Instant at) const override {
    return at >= utc(2026, 3, 29, 1) && at < utc(2026, 10, 25, 1) ? 7200 : 3600;
  }
};

const FixedZone plain;
const Central central;

Timing every(std::int64_t hours, std::string_view start = "04:00") {
  return {hours, minute_of_day(start).value()};
}

std::vector<Instant> runs(const Grid& grid, Instant from, std::size_t count, const Zone& zone) {
  std::vector<Instant> out;
  for (Instant at = from; out.size() < count; at = out.back() + 1) {
    out.push_back(first_at_or_after(grid, at, zone));
  }
  return out;
}

}  // namespace

TEST_CASE("a start time is HH:MM and nothing else", "[schedule][SYM-56]") {
  CHECK(minute_of_day("04:00") == 240);
  CHECK(minute_of_day("23:59") == 1439);
  for (const auto* bad : {"", "4:00", "24:00", "12:60", "04:00 ", "04-00", "ab:cd", "04:0"}) {
    CHECK_FALSE(minute_of_day(bad));
  }
  CHECK(clock_text(245) == "04:05");
}

TEST_CASE("weekly runs fall on the weekday of the first, whatever happens", "[schedule][SYM-58]") {
  // Monday, 16 February 2026.
  const Grid grid = make_grid(every(168), utc(2026, 2, 16, 5), plain);
  CHECK(runs(grid, utc(2026, 2, 16, 5), 2, plain) ==
        std::vector<Instant>{utc(2026, 2, 23, 4), utc(2026, 3, 2, 4)});
  // Each day after the start time the program begins again.
  Entry kept{grid, utc(2026, 2, 23, 4), {}};
  for (unsigned date = 17; date <= 22; ++date) {
    Agenda agenda(plain);
    kept = agenda.set("x", every(168), utc(2026, 2, date, 9), kept);
    CHECK(kept.next == utc(2026, 2, 23, 4));
  }
}

TEST_CASE("36 hours means 36 hours and one hour means every hour", "[schedule][SYM-58]") {
  const Grid odd = make_grid(every(36), utc(2026, 2, 16, 3), plain);
  CHECK(runs(odd, utc(2026, 2, 16, 3), 4, plain) ==
        std::vector<Instant>{utc(2026, 2, 16, 4), utc(2026, 2, 17, 16), utc(2026, 2, 19, 4),
                             utc(2026, 2, 20, 16)});
  const Grid hourly = make_grid(every(1), utc(2026, 2, 16, 5, 30), plain);
  const auto all = runs(hourly, utc(2026, 2, 16, 5, 30), 20, plain);
  CHECK(all.front() == utc(2026, 2, 16, 6));
  for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i] == all[i - 1] + hour);
}

TEST_CASE("whole days keep the local time across daylight saving", "[schedule][SYM-58]") {
  const Grid daily = make_grid(every(24), utc(2026, 3, 27, 0), central);
  CHECK(runs(daily, utc(2026, 3, 27, 0), 4, central) ==
        std::vector<Instant>{utc(2026, 3, 27, 3), utc(2026, 3, 28, 3), utc(2026, 3, 29, 2),
                             utc(2026, 3, 30, 2)});
  const Grid weekly = make_grid(every(168), utc(2026, 10, 20, 0), central);
  CHECK(runs(weekly, utc(2026, 10, 20, 0), 2, central) ==
        std::vector<Instant>{utc(2026, 10, 20, 2), utc(2026, 10, 27, 3)});
  // Other intervals count elapsed time.
  const Grid odd = make_grid(every(36), utc(2026, 3, 28, 0), central);
  CHECK(runs(odd, utc(2026, 3, 28, 0), 2, central) ==
        std::vector<Instant>{utc(2026, 3, 28, 3), utc(2026, 3, 29, 15)});
}

TEST_CASE("a skipped time is the first valid one, a repeated one the first", "[schedule][SYM-58]") {
  const Grid skipped = make_grid(every(24, "02:30"), utc(2026, 3, 28, 0), central);
  CHECK(runs(skipped, utc(2026, 3, 28, 12), 2, central) ==
        std::vector<Instant>{utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)});
  const Grid repeated = make_grid(every(24, "02:30"), utc(2026, 10, 24, 0), central);
  CHECK(runs(repeated, utc(2026, 10, 24, 12), 2, central) ==
        std::vector<Instant>{utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)});
  CHECK(local_of(utc(2026, 3, 29, 1), central).second_of_day == 3 * hour);
}

TEST_CASE("random grids: the next point is on the grid and none is left out", "[schedule][SYM-58]") {
  const unsigned seed = GENERATE(11U, 12U, 13U);
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const Timing timing{1 + static_cast<std::int64_t>(random() % 200),
                        static_cast<std::int32_t>(random() % 1440)};
    const Instant made = utc(2026, 1 + random() % 12, 1 + random() % 28, 0) + random() % day;
    const Grid grid = make_grid(timing, made, central);
    const Instant from = made + random() % (60 * day);
    const Instant next = first_at_or_after(grid, from, central);
    REQUIRE(next >= from);
    REQUIRE(next - from <= timing.interval_hours * hour + hour);
    REQUIRE(first_at_or_after(grid, next, central) == next);
    if (timing.interval_hours % 24 != 0) REQUIRE((next - grid.anchor) % (timing.interval_hours * hour) == 0);
    const LocalTime at = local_of(next, central);
    const bool skipped_day = at.day == day_of({2026, 3, 29});
    if (timing.interval_hours % 24 == 0 && !skipped_day) {
      REQUIRE(at.second_of_day == timing.start_minute * 60);
    }
  }
}

TEST_CASE("what is due runs once, and what falls due meanwhile is skipped", "[schedule][SYM-59]") {
  Agenda agenda(plain);
  agenda.set("a", every(1), utc(2026, 2, 16, 5, 30));
  agenda.set("b", every(24), utc(2026, 2, 16, 5, 30));
  CHECK(agenda.earliest() == utc(2026, 2, 16, 6));
  CHECK(agenda.due(utc(2026, 2, 16, 5, 59)).empty());
  CHECK(agenda.due(utc(2026, 2, 16, 6)) == std::vector<std::string>{"a"});
  CHECK(agenda.due(utc(2026, 2, 16, 6)).empty());
  CHECK(agenda.due(utc(2026, 2, 16, 7)).empty());
  CHECK(agenda.is_running("a"));
  CHECK(agenda.finished("a"));
  CHECK(agenda.find("a")->next == utc(2026, 2, 16, 8));
  CHECK(agenda.due(utc(2026, 2, 16, 8)) == std::vector<std::string>{"a"});
  CHECK(agenda.find("a")->last_run == utc(2026, 2, 16, 8));
}

TEST_CASE("points missed while the program was down make one run after the start", "[schedule][SYM-59]") {
  Agenda before(plain);
  const Entry stored = before.set("a", every(24), utc(2026, 2, 16, 5));
  const Instant start = utc(2026, 2, 20, 9);
  Agenda agenda(plain);
  CHECK(agenda.set("a", every(24), start, stored).next == start + 300);
  CHECK(agenda.due(start + 299).empty());
  CHECK(agenda.due(start + 300).size() == 1);
  agenda.finished("a");
  CHECK(agenda.find("a")->next == utc(2026, 2, 21, 4));
  // A restart before the five minutes are over does not forget it.
  Agenda first(plain);
  const Entry again = first.set("a", every(24), start, stored);
  Agenda second(plain);
  CHECK(second.set("a", every(24), start + 60, again).next == start + 300);
}

TEST_CASE("a clock that jumps ahead makes one run at once, one set back waits no longer",
          "[schedule][SYM-59]") {
  Agenda agenda(plain);
  agenda.set("a", every(24), utc(2026, 2, 16, 5));
  const Instant jumped = utc(2026, 3, 20, 12);
  CHECK(agenda.due(jumped).size() == 1);
  agenda.finished("a");
  CHECK(agenda.due(jumped + 60).empty());
  CHECK(agenda.find("a")->next == utc(2026, 3, 21, 4));
  agenda.clock_set_back(utc(2026, 2, 17, 12));
  CHECK(agenda.find("a")->next == utc(2026, 2, 18, 4));
}

TEST_CASE("a run that was not made is made up for by the next program", "[schedule][SYM-59]") {
  Agenda agenda(plain);
  const Entry made = agenda.set("a", every(168), utc(2026, 2, 16, 3));
  const Instant due = utc(2026, 2, 16, 4);
  REQUIRE(agenda.due(due).size() == 1);
  // What a kill in the middle leaves, and what a cancelled run leaves.
  CHECK(agenda.stored("a") == made);
  agenda.given_up("a");
  CHECK(agenda.stored("a") == made);
  Agenda later(plain);
  const Instant start = utc(2026, 2, 17, 9);
  CHECK(later.set("a", every(168), start, agenda.stored("a")).next == start + 300);
  REQUIRE(later.due(start + 300).size() == 1);
  CHECK(later.finished("a"));
  CHECK(later.stored("a")->next == utc(2026, 2, 23, 4));
  CHECK(later.stored("a")->last_run == start + 300);
}

TEST_CASE("a grid made while the clock was ahead does not wait for its time", "[schedule][SYM-59]") {
  Agenda agenda(plain);
  agenda.set("a", every(24), utc(2036, 2, 16, 5));
  agenda.clock_set_back(utc(2026, 2, 17, 12));
  CHECK(agenda.find("a")->next == utc(2026, 2, 18, 4));
}

TEST_CASE("the anchor is remade only when interval or start time change", "[schedule][SYM-57][SYM-58]") {
  Agenda agenda(plain);
  const Entry made = agenda.set("a", every(48), utc(2026, 2, 16, 5));
  CHECK(agenda.set("a", every(48), utc(2026, 2, 17, 5)) == made);
  CHECK(agenda.set("a", every(48, "06:00"), utc(2026, 2, 17, 5)).next == utc(2026, 2, 17, 6));
  CHECK(agenda.find("a")->grid.anchor_day == day_of({2026, 2, 17}));
  CHECK(agenda.find("b") == nullptr);
}

TEST_CASE("what was disabled has missed nothing", "[schedule][SYM-57][SYM-61]") {
  Agenda agenda(plain);
  const Entry made = agenda.set("a", every(24), utc(2026, 2, 16, 5));
  agenda.remove("a");
  CHECK(agenda.find("a") == nullptr);
  CHECK_FALSE(agenda.earliest());
  CHECK(agenda.due(utc(2026, 2, 18, 5)).empty());
  const Entry kept = *agenda.stored("a");
  CHECK(agenda.set("a", every(24), utc(2026, 2, 18, 5)).next == utc(2026, 2, 19, 4));
  Agenda later(plain);
  const Entry& enabled = later.set("a", every(24), utc(2026, 2, 20, 5), kept);
  CHECK(enabled.next == utc(2026, 2, 21, 4));
  CHECK(enabled.grid == made.grid);
}

TEST_CASE("an entry survives as JSON, a damaged one is refused", "[schedule][SYM-58]") {
  Agenda agenda(central);
  agenda.set("a", every(36, "23:45"), utc(2026, 2, 16, 5));
  agenda.due(utc(2026, 2, 20, 5));
  const Entry entry = *agenda.stored("a");
  CHECK(entry_from_json(to_json(entry)).value() == entry);
  json::object damaged = to_json(entry);
  damaged["interval_hours"] = 0;
  CHECK_FALSE(entry_from_json(damaged));
  CHECK_FALSE(entry_from_json(nullptr));
}
