#include <dumb/base/text.hpp>
#include <filesystem>
#include <set>

#include "support/archives.hpp"
#include "support/release_server.hpp"
#include "support/setup_stack.hpp"

using namespace dumb;
using test::ArchiveEntry;
using test::ReleaseServer;
using test::SetupStack;
namespace fs = std::filesystem;

namespace {

/// What is special about a service; everything else comes from the catalogue.
struct Row {
  std::string key;
  std::vector<std::pair<std::string, std::string>> members{};  ///< of its block, as JSON
  std::vector<ArchiveEntry> source{};                          ///< of its release, beside what every one has
  std::vector<std::string> files{};                            ///< that configure has to make
  std::string command{};                                       ///< its words, or nothing to compare
  std::string environment{};                                   ///< one "NAME=value" that has to be there
};

/// A program that stands for the tools of every build and makes what they would make.
constexpr const char* tool = R"sh(#!/bin/sh
case "$(basename "$0") $1 $2" in
  python3*' -m venv')
    mkdir -p "$3/bin"
    for name in python python3 pip poetry gunicorn; do
      printf '#!/bin/sh\nexit 0\n' > "$3/bin/$name"; chmod 755 "$3/bin/$name"
    done;;
  'pnpm run build'|'pnpm run build:server')
    mkdir -p build dist .output/server dist-node
    for file in build/index.js dist/index.js dist/index.html .output/server/index.mjs dist-node/server.js; do
      echo built > $file
    done;;
  'dotnet publish '*)
    while [ "$1" != -o ]; do shift; done
    mkdir -p "$2/wwwroot"
    for name in zilean-api scraper NzbWebDAV NzbWebDAV.dll; do echo built > "$2/$name"; chmod 755 "$2/$name"; done;;
esac
exit 0
)sh";

const std::vector<ArchiveEntry>& common_source() {
  static const std::vector<ArchiveEntry> entries{
      {"main.py", "print()\n"},
      {"requirements.txt", ""},
      {"requirements-linux.txt", ""},
      {"package.json",
       R"({"name": "x", "version": "1.2.3", "scripts": {"build": "x", "build:server": "y"}})"},
      {"pyproject.toml", "[tool.poetry]\nversion = \"0.23.7\"\n"},
      {"version.txt", "1.2.3\n"},
      {"Tautulli.py", "x"},
      {"bazarr.py", "x"},
      {"settings-default.json", "{}\n"},
      {"cli_battery/main.py", "x"},
      {"backend/app/main.py", "x"},
      {"backend/requirements.txt", "PyYAML==5.4.1\n"},
      {"backend/NzbWebDAV.csproj", "x"},
      {"frontend/package.json", R"({"scripts": {"build": "x", "build:server": "y"}})"},
      {"src/Zilean.ApiService/x.csproj", "x"},
      {"src/Zilean.Scraper/x.csproj", "x"},
      {"content/services/trakt.py", "env_file = \".env\"\n"}};
  return entries;
}

std::string zip_with_top(std::vector<ArchiveEntry> entries) {
  for (const ArchiveEntry& entry : common_source()) entries.push_back(entry);
  for (ArchiveEntry& entry : entries) entry.name = "owner-name-0123456/" + entry.name;
  return test::make_zip(entries);
}

/// Stands for a program of a release.
ArchiveEntry program(const std::string& name) {
  return {name, "#!/bin/sh\nexit 0\n", 0755};
}

std::string arr_archive(const std::string& app) {
  return test::make_tar_gz(
      {program(app + "/" + app), {app + "/" + app + ".Core.dll", app + ".Common, Version=4.0.0.1"}});
}

