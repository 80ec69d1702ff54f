#include "setup/riven.hpp"

#include <fmt/format.h>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>
#include <dumb/supervisor/resolve.hpp>

#include "setup/postgres.hpp"
#include "setup/rclone.hpp"

namespace dumb::setup {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> key_variables{
    {{"realdebrid", "RIVEN_DOWNLOADERS_REAL_DEBRID_API_KEY"},
     {"alldebrid", "RIVEN_DOWNLOADERS_ALL_DEBRID_API_KEY"},
     {"torbox", "RIVEN_DOWNLOADERS_TORBOX_API_KEY"}}};

std::vector<const json::object*> mounts_of(const Scope& scope) {
  std::vector<const json::object*> out;
  for (const config::BlockRef* ref : scope.context().config->of_key("rclone")) {
    const json::object& block = scope.context().config->block(*ref);
    if (ref->enabled && config::has_core_service(block, "riven_backend", scope.context().catalog->model()))
      out.push_back(&block);
  }
  return out;
}

/// The key an rclone instance works with: its own, or that of the zurg instance it mounts.
std::string key_of(const Scope& scope, const json::object& rclone) {
  if (!jsonx::bool_at(rclone, "zurg_enabled", false)) return jsonx::text_at(rclone, "api_key");
  const std::string file = jsonx::text_at(rclone, "zurg_config_file");
  for (const config::BlockRef* ref : scope.context().config->of_key("zurg")) {
    const json::object& zurg = scope.context().config->block(*ref);
    if (!file.empty() && jsonx::text_at(zurg, "config_file") == file) return jsonx::text_at(zurg, "api_key");
  }
  return {};
}

const json::object* backend_of(const Scope& scope) {
  return scope.service().key == "riven_backend" ? &scope.own() : scope.block_of("riven_backend");
}

std::string http_url(const json::object& block) {
  std::string host(text::trim(jsonx::text_at(block, "host")));
  if (host.empty() || host == "0.0.0.0" || host == "::" || host == "*") host = "127.0.0.1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return fmt::format("http://{}:{}", host, jsonx::text_at(block, "port"));
}

void add_databases(const Scope& scope, json::object& env) {
  const json::object* postgres = scope.block_of("postgres");
  const auto connection = postgres == nullptr ? Result<pg::Connection>(Error()) : pg::connection(*postgres);
  if (!connection) return;
  const std::string rest =
      fmt::format("{}:{}@{}:{}/riven", text::percent_encode(connection->user),
                  text::percent_encode(connection->password), connection->host, connection->port);
  env["RIVEN_DATABASE_URL"] = "postgres://" + rest;
  env["RIVEN_DATABASE_HOST"] = "postgresql+psycopg2://" + rest;
}

/// The section's own entries win; their database addresses follow the postgres section.
void add_own(const Scope& scope, json::object& env) {
  const json::value* own = scope.own().if_contains("env");
  if (own == nullptr || !own->is_object()) return;
  const json::object* postgres = scope.block_of("postgres");
  for (const auto& [name, value] : own->get_object()) {
    const bool database = name == "RIVEN_DATABASE_URL" || name == "RIVEN_DATABASE_HOST";
    if (database && postgres != nullptr && value.is_string()) {
      env[name] = supervisor::follow_postgres_in_url(value.get_string(), *postgres);
    } else {
      env[name] = value;
    }
  }
}

/// An environment text with the type it stands for; a setting that is a text stays one.
json::value typed(const std::string& text, const json::value& present) {
  if (present.is_string()) return json::value(json::string(text));
  if (text == "true" || text == "false") return json::value(text == "true");
  if (const auto number = text::to_int(text)) return json::value(*number);
  if (const auto number = text::to_double(text)) return json::value(*number);
  return json::value(json::string(text));
}

struct Comparison {
  const json::object& environment;
  bool debug = false;
  json::array changes;

  void change(const std::string& key, const json::value& present, json::value wanted) {
    if (jsonx::same(present, wanted)) return;
    json::object entry;
    entry["key"] = key;
    entry["value"] = std::move(wanted);
    changes.emplace_back(std::move(entry));
  }

