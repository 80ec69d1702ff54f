#include "posix/symlinks_fixture.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;

TEST_CASE("a migration moves links and leaves what exists", "[symlinks][EX-5][SYM-20][SYM-22][SYM-75]") {
  const Farm farm;
  for (const char* name : {"1", "2", "3"}) farm.link(std::string("/a/m/") + name, std::string("/x/") + name);
  farm.link("/b/m/2", "/other");
  farm.directory("/b/m/3");
  RepairRequest request = farm.migration("/a", "/b", true);
  const auto dry = farm.repair(request);
  CHECK(dry.moved == 1);
  CHECK(dry.skipped_existing_destination == 2);
  request.dry_run = false;
  const auto report = farm.repair(request);
  CHECK(report.scanned_symlinks == 3);
  CHECK(report.moved == 1);
  CHECK(report.skipped_existing_destination == 2);
  REQUIRE(report.moves.size() == 1);
  const LinkMove& move = report.moves[0];
  CHECK(move.from_root == "/a");
  CHECK(move.to_root == "/b");
  CHECK(move.source_path == "/a/m/1");
  CHECK(move.target_path == "/b/m/1");
  CHECK_FALSE(move.copy);
  CHECK(farm.target("/b/m/1") == "/x/1");
  CHECK(farm.target("/a/m/1") == "(none)");
  CHECK(farm.target("/b/m/2") == "/other");

  const auto before = farm.tree("");
  request.overwrite_existing = true;
  const auto second = farm.repair(request);
  CHECK(second.moved == 1);
  CHECK(second.errors_total == 1);
  CHECK(second.errors.at(0).source_path == "/a/m/3");
  CHECK(farm.target("/b/m/2") == "/x/2");
  CHECK(farm.target("/a/m/2") == "(none)");
  CHECK(farm.target("/a/m/3") == "/x/3");
  CHECK(farm.restore(*second.auto_manifest).restored == 1);
  CHECK(farm.tree("/a") == [&] {
    auto wanted = before;
    std::erase_if(wanted, [](const auto& item) { return !item.first.starts_with("/a/"); });
    return wanted;
  }());
  CHECK(farm.target("/b/m/2") == "/other");
}

TEST_CASE("a copied relative link leads to the same file", "[symlinks][EX-6][SYM-22][SYM-25][SYM-35]") {
  const Farm farm;
  farm.file("/media/f");
  farm.link("/one/a/l", "../../media/f");
  farm.link("/one/a/same", "l");
  const auto before = farm.tree("/one");
  RepairRequest request = farm.migration("/one", "/deep/er/two");
  request.copy_instead_of_move = true;
  const auto report = farm.repair(request);
  CHECK(report.copied == 2);
  CHECK(report.moved == 0);
  CHECK(farm.tree("/one") == before);
  CHECK(farm.target("/deep/er/two/a/l") == "../../../../media/f");
  CHECK(test::read_text(farm.disk("/deep/er/two/a/l")) == "media");
  CHECK(farm.target("/deep/er/two/a/same") == "l");
  CHECK(farm.restore(*report.auto_manifest).restored == 2);
  CHECK(farm.tree("/deep").empty());
  CHECK_FALSE(std::filesystem::exists(farm.disk("/deep")));
}

TEST_CASE("a relative link to a file that stays behind is recomputed", "[symlinks][SYM-25][SYM-26]") {
  const Farm farm;
  farm.file("/a/d/film.mkv");
  farm.link("/a/d/l", "film.mkv");
  farm.link("/a/d/up", "../d/l");
  const auto report = farm.repair(farm.migration("/a", "/b"));
  CHECK(report.moved == 2);
  CHECK(farm.target("/b/d/l") == "../../a/d/film.mkv");
  CHECK(test::read_text(farm.disk("/b/d/l")) == "media");
  CHECK(farm.target("/b/d/up") == "../d/l");
  CHECK(farm.target("/a/d/l") == "(none)");
  const auto undone = farm.restore(*report.auto_manifest);
  CHECK(undone.restored == 2);
  CHECK(farm.target("/a/d/l") == "film.mkv");
  CHECK_FALSE(std::filesystem::exists(farm.disk("/b")));
}

