#include <boost/json.hpp>

#include "posix/symlinks_fixture.hpp"

using namespace dumb;
using namespace dumb::symlinks;
using dumb::test::Farm;

TEST_CASE("a dry run reports prefix matches and changes nothing",
          "[symlinks][EX-1][SYM-4][SYM-15][SYM-27][SYM-28]") {
  const Farm farm;
  farm.link("/l/Movies/Arrival.mkv", "/mnt/old/Arrival.mkv");
  farm.link("/l/Movies/Heat.mkv", "/mnt/older/Heat.mkv");
  farm.link("/l/all", "/mnt/old");
  farm.file("/l/notes.txt");
  const auto before = farm.tree("");
  RepairRequest request = farm.request({"/l/"}, {{"/mnt/old/", "/srv/new/"}});
  request.dry_run.reset();  // JSON null
  const auto answer = to_json(farm.repair(request));
  CHECK(farm.tree("") == before);
  auto wanted = jsonx::parse(R"({"dry_run":true,"roots":["/l"],"missing_roots":[],"root_migrations":[],
 "missing_migration_roots":[],"scanned_symlinks":3,"rules":[{"from_prefix":"/mnt/old/","to_prefix":"/srv/new/"}],
 "changed":2,"moved":0,"copied":0,"skipped_unchanged":1,"skipped_nonexistent_target":0,
 "skipped_existing_destination":0,"errors":[],"changes":[
  {"link_path":"/l/Movies/Arrival.mkv","old_target":"/mnt/old/Arrival.mkv","new_target":"/srv/new/Arrival.mkv",
   "matched_rule":{"from_prefix":"/mnt/old/","to_prefix":"/srv/new/"}},
  {"link_path":"/l/all","old_target":"/mnt/old","new_target":"/srv/new",
   "matched_rule":{"from_prefix":"/mnt/old/","to_prefix":"/srv/new/"}}],"moves":[],"backup_manifest":null})");
  REQUIRE(wanted);
  for (const auto& member : wanted->as_object()) {
    INFO(std::string(member.key()));
    CHECK(jsonx::same(answer.at(member.key()), member.value()));
  }
}

TEST_CASE("a repair is applied once, undone and done again",
          "[symlinks][EX-2][SYM-29][SYM-33][SYM-36][SYM-69][SYM-72][SYM-73]") {
  const Farm farm;
  farm.link("/l/Movies/Arrival.mkv", "/mnt/old/Arrival.mkv");
  farm.link("/l/Movies/Heat.mkv", "/mnt/older/Heat.mkv");
  farm.link("/l/all", "/mnt/old");
  const timespec old[2] = {{1000, 5}, {1700000000, 123456789}};
  REQUIRE(::utimensat(AT_FDCWD, farm.disk("/l/all").c_str(), old, AT_SYMLINK_NOFOLLOW) == 0);
  if (::geteuid() == 0) REQUIRE(::lchown(farm.disk("/l/all").c_str(), 1234, 4321) == 0);
  const auto before = farm.tree("/l");
  RepairRequest request = farm.request({"/l"}, {{"/mnt/old", "/srv/new"}});
  request.backup_path = "/config/symlink-repair/m.json";
  const auto report = farm.repair(request);
  CHECK(report.changed == 2);
  CHECK(report.changes.size() == 2);
  CHECK(report.backup_manifest == "/config/symlink-repair/m.json");
  CHECK_FALSE(report.auto_manifest);
  CHECK(farm.target("/l/Movies/Arrival.mkv") == "/srv/new/Arrival.mkv");
  CHECK(farm.target("/l/all") == "/srv/new");
  CHECK(farm.target("/l/Movies/Heat.mkv") == "/mnt/older/Heat.mkv");
  const auto after = farm.tree("/l");
  CHECK(after.size() == before.size());  // no temporary name is left
  for (const auto& [path, what] : before) {
    const auto tail = [](const std::string& text) {
      return text.substr(text.rfind(' ', text.rfind(' ') - 1));
    };
    if (what != "directory") CHECK(tail(after.at(path)) == tail(what));  // owner and time
  }

  const auto manifest = farm.tree("/config").at("/config/symlink-repair/m.json");
  const auto again = farm.repair(request);
  CHECK(again.changed == 0);
  CHECK(again.skipped_unchanged == 3);
  CHECK_FALSE(again.backup_manifest);
  CHECK(farm.tree("/config").at("/config/symlink-repair/m.json") == manifest);

  const auto undone = farm.restore("/config/symlink-repair/m.json");
  CHECK(undone.manifest_type == ManifestType::symlink_repair);
  CHECK(undone.total_entries == 2);
  CHECK(undone.restored == 2);
  CHECK(farm.tree("/l") == before);
  REQUIRE(undone.undo_manifest);
  CHECK(farm.restore(*undone.undo_manifest).restored == 2);
  CHECK(farm.tree("/l") == after);
}

