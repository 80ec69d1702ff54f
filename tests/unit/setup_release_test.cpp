#include <boost/json.hpp>

#include "setup/install_plan.hpp"
#include "setup/release.hpp"
#include "support/setup_fixture.hpp"

using namespace dumb;
using namespace dumb::setup;
using namespace std::chrono_literals;

namespace {

Release release(std::string tag, std::string published, bool prerelease = false, bool draft = false) {
  Release out;
  out.tag = std::move(tag);
  out.published_at = std::move(published);
  out.prerelease = prerelease;
  out.draft = draft;
  return out;
}

json::object block(std::string_view text) {
  return json::parse(text).as_object();
}

template <class T>
bool fails(const Result<T>& result, Failure code) {
  return !result && result.error().code() == make_error_code(code);
}

}  // namespace

TEST_CASE("the first matching row says which version is wanted", "[setup][SVC-36]") {
  TargetFacts facts;
  facts.pinned_allowed = facts.branch_allowed = facts.installed = true;
  const auto pinned =
      block(R"({"pinned_version": "v2", "release_version_enabled": true, "release_version": "v1"})");
  CHECK(wanted(pinned, facts) == Target{Selector::exact, "v2"});
  TargetFacts arr = facts;
  arr.arr = true;
  CHECK(wanted(pinned, arr).value == "v1");
  CHECK(wanted(pinned, arr).from_release);
  facts.pinned_allowed = false;
  CHECK(wanted(pinned, facts).value == "v1");
  const auto named = [&](const char* version) {
    return wanted(block(R"({"release_version_enabled": true, "release_version": ")" + std::string(version) +
                        "\"}"),
                  facts)
        .selector;
  };
  CHECK(named("latest") == Selector::latest);
  CHECK(named("nightly-2026") == Selector::nightly);
  CHECK(named("prerelease") == Selector::prerelease);
  CHECK(named("v0.9.3-final") == Selector::exact);
  const Target blank = wanted(block(R"({"release_version_enabled": true, "release_version": " "})"), facts);
  CHECK(blank.selector == Selector::keep);
  CHECK_THAT(blank.warning, ContainsSubstring("release_version"));
  const auto branch = block(R"({"branch_enabled": true, "branch": "beta"})");
  CHECK(wanted(branch, facts) == Target{Selector::branch, "beta"});
  TargetFacts none = facts;
  none.branch_allowed = false;
  CHECK(wanted(branch, none).selector == Selector::keep);
  CHECK_FALSE(wanted(branch, none).warning.empty());
  CHECK(wanted({}, facts).selector == Selector::keep);
  facts.installed = false;
  CHECK(wanted({}, facts).selector == Selector::latest);
  facts.default_version = "v3.6.6";
  CHECK(wanted({}, facts) == Target{Selector::exact, "v3.6.6"});
  facts.branch_only = "main";
  CHECK(wanted({}, facts) == Target{Selector::branch, "main"});
  CHECK(wanted(block(R"({"release_version_enabled": true, "release_version": "v9"})"), facts).value ==
        "main");
}

TEST_CASE("what a run asks for stands above the configuration, which is not touched", "[setup][SVC-99]") {
  TargetFacts facts;
  facts.installed = true;
  facts.asked = "prerelease";
  const json::object own =
      block(R"({"pinned_version": "v2", "release_version_enabled": true, "release_version": "nightly"})");
  CHECK(wanted(own, facts).selector == Selector::prerelease);
  CHECK(update_selector(own, "") == "nightly");
  CHECK(update_selector(own, "prerelease") == "prerelease");
  CHECK(update_selector(own, "v7") == "nightly");
  CHECK(update_selector({}, "") == "latest");
}

TEST_CASE("a reason keeps updates from being installed, in this order", "[setup][SVC-88]") {
  CHECK(block_reason(block(R"({"pinned_version": "1", "branch_enabled": true})")) == "pinned_version");
  CHECK(block_reason(
            block(R"({"branch_enabled": true, "release_version_enabled": true, "release_version": "v1"})")) ==
        "branch");
  CHECK(block_reason(block(R"({"release_version_enabled": true, "release_version": "v1"})")) == "release");
  CHECK(block_reason(block(R"({"release_version_enabled": true, "release_version": "Nightly"})")).empty());
  CHECK(block_reason(block(R"({"pinned_version": " "})")).empty());
}

TEST_CASE("the newest release is the one published last", "[setup][SVC-37]") {
  std::vector<Release> list{release("v0.9", "2026-01-05"),
                            release("v0.10", "2026-01-05"),
                            release("v0.8", "2026-01-01"),
                            release("v0.11-rc", "2026-02-01", true),
                            release("v0.12-rc", "2026-03-01", true, true),
                            release("v1.0-nightly", "2025-01-01")};
  CHECK(choose(list, Selector::latest)->tag == "v0.10");
  CHECK(choose(list, Selector::prerelease)->tag == "v0.11-rc");
  CHECK(choose(list, Selector::nightly)->tag == "v1.0-nightly");
  list.resize(3);
  CHECK(choose(list, Selector::nightly) == nullptr);
}

