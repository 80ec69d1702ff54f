#include <boost/json.hpp>
#include <dumb/catalog/catalog.hpp>

#include "engine/plex_repair.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::engine;
using namespace std::chrono_literals;
using Verdict = RepairSchedule::Verdict;

namespace {

struct Schedule {
  test::FakeClock clock;
  RepairSettings settings{true, 7 * 24h, 5min, 2.0, 60min, 0min};
  RepairSchedule schedule;
  Schedule() { apply(); }
  void apply() { schedule.set(settings, clock.now()); }
  /// How long until it is due; the clock stands there afterwards.
  Duration wait() {
    REQUIRE(schedule.next());
    const Duration left = *schedule.next() - clock.now();
    CHECK_FALSE(schedule.due(clock.now() + left - 1ms));
    clock.advance(left);
    CHECK(schedule.due(clock.now()));
    return left;
  }
  Verdict decide(PlexUse use) { return schedule.decide(use, clock.now()); }
};

config::Snapshot snapshot(const std::string& changes) {
  json::object document = catalog::Catalog::embedded().default_document();
  const json::value wanted = *jsonx::parse(changes);
  for (const auto& [name, value] : wanted.as_object())
    jsonx::set(document, *jsonx::parse_pointer(name), value);
  return {document, document, 1};
}
using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("the database of Plex is repaired after one interval, then after each",
          "[engine][SVC-195][LIF-133]") {
  Schedule s;
  CHECK(s.wait() == 7 * 24h);
  CHECK(s.decide(PlexUse::idle) == Verdict::run);
  s.clock.advance(20min);
  s.schedule.ran(s.clock.now());
  CHECK(s.wait() == 7 * 24h);
}

TEST_CASE("a repair is off until it is enabled, and the interval begins then", "[engine][SVC-195][LIF-136]") {
  Schedule s;
  s.settings.enabled = false;
  s.apply();
  CHECK_FALSE(s.schedule.next());
  CHECK_FALSE(s.schedule.due(s.clock.now() + 365 * 24h));
  s.schedule.ran(s.clock.now());
  CHECK_FALSE(s.schedule.next());
  s.clock.advance(3h);
  s.settings.enabled = true;
  s.apply();
  s.clock.advance(1h);
  s.apply();
  CHECK(s.wait() == 7 * 24h - 1h);
  // A shorter interval counts from the same moment.
  s.decide(PlexUse::idle);
  s.clock.advance(2h);
  s.settings.interval = 3h;
  s.apply();
  CHECK(s.wait() == 1h);
}

TEST_CASE("a repair waits while Plex is in use, with growing pauses", "[engine][SVC-195]") {
  Schedule s;
  s.wait();
  CHECK(s.decide(PlexUse::busy) == Verdict::postponed);
  for (const auto pause : {5min, 10min, 20min, 40min, 60min, 60min}) {
    CHECK(s.wait() == pause);
    s.apply();  // re-reading the same settings changes nothing
    CHECK(s.decide(PlexUse::busy) == Verdict::postponed);
  }
  s.wait();
  CHECK(s.decide(PlexUse::idle) == Verdict::run);
  // The next time begins with the short pause again.
  s.wait();
  CHECK(s.decide(PlexUse::busy) == Verdict::postponed);
  CHECK(s.wait() == 5min);
}

TEST_CASE("a repair is given up after its longest wait, with a last look at that moment",
          "[engine][SVC-195]") {
  Schedule s;
  s.settings.max_wait = 12min;
  s.apply();
  s.wait();
  CHECK(s.decide(PlexUse::busy) == Verdict::postponed);
  CHECK(s.wait() == 5min);
  CHECK(s.decide(PlexUse::busy) == Verdict::postponed);
  CHECK(s.wait() == 7min);
  CHECK(s.decide(PlexUse::busy) == Verdict::gave_up);
  CHECK(s.wait() == 7 * 24h);
}

TEST_CASE("a repair is skipped when Plex's use cannot be told", "[engine][SVC-195]") {
  Schedule s;
  s.wait();
  CHECK(s.decide(PlexUse::unknown) == Verdict::skipped);
  CHECK(s.wait() == 7 * 24h);
  CHECK(s.decide(PlexUse::busy) == Verdict::postponed);
  s.wait();
  CHECK(s.decide(PlexUse::unknown) == Verdict::skipped);
  CHECK(s.wait() == 7 * 24h);
}

TEST_CASE("the schedule of a repair comes from the document in minutes", "[engine][SVC-195]") {
  const auto standard = snapshot(R"({"/plex/dbrepair/enabled": true})");
  const RepairSettings given = repair_settings(standard.effective(), 1min);
  CHECK(given.enabled);
  CHECK(given.interval == 10080min);
  CHECK(given.idle_check == 5min);
  CHECK(given.multiplier == 2.0);
  CHECK(given.max_backoff == 60min);
  CHECK(given.max_wait == 0min);
  // Nonsense neither spins nor shrinks nor overflows.
  const auto odd = snapshot(R"({"/plex/dbrepair/interval_minutes": 0, "/plex/dbrepair/idle_check_minutes": -3,
    "/plex/dbrepair/backoff_multiplier": 0.1, "/plex/dbrepair/max_backoff_minutes": 1e300,
    "/plex/dbrepair/max_wait_minutes": -1})");
  const RepairSettings clamped = repair_settings(odd.effective(), 10ms);
  CHECK_FALSE(clamped.enabled);
  CHECK(clamped.interval == 10ms);
  CHECK(clamped.idle_check == 10ms);
  CHECK(clamped.multiplier == 1.0);
  CHECK(clamped.max_backoff > 24h);
  CHECK(clamped.max_wait == 0ms);
}

