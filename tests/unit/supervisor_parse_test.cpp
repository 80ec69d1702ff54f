#include <dumb/supervisor/mounts.hpp>

#include "supervisor/proc_posix.hpp"
#include "support/catch.hpp"

using namespace dumb::supervisor;

TEST_CASE("mount points are decoded and compared as whole paths", "[supervisor][LIF-43][SVC-133]") {
  const auto mounts = parse_mountinfo(
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "41 22 0:36 / /mnt/my\\040films rw,nosuid shared:5 master:2 - fuse.rclone remote: rw\n"
      "garbage\n"
      "42 22 0:37 / /mnt/a rw - tmpfs none rw\n");
  REQUIRE(mounts.size() == 3);
  CHECK(mounts[1].point == "/mnt/my films");
  CHECK(mounts[1].type == "fuse.rclone");
  CHECK(is_mounted(mounts, "/mnt/my films/"));
  CHECK(is_mounted(mounts, "/mnt/x/../a"));
  CHECK_FALSE(is_mounted(mounts, "/mnt/ab"));
  CHECK_FALSE(is_mounted(mounts, "/mnt"));
}

TEST_CASE("a process name may hold anything", "[supervisor][LIF-63]") {
  const auto stat = parse_stat(
      "42 (a) R (b) S 7 42 41 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 100 5 18446744073709551615 0");
  REQUIRE(stat);
  CHECK(stat->pid == 42);
  CHECK(stat->state == 'S');
  CHECK(stat->parent == 7);
  CHECK(stat->group == 42);
  CHECK(stat->session == 41);
  CHECK(stat->start_ticks == 987654);
  CHECK_FALSE(parse_stat("42 (broken"));
  CHECK_FALSE(parse_stat(""));
}

TEST_CASE("a service is its session, its group and all their descendants", "[supervisor][LIF-63]") {
  const std::vector<ProcStat> all{
      {100, 1, 100, 100, 'S', 1},   {101, 100, 100, 100, 'S', 2}, {102, 101, 102, 102, 'S', 3},
      {103, 102, 102, 102, 'Z', 4}, {200, 1, 200, 200, 'S', 5},   {104, 1, 104, 100, 'S', 6},
  };
  const auto members = members_of({100, ""}, all);
  std::vector<pid_t> pids;
  for (const auto& member : members) pids.push_back(member.pid);
  CHECK(pids == std::vector<pid_t>{100, 101, 102, 104});
}

TEST_CASE("an exit is named as operators know it", "[supervisor][LIF-69]") {
  CHECK(ExitStatus{ExitStatus::Kind::code, 7}.to_string() == "exit code 7");
  CHECK(ExitStatus{ExitStatus::Kind::signal, 9}.to_string() == "signal 9 (KILL)");
  CHECK(ExitStatus{}.to_string() == "exit status unknown");
}
