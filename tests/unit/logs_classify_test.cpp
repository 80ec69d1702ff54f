#include "logs/classify.hpp"

#include "logs/prefix.hpp"
#include "support/catch.hpp"

using namespace dumb;
using logs::LineFormat;

namespace {
struct Read {
  Level level;
  std::string text;
  bool operator==(const Read&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Read& read) {
  return out << level_name(read.level) << " \"" << read.text << '"';
}

Read read(std::string_view line, LineFormat format = LineFormat::general, Level previous = Level::info) {
  std::string scratch;
  const auto result = logs::classify(format, line, previous, scratch);
  return {result.level, std::string(result.text)};
}
}  // namespace

TEST_CASE("the first whole level word sets the level, and a prefix of dates is dropped", "[logs][LIF-107]") {
  CHECK(read("2026/02/03 07:05:09 NOTICE: mounted") == Read{Level::info, "mounted"});
  CHECK(read("2026/02/03 07:05:09 INFO  : remote: copied") == Read{Level::info, "remote: copied"});
  CHECK(read("2026-02-03 07:05:09.123 UTC [123] LOG:  ready to accept") ==
        Read{Level::info, "ready to accept"});
  CHECK(read("2026-02-03 07:05:09.123 UTC [123] WARNING:  odd") == Read{Level::warning, "odd"});
  CHECK(read("2026-02-03 07:05:09.123 CET [1] FATAL:  no role") == Read{Level::critical, "no role"});
  CHECK(read("26-02-03 07:05:09 | DEBUG | module - text") == Read{Level::debug, "module - text"});
  CHECK(read("2026-02-03T07:05:09.123+01:00 [WARN] text") == Read{Level::warning, "text"});
  CHECK(read("Feb  3, 2026 07:05:09.001 [12] ERROR - text") == Read{Level::error, "- text"});
  CHECK(read("Tue Feb 3 07:05:09 AM 2026 CRITICAL text") == Read{Level::critical, "text"});
  CHECK(read("1770101109 INFO epoch") == Read{Level::info, "epoch"});
  CHECK(read("ERROR:root:broken") == Read{Level::error, "root:broken"});
  CHECK(read("[INFO] hi") == Read{Level::info, "hi"});
  CHECK(read("\xE2\x9D\x8C ERROR | sad") == Read{Level::error, "sad"});
}

TEST_CASE("a line with words before its level stays whole", "[logs][LIF-107]") {
  for (const char* line :
       {"2026-02-03 07:05:09 CET - huntarr - ERROR - text", "HTTP ERROR 500", "main ERROR text",
        "5 ERROR lines", "2026-02-03 [main] ERROR text", "\xC3\xA9t\xC3\xA9 ERROR x", "3rd ERROR in a row",
        "MST ERROR zone without a time"}) {
    CAPTURE(line);
    CHECK(read(line) == Read{Level::error, line});
  }
}

TEST_CASE("parts of longer words are no level", "[logs][LIF-107]") {
  for (const char* line : {"WARNINGS off", "MY_ERROR x", "ERROR2", "2ERROR", "INFORMATION", "DIALOG",
                           "error: x", "An Error occurred", "ERRNO"}) {
    CAPTURE(line);
    CHECK(read(line) == Read{Level::info, line});
  }
}

TEST_CASE("only the first 96 bytes are searched", "[logs][LIF-107]") {
  const std::string at_end = std::string(91, '.') + "ERROR";
  CHECK(read(at_end + " x").level == Level::error);
  CHECK(read("." + at_end).level == Level::info);
  CHECK(read(std::string(91, '.') + "ERRORS").level == Level::info);
  CHECK(read(std::string(93, '.') + "ERROR").level == Level::info);
  CHECK(read(std::string(93, '.') + "ERRX").level == Level::info);
}

TEST_CASE("short words set the level and leave the text whole", "[logs][LIF-107]") {
  const std::pair<const char*, Level> rows[] = {{"DBG", Level::debug},    {"INF", Level::info},
                                                {"WRN", Level::warning},  {"ERR", Level::error},
                                                {"FTL", Level::critical}, {"TRC", Level::debug}};
  for (const auto& [word, level] : rows) {
    const std::string line = "2026-02-03T07:05:09Z " + std::string(word) + " starting";
    CHECK(read(line, LineFormat::traefik) == Read{level, line});
  }
  CHECK(read("[07:05:09 WRN] an ERROR").level == Level::warning);
}

TEST_CASE("an indented line without a level takes the level of the one before", "[logs][LIF-107]") {
  CHECK(read("  at main()", LineFormat::general, Level::error) == Read{Level::error, "  at main()"});
  CHECK(read("\tat main()", LineFormat::general, Level::warning) == Read{Level::warning, "\tat main()"});
  CHECK(read("at main()", LineFormat::general, Level::error) == Read{Level::info, "at main()"});
  CHECK(read("  DEBUG x", LineFormat::general, Level::error) == Read{Level::debug, "x"});
}

TEST_CASE("a line that is nothing but a level is kept", "[logs][LIF-107]") {
  CHECK(read("2026-02-03 ERROR:") == Read{Level::error, "2026-02-03 ERROR:"});
  CHECK(read("INFO") == Read{Level::info, "INFO"});
}

TEST_CASE("zurg lines are taken apart at tabs or bars", "[logs][LIF-107]") {
  CHECK(read("2026-02-03T07:05:09.123Z\tWARN\tzurg\ttext | more\tend", LineFormat::zurg) ==
        Read{Level::warning, "| zurg | text | more\tend"});
  CHECK(read("2026-02-03 | ERROR | realdebrid | no torrent", LineFormat::zurg) ==
        Read{Level::error, "| realdebrid | no torrent"});
  CHECK(read("2026-02-03 07:05:09\tINFO\tonly three", LineFormat::zurg) == Read{Level::info, "only three"});
  CHECK(read("odd ERROR line", LineFormat::zurg) == Read{Level::error, "odd ERROR line"});
  CHECK(read("2026-02-03\tINFO\tzurg\ttext", LineFormat::general) == Read{Level::info, "zurg\ttext"});
}

TEST_CASE("the stamp of cli_debrid is dropped before the general rule", "[logs][LIF-107]") {
  CHECK(read("2026-02-03 07:05:09 - run.py:main:3 - ERROR - text", LineFormat::cli_debrid) ==
        Read{Level::error, "run.py:main:3 - ERROR - text"});
  CHECK(read("2026-02-03 07:05:09,123 - WARNING - text", LineFormat::cli_debrid) ==
        Read{Level::warning, "- text"});
  CHECK(read("2026-02-03 07:05:09 text", LineFormat::cli_debrid) ==
        Read{Level::info, "2026-02-03 07:05:09 text"});
  CHECK(read("2026-02-03 07:05:09 - run.py: ERROR", LineFormat::general).text ==
        "2026-02-03 07:05:09 - run.py: ERROR");
}

TEST_CASE("traefik's access lines are told from its other output", "[logs][LIF-104]") {
  CHECK(logs::is_access_line(R"({"ClientAddr":"1.2.3.4","RequestMethod":"GET"})"));
  CHECK(logs::is_access_line(R"({"RequestMethod":"GET","RequestPath":"/"})"));
  CHECK_FALSE(logs::is_access_line(R"({"RequestMethod":"GET"})"));
  CHECK_FALSE(logs::is_access_line(R"({"RequestPath":"/","ClientAddr":"x"})"));
  CHECK_FALSE(logs::is_access_line(R"( {"RequestMethod":"GET","RequestPath":"/"})"));
}
