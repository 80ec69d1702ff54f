#include <dumb/symlinks/paths.hpp>
#include <dumb/symlinks/rules.hpp>

#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::symlinks;

namespace {

/// The target after the rules; the same text when nothing changes.
std::string rewritten(const std::vector<RewriteRule>& rules, const std::string& target) {
  std::string result;
  return Rewriter(rules).rewrite(target, result) ? result : target;
}

RepairRequest with_rules(std::vector<RewriteRule> rules) {
  RepairRequest request;
  request.rewrite_rules = std::move(rules);
  return request;
}

}  // namespace

TEST_CASE("a rule matches whole components of the literal target", "[symlinks][SYM-15][SYM-16]") {
  const std::vector<RewriteRule> rules{{"/mnt/old/", "/srv/new/"}};
  CHECK(rewritten(rules, "/mnt/old") == "/srv/new");
  CHECK(rewritten(rules, "/mnt/old/a//b/") == "/srv/new/a//b/");
  for (const std::string same : {"/mnt/older/x", "//mnt/old/x", "/mnt/./old", "mnt/old", "/mnt/ol", ""}) {
    CHECK(rewritten(rules, same) == same);
  }
  CHECK(rewritten({{"../../media", "../../media2"}}, "../../media/f") == "../../media2/f");
  CHECK(rewritten({{"/media", "/x"}}, "../media/f") == "../media/f");
}

TEST_CASE("a new prefix of slashes means the root", "[symlinks][SYM-15]") {
  CHECK(rewritten({{"/x", "//"}}, "/x") == "/");
  CHECK(rewritten({{"/x", "/"}}, "/x/y/z") == "/y/z");
}

TEST_CASE("the first matching rule decides, even when it changes nothing", "[symlinks][SYM-14]") {
  const std::vector<RewriteRule> rules{{"/q", "/q"}, {"/q/k", "/z"}, {"/a", "/b"}, {"/b", "/c"}};
  CHECK(rewritten(rules, "/q/k") == "/q/k");
  CHECK(rewritten(rules, "/a/1") == "/b/1");  // a result is not matched again
}

TEST_CASE("a rule into its own subtree does not nest deeper", "[symlinks][SYM-17]") {
  const std::vector<RewriteRule> rules{{"/a", "/a/b"}};
  CHECK(rewritten(rules, "/a/f") == "/a/b/f");
  CHECK(rewritten(rules, "/a/b/f") == "/a/b/f");
  CHECK(rewritten(rules, "/a/b") == "/a/b");
  CHECK(rewritten(rules, "/a/bc") == "/a/b/bc");
}

TEST_CASE("presets stand before the request's own rules", "[symlinks][SYM-13][SYM-14]") {
  RepairRequest request = with_rules({{" /mnt/debrid/decypharr ", "/d"}});
  request.presets = {" ", " decypharr_beta_consolidated"};
  const auto rules = effective_rules(request);
  REQUIRE(rules);
  REQUIRE(rules->size() == 2);
  CHECK((*rules)[1] == RewriteRule{"/mnt/debrid/decypharr", "/d"});
  CHECK(rewritten(*rules, "/mnt/debrid/decypharr/realdebrid/__all__/x") == "/mnt/debrid/decypharr/__all__/x");
  CHECK(rewritten(*rules, "/mnt/debrid/decypharr/y") == "/d/y");
  CHECK(preset_names() == std::vector<std::string>{"decypharr_beta_consolidated"});
}

TEST_CASE("a rule or preset that cannot be meant is refused by name", "[symlinks][SYM-11]") {
  RepairRequest request;
  request.presets = {"nope"};
  const auto unknown = effective_rules(request);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().is(Errc::invalid_argument));
  CHECK_THAT(unknown.error().message(), ContainsSubstring("\"nope\""));
  CHECK_FALSE(effective_rules(with_rules({{" ", "/x"}})));
  CHECK_FALSE(effective_rules(with_rules({{"/x", "\t"}})));
  CHECK_FALSE(effective_rules(with_rules({{"//", "/x"}})));
  CHECK_FALSE(effective_rules(with_rules(std::vector<RewriteRule>(1025, {"/a", "/b"}))));
  CHECK(effective_rules(with_rules(std::vector<RewriteRule>(1024, {"/a", "/b"}))));
  request.presets = std::vector<std::string>(65, "");
  CHECK_FALSE(effective_rules(request));
}