TEST_CASE("Plex tells its sessions and recordings as JSON, or it cannot be told", "[engine][SVC-195]") {
  CHECK(plex_items(R"({"MediaContainer": {"size": 0}})") == 0);
  CHECK(plex_items(R"({"MediaContainer": {"size": 2, "Metadata": [{}, {}]}})") == 2);
  CHECK(plex_items(R"({"MediaContainer": {"size": "1"}})") == 1);
  for (const char* unclear : {"", "[]", R"({"MediaContainer": []})", R"({"MediaContainer": {}})",
                              R"({"MediaContainer": {"size": -1}})", R"({"MediaContainer": {"size": null}})",
                              "<MediaContainer size=\"0\"/>", "<html>401 Unauthorized</html>"}) {
    INFO(unclear);
    CHECK_FALSE(plex_items(unclear));
    CHECK_FALSE(plex_schedules(unclear));
  }
  CHECK(plex_schedules(R"({"MediaContainer": {"size": 0}})") == Words{});
  CHECK(plex_schedules(
            R"({"MediaContainer": {"size": 2, "Dvr": [{"key": "/livetv/dvrs/28"}, {"key": "31"}]}})") ==
        Words{"/livetv/dvrs/28/schedule", "/livetv/dvrs/31/schedule"});
  CHECK_FALSE(plex_schedules(R"({"MediaContainer": {"size": 1}})"));
  CHECK_FALSE(plex_schedules(R"({"MediaContainer": {"size": 1, "Dvr": [{"uuid": "x"}]}})"));
  CHECK_FALSE(plex_schedules(R"({"MediaContainer": {"size": 1, "Dvr": [{"key": "1 HTTP/1.1\r\nX: y"}]}})"));
}

TEST_CASE("the token of Plex is read from its preferences", "[engine][SVC-195]") {
  CHECK(plex_token(R"(<?xml version="1.0"?>
<Preferences FriendlyName="PlexOnlineToken=no" PlexOnlineToken="abc-DEF_1" AcceptedEULA="1"/>)") ==
        "abc-DEF_1");
  CHECK(plex_token("<Preferences PlexOnlineToken='q'/>") == "q");
  CHECK(plex_token("<Preferences OldPlexOnlineToken=\"old\"/>").empty());
  CHECK(plex_token("<Preferences PlexOnlineToken=\"cut").empty());
  CHECK(plex_token("").empty());
}

