#include <dumb/catalog/catalog.hpp>

#include <algorithm>
#include <set>
#include <string>

#include "catalog/schema.hpp"
#include "config/json_schema.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using catalog::Catalog;

namespace {

const json::object& schema() {
  static const json::object whole = Catalog::embedded().schema();
  return whole;
}

/// The schema that is in force at a place of the document.
json::object at(std::string_view pointer) {
  const auto* found = config::schema::at(schema(), jsonx::parse_pointer(pointer).value());
  INFO(pointer);
  REQUIRE(found != nullptr);
  return *found;
}

std::set<std::string> required(std::string_view pointer) {
  std::set<std::string> names;
  const json::object node = at(pointer);
  if (const auto* list = node.if_contains("required")) {
    for (const auto& name : list->get_array()) names.emplace(name.get_string());
  }
  return names;
}

json::value parse(std::string_view text) {
  return jsonx::parse(text).value();
}

/// Where the document is refused after the member at `pointer` was set to JSON text; "" when it is accepted.
std::string refused(std::string_view pointer, std::string_view text) {
  json::object document = Catalog::embedded().default_document();
  jsonx::set(document, jsonx::parse_pointer(pointer).value(), parse(text));
  JsonPath path;
  config::schema::Faults faults;
  config::schema::check(document, schema(), path, faults);
  return faults.empty() ? std::string() : jsonx::pointer(faults.front().path);
}

bool refuses(std::string_view pointer, std::string_view text) {
  return !refused(pointer, text).empty();
}

}  // namespace

TEST_CASE("the default document fulfils the schema", "[catalog][CFG-3][CFG-47]") {
  JsonPath path;
  config::schema::Faults faults;
  config::schema::check(Catalog::embedded().default_document(), schema(), path, faults);
  for (const auto& fault : faults) UNSCOPED_INFO(jsonx::pointer(fault.path) << " " << fault.message);
  CHECK(faults.empty());
}

TEST_CASE("every default has a schema and the schema no marks of its making", "[catalog][CFG-3]") {
  for (const auto& service : Catalog::embedded().services()) {
    JsonPath path = service.config_path == "dumb.frontend"      ? JsonPath{"dumb", "frontend"}
                    : service.config_path == "dumb.api_service" ? JsonPath{"dumb", "api_service"}
                                                                : JsonPath{service.config_path};
    if (service.multi_instance) path.insert(path.end(), {"instances", "any name"});
    const auto* block = config::schema::at(schema(), path);
    INFO(service.key);
    REQUIRE(block != nullptr);
    for (const auto& [name, value] : service.defaults) {
      INFO(std::string_view(name));
      REQUIRE(block->at("properties").get_object().contains(name));
      CHECK_FALSE(block->at("properties").at(name).get_object().empty());
    }
    for (const auto& name : service.also_accepted_keys) {
      INFO(name);
      REQUIRE(block->at("properties").get_object().contains(name));
      CHECK_FALSE(block->at("properties").at(name).get_object().empty());
    }
  }
  const std::string text = jsonx::print_compact(schema());
  CHECK(text.find("x-optional") == std::string::npos);
  CHECK(text.find("x-none-required") == std::string::npos);
}

TEST_CASE("the top level has the types of the table", "[catalog][CFG-11][CFG-12]") {
  CHECK(schema().at("type") == "object");
  CHECK(refuses("/puid", "0"));
  CHECK(refuses("/pgid", "-5"));
  CHECK(refuses("/puid", "true"));
  CHECK(refuses("/puid", "\"1000\""));
  CHECK(refuses("/puid", "1000.5"));
  CHECK_FALSE(refuses("/puid", "1000.0"));
  CHECK(refuses("/tz", "5"));
  CHECK(refuses("/data_root", "null"));
  CHECK(refuses("/dumb", "[]"));
}

