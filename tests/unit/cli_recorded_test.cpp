#include "cli/src/recorded.hpp"
#include "support/catch.hpp"

using namespace dumb;

TEST_CASE("the record of running processes is read strictly", "[cli][LIF-60][LIF-120]") {
  const auto processes = cli::parse_running_processes(R"({"Zilean": 311, "DUMB API": 1})");
  REQUIRE(processes);
  REQUIRE(processes->size() == 2);
  CHECK((*processes)[0].name == "Zilean");
  CHECK((*processes)[0].pid == 311);
  CHECK(cli::parse_running_processes("{}").value().empty());
  for (const char* bad : {"", "{", "[]", R"({"Zilean":"311"})", R"({"Zilean":0})", R"({"Zilean":-1})"}) {
    CAPTURE(bad);
    CHECK_FALSE(cli::parse_running_processes(bad));
  }
}

TEST_CASE("a missing or broken startup state counts as a finished boot", "[cli][LIF-120]") {
  CHECK(cli::parse_startup_state("").terminal);
  CHECK(cli::parse_startup_state("[]").terminal);
  const auto state = cli::parse_startup_state(
      R"({"phase":"starting_services","terminal":false,"start_ticks":{"Zilean":5001,"odd":"x"}})");
  CHECK(state.phase == "starting_services");
  CHECK_FALSE(state.terminal);
  CHECK(state.start_ticks.size() == 1);
  CHECK(state.start_ticks.at("Zilean") == 5001);
}

TEST_CASE("the kernel's line is read whatever the program is called", "[cli][LIF-120]") {
  const auto live = cli::parse_process_stat(
      "311 (a ) R 5 (b) S 1 311 311 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 5001 2695168 181 1844\n");
  REQUIRE(live);
  CHECK(live->state == 'S');
  CHECK(live->start_ticks == 5001);
  CHECK_FALSE(cli::parse_process_stat(""));
  CHECK_FALSE(cli::parse_process_stat("311 (a) S 1 2 3"));
}

TEST_CASE("a process that is gone, dead or another one is not running", "[cli][LIF-120]") {
  const cli::RecordedProcess process{"Zilean", 311};
  cli::StartupState startup;
  const cli::LiveProcess sleeping{'S', 5001}, zombie{'Z', 5001};
  CHECK_FALSE(cli::process_fault(process, startup, &sleeping));
  CHECK(cli::process_fault(process, startup, nullptr) == "Zilean: not running (pid 311 is gone)");
  CHECK(cli::process_fault(process, startup, &zombie) == "Zilean: not running (pid 311 has ended)");
  startup.start_ticks["Zilean"] = 5001;
  CHECK_FALSE(cli::process_fault(process, startup, &sleeping));
  startup.start_ticks["Zilean"] = 4000;
  CHECK(cli::process_fault(process, startup, &sleeping) ==
        "Zilean: not running (pid 311 is another process now)");
}
