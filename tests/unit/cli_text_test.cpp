#include "cli/src/exit_code.hpp"
#include "cli/src/log_lines.hpp"
#include "cli/src/services.hpp"
#include "cli/src/style.hpp"
#include "cli/src/table.hpp"
#include "support/catch.hpp"

using namespace dumb;
using cli::Color;
using cli::ColorMode;
using cli::ExitCode;
using cli::Style;

TEST_CASE("every kind of error has its exit code", "[cli]") {
  CHECK(cli::exit_code({}) == ExitCode::success);
  CHECK(cli::exit_code(make_error_code(cli::Trouble::usage)) == ExitCode::usage);
  CHECK(cli::exit_code(make_error_code(cli::Trouble::unreachable)) == ExitCode::unreachable);
  CHECK(cli::exit_code(make_error_code(cli::Trouble::strange_answer)) == ExitCode::failed);
  CHECK(cli::exit_code(cli::http_status_code(404)) == ExitCode::unknown_name);
  for (const int status : {400, 401, 403, 409, 413, 422, 500, 503, 504}) {
    CHECK(cli::exit_code(cli::http_status_code(status)) == ExitCode::failed);
  }
  CHECK(cli::exit_code(make_error_code(Errc::not_found)) == ExitCode::unknown_name);
  CHECK(cli::exit_code(make_error_code(Errc::invalid_config)) == ExitCode::failed);
  CHECK(cli::worst(ExitCode::failed, ExitCode::unknown_name) == ExitCode::unknown_name);
  CHECK(cli::worst(ExitCode::failed, ExitCode::success) == ExitCode::failed);
}

TEST_CASE("colour follows --color, then NO_COLOR, then the terminal", "[cli]") {
  const cli::Environment plain{{"TERM", "xterm"}};
  const cli::Environment no_color{{"TERM", "xterm"}, {"NO_COLOR", "1"}};
  CHECK(cli::style_for(ColorMode::automatic, true, 100, plain).color);
  CHECK_FALSE(cli::style_for(ColorMode::automatic, false, 100, plain).color);
  CHECK_FALSE(cli::style_for(ColorMode::automatic, true, 100, no_color).color);
  CHECK(cli::style_for(ColorMode::automatic, true, 100, {{"NO_COLOR", ""}}).color);
  CHECK_FALSE(cli::style_for(ColorMode::automatic, true, 100, {{"TERM", "dumb"}}).color);
  CHECK(cli::style_for(ColorMode::always, false, 0, no_color).color);
  CHECK_FALSE(cli::style_for(ColorMode::never, true, 100, plain).color);
}

TEST_CASE("only a terminal limits the width", "[cli]") {
  CHECK(cli::style_for(ColorMode::automatic, false, 100, {{"COLUMNS", "70"}}).width == 0);
  CHECK(cli::style_for(ColorMode::automatic, true, 100, {}).width == 100);
  CHECK(cli::style_for(ColorMode::automatic, true, 100, {{"COLUMNS", "70"}}).width == 70);
  CHECK(cli::style_for(ColorMode::automatic, true, 0, {{"COLUMNS", "x"}}).width == 80);
}

TEST_CASE("text is measured and cut by columns, not bytes", "[cli]") {
  CHECK(cli::display_width("abc") == 3);
  CHECK(cli::display_width("Größe") == 5);
  CHECK(cli::display_width("e\u0301") == 1);
  CHECK(cli::display_width("映画") == 4);
  CHECK(cli::display_width("🎬") == 2);
  CHECK(cli::display_width("\xE2") == 1);
  const Style utf8{.width = 80, .color = false, .utf8 = true};
  const Style ascii{.width = 80, .color = false, .utf8 = false};
  CHECK(cli::clip("abcdef", 6, utf8) == "abcdef");
  CHECK(cli::clip("abcdef", 4, utf8) == "abc…");
  CHECK(cli::clip("abcdef", 4, ascii) == "abc~");
  CHECK(cli::clip("ab cdef", 4, utf8) == "ab…");
  CHECK(cli::clip("映画館", 4, utf8) == "映…");
  CHECK(cli::clip("abc", 0, utf8).empty());
}

TEST_CASE("what comes from outside cannot steer the terminal", "[cli]") {
  CHECK(cli::printable("a\x1b[31mb") == "a\\x1b[31mb");
  CHECK(cli::printable("a\nb\tc") == "a b c");
  CHECK(cli::printable("bell\a \xC2\x9B") == "bell\\x07 \\x9b");
  CHECK(cli::printable("\u202Egpj") == "\\u202egpj");
  CHECK(cli::printable("\xFF") == "\uFFFD");
  CHECK(cli::printable("Größe 映画") == "Größe 映画");
}

