#include "config/dotenv.hpp"
#include "config/merge.hpp"
#include "config/overrides.hpp"
#include "support/catch.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using namespace dumb::config;
using test::object;

namespace {

const Model& model() {
  static const Model one = test::small_model();
  return one;
}

struct Given {
  std::string_view user = "{}";
  Environment environment;
  Environment env_file;
  SecretFiles secrets;
};

FoundOverrides found(const Given& given) {
  return find_overrides(merge_document(object(given.user), model()), model(),
                        {given.secrets, given.environment, given.env_file});
}
/// The document after the overrides, at a pointer.
std::string value(const Given& given, std::string_view pointer) {
  json::object document = merge_document(object(given.user), model());
  apply_overrides(document, found(given).overrides);
  const json::value* at = jsonx::find(document, jsonx::parse_pointer(pointer).value());
  REQUIRE(at != nullptr);
  return jsonx::print_compact(*at);
}
std::string env(std::string name, std::string text, std::string_view pointer, std::string_view user = "{}") {
  return value({user, {{std::move(name), std::move(text)}}, {}, {}}, pointer);
}

}  // namespace

TEST_CASE("an env file is read with quotes, comments and expansion", "[config][CFG-42]") {
  const auto parsed = parse_dotenv(
      "\xEF\xBB\xBF# comment\r\n"
      "A=1\n"
      "export  B = two words \n"
      "C='single $A #x'\n"
      "D=\"a\\n\\t\\\"\\\\ ${A}\" # comment\n"
      "E=${A}-${MISSING:-fall back}-${HOME} # comment\n"
      "F=a#b\n"
      "G=\n"
      "H=# nothing\n"
      "I=$A\n"
      "A=again\n",
      {{"HOME", "/root"}});
  CHECK(parsed.warnings.empty());
  const Environment expected{{"A", "again"},
                             {"B", "two words"},
                             {"C", "single $A #x"},
                             {"D", "a\n\t\"\\ 1"},
                             {"E", "1-fall back-/root"},
                             {"F", "a#b"},
                             {"G", ""},
                             {"H", ""},
                             {"I", "$A"}};
  CHECK(parsed.variables == expected);
}

TEST_CASE("a variable that is there already wins in expansions", "[config][CFG-42]") {
  CHECK(parse_dotenv("A=file\nB=${A}\n", {{"A", "process"}}).variables.at("B") == "process");
}

TEST_CASE("bad lines of an env file are skipped and named by number", "[config][CFG-42]") {
  const auto parsed = parse_dotenv("A=1\nno equals sign\n1A=2\nB='open\nC=\"open\nD=${A\nE='x' y\nF=2\n", {});
  CHECK(parsed.variables == Environment{{"A", "1"}, {"F", "2"}});
  REQUIRE(parsed.warnings.size() == 6);
  CHECK_THAT(parsed.warnings[0], ContainsSubstring("line 2"));
  CHECK_THAT(parsed.warnings[5], ContainsSubstring("line 7"));
  for (const auto& warning : parsed.warnings) CHECK(warning.find("open") == std::string::npos);
}

TEST_CASE("a setting's variable is its path in capitals", "[config][CFG-43]") {
  CHECK(env("PUID", "7", "/puid") == "7");
  CHECK(env("DUMB_GITHUB_TOKEN", "t", "/dumb/github_token") == "\"t\"");
  CHECK(env("DUMB_FRONTEND_PORT", "3", "/dumb/frontend/port") == "3");
  CHECK(env("SONARR_INSTANCES_DEFAULT_PORT", "4", "/sonarr/instances/Default/port") == "4");
  CHECK(env("ZILEAN_ENV_ASPNETCORE_URLS", "x", "/zilean/env/ASPNETCORE_URLS") == "\"x\"");
}

TEST_CASE("odd characters of a name may be given as underscores, the exact form counts first",
          "[config][CFG-43]") {
  const std::string_view user = R"({"sonarr": {"instances": {"My 4K": {"process_name": "S"}}}})";
  CHECK(env("SONARR_INSTANCES_MY_4K_PORT", "5", "/sonarr/instances/My 4K/port", user) == "5");
  CHECK(env("SONARR_INSTANCES_MY 4K_PORT", "6", "/sonarr/instances/My 4K/port", user) == "6");
  const Given both{
      user, {{"SONARR_INSTANCES_MY_4K_PORT", "5"}, {"SONARR_INSTANCES_MY 4K_PORT", "6"}}, {}, {}};
  CHECK(value(both, "/sonarr/instances/My 4K/port") == "6");
}

TEST_CASE("names of later versions are a fallback", "[config][CFG-43]") {
  CHECK(env("INFINIDYSK_FRONTEND_PORT", "9", "/nzbdav/frontend_port") == "9");
  CHECK(env("SONARR_INSTANCES_DEFAULT_USE_NEUTARR", "on", "/sonarr/instances/Default/use_huntarr") == "true");
  const Given both{"{}", {{"INFINIDYSK_FRONTEND_PORT", "9"}, {"NZBDAV_FRONTEND_PORT", "8"}}, {}, {}};
  CHECK(value(both, "/nzbdav/frontend_port") == "8");
}

TEST_CASE("secrets win over the environment, that over the env file, blanks count for nothing",
          "[config][CFG-44]") {
  Given given;
  CHECK(value(given, "/zilean/port") == "8182");
  given.env_file = {{"ZILEAN_PORT", "1"}};
  CHECK(value(given, "/zilean/port") == "1");
  given.environment = {{"ZILEAN_PORT", "  "}};
  CHECK(value(given, "/zilean/port") == "1");
  given.environment = {{"ZILEAN_PORT", " 2 "}};
  CHECK(value(given, "/zilean/port") == "2");
  given.secrets = {{"ZILEAN_PORT", "\n"}};
  CHECK(value(given, "/zilean/port") == "2");
  given.secrets = {{"ZILEAN_PORT", "3\n"}};
  CHECK(value(given, "/zilean/port") == "3");
  given.secrets = {{"ZILEAN_PORT", std::nullopt}};
  CHECK(value(given, "/zilean/port") == "2");
  CHECK_THAT(found(given).warnings.at(0), ContainsSubstring("ZILEAN_PORT"));
}

