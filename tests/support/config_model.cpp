#include "support/config_model.hpp"

#include <dumb/base/json.hpp>

namespace dumb::test {
namespace {

constexpr std::string_view defaults = R"json({
  "puid": 1000, "pgid": 1000, "tz": "",
  "dumb": {
    "log_level": "INFO", "github_token": "", "onboarding_completed": false,
    "ui": {
      "log_timestamp": {"dateOrder": "MDY", "hourFormat": "12"},
      "sidebar": {"compact_mode": false, "quick_filter": "all", "service_shortcuts": {}}
    },
    "auto_restart": {"enabled": false, "backoff_seconds": [5, 15], "window_seconds": 300, "services": []},
    "api_service": {"enabled": true, "process_name": "DUMB API", "log_level": "INFO", "host": "127.0.0.1", "port": 8000},
    "frontend": {"enabled": true, "process_name": "DUMB Frontend", "log_level": "INFO", "port": 3005,
                 "command": ["node", "index.mjs"], "origins": ["http://0.0.0.0:3005"], "env": {}}
  },
  "decypharr": {"enabled": false, "process_name": "Decypharr", "branch": "main", "log_level": "INFO", "port": 8282,
                "command": ["/decypharr/decypharr"], "env": {}, "mount_type": "dfs",
                "dfs": {"chunk_size": "10MB", "umask": "022"}, "api_keys": {}},
  "nzbdav": {"enabled": false, "process_name": "NzbDAV", "log_level": "INFO", "frontend_port": 3000,
             "backend_port": 8080, "command": [], "webdav_password": "", "env": {}},
  "huntarr": {"instances": {"Default": {"enabled": false, "process_name": "Huntarr", "core_service": "", "port": 9705,
              "command": ["python"], "env": {"HUNTARR_PORT": "{port}"}}}},
  "rclone": {"instances": {"RealDebrid": {"enabled": false, "core_service": "", "process_name": "rclone w/ RealDebrid",
             "log_level": "INFO", "zurg_enabled": true, "decypharr_enabled": false, "mount_dir": "/mnt/debrid",
             "mount_name": "rclone_RD", "command": [], "api_key": ""}}},
  "sonarr": {"instances": {"Default": {"enabled": false, "process_name": "Sonarr", "core_service": "",
             "use_huntarr": false, "log_level": "INFO", "port": 8989, "auto_update_interval": 24,
             "auto_update_start_time": "04:00", "command": [], "env": {}}}},
  "zilean": {"enabled": false, "process_name": "Zilean", "log_level": "INFO", "port": 8182, "auto_update_interval": 24,
             "command": ["/zilean/app/zilean-api"], "exclude_dirs": ["/zilean/app/data"],
             "env": {"ASPNETCORE_URLS": "http://+:{port}"}, "wait_for_dir": ""},
  "zurg": {"instances": {"RealDebrid": {"enabled": false, "process_name": "Zurg w/ RealDebrid", "log_level": "INFO",
           "port": 9090, "command": "/zurg/RD/zurg", "api_key": ""}}}
})json";

