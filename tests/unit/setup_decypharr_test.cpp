#include "setup/decypharr.hpp"

#include "setup/decypharr_config.hpp"
#include "support/setup_fixture.hpp"

using namespace dumb;
using namespace dumb::setup;
using test::document_with;
using test::ScopeFixture;

namespace {

decypharr::Wanted wanted(const std::string& mode, bool new_layout) {
  decypharr::Wanted out;
  out.mode = mode;
  out.new_layout = new_layout;
  out.url_base = "/";
  out.port = "8282";
  out.log_level = "info";
  out.mount_path = "/mnt/debrid/decypharr";
  out.downloads = "/mnt/debrid/decypharr_downloads";
  out.usenet_folder = "/mnt/debrid/decypharr_usenet/__all__";
  out.remote_folder = "/mnt/debrid/decypharr_";
  out.uid = 1000;
  out.gid = 1001;
  out.keys = {{"realdebrid", "KEY"}};
  return out;
}

std::vector<std::string> names(const json::object& object) {
  std::vector<std::string> out;
  for (const auto& [name, value] : object) out.emplace_back(name);
  return out;
}

std::string at(const json::object& object, const std::string& pointer) {
  const json::value* found = jsonx::find(object, *jsonx::parse_pointer(pointer));
  return found == nullptr ? "(none)" : jsonx::print_compact(*found);
}

}  // namespace

TEST_CASE("the mount mode of Decypharr follows mount_type, else the branch", "[setup][SVC-147]") {
  const auto mode = [](const char* given, const char* branch) {
    json::object block;
    block["branch"] = branch;
    return decypharr_mode(block, given);
  };
  CHECK(*mode(" DFS ", "main") == "dfs");
  CHECK(*mode("external_rclone", "main") == "external_rclone");
  CHECK(*mode("none", "main") == "none");
  CHECK(*mode("", "beta") == "dfs");
  CHECK(*mode("", "main") == "rclone");
  CHECK(mode("webdav", "main").error().code() == make_error_code(Failure::bad_value));
}

TEST_CASE("versions above 1.1.6 and the beta branch have the new layout", "[setup][SVC-149]") {
  json::object block;
  CHECK_FALSE(decypharr_new_layout(block, "v1.1.6"));
  CHECK_FALSE(decypharr_new_layout(block, ""));
  CHECK(decypharr_new_layout(block, "1.1.7"));
  CHECK(decypharr_new_layout(block, "v2.0.0"));
  CHECK(decypharr_new_layout(block, "3.0.0-experimental"));
  CHECK(decypharr_new_layout(block, "main@0123456789ab"));
  block["branch_enabled"] = true;
  block["branch"] = "beta";
  CHECK(decypharr_new_layout(block, "v1.0.0"));
}

TEST_CASE("the new layout has its members in order and keeps what it does not own",
          "[setup][SVC-151][SVC-152][SVC-153]") {
  json::object existing = jsonx::parse(R"({"mine": 1, "rclone": {}, "qbittorrent": {}, "port": 1,
    "debrids": [{"provider": "Real Debrid", "workers": 7, "extra": true},
                {"provider": "torbox", "api_key": "other"}], "repair": {"enabled": true}})")
                              ->as_object();
  const json::object out = decypharr::new_config(existing, wanted("dfs", true));
  CHECK(names(out) == std::vector<std::string>{"url_base", "port", "log_level", "download_folder", "debrids",
                                               "mount", "repair", "mine"});
  CHECK(at(out, "/port") == R"("8282")");
  CHECK(at(out, "/debrids/0/provider") == R"("realdebrid")");
  CHECK(at(out, "/debrids/0/workers") == "7");
  CHECK(at(out, "/debrids/0/extra") == "true");
  CHECK(at(out, "/debrids/0/api_key") == R"("KEY")");
  CHECK(at(out, "/debrids/0/download_api_keys") == R"(["KEY"])");
  CHECK(at(out, "/debrids/0/rate_limit") == R"("250/minute")");
  CHECK(at(out, "/debrids/1/api_key") == R"("other")");
  CHECK(json::serialize(decypharr::new_config(out, wanted("dfs", true))) == json::serialize(out));
}

