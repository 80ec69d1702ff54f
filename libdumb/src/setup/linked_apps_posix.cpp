#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>

#include "setup/linked_apps.hpp"
#include "setup/sqlite_posix.hpp"

namespace dumb::setup {
namespace {

/// Sets one of NzbDAV's items when it differs.
Result<void> set_item(SqliteDatabase& database, const std::string& name, const std::string& value) {
  const auto rows = database.run("SELECT ConfigValue FROM ConfigItems WHERE ConfigName = ?1", {name});
  if (!rows) return rows.error();
  if (!rows->empty() && rows->front().front() == value) return {};
  const auto done =
      rows->empty()
          ? database.run("INSERT INTO ConfigItems (ConfigName, ConfigValue) VALUES (?1, ?2)", {name, value})
          : database.run("UPDATE ConfigItems SET ConfigValue = ?2 WHERE ConfigName = ?1", {name, value});
  if (!done) return done.error();
  return {};
}

Result<std::string> item(SqliteDatabase& database, const std::string& name) {
  const auto rows = database.run("SELECT ConfigValue FROM ConfigItems WHERE ConfigName = ?1", {name});
  if (!rows) return rows.error();
  return rows->empty() ? std::string() : rows->front().front();
}

/// Whether a Huntarr instance looks after this Arr (SVC-210).
bool overlaps(const json::object& huntarr, const json::object& arr, const config::Model& model) {
  const auto own = config::core_services(huntarr, model);
  if (own.empty()) return true;
  for (const std::string& name : own) {
    if (config::has_core_service(arr, name, model)) return true;
  }
  return false;
}

json::object default_app(Run& run, const std::string& key) {
  const auto text = run.facts.read(run.scope.mapped(jsonx::text_at(run.scope.own(), "config_dir") +
                                                    "/src/primary/default_configs/" + key + ".json"));
  const auto document = text ? jsonx::parse(*text) : Result<json::value>(json::object());
  return document && document->is_object() ? document->get_object() : json::object();
}

constexpr const char* huntarr_table =
    "CREATE TABLE IF NOT EXISTS app_configs (id INTEGER PRIMARY KEY AUTOINCREMENT, app_type TEXT UNIQUE NOT "
    "NULL, config_data TEXT NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, updated_at TIMESTAMP "
    "DEFAULT CURRENT_TIMESTAMP)";

Result<void> write_app(Run& run, SqliteDatabase& database, const std::string& key,
                       const std::vector<ArrInstance>& linked) {
  const auto rows = database.run("SELECT config_data FROM app_configs WHERE app_type = ?1", {key});
  if (!rows) return rows.error();
  if (rows->empty() && linked.empty()) return {};
  json::object present = default_app(run, key);
  if (!rows->empty()) {
    const auto document = jsonx::parse(rows->front().front());
    if (!document || !document->is_object())
      return failure(Failure::bad_file, "config_data of " + key + " is no JSON object");
    present = document->get_object();
  }
  const json::object next = huntarr_app(present, key, linked);
  if (!rows->empty() && jsonx::same(json::value(present), json::value(next))) return {};
  const std::string text = jsonx::print_compact(json::value(next));
  const auto done =
      rows->empty()
          ? database.run("INSERT INTO app_configs (app_type, config_data) VALUES (?1, ?2)", {key, text})
          : database.run(
                "UPDATE app_configs SET config_data = ?2, updated_at = CURRENT_TIMESTAMP WHERE "
                "app_type = ?1",
                {key, text});
  if (!done) return done.error();
  return {};
}

}  // namespace

Result<void> write_nzbdav_config(Run& run, SqliteDatabase& database) {
  if (!database.has_table("ConfigItems")) {
    run.log().warning(run.name() + ": its database has no table ConfigItems yet");
    return {};
  }
  std::vector<ArrInstance> linked;
  for (ArrInstance& arr : arr_instances(run.scope, {"sonarr", "radarr", "lidarr", "whisparr"})) {
    if (config::has_core_service(*arr.block, "nzbdav", run.context.catalog->model()) && !arr.api_key.empty())
      linked.push_back(std::move(arr));
  }
  const auto instances = item(database, "arr.instances");
  const auto categories = item(database, "api.categories");
  const auto mount = item(database, "rclone.mount-dir");
  for (const auto* read : {&instances, &categories, &mount}) {
    if (!*read) return read->error();
  }
  auto done = set_item(database, "arr.instances", nzbdav_instances(*instances, linked));
  if (done) done = set_item(database, "api.categories", nzbdav_categories(*categories, linked));
  if (done && text::blank(*mount))
    done = set_item(database, "rclone.mount-dir", run.scope.mapped("/mnt/debrid/nzbdav").native());
  return done;
}

Result<void> write_huntarr_apps(Run& run, SqliteDatabase& database) {
  if (!database.has_table("app_configs")) {
    const auto made = database.run(huntarr_table);
    if (!made) return made.error();
  }
  const config::Model model = run.context.catalog->model();
  for (const char* key : {"sonarr", "radarr", "lidarr", "whisparr"}) {
    std::vector<ArrInstance> linked;
    for (ArrInstance& arr : arr_instances(run.scope, {key})) {
      if (jsonx::bool_at(*arr.block, "use_huntarr", false) && overlaps(run.scope.own(), *arr.block, model))
        linked.push_back(std::move(arr));
    }
    const auto done = write_app(run, database, key, linked);
    if (!done) return done.error();
  }
  return {};
}

}  // namespace dumb::setup
