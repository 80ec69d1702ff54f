#include "cli/src/paths.hpp"
#include "cli/src/settings.hpp"
#include "cli/src/validation.hpp"
#include "support/cli_program.hpp"

using namespace dumb;
using test::CliProgram;

namespace {

constexpr std::string_view document_text = R"({
  "puid": 1000,
  "dumb": {"ui": {"sidebar": {"compact_mode": false, "saved_views": ["a", "b"]}},
           "plex_token": "very-secret", "api_service": {"process_name": "DUMB API", "port": 8000}},
  "zilean": {"process_name": "Zilean", "enabled": true, "port": 8182, "pinned_version": "", "log_level": "INFO",
             "env": {"A": "1", "TOKEN": "geheim-geheim"}, "wait_for_dir": ["/a", "/b"]},
  "sonarr": {"instances": {"My.TV": {"process_name": "Sonarr TV", "port": 8989, "api_key": ""}}}
})";

json::object document() {
  return jsonx::parse(document_text).value().get_object();
}

JsonPath path_of(std::string_view name) {
  const auto path = cli::parse_setting(name, document());
  REQUIRE(path);
  return *path;
}

cli::SettingUpdate update_of(std::string_view name, json::value value, bool persist = true) {
  auto update = cli::setting_update(document(), path_of(name), std::move(value), persist);
  REQUIRE(update);
  return *update;
}

std::string text_of(const json::object& object) {
  return jsonx::print_compact(json::value(object));
}

}  // namespace

TEST_CASE("a setting is named by pointer or with dots", "[cli]") {
  CHECK(path_of("/zilean/port") == JsonPath{"zilean", "port"});
  CHECK(path_of("zilean.port") == JsonPath{"zilean", "port"});
  CHECK(path_of("/sonarr/instances/My.TV/port") == JsonPath{"sonarr", "instances", "My.TV", "port"});
  CHECK(path_of("sonarr.instances.My.TV.port") == JsonPath{"sonarr", "instances", "My.TV", "port"});
  CHECK(path_of("zilean.new.thing") == JsonPath{"zilean", "new", "thing"});
  CHECK(path_of("zilean.wait_for_dir.1") == JsonPath{"zilean", "wait_for_dir", "1"});
  CHECK_FALSE(cli::parse_setting("", document()));
  CHECK_FALSE(cli::parse_setting("zilean..port", document()));
  CHECK(cli::setting_name({"zilean", "port"}) == "zilean.port");
  CHECK(cli::setting_name({"sonarr", "instances", "My.TV"}) == "/sonarr/instances/My.TV");
}

TEST_CASE("what the user types takes the type of what is there", "[cli]") {
  const json::value text("4.0"), number(5), flag(true), list(json::array{});
  CHECK(cli::typed_value(&text, "12") == json::value("12"));
  CHECK(cli::typed_value(&text, "\"12\"") == json::value("12"));
  CHECK(cli::typed_value(&text, "") == json::value(""));
  CHECK(cli::typed_value(&number, "12") == json::value(12));
  CHECK(cli::typed_value(&number, "-5") == json::value(-5));
  CHECK(cli::typed_value(&number, "a lot") == json::value("a lot"));
  CHECK(cli::typed_value(&flag, "yes") == json::value(true));
  CHECK(cli::typed_value(&flag, "off") == json::value(false));
  CHECK(cli::typed_value(&list, "[\"/a\"]") == jsonx::parse("[\"/a\"]").value());
  CHECK(cli::typed_value(nullptr, "true") == json::value(true));
  CHECK(cli::typed_value(nullptr, "word") == json::value("word"));
}

TEST_CASE("a setting of a service is sent as a change of its block", "[cli][CFG-82][CFG-83]") {
  const auto port = update_of("zilean.port", 8190, false);
  CHECK(port.process_name == "Zilean");
  CHECK(text_of(port.updates) == R"({"port":8190})");
  CHECK_FALSE(port.persist);
  const auto env = update_of("zilean.env.B", "2");
  CHECK(text_of(env.updates) == R"({"env":{"A":"1","TOKEN":"geheim-geheim","B":"2"}})");
  const auto list = update_of("zilean.wait_for_dir.1", "/c");
  CHECK(text_of(list.updates) == R"({"wait_for_dir":["/a","/c"]})");
  const auto longer = update_of("zilean.wait_for_dir.2", "/c");
  CHECK(text_of(longer.updates) == R"({"wait_for_dir":["/a","/b","/c"]})");
  CHECK(update_of("sonarr.instances.My.TV.port", 9000).process_name == "Sonarr TV");
  CHECK(update_of("dumb.api_service.port", 9000).process_name == "DUMB API");
  CHECK_FALSE(cli::setting_update(document(), {"zilean", "port", "x"}, 1, true));
  CHECK_FALSE(cli::setting_update(document(), {"zilean", "wait_for_dir", "7"}, 1, true));
}

