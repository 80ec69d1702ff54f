// Stopped means that nothing a service started is left, with control groups and without.
#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <fstream>
#include <set>

#include "supervisor/cgroup_posix.hpp"
#include "supervisor/proc_posix.hpp"
#include "support/lacks.hpp"
#include "support/service_stack.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace fs = std::filesystem;
using Stack = test::ServiceStack;

namespace {

bool gone(pid_t pid) {
  const auto stat = read_stat(pid);
  return !stat || stat->state == 'Z';
}

/// Both ways to hold a service together, as far as this machine has them.
std::vector<Containment> containments() {
  test::TempDir scratch;
  auto tree = GroupTree::open(scratch.path());
  if (!tree) {
    test::lacks("cgroup", tree.error().to_string());
    return {Containment::descent_only};
  }
  tree->remove();
  return {Containment::automatic, Containment::descent_only};
}

/// Processes that carry something in their environment, zombies aside.
std::set<pid_t> alive_with(const std::string& variable) {
  std::set<pid_t> found;
  const auto processes = scan_processes();
  REQUIRE(processes);
  for (const ProcStat& process : *processes) {
    if (process.state == 'Z' || process.pid == ::getpid()) continue;
    const auto environment = file::read("/proc/" + std::to_string(process.pid) + "/environ");
    if (environment && environment->find(variable) != std::string::npos) {
      found.insert(process.pid);
    }
  }
  return found;
}

/// The group a process is in.
fs::path directory_of(pid_t pid) {
  const auto text = file::read("/proc/" + std::to_string(pid) + "/cgroup");
  const auto group = text ? parse_own_group(*text) : std::nullopt;
  return group ? group_directory(*group, read_mounts()).value_or(fs::path()) : fs::path();
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("a service is born into a control group that goes with it", "[supervisor][LIF-63][LIF-170]") {
  if (containments().size() < 2) return;
  Stack stack;
  stack.services["Family One"] = {.arguments = {"--fork", "--daemon", "--session"}};
  REQUIRE(stack.start("Family One"));
  const pid_t leader = stack.supervisor.info("Family One").pid;
  const fs::path group = directory_of(leader);
  REQUIRE_FALSE(group.empty());
  CHECK(group.filename().native().starts_with("family_one-"));
  CHECK(group.parent_path().filename() == group_tree_name(stack.dir / "run"));
  for (const char* word : {"child ", "daemon ", "session "}) {
    CHECK(directory_of(stack.number_in_log("Family One", word)) == group);
  }
  CHECK(directory_of(::getpid()) != group);
  CHECK(ControlGroup(group).processes().size() == 4);
  REQUIRE(stack.stop("Family One"));
  CHECK_FALSE(fs::exists(group));
  stack.finish();
}

TEST_CASE("double forks, sessions of their own and daemons that ignore SIGTERM are all gone",
          "[supervisor][LIF-62][LIF-63][LIF-64]") {
  for (const Containment containment : containments()) {
    Stack stack(containment);
    stack.services["family"] = {.arguments = {"--fork", "--daemon", "--session", "--deaf"}, .grace = 300ms};
    REQUIRE(stack.start("family"));
    std::vector<pid_t> all;
    for (const char* word : {"child ", "daemon ", "session ", "deaf "}) {
      all.push_back(stack.number_in_log("family", word));
      CHECK_FALSE(gone(all.back()));
    }
    REQUIRE(stack.stop("family"));
    for (const pid_t pid : all) CHECK(gone(pid));
    CHECK(stack.supervisor.info("family").killed);  // the deaf one
    stack.finish();
  }
}

TEST_CASE("what is left of a service that ended by itself is killed, wherever it hid",
          "[supervisor][LIF-63][LIF-69]") {
  for (const Containment containment : containments()) {
    Stack stack(containment);
    stack.services["crash"] = {.arguments = {"--session", "--deaf"}};
    REQUIRE(stack.start("crash"));
    const pid_t session = stack.number_in_log("crash", "session ");
    const pid_t deaf = stack.number_in_log("crash", "deaf ");
    ::kill(stack.supervisor.info("crash").pid, SIGKILL);
    REQUIRE(test::run_until(stack.context, [&] { return stack.supervisor.info("crash").pid <= 0; }));
    CHECK(gone(session));
    CHECK(gone(deaf));
    stack.finish();
  }
}

TEST_CASE("a fork bomb is ended while it goes on", "[supervisor][LIF-63]") {
  for (const Containment containment : containments()) {
    Stack stack(containment);
    const std::string variable = "BOMB_OF=" + (stack.dir / "x").native();
    // At most 40 at a time and 10,000 in all: nothing is left behind on the machine should this fail.
    stack.services["bomb"] = {
        .arguments = {"--bomb", "40", "250"}, .grace = 100ms, .environment = {variable}};
    REQUIRE(stack.start("bomb"));
    std::set<pid_t> seen;
    CHECK(test::run_until(
        stack.context,
        [&] {
          seen.merge(alive_with(variable));
          return seen.size() > 80;  // twice as many as there are at any one time
        },
        20s));
    REQUIRE(stack.stop("bomb"));
    CHECK(alive_with(variable).empty());
    CHECK(stack.supervisor.info("bomb").state == State::stopped);
    stack.finish();
  }
}

TEST_CASE("a port held by a daemon of the service is free after the stop", "[supervisor][LIF-63]") {
  for (const Containment containment : containments()) {
    Stack stack(containment);
    const std::string port = std::to_string(test::free_port());
    stack.services["web"] = {.arguments = {"--serve-apart", port}};
    for (int round = 0; round < 2; ++round) {  // the second start finds the port taken otherwise, and fails
      REQUIRE(stack.start("web"));
      const pid_t server = stack.number_in_log("web", "server ");
      REQUIRE(stack.stop("web"));
      CHECK(gone(server));
    }
    stack.finish();
  }
}

TEST_CASE("a process that SIGKILL does not end is told of, and collected when it goes",
          "[supervisor][LIF-63][LIF-66]") {
  // The first version of the freezer keeps a process in uninterruptible sleep, signals or not.
  test::TempDir scratch;
  const fs::path freezer = "/sys/fs/cgroup/freezer/dumb-test-" + std::to_string(::getpid());
  if (::mkdir(freezer.c_str(), 0755) != 0 || !fs::exists(freezer / "freezer.state")) {
    ::rmdir(freezer.c_str());
    test::lacks("freezer", "an unkillable process");
    return;
  }
  for (const Containment containment : containments()) {
    Stack stack(containment, 300ms);
    stack.services["stuck"] = {.grace = 100ms};
    REQUIRE(stack.start("stuck"));
    const pid_t pid = stack.supervisor.info("stuck").pid;
    write(freezer / "cgroup.procs", std::to_string(pid));
    write(freezer / "freezer.state", "FROZEN");
    REQUIRE(test::eventually([&] { return test::read_text(freezer / "freezer.state") == "FROZEN\n"; }));
    for (int round = 0; round < 2; ++round) {  // every request is answered
      const auto stopped = stack.stop("stuck");
      REQUIRE_FALSE(stopped);
      CHECK(stopped.error().is(Errc::stop_failed));
      CHECK_THAT(stopped.error().message(), ContainsSubstring("still alive after SIGKILL"));
      CHECK(stack.supervisor.info("stuck").state == State::stopping);
      CHECK(stack.supervisor.info("stuck").pid == pid);
    }
    const auto again = stack.start("stuck");
    REQUIRE_FALSE(again);
    CHECK(again.error().is(Errc::conflict));
    write(freezer / "freezer.state", "THAWED");
    REQUIRE(test::run_until(stack.context, [&] { return stack.supervisor.info("stuck").pid <= 0; }));
    CHECK(gone(pid));
    CHECK(stack.supervisor.info("stuck").state == State::stopped);
    REQUIRE(stack.start("stuck"));
    stack.finish();
  }
  CHECK(::rmdir(freezer.c_str()) == 0);
}

TEST_CASE("a hundred services that stop at once are gone, and their groups too", "[supervisor][LIF-63]") {
  for (const Containment containment : containments()) {
    Stack stack(containment);
    for (int i = 0; i < 100; ++i) {
      stack.services["s" + std::to_string(i)] = {.arguments = {"--daemon"}, .discard_output = true};
    }
    int done = 0;
    const auto count = [&](std::exception_ptr, const Result<void>& result) { done += result ? 1 : 0; };
    for (const auto& [name, service] : stack.services) {
      asio::co_spawn(stack.context, stack.supervisor.start(name), count);
    }
    REQUIRE(test::run_until(
        stack.context, [&] { return done == 100; }, 30s));
    std::vector<pid_t> leaders;
    for (const auto& info : stack.supervisor.all()) leaders.push_back(info.pid);
    const fs::path tree = directory_of(leaders.front()).parent_path();
    done = 0;
    for (const auto& [name, service] : stack.services) {
      asio::co_spawn(stack.context, stack.supervisor.stop_and_wait(name), count);
    }
    REQUIRE(test::run_until(
        stack.context, [&] { return done == 100; }, 30s));
    for (const pid_t pid : leaders) CHECK(gone(pid));
    if (containment == Containment::automatic) {
      REQUIRE_FALSE(tree.empty());
      CHECK(std::none_of(fs::directory_iterator(tree), fs::directory_iterator(),
                         [](const fs::directory_entry& entry) { return entry.is_directory(); }));
    }
    stack.finish();
  }
}

TEST_CASE("control groups are used only where they can be written and killed", "[supervisor][LIF-170]") {
  test::TempDir dir;
  const fs::path own = dir / "sys/a b";
  fs::create_directories(own);
  write(dir / "cgroup", "0::/a b\n");
  write(dir / "mountinfo", "1 2 0:26 / " + (dir / "sys").native() + " rw - cgroup2 cgroup2 rw\n");
  const GroupView view{dir / "cgroup", dir / "mountinfo"};
  const auto message = [&] {
    auto tree = GroupTree::open("/run/x", view);
    return tree ? std::string("opened") : tree.error().to_string();
  };
  CHECK_THAT(message(), ContainsSubstring("cgroup.procs"));  // its own cannot be written
  write(own / "cgroup.procs", "");
  const fs::path tree = own / group_tree_name("/run/x");
  CHECK_THAT(message(), ContainsSubstring("cgroup.procs"));
  CHECK_FALSE(fs::exists(tree));  // what cannot be used is not left behind
  fs::create_directories(tree);
  write(tree / "cgroup.procs", "");
  CHECK_THAT(message(), ContainsSubstring("cgroup.kill"));  // a kernel before 5.14
  write(tree / "cgroup.kill", "");
  write(tree / "cgroup.type", "threaded\n");
  CHECK_THAT(message(), ContainsSubstring("'threaded'"));
  write(tree / "cgroup.type", "domain\n");
  fs::create_directories(tree / "left/inner");
  fs::create_directories(tree / "kept");
  write(tree / "kept/cgroup.events", "populated 1\n");
  CHECK(message() == "opened");
  CHECK_FALSE(fs::exists(tree / "left"));
  CHECK(fs::exists(tree / "kept"));
  CHECK(ControlGroup(tree / "kept").populated() == true);
  CHECK(ControlGroup(tree / "none").populated() == false);
  auto opened = GroupTree::open("/run/x", view);
  REQUIRE(opened);
  const auto unit = opened->make("one-1-1");
  REQUIRE(unit);
  CHECK(unit->directory() == tree / "one-1-1");
  CHECK_FALSE(opened->make("one-1-1"));
  CHECK_FALSE(unit->kill());
  write(dir / "cgroup", "4:memory:/x\n");
  CHECK_THAT(message(), ContainsSubstring("version 2"));
  write(dir / "cgroup", "0::/a b\n");
  write(dir / "mountinfo", "1 2 0:26 / /sys rw - tmpfs tmpfs rw\n");
  CHECK_THAT(message(), ContainsSubstring("mounted"));
}
