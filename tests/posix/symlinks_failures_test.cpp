// Which failures end a run, and what a refused rename between file systems does.
#include <map>
#include <memory>

#include "posix/symlinks_faults.hpp"
#include "symlinks/apply_posix.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;
using dumb::test::FaultCalls;

namespace {

void age(const std::string& path) {
  const timespec times[2] = {{1'000'000'000, 7}, {1'000'000'000, 7}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

/// The tree without its own name, so that two can be compared.
std::map<std::string, std::string> content(const Farm& farm, const std::string& root) {
  std::map<std::string, std::string> out;
  for (const auto& [path, what] : farm.tree(root)) out[path.substr(root.size())] = what;
  return out;
}

/// The first rename of each link itself is answered with an errno, the second with another, temporary ones
/// work.
std::function<int(std::string_view, const char*)> first_rename_of_links(int number, int later = 0) {
  auto seen = std::make_shared<std::map<std::string, int>>();
  return [=](std::string_view call, const char* name) {
    if (call != "renameat2" || *name == '.') return 0;
    const int before = (*seen)[name]++;
    return before == 0 ? number : before == 1 ? later : 0;
  };
}

}  // namespace

TEST_CASE("failures are counted for each file system", "[symlinks][SYM-88]") {
  FailureWatch watch;
  const Done failed{Done::Kind::failed, EIO, "read link"};
  for (int i = 0; i < 99; ++i) {
    REQUIRE_FALSE(watch.note(failed, 1));
    REQUIRE_FALSE(watch.note({}, 2));
  }
  CHECK_FALSE(watch.note(failed, 2));
  CHECK_FALSE(watch.note({Done::Kind::failed, EACCES, ""}, 2));
  CHECK(watch.note(failed, 1));
  CHECK_FALSE(watch.note({}, 1));
  CHECK_FALSE(watch.note(failed, 1));
  CHECK(watch.note({Done::Kind::failed, ENOSPC, ""}, 3));
}

TEST_CASE("a rename refused between file systems of one mount takes two steps",
          "[symlinks][SYM-26][SYM-75]") {
  Farm farm;
  farm.link("/l/1", "/x");
  farm.link("/l/2", "/x");
  age(farm.disk("/l/1"));
  farm.link("/m/2", "/replaced");
  const auto before = content(farm, "/l");
  FaultCalls calls;
  calls.before = first_rename_of_links(EXDEV);
  farm.environment.calls = &calls;
  RepairRequest request = farm.migration("/l", "/m");
  request.overwrite_existing = true;
  const auto report = farm.repair(request);
  CHECK(report.moved == 2);
  CHECK(report.errors_total == 0);
  CHECK(content(farm, "/m").at("/1") == before.at("/1"));
  CHECK(farm.target("/m/2") == "/x");
  CHECK(farm.tree("/l").empty());
  farm.environment.calls = nullptr;
  CHECK(farm.restore(*report.auto_manifest).restored == 2);
  CHECK(content(farm, "/l").at("/1") == before.at("/1"));
  CHECK(farm.target("/m/2") == "/replaced");
}

TEST_CASE("a move whose source cannot be removed leaves both sides as they were", "[symlinks][SYM-79]") {
  Farm farm;
  farm.link("/l/1", "/x");
  farm.link("/l/2", "/x");
  farm.link("/m/2", "/replaced");
  FaultCalls calls;
  calls.before = first_rename_of_links(EXDEV, EACCES);
  farm.environment.calls = &calls;
  RepairRequest request = farm.migration("/l", "/m");
  request.overwrite_existing = true;
  const auto report = farm.repair(request);
  CHECK(report.moved == 0);
  REQUIRE(report.errors.size() == 2);
  CHECK(report.errors[0].source_path == "/l/1");
  CHECK(report.errors[0].code == "EACCES");
  CHECK(farm.target("/l/1") == "/x");
  CHECK(farm.target("/l/2") == "/x");
  CHECK(farm.target("/m/1") == "(none)");
  CHECK(farm.target("/m/2") == "/replaced");
}