constexpr std::string_view schema = R"json({
  "type": "object",
  "required": ["puid", "pgid", "dumb"],
  "properties": {
    "puid": {"type": "integer"}, "pgid": {"type": "integer"}, "tz": {"type": "string"},
    "dumb": {
      "type": "object", "required": ["log_level", "api_service"],
      "properties": {
        "log_level": {"type": "string", "x-level": true}, "github_token": {"type": "string"},
        "onboarding_completed": {"type": "boolean"},
        "ui": {"type": "object", "properties": {
          "log_timestamp": {"type": "object", "properties": {
            "dateOrder": {"type": "string", "enum": ["MDY", "DMY"]},
            "hourFormat": {"type": "string", "enum": ["12", "24"]}}},
          "sidebar": {"type": "object", "properties": {
            "compact_mode": {"type": "boolean"}, "quick_filter": {"type": "string"},
            "service_shortcuts": {"type": "object", "x-open-map": true}}}}},
        "auto_restart": {"type": "object", "required": ["enabled"], "properties": {
          "enabled": {"type": "boolean"}, "window_seconds": {"type": "number"},
          "backoff_seconds": {"type": "array", "items": {"type": "number"}},
          "services": {"type": "array", "items": {"anyOf": [{"type": "string"},
            {"type": "object", "required": ["process_name"], "properties": {"process_name": {"type": "string"}}}]}}}},
        "api_service": {"type": "object", "required": ["process_name"], "properties": {
          "enabled": {"type": "boolean"}, "process_name": {"type": "string"},
          "log_level": {"type": "string", "x-level": true}, "host": {"type": "string"}, "port": {"type": "integer"}}},
        "frontend": {"type": "object", "required": ["process_name"], "properties": {
          "enabled": {"type": "boolean"}, "process_name": {"type": "string"},
          "log_level": {"type": "string", "x-level": true}, "port": {"type": "integer"},
          "command": {"type": ["array", "string"], "items": {"type": "string"}},
          "origins": {"type": "array", "items": {"type": "string"}},
          "env": {"type": "object", "x-open-map": true}}}
      }
    },
    "decypharr": {"type": "object", "required": ["enabled", "process_name", "mount_type"], "properties": {
      "enabled": {"type": "boolean"}, "process_name": {"type": "string"}, "branch": {"type": "string"},
      "log_level": {"type": "string", "x-level": true}, "port": {"type": "integer"},
      "command": {"type": ["array", "string"]}, "env": {"type": "object", "x-open-map": true},
      "mount_type": {"type": "string", "enum": ["dfs", "rclone", "external_rclone", "none"]},
      "dfs": {"type": "object", "properties": {"chunk_size": {"type": "string"}, "umask": {"type": "string"},
              "uid": {"type": "integer"}}},
      "api_keys": {"type": "object", "x-open-map": true}}},
    "nzbdav": {"type": "object", "required": ["enabled", "process_name"], "properties": {
      "enabled": {"type": "boolean"}, "process_name": {"type": "string"},
      "log_level": {"type": "string", "x-level": true}, "frontend_port": {"type": "integer"},
      "backend_port": {"type": "integer"}, "command": {"type": ["array", "string"]},
      "webdav_password": {"type": "string"}, "env": {"type": "object", "x-open-map": true}}},
    "huntarr": {"type": "object", "properties": {"instances": {"type": "object", "additionalProperties": {
      "type": "object", "required": ["enabled", "process_name"], "properties": {
        "enabled": {"type": "boolean"}, "process_name": {"type": "string"},
        "core_service": {"type": ["string", "array"]}, "port": {"type": "integer"},
        "command": {"type": ["array", "string"]}, "env": {"type": "object", "x-open-map": true}}}}}},
    "rclone": {"type": "object", "properties": {"instances": {"type": "object", "additionalProperties": {
      "type": "object", "required": ["enabled", "process_name", "mount_dir"], "properties": {
        "enabled": {"type": "boolean"}, "core_service": {"type": ["string", "array"]},
        "process_name": {"type": "string"}, "log_level": {"type": "string", "x-level": true},
        "zurg_enabled": {"type": "boolean"}, "decypharr_enabled": {"type": "boolean"},
        "mount_dir": {"type": "string"}, "mount_name": {"type": "string"}, "api_key": {"type": "string"},
        "command": {"type": ["array", "string"]}}}}}},
    "sonarr": {"type": "object", "properties": {"instances": {"type": "object", "additionalProperties": {
      "type": "object", "required": ["enabled", "process_name", "port"], "properties": {
        "enabled": {"type": "boolean"}, "process_name": {"type": "string"},
        "core_service": {"type": ["string", "array"]}, "use_huntarr": {"type": "boolean"},
        "log_level": {"type": "string", "x-level": true}, "port": {"type": "integer"},
        "auto_update_interval": {"type": "number", "minimum": 0},
        "auto_update_start_time": {"type": "string", "pattern": "^([01]\\d|2[0-3]):[0-5]\\d$"},
        "command": {"type": ["array", "string"]}, "env": {"type": "object", "x-open-map": true}}}}}},
    "zilean": {"type": "object", "required": ["enabled", "process_name", "port"], "properties": {
      "enabled": {"type": "boolean"}, "process_name": {"type": "string"},
      "log_level": {"type": "string", "x-level": true}, "port": {"type": "integer"},
      "auto_update_interval": {"type": "number"}, "command": {"type": ["array", "string"]},
      "exclude_dirs": {"type": "array", "items": {"type": "string"}},
      "env": {"type": "object", "x-open-map": true}, "wait_for_dir": {"type": ["string", "array", "object"]},
      "wait_for_mounts": {"type": ["string", "array"]}}},
    "zurg": {"type": "object", "properties": {"instances": {"type": "object", "additionalProperties": {
      "type": "object", "required": ["enabled", "process_name"], "properties": {
        "enabled": {"type": "boolean"}, "process_name": {"type": "string"},
        "log_level": {"type": "string", "x-level": true}, "port": {"type": "integer"},
        "command": {"type": ["array", "string"]}, "api_key": {"type": "string"}}}}}}
  }
})json";