/// Everything that can be fetched for the service.
void publish(ReleaseServer& server, const catalog::Service& service, const json::object& block,
             const Row& row) {
  std::string repository = jsonx::string_at(block, "repo_owner") + "/" + jsonx::string_at(block, "repo_name");
  if (service.key == "traefik") repository = "traefik/traefik";
  server.set_file(
      "/dreulavelle/Prowlarr-Indexers/archive/refs/heads/main.zip",
      {200, {}, test::make_zip({{"x/Custom/zilean.yml", "links:\n  - x\n"}}), std::string::npos, 0, true});
  const std::string method = jsonx::string_at(service.install, "method");
  ReleaseServer::Release release;
  release.tag = "v1.2.3";
  release.source = zip_with_top(row.source);
  for (const char* arch : {"amd64", "arm64"}) {
    const std::string uname = arch == std::string("amd64") ? "x86_64" : "arm64";
    if (service.key == "zurg")
      release.files.push_back(
          {std::string("zurg-v1.2.3-linux-") + arch + ".zip", test::make_zip({program("zurg")})});
    if (service.key == "decypharr")
      release.files.push_back(
          {"decypharr_Linux_" + uname + ".tar.gz", test::make_tar_gz({program("decypharr")})});
    if (service.key == "traefik") {
      release.tag = "v3.6.6";
      release.files.push_back(
          {std::string("traefik_v3.6.6_linux_") + arch + ".tar.gz", test::make_tar_gz({program("traefik")})});
    }
  }
  server.add(repository, release);
  server.set_branch(repository, "main", std::string(40, 'a'), release.source);
  if (method != "servarr") return;
  const std::string app = jsonx::string_at(service.install, "app");
  server.set_fault([app](const test::Seen& seen, int, test::Said& said) {
    if (seen.target.find("/v1/download/") == std::string::npos &&
        seen.target.find("/updatefile") == std::string::npos)
      return false;
    said = {
        200,
        {{"Content-Disposition", "attachment; filename=" + app + ".master.4.0.0.1.linux-core-x64.tar.gz"}},
        arr_archive(app),
        std::string::npos,
        0,
        true};
    return true;
  });
}

/// What is not for a release server to bring.
void place(SetupStack& stack, const std::string& key) {
  if (key == "plex")
    test::write_text(stack.root / "usr/lib/plexmediaserver/Plex Media Server", "#!/bin/sh\n");
  if (key == "jellyfin") {
    test::write_text(stack.root / "usr/lib/jellyfin/bin/jellyfin", "#!/bin/sh\n");
    fs::permissions(stack.root / "usr/lib/jellyfin/bin/jellyfin", fs::perms(0755));
  }
  if (key == "emby") {
    test::write_text(stack.root / "opt/emby-server/system/EmbyServer", "#!/bin/sh\n");
    test::write_text(stack.root / "emby/config/system.xml",
                     "<ServerConfiguration>\n</ServerConfiguration>\n");
  }
  if (key == "cli_battery") {
    test::write_text(stack.root / "cli_debrid/main.py", "");
    test::write_text(stack.root / "cli_debrid/cli_battery/main.py", "");
  }
  if (key == "pgadmin") {
    stack.running.insert("PostgreSQL");
    test::write_text(stack.root / "pgadmin/venv/bin/python3", "#!/bin/sh\n");
    fs::permissions(stack.root / "pgadmin/venv/bin/python3", fs::perms(0755));
    test::write_text(stack.root / "pgadmin/venv/lib/python3.11/site-packages/pgadmin4/pgAdmin4.py", "");
  }
}