TEST_CASE("an exact tag is tried with and without v", "[setup][SVC-38]") {
  CHECK(tag_spellings("v1.2") == std::vector<std::string>{"v1.2", "1.2"});
  CHECK(tag_spellings("1.2") == std::vector<std::string>{"1.2", "v1.2"});
}

TEST_CASE("versions are ordered by numbers, then by suffix", "[setup][SVC-41]") {
  CHECK(compare_versions("v0.9", "0.10") == -1);
  CHECK(compare_versions("1.2", "v1.2.0") == 0);
  CHECK(compare_versions("1.2.0", "1.2.0-rc.1") == 1);
  CHECK(compare_versions("1.2-rc.2", "1.2-rc.10") == -1);
  CHECK(compare_versions("1.2-rc.2", "1.2-rc.beta") == -1);
  CHECK(compare_versions("1.2-rc", "1.2-rc.1") == -1);
  CHECK_FALSE(compare_versions("nightly", "1.2"));
  CHECK(compare_versions("nightly", "nightly") == 0);
  CHECK(compare_versions("4.0.1-a", "4.0.1-b", VersionKind::arr) == 0);
  CHECK(compare_versions("1.2.3.4", "1.2.3.9", VersionKind::nightly) == 0);
}

TEST_CASE("a moving selector installs only what is newer, an exact one whatever differs",
          "[setup][SVC-40][SVC-42]") {
  CHECK(must_install(Selector::latest, "v1.0", "v1.1"));
  CHECK_FALSE(must_install(Selector::latest, "v1.1", "v1.0"));
  CHECK(must_install(Selector::latest, "abc", "def"));
  CHECK(must_install(Selector::exact, "v1.1", "v1.0"));
  CHECK_FALSE(must_install(Selector::exact, "1.1", "v1.1"));
  CHECK(must_install(Selector::branch, "main@111111111111", "main@222222222222"));
  CHECK_FALSE(must_install(Selector::branch, "main@111111111111", "main@111111111111"));
  CHECK(must_install(Selector::latest, "", "v1"));
  CHECK_FALSE(must_install(Selector::keep, "v1", "v2"));
}

TEST_CASE("the one asset for this machine is taken, or the names are told", "[setup][SVC-45]") {
  Release found = release("v1.2", "2026-01-01");
  for (const char* name :
       {"app-v1x2-linux-amd64.zip", "app-v1.2-linux-arm64.zip", "app-v1.2-linux-amd64.zip"})
    found.assets.push_back({1, name, 5, "uploaded", ""});
  const auto amd64 = choose_asset(found, "^app-v{version}-linux-amd64\\.zip$");
  REQUIRE(amd64);
  CHECK(amd64->name == "app-v1.2-linux-amd64.zip");
  found.assets.push_back({2, "app-linux.tgz", 5, "uploaded", ""});
  found.assets.push_back({3, "App-linux.tgz", 5, "uploaded", ""});
  CHECK(choose_asset(found, "(?i)linux")->name == "App-linux.tgz");
  const auto none = choose_asset(found, "windows");
  REQUIRE(fails(none, Failure::no_matching_asset));
  CHECK_THAT(none.error().message(), ContainsSubstring("app-v1.2-linux-arm64.zip"));
  found.assets.resize(1);
  found.assets[0].state = "starter";
  CHECK(fails(choose_asset(found, "linux"), Failure::no_matching_asset));
}

TEST_CASE("checksums are found by pattern or by name, and read by line", "[setup][SVC-60]") {
  Release found = release("v1", "2026-01-01");
  found.assets = {{1, "a.zip", 1, "uploaded", ""},
                  {2, "a.zip.sha256", 1, "uploaded", ""},
                  {3, "x_checksums.txt", 1, "uploaded", ""}};
  CHECK(choose_checksums(found, found.assets[0], "")->id == 2);
  CHECK(choose_checksums(found, found.assets[0], "^(.*_)?checksums\\.txt$")->id == 3);
  const std::string one(64, 'a');
  const std::string two(64, 'B');
  CHECK(checksum_of(one + "  a.zip\n" + two + " *./b.zip\n", "b.zip") == std::string(64, 'b'));
  CHECK(checksum_of(one + "\n", "any") == one);
  CHECK(checksum_of("nothing  a.zip", "a.zip").empty());
}

