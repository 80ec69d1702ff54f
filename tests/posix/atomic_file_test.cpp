#include <sys/stat.h>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/root.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;

TEST_CASE("a write replaces the target of a link and keeps mode", "[base][CFG-58][SVC-29][SVC-30]") {
  test::TempDir dir;
  test::write_text(dir / "real/file", "old");
  ::chmod((dir / "real/file").c_str(), 0640);
  std::filesystem::create_symlink(dir / "real/file", dir / "link");
  REQUIRE(file::write_atomic(dir / "link", "new"));
  CHECK(std::filesystem::is_symlink(dir / "link"));
  CHECK(test::read_text(dir / "real/file") == "new");
  struct stat info {};
  REQUIRE(::stat((dir / "real/file").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0640);
  CHECK(std::distance(std::filesystem::directory_iterator(dir / "real"), {}) == 1);
}

TEST_CASE("equal content is not written again", "[base][SVC-29][SVC-217]") {
  test::TempDir dir;
  CHECK(file::write_if_changed(dir / "f", "x").value());
  struct stat first {};
  ::stat((dir / "f").c_str(), &first);
  CHECK_FALSE(file::write_if_changed(dir / "f", "x").value());
  struct stat second {};
  ::stat((dir / "f").c_str(), &second);
  CHECK(first.st_ino == second.st_ino);
  CHECK(file::write_if_changed(dir / "f", "y").value());
}

TEST_CASE("a failed write leaves the old file and no temporary", "[base][CFG-58]") {
  test::TempDir dir;
  test::write_text(dir / "d/f", "old");
  std::filesystem::create_directory(dir / "d/sub");
  CHECK_FALSE(file::write_atomic(dir / "d/sub", "new"));
  CHECK_FALSE(file::write_atomic(dir / "missing/f", "new"));
  CHECK(test::read_text(dir / "d/f") == "old");
  CHECK(std::distance(std::filesystem::directory_iterator(dir / "d"), {}) == 2);
}

TEST_CASE("paths are taken beneath the root unless they lie there already", "[base][design]") {
  const Root root("/tmp/stack/");
  CHECK(root.map("/config/x") == "/tmp/stack/config/x");
  CHECK(root.map("/tmp/stack/config/x") == "/tmp/stack/config/x");
  CHECK(root.map("/tmp/stacked") == "/tmp/stack/tmp/stacked");
  CHECK(root.unmap("/tmp/stack/config/x") == "/config/x");
  CHECK(root.unmap("/usr/bin") == "/usr/bin");
  CHECK(Root().map("/config") == "/config");
}

TEST_CASE("a private directory leaves the parents made for it open to others", "[base]") {
  test::TempDir dir;
  REQUIRE(file::make_directories(dir / "run/private", 0700));
  const auto mode = [](const std::filesystem::path& path) {
    return std::filesystem::status(path).permissions() & std::filesystem::perms::mask;
  };
  CHECK(mode(dir / "run") == static_cast<std::filesystem::perms>(0755));
  CHECK(mode(dir / "run/private") == static_cast<std::filesystem::perms>(0700));
}