TEST_CASE("the standard command of a repair names Plex's SQLite and databases", "[engine][SVC-195]") {
  const auto config = snapshot(
      R"({"/plex/dbrepair/script_args": ["stop", "auto", "START", "exit"], "/plex/dbrepair/env": {"A": "b"}})");
  const auto launch = repair_launch(config, Root(), {{"PATH", "/bin"}});
  REQUIRE(launch);
  CHECK(launch->argv == Words{"/data/dbrepair/DBRepair.sh", "--sqlite",
                              "/usr/lib/plexmediaserver/Plex SQLite", "--databases",
                              "/plex/Plex Media Server/Plug-in Support/Databases", "auto", "exit"});
  CHECK(launch->env == Words{"A=b", "PATH=/bin"});
  CHECK(launch->directory == "/plex");
  CHECK(launch->log_file == "/log/plex_dbrepair.log");
}

TEST_CASE("a repair's own command has its placeholders replaced and required arguments added",
          "[engine][SVC-195][LIF-50]") {
  const auto config = snapshot(R"({"/plex/config_dir": "/p", "/plex/dbrepair/work_dir": "/w",
    "/plex/dbrepair/required_args": ["--yes", "{dbrepair_databases_path}", "-x"],
    "/plex/dbrepair/command": ["{dbrepair_install_dir}/{dbrepair_executable}", "{plex_config_dir}", "{plex_db_path}",
      "{dbrepair_sqlite_path}", "{dbrepair_databases_path}", "{unknown}", "-x"],
    "/plex/dbrepair/databases_path": "/p/dbs", "/plex/dbrepair/db_path": "/p/dbs/library.db"})");
  const auto launch = repair_launch(config, Root(), {});
  REQUIRE(launch);
  CHECK(launch->argv == Words{"/data/dbrepair/DBRepair.sh", "/p", "/p/dbs/library.db",
                              "/usr/lib/plexmediaserver/Plex SQLite", "/p/dbs", "{unknown}", "-x", "--yes"});
  CHECK(launch->directory == "/w");
  // A text is split into words; no shell sees it.
  const auto text = snapshot(R"({"/plex/dbrepair/command": "repair 'a b' {plex_config_dir};ls"})");
  CHECK(repair_launch(text, Root(), {})->argv == Words{"repair", "a b", "/plex;ls"});
  const auto faulty = snapshot(R"({"/plex/dbrepair/command": "repair 'a"})");
  REQUIRE_FALSE(repair_launch(faulty, Root(), {}));
  CHECK(repair_launch(faulty, Root(), {}).error().is(Errc::invalid_config));
}

TEST_CASE("paths of a repair lie beneath the root, those of the system do not", "[engine][SVC-195]") {
  const auto config = snapshot(R"({"/plex/dbrepair/env": {"DB": "/plex/x", "TOOL": "/usr/bin/tool"}})");
  const auto launch = repair_launch(config, Root("/srv/r"), {{"HOME", "/plex"}});
  REQUIRE(launch);
  CHECK(launch->argv == Words{"/srv/r/data/dbrepair/DBRepair.sh", "--sqlite",
                              "/usr/lib/plexmediaserver/Plex SQLite", "--databases",
                              "/srv/r/plex/Plex Media Server/Plug-in Support/Databases", "auto"});
  CHECK(launch->env == Words{"DB=/srv/r/plex/x", "HOME=/plex", "TOOL=/usr/bin/tool"});
  CHECK(launch->directory == "/srv/r/plex");
  CHECK(launch->log_file == "/srv/r/log/plex_dbrepair.log");
}