config::ServiceFacts facts(const json::object& document, std::string key, JsonPath path,
                           std::string instance = {}) {
  config::ServiceFacts out;
  out.key = std::move(key);
  out.path = std::move(path);
  out.multi_instance = !instance.empty();
  JsonPath block = out.path;
  if (out.multi_instance) block.insert(block.end(), {"instances", instance});
  out.defaults = jsonx::find(document, block)->as_object();
  out.template_instance = std::move(instance);
  const json::value* command = out.defaults.if_contains("command");
  out.command_from_setup = command != nullptr && command->is_array() && command->get_array().empty();
  return out;
}

}  // namespace

json::object object(std::string_view text) {
  return json::parse(text).as_object();
}

config::Model small_model() {
  config::Model model;
  model.defaults = object(defaults);
  model.schema = object(schema);
  const auto add = [&](std::string key, JsonPath path, std::string instance = {}) {
    model.services.push_back(facts(model.defaults, std::move(key), std::move(path), std::move(instance)));
  };
  add("dumb_api_service", {"dumb", "api_service"});
  add("dumb_frontend", {"dumb", "frontend"});
  add("decypharr", {"decypharr"});
  add("nzbdav", {"nzbdav"});
  add("huntarr", {"huntarr"}, "Default");
  add("rclone", {"rclone"}, "RealDebrid");
  add("sonarr", {"sonarr"}, "Default");
  add("zilean", {"zilean"});
  add("zurg", {"zurg"}, "RealDebrid");
  config::ServiceFacts readarr;
  readarr.key = "readarr";
  readarr.path = {"readarr"};
  readarr.multi_instance = true;
  readarr.template_instance = "Default";
  readarr.in_default_config = false;
  readarr.command_from_setup = true;
  readarr.defaults = object(R"({"enabled": false, "process_name": "Readarr", "port": 8787, "command": []})");
  model.services.push_back(std::move(readarr));
  model.services[2].also_accepted = {"use_embedded_rclone", "arrs_download_uncached"};
  model.tokens = {{"decypharr", "decypharr"}, {"nzbdav", "nzbdav"},   {"infinidysk", "nzbdav"},
                  {"zurg", "zurg"},           {"sonarr", "sonarr"},   {"clid", "cli_debrid"},
                  {"huntarr", "huntarr"},     {"neutarr", "huntarr"}, {"zilean", "zilean"}};
  model.key_aliases = {{"infinidysk", "nzbdav"}, {"neutarr", "huntarr"}};
  return model;
}

}  // namespace dumb::test