TEST_CASE("the dumb block has the types and ranges of its table", "[catalog][CFG-14][CFG-48]") {
  CHECK(refuses("/dumb/log_count", "-1"));
  CHECK(refuses("/dumb/log_count", "1.5"));
  CHECK_FALSE(refuses("/dumb/log_count", "0"));
  CHECK(refuses("/dumb/log_days", "-1"));
  CHECK_FALSE(refuses("/dumb/log_days", "30"));
  CHECK(refuses("/dumb/ui/log_timestamp/dateOrder", "\"YMD\""));
  CHECK(refuses("/dumb/ui/log_timestamp/hourFormat", "12"));
  CHECK(refuses("/dumb/ui/sidebar/quick_filter", "\"some\""));
  CHECK(refuses("/dumb/ui/sidebar/geek_mode", "\"on\""));
  CHECK_FALSE(refuses("/dumb/ui/sidebar/service_order", "[\"a\"]"));
  CHECK_FALSE(refuses("/dumb/auto_restart/healthcheck_interval", "2.5"));
  CHECK(refuses("/dumb/auto_restart/unhealthy_threshold", "2.5"));
  CHECK(refuses("/dumb/auto_restart/max_restarts", "true"));
  CHECK_FALSE(refuses("/dumb/auto_restart/backoff_seconds", "[0.5, 2]"));
  CHECK(refused("/dumb/auto_restart/backoff_seconds", "[1, \"2\"]") ==
        "/dumb/auto_restart/backoff_seconds/1");
  CHECK(refuses("/dumb/auto_restart/backoff_multiplier", "0.5"));
  CHECK_FALSE(refuses("/dumb/auto_restart/backoff_multiplier", "1.5"));
  CHECK(refuses("/dumb/auto_restart/backoff_max_seconds", "-1"));
  CHECK(refuses("/dumb/auto_restart/backoff_jitter", "1.1"));
  CHECK(refuses("/dumb/auto_restart/healthy_reset_seconds", "\"60\""));
  CHECK(refuses("/dumb/ffprobe_monitor/max_pokes_per_cycle", "1.5"));
  CHECK_FALSE(refuses("/dumb/ffprobe_monitor/interval_sec", "1.5"));
  CHECK(refuses("/dumb/metrics/system_scope", "\"galaxy\""));
  CHECK(refuses("/dumb/shutdown_timeout", "-1"));
  CHECK_FALSE(refuses("/dumb/shutdown_timeout", "30"));
  CHECK(refuses("/dumb/startup", "{\"stabilization_seconds\": \"15\"}"));
  CHECK(refuses("/dumb/api_service/allowed_hosts", "\"*\""));
  CHECK(at("/dumb/log_level").at("x-level") == true);
  CHECK_FALSE(refuses("/dumb/log_level", "\"anything\""));
}

TEST_CASE("entries of auto_restart.services are names or policies", "[catalog][CFG-14][CFG-50]") {
  const auto place = [](std::string_view text) { return refused("/dumb/auto_restart/services", text); };
  CHECK(place(R"(["Sonarr", {"process_name": "Radarr", "max_restarts": 1, "enabled": false}])").empty());
  CHECK(place(R"([{"max_restarts": 1}])") == "/dumb/auto_restart/services/0");
  CHECK(place(R"([{"process_name": "x", "max_restarts": "1"}])") ==
        "/dumb/auto_restart/services/0/max_restarts");
  CHECK(place(R"([{"process_name": "x", "backoff_jitter": 0.2, "backoff_max_seconds": 600}])").empty());
  CHECK(place(R"([{"process_name": "x", "backoff_jitter": -0.2}])") ==
        "/dumb/auto_restart/services/0/backoff_jitter");
  CHECK(place("[5]") == "/dumb/auto_restart/services/0");
}