std::vector<Row> rows() {
  const auto arr = [](const std::string& key, const std::string& app) {
    return Row{key,
               {},
               {},
               {key + "/default/config.xml"},
               "/opt/" + key + "/" + app + "/" + app + " --nobrowser --data=/" + key + "/default",
               {}};
  };
  return {
      {"dumb_api_service"},
      {"dumb_frontend", {}, {}, {}, {}, "PORT=3005"},
      {"traefik", {}, {}, {"config/traefik/traefik.yml", "config/traefik/services.yaml"}, {}, {}},
      {"cli_debrid", {}, {}, {"cli_debrid/data/config"}, {}, "CLI_DEBRID_BATTERY_PORT=5001"},
      {"cli_battery", {}, {}, {"cli_debrid/data/config"}, {}, "CLI_DEBRID_BATTERY_PORT=5001"},
      {"decypharr",
       {{"mount_type", R"("none")"}, {"api_keys", R"({"realdebrid": "KEY"})"}},
       {},
       {"decypharr/config.json", "mnt/debrid/decypharr_symlinks"},
       {},
       {}},
      {"nzbdav", {}, {}, {"nzbdav/nzbdav_start.sh"}, "/bin/sh /nzbdav/nzbdav_start.sh", "PORT=3000"},
      {"emby", {}, {}, {"emby/config/system.xml"}, {}, {}},
      {"jellyfin", {}, {}, {"jellyfin/config/network.xml", "jellyfin/cache"}, {}, {}},
      {"phalanx_db",
       {},
       {{"phalanx_db_rest_v3.js", "x"}, {"phalanx_db_rest_v12.js", "x"}},
       {"phalanx_db/data/autobase_storage_v4/db"},
       "node phalanx_db_rest_v12.js",
       "DEBUG=false"},
      {"plex",
       {},
       {},
       {"plex/Plex Media Server/Preferences.xml"},
       "/usr/lib/plexmediaserver/Plex Media Server",
       "TMPDIR=/tmp"},
      {"tautulli", {}, {}, {}, {}, {}},
      {"huntarr", {}, {}, {"huntarr/default/config/huntarr.db"}, {}, "HUNTARR_PORT=9705"},
      {"profilarr", {}, {}, {"profilarr/default/config/log"}, {}, "FLASK_ENV=production"},
      {"seerr", {}, {}, {"seerr/default/config/logs"}, {}, "NODE_ENV=production"},
      {"plex_debrid", {}, {}, {"plex_debrid/config/settings.json"}, {}, {}},
      {"pgadmin",
       {},
       {},
       {"pgadmin/data/config_local.py", "pgadmin/venv/lib/python3.11/site-packages/pgadmin4/config_local.py"},
       "/pgadmin/venv/bin/python3 /pgadmin/venv/lib/python3.11/site-packages/pgadmin4/pgAdmin4.py",
       "PGADMIN_SETUP_EMAIL=DUMB@DUMB.DUMB"},
      {"riven_backend",
       {},
       {},
       {"riven/backend/data", "mnt/debrid/riven_symlinks"},
       "/riven/backend/venv/bin/python src/main.py -p 8080",
       "BACKEND_URL=http://127.0.0.1:8080"},
      {"riven_frontend", {}, {}, {}, {}, "ORIGIN=http://localhost:3000"},
      {"zilean", {}, {}, {"zilean/wwwroot"}, {}, "ASPNETCORE_URLS=http://+:8182"},
      {"zurg", {{"api_key", R"("KEY")"}}, {}, {"zurg/RD/config.yml"}, {}, "LOG_LEVEL=INFO"},
      {"bazarr", {}, {}, {}, {}, "NO_UPDATE=true"},
      arr("sonarr", "Sonarr"),
      arr("radarr", "Radarr"),
      arr("lidarr", "Lidarr"),
      arr("prowlarr", "Prowlarr"),
      arr("readarr", "Readarr"),
      arr("whisparr", "Whisparr"),
      arr("whisparr-v3", "Whisparr"),
  };
}

/// The services that have tests of their own with their real programs.
const std::set<std::string> elsewhere{"postgres", "rclone"};

/// Adds the service's default block, enabled; its process name.
std::string enable(SetupStack& stack, const catalog::Service& service, const Row& row) {
  json::object block = service.defaults;
  block["enabled"] = true;
  JsonPath path = text::split(service.config_path, '.');
  if (service.multi_instance) {
    path.emplace_back("instances");
    path.push_back(service.template_instance.empty() ? "Default" : service.template_instance);
  }
  const json::value* there = jsonx::find(stack.document, path);
  if (there != nullptr && there->is_object()) {
    block = there->get_object();
    block["enabled"] = true;
  }
  for (const auto& [name, value] : row.members) block[name] = *jsonx::parse(value);
  const std::string name = jsonx::string_at(block, "process_name");
  jsonx::set(stack.document, path, std::move(block));
  return name;
}