TEST_CASE("an older manifest of the same name is kept once", "[symlinks][SYM-29]") {
  const Farm farm;
  farm.link("/l/a", "/1");
  RepairRequest request = farm.request({"/l"}, {{"/1", "/2"}});
  request.backup_path = "m.json";
  farm.repair(request);
  request.rewrite_rules = std::vector<RewriteRule>{{"/2", "/3"}};
  farm.repair(request);
  const auto kept = test::read_text(farm.disk("/config/symlink-repair/snapshots/m.prev.json"));
  CHECK_THAT(kept, ContainsSubstring("\"new_target\":\"/2\""));
  CHECK_THAT(test::read_text(farm.disk("/config/symlink-repair/snapshots/m.json")),
             ContainsSubstring("\"new_target\":\"/3\""));
}

TEST_CASE("the first rule wins and presets stand first", "[symlinks][EX-3][SYM-13][SYM-14]") {
  const Farm farm;
  farm.link("/l/a", "/mnt/debrid/decypharr/realdebrid/__all__/x");
  farm.link("/l/b", "/mnt/debrid/decypharr/y");
  farm.link("/l/c", "/q/k");
  RepairRequest request =
      farm.request({"/l"}, {{"/mnt/debrid/decypharr", "/d"}, {"/q", "/q"}, {"/q/k", "/z"}});
  request.presets = {"decypharr_beta_consolidated"};
  const auto report = farm.repair(request);
  CHECK(report.scanned_symlinks == 3);
  CHECK(report.changed == 2);
  CHECK(report.skipped_unchanged == 1);
  REQUIRE(report.rules.size() == 4);
  CHECK(report.rules[0].to_prefix == "/mnt/debrid/decypharr/__all__");
  CHECK(farm.target("/l/a") == "/mnt/debrid/decypharr/__all__/x");
  CHECK(farm.target("/l/b") == "/d/y");
  CHECK(farm.target("/l/c") == "/q/k");
}

TEST_CASE("links with a missing target are left out when asked to", "[symlinks][EX-4][SYM-18][SYM-19]") {
  const Farm farm;
  farm.file("/media/f");
  farm.link("/l/sub/ok", "../../media/f");
  farm.link("/l/sub/bad", "../../media/gone");
  farm.link("/l/sub/abs", farm.disk("/media/f"));
  RepairRequest request = farm.request(
      {"/l"}, {{"../../media", "../../media2"}, {farm.disk("/media"), farm.disk("/media2")}}, true);
  request.include_broken = false;
  const auto dry = farm.repair(request);
  request.dry_run = false;
  const auto report = farm.repair(request);
  CHECK(report.changed == 2);
  CHECK(report.skipped_nonexistent_target == 1);
  CHECK(dry.changed == 2);
  CHECK(dry.skipped_nonexistent_target == 1);
  CHECK(farm.target("/l/sub/ok") == "../../media2/f");
  CHECK(farm.target("/l/sub/abs") == farm.disk("/media2/f"));
  CHECK(farm.target("/l/sub/bad") == "../../media/gone");
}

TEST_CASE("nested roots, linked directories and loops count once",
          "[symlinks][EX-7][SYM-17][SYM-80][SYM-82]") {
  const Farm farm;
  farm.link("/r/s/f", "/a/f");
  farm.link("/r/loop", ".");
  farm.link("/out/g", "/a/g");
  farm.link("/r/dir", farm.disk("/out"));
  const auto report = farm.repair(farm.request({"/r", "/r/s"}, {{"/a", "/a/b"}}));
  CHECK(report.scanned_symlinks == 3);
  CHECK(report.changed == 1);
  CHECK(report.skipped_unchanged == 2);
  CHECK(farm.target("/r/s/f") == "/a/b/f");
  CHECK(farm.target("/out/g") == "/a/g");
  CHECK(farm.repair(farm.request({"/r", "/r/s"}, {{"/a", "/a/b"}})).changed == 0);
}

TEST_CASE("dangerous requests are refused or reported",
          "[symlinks][EX-8][SYM-8][SYM-11][SYM-15][SYM-18][SYM-23]") {
  const Farm farm;
  farm.link("/r/l", "/x");
  farm.link("/also", farm.disk("/r"));
  const auto refuses = [&](const RepairRequest& request) {
    const auto report = repair(farm.environment, request);
    return !report && report.error().is(Errc::invalid_argument) && farm.target("/r/l") == "/x";
  };
  RepairRequest onto_itself = farm.migration("/r", "/r/");
  onto_itself.overwrite_existing = true;
  CHECK(refuses(onto_itself));
  onto_itself.root_migrations = std::vector<RootMigration>{{"/r", "/also"}};
  CHECK(refuses(onto_itself));
  CHECK(refuses(farm.request({"/r"}, {{"/", "/y"}})));
  RepairRequest unknown = farm.request({"/r"}, {});
  CHECK(refuses(unknown));  // nothing to do
  unknown.presets = {"nope"};
  CHECK(refuses(unknown));
  for (const std::string root : {"/etc", "rel", "/t/../etc", ""})
    CHECK(refuses(farm.request({root}, {{"/x", "/y"}})));
  RepairRequest chain;
  chain.root_migrations = std::vector<RootMigration>{{"/r", "/b"}, {"/b", "/c"}};
  chain.dry_run = false;
  CHECK(refuses(chain));
  RepairRequest script = farm.request({"/r"}, {{"/x", "/y"}});
  script.backup_path = "/config/symlink-repair/run.sh";
  CHECK(refuses(script));
  RepairRequest limit = farm.request({"/r"}, {{"/x", "/y"}});
  limit.changes_limit = 10001;
  CHECK(refuses(limit));

  const auto itself = farm.repair(farm.request({"/r"}, {{"/x", "/r/l"}}));
  CHECK(itself.errors_total == 1);
  CHECK(itself.errors.at(0).link_path == "/r/l");
  CHECK(farm.target("/r/l") == "/x");
  CHECK(farm.repair(farm.request({"/r"}, {{"/x", "/"}})).changed == 1);
  CHECK(farm.target("/r/l") == "/");
}

