// The edge to the kernel: what older kernels, filters and file systems answer, and what is held open.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>

#include "posix/symlinks_faults.hpp"
#include "symlinks/apply_posix.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;
using dumb::test::FaultCalls;
using dumb::test::in_child;

namespace {

/// From here on openat2 answers `number` in this process.
bool filter_openat2(int number) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(number)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{4, program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

TEST_CASE("where openat2 is not allowed directories are opened one by one",
          "[symlinks][SYM-7][SYM-72][SYM-83]") {
  for (const int number : {EPERM, ENOSYS}) {
    const Farm farm;
    farm.link("/l/d/e/1", "/x");
    farm.link("/out/1", "/x");
    farm.link("/l/way", farm.disk("/out"));
    const auto end = in_child([&] {
      if (!filter_openat2(number)) return std::string("no filter");
      RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}});
      request.backup_path = "m.json";
      const auto report = repair(farm.environment, request);
      if (!report) return report.error().to_string();
      RestoreRequest undo;
      undo.manifest_path = "m.json";
      undo.dry_run = false;
      const auto undone = restore(farm.environment, undo);
      if (!undone) return undone.error().to_string();
      return "changed " + std::to_string(report->changed) + " restored " + std::to_string(undone->restored);
    });
    CHECK(end.said == "changed 1 restored 1");
    CHECK(farm.target("/out/1") == "/x");
  }
}

TEST_CASE("two directories stay open together, also after all were let go", "[symlinks][SYM-83]") {
  Farm farm;
  for (int i = 0; i < 20; ++i) farm.directory("/l/" + std::to_string(i));
  FaultCalls calls;
  int opened = 0;
  calls.before = [&](std::string_view call, const char*) {
    opened += call == "open_beneath" ? 1 : 0;
    return 0;
  };
  farm.environment.calls = &calls;
  const Context context(farm.environment);
  std::vector<symlinks::Tree> trees;
  auto tree = open_tree(context, "/l");
  REQUIRE(tree);
  trees.push_back(std::move(*tree));
  for (int before = 0; before < 20; ++before) {
    Places places(context, trees, Places::Reach::trees);
    int number = 0;
    for (int i = 0; i < before; ++i) REQUIRE(places.parent_of("/l/" + std::to_string(i) + "/x", number));
    places.forget();
    const Directory* first = places.parent_of("/l/0/x", number);
    REQUIRE(places.parent_of("/l/1/x", number));
    opened = 0;
    CHECK(places.parent_of("/l/0/x", number) == first);
    CHECK(opened == 0);
  }
}
