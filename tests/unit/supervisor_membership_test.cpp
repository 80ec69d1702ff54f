// Which processes are an adopted service's, whose number may be somebody else's by now. The numbers here are
// beyond any that a process can have, so nothing is found out about them beside what is given.
#include "supervisor/proc_posix.hpp"

#include <algorithm>

#include "support/catch.hpp"

using namespace dumb::supervisor;

namespace {

constexpr pid_t leader = 5'000'100;
constexpr std::uint64_t born = 1000;
constexpr std::uint64_t ended = 2000;

ProcStat process(pid_t pid, pid_t parent, pid_t session, std::uint64_t start_ticks) {
  return ProcStat{pid, parent, session, session, 'S', start_ticks};
}

std::vector<pid_t> members(const Membership& unit, const std::vector<ProcStat>& processes) {
  std::vector<pid_t> pids;
  for (const ProcStat& one : members_of(unit, processes)) pids.push_back(one.pid);
  std::sort(pids.begin(), pids.end());
  return pids;
}

using Pids = std::vector<pid_t>;

}  // namespace

TEST_CASE("an adopted leader is itself only with its own start time", "[supervisor][LIF-125]") {
  const Membership unit{leader, "DUMB_UNIT=x", true, born, 0};
  CHECK(members(unit, {process(leader, 1, leader, born)}) == Pids{leader});
  CHECK(members(unit, {process(leader, 1, leader, ended)}).empty());
  CHECK(members(unit, {process(leader, 1, leader, born - 1)}).empty());
}

TEST_CASE("who has the number of an adopted leader that ended is a stranger, with its session and children",
          "[supervisor][LIF-63][LIF-125]") {
  for (const std::uint64_t seen : {ended, std::uint64_t{0}}) {
    const Membership unit{leader, "DUMB_UNIT=x", true, born, seen};
    CHECK(members(unit, {process(leader, 1, leader, ended + 500),                    // has its number
                         process(leader + 1, leader, leader, ended + 501),           // and is in its session
                         process(leader + 2, leader + 1, leader + 2, ended + 502)})  // or left that
              .empty());
  }
}

TEST_CASE("what was in an adopted session before its leader ended still belongs to it",
          "[supervisor][LIF-63][LIF-125]") {
  const Membership unit{leader, "DUMB_UNIT=x", true, born, ended};
  CHECK(members(unit, {process(leader + 1, 1, leader, born + 1),                // in its session
                       process(leader + 2, leader + 1, leader + 2, ended + 9),  // started by that, later
                       process(leader + 3, 1, leader, ended + 1),               // in the next one of the name
                       process(leader + 4, 1, leader, born - 1),                // older than the service
                       process(leader + 5, 1, leader + 5, born + 1)})           // of somebody else
        == Pids{leader + 1, leader + 2});
}

TEST_CASE("an end that nobody saw leaves only what carries the mark", "[supervisor][LIF-125]") {
  const Membership unit{leader, "DUMB_UNIT=x", true, born, 0};
  CHECK(members(unit, {process(leader + 1, 1, leader, born + 1)}).empty());
}

TEST_CASE("a child of this process keeps its number until it is reaped", "[supervisor][LIF-63]") {
  const Membership unit{leader, "DUMB_UNIT=x", false, born, ended};
  CHECK(members(unit, {process(leader, 1, leader, born), process(leader + 1, 1, leader, ended + 5),
                       process(leader + 2, leader + 1, leader + 2, ended + 6)}) ==
        Pids{leader, leader + 1, leader + 2});
}
