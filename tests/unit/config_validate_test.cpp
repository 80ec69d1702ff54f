#include "config/validate.hpp"

#include "config/merge.hpp"
#include "support/catch.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using namespace dumb::config;
using test::object;

namespace {

const Model& model() {
  static const Model one = test::small_model();
  return one;
}
std::vector<Problem> problems(std::string_view user) {
  return schema::to_problems(check_document(merge_document(object(user), model()), model()));
}
std::vector<std::string> places(std::string_view user) {
  std::vector<std::string> out;
  for (const Problem& problem : problems(user)) out.push_back(problem.where);
  return out;
}
using Places = std::vector<std::string>;

}  // namespace

TEST_CASE("the default document is valid", "[config][CFG-47]") {
  CHECK(problems("{}").empty());
}

TEST_CASE("faults of the schema name the place in the whole document", "[config][CFG-47][CFG-50]") {
  CHECK(places(R"({"sonarr": {"instances": {"Main": {"auto_update_start_time": "25:00"}}},
                   "dumb": {"auto_restart": {"services": [{}]}}, "zilean": {"port": "x"}})") ==
        Places{"/dumb/auto_restart/services/0", "/sonarr/instances/Main/auto_update_start_time",
               "/zilean/port"});
}

TEST_CASE("levels are checked at any depth outside open maps", "[config][CFG-51][CFG-54]") {
  CHECK(places(R"({"dumb": {"log_level": "loud"}, "zilean": {"log_level": "", "env": {"log_level": "x"}},
                   "note": {"deep": [{"loglevel": "x"}]}})") ==
        Places{"/dumb/log_level", "/note/deep/0/loglevel", "/zilean/log_level"});
  CHECK(places(R"({"dumb": {"log_level": " warn"}})").empty());
}

TEST_CASE("ids must be above zero", "[config][CFG-12]") {
  CHECK(places(R"({"puid": 0, "pgid": -1})") == Places{"/pgid", "/puid"});
  CHECK(problems(R"({"puid": 0})").at(0).message == "must be between 1 and 4294967294, is 0");
  CHECK(places(R"({"puid": 1, "pgid": 1.0})").empty());
}

TEST_CASE("ports lie between 1 and 65535, zurg may leave the choice to setup", "[config][CFG-51]") {
  CHECK(places(R"({"zilean": {"port": 0}, "nzbdav": {"frontend_port": 65536, "backend_port": -1},
                   "zurg": {"instances": {"A": {"port": 0}}}, "dumb": {"api_service": {"port": 70000}}})") ==
        Places{"/dumb/api_service/port", "/nzbdav/backend_port", "/nzbdav/frontend_port", "/zilean/port"});
  CHECK(problems(R"({"zilean": {"port": 65536}})").at(0).message == "must be between 1 and 65535, is 65536");
  CHECK(places(R"({"zurg": {"instances": {"A": {"port": 65536}}}})") == Places{"/zurg/instances/A/port"});
}

TEST_CASE("process names are unique after folding, and not empty", "[config][CFG-22][CFG-51]") {
  const auto found = problems(R"({"mine": {"process_name": "zi LEAN", "command": "x"}})");
  REQUIRE(found.size() == 1);
  CHECK(found[0].where == "/mine/process_name");
  CHECK_THAT(found[0].message, ContainsSubstring("/zilean"));
  CHECK(places(R"({"sonarr": {"instances": {"A": {}, "B": {}}}})") ==
        Places{"/sonarr/instances/B/process_name"});
  CHECK(places(R"({"zilean": {"process_name": " "}, "dumb": {"frontend": {"process_name": ""}},
                   "sonarr": {"instances": {"A": {"process_name": ""}}}})") ==
        Places{"/dumb/frontend/process_name", "/sonarr/instances/A/process_name", "/zilean/process_name"});
}

TEST_CASE("an enabled service has a command, unless setup makes it or it is the API itself",
          "[config][CFG-51]") {
  CHECK(places(R"({"zilean": {"enabled": true, "command": []}})") == Places{"/zilean/command"});
  CHECK(places(R"({"zilean": {"enabled": true, "command": "  "}})") == Places{"/zilean/command"});
  CHECK(places(R"({"zilean": {"enabled": false, "command": []}})").empty());
  CHECK(
      places(R"({"nzbdav": {"enabled": true}, "sonarr": {"instances": {"A": {"enabled": true}}}})").empty());
  const auto found = problems(R"({"mine": {"process_name": "Mine", "enabled": true}})");
  REQUIRE(found.size() == 1);
  CHECK(found[0] == Problem{"/mine", "has no \"command\" although it is enabled"});
}