TEST_CASE("a setting of no service is sent as a merge into the document", "[cli][CFG-87][CFG-88]") {
  const auto compact = update_of("dumb.ui.sidebar.compact_mode", true);
  CHECK_FALSE(compact.process_name);
  CHECK(text_of(compact.updates) == R"({"dumb":{"ui":{"sidebar":{"compact_mode":true}}}})");
  CHECK(text_of(update_of("puid", 1001).updates) == R"({"puid":1001})");
  CHECK(text_of(update_of("dumb.ui.sidebar.saved_views.1", "c").updates) ==
        R"({"dumb":{"ui":{"sidebar":{"saved_views":["a","c"]}}}})");
  const auto unsaved = cli::setting_update(document(), {"puid"}, 1001, false);
  REQUIRE_FALSE(unsaved);
  CHECK(cli::exit_code(unsaved.error().code()) == cli::ExitCode::usage);
}

TEST_CASE("config show masks secrets unless they are asked for", "[cli][CFG-105]") {
  CliProgram program;
  program.answer("GET /config", std::string(document_text));
  CHECK(program.run({"config", "show"}) == 0);
  CHECK(program.out.find("secret") == std::string::npos);
  CHECK(program.out.find("geheim") == std::string::npos);
  CHECK_THAT(program.out, ContainsSubstring("\"plex_token\": \"***\""));
  CHECK_THAT(program.out, ContainsSubstring("\"api_key\": \"\""));
  CHECK(program.run({"config", "show", "--reveal"}) == 0);
  CHECK(jsonx::parse(program.out).value() == json::value(document()));
  program.answer("GET /config?process_name=zilean", jsonx::print_compact(document().at("zilean")));
  CHECK(program.run({"config", "show", "zilean"}) == 0);
  CHECK(program.out.find("geheim") == std::string::npos);
  CHECK_THAT(program.out, ContainsSubstring("\"port\": 8182"));
}

TEST_CASE("config get prints a value bare and an object as JSON", "[cli]") {
  CliProgram program;
  program.answer("GET /config", std::string(document_text));
  CHECK(program.run({"config", "get", "zilean.port"}) == 0);
  CHECK(program.out == "8182\n");
  CHECK(program.run({"config", "get", "/zilean/log_level"}) == 0);
  CHECK(program.out == "INFO\n");
  CHECK(program.run({"config", "get", "--json", "/zilean/log_level"}) == 0);
  CHECK(program.out == "\"INFO\"\n");
  CHECK(program.run({"config", "get", "dumb.plex_token"}) == 0);
  CHECK(program.out == "very-secret\n");
  CHECK(program.run({"config", "get", "zilean.env"}) == 0);
  CHECK(program.out == "{\n    \"A\": \"1\",\n    \"TOKEN\": \"***\"\n}\n");
  CHECK(program.run({"config", "get", "zilean.wait_for_dir.1"}) == 0);
  CHECK(program.out == "/b\n");
  CHECK(program.run({"config", "get", "zilean.nothing"}) == 4);
  CHECK(program.err == "dumb-cli: there is no setting zilean.nothing\n");
}

