#include <dumb/supervisor/ports.hpp>
#include <dumb/supervisor/resolve.hpp>
#include <dumb/supervisor/waits.hpp>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::supervisor;

namespace {

config::SnapshotPtr snapshot(std::string_view text) {
  auto value = jsonx::parse(text);
  REQUIRE(value);
  return std::make_shared<config::Snapshot>(value->as_object(), value->as_object(), 1);
}

Result<Resolved> resolve(const config::SnapshotPtr& config, std::string_view name,
                         ResolveRequest request = {}) {
  request.config = config;
  request.block = *config->find(name);
  request.service = catalog::Catalog::embedded().find(request.block.config_key);
  return resolve_launch(request);
}

std::string variable(const Resolved& resolved, std::string_view name) {
  for (const std::string& entry : resolved.env) {
    if (entry.starts_with(std::string(name) + "=")) return entry.substr(name.size() + 1);
  }
  return "(unset)";
}

}  // namespace

TEST_CASE("placeholders are replaced in a copy, foreign braces stay", "[supervisor][LIF-50][SVC-11]") {
  const auto config = snapshot(R"({"app":{"process_name":"App","port":8080,"host":"h","config_dir":"/app",
    "command":["run","--port","{port}","{unknown}","{\"a\":1}","x{host}y"],
    "env":{"N":5,"T":true,"URL":"http://{host}:{port}","PATH":"/app/bin:${PATH}","GONE":"a${NOPE}b"}},
    "postgres":{"process_name":"P","user":"u","port":5433}})");
  ResolveRequest request;
  request.inherited = {{"PATH", "/usr/bin"}, {"SECRET", "s"}};
  request.hidden = {"SECRET"};
  const auto resolved = resolve(config, "App", request);
  REQUIRE(resolved);
  CHECK(resolved->argv == std::vector<std::string>{"run", "--port", "8080", "{unknown}", "{\"a\":1}", "xhy"});
  CHECK(variable(*resolved, "N") == "5");
  CHECK(variable(*resolved, "T") == "true");
  CHECK(variable(*resolved, "URL") == "http://h:8080");
  CHECK(variable(*resolved, "PATH") == "/app/bin:/usr/bin");
  CHECK(variable(*resolved, "GONE") == "ab");
  CHECK(variable(*resolved, "SECRET") == "(unset)");
  CHECK(resolved->directory == "/app");
  CHECK(jsonx::string_at(config->block(*config->find("App")), "config_dir") == "/app");
}

TEST_CASE("arguments below a block's own paths are mapped beneath the root, mounts it waits for included",
          "[supervisor][LIF-50]") {
  const auto config = snapshot(R"({"media":{"process_name":"Media","config_dir":"/media",
    "wait_for_mounts":["/mnt/library"],
    "command":["/usr/bin/serve","--dir","/mnt/library/films","--state=/media/state","/mnt/elsewhere"]}})");
  ResolveRequest request;
  request.root = Root("/scratch");
  const auto resolved = resolve(config, "Media", request);
  REQUIRE(resolved);
  CHECK(resolved->argv == std::vector<std::string>{"/usr/bin/serve", "--dir", "/scratch/mnt/library/films",
                                                   "--state=/scratch/media/state", "/mnt/elsewhere"});
}

TEST_CASE("a text command is split into words before its placeholders are filled",
          "[supervisor][LIF-52][SVC-116]") {
  const auto config =
      snapshot(R"({"postgres":{"process_name":"PG","config_dir":"/my data","config_file":"/my data/c",
    "command":"postgres -D {postgres_config_dir} -c config_file={postgres_config_file} 'a b'"}})");
  const auto resolved = resolve(config, "PG");
  REQUIRE(resolved);
  CHECK(resolved->argv ==
        std::vector<std::string>{"postgres", "-D", "/my data", "-c", "config_file=/my data/c", "a b"});
}

TEST_CASE("what has no command, or one that is no command, is named",
          "[supervisor][LIF-41][API-29][API-109]") {
  const auto config =
      snapshot(R"({"a":{"process_name":"A","command":[]},"b":{"process_name":"B","command":"'x"},
    "c":{"process_name":"C","command":7},"d":{"process_name":"D"}})");
  for (const char* name : {"A", "B", "C", "D"}) {
    const auto resolved = resolve(config, name);
    REQUIRE_FALSE(resolved);
    CHECK(resolved.error().is(Errc::invalid_config));
    CHECK(resolved.error().where() == name);
  }
}

