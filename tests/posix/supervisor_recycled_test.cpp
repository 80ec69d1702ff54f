// No signal reaches a stranger who got the number of a process that was supervised.
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "supervisor/proc_posix.hpp"
#include "supervisor/record.hpp"
#include "supervisor/unit_processes_posix.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/lacks.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::supervisor;
namespace asio = boost::asio;

namespace {

Child start(std::vector<std::string> arguments, std::vector<std::string> environment) {
  LaunchSpec spec;
  spec.argv = std::move(arguments);
  spec.argv.insert(spec.argv.begin(), test::test_child());
  spec.env = std::move(environment);
  spec.directory = "/";
  auto child = spawn(spec);
  REQUIRE(child);
  return std::move(*child);
}

void end(const Child& child) {
  send_signal(child, SIGKILL);
  REQUIRE(test::eventually([&] { return try_wait(child).has_value(); }));
}

/// A child with exactly this number, if one can be made.
std::optional<Child> start_as(pid_t wanted, const std::vector<std::string>& arguments) {
  for (int attempt = 0; attempt < 200; ++attempt) {
    std::ofstream last("/proc/sys/kernel/ns_last_pid");
    last << wanted - 1;
    if (!last.flush()) return std::nullopt;
    Child child = start(arguments, {});
    if (child.pid == wanted) return child;
    end(child);
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("a number that was used again is not signalled, nor who is in its session",
          "[supervisor][LIF-63][LIF-125]") {
  const std::string mark = make_mark("0123456789abcdef", 1, 1, "svc");
  const Child first = start({}, {mark});
  const Membership unit{first.pid, mark, true, first.start_ticks, 0};
  asio::io_context context;
  ProcessTable table(context.get_executor());
  const auto own = make_unit_processes(unit, {}, table);
  const auto unseen = make_unit_processes(unit, {}, table);  // nobody saw its end
  CHECK_FALSE(own->gone());
  REQUIRE(test::eventually([&] { return ticks_now() > first.start_ticks + 1; }));
  end(first);
  const std::uint64_t ended = ticks_now();
  own->leader_ended(ended);
  REQUIRE(test::eventually([&] { return ticks_now() > ended + 1; }));
  auto stranger = start_as(first.pid, {"--fork"});
  if (!stranger) {
    test::lacks("ns_last_pid", "a process number cannot be used again at will");
    return;
  }
  pid_t child = -1;
  REQUIRE(test::eventually([&] {
    const auto processes = scan_processes();
    for (const ProcStat& process : *processes) {
      if (process.parent == stranger->pid) child = process.pid;
    }
    return child > 0;
  }));
  for (const auto& processes : {own.get(), unseen.get()}) {
    table.forget();
    CHECK(processes->signal(SIGKILL) == 0);
    processes->kill();
    CHECK(test::eventually([&] {
      table.forget();
      return processes->gone();
    }));
  }
  const auto now = read_stat(stranger->pid);
  REQUIRE(now);
  CHECK(now->state != 'Z');
  const auto beneath = read_stat(child);
  REQUIRE(beneath);
  CHECK(beneath->state != 'Z');
  ::kill(-stranger->pid, SIGKILL);
  end(*stranger);
}
