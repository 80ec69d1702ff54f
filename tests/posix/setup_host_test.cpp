#include <dumb/setup/host.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/unique_fd.hpp>

#include "setup/host_links.hpp"
#include "setup/host_owners.hpp"
#include "setup/host_tree_posix.hpp"
#include "setup/host_users.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace host = dumb::setup::host;

namespace {

/// Keeps what was logged.
class Notes final : public Log {
 public:
  void write(Level level, std::string_view message) override {
    lines.push_back(std::string(level_name(level)) + " " + std::string(message));
  }
  std::size_t count(std::string_view part) const {
    return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
      return line.find(part) != std::string::npos;
    }));
  }
  std::vector<std::string> lines;
};

struct PowerFails {};

/// A source with one of everything and an empty data mount.
struct Scene {
  test::TempDir dir;
  Notes log;
  host::LinkWork work;

  Scene() {
    fs::create_directories(dir / "data");
    work.data_root = dir / "data";
    work.links = {{dir / "app/data", dir / "data/app"}};
    work.mounts = {{dir / "data", "ext4", "/dev/x"}};
    work.uid = ::geteuid();
    work.gid = ::getegid();
    work.now = test::FakeClock().wall();
    work.log = &log;
  }
  fs::path source() const { return dir / "app/data"; }
  fs::path target() const { return dir / "data/app"; }
  void fill() const {
    test::write_text(source() / "a.txt", "alpha");
    test::write_text(source() / "deep/er/b.txt", "beta");
    fs::create_symlink("../a.txt", source() / "deep/up");
    fs::create_symlink("/nowhere", source() / "dangling");
    fs::create_hard_link(source() / "a.txt", source() / "deep/twin");
    fs::create_directories(source() / "void");
    REQUIRE(::mkfifo((source() / "pipe").c_str(), 0600) == 0);
    REQUIRE(::chmod((source() / "a.txt").c_str(), 0640) == 0);
    REQUIRE(::chmod((source() / "deep").c_str(), 02750) == 0);
    const timespec times[] = {{1'500'000'000, 5}, {1'400'000'000, 7}};
    for (const char* name : {"a.txt", "deep/er", "deep", ""})
      REQUIRE(::utimensat(AT_FDCWD, (source() / name).c_str(), times, 0) == 0);
  }
  struct stat info(const fs::path& path) const {
    struct stat found {};
    INFO(path.native());
    REQUIRE(::lstat(path.c_str(), &found) == 0);
    return found;
  }
  void check_moved() const {
    CHECK(fs::read_symlink(source()) == target());
    CHECK(test::read_text(source() / "a.txt") == "alpha");
    CHECK(test::read_text(target() / "deep/er/b.txt") == "beta");
    CHECK(fs::read_symlink(target() / "deep/up") == "../a.txt");
    CHECK(fs::read_symlink(target() / "dangling") == "/nowhere");
    CHECK(fs::is_empty(target() / "void"));
    CHECK(fs::is_fifo(target() / "pipe"));
  }
  /// Names beside the source, itself left out.
  std::vector<std::string> leftovers() const {
    std::vector<std::string> names;
    for (const fs::path& directory : {dir / "app", dir / "data"}) {
      for (const auto& entry : fs::directory_iterator(directory)) {
        if (entry.path() != source() && entry.path() != target()) names.push_back(entry.path().filename());
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

}  // namespace

TEST_CASE("the service user is written to the files of a directory once", "[setup][LIF-122]") {
  const test::TempDir etc;
  test::write_text(etc / "passwd", "root:x:0:0:root:/root:/bin/bash\n");
  test::write_text(etc / "group", "root:x:0:\n");
  test::write_text(etc / "shadow", "root:*:1::::::\n");
  fs::permissions(etc / "shadow", fs::perms(0640));
  const auto made = host::make_service_user(etc.path(), 1000, 1000);
  REQUIRE(made);
  CHECK(made->account == "DUMB");
  CHECK(test::read_text(etc / "passwd") ==
        "root:x:0:0:root:/root:/bin/bash\nDUMB:x:1000:1000::/home/DUMB:/bin/bash\n");
  CHECK(test::read_text(etc / "group") == "root:x:0:\nDUMB:x:1000:\n");
  CHECK(test::read_text(etc / "shadow") == "root:*:1::::::\nDUMB:!::0:99999:7:::\n");
  CHECK(fs::status(etc / "shadow").permissions() == fs::perms(0640));
  // Written anew by renaming, so an untouched file keeps its inode.
  struct stat before {
  }, after{};
  REQUIRE(::stat((etc / "passwd").c_str(), &before) == 0);
  REQUIRE(host::make_service_user(etc.path(), 1000, 1000));
  REQUIRE(::stat((etc / "passwd").c_str(), &after) == 0);
  CHECK(before.st_ino == after.st_ino);
}

TEST_CASE("the user database is left alone while another program has it locked", "[setup][LIF-122]") {
  const test::TempDir etc;
  test::write_text(etc / "passwd", "root:x:0:0:root:/root:/bin/bash\n");
  {
    const UniqueFd other(::open((etc / ".pwd.lock").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    struct flock lock {};
    lock.l_type = F_WRLCK;
    REQUIRE(::fcntl(other.get(), F_OFD_SETLK, &lock) == 0);
    const auto refused = host::make_service_user(etc.path(), 1000, 1000, 60ms);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().is(Errc::timed_out));
    CHECK(test::read_text(etc / "passwd") == "root:x:0:0:root:/root:/bin/bash\n");
  }
  CHECK(host::make_service_user(etc.path(), 1000, 1000, 60ms));
}

TEST_CASE("a user database that cannot be written is an error", "[setup][LIF-122]") {
  const test::TempDir dir;
  CHECK_FALSE(host::make_service_user(dir / "missing", 1000, 1000));
}

TEST_CASE("data moves to the mount with links, modes and times, and a link takes its place",
          "[setup][LIF-122][LIF-123][SVC-27]") {
  Scene scene;
  scene.fill();
  if (::geteuid() == 0) REQUIRE(::lchown((scene.source() / "dangling").c_str(), 1234, 1235) == 0);
  host::make_data_links(scene.work);
  scene.check_moved();
  CHECK(scene.leftovers().empty());
  CHECK(scene.log.count("WARNING") == 0);
  const struct stat file = scene.info(scene.target() / "a.txt");
  CHECK((file.st_mode & 07777U) == 0640);
  CHECK(file.st_mtim.tv_sec == 1'400'000'000);
  CHECK(file.st_mtim.tv_nsec == 7);
  CHECK(file.st_ino == scene.info(scene.target() / "deep/twin").st_ino);
  const struct stat deep = scene.info(scene.target() / "deep");
  CHECK((deep.st_mode & 07777U) == 02750);
  CHECK(deep.st_mtim.tv_sec == 1'400'000'000);
  CHECK(scene.info(scene.target()).st_mtim.tv_sec == 1'400'000'000);
  if (::geteuid() == 0) {
    CHECK(scene.info(scene.target() / "dangling").st_uid == 1234);
    CHECK(scene.info(scene.target() / "dangling").st_gid == 1235);
  }
  const std::size_t lines = scene.log.lines.size();
  host::make_data_links(scene.work);
  scene.check_moved();
  CHECK(scene.log.lines.size() == lines);
}

TEST_CASE("a power failure at any step of a move loses nothing and the next boot finishes it",
          "[setup][LIF-123]") {
  const bool exchange = GENERATE(true, false);
  std::size_t steps = 0;
  for (std::size_t fail_at = 1; steps == 0; ++fail_at) {
    REQUIRE(fail_at < 100);
    CAPTURE(exchange, fail_at);
    Scene scene;
    scene.fill();
    scene.work.exchange = exchange;
    std::size_t seen = 0;
    scene.work.before = [&](std::string_view) {
      if (++seen == fail_at) throw PowerFails{};
    };
    try {
      host::make_data_links(scene.work);
      steps = seen;
    } catch (const PowerFails&) {
    }
    // Either end holds all of it at this moment, or what was put aside does.
    bool whole = false;
    for (const fs::path& directory : {scene.dir / "app", scene.dir / "data"}) {
      for (const auto& entry : fs::directory_iterator(directory)) {
        std::error_code ignored;
        whole |= fs::exists(entry.path() / "a.txt", ignored) &&
                 fs::exists(entry.path() / "deep/er/b.txt", ignored);
      }
    }
    CHECK(whole);
    scene.work.before = nullptr;
    host::make_data_links(scene.work);
    scene.check_moved();
    // What may be left is a whole original, never a part.
    for (const std::string& name : scene.leftovers()) {
      CHECK(name == "data.pre-dumb-20260211T120000Z");
      CHECK(test::read_text(scene.dir / ("app/" + name) / "deep/er/b.txt") == "beta");
    }
    host::make_data_links(scene.work);
    scene.check_moved();
  }
  CHECK(steps > 12);
}

TEST_CASE("a source whose target holds data is put aside and never deleted", "[setup][LIF-123]") {
  const bool exchange = GENERATE(true, false);
  Scene scene;
  scene.work.exchange = exchange;
  test::write_text(scene.source() / "mine", "old");
  test::write_text(scene.target() / "theirs", "new");
  // A name that is taken already is not overwritten.
  test::write_text(scene.dir / "app/data.pre-dumb-20260211T120000Z/keep", "kept");
  host::make_data_links(scene.work);
  CHECK(fs::read_symlink(scene.source()) == scene.target());
  CHECK(test::read_text(scene.source() / "theirs") == "new");
  CHECK_FALSE(fs::exists(scene.target() / "mine"));
  CHECK(test::read_text(scene.dir / "app/data.pre-dumb-20260211T120000Z-2/mine") == "old");
  CHECK(test::read_text(scene.dir / "app/data.pre-dumb-20260211T120000Z/keep") == "kept");
  CHECK(scene.log.count("both held data") == 1);
}

TEST_CASE("a power failure while a source is put aside loses nothing", "[setup][LIF-123]") {
  const bool exchange = GENERATE(true, false);
  bool finished = false;
  for (std::size_t fail_at = 1; !finished; ++fail_at) {
    REQUIRE(fail_at < 20);
    CAPTURE(exchange, fail_at);
    Scene scene;
    scene.work.exchange = exchange;
    test::write_text(scene.source() / "mine", "old");
    test::write_text(scene.target() / "theirs", "new");
    std::size_t seen = 0;
    scene.work.before = [&](std::string_view) {
      if (++seen == fail_at) throw PowerFails{};
    };
    try {
      host::make_data_links(scene.work);
      finished = true;
    } catch (const PowerFails&) {
    }
    scene.work.before = nullptr;
    host::make_data_links(scene.work);
    CHECK(test::read_text(scene.source() / "theirs") == "new");
    CHECK(fs::read_symlink(scene.source()) == scene.target());
    CHECK(scene.leftovers() == std::vector<std::string>{"data.pre-dumb-20260211T120000Z"});
    CHECK(test::read_text(scene.dir / "app/data.pre-dumb-20260211T120000Z/mine") == "old");
  }
}

TEST_CASE("a copy that differs from its source does not replace it", "[setup][LIF-123]") {
  Scene scene;
  scene.fill();
  // A service that was not stopped writes while its data is copied.
  scene.work.before = [&](std::string_view step) {
    if (step == "verify") test::write_text(scene.source() / "a.txt", "alphabet");
  };
  host::make_data_links(scene.work);
  CHECK(fs::is_directory(fs::symlink_status(scene.source())));
  CHECK(test::read_text(scene.source() / "a.txt") == "alphabet");
  CHECK_FALSE(fs::exists(scene.target()));
  CHECK(scene.leftovers().empty());
  CHECK(scene.log.count("differs in size") == 1);
}

TEST_CASE("an original that changed after its copy was verified is kept", "[setup][LIF-123]") {
  Scene scene;
  scene.fill();
  scene.work.before = [&](std::string_view step) {
    if (step == "exchange") test::write_text(scene.source() / "late", "late");
  };
  host::make_data_links(scene.work);
  CHECK(fs::read_symlink(scene.source()) == scene.target());
  CHECK(test::read_text(scene.dir / "app/data.pre-dumb-20260211T120000Z/late") == "late");
  CHECK(scene.log.count("is kept as") == 1);
}

TEST_CASE("a move that is called off leaves the source as it was", "[setup][LIF-123]") {
  Scene scene;
  scene.fill();
  std::atomic<bool> stop{false};
  scene.work.stop = &stop;
  scene.work.before = [&](std::string_view step) { stop = stop || step == "copy twin"; };
  host::make_data_links(scene.work);
  CHECK(fs::is_directory(fs::symlink_status(scene.source())));
  CHECK_FALSE(fs::exists(scene.target()));
  CHECK(scene.leftovers().empty());
  stop = false;
  scene.work.before = nullptr;
  host::make_data_links(scene.work);
  scene.check_moved();
}

TEST_CASE("a missing or empty source becomes a link to what is on the mount", "[setup][LIF-122][LIF-123]") {
  Scene scene;
  test::write_text(scene.target() / "old", "from the last container");
  if (GENERATE(true, false)) fs::create_directories(scene.source());
  host::make_data_links(scene.work);
  CHECK(test::read_text(scene.source() / "old") == "from the last container");
  CHECK(scene.leftovers().empty());
  // A new, empty data mount gets its directory back.
  fs::remove_all(scene.target());
  host::make_data_links(scene.work);
  CHECK(fs::is_directory(scene.target()));
  CHECK(fs::read_symlink(scene.source()) == scene.target());
}

TEST_CASE("a source that is a mount, holds one or is a link elsewhere is left alone", "[setup][LIF-123]") {
  Scene scene;
  test::write_text(scene.source() / "sub/file", "x");
  SECTION("a mount") {
    scene.work.mounts.push_back({scene.source(), "ext4", "/dev/y"});
  }
  SECTION("a mount below") {
    scene.work.mounts.push_back({scene.source() / "sub", "ext4", "/dev/y"});
  }
  SECTION("a link") {
    fs::rename(scene.source(), scene.dir / "app/elsewhere");
    fs::create_symlink(scene.dir / "app/elsewhere", scene.source());
  }
  const auto before = fs::symlink_status(scene.source()).type();
  host::make_data_links(scene.work);
  CHECK(fs::symlink_status(scene.source()).type() == before);
  CHECK(test::read_text(scene.source() / "sub/file") == "x");
  CHECK_FALSE(fs::exists(scene.target()));
  CHECK(scene.log.count("INFO") == 1);
  CHECK(scene.log.count("WARNING") == 0);
}

TEST_CASE("data behind a link in the way to it is not moved", "[setup][LIF-123]") {
  Scene scene;
  test::write_text(scene.dir / "elsewhere/data/file", "x");
  fs::create_directory_symlink(scene.dir / "elsewhere", scene.dir / "app");
  host::make_data_links(scene.work);
  CHECK(test::read_text(scene.dir / "elsewhere/data/file") == "x");
  CHECK_FALSE(fs::is_symlink(scene.dir / "elsewhere/data"));
  CHECK(scene.log.count("is not moved") == 1);
}

TEST_CASE("broken links directly in data_root are removed, others stay", "[setup][LIF-123]") {
  Scene scene;
  test::write_text(scene.dir / "outside", "x");
  fs::create_symlink("gone", scene.work.data_root / "broken");
  fs::create_symlink("../outside", scene.work.data_root / "relative");
  fs::create_symlink(scene.dir / "outside", scene.work.data_root / "absolute");
  fs::create_directories(scene.work.data_root / "sub");
  fs::create_symlink("gone", scene.work.data_root / "sub/deeper");
  host::make_data_links(scene.work);
  CHECK_FALSE(fs::is_symlink(scene.work.data_root / "broken"));
  CHECK(fs::is_symlink(scene.work.data_root / "relative"));
  CHECK(fs::is_symlink(scene.work.data_root / "absolute"));
  CHECK(fs::is_symlink(scene.work.data_root / "sub/deeper"));
  CHECK(scene.log.count("broken led to gone") == 1);
}

TEST_CASE("a copy keeps holes and large files", "[setup][LIF-123]") {
  Scene scene;
  std::string bytes(std::size_t{1} << 20U, '\0');
  bytes.replace(700'000, 5, "hello");
  test::write_text(scene.source() / "big", bytes + "end");
  test::write_text(scene.source() / "zeros", std::string(300'000, '\0'));
  host::make_data_links(scene.work);
  CHECK(test::read_text(scene.target() / "big") == bytes + "end");
  CHECK(test::read_text(scene.target() / "zeros") == std::string(300'000, '\0'));
}

TEST_CASE("owners are set below a tree whose top is wrong, following no link", "[setup][LIF-124][SVC-26]") {
  if (::geteuid() != 0) return;  // only root may give a file away
  const test::TempDir dir;
  test::write_text(dir / "outside/file", "x");
  test::write_text(dir / "tree/sub/file", "x");
  test::write_text(dir / "tree/mounted/file", "x");
  fs::create_directory_symlink(dir / "outside", dir / "tree/link");
  host::OwnWork work{1234, 1235, {{dir / "tree/mounted", "ext4", "/dev/x"}}, nullptr};
  const auto owner = [&](std::string_view name) {
    struct stat info {};
    REQUIRE(::lstat((dir / name).c_str(), &info) == 0);
    return info.st_uid;
  };
  const host::OwnedPath tree{dir / "tree", host::Depth::everything_below};
  CHECK(host::give(tree, work).value() == host::Owned::changed);
  for (const char* name : {"tree", "tree/sub", "tree/sub/file", "tree/link"}) CHECK(owner(name) == 1234);
  for (const char* name : {"outside", "outside/file", "tree/mounted", "tree/mounted/file"})
    CHECK(owner(name) == 0);

  test::write_text(dir / "tree/new", "x");
  CHECK(host::give(tree, work).value() == host::Owned::right);
  CHECK(owner("tree/new") == 0);

  CHECK(host::give({dir / "outside", host::Depth::itself}, work).value() == host::Owned::changed);
  CHECK(owner("outside/file") == 0);
  CHECK(host::give({dir / "tree/link", host::Depth::everything_below}, work).value() == host::Owned::link);
  CHECK(host::give({dir / "tree/link/file", host::Depth::itself}, work).value() == host::Owned::link);
  CHECK(host::give({dir / "absent", host::Depth::itself}, work).value() == host::Owned::missing);
  work.mounts = {{dir / "absent", "fuse.rclone", "x"}};
  CHECK(host::give({dir / "absent", host::Depth::itself}, work).value() == host::Owned::mount);
}

TEST_CASE("a walk that was called off is done again, because the top comes last", "[setup][LIF-124]") {
  if (::geteuid() != 0) return;  // only root may give a file away
  const test::TempDir dir;
  test::write_text(dir / "tree/file", "x");
  std::atomic<bool> stop{true};
  host::OwnWork work{1234, 1234, {}, &stop};
  const host::OwnedPath tree{dir / "tree", host::Depth::everything_below};
  CHECK_FALSE(host::give(tree, work));
  stop = false;
  CHECK(host::give(tree, work).value() == host::Owned::changed);
}

namespace {

setup::HostOptions options_for(const test::TempDir& dir, Notes& log) {
  json::object document;
  document["data_root"] = "";
  setup::HostOptions options;
  options.root = Root(dir.path());
  options.etc = dir / "etc";
  options.config = std::make_shared<const config::Snapshot>(document, document, 1);
  options.catalog = &catalog::Catalog::embedded();
  options.log = &log;
  options.uid = ::geteuid() == 0 ? 1234 : ::geteuid();
  options.gid = ::geteuid() == 0 ? 1234 : ::getegid();
  options.is_root = true;
  options.mounts = [] { return std::vector<supervisor::Mount>(); };
  return options;
}

}  // namespace

TEST_CASE("without root nothing is touched and each step left out is told once", "[setup][LIF-6]") {
  const test::TempDir dir;
  test::write_text(dir / "sonarr/file", "x");
  Notes log;
  setup::HostOptions options = options_for(dir, log);
  options.is_root = false;
  options.mounts = [&] { return std::vector<supervisor::Mount>{{dir / "data", "ext4", "x"}}; };
  CHECK(setup::prepare_host(options));
  CHECK(log.lines.size() == 2);
  CHECK(log.count("INFO not running as root") == 2);
  CHECK(fs::is_directory(fs::symlink_status(dir / "sonarr")));
  // On the machine's own root, the user is the third of them; nothing is written by this either.
  log.lines.clear();
  options.root = Root();
  CHECK(setup::prepare_host(options));
  CHECK(log.count("INFO not running as root") == 3);
  CHECK_FALSE(fs::exists(dir / "etc"));
}

TEST_CASE("a data_root that is no mount point is told once and nothing is moved", "[setup][LIF-122]") {
  const test::TempDir dir;
  test::write_text(dir / "sonarr/file", "x");
  test::write_text(dir / "data/there", "x");
  Notes log;
  const setup::HostOptions options = options_for(dir, log);
  CHECK(setup::prepare_host(options));
  CHECK(log.count("WARNING") == 1);
  CHECK(log.count("is not a mount point") == 1);
  CHECK(fs::is_directory(fs::symlink_status(dir / "sonarr")));
  CHECK_FALSE(fs::exists(dir / "data/sonarr"));
}

TEST_CASE("a boot beneath a prefix links every service and leaves the user database alone",
          "[setup][LIF-122][LIF-124][SVC-27]") {
  const test::TempDir dir;
  test::write_text(dir / "etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
  test::write_text(dir / "riven/backend/data/settings.json", "{}");
  test::write_text(dir / "config/dumb_config.json", "{}");
  fs::create_directories(dir / "data");
  Notes log;
  setup::HostOptions options = options_for(dir, log);
  options.mounts = [&] { return std::vector<supervisor::Mount>{{dir / "data", "ext4", "/dev/x"}}; };
  CHECK(setup::prepare_host(options));
  CHECK(log.count("WARNING") == 0);
  CHECK(test::read_text(dir / "etc/passwd") == "root:x:0:0:root:/root:/bin/bash\n");
  CHECK(fs::read_symlink(dir / "riven/backend/data") == dir / "data/riven");
  CHECK(test::read_text(dir / "data/riven/settings.json") == "{}");
  CHECK(fs::read_symlink(dir / "sonarr") == dir / "data/sonarr");
  CHECK(fs::is_directory(dir / "home/DUMB"));
  for (const char* name :
       {"config/dumb_config.json", "data/riven/settings.json", "data/sonarr", "home/DUMB"}) {
    CAPTURE(name);
    struct stat info {};
    REQUIRE(::lstat((dir / name).c_str(), &info) == 0);
    CHECK(info.st_uid == options.uid);
  }
  const std::size_t lines = log.lines.size();
  CHECK(setup::prepare_host(options));
  CHECK(log.lines.size() == lines);
}
