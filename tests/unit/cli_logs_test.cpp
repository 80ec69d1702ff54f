#include <fmt/format.h>

#include <dumb/base/codec.hpp>
#include <dumb/engine/types.hpp>

#include "support/cli_program.hpp"

using namespace dumb;
using test::CliProgram;

namespace {

std::string chunk(std::string text, std::int64_t size, std::int64_t cursor, bool reset,
                  std::optional<std::string> file_id = "1:2") {
  const engine::LogChunk answer{"Zilean", size, cursor, std::move(text), reset, {}, std::move(file_id)};
  return jsonx::print_compact(codec::encode(answer));
}

const std::string first_call = "GET /logs?process_name=Zilean&tail_bytes=131072";

std::string next_call(std::int64_t cursor, std::string_view file_id) {
  return fmt::format("GET /logs?process_name=Zilean&tail_bytes=8388608&cursor={}&file_id={}", cursor,
                     file_id);
}

}  // namespace

TEST_CASE("logs prints the last lines as they are into a pipe", "[cli][LIF-109]") {
  CliProgram program;
  program.answer(first_call, chunk("one\n\x1b[31mtwo\x1b[0m\nthree\n", 30, 30, true));
  CHECK(program.run({"logs", "Zilean"}) == 0);
  CHECK(program.out == "one\n\x1b[31mtwo\x1b[0m\nthree\n");
  CHECK(program.run({"logs", "-n", "2", "Zilean"}) == 0);
  CHECK(program.out == "\x1b[31mtwo\x1b[0m\nthree\n");
  CHECK(program.run({"logs", "-n", "0", "Zilean"}) == 0);
  CHECK(program.out.empty());
  program.terminal(80);
  CHECK(program.run({"logs", "-n", "2", "--color", "never", "Zilean"}) == 0);
  CHECK(program.out == "two\nthree\n");
}

TEST_CASE("logs asks for more of the file until there are enough lines", "[cli][LIF-109]") {
  CliProgram program;
  program.answer(first_call, chunk("c\n", 3'000'000, 3'000'000, true));
  program.answer("GET /logs?process_name=Zilean&tail_bytes=1048576",
                 chunk("b\nc\n", 3'000'000, 3'000'000, true));
  program.answer("GET /logs?process_name=Zilean&tail_bytes=8388608",
                 chunk("a\nb\nc\n", 3'000'000, 3'000'000, true));
  CHECK(program.run({"logs", "-n", "2", "Zilean"}) == 0);
  CHECK(program.out == "b\nc\n");
  CHECK(program.run({"logs", "-n", "100", "Zilean"}) == 0);
  CHECK(program.out == "a\nb\nc\n");
  program.requests.clear();
  CHECK(program.run({"logs", "-n", "all", "Zilean"}) == 0);
  CHECK(program.requests.size() == 1);
  CHECK(program.run({"logs", "-n", "some", "Zilean"}) == 2);
  CHECK(program.run({"logs", "-n", "-1", "Zilean"}) == 2);
}

TEST_CASE("following goes on where the last answer ended, over a rotation too", "[cli][LIF-112][LIF-114]") {
  CliProgram program;
  program.answer(first_call, chunk("one\n", 4, 4, true));
  program.answer(next_call(4, "1%3A2"), chunk("two\n", 8, 8, false));
  program.answer(next_call(8, "1%3A2"), chunk("three\nnew file\n", 9, 9, false, "1:3"));
  program.answer(next_call(9, "1%3A3"), chunk("", 9, 9, false, "1:3"));
  program.answer(next_call(9, "1%3A3"), chunk("", 0, 0, true, {}));  // no file for a moment
  program.answer(next_call(9, "1%3A3"), chunk("four\n", 14, 14, false, "1:3"));
  program.pauses = 5;
  CHECK(program.run({"logs", "-f", "Zilean"}) == 0);
  CHECK(program.out == "one\ntwo\nthree\nnew file\nfour\n");
  CHECK(program.err.empty());
}

TEST_CASE("following says when lines may be missing", "[cli][LIF-114]") {
  CliProgram program;
  program.answer(first_call, chunk("one\n", 4, 4, true));
  program.answer(next_call(4, "1%3A2"), chunk("new file\n", 9, 9, true, "1:3"));
  program.pauses = 1;
  CHECK(program.run({"logs", "-f", "Zilean"}) == 0);
  CHECK(program.out == "one\nnew file\n");
  CHECK(program.err == "dumb-cli: the log is another file now; lines in between may be missing\n");
}

TEST_CASE("following waits for a server that goes away", "[cli]") {
  CliProgram program;
  program.answer(first_call, chunk("one\n", 4, 4, true));
  program.refuse(next_call(4, "1%3A2"), Error(Errc::timed_out, "late"));
  program.refuse(next_call(4, "1%3A2"), Error(Errc::timed_out, "late"));
  program.answer(next_call(4, "1%3A2"), chunk("two\n", 8, 8, false));
  program.answer(next_call(8, "1%3A2"), chunk("", 8, 8, false));
  program.pauses = 4;
  CHECK(program.run({"logs", "-f", "Zilean"}) == 0);
  CHECK(program.out == "one\ntwo\n");
  CHECK(program.err ==
        "dumb-cli: lost http://127.0.0.1:8000; waiting for it\ndumb-cli: http://127.0.0.1:8000 is back\n");
}

TEST_CASE("following ends when nobody reads and when the service is gone", "[cli]") {
  CliProgram program;
  program.answer(first_call, chunk("one\n", 4, 4, true));
  program.answer(next_call(4, "1%3A2"), R"({"detail":"There is no process named Zilean."})", 404);
  program.pauses = 100;
  CHECK(program.run({"logs", "-f", "Zilean"}) == 4);
  CHECK(program.pauses == 99);
  program.reader_gone = true;
  CHECK(program.run({"logs", "-f", "Zilean"}) == 0);
  CHECK(program.pauses == 99);
}

TEST_CASE("a service without a log says so and is waited for", "[cli][LIF-110]") {
  CliProgram program;
  program.answer(first_call, chunk("", 0, 0, true, {}));
  program.answer("GET /logs?process_name=Zilean&tail_bytes=8388608", chunk("born\n", 5, 5, true));
  CHECK(program.run({"logs", "Zilean"}) == 0);
  CHECK(program.out.empty());
  CHECK(program.err == "dumb-cli: Zilean has no log\n");
  program.pauses = 1;
  CHECK(program.run({"logs", "-f", "Zilean"}) == 0);
  CHECK(program.out == "born\n");
}

TEST_CASE("logs in JSON are one object per line", "[cli]") {
  CliProgram program;
  program.answer(first_call, chunk("Feb  3, 2026 07:05:09 - WARN - odd\nplain \"text\"\n", 50, 50, true));
  CHECK(program.run({"logs", "--json", "Zilean"}) == 0);
  CHECK(
      program.out ==
      "{\"process_name\":\"Zilean\",\"level\":\"WARNING\",\"line\":\"Feb  3, 2026 07:05:09 - WARN - odd\"}\n"
      "{\"process_name\":\"Zilean\",\"level\":null,\"line\":\"plain \\\"text\\\"\"}\n");
}