TEST_CASE("config set sends one change and tells it without secrets", "[cli][CFG-72]") {
  CliProgram program;
  program.answer("GET /config", std::string(document_text));
  program.answer("POST /config",
                 R"({"status":"service config updated","process_name":"Zilean","persisted":true})");
  CHECK(program.run({"config", "set", "zilean.port", "8190"}) == 0);
  CHECK(program.requests.back().body ==
        R"({"process_name":"Zilean","updates":{"port":8190},"persist":true})");
  CHECK(program.out == "zilean.port: 8182 -> 8190\n");
  CHECK(program.run({"config", "set", "zilean.log_level", "DEBUG", "--no-save"}) == 0);
  CHECK(program.out == "zilean.log_level: \"INFO\" -> \"DEBUG\" (not saved)\n");
  CHECK(program.run({"config", "set", "zilean.env.TOKEN", "another-secret"}) == 0);
  CHECK(program.out == "zilean.env.TOKEN: *** -> ***\n");
  CHECK(program.run({"config", "set", "--json", "zilean.port", "8190"}) == 0);
  CHECK(
      jsonx::parse(program.out).value() ==
      jsonx::parse(
          R"({"setting":"zilean.port","status":"service config updated","process_name":"Zilean","saved":true})")
          .value());
  program.answers["POST /config"].clear();
  program.answer("POST /config", R"({"detail":"/zilean/port: must be between 1 and 65535"})", 400);
  CHECK(program.run({"config", "set", "zilean.port", "0"}) == 1);
  CHECK(program.err == "dumb-cli: /zilean/port: must be between 1 and 65535\n");
  CHECK(program.run({"config", "set", "", "0"}) == 2);
}

TEST_CASE("a refused body is told fault by fault", "[cli][API-10]") {
  CliProgram program;
  program.answer("GET /config", std::string(document_text));
  program.answer(
      "POST /config",
      R"({"detail":[{"type":"dict_type","loc":["body","updates"],"msg":"must be an object","input":1},)"
      R"({"type":"missing","loc":["query",0],"msg":"is required","input":null}]})",
      422);
  CHECK(program.run({"config", "set", "puid", "1"}) == 1);
  CHECK(program.err == "dumb-cli: body.updates: must be an object; query.0: is required\n");
}

TEST_CASE("problems of a file are told place by place", "[cli][CFG-33][CFG-50]") {
  cli::ValidationReport report;
  report.file = "my.json";
  report.notices = {{"WARNING", "PUID is no number"}, {"INFO", "not known: /sonar"}};
  report.problems = cli::problems_of(
      Error(Errc::invalid_config,
            {{"/zilean/port", "must be between 1 and 65535, got 0"}, {"/puid", "must be an integer"}}),
      "my.json");
  CHECK(cli::render_validation(report, {}) ==
        "my.json: warning: PUID is no number\n"
        "my.json: note: not known: /sonar\n"
        "my.json: /zilean/port: must be between 1 and 65535, got 0\n"
        "my.json: /puid: must be an integer\n"
        "my.json: 2 faults\n");
  report.notices.clear();
  report.problems = cli::problems_of(
      Error(Errc::bad_json, "/x/my.json: line 3, column 5: a comma is missing"), "/x/my.json");
  CHECK(cli::render_validation(report, {}) ==
        "my.json: line 3, column 5: a comma is missing\nmy.json: 1 fault\n");
  report.problems.clear();
  report.valid = true;
  report.services = 34;
  report.enabled = 3;
  CHECK(cli::render_validation(report, {}) == "my.json: OK, 34 services, 3 of them enabled\n");
}

TEST_CASE("the root comes from --root, DUMB_ROOT, then the user", "[cli]") {
  CHECK(cli::stack_root("/x", {{"DUMB_ROOT", "/y"}}, true).prefix() == "/x");
  CHECK(cli::stack_root({}, {{"DUMB_ROOT", "/y"}}, true).prefix() == "/y");
  CHECK(cli::stack_root({}, {{"HOME", "/home/u"}}, true).is_identity());
  CHECK(cli::stack_root({}, {{"HOME", "/home/u"}, {"XDG_DATA_HOME", "/data"}}, false).prefix() ==
        "/data/dumb");
  CHECK(cli::stack_root({}, {{"HOME", "/home/u"}, {"XDG_DATA_HOME", "rel"}}, false).prefix() ==
        "/home/u/.local/share/dumb");
  const Root root("/x");
  CHECK(cli::config_path({}, {}, root) == "/x/config/dumb_config.json");
  CHECK(cli::config_path({}, {{"DUMB_CONFIG", "/etc/d.json"}}, root) == "/etc/d.json");
  CHECK(cli::config_path("/x/d.json", {{"DUMB_CONFIG", "/etc/d.json"}}, root) == "/x/d.json");
}