TEST_CASE("seerr_sync has the types and ranges of its paragraph", "[catalog][CFG-15]") {
  CHECK(refuses("/seerr_sync/poll_interval_seconds", "9"));
  CHECK_FALSE(refuses("/seerr_sync/poll_interval_seconds", "10"));
  CHECK(refuses("/seerr_sync/options/user_mapping", "\"name\""));
  CHECK(refuses("/seerr_sync/options/retry_failed_after_hours", "-1"));
  CHECK(refused("/seerr_sync/external_subordinates", R"([{"url": "http://x"}])") ==
        "/seerr_sync/external_subordinates/0");
  CHECK_FALSE(refuses("/seerr_sync/external_subordinates", R"([{"url": "http://x", "api_key": "k"}])"));
}

TEST_CASE("ports are integers from 1 to 65535, and 0 for zurg", "[catalog][CFG-21][CFG-48][SVC-144]") {
  CHECK(refuses("/zilean/port", "0"));
  CHECK(refuses("/zilean/port", "65536"));
  CHECK(refuses("/zilean/port", "\"8182\""));
  CHECK_FALSE(refuses("/zilean/port", "65535"));
  CHECK(refuses("/nzbdav/frontend_port", "0"));
  CHECK(refuses("/nzbdav/backend_port", "70000"));
  CHECK_FALSE(refuses("/zurg/instances/RealDebrid/port", "0"));
  CHECK(refuses("/zurg/instances/RealDebrid/port", "-1"));
  CHECK(refuses("/zurg/instances/RealDebrid/port", "65536"));
}

TEST_CASE("start times follow the clock pattern", "[catalog][CFG-48][CFG-50]") {
  CHECK_FALSE(refuses("/zilean/auto_update_start_time", "\"23:59\""));
  for (const char* bad : {"\"24:00\"", "\"4:00\"", "\"04:60\"", "\"\"", "\"04:00 \"", "400"}) {
    INFO(bad);
    const std::string main = "/sonarr/instances/Default/auto_update_start_time";
    CHECK(refused(main, bad) == main);
    CHECK(refused("/zilean/auto_update_start_time", bad) == "/zilean/auto_update_start_time");
    CHECK(refuses("/decypharr/symlink_backup_start_time", bad));
  }
}

TEST_CASE("enumerations are those of the tables", "[catalog][CFG-20][CFG-48]") {
  CHECK(refuses("/decypharr/mount_type", "\"fuse\""));
  CHECK_FALSE(refuses("/decypharr/mount_type", "\"external_rclone\""));
  CHECK(refuses("/seerr/instances/Default/sync_role", "\"leader\""));
  CHECK(refuses("/zilean/platforms", R"(["cobol"])"));
  CHECK_FALSE(refuses("/zilean/platforms", R"(["python", "pnpm", "dotnet"])"));
}

TEST_CASE("fields that take a text or a list take both", "[catalog][CFG-21][CFG-23][CFG-65]") {
  for (const char* field : {"command", "symlink_backup_roots", "wait_for_mounts"}) {
    INFO(field);
    const std::string place = std::string("/decypharr/") + field;
    CHECK_FALSE(refuses(place, "\"a b\""));
    CHECK_FALSE(refuses(place, R"(["a", "b"])"));
    CHECK(refused(place, R"(["a", 1])") == place + "/1");
    CHECK(refuses(place, "5"));
  }
  CHECK_FALSE(refuses("/sonarr/instances/Default/core_service", R"(["nzbdav,decypharr", 4])"));
  CHECK_FALSE(refuses("/sonarr/instances/Default/core_services", "null"));
}

TEST_CASE("waits, dependencies and readiness have the shapes of the table", "[catalog][CFG-21]") {
  CHECK_FALSE(refuses("/zilean/wait_for_dir", R"("/mnt")"));
  CHECK_FALSE(refuses("/zilean/wait_for_dir", R"([{"path": "/mnt"}, "/x"])"));
  CHECK(refuses("/zilean/wait_for_dir", "[5]"));
  CHECK_FALSE(refuses("/zilean/wait_for_url",
                      R"([{"url": "http://x", "auth": {"user": "u", "password": "p"}}, "http://y"])"));
  CHECK_FALSE(refuses("/zilean/wait_for_url", R"({"url": "http://x"})"));
  CHECK(refuses("/zilean/wait_for_url", R"([{"url": 5}])"));
  CHECK_FALSE(
      refuses("/zilean/depends_on", R"(["PostgreSQL", {"process_name": "x", "condition": "healthy"}])"));
  CHECK(refused("/zilean/depends_on", R"([{"process_name": "x", "condition": "late"}])") ==
        "/zilean/depends_on/0/condition");
  CHECK(refused("/zilean/depends_on", R"([{"condition": "healthy"}])") == "/zilean/depends_on/0");
  CHECK(refuses("/zilean/readiness", "\"soon\""));
}

TEST_CASE("open maps are marked and take any entry", "[catalog][CFG-38]") {
  for (const char* place :
       {"/zilean/env", "/plex/dbrepair/env", "/decypharr/api_keys", "/traefik/entrypoints",
        "/dumb/ui/sidebar/service_shortcuts", "/traefik/middlewares", "/traefik/services"}) {
    INFO(place);
    CHECK(at(place).at("x-open-map") == true);
    CHECK_FALSE(at(place).contains("properties"));
    CHECK_FALSE(at(place).contains("required"));
  }
  CHECK_FALSE(refuses("/zilean/env", R"({"A": "x", "B": 5, "C": true, "D": null})"));
  CHECK(refused("/zilean/env", R"({"A": {}})") == "/zilean/env/A");
  CHECK_FALSE(refuses("/traefik/entrypoints", "{}"));
}

TEST_CASE("the required lists are those of the exceptions", "[catalog][CFG-49]") {
  const auto top = required("");
  CHECK(top.contains("puid"));
  CHECK(top.contains("sonarr"));
  CHECK_FALSE(top.contains("lidarr"));
  CHECK_FALSE(top.contains("readarr"));
  CHECK(required("/sonarr") == std::set<std::string>{"instances"});
  const auto dumb = required("/dumb");
  CHECK(dumb.contains("auto_restart"));
  CHECK_FALSE(dumb.contains("ui"));
  CHECK_FALSE(dumb.contains("shutdown_timeout"));
  CHECK(required("/dumb/ui").empty());
  CHECK(required("/dumb/ui/sidebar").empty());
  CHECK(required("/dumb/ui/log_timestamp").empty());
  CHECK(required("/dumb/auto_restart").size() == 9);
  CHECK(required("/dumb/ffprobe_monitor").size() == 8);
  CHECK_FALSE(required("/dumb/metrics").contains("system_scope"));
  CHECK(required("/dumb/metrics").contains("history_dir"));
  CHECK_FALSE(required("/traefik").contains("log_file"));
  CHECK_FALSE(required("/traefik").contains("access_log_file"));
  CHECK(required("/traefik").contains("entrypoints"));
  CHECK(required("/decypharr").contains("dfs"));
  CHECK(required("/decypharr/dfs").empty());
  for (const char* key : {"cli_debrid", "decypharr", "nzbdav", "riven_backend"}) {
    for (const auto& name : required(std::string("/") + key)) CHECK_FALSE(name.starts_with("symlink_backup"));
  }
  for (const char* key : {"sonarr", "radarr", "lidarr", "prowlarr", "whisparr", "readarr", "whisparr-v3"}) {
    INFO(key);
    const auto names = required(std::string("/") + key + "/instances/x");
    for (const char* name : {"repo_owner", "repo_name", "release_version_enabled", "release_version",
                             "clear_on_update", "exclude_dirs", "platforms", "log_file"}) {
      CHECK_FALSE(names.contains(name));
    }
    CHECK(names.contains("pinned_version"));
    CHECK(names.contains("port"));
  }
  CHECK_FALSE(required("/zurg/instances/x").contains("host"));
  CHECK(required("/zurg/instances/x").contains("port"));
  CHECK(required("/zilean").contains("host"));
  CHECK(refused("/postgres/databases", R"([{"name": "a"}])") == "/postgres/databases/0");
  CHECK(refused("/postgres/databases", R"([{"enabled": true}])") == "/postgres/databases/0");
  CHECK_FALSE(refuses("/postgres/databases", R"([{"name": "a", "enabled": true, "more": 1}])"));
  CHECK_FALSE(refuses("/zilean/something_unknown", "[1]"));
}

TEST_CASE("every template field that is not excepted is required", "[catalog][CFG-49]") {
  for (const auto& service : Catalog::embedded().services()) {
    std::string place = "/" + service.config_path;
    std::replace(place.begin(), place.end(), '.', '/');
    if (service.multi_instance) place += "/instances/x";
    INFO(place);
    std::set<std::string> expected;
    for (const auto& [name, value] : service.defaults) expected.emplace(name);
    for (const auto& name : service.optional_keys) expected.erase(name);
    CHECK(required(place) == expected);
  }
}

TEST_CASE("fields accepted in any block are in the schema of every block", "[catalog][CFG-23][SVC-8]") {
  for (const auto& service : Catalog::embedded().services()) {
    std::string place = "/" + service.config_path;
    std::replace(place.begin(), place.end(), '.', '/');
    if (service.multi_instance) place += "/instances/x";
    const json::object block = at(place);
    INFO(place);
    for (const char* name : {"wait_for_dir",
                             "wait_for_mounts",
                             "wait_for_url",
                             "core_services",
                             "host",
                             "base_url",
                             "url_base",
                             "pinned_version",
                             "branch_enabled",
                             "branch",
                             "log_level",
                             "suppress_logging",
                             "env",
                             "symlink_backup_enabled",
                             "symlink_backup_interval",
                             "symlink_backup_start_time",
                             "symlink_backup_path",
                             "symlink_backup_include_broken",
                             "symlink_backup_retention_count",
                             "symlink_backup_roots",
                             "username",
                             "password",
                             "customer_id",
                             "direct_url",
                             "middlewares",
                             "services",
                             "version",
                             "depends_on",
                             "readiness"}) {
      INFO(name);
      CHECK(block.at("properties").get_object().contains(name));
    }
    CHECK_FALSE(block.at("properties").get_object().contains("frobnicate"));
  }
  CHECK(refuses("/rclone/instances/RealDebrid/customer_id", "5"));
  CHECK(refuses("/plex/symlink_backup_retention_count", "-1"));
}
