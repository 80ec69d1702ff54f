#include "setup/version.hpp"

#include <string>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
namespace version = dumb::setup::version;
using Found = std::optional<std::string>;

namespace {

/// The plan of a service whose block is its defaults with `changes` (JSON text) over them.
version::Plan plan(std::string_view key, std::string_view changes = "{}",
                   const std::string& instance = "Default") {
  const auto* service = catalog::Catalog::embedded().find(key);
  REQUIRE(service != nullptr);
  json::object block = service->defaults;
  const json::value parsed = jsonx::parse(changes).value();
  for (const auto& [name, value] : parsed.get_object()) block[name] = value;
  version::Scope scope;
  scope.service = service;
  scope.block = &block;
  scope.instance = instance;
  scope.build_version = "0.1.0";
  return version::plan(scope);
}

std::vector<std::string> paths(std::string_view key, std::string_view changes = "{}",
                               const std::string& instance = "Default") {
  const auto found = plan(key, changes, instance);
  REQUIRE(found.size() == 1);
  return found.front().paths;
}

/// What the service's first source makes of a text.
Found read(std::string_view key, std::string_view text) {
  const auto found = plan(key);
  REQUIRE_FALSE(found.empty());
  return version::read(found.front(), text);
}

std::string wide(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c;
    out += '\0';
  }
  return out;
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("the server's own version comes from the environment, else from the build",
          "[setup][API-88][SVC-103]") {
  const auto found = plan("dumb_api_service");
  REQUIRE(found.size() == 2);
  CHECK(found[0].kind == version::Kind::env);
  CHECK(found[0].name == "DUMB_VERSION");
  CHECK(version::read(found[0], " 9.9 ") == Found("9.9"));
  CHECK(version::read(found[0], "  ") == Found());
  CHECK(found[1].fixed == "0.1.0");
  CHECK(version::read(found[1], found[1].fixed) == Found("0.1.0"));
}

TEST_CASE("the frontend's version is the one of its package file", "[setup][API-89][SVC-43]") {
  CHECK(paths("dumb_frontend") == Strings{"/dumb/frontend/package.json"});
  CHECK(read("dumb_frontend", R"({"name": "x", "version": "1.2.0"})") == Found("v1.2.0"));
  CHECK(read("dumb_frontend", R"({"version": "v1.2.0"})") == Found("v1.2.0"));
  CHECK(read("dumb_frontend", R"({"name": "x"})") == Found());
  CHECK(read("dumb_frontend", R"({"version": {}})") == Found());
  CHECK(read("dumb_frontend", R"({"version": )") == Found());
}

TEST_CASE("version files are read whole and trimmed", "[setup][API-87][API-90][API-91][API-92][API-93]") {
  CHECK(paths("decypharr") == Strings{"/decypharr/version.txt"});
  CHECK(paths("nzbdav") == Strings{"/nzbdav/version.txt"});
  CHECK(paths("zilean") == Strings{"/zilean/version.txt"});
  CHECK(paths("tautulli") == Strings{"/tautulli/version.txt"});
  CHECK(paths("huntarr") == Strings{"/huntarr/default/version.txt"});
  CHECK(paths("seerr") == Strings{"/seerr/default/version.txt"});
  CHECK(paths("profilarr", R"({"config_dir": "/profilarr/two"})") == Strings{"/profilarr/two/version.txt"});
  CHECK(paths("riven_frontend") == Strings{"/riven/frontend/version.txt"});
  CHECK(paths("cli_debrid") == Strings{"/cli_debrid/version.txt"});
  CHECK(paths("cli_battery") == Strings{"/cli_debrid/cli_battery/version.txt"});
  CHECK(paths("phalanx_db") == Strings{"/phalanx_db/version.txt"});
  CHECK(paths("emby") == Strings{"/emby/version.txt"});
  CHECK(paths("emby", R"({"version_path": "/else/v.txt"})") == Strings{"/else/v.txt"});
  CHECK(read("decypharr", " v1.0.0\n") == Found("v1.0.0"));
  CHECK(read("decypharr", "1.0.0") == Found("1.0.0"));
  CHECK(read("cli_debrid", "0.6.07\n") == Found("v0.6.07"));
  CHECK(read("cli_debrid", "v0.6.07\n") == Found("v0.6.07"));
  CHECK(read("decypharr", "\n \n") == Found());
  CHECK(read("decypharr", std::string(5000, 'x')) == Found());
  CHECK(read("decypharr", "\xff\xfe") == Found());
}

TEST_CASE("a blank config_dir means the default one", "[setup][API-87]") {
  CHECK(paths("seerr", R"({"config_dir": ""})") == Strings{"/seerr/default/version.txt"});
  CHECK(paths("seerr", R"({"config_dir": null})") == Strings{"/seerr/default/version.txt"});
}

TEST_CASE("a version is found in the text of a source file", "[setup][API-94][API-95][SVC-43]") {
  CHECK(paths("riven_backend") == Strings{"/riven/backend/pyproject.toml"});
  const std::string toml = "[tool.poetry]\nname = \"riven\"\nversion = \"0.20.1\"\n[x]\nversion = \"9\"\n";
  CHECK(read("riven_backend", toml) == Found("v0.20.1"));
  CHECK(read("riven_backend", "python_version = \"3.11\"\n") == Found());
  CHECK(paths("plex_debrid") == Strings{"/plex_debrid/ui/ui_settings.py"});
  CHECK(read("plex_debrid", "x = 1\nversion = ['2.95', \"note\"]\n") == Found("2.95"));
  CHECK(read("plex_debrid", "version = \"v2.95.1\"") == Found("2.95.1"));
}

TEST_CASE("zurg tells its version behind the last colon of its last line", "[setup][API-96][SVC-43]") {
  const auto found = plan("zurg", R"({"config_dir": "/zurg/TWO"})");
  REQUIRE(found.size() == 1);
  CHECK(found.front().argv == Strings{"/zurg/TWO/zurg", "version"});
  CHECK(found.front().timeout == std::chrono::seconds(5));
  CHECK(read("zurg", "Starting: now\nBuilt: today\nVersion: a: v0.9.3-final\n") == Found("v0.9.3-final"));
  CHECK(read("zurg", "Version: 1\nend\n") == Found());
  CHECK(read("zurg", "") == Found());
}

TEST_CASE("rclone and psql tell theirs in a sentence", "[setup][API-97][API-98][SVC-43]") {
  CHECK(plan("rclone").front().argv == Strings{"rclone", "--version"});
  CHECK(read("rclone", "rclone v1.65.1\n- os/version: debian 12 (64 bit)\n") == Found("1.65.1"));
  CHECK(read("rclone", "rclone 1.66.0-DEV\n") == Found("1.66.0-DEV"));
  CHECK(plan("postgres").front().argv == Strings{"psql", "--version"});
  CHECK(read("postgres", "psql (PostgreSQL) 16.4 (Debian 16.4-1.pgdg120+1)\n") == Found("16.4"));
  CHECK(read("postgres", "psql (PostgreSQL) 17\n") == Found("17"));
  CHECK(read("postgres", "command not found") == Found());
}

TEST_CASE("plex and traefik are asked themselves", "[setup][API-98a][API-98b][SVC-43]") {
  CHECK(plan("plex").front().argv == Strings{"/usr/lib/plexmediaserver/Plex Media Server", "--version"});
  CHECK(read("plex", "v1.41.3.9314-a0bfb8370\n") == Found("v1.41.3.9314-a0bfb8370"));
  CHECK(plan("traefik").front().argv == Strings{"/traefik/traefik", "version"});
  CHECK(plan("traefik", R"({"command": "/opt/traefik --x"})").front().argv ==
        Strings{"/opt/traefik", "version"});
  CHECK(plan("traefik", R"({"command": []})").front().argv == Strings{"/traefik/traefik", "version"});
  CHECK(read("traefik", "Version:      3.6.6\nCodename:     x\nGo version:   go1.24\n") == Found("v3.6.6"));
  CHECK(read("traefik", "Codename: x\nVersion: v3.6.7-rc1\n") == Found("v3.6.7-rc1"));
  CHECK(read("traefik", " unreleased build \n") == Found("unreleased build"));
}

TEST_CASE("jellyfin is looked up as a package, then asked over HTTP", "[setup][API-98c][SVC-43]") {
  const auto found = plan("jellyfin", R"({"port": 8097})");
  REQUIRE(found.size() == 2);
  CHECK(found[0].argv == Strings{"dpkg-query", "-W", "-f=${Version}", "jellyfin"});
  CHECK(version::read(found[0], "10.10.3+deb12") == Found("10.10.3+deb12"));
  CHECK(version::read(found[0], "") == Found());
  CHECK(found[1].url == "http://127.0.0.1:8097/System/Info/Public");
  CHECK(found[1].timeout == std::chrono::seconds(3));
  CHECK(version::read(found[1], R"({"Version": "10.10.3"})") == Found("10.10.3"));
  CHECK(version::read(found[1], "<html>") == Found());
}

TEST_CASE("pgAdmin's version file is parsed, never executed", "[setup][API-98d][SVC-43]") {
  CHECK(paths("pgadmin") == Strings{"/pgadmin/venv/lib/python*/site-packages/pgadmin4/version.py"});
  const std::string file = "import os\nAPP_RELEASE = 9\nAPP_REVISION = 2\nAPP_SUFFIX = ''\n";
  CHECK(read("pgadmin", file) == Found("9.2"));
  CHECK(read("pgadmin", "APP_RELEASE = 9\nAPP_REVISION = 2\nAPP_SUFFIX = 'beta1'\n") == Found("9.2-beta1"));
  CHECK(read("pgadmin", "APP_RELEASE = 9\n") == Found());
}

TEST_CASE("an Arr application's version is in its assembly", "[setup][API-98e][SVC-43]") {
  const std::string noise("MZ\0\x90\xff Sonarr.Core, Version=1.0 Sonarr.Common, Culture=neutral\0", 60);
  CHECK(read("sonarr", noise + "Sonarr.Common, Version=4.0.12.2823, Culture" + noise) ==
        Found("4.0.12.2823"));
  CHECK(read("sonarr", noise + wide("Sonarr.Common, Version=4.0.12.2823, Culture") + noise) ==
        Found("4.0.12.2823"));
  CHECK(read("sonarr", noise) == Found());
  CHECK(read("sonarr", "Sonarr.Common, Version=") == Found());
  CHECK(read("whisparr-v3", "Whisparr.Common, Version=3.0.0.1") == Found("3.0.0.1"));
}

TEST_CASE("where an Arr application is installed", "[setup][API-99][SVC-48]") {
  CHECK(paths("sonarr") == Strings{"/opt/sonarr/Sonarr/Sonarr.Core.dll"});
  CHECK(paths("sonarr", R"({"install_dir": "/srv/arr"})") == Strings{"/srv/arr/Sonarr/Sonarr.Core.dll"});
  CHECK(paths("sonarr", R"({"release_version_enabled": true})", "4 K") ==
        Strings{"/opt/sonarr/instances/4_k/Sonarr/Sonarr.Core.dll", "/opt/sonarr/Sonarr/Sonarr.Core.dll"});
  CHECK(paths("radarr", R"({"pinned_version": "5.0"})").size() == 2);
  CHECK(paths("whisparr-v3") == Strings{"/opt/whisparr-v3/Whisparr/Whisparr.Core.dll"});
}

TEST_CASE("other services have no version", "[setup][API-98f]") {
  CHECK(plan("bazarr").empty());
}

TEST_CASE("an odd block has no version", "[setup][API-23][API-87]") {
  CHECK(version::plan(version::Scope()).empty());
  CHECK(plan("traefik", R"({"command": {"a": 1}})").front().argv == Strings{"/traefik/traefik", "version"});
  CHECK(plan("jellyfin", R"({"port": ["x"]})").size() >= 1);
}

TEST_CASE("queries that read the same thing share an identity", "[setup][API-101]") {
  CHECK(version::identity(plan("rclone", "{}", "A")) == version::identity(plan("rclone", "{}", "B")));
  CHECK(version::identity(plan("sonarr", "{}", "A")) == version::identity(plan("sonarr", "{}", "B")));
  CHECK(version::identity(plan("seerr")) !=
        version::identity(plan("seerr", R"({"config_dir": "/seerr/b"})")));
  CHECK(version::identity(plan("decypharr", R"({"config_dir": "/same"})")) !=
        version::identity(plan("cli_debrid", R"({"config_dir": "/same"})")));
}

TEST_CASE("patterns take flags and hold at line ends", "[setup][SVC-9][SVC-43]") {
  CHECK(version::first_match("a\nversion 1\n", "^version (\\d)") == Found("1"));
  CHECK(version::first_match("a\nVERSION 1\n", "(?i)^version (\\d)") == Found("1"));
  CHECK(version::first_match("a\nVERSION 1\n", "(?m)^version (\\d)") == Found());
  CHECK(version::first_match("a\nVERSION 1\n", "(?m)(?i)^version \\d$") == Found("VERSION 1"));
  CHECK(version::first_match("text", "(") == Found());
  CHECK(version::first_match("text", "") == Found());
}

TEST_CASE("a line without end does not exhaust the pattern matcher", "[setup][API-100]") {
  const std::string line(1U << 20U, 'a');
  CHECK(version::first_match(line, "^(.*)b") == Found());
  CHECK(version::first_match(line + "\nb 1", "^b (\\d)") == Found());
  CHECK(version::first_match(std::string(20000, 'a') + "\nb 1", "^b (\\d)") == Found("1"));
}