TEST_CASE("only members of the merged document are looked up", "[config][CFG-44]") {
  CHECK(
      found({"{}", {{"ZILEAN_NOTHING", "1"}, {"SONARR_INSTANCES_MAIN_PORT", "1"}, {"PATH", "/bin"}}, {}, {}})
          .overrides.empty());
}

TEST_CASE("texts are converted by the schema's type", "[config][CFG-45]") {
  const std::string interval = "/sonarr/instances/Default/auto_update_interval";
  CHECK(env("SONARR_INSTANCES_DEFAULT_AUTO_UPDATE_INTERVAL", "1.5", interval) == "1.5");
  CHECK(env("SONARR_INSTANCES_DEFAULT_AUTO_UPDATE_INTERVAL", "2e1", interval) == "20.0");
  CHECK(env("ZILEAN_PORT", "+5", "/zilean/port") == "5");
  CHECK(env("ZILEAN_ENABLED", "ON", "/zilean/enabled") == "true");
  CHECK(env("DUMB_FRONTEND_ENABLED", "no", "/dumb/frontend/enabled") == "false");
  CHECK(env("ZILEAN_LOG_LEVEL", " warn", "/zilean/log_level") == "\"WARNING\"");
  CHECK(env("TZ", "Europe/Berlin ", "/tz") == "\"Europe/Berlin\"");
  CHECK(env("DUMB_GITHUB_TOKEN", "123", "/dumb/github_token") == "\"123\"");
  CHECK(env("ZILEAN_EXCLUDE_DIRS", "/a, /b c,", "/zilean/exclude_dirs") == R"(["/a","/b c"])");
  CHECK(env("ZILEAN_EXCLUDE_DIRS", "/a  /b", "/zilean/exclude_dirs") == R"(["/a","/b"])");
  CHECK(env("ZILEAN_EXCLUDE_DIRS", R"(["/a b"])", "/zilean/exclude_dirs") == R"(["/a b"])");
  CHECK(env("ZILEAN_COMMAND", "run 'a b' --x=1", "/zilean/command") == R"(["run","a b","--x=1"])");
  CHECK(env("ZILEAN_ENV", R"({"A": 1})", "/zilean/env") == R"({"A":1})");
  CHECK(env("HUNTARR_INSTANCES_DEFAULT_CORE_SERVICE", "a,b", "/huntarr/instances/Default/core_service") ==
        "\"a,b\"");
  CHECK(env("HUNTARR_INSTANCES_DEFAULT_CORE_SERVICE", R"(["a"])",
            "/huntarr/instances/Default/core_service") == R"(["a"])");
  CHECK(env("DUMB_AUTO_RESTART_BACKOFF_SECONDS", "[1, 2.5]", "/dumb/auto_restart/backoff_seconds") ==
        "[1,2.5]");
}

TEST_CASE("a text that does not fit keeps the file's value and warns without showing it",
          "[config][CFG-45]") {
  const std::vector<std::pair<std::string, std::string>> bad{{"ZILEAN_ENABLED", "maybe"},
                                                             {"ZILEAN_ENABLED", "t"},
                                                             {"ZILEAN_PORT", "8182.5"},
                                                             {"ZILEAN_PORT", "0x10"},
                                                             {"ZILEAN_AUTO_UPDATE_INTERVAL", "often"},
                                                             {"ZILEAN_ENV", "[1]"},
                                                             {"ZILEAN_COMMAND", "run 'a"},
                                                             {"DUMB_AUTO_RESTART_BACKOFF_SECONDS", "1,2"}};
  for (const auto& [name, text] : bad) {
    const auto result = found({"{}", {{name, text}}, {}, {}});
    INFO(name);
    CHECK(result.overrides.empty());
    REQUIRE(result.warnings.size() == 1);
    CHECK_THAT(result.warnings[0], ContainsSubstring(name));
    if (text.size() > 2) CHECK(result.warnings[0].find(text) == std::string::npos);
  }
}

TEST_CASE("members of unknown blocks are converted by the type of their value", "[config][CFG-45][CFG-16]") {
  const std::string_view user =
      R"({"mine": {"process_name": "M", "command": "x", "port": 1, "flag": false, "f": 1.5}})";
  CHECK(env("MINE_PORT", "2", "/mine/port", user) == "2");
  CHECK(env("MINE_FLAG", "yes", "/mine/flag", user) == "true");
  CHECK(env("MINE_F", "2.5", "/mine/f", user) == "2.5");
}

TEST_CASE("variables of secret fields are listed so that children do not get them",
          "[config][CFG-46][LIF-51]") {
  Given given;
  given.environment = {
      {"ZURG_INSTANCES_REALDEBRID_API_KEY", "x"}, {"ZILEAN_PORT", "1"}, {"API_KEY", "unrelated"}};
  given.env_file = {{"INFINIDYSK_WEBDAV_PASSWORD", "y"}};
  given.secrets = {{"ZURG_INSTANCES_REALDEBRID_API_KEY", "from the file"}};
  CHECK(found(given).secret_variables ==
        std::vector<std::string>{"INFINIDYSK_WEBDAV_PASSWORD", "ZURG_INSTANCES_REALDEBRID_API_KEY"});
}
