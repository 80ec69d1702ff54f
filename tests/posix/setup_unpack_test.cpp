#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "setup/scope.hpp"
#include "setup/unpack_posix.hpp"
#include "support/archives.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::setup;
using test::ArchiveEntry;
namespace fs = std::filesystem;

namespace {

struct Bench {
  test::TempDir directory;
  UnpackRequest request;
  Bench() {
    request.archive = directory / "archive";
    request.tree = directory / "tree";
    request.scratch = directory / "scratch";
    fs::create_directory(request.tree);
  }
  Result<Unpacked> unpack(const std::string& bytes) {
    test::write_text(request.archive, bytes);
    const std::atomic<bool> stop{false};
    return setup::unpack(request, stop);
  }
  bool refuses(const std::string& bytes, Failure code) {
    const auto done = unpack(bytes);
    if (!done) UNSCOPED_INFO(done.error().to_string());
    return !done && done.error().code() == make_error_code(code);
  }
  std::string text(const std::string& name) const { return test::read_text(request.tree / name); }
  mode_t mode(const std::string& name) const {
    struct stat info {};
    REQUIRE(::lstat((request.tree / name).c_str(), &info) == 0);
    return info.st_mode & 07777U;
  }
};

ArchiveEntry soft_link(std::string name, std::string target) {
  ArchiveEntry out{std::move(name)};
  out.link = std::move(target);
  return out;
}

}  // namespace

TEST_CASE("archives are unpacked by what they hold, not by name", "[setup][SVC-61][SVC-62][SVC-65]") {
  const std::vector<ArchiveEntry> entries{{"top-1/bin/run", "#!/bin/sh\n", 0755},
                                          {"top-1/read.me", "text", 0600}};
  for (const bool zip : {true, false}) {
    Bench bench;
    bench.request.strip_top = true;
    const auto done = bench.unpack(zip ? test::make_zip(entries) : test::make_tar_gz(entries));
    REQUIRE(done);
    CHECK(done->tops == std::set<std::string>{"bin", "read.me"});
    CHECK(bench.text("bin/run") == "#!/bin/sh\n");
    CHECK(bench.mode("bin/run") == 0755);
    CHECK(bench.mode("read.me") == 0644);
  }
}

TEST_CASE("only the wanted files of a release are taken, from any depth", "[setup][SVC-62]") {
  Bench bench;
  bench.request.layout.pick = {"zurg"};
  bench.request.layout.programs = {"zurg"};
  REQUIRE(bench.unpack(test::make_tar_gz({{"a/b/zurg", "x", 0644}, {"a/LICENSE", "y"}})));
  CHECK(bench.text("zurg") == "x");
  CHECK(bench.mode("zurg") == 0755);
  CHECK_FALSE(fs::exists(bench.request.tree / "a"));
}

TEST_CASE("an archive within an archive, and a program by itself, are unpacked too", "[setup][SVC-61]") {
  Bench nested;
  REQUIRE(nested.unpack(test::make_zip({{"release.tar.gz", test::make_tar_gz({{"app", "inner"}})}})));
  CHECK(nested.text("app") == "inner");
  CHECK_FALSE(fs::exists(nested.request.scratch));
  Bench single;
  single.request.single_name = "zurg";
  REQUIRE(single.unpack("#!/bin/sh\nexit 0\n"));
  CHECK(single.mode("zurg") == 0755);
  Bench text;
  CHECK(text.refuses("<html>404</html>", Failure::archive_corrupt));
}

TEST_CASE("nothing is written outside of the tree", "[setup][SVC-63]") {
  const std::vector<std::vector<ArchiveEntry>> bad{
      {{"ok", "x"}, {"../evil", "x"}},
      {{"/evil", "x"}},
      {{"a\\..\\evil", "x"}},
      {soft_link("out", "/etc")},
      {soft_link("dir/out", "../../etc")},
      {soft_link("out", "."), {"out/evil", "x"}},
      {{"same", "x"}, {"same", "y"}},
      {[] {
        ArchiveEntry device{"dev"};
        device.device = true;
        return device;
      }()},
      {[] {
        ArchiveEntry hard{"hard"};
        hard.hard_link = "../../etc/passwd";
        return hard;
      }()},
      {[] {
        ArchiveEntry hard{"hard"};
        hard.hard_link = "not-there";
        return hard;
      }()},
  };
  for (const auto& entries : bad) {
    Bench bench;
    INFO(entries.back().name);
    CHECK(bench.refuses(test::make_tar_gz(entries), Failure::archive_unsafe));
    CHECK_FALSE(fs::exists(bench.directory / "evil"));
  }
  Bench zip;
  CHECK(zip.refuses(test::make_zip({{"../evil", "x"}}), Failure::archive_unsafe));
  CHECK_FALSE(fs::exists(zip.directory / "evil"));
}

