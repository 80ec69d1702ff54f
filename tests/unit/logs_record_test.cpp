#include "logs/record.hpp"

#include <dumb/logs/log_reader.hpp>
#include <dumb/logs/settings.hpp>

#include "logs/bytes.hpp"
#include "logs/clean.hpp"
#include "support/catch.hpp"

using namespace dumb;

namespace {
std::string line_text(std::string_view text) {
  std::string out;
  logs::append_line_text(out, text);
  return out;
}
std::string message(std::string_view text) {
  std::string out;
  logs::append_message(out, text);
  return out;
}
std::string clean(std::string_view raw) {
  std::string scratch = "left over";
  return std::string(logs::clean_line(raw, scratch));
}
}  // namespace

TEST_CASE("size texts take binary units in any case", "[logs][LIF-96]") {
  const std::uint64_t mega = 1U << 20U;
  for (const char* text :
       {"10M", "10m", "10MB", "10mb", "10MiB", "10 M", " 10M ", "10485760", "", "abc", "10X", "M", "-5M",
        "1.5M", "10MBB", "10i", "9999999999G", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK(logs::parse_size(text) == 10 * mega);
  }
  CHECK(logs::parse_size("0") == 0);
  CHECK(logs::parse_size("0K") == 0);
  CHECK(logs::parse_size("512") == 512);
  CHECK(logs::parse_size("3k") == 3072);
  CHECK(logs::parse_size("3KIB") == 3072);
  CHECK(logs::parse_size("2G") == 2048 * mega);
  CHECK(logs::parse_size("2gb") == 2048 * mega);
}

TEST_CASE("a log count that is no number from 0 on means 2", "[logs][LIF-96]") {
  CHECK(logs::parse_count("0") == 0);
  CHECK(logs::parse_count(" 7 ") == 7);
  for (const char* text : {"", "-1", "x", "1.5", "99999999999"}) CHECK(logs::parse_count(text) == 2);
}

TEST_CASE("a record's time has an English month and a blank-padded day", "[logs][LIF-97]") {
  CHECK(logs::stamp({{2026, 2, 3}, 7, 5, 9}) == "Feb  3, 2026 07:05:09");
  CHECK(logs::stamp({{2026, 12, 31}, 23, 59, 0}) == "Dec 31, 2026 23:59:00");
  CHECK(logs::Date{2026, 2, 3}.to_string() == "2026-02-03");
}

TEST_CASE("control characters of a line become blanks or escapes", "[logs][LIF-97]") {
  CHECK(line_text("plain text") == "plain text");
  CHECK(line_text("a\rb\tc\vd\fe\nf") == "a b c d e f");
  CHECK(line_text(std::string("a\0b\x1b[31m\x7f", 9)) == "a\\x00b\\x1b[31m\\x7f");
  CHECK(line_text("\xC2\x9B"
                  "31m caf\xC3\xA9 \xC2\xA0") == "\\x9b31m caf\xC3\xA9 \xC2\xA0");
}

TEST_CASE("further lines of the program's own message stay", "[logs][LIF-97]") {
  CHECK(message("one\n  two\n\tthree\n") == "one\n  two\n\tthree");
  CHECK(message("a\tb\r\nc\x1b") == "a b \nc\\x1b");
  CHECK(message("\n\n").empty());
}

TEST_CASE("each level has its colour", "[logs][LIF-98]") {
  CHECK(logs::color_of(Level::debug) == "\x1b[36m");
  CHECK(logs::color_of(Level::info) == "\x1b[32m");
  CHECK(logs::color_of(Level::warning) == "\x1b[33m");
  CHECK(logs::color_of(Level::error) == "\x1b[31m");
  CHECK(logs::color_of(Level::critical) == "\x1b[1;31m");
}

TEST_CASE("captured lines lose ANSI sequences and trailing blanks, keep leading ones", "[logs][LIF-105]") {
  CHECK(clean("  text \t\r") == "  text");
  CHECK(clean(" \t ").empty());
  CHECK(clean("\x1b[1;31mred\x1b[0m") == "red");
  CHECK(clean("a\x1b]0;title\x07"
              "b\x1b]8;;http://x\x1b\\c") == "abc");
  CHECK(clean("\x1b(Bx\x1b=y\x1b"
              "7z") == "xyz");
  CHECK(clean("x\xC2\x9B"
              "31my") == "xy");
  CHECK(clean("text\x1b[0m  \x1b[K") == "text");
  CHECK(clean("cut\x1b[31") == "cut");
  CHECK(clean("cut\x1b") == "cut");
  CHECK(clean("open\x1b]0;title") == "open");
  CHECK(clean("\x1b[31m \x1b[0m").empty());
}

TEST_CASE("invalid UTF-8 of a captured line is repaired", "[logs][LIF-105]") {
  CHECK(clean("a\xFF"
              "b\xC3") ==
        "a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD");
  CHECK(clean("\xFF\x1b[31mred") ==
        "\xEF\xBF\xBD"
        "red");
  CHECK(clean("caf\xC3\xA9") == "caf\xC3\xA9");
}

TEST_CASE("plain ASCII is recognised at every offset", "[logs]") {
  for (std::size_t size = 0; size < 20; ++size) {
    std::string text(size, 'x');
    CHECK(logs::is_plain_ascii(text));
    for (std::size_t at = 0; at < size; ++at) {
      for (const int byte : {0x00, 0x1F, 0x7F, 0x80, 0xFF}) {
        std::string odd = text;
        odd[at] = static_cast<char>(byte);
        CHECK_FALSE(logs::is_plain_ascii(odd));
      }
      text[at] = at % 2 == 0 ? ' ' : '~';
      CHECK(logs::is_plain_ascii(text));
    }
  }
}

TEST_CASE("the start marker names version and process", "[logs][LIF-115]") {
  CHECK(logs::start_marker("1.2.3", 42) == "==== DUMB start 1.2.3 pid 42");
}