TEST_CASE("a destination inside the source, and the reverse", "[symlinks][EX-9][SYM-24]") {
  const Farm farm;
  farm.link("/r/l", "/q");
  farm.link("/r/sub/m", "/q2");
  const auto report = farm.repair(farm.migration("/r", "/r/sub"));
  CHECK(report.scanned_symlinks == 1);
  CHECK(report.moved == 1);
  CHECK(farm.target("/r/sub/l") == "/q");
  CHECK(farm.target("/r/sub/m") == "/q2");
  CHECK(farm.repair(farm.migration("/r", "/r/sub")).moved == 0);

  farm.link("/p/c/x", "/1");
  farm.link("/p/c/c/x", "/2");
  const auto before = farm.tree("/p");
  CHECK(farm.repair(farm.migration("/p/c", "/p", true)).moved == 2);
  const auto reverse = farm.repair(farm.migration("/p/c", "/p"));
  CHECK(reverse.moved == 2);
  CHECK(farm.target("/p/x") == "/1");
  CHECK(farm.target("/p/c/x") == "/2");
  CHECK(farm.target("/p/c/c/x") == "(none)");
  CHECK(farm.restore(*reverse.auto_manifest, false, true).restored == 2);
  CHECK(farm.restore(*reverse.auto_manifest).restored == 2);
  CHECK(farm.tree("/p") == before);
}

TEST_CASE("rewriting and migrating in one request", "[symlinks][EX-16][SYM-21][SYM-68]") {
  const Farm farm;
  farm.link("/a/l", "/old/1");
  farm.link("/c/k", "/old/2");
  const auto before = farm.tree("");
  RepairRequest request = farm.request({"/a", "/c"}, {{"/old", "/new"}}, true);
  request.root_migrations = std::vector<RootMigration>{{"/a", "/b"}};
  request.backup_path = "both.json";
  const auto dry = farm.repair(request);
  CHECK(farm.tree("") == before);
  request.dry_run = false;
  const auto report = farm.repair(request);
  for (const auto* one : {&dry, &report}) {
    CHECK(one->scanned_symlinks == 2);
    CHECK(one->changed == 2);
    CHECK(one->moved == 1);
  }
  CHECK(farm.target("/b/l") == "/new/1");
  CHECK(farm.target("/c/k") == "/new/2");
  CHECK(farm.tree("/a").empty());
  const std::string text = test::read_text(farm.disk("/config/symlink-repair/snapshots/both.json"));
  CHECK_THAT(
      text, ContainsSubstring("\"source_path\":\"/a/l\",\"target_path\":\"/b/l\",\"old_target\":\"/new/1\""));
  const auto undone = farm.restore("both.json");
  CHECK(undone.total_entries == 3);
  CHECK(undone.restored == 3);
  CHECK_FALSE(std::filesystem::exists(farm.disk("/b")));
  CHECK(farm.target("/a/l") == "/old/1");
  CHECK(farm.target("/c/k") == "/old/2");
}