TEST_CASE("links inside the tree are kept", "[setup][SVC-65]") {
  Bench bench;
  ArchiveEntry hard{"copy"};
  hard.hard_link = "lib/real";
  REQUIRE(bench.unpack(test::make_tar_gz(
      {{"lib/real", "x"}, soft_link("lib/alias", "real"), soft_link("top", "lib/real"), hard})));
  CHECK(fs::read_symlink(bench.request.tree / "lib/alias") == "real");
  CHECK(bench.text("top") == "x");
  CHECK(bench.text("copy") == "x");
}

TEST_CASE("a link of the release before does not lead the next one's files away", "[setup][SVC-63][SVC-71]") {
  Bench bench;
  fs::create_directory(bench.directory / "outside");
  fs::create_symlink(bench.directory / "outside", bench.request.tree / "dir");
  fs::create_symlink(bench.directory / "outside" / "file", bench.request.tree / "file");
  REQUIRE(bench.unpack(test::make_tar_gz({{"dir/new", "x"}, {"file", "y"}})));
  CHECK(bench.text("dir/new") == "x");
  CHECK(bench.text("file") == "y");
  CHECK(fs::is_empty(bench.directory / "outside"));
}

TEST_CASE("what unpacks to more than allowed is refused while it is written", "[setup][SVC-64]") {
  Bench bytes;
  bytes.request.max_bytes = 1U << 20U;
  CHECK(bytes.refuses(test::make_tar_gz({{"bomb", std::string(4U << 20U, '\0')}}), Failure::too_large));
  Bench zip;
  zip.request.max_bytes = 1U << 20U;
  CHECK(zip.refuses(test::make_zip({{"bomb", std::string(4U << 20U, '\0')}}), Failure::too_large));
  Bench entries;
  entries.request.max_entries = 3;
  CHECK(entries.refuses(test::make_zip({{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}}), Failure::too_large));
}

TEST_CASE("a damaged or empty archive fails", "[setup][SVC-66]") {
  std::string noise;
  std::mt19937 random(7);
  for (unsigned i = 0; i < 200'000; ++i) noise += static_cast<char>(random());
  const std::string whole = test::make_tar_gz({{"a", noise}});
  Bench cut;
  CHECK(cut.refuses(whole.substr(0, whole.size() / 2), Failure::archive_corrupt));
  const std::string zip = test::make_zip({{"a", noise}});
  Bench cut_zip;
  CHECK(cut_zip.refuses(zip.substr(0, zip.size() / 2), Failure::archive_corrupt));
  Bench none;
  CHECK(none.refuses(test::make_tar_gz({}), Failure::archive_corrupt));
}

TEST_CASE("user data is never written, and everything belongs to the service user",
          "[setup][SVC-65][SVC-70]") {
  Bench bench;
  bench.request.layout.kept = {"config.yml", "data"};
  const bool root = ::geteuid() == 0;
  if (root) {
    bench.request.uid = 1000;
    bench.request.gid = 1000;
  }
  REQUIRE(bench.unpack(test::make_zip({{"config.yml", "theirs"}, {"data/x", "theirs"}, {"dir/app", "new"}})));
  CHECK_FALSE(fs::exists(bench.request.tree / "config.yml"));
  CHECK_FALSE(fs::exists(bench.request.tree / "data"));
  for (const char* name : {"dir", "dir/app"}) {
    struct stat info {};
    REQUIRE(::stat((bench.request.tree / name).c_str(), &info) == 0);
    CHECK(info.st_uid == (root ? 1000U : ::geteuid()));
  }
}
