#include <boost/json.hpp>

#include "cli/src/top_text.hpp"
#include "support/cli_program.hpp"

using namespace dumb;
using test::CliProgram;

namespace {

constexpr std::string_view usage = R"({"sampled_at":1770811200.5,"interval_seconds":2.0,"services":[
  {"process_name":"Alpha","pid":10,"processes":1,"threads":1,"cpu_percent":0.5,"cpu_seconds":61.0,
   "memory_bytes":734003200,"open_files":12,"restarts":0,"uptime_seconds":3720.0},
  {"process_name":"Beta\u001b[2J","pid":20,"processes":3,"threads":40,"cpu_percent":150.25,"cpu_seconds":7.0,
   "memory_bytes":5242880,"open_files":300,"restarts":2,"uptime_seconds":42.0}],
  "totals":{"processes":4,"threads":41,"cpu_percent":150.75,"cpu_seconds":68.0,"memory_bytes":739246080,
   "open_files":312}})";

void lay_down(CliProgram& program) {
  program.answer("GET /process/usage", std::string(usage));
}

}  // namespace

TEST_CASE("a pipe gets one plain table, the busiest first", "[cli][LIF-173]") {
  CliProgram program;
  lay_down(program);
  REQUIRE(program.run({"top"}) == 0);
  CHECK(program.requests.size() == 1);
  CHECK_THAT(program.out,
             ContainsSubstring("2 services, 4 processes, 41 threads, CPU 150.8 %, memory 705 MiB, "
                               "312 open files\n"));
  const std::size_t alpha = program.out.find("Alpha");
  const std::size_t beta = program.out.find("Beta");
  REQUIRE(alpha != std::string::npos);
  CHECK(beta < alpha);
  CHECK_THAT(program.out.substr(beta), ContainsSubstring("150.2  5.0 MiB"));
  CHECK_THAT(program.out.substr(alpha), ContainsSubstring("0.5  700 MiB"));
  CHECK(program.out.find('\x1b') == std::string::npos);
  REQUIRE(program.run({"top", "--sort", "memory"}) == 0);
  CHECK(program.out.find("Alpha") < program.out.find("Beta"));
}

TEST_CASE("rounds of a pipe are told apart, with --json one line each", "[cli][LIF-173]") {
  CliProgram program;
  lay_down(program);
  program.pauses = 10;
  REQUIRE(program.run({"top", "-n", "3", "--json"}) == 0);
  CHECK(std::count(program.out.begin(), program.out.end(), '\n') == 3);
  const json::value first = json::parse(program.out.substr(0, program.out.find('\n')));
  CHECK(first.at("services").at(0).at("pid") == 20);
  CHECK(first.at("totals").at("open_files") == 312);
  REQUIRE(program.run({"top", "-n", "2"}) == 0);
  CHECK(program.out.find("Alpha") != program.out.rfind("Alpha"));
  program.pauses = 0;  // nobody reads any more
  REQUIRE(program.run({"top", "-n", "5"}) == 0);
  CHECK(program.out.find("Alpha") == program.out.rfind("Alpha"));
}

TEST_CASE("a terminal is drawn over and given back, and keys sort", "[cli][LIF-173]") {
  CliProgram program;
  lay_down(program);
  program.terminal(100);
  program.keys = "m.q";
  REQUIRE(program.run({"top"}) == 0);
  CHECK(program.requests.size() == 2);  // a key draws again without asking
  CHECK(program.out.starts_with("<screen>\x1b[H"));
  CHECK(program.out.ends_with("</screen>"));
  std::vector<std::size_t> draws;
  for (std::size_t at = program.out.find("\x1b[H"); at != std::string::npos;
       at = program.out.find("\x1b[H", at + 1)) {
    draws.push_back(at);
  }
  REQUIRE(draws.size() == 3);
  CHECK(program.out.find("Beta") < program.out.find("Alpha"));
  CHECK(program.out.find("Alpha", draws[1]) < program.out.find("Beta", draws[1]));
  CHECK(program.out.find("\x1b[2J") == std::string::npos);  // of a service's name
  program.keys = "";
  REQUIRE(program.run({"top", "-n", "1"}) == 0);
  CHECK(program.out.ends_with("</screen>"));
}

TEST_CASE("a small terminal gets what fits on it", "[cli][LIF-173]") {
  const cli::Style style{20, false, true};
  const std::string text = cli::screen_text("one\ntwo\nthree\nfour\n", 4, style);
  CHECK_THAT(text, ContainsSubstring("two") && !ContainsSubstring("three"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
}

TEST_CASE("errors of top are told, and the screen is left alone", "[cli][LIF-173]") {
  CliProgram program;
  program.terminal(80);
  program.refuse("GET /process/usage", Error(Errc::unavailable, "no"));
  CHECK(program.run({"top"}) != 0);
  CHECK(program.out.find("<screen>") == std::string::npos);
  CHECK(program.run({"top", "--sort", "size"}) == 2);
  CHECK(program.run({"top", "-n", "0"}) == 2);
}

TEST_CASE("sizes are short", "[cli]") {
  CHECK(cli::bytes_text(0) == "0 B");
  CHECK(cli::bytes_text(999) == "999 B");
  CHECK(cli::bytes_text(1000) == "1.0 KiB");
  CHECK(cli::bytes_text(7'654'321) == "7.3 MiB");
  CHECK(cli::bytes_text(std::int64_t{12} << 30) == "12 GiB");
}