TEST_CASE("the mount member holds what its type needs", "[setup][SVC-154]") {
  decypharr::Wanted dfs = wanted("dfs", true);
  dfs.dfs["chunk_size"] = "20MB";
  const json::object existing =
      jsonx::parse(R"({"mount": {"dfs": {"chunk_size": "5MB", "umask": "002"}}})")->as_object();
  const json::object out = decypharr::new_config(existing, dfs);
  CHECK(at(out, "/mount/type") == R"("dfs")");
  CHECK(at(out, "/mount/mount_path") == R"("/mnt/debrid/decypharr")");
  CHECK(at(out, "/mount/dfs/chunk_size") == R"("20MB")");
  CHECK(at(out, "/mount/dfs/umask") == R"("002")");
  CHECK(at(out, "/mount/dfs/uid") == "1000");
  CHECK(at(out, "/mount/dfs/daemon_timeout") == R"("30m")");
  const json::object rclone = decypharr::new_config({}, wanted("rclone", true));
  CHECK(at(rclone, "/mount/rclone/vfs_cache_mode") == R"("off")");
  CHECK(at(rclone, "/mount/rclone/gid") == "1001");
  decypharr::Wanted outside = wanted("external_rclone", true);
  outside.mounts = {{"usenet", "", "http://127.0.0.1:5573"}, {"torbox", "", "http://127.0.0.1:5580"}};
  CHECK(at(decypharr::new_config({}, outside), "/mount/external_rclone") ==
        R"({"rc_url":"http://127.0.0.1:5580","rc_username":"","rc_password":""})");
  CHECK(at(decypharr::new_config({}, wanted("none", true)), "/mount") ==
        R"({"type":"none","mount_path":"/mnt/debrid/decypharr"})");
}

TEST_CASE("the old layout names folders by provider and mode", "[setup][SVC-155][SVC-156]") {
  const json::object out = decypharr::new_config({}, wanted("rclone", false));
  CHECK(names(out) ==
        std::vector<std::string>{"url_base", "port", "log_level", "debrids", "qbittorrent", "rclone"});
  CHECK(at(out, "/debrids/0/folder") == R"("/mnt/debrid/decypharr/realdebrid/__all__/")");
  CHECK(at(out, "/debrids/0/rc_url") == R"("")");
  CHECK(at(out, "/qbittorrent/download_folder") == R"("/mnt/debrid/decypharr_downloads")");
  CHECK(names(out.at("debrids").at(0).as_object()) ==
        std::vector<std::string>{"name", "provider", "api_key", "download_api_keys", "folder", "rate_limit",
                                 "use_webdav", "torrents_refresh_interval", "download_links_refresh_interval",
                                 "workers", "auto_expire_links_after", "folder_naming", "rc_url"});
  decypharr::Wanted outside = wanted("external_rclone", false);
  outside.mounts = {{"torbox", "TB", "http://127.0.0.1:5572"}, {"usenet", "", "http://127.0.0.1:5579"}};
  const json::object other = decypharr::new_config({}, outside);
  CHECK(at(other, "/debrids/0/folder") == R"("/mnt/debrid/decypharr_torbox/torrents")");
  CHECK(at(other, "/debrids/0/api_key") == R"("TB")");
  CHECK(at(other, "/debrids/0/rc_url") == R"("http://127.0.0.1:5572")");
  CHECK(at(other, "/usenet/rc_url") == R"("http://127.0.0.1:5579")");
  CHECK(at(other, "/usenet/chunks") == "15");
  CHECK(json::serialize(decypharr::new_config(other, outside)) == json::serialize(other));
}

TEST_CASE("linked Arr instances are entries of source auto, those made by hand stay", "[setup][SVC-157]") {
  decypharr::Wanted linked = wanted("dfs", true);
  linked.arrs = {{"sonarr:Default", "http://127.0.0.1:8989", "abc"}};
  const json::value uncached(true);
  linked.download_uncached = &uncached;
  const json::object existing = jsonx::parse(R"({"arrs": [{"name": "mine", "host": "http://x"},
     {"name": "radarr:Gone", "source": "auto"}, {"name": "sonarr:Default", "source": "auto", "cleanup": true}]})")
                                    ->as_object();
  const json::object out = decypharr::new_config(existing, linked);
  CHECK(at(out, "/arrs") ==
        R"([{"name":"mine","host":"http://x"},{"name":"sonarr:Default","source":"auto","cleanup":true,)"
        R"("host":"http://127.0.0.1:8989","token":"abc","download_uncached":true}])");
}

TEST_CASE("config.json follows the whole configuration", "[setup][SVC-148][SVC-151][SVC-157]") {
  ScopeFixture fixture(document_with({{"/decypharr/enabled", true},
                                      {"/decypharr/api_keys",
                                       *jsonx::parse(R"({"Real Debrid": "RDKEY", "": "x", "torbox": ""})")},
                                      {"/sonarr/instances/Default/enabled", true},
                                      {"/sonarr/instances/Default/core_service", "decypharr"},
                                      {"/radarr/instances/Default/enabled", true}}),
                       "Decypharr", "/srv");
  fixture.facts.files["/srv/sonarr/default/config.xml"] = "<Config><ApiKey>arrkey</ApiKey></Config>";
  fixture.scope->values["version"] = [] { return Result<json::value>(json::value("v2.0.1")); };
  const auto text = decypharr_config(*fixture.scope, "{}");
  REQUIRE(text);
  const json::object out = jsonx::parse(*text)->as_object();
  CHECK(at(out, "/debrids/0/api_key") == R"("RDKEY")");
  CHECK(out.at("debrids").as_array().size() == 1);
  CHECK(at(out, "/mount/mount_path") == R"("/srv/mnt/debrid/decypharr")");
  CHECK(at(out, "/mount/dfs/cache_dir") == R"("/srv/cache/dfs")");
  CHECK(at(out, "/arrs") ==
        R"([{"name":"sonarr:Default","host":"http://127.0.0.1:8989","token":"arrkey","source":"auto"}])");
  CHECK(*decypharr_config(*fixture.scope, *text) == *text);
  CHECK(decypharr_config(*fixture.scope, "{").error().code() == make_error_code(Failure::bad_file));
}

TEST_CASE("each debrid of config.json has a mount of its own", "[setup][SVC-150]") {
  const json::object config =
      jsonx::parse(
          R"({"rclone": {"mount_path": "/mnt/x"}, "debrids": [{"name": "realdebrid"}, {"name": "../up"},
        {"name": "torbox"}, 5]})")
          ->as_object();
  CHECK(decypharr_provider_mounts(config, "/mnt/y") ==
        std::vector<std::string>{"/mnt/x/realdebrid", "/mnt/x/torbox"});
  CHECK(decypharr_provider_mounts({}, "/mnt/y").empty());
}
