// An installation dies before every one of its system calls that changes the disk. Whatever the place: what
// can be seen in the root is the old or the new version, whole, and the next run completes.
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>

#include "setup/trees_posix.hpp"
#include "support/catch.hpp"
#include "support/lacks.hpp"
#include "support/support.hpp"

using namespace dumb;
using setup::Trees;
namespace fs = std::filesystem;

namespace {

const std::set<std::uint64_t>& changing_calls() {
  static const std::set<std::uint64_t> calls{
      SYS_write,    SYS_ftruncate, SYS_fsync,  SYS_fdatasync, SYS_renameat, SYS_renameat2, SYS_mkdirat,
      SYS_unlinkat, SYS_symlinkat, SYS_linkat, SYS_fchmod,    SYS_fchmodat,
#ifdef SYS_rename
      SYS_rename,   SYS_mkdir,     SYS_rmdir,  SYS_unlink,    SYS_symlink,  SYS_link,      SYS_chmod,
#endif
  };
  return calls;
}

enum class End { died, finished, failed, untraceable };

/// Runs `work` in a child of its own, which dies at the entry of its `nth` changing call.
End killed_at(int nth, const std::function<bool()>& work) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
    ::raise(SIGSTOP);
    ::_exit(work() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFEXITED(status)) return End::untraceable;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  int seen = 0;
  for (;;) {
    if (::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) != 0) break;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFEXITED(status)) return WEXITSTATUS(status) == 0 ? End::finished : End::failed;
    if (WIFSIGNALED(status)) return End::failed;
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) <= 0) continue;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || changing_calls().count(info.entry.nr) == 0) continue;
    if (++seen < nth) continue;
    ::kill(child, SIGKILL);  // our own child, not reaped yet
    REQUIRE(::waitpid(child, &status, 0) == child);
    return End::died;
  }
  return End::failed;
}

/// A root on a disk without waiting, where there is one: hundreds of runs flush everything they write.
struct Scene {
  fs::path directory;
  fs::path root;
  const std::vector<std::string> kept{"config.yml", "dir/data"};

  Scene() {
    const bool memory = ::access("/dev/shm", W_OK) == 0;
    std::string name =
        ((memory ? fs::path("/dev/shm") : fs::temp_directory_path()) / "dumb-crash-XXXXXX").native();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory = name;
    root = directory / "root";
    fs::create_directories(root);
  }

  ~Scene() {
    std::error_code error;
    fs::remove_all(directory, error);
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  void by_hand() const {
    test::write_text(root / "program", "one");
    test::write_text(root / "dir/part", "one");
    test::write_text(root / "gone", "one");
    test::write_text(root / "dir/data/mine", "data");
    test::write_text(root / "config.yml", "user");
  }

  /// The whole way to a version, as the installer goes it.
  bool install(const std::string& version) const {
    Trees trees(root, std::nullopt);
    auto lock = trees.try_lock();
    if (!lock || !*lock || !trees.recover()) return false;
    if (!trees.adopt(kept, {}, "one")) return false;
    const std::string id = setup::tree_id(version, std::string(64, 'a'));
    if (!trees.is_complete(id)) {
      if (!trees.begin(id, 1)) return false;
      test::write_text(trees.tree(id) / "program", version);
      test::write_text(trees.tree(id) / "dir/part", version);
      test::write_text(trees.tree(id) / ("only-" + version), version);
      if (!trees.link_kept(id, kept, {"program", "dir", "only-" + version})) return false;
      if (!trees.complete(id, 2)) return false;
    }
    if (trees.state().current != id && !trees.activate(id, version, std::string(64, 'a'), kept, 3))
      return false;
    return trees.commit(2).has_value();
  }

  bool back() const {
    Trees trees(root, std::nullopt);
    auto lock = trees.try_lock();
    return lock && *lock && trees.recover() && trees.roll_back(kept);
  }

  std::string text(const std::string& path) const {
    std::error_code error;
    return fs::exists(root / path, error) ? test::read_text(root / path) : "(none)";
  }

  /// One version, and what the user has.
  void check_whole(const std::string& a, const std::string& b) const {
    const std::string version = text("program");
    CHECK((version == a || version == b));
    CHECK(text("dir/part") == version);
    CHECK(text("config.yml") == "user");
    CHECK(text("dir/data/mine") == "data");
  }
  void recover() const {
    Trees trees(root, std::nullopt);
    auto lock = trees.try_lock();
    REQUIRE(lock);
    REQUIRE(*lock);
    const auto found = trees.recover();
    if (!found) FAIL(found.error().to_string());
  }
  void check_done(const std::string& version) const {
    check_whole(version, version);
    CHECK(text("program") == version);
    CHECK(text("only-" + version) == version);
    CHECK(text("gone") == "(none)");
  }
};

/// Every place to die, or about so many of them.
constexpr int most_places = 70;

int places(const std::function<End(int)>& die_at) {
  int count = 64;
  while (die_at(count) == End::died) count *= 2;
  int low = count / 2;
  int high = count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (die_at(middle) == End::died ? low : high) = middle;
  }
  return low;
}

}  // namespace

TEST_CASE("an installation killed at any change of the disk leaves a whole version and can be completed",
          "[setup][SVC-72][SVC-73][SVC-74][SVC-77][SVC-231]") {
  int deaths = 0;
  int last = 0;
  for (const bool by_hand : {true, false}) {
    const auto start = [&](const Scene& scene) {
      scene.by_hand();
      if (!by_hand) REQUIRE(scene.install("two"));
    };
    const std::string from = by_hand ? "one" : "two";
    const auto die_at = [&](int nth) {
      const Scene scene;
      start(scene);
      return killed_at(nth, [&] { return scene.install("three"); });
    };
    if (die_at(1) == End::untraceable) {
      test::lacks("ptrace", "a child cannot be traced");
      return;
    }
    last = places(die_at);
    const int step = std::max(1, last / most_places);
    for (int nth = 1; nth <= last; nth += step) {
      INFO("from " << from << ", change " << nth << " of " << last);
      const Scene scene;
      start(scene);
      const End end = killed_at(nth, [&] { return scene.install("three"); });
      REQUIRE(end != End::failed);
      if (end == End::died) ++deaths;
      scene.check_whole(from, "three");
      scene.recover();
      scene.check_whole(from, "three");
      REQUIRE(scene.install("three"));
      scene.check_done("three");
    }
  }
  CHECK(deaths > 100);
}

TEST_CASE("a way back killed at any change of the disk leaves a whole version", "[setup][SVC-75][SVC-231]") {
  for (int nth = 1; nth < 200; ++nth) {
    INFO("change " << nth);
    const Scene scene;
    scene.by_hand();
    REQUIRE(scene.install("two"));
    const End end = killed_at(nth, [&] { return scene.back(); });
    if (end == End::untraceable) {
      test::lacks("ptrace", "a child cannot be traced");
      return;
    }
    REQUIRE(end != End::failed);
    scene.check_whole("one", "two");
    scene.recover();
    scene.check_whole("one", "two");
    REQUIRE(scene.install("three"));
    scene.check_done("three");
    if (end == End::finished) return;
  }
  FAIL("the way back never ended");
}