TEST_CASE("a release lacks no member that is needed", "[setup][SVC-224]") {
  const auto parse = [](std::string_view text) { return parse_release(json::parse(text)); };
  const auto good = parse(
      R"({"tag_name": "v1", "extra": [], "assets": [{"id": 7, "name": "a", "size": 3, "state": "uploaded",
    "digest": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}, {"id": 8, "name": "b", "digest": null}]})");
  REQUIRE(good);
  CHECK(good->assets[0].digest.size() == 71);
  CHECK(good->assets[1].digest.empty());
  const auto bad = parse(R"({"assets": []})");
  REQUIRE(fails(bad, Failure::release_not_found));
  CHECK_THAT(bad.error().message(), ContainsSubstring("tag_name"));
  CHECK_THAT(parse(R"({"tag_name": "v1", "assets": [{"id": 1}]})").error().message(),
             ContainsSubstring("assets.name"));
  CHECK(fails(parse_releases(json::parse(R"({"message": "no"})")), Failure::release_not_found));
}

TEST_CASE("what failed on the way is tried five times, a refusal never again", "[setup][SVC-55]") {
  Answer broken;
  broken.problem = "connection refused";
  for (int attempt = 1; attempt < 5; ++attempt) {
    const Verdict again = judge(broken, attempt, 0.0, 300s, {}, "x");
    CHECK(again.kind == Verdict::Kind::again);
    CHECK(again.wait == std::chrono::milliseconds(1000 << (attempt - 1)));
  }
  CHECK(judge(broken, 1, 1.0, 300s, {}, "x").wait > 1000ms);
  const Verdict over = judge(broken, 5, 0.0, 300s, {}, "the file");
  CHECK(over.kind == Verdict::Kind::failed);
  CHECK_THAT(over.error.message(), ContainsSubstring("the file"));
  CHECK(judge({true, 503, "", "", ""}, 1, 0, 300s, {}, "x").kind == Verdict::Kind::again);
  CHECK(judge({true, 404, "", "", ""}, 1, 0, 300s, {}, "x").error.code() ==
        make_error_code(Failure::release_not_found));
  CHECK(judge({true, 401, "", "", ""}, 1, 0, 300s, {}, "x").error.code() ==
        make_error_code(Failure::download_failed));
  CHECK(judge({true, 200, "", "", ""}, 1, 0, 300s, {}, "x").kind == Verdict::Kind::good);
  CHECK(judge({true, 304, "", "", ""}, 1, 0, 300s, {}, "x").kind == Verdict::Kind::unchanged);
}

TEST_CASE("a rate limit is waited for when it is short, else it fails at once", "[setup][SVC-56]") {
  const WallTime now{std::chrono::seconds(1'000'000)};
  const Verdict soon = judge({true, 429, "7", "", ""}, 1, 0, 300s, now, "x");
  CHECK(soon.kind == Verdict::Kind::again);
  CHECK(soon.wait == 7s);
  CHECK(judge({true, 403, "", "0", "1000020"}, 1, 0, 300s, now, "x").wait == 20s);
  const Verdict late = judge({true, 403, "", "0", "1000400"}, 1, 0, 300s, now, "x");
  CHECK(late.kind == Verdict::Kind::failed);
  CHECK(late.error.code() == make_error_code(Failure::rate_limited));
  CHECK_THAT(late.error.message(), ContainsSubstring("400 s"));
  CHECK(judge({true, 429, "90", "", ""}, 1, 0, 60s, now, "x").kind == Verdict::Kind::failed);
  CHECK(judge({true, 403, "", "12", ""}, 1, 0, 300s, now, "x").error.code() ==
        make_error_code(Failure::download_failed));
}

TEST_CASE("an unknown machine is refused before anything is fetched", "[setup][SVC-44]") {
  test::ScopeFixture zurg(test::document_with({{"/zurg/instances/RealDebrid/enabled", true}}),
                          "Zurg w/ RealDebrid");
  const auto plan = plan_install(*zurg.scope);
  REQUIRE(plan);
  CHECK(plan->root == "/zurg/RD");
  CHECK_THAT(plan->pattern, ContainsSubstring("amd64"));
  CHECK(plan->kept == std::vector<std::string>{"config.yml", "data", "logs", "plex_update.sh"});
  zurg.facts.uname = "riscv64";
  CHECK(fails(plan_install(*zurg.scope), Failure::unsupported_arch));
}

TEST_CASE("an Arr that follows another version than the others has a root of its own", "[setup][SVC-48]") {
  test::ScopeFixture shared(test::document_with({{"/sonarr/instances/Default/enabled", true}}), "Sonarr");
  CHECK(plan_install(*shared.scope)->root == "/opt/sonarr");
  test::ScopeFixture own(test::document_with({{"/sonarr/instances/Default/pinned_version", "4.0.1"}}),
                         "Sonarr");
  CHECK(plan_install(*own.scope)->root == "/opt/sonarr/instances/default");
}
