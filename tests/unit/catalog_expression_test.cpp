#include <dumb/catalog/expression.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;

namespace {

json::value parse(std::string_view text) {
  return jsonx::parse(text).value();
}

const json::object& block() {
  static const json::object members = parse(R"({
    "port": 8080, "host": "0.0.0.0", "blank": "  ", "enabled": true, "nothing": null, "log_level": "Debug",
    "config_dir": "/riven/backend", "config_file": "/riven/backend/data/settings.json",
    "command": ["python", "main.py", "-p", "{port}"], "words": "run --port 1 'a b'",
    "env_copy": {"source": "/a/.env"}, "dotted.name": "whole", "exclude_dirs": ["/x", "/y"],
    "dll": "/opt/emby/EmbyServer.DLL", "list": []
  })")
                                          .as_object();
  return members;
}

std::optional<json::value> look_up(std::string_view name) {
  if (name == "endpoint.servarr:radarr") return json::value("https://radarr.servarr.com");
  if (const auto* found = catalog::member(block(), name)) return *found;
  return std::nullopt;
}

json::value expanded(std::string_view expression) {
  return catalog::expand(parse(expression), look_up).value();
}
std::string text(std::string_view expression) {
  return catalog::expand_text(expression, look_up).value();
}
/// The value of a text that is one placeholder.
json::value value(const std::string& expression) {
  return catalog::expand(json::value(json::string(expression)), look_up).value();
}

}  // namespace

TEST_CASE("placeholders name members of the block at any depth", "[catalog][SVC-9]") {
  CHECK(text("http://{host}:{port}/") == "http://0.0.0.0:8080/");
  CHECK(text("{command.0} {command.1}") == "python main.py");
  CHECK(text("{env_copy.source}") == "/a/.env");
  CHECK(text("{dotted.name}") == "whole");
  CHECK(text("{endpoint.servarr:radarr}/v1") == "https://radarr.servarr.com/v1");
  CHECK(text("[{nothing}]") == "[]");
  CHECK(catalog::member(block(), "command.9") == nullptr);
  CHECK(catalog::member(block(), "port.x") == nullptr);
}

TEST_CASE("a text that is one placeholder keeps the type of its value", "[catalog][SVC-9]") {
  CHECK(value("{port}") == json::value(8080));
  CHECK(value("{enabled}") == json::value(true));
  CHECK(value("{nothing}").is_null());
  CHECK(value("{env_copy}") == parse(R"({"source": "/a/.env"})"));
  CHECK(value("{port} ") == json::value("8080 "));
  CHECK(value("{port}{port}") == json::value("80808080"));
}

TEST_CASE("an array within an array is spliced and null left out", "[catalog][SVC-9]") {
  CHECK(expanded(R"(["{exclude_dirs}", "z", "{nothing}", {"a": "{port}"}, [1], null])") ==
        parse(R"(["/x", "/y", "z", {"a": 8080}, [1], null])"));
}

TEST_CASE("member names are expanded and values of any depth", "[catalog][SVC-9]") {
  CHECK(expanded(R"({"set": {"/{host}": ["{config_dir}/x"]}, "n": 5})") ==
        parse(R"({"set": {"/0.0.0.0": ["/riven/backend/x"]}, "n": 5})"));
}

TEST_CASE("what is no placeholder stays as it is", "[catalog][SVC-9]") {
  for (const std::string foreign :
       {"${PATH}", "/venv/bin:${host}", "{ minify: false }", "{unknown}", "{unknown|upper}", "{[\\s\\S]*?\\}",
        "a{0,3}", "{", "}", "{port", "{}", "{port|default:{x}"}) {
    CHECK(text(foreign) == foreign);
    CHECK(value(foreign) == json::value(foreign));
  }
  CHECK(text("{unknown}/{port}") == "{unknown}/8080");
}

TEST_CASE("values are not expanded a second time", "[catalog][SVC-9]") {
  CHECK(expanded(R"(["{command}"])") == parse(R"(["python", "main.py", "-p", "{port}"])"));
}

TEST_CASE("optional parts need every placeholder in them", "[catalog][SVC-9]") {
  const auto optional = [](std::string_view part) { return catalog::expand_optional(part, look_up).value(); };
  CHECK(optional("/u?os=linux[&version={port}]") == "/u?os=linux&version=8080");
  CHECK(optional("/u?os=linux[&version={blank}]") == "/u?os=linux");
  CHECK(optional("/u[&a={port}&b={nothing}]x[{host}]") == "/ux0.0.0.0");
  CHECK(optional("/u[&a={unknown}]") == "/u");
  CHECK(optional("http://[::1]:{port}/") == "http://[::1]:8080/");
  CHECK(optional("{port}[-{list}]") == "8080");
  CHECK(optional("a[b") == "a[b");
  CHECK(expanded(R"({"url": "/u[?{blank}]", "update_url": "/u[?{port}]", "path": "/u[{port}]"})") ==
        parse(R"({"url": "/u", "update_url": "/u?8080", "path": "/u[8080]"})"));
}

TEST_CASE("loopback replaces wildcard and blank hosts", "[catalog][SVC-10]") {
  CHECK(value("{host|loopback}") == json::value("127.0.0.1"));
  CHECK(value("{blank|loopback}") == json::value("127.0.0.1"));
  CHECK(value("{nothing|loopback}") == json::value("127.0.0.1"));
  CHECK(value("{config_dir|loopback}") == json::value("/riven/backend"));
  CHECK(catalog::expand_text("{h|loopback}", [](auto) { return json::value("::"); }).value() == "127.0.0.1");
}

