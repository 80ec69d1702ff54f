// A client that follows a log over its rotations.
#include <unistd.h>

#include <dumb/logs/log_reader.hpp>
#include <filesystem>
#include <fstream>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using logs::ReadRequest;
namespace fs = std::filesystem;

namespace {

void append(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::app | std::ios::binary) << text;
}

logs::Chunk read(const fs::path& path, const ReadRequest& request = {}) {
  return logs::read_chunk(path, request).value();
}

ReadRequest next(const logs::Chunk& chunk) {
  ReadRequest request;
  request.cursor = static_cast<std::int64_t>(chunk.cursor);
  request.file_id = chunk.file_id;
  return request;
}

/// As the log thread does it.
void rotate(const fs::path& file, const std::string& day) {
  const fs::path stem = file.parent_path() / (file.stem().native() + "-" + day + "_");
  const auto numbered = [&](int number) { return fs::path(stem.native() + std::to_string(number) + ".log"); };
  int free = 1;
  while (fs::exists(numbered(free))) ++free;
  for (int number = free; number > 1; --number) fs::rename(numbered(number - 1), numbered(number));
  fs::rename(file, numbered(1));
}

}  // namespace

TEST_CASE("a client gets the end of the file that was rotated away, then the new one",
          "[logs][LIF-112][LIF-114]") {
  const test::TempDir dir;
  const auto file = dir / "a.log";
  append(file, "one\ntw");
  const auto first = read(file);
  append(file, "o\nthree\n");
  rotate(file, "2026-02-11");
  append(file, "four\nfi");
  const auto second = read(file, next(first));
  CHECK_FALSE(second.reset);
  CHECK(second.chunk == "two\nthree\nfour\n");
  CHECK(second.file_id != first.file_id);
  CHECK(second.cursor == 5);
  CHECK(second.size == 7);
  append(file, "ve\n");
  CHECK(read(file, next(second)).chunk == "five\n");
}

TEST_CASE("a look in the middle of a rotation loses nothing", "[logs][LIF-114]") {
  const test::TempDir dir;
  const auto file = dir / "a.log";
  append(file, "one\n");
  const auto first = read(file);
  append(file, "two\nthree");
  rotate(file, "2026-02-11");
  const auto second = read(file, next(first));
  CHECK_FALSE(second.reset);
  CHECK(second.chunk == "two\nthree\n");
  CHECK(second.file_id == first.file_id);
  CHECK(read(file, next(second)).chunk.empty());
  append(file, "four\n");
  const auto third = read(file, next(second));
  CHECK_FALSE(third.reset);
  CHECK(third.chunk == "four\n");
}

TEST_CASE("several rotations between two polls lose nothing either", "[logs][LIF-100][LIF-112][LIF-114]") {
  const test::TempDir dir;
  const auto file = dir / "a.log";
  append(file, "line 1\n");
  auto chunk = read(file);
  std::string seen = chunk.chunk;
  std::string written = seen;
  int number = 1;
  const auto grow = [&](int lines) {
    for (int i = 0; i < lines; ++i) {
      const std::string line = "line " + std::to_string(++number) + "\n";
      append(file, line);
      written += line;
    }
  };
  for (int poll = 0; poll < 20; ++poll) {
    for (int rotation = poll % 4; rotation > 0; --rotation) {
      grow(rotation);
      rotate(file, poll < 10 ? "2026-02-11" : "2026-02-12");
      grow(poll % 3);
      if (!fs::exists(file)) append(file, "");
    }
    grow(poll % 2);
    chunk = read(file, next(chunk));
    CHECK_FALSE(chunk.reset);
    seen += chunk.chunk;
  }
  CHECK(seen == written);
}

TEST_CASE("a dated log is followed over midnight", "[logs][LIF-100][LIF-114]") {
  const test::TempDir dir;
  append(dir / "DUMB-2026-02-03.log", "evening\n");
  const auto before = read(dir / "DUMB-2026-02-03.log");
  append(dir / "DUMB-2026-02-03.log", "last of the day\n");
  SECTION("moved by its rotation") {
    fs::rename(dir / "DUMB-2026-02-03.log", dir / "DUMB-2026-02-03_1.log");
  }
  SECTION("left by a run that ended before") {}
  append(dir / "DUMB-2026-02-04.log", "first of the day\n");
  const auto after = read(dir / "DUMB-2026-02-04.log", next(before));
  CHECK_FALSE(after.reset);
  CHECK(after.chunk == "last of the day\nfirst of the day\n");
}

TEST_CASE("what cannot be gone on with resets the client", "[logs][LIF-112][LIF-114]") {
  const test::TempDir dir;
  const auto file = dir / "a.log";
  append(file, "old\n");
  const auto before = read(file);
  auto request = next(before);
  const fs::path rotated = dir / "a-2026-02-11_1.log";
  fs::rename(file, rotated);
  SECTION("its file is gone") {
    fs::remove(rotated);
  }
  SECTION("its file was cut") {
    fs::resize_file(rotated, 2);
  }
  SECTION("it is of another log") {
    fs::rename(rotated, dir / "b-2026-02-11_1.log");
  }
  SECTION("it is too much") {
    append(rotated, std::string(9U << 20U, '\n'));
  }
  SECTION("the cursor is none") {
    request.cursor = -1;
  }
  SECTION("a link stands where a newer file would be") {
    fs::rename(rotated, dir / "a-2026-02-11_2.log");
    test::write_text(dir / "secret", "not for anybody\n");
    fs::create_symlink(dir / "secret", rotated);
  }
  append(file, "new\n");
  const auto after = read(file, request);
  CHECK(after.reset);
  CHECK(after.chunk == "new\n");
}