/// Members over those of a block, objects member by member.
void put(json::object& block, const json::object& members) {
  for (const auto& [name, value] : members) {
    json::value& there = block[name];
    if (there.is_object() && value.is_object()) {
      put(there.get_object(), value.get_object());
    } else {
      there = value;
    }
  }
}

/// Files of the root with their content, links with their targets.
std::map<std::string, std::string> contents(const fs::path& root) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    std::error_code error;
    if (entry.is_symlink()) {
      out[entry.path()] = "-> " + fs::read_symlink(entry.path(), error).native();
    } else if (entry.is_regular_file()) {
      out[entry.path()] = test::read_text(entry.path());
    }
  }
  return out;
}

}  // namespace

TEST_CASE("the matrix of services has a row for every one of the catalogue", "[setup][SVC-229]") {
  std::set<std::string> known = elsewhere;
  for (const Row& row : rows()) known.insert(row.key);
  for (const catalog::Service& service : catalog::Catalog::embedded().services()) {
    INFO(service.key);
    CHECK(known.count(service.key) == 1);
  }
}

TEST_CASE("every service is installed and configured from an empty root, and a second time nothing changes",
          "[setup][SVC-13][SVC-29][SVC-217][SVC-229]") {
  for (const Row& row : rows()) {
    INFO(row.key);
    const catalog::Service* service = catalog::Catalog::embedded().find(row.key);
    REQUIRE(service != nullptr);
    ReleaseServer server;
    SetupStack stack;
    for (const auto& [name, value] : server.endpoints()) stack.environment[name] = value;
    const fs::path tools = stack.directory / "tools";
    for (const char* name : {"python3", "python3.11", "pnpm", "dotnet", "go", "node"}) {
      test::write_text(tools / name, tool);
      fs::permissions(tools / name, fs::perms(0755));
    }
    fs::permissions(tools, fs::perms(0755));
    stack.environment["PATH"] = tools.native() + ":/usr/local/bin:/usr/bin:/bin";
    const std::string name = enable(stack, *service, row);
    const setup::Context context = stack.context(name);
    publish(server, *service, context.config->block(context.block), row);
    place(stack, row.key);
    const auto first = stack.configure(name);
    if (!first) FAIL_CHECK(row.key << ": " << first.error().to_string());
    if (!first) continue;
    for (const std::string& file : row.files) {
      INFO(file);
      CHECK(fs::exists(fs::symlink_status(stack.root / file)));
    }
    json::object merged = context.config->block(context.block);
    for (const json::object* layer : {&first->persisted, &first->generated}) put(merged, *layer);
    if (!row.command.empty()) {
      std::vector<std::string> words;
      for (const json::value& word : merged.at("command").as_array())
        words.push_back(jsonx::scalar_text(word));
      CHECK(text::join(words, " ") == row.command);
    }
    if (!row.environment.empty()) {
      const std::size_t equals = row.environment.find('=');
      const json::object& env = merged.at("env").as_object();
      CHECK(jsonx::text_at(env, row.environment.substr(0, equals)) == row.environment.substr(equals + 1));
    }
    for (const auto& [path, content] : contents(stack.root)) {
      // A placeholder that was not filled shows.
      const bool ours =
          path.find("/.dumb/") == std::string::npos && path.find("/.cache/") == std::string::npos;
      if (ours) CHECK(content.find("{config_dir}") == std::string::npos);
    }
    // What it decided to save is saved, as the engine does.
    json::object* saved = &stack.document;
    for (const std::string& step : context.block.path) saved = &saved->at(step).as_object();
    put(*saved, first->persisted);
    const auto before = stack.stamps();
    const auto bytes = contents(stack.root);
    const std::size_t requests = server.requests().size();
    const auto second = stack.configure(name);
    if (!second) FAIL_CHECK(row.key << " again: " << second.error().to_string());
    if (!second) continue;
    CHECK(second->changed.empty());
    CHECK(second->persisted.empty());
    CHECK(contents(stack.root) == bytes);
    CHECK(stack.stamps() == before);
    CHECK(server.requests().size() == requests);
    CHECK(stack.log.text().find("this build") == std::string::npos);
  }
}