TEST_CASE("ports in commands and variables follow the port field", "[supervisor][LIF-50][SVC-12][ONB-45]") {
  const auto config = snapshot(R"({
    "riven_backend":{"process_name":"RB","port":9000,"command":["py","src/main.py","-p","8080"],
      "env":{"RIVEN_DATABASE_URL":"postgres://old:x@h:1/riven","RIVEN_DATABASE_HOST":"mysql://keep"}},
    "tautulli":{"process_name":"T","port":8182,"command":["py","T.py"]},
    "cli_debrid":{"process_name":"CD","port":5055,"command":["x"],"env":{"CLI_DEBRID_PORT":"1"}},
    "cli_battery":{"process_name":"CB","port":5056,"command":["x"]},
    "zilean":{"process_name":"Z","port":8183,"command":["z"],"env":{"ASPNETCORE_URLS":"http://+:1",
      "Zilean__Database__ConnectionString":"Host=x;Port=1;Database=zilean;Username=a;Password=b;Timeout=300;"}},
    "profilarr":{"instances":{"D":{"process_name":"PR","port":6869,"command":["g","--bind","0.0.0.0:6868","app"]}}},
    "rclone":{"instances":{"D":{"process_name":"R","command":["rclone","mount","--log-file","/x","a:","--log-file=/y","b"]}}},
    "postgres":{"process_name":"P","host":"0.0.0.0","port":5433,"user":"du mb","password":"p;w"}})");
  CHECK(resolve(config, "RB")->argv == std::vector<std::string>{"py", "src/main.py", "-p", "9000"});
  CHECK(variable(*resolve(config, "RB"), "RIVEN_DATABASE_URL") ==
        "postgres://du%20mb:p%3Bw@127.0.0.1:5433/riven");
  CHECK(variable(*resolve(config, "RB"), "RIVEN_DATABASE_HOST") == "mysql://keep");
  CHECK(resolve(config, "T")->argv == std::vector<std::string>{"py", "T.py", "--port", "8182"});
  CHECK(variable(*resolve(config, "CD"), "CLI_DEBRID_PORT") == "5055");
  CHECK(variable(*resolve(config, "CD"), "CLI_DEBRID_BATTERY_PORT") == "5056");
  CHECK(variable(*resolve(config, "Z"), "ASPNETCORE_URLS") == "http://+:8183");
  CHECK(variable(*resolve(config, "Z"), "Zilean__Database__ConnectionString") ==
        "Host=127.0.0.1;Port=5433;Database=zilean;Username=\"du mb\";Password=\"p;w\";Timeout=300;");
  CHECK(resolve(config, "PR")->argv == std::vector<std::string>{"g", "--bind", "0.0.0.0:6869", "app"});
  CHECK(resolve(config, "R")->argv == std::vector<std::string>{"rclone", "mount", "a:", "b"});
}

TEST_CASE("another database's connection string is left alone", "[supervisor][SVC-183]") {
  const json::object postgres = json::parse(R"({"host":"h","port":1,"user":"u","password":"p"})").as_object();
  const std::string other = "Host=x;Database=other;Password=\"a;b\"";
  CHECK(follow_postgres_in_connection_string(other, "zilean", postgres) == other);
  CHECK(follow_postgres_in_connection_string("Password='it''s';X=1", "zilean", postgres) ==
        "Password=p;X=1;Host=h;Port=1;Username=u;");
}

TEST_CASE("own paths are taken beneath the root, everything else stays", "[supervisor][design]") {
  const auto config = snapshot(R"({"app":{"process_name":"App","config_dir":"/app","cache_dir":"/cache",
    "exclude_dirs":["/kept"],
    "command":["/usr/bin/tool","/app/main","--cache-dir=/cache","--x=/usr","/cachet","/kept/a","rel"],
    "env":{"A":"/app/data","B":"/etc/x","PATH":"/app/bin:/usr/bin"}}})");
  ResolveRequest request;
  request.root = Root("/tmp/r");
  const auto resolved = resolve(config, "App", request);
  REQUIRE(resolved);
  CHECK(resolved->argv == std::vector<std::string>{"/usr/bin/tool", "/tmp/r/app/main",
                                                   "--cache-dir=/tmp/r/cache", "--x=/usr", "/cachet",
                                                   "/tmp/r/kept/a", "rel"});
  CHECK(variable(*resolved, "A") == "/tmp/r/app/data");
  CHECK(variable(*resolved, "B") == "/etc/x");
  CHECK(variable(*resolved, "PATH") == "/tmp/r/app/bin:/usr/bin");
  CHECK(resolved->directory == "/tmp/r/app");
}

TEST_CASE("media servers wait for every mount of the stack", "[supervisor][LIF-21][LIF-25]") {
  const auto config = snapshot(R"({"plex":{"process_name":"Plex","enabled":true,"port":32400},
    "rclone":{"instances":{"B":{"process_name":"R2","enabled":true,"mount_dir":"/mnt/debrid","mount_name":"b"},
      "A":{"process_name":"R1","enabled":true,"mount_dir":"/mnt/debrid/","mount_name":"/a"},
      "Off":{"process_name":"R3","enabled":false,"mount_dir":"/mnt/debrid","mount_name":"off"}}},
    "decypharr":{"process_name":"D","enabled":true,"mount_type":"dfs"}})");
  const auto model = catalog::Catalog::embedded().model();
  CHECK(decypharr_mounts(*config, "") == std::vector<std::string>{"/mnt/debrid/decypharr"});
  CHECK(decypharr_mounts(*config, R"({"mount":{"type":"none"}})").empty());
  CHECK(decypharr_mounts(*config, R"({"mount":{"type":"dfs","mount_path":"/m"}})") ==
        std::vector<std::string>{"/m"});
  CHECK(decypharr_mounts(
            *config,
            R"({"rclone":{"mount_path":"/d"},"debrids":[{"folder":"/d/rd/__all__"},{"name":"tb"}]})") ==
        std::vector<std::string>{"/d/rd", "/d/tb"});
  const auto members = injected_waits(*config, *config->find("Plex"), model, {"/mnt/debrid/decypharr"});
  CHECK(jsonx::print_compact(members) ==
        R"({"wait_for_mounts":["/mnt/debrid/a","/mnt/debrid/b","/mnt/debrid/decypharr"]})");
}

