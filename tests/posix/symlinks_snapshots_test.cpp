#include <dumb/symlinks/snapshots.hpp>

#include "posix/symlinks_fixture.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;

namespace {

constexpr const char* snapshots = "/config/symlink-repair/snapshots/";

/// A stack with a clock that stands and older snapshots.
struct Archive {
  Archive() {
    farm.environment.clock = &clock;
    scheduled.path = std::string(snapshots) + "decypharr-{timestamp}.json";
    scheduled.process_name = "Decypharr";
    scheduled.roots = std::vector<std::string>{"/l"};
  }
  void grow(int links) const {
    for (int i = 0; i < links; ++i) farm.link("/l/" + std::to_string(i), "/x");
  }
  void older(const std::string& name, const std::string& process) const {
    BackupRequest request;
    request.roots = std::vector<std::string>{"/l"};
    request.backup_path = snapshots + name;
    request.process_name = process;
    REQUIRE(backup(farm.environment, request));
  }
  ScheduledReport run() const {
    auto report = take_scheduled_snapshot(farm.environment, scheduled);
    REQUIRE(report);
    return std::move(*report);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [path, what] : farm.tree("/config/symlink-repair/snapshots")) {
      out.push_back(path.substr(path.rfind('/') + 1));
    }
    return out;
  }

  test::FakeClock clock;  // 2026-02-11 12:00 UTC
  Farm farm;
  ScheduledSnapshot scheduled;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a scheduled snapshot replaces the older one of its service only",
          "[symlinks][EX-18][SYM-60][SYM-65][SYM-66]") {
  const Archive archive;
  archive.grow(100);
  archive.older("decypharr-20260201T040000Z.json", "Decypharr");
  archive.older("decypharr-main-20260201T040000Z.json", "Decypharr Main");
  archive.older("decypharr-manual.json", "Decypharr");
  archive.farm.remove("/l/1");
  archive.farm.remove("/l/2");
  const auto report = archive.run();
  CHECK(report.backup.recorded_entries == 98);
  CHECK(report.pruned == 1);
  CHECK_FALSE(report.held);
  CHECK(archive.names() == Names{"decypharr-20260211T120000Z.json", "decypharr-main-20260201T040000Z.json",
                                 "decypharr-manual.json"});
}

TEST_CASE("a snapshot that lost its root deletes nothing", "[symlinks][EX-18][SYM-66]") {
  const Archive archive;
  archive.grow(100);
  archive.older("decypharr-20260201T040000Z.json", "Decypharr");
  archive.farm.remove("/l");
  CHECK(archive.run().held == "missing_root");
  CHECK(archive.names().size() == 2);
}

TEST_CASE("a mount that stays away for several runs costs no good snapshot", "[symlinks][EX-18][SYM-66]") {
  Archive archive;
  archive.grow(100);
  CHECK_FALSE(archive.run().held);
  const std::string good = archive.names().front();
  archive.farm.remove("/l");
  const bool empty = GENERATE(true, false);
  if (empty) archive.farm.directory("/l");
  for (int week = 0; week < 4; ++week) {
    archive.clock.advance(std::chrono::hours(168));
    const auto report = archive.run();
    CHECK(report.held == (empty ? "shrunk" : "missing_root"));
    // Of those that are not trusted as many are kept as of the others.
    CHECK(archive.names() ==
          Names{good, report.backup.backup_manifest.substr(std::string(snapshots).size())});
  }
  archive.farm.remove("/l");
  archive.grow(99);
  archive.clock.advance(std::chrono::hours(168));
  const auto back = archive.run();
  CHECK_FALSE(back.held);
  CHECK(back.pruned == 1);
  CHECK(archive.farm.restore(back.backup.backup_manifest, false, true).total_entries == 99);
}

TEST_CASE("a shrunken snapshot is kept beside the good one", "[symlinks][EX-18][SYM-66]") {
  Archive archive;
  archive.grow(100);
  archive.older("latest.json", "Decypharr");
  archive.scheduled.path = std::string(snapshots) + "latest.json";
  archive.farm.remove("/l");
  archive.grow(30);
  // A template without a time owns the file its manifest names.
  const auto report = archive.run();
  CHECK(report.held == "shrunk");
  CHECK(report.pruned == 0);
  CHECK(archive.names() == Names{"latest.held-20260211T120000Z.json", "latest.json"});
  CHECK(archive.farm.restore("latest.json", false, true).total_entries == 100);
  archive.farm.remove("/l");
  archive.grow(90);
  CHECK_FALSE(archive.run().held);
  CHECK(archive.farm.restore("latest.json", false, true).total_entries == 90);
}

TEST_CASE("listings show what is there, newest first", "[symlinks][EX-15][SYM-53][SYM-54]") {
  const Archive archive;
  archive.grow(3);
  CHECK(list_manifest_files(archive.farm.environment, "")->files.empty());
  archive.older("decypharr-20260101T040000Z.json", "Decypharr");
  archive.older("decypharr-20260201T040000Z.json", "Decypharr");
  archive.older("other.json", "Other");
  archive.farm.file(std::string(snapshots) + ".hidden.json");
  archive.farm.link(std::string(snapshots) + "link.json", "other.json");
  const timespec old[2] = {{1000, 0}, {1000, 0}};
  REQUIRE(::utimensat(AT_FDCWD,
                      archive.farm.disk(std::string(snapshots) + "decypharr-20260101T040000Z.json").c_str(),
                      old, 0) == 0);
  const auto files = list_manifest_files(archive.farm.environment, " ");
  REQUIRE(files);
  CHECK(files->manifest_path == std::string(snapshots) + "latest.json");
  CHECK(files->count == 3);
  CHECK(files->files.back().name == "decypharr-20260101T040000Z.json");
  CHECK(files->files.back().modified_at == 1000);
  CHECK_FALSE(list_manifest_files(archive.farm.environment, "/etc/passwd"));
  const auto own = list_snapshots(archive.farm.environment, archive.scheduled.path, "Decypharr");
  CHECK(own.pattern == std::string(snapshots) + "decypharr-*.json");
  CHECK(own.count == 2);
  CHECK(own.manifests.back().modified_at == 1000);
  CHECK(list_snapshots(archive.farm.environment, "../../{process_slug}-{date}.json", "Decypharr").count == 0);
  ScheduledSnapshot bad = archive.scheduled;
  bad.path = "../../x.json";
  CHECK_FALSE(take_scheduled_snapshot(archive.farm.environment, bad));
}
