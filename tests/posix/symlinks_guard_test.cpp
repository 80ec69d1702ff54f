// The guard of dead mounts: what lies behind one is unknown, under whatever name it is reached and whenever
// the mount goes.
#include "posix/symlinks_faults.hpp"
#include "symlinks/mount_table.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::check_said;
using dumb::test::Farm;
using dumb::test::FaultCalls;
using dumb::test::in_child;
using dumb::test::not_possible;
using dumb::test::own_mounts;

namespace {

/// A namespace of mounts of its own with an empty file system at `point`; false where that is not allowed.
bool mounted(const std::string& point) {
  return own_mounts() && ::mount("test", point.c_str(), "tmpfs", 0, nullptr) == 0;
}

std::string unbroken(const Environment& environment) {
  BackupRequest request;
  request.roots = {"/l"};
  request.backup_path = "s.json";
  request.include_broken = false;
  const auto report = backup(environment, request);
  if (!report) return report.error().to_string();
  return "recorded " + std::to_string(report->recorded_entries) + " unknown " +
         std::to_string(report->targets_unknown) + " broken " + std::to_string(report->skipped_broken);
}

/// A mount point reached through a link, and links to it by every name.
struct Aliased : Farm {
  Aliased() {
    directory("/data/debrid/x");
    link("/mnt", disk("/data"));
    link("/l/spelled", disk("/mnt/debrid/x/f"));
    link("/l/real", disk("/data/debrid/x/f"));
    link("/l/relative", "../data/debrid/x/f");
    link("/l/gone", disk("/data/f"));
    environment.mount_points = {"/mnt/debrid/x"};
  }
};

}  // namespace

TEST_CASE("a mount point that is reached through a link is guarded under each of its names",
          "[symlinks][SYM-19]") {
  const Aliased farm;
  CHECK(unbroken(farm.environment) == "recorded 3 unknown 3 broken 1");
}

TEST_CASE("a mount point that is itself a link is guarded", "[symlinks][SYM-19]") {
  Farm farm;
  farm.directory("/data/x");
  farm.link("/mnt/x", "../data/x");
  farm.link("/l/spelled", farm.disk("/mnt/x/f"));
  farm.link("/l/real", farm.disk("/data/x/f"));
  farm.environment.mount_points = {"/mnt/x"};
  CHECK(unbroken(farm.environment) == "recorded 2 unknown 2 broken 0");
}

TEST_CASE("a mount is known to be there under the name it was configured by", "[symlinks][SYM-19]") {
  const Aliased farm;
  const auto end = in_child([&] {
    if (!mounted(farm.disk("/data/debrid/x"))) return std::string(not_possible);
    return unbroken(farm.environment);
  });
  check_said(end.said, "recorded 0 unknown 0 broken 4");
}

TEST_CASE("a mount that goes in the middle of a run makes no link broken", "[symlinks][SYM-19][SYM-30]") {
  Farm farm;
  farm.directory("/remote");
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    farm.link("/l/" + std::to_string(i % 4) + "/" + n, farm.disk("/remote/" + n));
  }
  farm.link("/l/gone", farm.disk("/nowhere"));
  farm.environment.mount_points = {"/remote"};
  // When it goes: before the first look, between two of a directory, between two directories.
  for (const int moment : {1, 5, 15, 25}) {
    const auto end = in_child([&] {
      if (!mounted(farm.disk("/remote"))) return std::string(not_possible);
      for (int i = 0; i < 40; ++i) farm.file("/remote/" + std::to_string(i));
      FaultCalls calls;
      int looks = 0;
      calls.before = [&](std::string_view call, const char*) {
        if (call == "look" && ++looks == moment) ::umount2(farm.disk("/remote").c_str(), MNT_DETACH);
        return 0;
      };
      Environment environment = farm.environment;
      environment.calls = &calls;
      environment.threads = 1;
      const std::string said = unbroken(environment);
      return said.substr(0, 12) + (looks >= moment ? "in time" : "too late");
    });
    INFO("at look " << moment);
    check_said(end.said, "recorded 40 in time");
  }
}

TEST_CASE("the mount table knows configured points by all their names", "[symlinks][SYM-19]") {
  const MountTable table({{"/data/a", "fuse.rclone", "x"}}, {{"/mnt/a", "/data/a"}, {"/mnt/b", "/data/b"}});
  CHECK(table.is_unmounted("/mnt/b/f"));
  CHECK(table.is_unmounted("/data/b"));
  CHECK_FALSE(table.is_unmounted("/mnt/a/f"));
  CHECK_FALSE(table.is_unmounted("/data/a/f"));
  CHECK_FALSE(table.is_unmounted("/data/bb"));
  CHECK(table.is_configured("/mnt/a/f"));
  CHECK(table.is_configured("/data/b/f"));
  CHECK_FALSE(table.is_configured("/data/f"));
}