TEST_CASE("a custom service needs no schema of its own, common fields are checked",
          "[config][CFG-16][CFG-21]") {
  CHECK(
      places(
          R"({"mine": {"process_name": "Mine", "command": ["x"], "enabled": true, "port": 80, "anything": {"a": 1}},
                   "ours": {"instances": {"A": {"process_name": "A", "command": "a b"}}}})")
          .empty());
  CHECK(places(R"({"mine": {"process_name": "Mine", "command": [1], "enabled": "yes", "port": "80",
                            "env": {"A": [1], "B": 2, "C": true}}})") ==
        Places{"/mine/command/0", "/mine/enabled", "/mine/env/A", "/mine/port"});
  CHECK(places(R"({"mine": {"process_name": "Mine", "command": "x", "port": 65536}})") ==
        Places{"/mine/port"});
}

TEST_CASE("an enabled rclone instance has one source", "[config][CFG-51]") {
  const auto check = [](std::string_view user) {
    return check_sources(merge_document(object(user), model())).size();
  };
  CHECK(check(R"({"rclone": {"instances": {"A": {"enabled": true, "decypharr_enabled": true}}}})") == 1);
  CHECK(check(R"({"rclone": {"instances": {"A": {"enabled": false, "decypharr_enabled": true}}}})") == 0);
  CHECK(check(R"({"rclone": {"instances": {"A": {"enabled": true}}}})") == 0);
}

TEST_CASE("one place is reported once, and no secret is shown", "[config][CFG-50][CFG-52]") {
  const auto found =
      problems(R"({"zurg": {"instances": {"A": {"api_key": ["hunter2"], "enabled": "hunter2"}}},
                                  "decypharr": {"api_keys": "hunter2", "mount_type": "hunter2"}})");
  CHECK(found.size() == 4);
  for (const Problem& problem : found) CHECK(problem.message.find("hunter2") == std::string::npos);
}

TEST_CASE("what is not known is named, custom services and open maps are known", "[config][CFG-39][CFG-23]") {
  const auto unknown = unknown_paths(
      merge_document(object(R"({"pulsarr": {"x": 1}, "mine": {"process_name": "M", "command": "x", "odd": 1},
          "ours": {"instances": {"A": {"process_name": "A", "command": "a"}}},
          "dumb": {"notifications": {}, "ui": {"sidebar": {"service_shortcuts": {"a": 1}, "geek": 1}}},
          "zilean": {"postgres_enabled": true, "env": {"NEW": 1}, "wait_for_url": [], "depends_on": [], "username": "u"},
          "decypharr": {"arrs_download_uncached": true, "dfs": {"odd": 1}},
          "sonarr": {"note": 1, "instances": {"A": {"odd/name": 1}}}})"),
                     model()),
      model());
  CHECK(unknown == Places{"/dumb/ui/sidebar/geek", "/dumb/notifications", "/decypharr/dfs/odd",
                          "/sonarr/instances/A/odd~1name", "/sonarr/note", "/zilean/postgres_enabled",
                          "/pulsarr"});
}

TEST_CASE("core services outside the catalogue are found", "[config][CFG-69]") {
  const auto found = unknown_core_services(
      merge_document(object(R"({"sonarr": {"instances": {"A": {"core_service": "decypharr, Nobody"}}}})"),
                     model()),
      model());
  CHECK(found == Places{"nobody in /sonarr/instances/A"});
}

TEST_CASE("updates may set what block, schema, catalogue or the common list has",
          "[config][CFG-82][CFG-23]") {
  const auto document = merge_document(
      object(R"({"zilean": {"odd": 1}, "mine": {"process_name": "M", "command": "x"}})"), model());
  const auto allowed = [&](JsonPath path, std::string_view key) {
    return is_allowed_key(model(), path, jsonx::find(document, path)->as_object(), key);
  };
  CHECK(allowed({"zilean"}, "port"));
  CHECK(allowed({"zilean"}, "odd"));
  CHECK(allowed({"zilean"}, "wait_for_mounts"));
  CHECK(allowed({"zilean"}, "symlink_backup_roots"));
  CHECK(allowed({"decypharr"}, "arrs_download_uncached"));
  CHECK_FALSE(allowed({"zilean"}, "prot"));
  CHECK_FALSE(allowed({"sonarr", "instances", "Default"}, "mount_dir"));
  CHECK(allowed({"mine"}, "port"));
  CHECK_FALSE(allowed({"mine"}, "prot"));
}
