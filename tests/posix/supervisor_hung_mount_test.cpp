// A mount that hangs holds neither this program nor anything this program holds.
#include <dumb/supervisor/mounts.hpp>

#include <algorithm>
#include <csignal>

#include "supervisor/proc_posix.hpp"
#include "support/hung_mount.hpp"
#include "support/lacks.hpp"
#include "support/service_stack.hpp"

using namespace dumb;
using namespace dumb::supervisor;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace fs = std::filesystem;
using Stack = test::ServiceStack;

namespace {

std::unique_ptr<test::HungMount> hung_mount(const fs::path& point) {
  auto mount = test::HungMount::make(point);
  if (!mount) test::lacks("fuse", "no file system in user space can be mounted");
  return mount;
}

/// Children of this process that came after it was made.
class NewChildren {
 public:
  NewChildren() : before_(all()) {}
  std::vector<pid_t> now() const {
    std::vector<pid_t> found = all();
    std::erase_if(found, [this](pid_t pid) { return std::count(before_.begin(), before_.end(), pid) != 0; });
    return found;
  }

 private:
  static std::vector<pid_t> all() {
    std::vector<pid_t> found;
    const auto processes = scan_processes();
    REQUIRE(processes);
    for (const ProcStat& process : *processes) {
      if (process.parent == ::getpid()) found.push_back(process.pid);
    }
    return found;
  }
  std::vector<pid_t> before_;
};

std::size_t count_in(const fs::path& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("who asks a mount that hangs is a process without descriptors, one for all who ask",
          "[supervisor][LIF-43][LIF-128]") {
  test::TempDir dir;
  const auto mount = hung_mount(dir / "mnt");
  if (!mount) return;
  const std::size_t threads = count_in("/proc/self/task");
  const NewChildren children;
  CHECK_FALSE(mount_answers(mount->point(), 300ms));
  REQUIRE(test::eventually([&] { return mount->asked() > 0; }));
  CHECK_FALSE(mount_answers(mount->point(), 10ms));
  CHECK(inspect_path(mount->point(), 10ms) == PathState::dead);
  CHECK(count_in("/proc/self/task") == threads);
  const std::vector<pid_t> asking = children.now();
  REQUIRE(asking.size() == 1);
  CHECK(count_in("/proc/" + std::to_string(asking.front()) + "/fd") == 0);
  ::kill(asking.front(), SIGKILL);
  REQUIRE(test::eventually([&] {
    const auto stat = read_stat(asking.front());
    return stat && stat->state == 'D';
  }));
  mount->release();
  CHECK(inspect_path(dir.path(), 10s) == PathState::directory);
  // The next question takes the old one's end down.
  REQUIRE(test::eventually([&] {
    mount_answers(dir.path(), 10s);
    return children.now().empty();
  }));
  CHECK(mount_answers(mount->point(), 10s));  // the plain directory beneath
}

TEST_CASE("what is there is told without a process where the kernel knows", "[supervisor][LIF-43]") {
  test::TempDir dir;
  test::write_text(dir / "file", "");
  const NewChildren children;
  for (int round = 0; round < 3; ++round) {
    CHECK(inspect_path(dir.path(), 10s) == PathState::directory);
    CHECK(inspect_path(dir / "file", 10s) == PathState::other);
    CHECK(inspect_path(dir / "nothing", 10s) == PathState::missing);
    CHECK(inspect_path(dir / "file/in", 10s) == PathState::missing);
    CHECK(mount_answers(dir.path(), 10s));
    CHECK_FALSE(mount_answers(dir / "nothing", 10s));
  }
  CHECK(children.now().empty());
}

TEST_CASE("a program on a mount that hangs fails the start of its service only",
          "[supervisor][LIF-43][LIF-55]") {
  Stack stack;
  const auto mount = hung_mount(stack.dir / "mnt");
  if (!mount) return;
  stack.services["good"] = {};
  stack.services["hung"] = {.program = (mount->point() / "bin/service").native()};
  std::optional<Result<void>> hung;
  asio::co_spawn(stack.context, stack.supervisor.start("hung"),
                 [&](std::exception_ptr, Result<void> result) { hung = std::move(result); });
  REQUIRE(test::run_until(stack.context, [&] { return mount->asked() > 0; }));
  REQUIRE(stack.start("good"));
  REQUIRE(test::run_until(stack.context, [&] { return hung.has_value(); }));
  REQUIRE_FALSE(*hung);
  CHECK(hung->error().message() ==
        "the program " + (mount->point() / "bin/service").native() + " does not answer");
  mount->release();
  stack.finish();
}

TEST_CASE("a child that hangs before it executes its program holds no descriptor of this one",
          "[supervisor][LIF-53][LIF-128]") {
  test::TempDir dir;
  const auto mount = hung_mount(dir / "mnt");
  if (!mount) return;
  LaunchSpec spec;
  spec.argv = {(mount->point() / "program").native()};
  spec.directory = "/";
  const NewChildren children;
  Result<Child> child = Error(Errc::cancelled, "not yet");
  std::thread launcher([&] { child = spawn(spec); });
  REQUIRE(test::eventually([&] { return mount->asked() > 0; }));
  const std::vector<pid_t> born = children.now();
  std::size_t held = 99;
  if (born.size() == 1) held = count_in("/proc/" + std::to_string(born.front()) + "/fd");
  mount->release();
  launcher.join();
  CHECK(born.size() == 1);
  CHECK(held == 3);
  REQUIRE_FALSE(child);
  CHECK_THAT(child.error().message(), ContainsSubstring("cannot execute the program"));
}

TEST_CASE(
    "a service that sleeps uninterruptibly is reported, killed again by each stop, and collected at last",
    "[supervisor][LIF-63][LIF-65][LIF-66]") {
  for (const Containment containment : {Containment::automatic, Containment::descent_only}) {
    Stack stack(containment, 200ms);
    const auto mount = hung_mount(stack.dir / "mnt");
    if (!mount) return;
    stack.services["stuck"] = {.arguments = {"--touch", (mount->point() / "file").native()}, .grace = 100ms};
    REQUIRE(stack.start("stuck"));
    REQUIRE(test::eventually([&] { return mount->asked() > 0; }));
    const pid_t pid = stack.supervisor.info("stuck").pid;
    for (int attempt = 0; attempt < 2; ++attempt) {
      const auto stopped = test::run(stack.context, stack.supervisor.stop("stuck"));
      REQUIRE_FALSE(stopped);
      CHECK(stopped.error().is(Errc::stop_failed));
      CHECK(stack.supervisor.info("stuck").state == State::stopping);
      CHECK(read_stat(pid));
    }
    mount->release();
    REQUIRE(test::run_until(stack.context,
                            [&] { return stack.supervisor.info("stuck").state == State::stopped; }));
    CHECK_FALSE(read_stat(pid));
    stack.finish();
  }
}
