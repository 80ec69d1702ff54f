#include <fcntl.h>
#include <sys/stat.h>

#include <dumb/logs/log_reader.hpp>
#include <filesystem>
#include <fstream>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using logs::ReadRequest;

namespace {

void append(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::app | std::ios::binary) << text;
}

logs::Chunk read(const std::filesystem::path& path, const ReadRequest& request = {}) {
  return logs::read_chunk(path, request).value();
}

/// The request a client sends after `chunk`.
ReadRequest next(const logs::Chunk& chunk, bool with_id = true) {
  ReadRequest request;
  request.cursor = static_cast<std::int64_t>(chunk.cursor);
  if (with_id) request.file_id = chunk.file_id;
  return request;
}

}  // namespace

TEST_CASE("a client that follows its cursor gets every line once", "[logs][LIF-110][LIF-112][LIF-113]") {
  const test::TempDir dir;
  const auto file = dir / "a.log";
  append(file, "one\ntwo\nthr");
  auto chunk = read(file);
  CHECK(chunk.chunk == "one\ntwo\n");
  CHECK(chunk.size == 11);
  CHECK(chunk.cursor == 8);
  CHECK(chunk.reset);
  REQUIRE(chunk.file_id);
  chunk = read(file, next(chunk));
  CHECK(chunk.chunk.empty());
  CHECK_FALSE(chunk.reset);
  append(file, "ee\nfour\n");
  chunk = read(file, next(chunk));
  CHECK(chunk.chunk == "three\nfour\n");
  CHECK_FALSE(chunk.reset);
  CHECK(chunk.cursor == chunk.size);
}

TEST_CASE("no file gives the empty answer", "[logs][LIF-110]") {
  const test::TempDir dir;
  for (const char* name : {"missing.log", "missing/x.log"}) {
    const auto chunk = read(dir / name);
    CHECK(chunk.size == 0);
    CHECK(chunk.cursor == 0);
    CHECK(chunk.chunk.empty());
    CHECK(chunk.reset);
    CHECK_FALSE(chunk.file_id);
  }
}

TEST_CASE("only regular files are read, and nothing hangs", "[logs][LIF-111]") {
  const test::TempDir dir;
  REQUIRE(::mkfifo((dir / "fifo.log").c_str(), 0600) == 0);
  CHECK_FALSE(read(dir / "fifo.log").file_id);
  CHECK_FALSE(read(dir.path()).file_id);
  CHECK_FALSE(read("/dev/zero").file_id);
}

TEST_CASE("rotation between polls resets the client", "[logs][LIF-112][LIF-114]") {
  const test::TempDir dir;
  const auto file = dir / "a.log";
  append(file, "old 1\nold 2\n");
  const auto before = read(file);
  std::filesystem::rename(file, dir / "a-2026-02-11_1.log");
  append(file, "new\n");
  // Shorter than the cursor: noticed even without the id.
  CHECK(read(file, next(before, false)).reset);
  append(file, "longer than it was before\n");
  std::filesystem::remove(dir / "a-2026-02-11_1.log");
  const auto after = read(file, next(before));
  CHECK(after.reset);
  CHECK(after.chunk == "new\nlonger than it was before\n");
  CHECK(after.file_id != before.file_id);
}

TEST_CASE("invalid UTF-8 is repaired without moving the cursor", "[logs][LIF-112]") {
  const test::TempDir dir;
  append(dir / "a.log",
         "a\xFF"
         "b\nc\n");
  const auto chunk = read(dir / "a.log");
  CHECK(chunk.chunk ==
        "a\xEF\xBF\xBD"
        "b\nc\n");
  CHECK(chunk.cursor == 6);
}

TEST_CASE("the main log is shown from its last start on", "[logs][LIF-112][LIF-115]") {
  const test::TempDir dir;
  const std::string stamp = "Feb  3, 2026 07:05:09 - INFO - ";
  const std::string old = stamp + logs::start_marker("1", 1) + "\n" + stamp + "before\n";
  const std::string now = stamp + logs::start_marker("1", 2) + "\n" + stamp + "after\n";
  append(dir / "main.log", old + now);
  ReadRequest request;
  request.main_log = true;
  CHECK(read(dir / "main.log", request).chunk == now);
  // Too long ago: what lies within the reach.
  std::string much;
  while (much.size() < 300'000) much += stamp + "filler\n";
  append(dir / "main.log", much);
  const auto chunk = read(dir / "main.log", request);
  CHECK(chunk.chunk.size() <= 256 * 1024);
  CHECK(chunk.chunk.size() > 256 * 1024 - 100);
  CHECK(chunk.chunk.starts_with(stamp + "filler\n"));
  // A client may ask for more.
  request.tail_bytes = 8 << 20;
  CHECK(read(dir / "main.log", request).chunk == now + much);
}

TEST_CASE("a client far behind is moved to the last 8 MiB", "[logs][LIF-112][LIF-113]") {
  const test::TempDir dir;
  std::string text;
  while (text.size() < (9U << 20U)) text += "a line of the log\n";
  append(dir / "a.log", text);
  ReadRequest request;
  request.cursor = 18;
  const auto chunk = read(dir / "a.log", request);
  CHECK(chunk.reset);
  CHECK(chunk.cursor == text.size());
  CHECK(chunk.chunk.size() <= (8U << 20U));
  CHECK(chunk.chunk.size() > (8U << 20U) - 20);
  CHECK(chunk.chunk.starts_with("a line of the log\n"));
}
