#include "catalog/known.hpp"

#include <algorithm>
#include <initializer_list>

namespace dumb::catalog::known {
namespace {

bool among(std::string_view name, std::initializer_list<std::string_view> names) noexcept {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool step(std::string_view name) noexcept {
  return among(name, {"mkdir",         "own",       "copy",    "symlink",  "remove",
                      "unmount",       "render",    "edit",    "patch",    "set",
                      "secret",        "pick-port", "require", "obscure",  "capture",
                      "download",      "build",     "run",     "launch",   "wait",
                      "initdb",        "sql",       "http",    "arr-link", "prowlarr-indexers",
                      "prowlarr-sync", "traefik-ui"});
}

bool condition(std::string_view name) noexcept {
  return among(name, {"exists", "missing", "executable", "field", "is", "is_not", "in", "service_enabled",
                      "service_running", "tool", "env_missing", "version_is", "python_at_least",
                      "pid_file_stale", "pg_not_ready", "xml_attr_blank", "not", "all", "any"});
}

bool template_model(std::string_view name) noexcept {
  return among(name, {"traefik-static", "zurg-config", "nzbdav-start", "postgresql-conf", "pgadmin-config",
                      "riven-server-json"});
}

bool edit_model(std::string_view name) noexcept {
  return among(name, {"decypharr-config", "rclone-remote", "jellyfin-network", "emby-system"});
}

bool sql_model(std::string_view name) noexcept {
  return among(name, {"nzbdav-config", "postgres-databases", "pgadmin-server", "huntarr-apps"});
}

bool http_model(std::string_view name) noexcept {
  return among(name, {"riven-settings", "plex-claim"});
}

bool run_model(std::string_view name) noexcept {
  return among(name, {"plex-dbrepair", "profilarr-link"});
}

bool value_model(std::string_view name) noexcept {
  return among(name,
               {"decypharr-mode", "provider_mounts", "rclone-mount", "rclone.password", "postgres.passfile",
                "zilean-connection", "profilarr", "riven.env", "riven.rclone_path", "riven.api_key"});
}

bool version_source(std::string_view name) noexcept {
  return among(name, {"file", "command", "dpkg", "assembly", "env", "http", "none", "url", "apt-candidate"});
}

}  // namespace dumb::catalog::known