TEST_CASE("two sources for one destination: the dry run sees the conflict", "[symlinks][SYM-22][SYM-27]") {
  const Farm farm;
  farm.link("/a/x", "/1");
  farm.link("/b/x", "/2");
  farm.link("/b/d/y", "/3");
  farm.link("/a/d", "/4");  // a link where the second migration needs a directory
  RepairRequest request;
  request.root_migrations = std::vector<RootMigration>{{"/a", "/c"}, {"/b", "/c"}};
  for (const bool overwrite : {false, true}) {
    const Farm copy;
    for (const auto& [path, target] : std::map<std::string, std::string>{
             {"/a/x", "/1"}, {"/b/x", "/2"}, {"/b/d/y", "/3"}, {"/a/d", "/4"}}) {
      copy.link(path, target);
    }
    request.overwrite_existing = overwrite;
    request.dry_run = true;
    const auto dry = copy.repair(request);
    request.dry_run = false;
    const auto real = copy.repair(request);
    CHECK(dry.moved == real.moved);
    CHECK(real.moved == (overwrite ? 3 : 2));
    CHECK(dry.skipped_existing_destination == real.skipped_existing_destination);
    CHECK(dry.errors_total == real.errors_total);
    CHECK(real.errors_total == 1);
    CHECK(copy.target("/c/x") == (overwrite ? "/2" : "/1"));
    CHECK(copy.target("/b/d/y") == "/3");
    CHECK(copy.restore(*real.auto_manifest).restored == real.moved);
    CHECK(copy.target("/a/x") == "/1");
    CHECK(copy.target("/b/x") == "/2");
    CHECK(copy.target("/c/x") == "(none)");
  }
}

TEST_CASE("missing parents take mode and owner of their source", "[symlinks][SYM-22]") {
  const Farm farm;
  farm.link("/a/in/l", "/x");
  REQUIRE(::chmod(farm.disk("/a/in").c_str(), 02750) == 0);
  REQUIRE(::chmod(farm.disk("/a").c_str(), 0711) == 0);
  CHECK(farm.repair(farm.migration("/a", "/new/b")).moved == 1);
  struct stat info {};
  REQUIRE(::stat(farm.disk("/new/b/in").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 02750);
  REQUIRE(::stat(farm.disk("/new/b").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0711);
}

TEST_CASE("a destination's parent that is a link is an error", "[symlinks][SYM-22]") {
  const Farm farm;
  farm.link("/a/d/l", "/x");
  farm.directory("/out");
  farm.link("/b/d", farm.disk("/out"));
  for (const bool dry : {true, false}) {
    const auto report = farm.repair(farm.migration("/a", "/b", dry));
    CHECK(report.errors_total == 1);
    CHECK(report.moved == 0);
  }
  CHECK(farm.target("/a/d/l") == "/x");
  CHECK(farm.tree("/out").empty());
}

TEST_CASE("hard-linked source and destination become one", "[symlinks][SYM-26]") {
  const Farm farm;
  farm.link("/a/l", "/x");
  farm.directory("/b");
  REQUIRE(::linkat(AT_FDCWD, farm.disk("/a/l").c_str(), AT_FDCWD, farm.disk("/b/l").c_str(), 0) == 0);
  RepairRequest request = farm.migration("/a", "/b");
  CHECK(farm.repair(request).skipped_existing_destination == 1);
  request.overwrite_existing = true;
  CHECK(farm.repair(request).moved == 1);
  CHECK(farm.target("/a/l") == "(none)");
  CHECK(farm.target("/b/l") == "/x");
}

TEST_CASE("a destination that the same run rewrites is known by its new target",
          "[symlinks][SYM-21][SYM-27]") {
  const Farm farm;
  farm.link("/l/a", "/old/1");
  farm.link("/l/in/a", "/x");
  RepairRequest request = farm.request({"/l"}, {{"/old", "/new"}}, true);
  request.root_migrations = std::vector<RootMigration>{{"/l/in", "/l"}};
  request.overwrite_existing = true;
  const auto before = farm.tree("/l");
  const auto dry = farm.repair(request);
  REQUIRE(dry.moves.size() == 1);
  CHECK(dry.moves[0].replaced_target == "/new/1");
  request.dry_run = false;
  const auto real = farm.repair(request);
  CHECK(real.moved == 1);
  CHECK(real.changed == 1);
  CHECK(farm.target("/l/a") == "/x");
  CHECK(farm.restore(*real.auto_manifest).restored == 2);
  CHECK(farm.tree("/l") == before);
}
