#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "config/validate.hpp"

namespace dumb::config {
namespace {

/// CFG-23: accepted in any service block, whether its template has them or not.
constexpr std::array<std::string_view, 29> always_accepted{"wait_for_dir",
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
                                                           "readiness"};

/// The fields of CFG-21, as a schema. Only types: a custom service may leave out anything but its name and
/// command.
constexpr std::string_view common_fields = R"json({
  "type": "object",
  "required": ["process_name"],
  "properties": {
    "enabled": {"type": "boolean"},
    "process_name": {"type": "string"},
    "suppress_logging": {"type": "boolean"},
    "log_level": {"type": "string", "x-level": true},
    "log_file": {"type": "string"},
    "host": {"type": "string"},
    "port": {"type": "integer"},
    "frontend_port": {"type": "integer"},
    "backend_port": {"type": "integer"},
    "webdav_port": {"type": "integer"},
    "platforms": {"type": "array", "items": {"type": "string"}},
    "command": {"type": ["string", "array"], "items": {"type": "string"}},
    "config_dir": {"type": "string"},
    "config_file": {"type": "string"},
    "env": {"type": "object", "x-open-map": true,
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]}},
    "env_copy": {"type": "object", "properties": {"source": {"type": "string"}, "destination": {"type": "string"}}},
    "exclude_dirs": {"type": "array", "items": {"type": "string"}},
    "depends_on": {"type": ["array", "null"], "items": {"anyOf": [
      {"type": "string"},
      {"type": "object", "required": ["process_name"], "properties": {
        "process_name": {"type": "string"},
        "condition": {"type": "string", "enum": ["started", "healthy", "completed_successfully"]}}}]}},
    "readiness": {"type": ["object", "null"]},
    "wait_for_dir": {"anyOf": [
      {"type": "string"},
      {"type": "object", "properties": {"path": {"type": "string"}}},
      {"type": "array", "items": {"anyOf": [
        {"type": "string"}, {"type": "object", "properties": {"path": {"type": "string"}}}]}}]},
    "wait_for_mounts": {"type": ["string", "array"], "items": {"type": "string"}},
    "wait_for_url": {"anyOf": [
      {"type": "string"},
      {"type": "object", "properties": {"url": {"type": "string"}}},
      {"type": "array", "items": {"anyOf": [
        {"type": "string"}, {"type": "object", "properties": {"url": {"type": "string"}}}]}}]},
    "core_service": {"type": ["string", "array"]},
    "core_services": {"type": ["string", "array"]},
    "repo_owner": {"type": "string"},
    "repo_name": {"type": "string"},
    "release_version_enabled": {"type": "boolean"},
    "release_version": {"type": "string"},
    "branch_enabled": {"type": "boolean"},
    "branch": {"type": "string"},
    "pinned_version": {"type": "string"},
    "clear_on_update": {"type": "boolean"},
    "auto_update": {"type": "boolean"},
    "auto_update_interval": {"type": "number"},
    "auto_update_start_time": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
    "symlink_backup_enabled": {"type": "boolean"},
    "symlink_backup_interval": {"type": "number"},
    "symlink_backup_start_time": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
    "symlink_backup_path": {"type": "string"},
    "symlink_backup_include_broken": {"type": "boolean"},
    "symlink_backup_retention_count": {"type": "number", "minimum": 0},
    "symlink_backup_roots": {"type": ["string", "array"], "items": {"type": "string"}},
    "mount_dir": {"type": "string"},
    "mount_name": {"type": "string"},
    "cache_dir": {"type": "string"},
    "base_url": {"type": "string"},
    "url_base": {"type": "string"},
    "direct_url": {"type": "string"},
    "version": {"type": "string"},
    "use_huntarr": {"type": "boolean"},
    "use_profilarr": {"type": "boolean"},
    "user": {"type": "string"},
    "username": {"type": "string"},
    "password": {"type": "string"},
    "customer_id": {"type": "string"},
    "api_key": {"type": "string"},
    "middlewares": {"type": "object", "x-open-map": true},
    "services": {"type": "object", "x-open-map": true}
  }
})json";

const ServiceFacts* facts_of(const Model& model, const JsonPath& path) {
  const auto found =
      std::find_if(model.services.begin(), model.services.end(), [&](const ServiceFacts& facts) {
        if (facts.path == path) return true;
        return path.size() == 3 && path[1] == "instances" && facts.path == JsonPath{path.front()};
      });
  return found == model.services.end() ? nullptr : &*found;
}

bool contains(const std::vector<std::string>& list, std::string_view key) {
  return std::find(list.begin(), list.end(), key) != list.end();
}

}  // namespace

const json::object& custom_block_schema() {
  static const json::object schema = json::parse(common_fields).as_object();
  return schema;
}

const json::object& block_schema(const Model& model, const JsonPath& path) {
  const json::object* node = schema::at(model.schema, path);
  const bool says_something = node != nullptr && node->contains("properties");
  return says_something ? *node : custom_block_schema();
}

bool is_allowed_key(const Model& model, const JsonPath& path, const json::object& block,
                    std::string_view key) {
  if (block.contains(key)) return true;
  if (std::find(always_accepted.begin(), always_accepted.end(), key) != always_accepted.end()) return true;
  if (schema::member(&block_schema(model, path), key) != nullptr) return true;
  const ServiceFacts* facts = facts_of(model, path);
  if (facts == nullptr) return false;
  return facts->defaults.contains(key) || contains(facts->optional_keys, key) ||
         contains(facts->also_accepted, key);
}

}  // namespace dumb::config