TEST_CASE("prowlarr, tautulli and seerr wait for what they talk to", "[supervisor][LIF-22][LIF-23][LIF-24]") {
  const auto config = snapshot(R"({"dumb":{"plex_address":"https://plex.home:444/x"},
    "plex":{"process_name":"Plex","enabled":true,"port":32400},
    "jellyfin":{"process_name":"J","enabled":true,"port":8096},
    "sonarr":{"instances":{"S":{"process_name":"S","enabled":true,"port":8989,"base_url":"/tv/"}}},
    "radarr":{"instances":{"R":{"process_name":"R","enabled":false,"port":7878}}},
    "prowlarr":{"instances":{"P":{"process_name":"P","enabled":true}}},
    "tautulli":{"process_name":"T","enabled":true},
    "seerr":{"instances":{"M":{"process_name":"M","enabled":true,"core_service":"Jellyfin"}}}})");
  const auto model = catalog::Catalog::embedded().model();
  const auto of = [&](std::string_view name) {
    return jsonx::print_compact(injected_waits(*config, *config->find(name), model, {}));
  };
  CHECK(of("P") == R"({"wait_for_url":[{"url":"http://127.0.0.1:8989/tv/ping"}]})");
  CHECK(of("T") == R"({"wait_for_url":[{"url":"https://plex.home:444/identity","core_service":"plex"}]})");
  CHECK(of("M") ==
        R"({"wait_for_url":[{"url":"http://127.0.0.1:8096/System/Info/Public","core_service":"jellyfin"}]})");
}

TEST_CASE("every spelling of a wait is understood", "[supervisor][LIF-42][LIF-44][CFG-21]") {
  const Root root("/r");
  const auto plan = waits_of(json::parse(R"({"wait_for_dir":[{"path":"/a"},"/b",""],"wait_for_mounts":"/m",
    "wait_for_url":[{"url":"http://x/dav/","auth":{"user":"u","password":"p"},"timeout":2.5},{"nourl":1},"http://y"]})")
                                 .as_object(),
                             root);
  CHECK(plan.directories == std::vector<std::filesystem::path>{"/r/a", "/r/b"});
  CHECK(plan.mounts == std::vector<std::filesystem::path>{"/r/m"});
  REQUIRE(plan.urls.size() == 2);
  CHECK(plan.urls[0].user == "u");
  CHECK(plan.urls[0].timeout == std::chrono::milliseconds(2500));
  CHECK(probe_method("/dav/") == "PROPFIND");
  CHECK(probe_method("/x/webdav?y") == "PROPFIND");
  CHECK(probe_method("/ping") == "GET");
  CHECK(probe_method("/ping?next=/dav/") == "GET");
  CHECK(has_json_path(R"({"a":{"b":[1]}})", "a.b.0"));
  CHECK_FALSE(has_json_path(R"({"a":{}})", "a.b"));
  CHECK_FALSE(has_json_path("no json", "a"));
}

TEST_CASE("of two claims of a port the earlier keeps it", "[supervisor][LIF-15][LIF-17][LIF-18][LIF-19]") {
  const auto config =
      snapshot(R"({"emby":{"process_name":"E","port":8096},"jellyfin":{"process_name":"J","port":8096},
    "nzbdav":{"process_name":"N","frontend_port":3000,"backend_port":8080},
    "riven_frontend":{"process_name":"RF","port":3000},"plex":{"process_name":"P","port":3001},
    "odd":{"process_name":"O","port":"x"},"zero":{"process_name":"0","port":0},
    "last":{"process_name":"L","port":65535},"dumb":{"frontend":{"process_name":"F","port":8080}}})");
  std::set<std::string> all;
  for (const auto& ref : config->blocks()) all.insert(ref.process_name);
  const auto claims = port_claims(*config, all);
  const auto moves =
      assign_ports(claims, {8097}, [](const PortClaim&, std::int64_t port) { return port == 65535; });
  std::vector<std::string> text;
  for (const auto& move : moves) {
    text.push_back(move.claim.process_name + "." + move.claim.field + "->" + std::to_string(move.to));
  }
  CHECK(text ==
        std::vector<std::string>{"J.port->8098", "N.backend_port->8081", "RF.port->3002", "L.port->0"});
}