  void walk(const json::object& settings, const std::string& path) {
    bool set = false;
    for (const auto& [name, value] : settings) {
      const std::string key = path.empty() ? std::string(name) : path + "." + std::string(name);
      if (value.is_object()) {
        walk(value.get_object(), key);
        continue;
      }
      if (name == "debug") {
        change(key, value, json::value(debug));
        continue;
      }
      const std::string variable = "RIVEN_" + text::upper(text::replace_all(key, ".", "_"));
      const json::value* given = environment.if_contains(variable);
      if (given == nullptr || catalog::is_blank(*given)) continue;
      set = true;
      change(key, value, typed(text_of(*given), value));
    }
    if (!set) return;
    for (const char* name : {"enabled", "enable"}) {
      const json::value* present = settings.if_contains(name);
      const std::string key = path.empty() ? name : path + "." + name;
      const std::string variable = "RIVEN_" + text::upper(text::replace_all(key, ".", "_"));
      if (present != nullptr && present->is_bool() && !environment.contains(variable))
        change(key, *present, json::value(true));
    }
  }
};

}  // namespace

std::string riven_rclone_path(const Scope& scope) {
  const auto mounts = mounts_of(scope);
  if (mounts.empty()) return {};
  const std::filesystem::path point = std::filesystem::path(jsonx::text_at(*mounts.front(), "mount_dir")) /
                                      jsonx::text_at(*mounts.front(), "mount_name") / "__all__";
  return point.lexically_normal().native();
}

std::string riven_backend_url(const Scope& scope) {
  const json::object* backend = backend_of(scope);
  return backend == nullptr ? std::string() : http_url(*backend);
}

json::object riven_environment(const Scope& scope) {
  json::object env;
  const auto put = [&](std::string_view name, std::string_view value) {
    if (!text::blank(value)) env[name] = value;
  };
  for (const json::object* rclone : mounts_of(scope)) {
    const std::string provider = provider_token(jsonx::text_at(*rclone, "key_type"));
    for (const auto& [known, variable] : key_variables) {
      if (known == provider && !env.contains(variable)) put(variable, key_of(scope, *rclone));
    }
  }
  put("RIVEN_SYMLINK_RCLONE_PATH", riven_rclone_path(scope));
  put("RIVEN_SYMLINK_LIBRARY_PATH", jsonx::text_at(scope.own(), "symlink_library_path"));
  const json::value* dumb = scope.context().config->effective().if_contains("dumb");
  if (dumb != nullptr && dumb->is_object()) {
    put("RIVEN_UPDATERS_PLEX_URL", jsonx::text_at(dumb->get_object(), "plex_address"));
    put("RIVEN_UPDATERS_PLEX_TOKEN", jsonx::text_at(dumb->get_object(), "plex_token"));
  }
  const json::object* zilean = scope.block_of("zilean");
  if (zilean != nullptr && jsonx::bool_at(*zilean, "enabled", false))
    put("RIVEN_SCRAPING_ZILEAN_URL", http_url(*zilean));
  add_databases(scope, env);
  put("BACKEND_URL", riven_backend_url(scope));
  add_own(scope, env);
  return env;
}

std::string riven_api_key(const Scope& scope) {
  const json::object* backend = backend_of(scope);
  for (const json::object* block : {backend, &scope.own()}) {
    const json::value* found = block == nullptr ? nullptr : catalog::member(*block, "env.BACKEND_API_KEY");
    if (found != nullptr && !catalog::is_blank(*found)) return text_of(*found);
  }
  const auto variable = scope.context().environment.find("BACKEND_API_KEY");
  if (variable != scope.context().environment.end() && !text::blank(variable->second))
    return variable->second;
  if (backend == nullptr) return {};
  const auto text = scope.facts().read(scope.mapped(jsonx::text_at(*backend, "config_file")));
  const auto document = text ? jsonx::parse(*text) : Result<json::value>(json::object());
  return document && document->is_object() ? jsonx::text_at(document->get_object(), "api_key")
                                           : std::string();
}

json::array riven_changes(const json::object& settings, const json::object& environment, bool debug) {
  Comparison comparison{environment, debug, {}};
  comparison.walk(settings, "");
  return std::move(comparison.changes);
}

void add_riven_models(Scope& scope) {
  scope.values["riven.env"] = [&scope]() -> Result<json::value> {
    return json::value(riven_environment(scope));
  };
  scope.values["riven.rclone_path"] = [&scope]() -> Result<json::value> {
    return json::value(json::string(riven_rclone_path(scope)));
  };
  scope.values["riven.api_key"] = [&scope]() -> Result<json::value> {
    return json::value(json::string(riven_api_key(scope)));
  };
}

}  // namespace dumb::setup