TEST_CASE("a relative target is recomputed for its new directory", "[symlinks][SYM-25]") {
  const auto moved = retarget("../../media/f", "/t/one/a", "/t/deep/er/two/a");
  REQUIRE(moved);
  CHECK(moved->resolved == "/t/media/f");
  CHECK(moved->recomputed == "../../../../media/f");
  CHECK(retarget("x//y/", "/a", "/b")->recomputed == "../a/x//y/");
  CHECK(retarget("..", "/a/b", "/a/c/d")->recomputed == "../..");
  CHECK(retarget("../..", "/a/b/c", "/a")->recomputed == ".");
  CHECK(retarget("../sub/k", "/r/s", "/r")->recomputed == "sub/k");
  CHECK_FALSE(retarget("/abs", "/a", "/b"));
  CHECK_FALSE(retarget("../x", "/a/b", "/a/c"));  // the same from both places
  CHECK_FALSE(retarget("../../../../x", "/a/b", "/c"));
}

TEST_CASE("roots are tidied, and the system's directories refused", "[symlinks][SYM-5][SYM-8]") {
  CHECK(normal_root(" /mnt//x/./y/ ").value() == "/mnt/x/y");
  for (const char* bad :
       {"",       "  ",      "rel",      "/a/../b", "/",         "//",      "/.",       "/etc",
        "/etc/x", "/proc/1", "/sys",     "/dev",    "/run/user", "/boot",   "/usr/lib", "/bin",
        "/sbin",  "/lib",    "/lib64/x", "/libx32", "/root",     "/config", "/config/a"}) {
    INFO(bad);
    CHECK_FALSE(normal_root(bad));
  }
  CHECK_FALSE(normal_root(std::string("/a\0b", 4)));
  CHECK_FALSE(normal_root("/" + std::string(4095, 'a')));
  CHECK(normal_root("/" + std::string(4094, 'a')));
  for (const char* good : {"/library", "/etcetera", "/config-old", "/home/x", "/mnt"})
    CHECK(normal_root(good));
}

TEST_CASE("manifest paths stay inside their directories", "[symlinks][SYM-7][SYM-53][SYM-54]") {
  ManifestPlaces places;
  places.service_directories = {"/data/snaps"};
  const auto path = [&](std::string_view text, ManifestUse use = ManifestUse::read) {
    const auto place = manifest_place(text, places, use);
    return place ? place->path() : std::string("refused");
  };
  CHECK(path(" ", ManifestUse::list) == "/config/symlink-repair/snapshots/latest.json");
  CHECK(path("") == "refused");
  CHECK(path("radarr/latest.json") == "/config/symlink-repair/snapshots/radarr/latest.json");
  CHECK(path("/config/symlink-repair/snapshots/radarr/latest.json") ==
        "/config/symlink-repair/snapshots/radarr/latest.json");
  CHECK(path("/config//symlink-repair/manifest.json") == "/config/symlink-repair/manifest.json");
  for (const char* bad :
       {"../secrets.json", "/etc/passwd", "/config/symlink-repair/../dumb_config.json",
        "/config/symlink-repair/snapshots-old/../../x.json", "/config/symlink-repair-old/x.json",
        "/config/dumb_config.json", "/config/symlink-repair/.state/jobs/x.json", "/config/symlink-repair",
        "/data/snaps/sub/x.json", "/data/snaps"}) {
    INFO(bad);
    CHECK(path(bad) == "refused");
  }
  CHECK(path("/data/snaps/x.json") == "/data/snaps/x.json");
  CHECK(path("/config/symlink-repair/run.sh", ManifestUse::write) == "refused");
  CHECK(path("a.JSON", ManifestUse::write) == "/config/symlink-repair/snapshots/a.JSON");
  CHECK(path("/config/symlink-repair/run.sh", ManifestUse::read) == "/config/symlink-repair/run.sh");
}

TEST_CASE("paths are compared by whole components", "[symlinks][SYM-7][SYM-80]") {
  CHECK(is_within("/a/b", "/a"));
  CHECK(is_within("/a", "/a"));
  CHECK_FALSE(is_within("/ab", "/a"));
  CHECK(is_within("/x", "/"));
  CHECK(below("/a/b/c", "/a") == "b/c");
  CHECK(below("/a", "/a").empty());
  CHECK(below("/x", "/") == "x");
  CHECK(parent_path("/a") == "/");
  CHECK(parent_path("/a/b") == "/a");
  CHECK(lexical_path("/a/./b/../../..//c") == "/c");
  CHECK(is_temporary_name(temporary_name("0a", 7)));
  CHECK(temporary_name("0a", 7) == ".dumbsym-0a-7");
}