TEST_CASE("a root that leads to a denied place is refused", "[symlinks][SYM-8]") {
  const Farm farm;
  farm.directory("/config/inner");
  farm.link("/way", farm.disk("/config/inner"));
  const auto report = repair(farm.environment, farm.request({"/way"}, {{"/x", "/y"}}, true));
  REQUIRE_FALSE(report);
  CHECK(report.error().is(Errc::invalid_argument));
}

TEST_CASE("missing roots and roots that are no directory are told", "[symlinks][SYM-12][SYM-28][SYM-84]") {
  const Farm farm;
  farm.file("/file");
  farm.link("/dangling", "/nowhere");
  const auto report = farm.repair(farm.request({"/gone", "/file", "/dangling"}, {{"/x", "/y"}}, true));
  CHECK(report.missing_roots == std::vector<std::string>{"/gone", "/dangling"});
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors[0].link_path == "/file");
  CHECK(report.errors[0].code == "ENOTDIR");
  const auto defaults = farm.repair(farm.request({}, {{"/x", "/y"}}, true));
  CHECK(defaults.roots.size() == 4);
  CHECK(farm.repair(farm.migration("/gone", "/b", true)).roots.empty());
}

TEST_CASE("what changed between plan and apply is left alone", "[symlinks][EX-13][SYM-71][SYM-73][SYM-86]") {
  Farm farm;
  for (const char* name : {"1", "2", "3", "4"}) farm.link(std::string("/l/") + name, "/x");
  farm.environment.before_apply = [&] {
    farm.retarget("/l/1", "/user");
    farm.remove("/l/2");
    farm.file("/l/2", "media");
    farm.remove("/l/3");
  };
  const auto report = farm.repair(farm.request({"/l"}, {{"/x", "/y"}}));
  CHECK(report.changed == 1);
  CHECK(report.skipped_changed_during_run == 3);
  CHECK(farm.target("/l/1") == "/user");
  CHECK(test::read_text(farm.disk("/l/2")) == "media");
  CHECK(farm.target("/l/3") == "(none)");
  CHECK(farm.target("/l/4") == "/y");
  CHECK(farm.tree("/l").size() == 3);
}

TEST_CASE("lists are capped, counters are not", "[symlinks][SYM-28]") {
  const Farm farm;
  for (int i = 0; i < 30; ++i) farm.link("/l/" + std::to_string(i), "/x/" + std::to_string(i));
  RepairRequest request = farm.request({"/l"}, {{"/x", "/y"}}, true);
  request.changes_limit = 7;
  const auto dry = farm.repair(request);
  CHECK(dry.changed == 30);
  CHECK(dry.changes_total == 30);
  CHECK(dry.changes.size() == 7);
  CHECK(dry.truncated);
  request.dry_run = false;
  request.changes_limit = 0;
  const auto real = farm.repair(request);
  CHECK(real.changed == 30);
  CHECK(real.changes.empty());
}

TEST_CASE("new targets are counted when they are missing", "[symlinks][SYM-28]") {
  const Farm farm;
  farm.file("/new/a");
  farm.link("/l/a", farm.disk("/old/a"));
  farm.link("/l/b", farm.disk("/old/b"));
  RepairRequest request = farm.request({"/l"}, {{farm.disk("/old"), farm.disk("/new")}}, true);
  request.verify_new_targets = true;
  CHECK(farm.repair(request).new_targets_missing == 1);
}

TEST_CASE("a target below a mount that is not there is unknown", "[symlinks][SYM-19]") {
  Farm farm;
  farm.directory("/mnt/remote");
  farm.link("/l/direct", farm.disk("/mnt/remote/x"));
  farm.link("/l/chained", farm.disk("/way/x"));
  farm.link("/way", farm.disk("/mnt/remote"));
  farm.link("/l/gone", farm.disk("/elsewhere/x"));
  farm.environment.mount_points = {"/mnt/remote"};
  RepairRequest request = farm.request({"/l"}, {{farm.disk(""), "/new"}}, true);
  request.include_broken = false;
  const auto report = farm.repair(request);
  CHECK(report.targets_unknown == 2);
  CHECK(report.changed == 2);
  CHECK(report.skipped_nonexistent_target == 1);
}