TEST_CASE("dirname and basename split a path", "[catalog][SVC-10]") {
  CHECK(value("{config_file|dirname}") == json::value("/riven/backend/data"));
  CHECK(value("{config_file|basename}") == json::value("settings.json"));
  CHECK(value("{config_file|dirname|dirname|basename}") == json::value("backend"));
  const auto split = [](const std::string& path) {
    const auto lookup = [&](std::string_view) { return json::value(path); };
    return catalog::expand_text("{p|dirname} {p|basename}", lookup).value();
  };
  CHECK(split("/usr") == "/ usr");
  CHECK(split("usr") == ". usr");
  CHECK(split("/a/b/") == "/a b");
  CHECK(split("/") == "/ /");
}

TEST_CASE("upper and lower fold ASCII letters", "[catalog][SVC-10]") {
  CHECK(value("{log_level|upper}") == json::value("DEBUG"));
  CHECK(value("{log_level|lower}") == json::value("debug"));
}

TEST_CASE("default stands in for a blank, null or unknown value", "[catalog][SVC-10]") {
  CHECK(value("{blank|default:INFO|lower}") == json::value("info"));
  CHECK(value("{nothing|default:INFO}") == json::value("INFO"));
  CHECK(value("{unknown|default:x}") == json::value("x"));
  CHECK(value("{unknown|default:{config_dir}/version.txt}") == json::value("/riven/backend/version.txt"));
  CHECK(value("{unknown|default:{port}}") == json::value(8080));
  CHECK(value("{unknown|default:{other|default:{host|loopback}}}") == json::value("127.0.0.1"));
  CHECK(value("{port|default:1}") == json::value(8080));
  CHECK(value("{list|default:none}") == json::value("none"));
  CHECK(value("{unknown|default:}") == json::value(""));
}

TEST_CASE("defaults nested without end are refused", "[catalog][SVC-10]") {
  std::string nested = "x";
  for (int i = 0; i < 40; ++i) nested = "{u|default:" + nested + "}";
  const auto result = catalog::expand_text(nested, look_up);
  REQUIRE_FALSE(result);
  CHECK(result.error().is(Errc::invalid_argument));
}

TEST_CASE("is-debug tells the level DEBUG from the others", "[catalog][SVC-10]") {
  CHECK(value("{log_level|is-debug}") == json::value("true"));
  CHECK(value("{host|is-debug}") == json::value("false"));
  CHECK(value("{nothing|is-debug}") == json::value("false"));
}

TEST_CASE("with-port-arg sets or appends the port of a command", "[catalog][SVC-10]") {
  CHECK(value("{command|with-port-arg:-p,--port}") == parse(R"(["python", "main.py", "-p", "8080"])"));
  CHECK(value("{words|with-port-arg:-p,--port}") == parse(R"(["run", "--port", "8080", "a b"])"));
  CHECK(value("{command|with-port-arg:--bind}") ==
        parse(R"(["python", "main.py", "-p", "{port}", "--bind", "8080"])"));
  CHECK(value("{nothing|with-port-arg:-p}") == parse(R"(["-p", "8080"])"));
  const auto last = catalog::with_port_argument(parse(R"(["a", "-p"])"), {"-p"}, "1");
  REQUIRE(last);
  CHECK(json::value(*last) == parse(R"(["a", "-p", "1"])"));
  CHECK_FALSE(catalog::expand_text("{port|with-port-arg:-p}", look_up));
  CHECK_FALSE(catalog::expand_text("{words|with-port-arg}", look_up));
  const auto without_port = [](std::string_view name) -> std::optional<json::value> {
    if (name == "command") return json::value(json::array());
    return std::nullopt;
  };
  CHECK_FALSE(catalog::expand_text("{command|with-port-arg:-p}", without_port));
}

TEST_CASE("dotnet-if-dll prefixes assemblies and is spliced into a command", "[catalog][SVC-10]") {
  CHECK(expanded(R"(["{dll|dotnet-if-dll}", "-x"])") ==
        parse(R"(["dotnet", "/opt/emby/EmbyServer.DLL", "-x"])"));
  CHECK(expanded(R"(["{config_file|dotnet-if-dll}", "-x"])") ==
        parse(R"(["/riven/backend/data/settings.json", "-x"])"));
}

TEST_CASE("other filters are the caller's, with their whole text", "[catalog][SVC-10]") {
  const auto filter = [](std::string_view name, const json::value& input) -> Result<json::value> {
    if (name == "twice") return json::value(jsonx::scalar_text(input) + jsonx::scalar_text(input));
    return Error(Errc::invalid_argument, "there is no filter " + std::string(name));
  };
  CHECK(catalog::expand_text("{port|twice|twice}", look_up, filter).value() == "8080808080808080");
  const auto unknown = catalog::expand_text(
      "{password|thrice:1}", [](auto) { return json::value("hunter2"); }, filter);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message() == "{password}: there is no filter thrice:1");
  CHECK_FALSE(catalog::expand_text("{port|thrice}", look_up));
  CHECK_FALSE(catalog::expand_text("{command|upper}", look_up));
}

TEST_CASE("the placeholders of a text are listed with position and filters", "[catalog][SVC-9]") {
  const auto found = catalog::placeholders("a{x|default:{y|upper}|lower}b${z}{c.0}");
  REQUIRE(found.size() == 2);
  CHECK(found[0].name == "x");
  CHECK(found[0].filters == std::vector<std::string>{"default:{y|upper}", "lower"});
  CHECK(found[0].begin == 1);
  CHECK(found[0].end == 28);
  CHECK(found[1].name == "c.0");
  CHECK(found[1].filters.empty());
}
