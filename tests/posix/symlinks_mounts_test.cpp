// Trees that are reached through several mounts, and what a walk holds open.
#include <algorithm>
#include <filesystem>

#include "posix/symlinks_faults.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::check_said;
using dumb::test::Farm;
using dumb::test::FaultCalls;
using dumb::test::in_child;
using dumb::test::not_possible;
using dumb::test::own_mounts;

namespace {

/// Shows the directory `from` at `to` as well.
bool bound(const Farm& farm, const std::string& from, const std::string& to) {
  return ::mount(farm.disk(from).c_str(), farm.disk(to).c_str(), nullptr, MS_BIND, nullptr) == 0;
}

std::string told(const RepairReport& report) {
  std::string said = "seen " + std::to_string(report.scanned_symlinks) + " changed " +
                     std::to_string(report.changed) + " errors " + std::to_string(report.errors_total);
  for (const std::string& mount : report.skipped_mounts) said += " not " + mount;
  return said;
}

int open_descriptors() {
  const auto all = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<int>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_CASE("a tree that a mount shows again below itself is walked once", "[symlinks][SYM-80]") {
  const Farm farm;
  farm.link("/l/a/one", "/old/1");
  farm.link("/l/two", "/old/2");
  farm.directory("/l/a/again");
  const auto end = in_child([&] {
    if (!own_mounts() || !bound(farm, "/l", "/l/a/again")) return std::string(not_possible);
    return told(farm.repair(farm.request({"/l"}, {{"/old", "/old/new"}})));
  });
  check_said(end.said, "seen 2 changed 2 errors 0");
}

TEST_CASE("one directory under two names counts once", "[symlinks][SYM-80]") {
  const Farm farm;
  farm.link("/l/one", "/old/1");
  farm.link("/l/sub/two", "/old/2");
  farm.directory("/view");
  const auto end = in_child([&] {
    if (!own_mounts() || !bound(farm, "/l", "/view")) return std::string(not_possible);
    return told(farm.repair(farm.request({"/l", "/view", "/l/sub"}, {{"/old", "/old/new"}})));
  });
  check_said(end.said, "seen 2 changed 2 errors 0");
  if (end.said != not_possible) CHECK(farm.target("/l/one") == "/old/new/1");
}

TEST_CASE("a migration onto the same directory under another name is refused", "[symlinks][SYM-23]") {
  const Farm farm;
  farm.link("/l/one", "/x");
  farm.directory("/view");
  const auto end = in_child([&] {
    if (!own_mounts() || !bound(farm, "/l", "/view")) return std::string(not_possible);
    RepairRequest request = farm.migration("/l", "/view");
    request.overwrite_existing = true;
    const auto report = repair(farm.environment, request);
    return std::string(!report && report.error().is(Errc::invalid_argument) ? "refused" : "went on");
  });
  check_said(end.said, "refused");
  CHECK(farm.target("/l/one") == "/x");
}

TEST_CASE("a link moved to another mount of the same disk is moved", "[symlinks][SYM-23][SYM-26]") {
  const Farm farm;
  farm.link("/l/a/one", "/x");
  farm.directory("/l/b");
  farm.directory("/view");
  const auto end = in_child([&] {
    if (!own_mounts() || !bound(farm, "/l", "/view")) return std::string(not_possible);
    const auto report = farm.repair(farm.migration("/l/a", "/view/b"));
    const std::string said =
        std::to_string(report.moved) + " " + farm.target("/l/a/one") + " " + farm.target("/l/b/one");
    return said + " " + std::to_string(farm.restore(*report.auto_manifest).restored);
  });
  check_said(end.said, "1 (none) /x 1");
  CHECK(farm.target("/l/a/one") == "/x");
}

TEST_CASE("a disk below a root is entered, what the kernel makes up is not", "[symlinks][SYM-85]") {
  const Farm farm;
  farm.link("/l/one", "/old/1");
  farm.directory("/l/disk");
  farm.directory("/l/made/up");
  const auto end = in_child([&] {
    if (!own_mounts() || ::mount("test", farm.disk("/l/disk").c_str(), "tmpfs", 0, nullptr) != 0 ||
        ::mount("test", farm.disk("/l/made/up").c_str(), "proc", 0, nullptr) != 0) {
      return std::string(not_possible);
    }
    farm.link("/l/disk/two", "/old/2");
    return told(farm.repair(farm.request({"/l"}, {{"/old", "/new"}}, true)));
  });
  check_said(end.said, "seen 2 changed 2 errors 0 not /l/made/up");
}

TEST_CASE("a walk holds two descriptors a thread open, and those of its roots", "[symlinks][SYM-83]") {
  Farm farm;
  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(i);
    farm.link("/l/" + std::to_string(i % 9) + "/" + number + "/a/b/c/d/e/f/g/h/link", "/x/" + number);
  }
  FaultCalls calls;
  std::atomic<int> most{0};
  calls.before = [&](std::string_view call, const char*) {
    if (call != "list") return 0;
    const int now = open_descriptors();
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    return 0;
  };
  farm.environment.calls = &calls;
  farm.environment.threads = 3;
  const int before = open_descriptors();
  CHECK(farm.repair(farm.request({"/l"}, {{"/x", "/y"}}, true)).changed == 300);
  // The listing of /proc/self/fd takes one in each thread; a root and the table of mounts are open as well.
  const int depth = 11;
  CHECK(most - before <= 3 * 2 + depth);
  CHECK(most > before);
  CHECK(open_descriptors() == before);
}
