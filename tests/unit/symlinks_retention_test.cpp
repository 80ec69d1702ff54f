#include <dumb/symlinks/retention.hpp>

#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::symlinks;

namespace {

SnapshotTemplate made(std::string_view path, std::string_view process = "Decypharr") {
  auto out = SnapshotTemplate::make(path, process);
  REQUIRE(out);
  return *out;
}

SnapshotFile file(std::string path, std::string time, std::int64_t mtime = 0) {
  return {std::move(path), std::move(time), mtime, 0};
}

const WallTime morning = WallTime(std::chrono::seconds(1'772'337'600));  // 2026-03-01 04:00 UTC

}  // namespace

TEST_CASE("a process name becomes a part of a file name", "[symlinks][SYM-64]") {
  CHECK(process_slug("CLI Debrid") == "cli-debrid");
  CHECK(process_slug("rclone w/ X") == "rclone-w--x");
  CHECK(process_slug(" --") == "service");
  CHECK(process_slug("") == "service");
  CHECK(process_slug("\xC3\x89t\xC3\xA9") == "\xC3\x89t\xC3\xA9");
  CHECK(process_part("../a/b\n") ==
        "--"
        "-a-b-");
}

TEST_CASE("a snapshot's path takes the time of its run", "[symlinks][SYM-60][SYM-64]") {
  CHECK(made("").path_at(morning) == "/config/symlink-repair/snapshots/decypharr-20260301T040000Z.json");
  CHECK(made("/data/{process_name}_{date}-{time}{x}.json", "A/b").path_at(morning) ==
        "/data/A-b_20260301-040000{x}.json");
  CHECK(made("/data/s-{timestamp}.json").pattern() == "/data/s-*.json");
  CHECK(made("/data/s-{timestamp}.json").has_time());
  CHECK_FALSE(made("/data/latest.json").has_time());
}

TEST_CASE("templates that may not be written to are refused", "[symlinks][EX-15][SYM-63]") {
  for (const char* bad : {"../../{process_slug}-{date}.json", "rel.json", "/data/{date}/x.json",
                          "/etc/x.json", "/config/x.json", "/data/../etc/x.json", "/data/x.sh",
                          "/data/.x.json", "/config/symlink-repair/.state/x.json"}) {
    INFO(bad);
    CHECK_FALSE(SnapshotTemplate::make(bad, "x"));
  }
  CHECK(SnapshotTemplate::make("/config/symlink-repair/x.json", "x"));
}

TEST_CASE("only this service's scheduled snapshots match", "[symlinks][EX-18][SYM-53][SYM-65]") {
  const auto own = made("/s/decypharr-{timestamp}.json");
  std::string time;
  CHECK(own.matches("decypharr-20260201T040000Z.json", &time));
  CHECK(time == "20260201040000");
  for (const char* other :
       {"decypharr-main-20260201T040000Z.json", "decypharr-manual.json", "decypharr-.json",
        "decypharr-20260201T040000Z.json.bak", "decypharr-2026020aT040000Z.json"}) {
    CHECK_FALSE(own.matches(other));
  }
  CHECK(own.owns("decypharr-20260201T040000Z.json", std::nullopt));
  CHECK(own.owns("decypharr-20260201T040000Z.json", "Decypharr"));
  CHECK_FALSE(own.owns("decypharr-20260201T040000Z.json", "Decypharr Main"));
  const auto shared = made("/s/{timestamp}.json");
  CHECK_FALSE(shared.owns("20260201T040000Z.json", std::nullopt));
  CHECK(shared.owns("20260201T040000Z.json", "Decypharr"));
  CHECK(made("/s/a[b].json").matches("a[b].json"));
  CHECK_FALSE(made("/s/a[b].json").matches("ab.json"));
}

TEST_CASE("the newest snapshots are kept", "[symlinks][EX-18][SYM-66]") {
  const std::vector<SnapshotFile> files{file("/s/a", "20260101040000"), file("/s/c", "20260301040000"),
                                        file("/s/b", "20260201040000")};
  CHECK(to_prune(files, 1, "/s/c") == std::vector<std::string>{"/s/b", "/s/a"});
  CHECK(to_prune(files, 2, "/s/c") == std::vector<std::string>{"/s/a"});
  CHECK(to_prune(files, 1, "/s/a") == std::vector<std::string>{"/s/b"});  // the one just written stays
  CHECK(to_prune(files, 0, "/s/c").empty());
  std::vector<SnapshotFile> plain{file("/s/x", "", 5), file("/s/z", "", 7), file("/s/y", "", 7)};
  sort_newest_first(plain);
  CHECK(plain.front().path == "/s/z");
  CHECK(plain.back().path == "/s/x");
}

TEST_CASE("a snapshot that is not trusted deletes nothing", "[symlinks][EX-18][SYM-66]") {
  CHECK_FALSE(held_because({true, false, 98, 100}));
  CHECK(held_because({false, false, 98, 100}) == "incomplete");
  CHECK(held_because({true, true, 98, 100}) == "missing_root");
  CHECK(held_because({true, false, 0, 100}) == "shrunk");
  CHECK(held_because({true, false, 30, 100}) == "shrunk");
  CHECK_FALSE(held_because({true, false, 50, 100}));
  CHECK_FALSE(held_because({true, false, 0, 19}));
  CHECK_FALSE(held_because({true, false, 0, std::nullopt}));
  CHECK(held_path("/s/latest.json", morning) == "/s/latest.held-20260301T040000Z.json");
}