TEST_CASE("a table never exceeds the terminal", "[cli]") {
  cli::Table table{{{"NAME", cli::Column::Align::left, 6}, {"N", cli::Column::Align::right}, {"NOTE", {}, 4}},
                   {}};
  table.rows.push_back({{"rather long name"}, {"12345"}, {"a note of some length"}});
  table.rows.push_back({{"映画"}, {"1"}, {""}});
  for (std::size_t width = 1; width < 60; ++width) {
    const std::string text = cli::render(table, {.width = width, .color = false, .utf8 = true});
    for (const std::string_view line : cli::split_lines(text)) {
      CAPTURE(width, std::string(line));
      CHECK(cli::display_width(line) <= width);
      CHECK((line.empty() || line.back() != ' '));
    }
  }
  CHECK(cli::render(table, {.width = 0, .color = false, .utf8 = true}) ==
        "NAME                  N  NOTE\n"
        "rather long name  12345  a note of some length\n"
        "映画                  1\n");
  CHECK(cli::render(table, {.width = 35, .color = false, .utf8 = true}) ==
        "NAME                  N  NOTE\n"
        "rather long name  12345  a note of…\n"
        "映画                  1\n");
  CHECK(cli::render(table, {.width = 20, .color = false, .utf8 = true}) ==
        "NAME         N  NOTE\n"
        "rather…  12345  a n…\n"
        "映画         1\n");
}

TEST_CASE("colour surrounds the text and not the padding", "[cli]") {
  const cli::Table table{{{"STATE"}, {"X"}}, {{{"up", Color::green}, {"1"}}}};
  CHECK(cli::render(table, {.width = 80, .color = true, .utf8 = true}) ==
        "\x1b[1mSTATE\x1b[0m  \x1b[1mX\x1b[0m\n\x1b[32mup\x1b[0m     1\n");
}

TEST_CASE("spans are short and round down", "[cli]") {
  CHECK(cli::span_text(-3) == "0s");
  CHECK(cli::span_text(59.9) == "59s");
  CHECK(cli::span_text(65) == "1m 05s");
  CHECK(cli::span_text(3600 * 3 + 12 * 60 + 59) == "3h 12m");
  CHECK(cli::span_text(86400 * 4 + 3600 * 2) == "4d 02h");
}

TEST_CASE("a main-log record is told from other lines", "[cli][LIF-97]") {
  const auto record = cli::parse_record("Feb  3, 2026 07:05:09 - INFO - Zurg - main started");
  REQUIRE(record);
  CHECK(record->level == Level::info);
  CHECK(record->message == "Zurg - main started");
  CHECK_FALSE(cli::parse_record("Feb  3, 2026 07:05:09 - NOISE - text"));
  CHECK_FALSE(cli::parse_record("Feb  3, 2026 07:05:09 INFO text"));
  CHECK_FALSE(cli::parse_record("[Info] something - INFO - else"));
  CHECK_FALSE(cli::parse_record(""));
}

TEST_CASE("log lines are coloured by level and cannot steer the terminal", "[cli][LIF-98]") {
  const Style color{.width = 80, .color = true, .utf8 = true};
  const Style plain{.width = 80, .color = false, .utf8 = true};
  CHECK(cli::terminal_line("Feb  3, 2026 07:05:09 - ERROR - no", color) ==
        "\x1b[2mFeb  3, 2026 07:05:09 -\x1b[0m \x1b[31mERROR\x1b[0m \x1b[2m-\x1b[0m \x1b[31mno\x1b[0m");
  CHECK(cli::terminal_line("Feb  3, 2026 07:05:09 - INFO - yes", color) ==
        "\x1b[2mFeb  3, 2026 07:05:09 -\x1b[0m \x1b[32mINFO\x1b[0m \x1b[2m-\x1b[0m yes");
  CHECK(cli::terminal_line("Feb  3, 2026 07:05:09 - INFO - yes", plain) ==
        "Feb  3, 2026 07:05:09 - INFO - yes");
  CHECK(cli::terminal_line("\x1b[1;32mok\x1b[0m\tdone\x1b]0;title\a.", plain) == "ok\tdone.");
  CHECK(cli::terminal_line("\x1b[2J\x07x", plain) == "\\x07x");
}

TEST_CASE("a chunk splits into its lines", "[cli]") {
  using Lines = std::vector<std::string_view>;
  CHECK(cli::split_lines("") == Lines{});
  CHECK(cli::split_lines("a\n\nb\n") == Lines{"a", "", "b"});
  CHECK(cli::split_lines("a\nb") == Lines{"a", "b"});
}
