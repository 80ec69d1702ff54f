#include "setup/riven.hpp"
#include "setup/templates.hpp"
#include "setup/traefik.hpp"
#include "support/setup_fixture.hpp"

using namespace dumb;
using namespace dumb::setup;
using test::document_with;
using test::ScopeFixture;

namespace {

std::string at(const json::object& object, const std::string& pointer) {
  const json::value* found = jsonx::find(object, *jsonx::parse_pointer(pointer));
  return found == nullptr ? "(none)" : jsonx::print_compact(*found);
}

json::object parsed(const char* text) {
  return jsonx::parse(text)->as_object();
}

}  // namespace

TEST_CASE("Riven's environment comes from the mounts, Plex, Zilean and PostgreSQL",
          "[setup][SVC-178][SVC-179]") {
  ScopeFixture fixture(
      document_with({{"/riven_backend/enabled", true},
                     {"/riven_backend/env", *jsonx::parse(R"({"MINE": "1", "BACKEND_URL": "http://mine",
                        "RIVEN_DATABASE_HOST": "postgresql+psycopg2://a:b@c:1/other"})")},
                     {"/rclone/instances/RealDebrid/enabled", true},
                     {"/rclone/instances/RealDebrid/core_service", "riven_backend"},
                     {"/rclone/instances/RealDebrid/zurg_enabled", true},
                     {"/zurg/instances/RealDebrid/api_key", "RDKEY"},
                     {"/zilean/enabled", true},
                     {"/dumb/plex_address", "http://plex:32400"},
                     {"/postgres/password", "p@ss"}}),
      "Riven Backend");
  const json::object env = riven_environment(*fixture.scope);
  CHECK(at(env, "/RIVEN_DOWNLOADERS_REAL_DEBRID_API_KEY") == R"("RDKEY")");
  CHECK(at(env, "/RIVEN_DOWNLOADERS_TORBOX_API_KEY") == "(none)");
  CHECK(at(env, "/RIVEN_SYMLINK_RCLONE_PATH") == "\"" + riven_rclone_path(*fixture.scope) + "\"");
  CHECK(riven_rclone_path(*fixture.scope).ends_with("/__all__"));
  CHECK(at(env, "/RIVEN_SYMLINK_LIBRARY_PATH") == R"("/mnt/debrid/riven_symlinks")");
  CHECK(at(env, "/RIVEN_UPDATERS_PLEX_URL") == R"("http://plex:32400")");
  CHECK(at(env, "/RIVEN_UPDATERS_PLEX_TOKEN") == "(none)");
  CHECK(at(env, "/RIVEN_SCRAPING_ZILEAN_URL") == R"("http://127.0.0.1:8182")");
  CHECK(at(env, "/RIVEN_DATABASE_URL") == R"("postgres://DUMB:p%40ss@127.0.0.1:5432/riven")");
  CHECK(at(env, "/RIVEN_DATABASE_HOST") == R"("postgresql+psycopg2://DUMB:p%40ss@127.0.0.1:5432/other")");
  CHECK(at(env, "/BACKEND_URL") == R"("http://mine")");
  CHECK(at(env, "/MINE") == R"("1")");
}

TEST_CASE("Riven's key is that of the environment, else of its settings", "[setup][SVC-180][SVC-182]") {
  ScopeFixture fixture(document_with({{"/riven_frontend/enabled", true}}), "Riven Frontend");
  CHECK(riven_api_key(*fixture.scope).empty());
  fixture.facts.files["/riven/backend/data/settings.json"] = R"({"api_key": "stored"})";
  CHECK(riven_api_key(*fixture.scope) == "stored");
  ScopeFixture given(document_with({{"/riven_backend/env/BACKEND_API_KEY", "given"}}), "Riven Frontend");
  CHECK(riven_api_key(*given.scope) == "given");
  CHECK(riven_backend_url(*given.scope) == "http://127.0.0.1:8080");
}

TEST_CASE("only settings that differ from the environment are sent to Riven", "[setup][SVC-181]") {
  const json::object settings = parsed(R"({"debug": true, "log": true, "downloaders": {"real_debrid":
     {"enabled": false, "api_key": "", "debug": false}, "torbox": {"enabled": false, "api_key": "x"}},
     "symlink": {"rclone_path": "/same", "count": 1, "ratio": 0.5, "flag": false}})");
  const json::object env = parsed(R"({"RIVEN_DOWNLOADERS_REAL_DEBRID_API_KEY": "KEY",
     "RIVEN_SYMLINK_RCLONE_PATH": "/same", "RIVEN_SYMLINK_COUNT": "5", "RIVEN_SYMLINK_RATIO": "0.75",
     "RIVEN_SYMLINK_FLAG": "true"})");
  CHECK(jsonx::print_compact(json::value(riven_changes(settings, env, false))) ==
        R"([{"key":"debug","value":false},{"key":"downloaders.real_debrid.api_key","value":"KEY"},)"
        R"({"key":"downloaders.real_debrid.enabled","value":true},{"key":"symlink.count","value":5},)"
        R"({"key":"symlink.ratio","value":0.75},{"key":"symlink.flag","value":true}])");
  CHECK(riven_changes(parsed(R"({"debug": true, "a": {"b": "c"}})"), parsed(R"({"RIVEN_A_B": "c"})"), true)
            .empty());
}

TEST_CASE("Traefik's static file has its entry points, logs and provider", "[setup][SVC-106][SVC-107]") {
  ScopeFixture fixture(document_with({{"/traefik/enabled", true}}), "Traefik", "/srv");
  const json::object out = traefik_static(*fixture.scope);
  CHECK(at(out, "/entryPoints/web/address") == R"(":18080")");
  CHECK(at(out, "/entryPoints/traefik/address") == R"("127.0.0.1:18081")");
  CHECK(at(out, "/api") == R"({"dashboard":true,"insecure":true})");
  CHECK(at(out, "/log") == R"({"level":"INFO"})");
  CHECK(at(out, "/accessLog/format") == R"("json")");
  CHECK(at(out, "/accessLog/filePath") == "(none)");
  CHECK(at(out, "/global/checkNewVersion") == "false");
  CHECK(at(out, "/providers/file") == R"({"filename":"/srv/config/traefik/services.yaml","watch":true})");
  ScopeFixture blank(document_with({{"/traefik/log_file", ""}, {"/traefik/access_log_file", ""}}), "Traefik");
  const json::object own = traefik_static(*blank.scope);
  CHECK(at(own, "/log/filePath") == R"("/log/traefik.log")");
  CHECK(at(own, "/accessLog/filePath") == R"("/log/traefik_access.log")");
  CHECK(yaml_document(parsed(R"({"a": {"b": [":80", {"c": true}], "d": {}}, "e": "true"})")) ==
        "a:\n  b:\n    - \":80\"\n    -\n      c: true\n  d: {}\ne: \"true\"\n");
}

TEST_CASE("every enabled service with an interface has a route", "[setup][SVC-108][SVC-109]") {
  ScopeFixture fixture(
      document_with(
          {{"/traefik/enabled", true},
           {"/jellyfin/enabled", true},
           {"/nzbdav/enabled", true},
           {"/sonarr/instances/Default/enabled", true},
           {"/sonarr/instances/Default/process_name", "Sonarr HD/4K"},
           {"/traefik/middlewares", *jsonx::parse(R"({"mine": {"a": {}}, "ui_frame_headers": {}})")},
           {"/traefik/services", *jsonx::parse(R"({"grafana": {"url": "http://g:1", "middlewares": ["mine"]},
                        "blank": {}})")}}),
      "Traefik");
  std::vector<std::string> warnings;
  const json::object out = traefik_routes(*fixture.scope, warnings);
  CHECK(warnings == std::vector<std::string>{"middleware ui_frame_headers has the name of a generated one",
                                             "services.blank has no url"});
  CHECK(at(out, "/http/services/sonarr_hd_4k_service/loadBalancer/servers/0/url") ==
        R"("http://127.0.0.1:8989")");
  CHECK(at(out, "/http/routers/sonarr_hd_4k_router/rule") ==
        "\"Path(`/service/ui/sonarr_hd_4k`) || PathPrefix(`/service/ui/sonarr_hd_4k/`)\"");
  CHECK(
      at(out, "/http/routers/jellyfin_router/middlewares") ==
      R"(["jellyfin_strip","jellyfin_replace","jellyfin_index_redirect","jellyfin_web_dirs","ui_frame_headers"])");
  CHECK(at(out, "/http/middlewares/jellyfin_replace/replacePathRegex/replacement") == R"("/web/index.html")");
  CHECK(at(out, "/http/services/nzbdav_service/loadBalancer/servers/0/url") == R"("http://127.0.0.1:3000")");
  CHECK(at(out, "/http/routers/nzbdav_referer_router/priority") == "2000");
  CHECK(at(out, "/http/routers/traefik_router/priority") == "1");
  CHECK(at(out, "/http/routers/traefik_router/service") == R"("api@internal")");
  CHECK(at(out, "/http/routers/traefik_dashboard_router/priority") == "900");
  CHECK(at(out, "/http/services/traefik_service") == "(none)");
  CHECK(at(out, "/http/services/plex_service") == "(none)");
  CHECK(at(out, "/http/routers/grafana_router/rule") == "\"PathPrefix(`/grafana`)\"");
  CHECK(at(out, "/http/routers/grafana_router/middlewares") == R"(["mine"])");
  CHECK(at(out, "/http/middlewares/mine") == R"({"a":{}})");
}

TEST_CASE("pgAdmin's configuration holds Python literals", "[setup][SVC-124]") {
  const json::object block = parsed(R"({"port": 5050, "default_server": "0.0.0.0"})");
  const json::object postgres =
      parsed(R"({"host": "0.0.0.0", "port": 5432, "user": "D'UMB", "password": "a\"b\\c"})");
  const auto text = pgadmin_config(block, postgres, "/srv/pg \"x\"", "/usr/bin");
  REQUIRE(text);
  CHECK_THAT(*text, ContainsSubstring("DATA_DIR = \"/srv/pg \\\"x\\\"\"\n"));
  CHECK_THAT(*text, ContainsSubstring("DEFAULT_SERVER_PORT = 5050\n"));
  CHECK_THAT(*text, ContainsSubstring("postgresql://D%27UMB:a%22b%5Cc@127.0.0.1:5432/pgadmin"));
  CHECK_THAT(*text, ContainsSubstring("    \"ppas-17\": \"/usr/bin\",\n"));
}

TEST_CASE("Profilarr's command is made right whatever it was", "[setup][SVC-212]") {
  const json::object block = parsed(R"j({"config_dir": "/profilarr/a", "port": 6868})j");
  const auto words = [&](const char* command) {
    const json::value given = *jsonx::parse(command);
    return jsonx::print_compact(json::value(*profilarr_command(block, &given)));
  };
  CHECK(
      words(R"j(["/x/gunicorn", "--chdir", "/old", "--bind", "0.0.0.0:{port}", "--timeout", "600",
                  "backend.app.main:create_app()"])j") ==
      R"j(["/profilarr/a/backend/venv/bin/gunicorn","--chdir","/profilarr/a/backend","--bind","0.0.0.0:6868",)j"
      R"j("--timeout","600","app.main:create_app()"])j");
  CHECK(
      words(R"j("gunicorn app.main:create_app()")j") ==
      R"j(["/profilarr/a/backend/venv/bin/gunicorn","--chdir","/profilarr/a/backend","--bind","0.0.0.0:6868",)j"
      R"j("app.main:create_app()"])j");
}

TEST_CASE("an instance's paths leave the template's directory", "[setup][SVC-207]") {
  const json::object block =
      parsed(R"({"config_dir": "/seerr/b", "config_file": "/seerr/default/config/settings.json",
     "log_file": "/seerr/defaults/x", "exclude_dirs": ["/seerr/default/config", "/other"],
     "command": ["/seerr/default/run", "--x"], "env": {"A": "/seerr/default", "B": "keep"}})");
  CHECK(jsonx::print_compact(json::value(own_directories(block, "seerr"))) ==
        R"({"exclude_dirs":["/seerr/b/config","/other"],"config_file":"/seerr/b/config/settings.json",)"
        R"("command":["/seerr/b/run","--x"],"env":{"A":"/seerr/b","B":"keep"}})");
  CHECK(
      own_directories(parsed(R"({"config_dir": "/seerr/default", "log_file": "/seerr/default/x"})"), "seerr")
          .empty());
}

TEST_CASE("Zilean's connection follows the postgres section", "[setup][SVC-183]") {
  ScopeFixture fixture(document_with({{"/postgres/password", "p;w"}}), "Zilean");
  add_small_models(*fixture.scope);
  const auto value =
      fixture.scope->filters.at("zilean-connection")(json::value("Host=x;Database=zilean;Timeout=3;"));
  CHECK(value->as_string() ==
        "Host=127.0.0.1;Database=zilean;Timeout=3;Port=5432;Username=DUMB;Password=\"p;w\";");
}
