#include "supervisor/cgroup.hpp"

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb::supervisor;

namespace {

std::vector<Mount> mounts_of(std::string_view text) {
  return parse_mountinfo(text);
}

}  // namespace

TEST_CASE("a process's own control group is the version 2 line", "[supervisor][LIF-170]") {
  CHECK(parse_own_group("12:cpu:/docker/x\n1:name=systemd:/y\n0::/user.slice/app.scope\n") ==
        "/user.slice/app.scope");
  CHECK(parse_own_group("0::/\n") == "/");
  CHECK_FALSE(parse_own_group("4:memory:/a\n"));
  CHECK_FALSE(parse_own_group(""));
  CHECK_FALSE(parse_own_group("0::relative\n"));
  // Outside of what the namespace shows, or removed: nothing can be made beneath it.
  CHECK_FALSE(parse_own_group("0::/..\n"));
  CHECK_FALSE(parse_own_group("0::/../other\n"));
  CHECK_FALSE(parse_own_group("0::/gone (deleted)\n"));
}

TEST_CASE("the group's directory is beneath the mount that shows it", "[supervisor][LIF-170]") {
  const auto unified = mounts_of("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n");
  CHECK(group_directory("/", unified) == "/sys/fs/cgroup");
  CHECK(group_directory("/a/b", unified) == "/sys/fs/cgroup/a/b");
  const auto hybrid = mounts_of(
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
      "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  CHECK(group_directory("/a", hybrid) == "/sys/fs/cgroup/unified/a");
  // A container without a namespace of its own sees only its part of the hierarchy.
  const auto part = mounts_of("9 8 0:26 /docker/c1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  CHECK(group_directory("/docker/c1", part) == "/sys/fs/cgroup");
  CHECK(group_directory("/docker/c1/in", part) == "/sys/fs/cgroup/in");
  CHECK_FALSE(group_directory("/docker/c12", part));
  CHECK_FALSE(group_directory("/", part));
  CHECK_FALSE(group_directory("/a", mounts_of("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n")));
}

TEST_CASE("one supervisor's groups have one name", "[supervisor][LIF-170]") {
  const std::string name = group_tree_name("/srv/dumb/run");
  CHECK(name.size() == 21);
  CHECK(name == group_tree_name("/srv//dumb/./run"));
  CHECK(name != group_tree_name("/srv/dumb/run2"));
}

TEST_CASE("only the group of this very launch is a child's, and never one that holds this process",
          "[supervisor][LIF-125][LIF-170]") {
  const std::string tree = group_tree_name("/srv/dumb/run");
  const std::string unit = tree + "/plex-10-3";
  CHECK(unit_group("/a/" + unit, unit, "/a") == "/a/" + unit);
  CHECK(unit_group("/a/" + unit + "/own/deep", unit, "/a") == "/a/" + unit);
  CHECK(unit_group("/" + unit, unit, "/") == "/" + unit);
  CHECK_FALSE(unit_group("/a/" + tree + "/plex-10-33", unit, "/a"));
  CHECK_FALSE(unit_group("/a/" + tree + "/plex-10-2", unit, "/a"));
  CHECK_FALSE(unit_group("/a/x" + unit, unit, "/a"));
  CHECK_FALSE(unit_group("/a", unit, "/a"));
  CHECK_FALSE(unit_group("/a/" + unit, "", "/a"));
  // A supervisor that is itself within a service of another one, whose children got no groups of their own:
  // the outer group is the outer supervisor's, and holds the inner one.
  const std::string outer = "/a/" + group_tree_name("/other") + "/terminal-1-1";
  CHECK_FALSE(unit_group(outer, unit, outer));
  CHECK(unit_group(outer + "/" + unit, unit, outer) == outer + "/" + unit);
  // A new server that was started in a terminal which is a service of the old one.
  CHECK_FALSE(unit_group("/a/" + unit, unit, "/a/" + unit));
  CHECK_FALSE(unit_group("/a/" + unit, unit, "/a/" + unit + "/deep"));
  CHECK(unit_group("/a/" + unit, unit, "/a/" + unit + "3") == "/a/" + unit);
}

TEST_CASE("the files of a group are read", "[supervisor][LIF-170]") {
  CHECK(parse_procs("12\n0\n7\n") == std::vector<pid_t>{12, 7});
  CHECK(parse_procs("").empty());
  CHECK(parse_populated("populated 1\nfrozen 0\n") == true);
  CHECK(parse_populated("frozen 0\npopulated 0\n") == false);
  CHECK_FALSE(parse_populated("frozen 0\n"));
  CHECK(parse_cpu_usage("usage_usec 1500\nuser_usec 1000\n") == 1500U);
  CHECK_FALSE(parse_cpu_usage("user_usec 1000\n"));
}
