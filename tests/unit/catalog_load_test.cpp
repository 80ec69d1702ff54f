#include <dumb/catalog/catalog.hpp>

#include <algorithm>
#include <map>
#include <string>

#include "base/embedded.hpp"
#include "catalog/service_file.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using catalog::Catalog;

TEST_CASE("the shipped files load without a problem", "[catalog][SVC-1][SVC-2]") {
  std::vector<Error> problems;
  const auto loaded = Catalog::load({}, problems);
  REQUIRE(loaded);
  for (const auto& problem : problems) UNSCOPED_INFO(problem.to_string());
  CHECK(problems.empty());
  std::size_t files = 0;
  for (const auto& file : embedded::catalog()) files += file.name.starts_with('_') ? 0U : 1U;
  CHECK(loaded->services().size() == files);
  CHECK(files == 31);
}

TEST_CASE("services come in the order of the default document, then by key", "[catalog][SVC-3][SVC-4]") {
  std::vector<std::string> keys;
  for (const auto& service : Catalog::embedded().services()) keys.push_back(service.key);
  const std::vector<std::string> first = {"dumb_api_service", "dumb_frontend", "traefik", "cli_debrid"};
  REQUIRE(keys.size() == 31);
  CHECK(std::equal(first.begin(), first.end(), keys.begin()));
  const std::vector<std::string> last = {"whisparr", "zilean", "zurg", "bazarr", "readarr", "whisparr-v3"};
  CHECK(std::equal(last.rbegin(), last.rend(), keys.rbegin()));
}

// The golden file holds the tables of sections 2 and 3 of the configuration's specification.
TEST_CASE("the default document is the golden one, member by member",
          "[catalog][SVC-3][SVC-4][CFG-2][CFG-11][CFG-17][CFG-18][CFG-19][CFG-20]") {
  const std::string golden =
      test::read_text(std::string(DUMB_SOURCE_DIR) + "/tests/data/default_config.json");
  CHECK(jsonx::print(Catalog::embedded().default_document()) == golden);
}

TEST_CASE("the default document is composed of the catalogue's data", "[catalog][SVC-3]") {
  const auto all = jsonx::parse(test::read_text(std::string(DUMB_SOURCE_DIR) + "/docs/spec/services.json"));
  REQUIRE(all);
  const json::object& data = all->get_object();
  json::object sections;
  for (const auto& service : data.at("services").get_array()) {
    const json::object& members = service.get_object();
    if (!members.at("in_default_config").get_bool()) continue;
    json::value section = members.at("defaults");
    if (members.at("multi_instance").get_bool()) {
      json::object instances;
      instances.emplace(members.at("template_instance").get_string(), members.at("defaults"));
      json::object wrapped;
      wrapped.emplace("instances", std::move(instances));
      section = std::move(wrapped);
    }
    sections.emplace(members.at("config_path").get_string(), std::move(section));
  }
  const json::object& globals = data.at("globals").get_object();
  json::object expected;
  for (const auto& name : data.at("config_order").get_array()) {
    const std::string key(name.get_string());
    if (key == "dumb") {
      json::object dumb;
      for (const auto& child : data.at("dumb_order").get_array()) {
        const std::string path = "dumb." + std::string(child.get_string());
        dumb.emplace(child.get_string(),
                     sections.contains(path) ? sections.at(path) : globals.at("dumb").at(child.get_string()));
      }
      expected.emplace(key, std::move(dumb));
    } else {
      expected.emplace(key, sections.contains(key) ? sections.at(key) : globals.at(key));
    }
  }
  CHECK(jsonx::print(expected) == jsonx::print(Catalog::embedded().default_document()));
}

TEST_CASE("a service is found by key, display name and alias in any letter case", "[catalog][DEP-2][SVC-6]") {
  const Catalog& catalog = Catalog::embedded();
  const auto key = [&](std::string_view token) {
    const auto* service = catalog.find_token(token);
    return service == nullptr ? std::string("-") : service->key;
  };
  CHECK(key("riven") == "riven_backend");
  CHECK(key(" Plex Media Server ") == "plex");
  CHECK(key("clid") == "cli_debrid");
  CHECK(key("InfiniDysk") == "nzbdav");
  CHECK(key("NEUTARR") == "huntarr");
  CHECK(key("whisparr-v3") == "whisparr-v3");
  CHECK(key("nothing") == "-");
  CHECK(key("") == "-");
  REQUIRE(catalog.find("rclone") != nullptr);
  CHECK(catalog.find("rclone")->process_name == "rclone w/ RealDebrid");
  CHECK(catalog.find("Rclone") == nullptr);
}

TEST_CASE("every key finds itself", "[catalog][DEP-2]") {
  for (const auto& service : Catalog::embedded().services()) {
    CHECK(Catalog::embedded().find_token(service.key) == Catalog::embedded().find(service.key));
  }
}

TEST_CASE("the static needs are those of the dependency tables", "[catalog][DEP-6]") {
  const Catalog& catalog = Catalog::embedded();
  const std::map<std::string, std::vector<std::string>> core = {
      {"riven_backend", {"zurg", "rclone", "postgres"}},
      {"cli_debrid", {"zurg", "rclone", "cli_battery", "phalanx_db"}},
      {"plex_debrid", {"zurg", "rclone"}},
      {"decypharr", {"rclone"}},
      {"nzbdav", {"rclone"}}};
  const std::map<std::string, std::vector<std::string>> hard = {
      {"riven_frontend", {"riven_backend"}}, {"zilean", {"postgres"}}, {"pgadmin", {"postgres"}}};
  for (const auto& service : catalog.services()) {
    INFO(service.key);
    if (service.kind == "core") {
      const auto expected = core.find(service.key);
      CHECK(service.dependencies.requires_ ==
            (expected == core.end() ? std::vector<std::string>() : expected->second));
    }
    const auto expected = hard.find(service.key);
    CHECK(service.dependencies.hard_links ==
          (expected == hard.end() ? std::vector<std::string>() : expected->second));
  }
  CHECK(catalog.find("seerr")->display_name == "Seerr");
  CHECK(catalog.find("riven_backend")->display_name == "Riven");
  CHECK(catalog.find("cli_debrid")->display_name == "CLID");
}

TEST_CASE("members of a service are read", "[catalog][SVC-1][SVC-8]") {
  const Catalog& catalog = Catalog::embedded();
  const auto& rclone = *catalog.find("rclone");
  CHECK(rclone.multi_instance);
  CHECK(rclone.template_instance == "RealDebrid");
  CHECK(rclone.run_as == "root");
  CHECK(rclone.shutdown.tier == "clients");
  CHECK(rclone.shutdown.attempts == 4);
  CHECK(rclone.shutdown.wait_seconds == 12);
  CHECK(rclone.also_accepted_keys ==
        std::vector<std::string>{"username", "password", "customer_id", "core_services"});
  CHECK(rclone.links.static_url == "https://rclone.org");
  CHECK(rclone.configure.size() == 9);
  CHECK(rclone.post_start.size() == 1);
  CHECK(rclone.raw.contains("test"));
  CHECK(catalog.find("nzbdav")->health.env_ports == std::vector<std::string>{"PORT"});
  CHECK_FALSE(catalog.find("zurg")->logging.captured_to_log_file);
  CHECK_FALSE(catalog.find("zurg")->links.static_url);
  CHECK_FALSE(catalog.find("bazarr")->in_default_config);
  CHECK(catalog.shutdown_tiers().back() == "db");
  CHECK(catalog.endpoints().at("plex_tv") == "https://plex.tv");
  CHECK(catalog.architectures().contains("armhf"));
}

TEST_CASE("the model carries what the configuration needs", "[catalog][CFG-24][CFG-40][DEP-2]") {
  const auto model = Catalog::embedded().model();
  CHECK(model.defaults == Catalog::embedded().default_document());
  CHECK(model.services.size() == 31);
  CHECK(model.tokens.at("plex media server") == "plex");
  std::map<std::string, std::string> aliases(model.key_aliases.begin(), model.key_aliases.end());
  CHECK(aliases == std::map<std::string, std::string>{{"infinidysk", "nzbdav"}, {"neutarr", "huntarr"}});
  const auto facts = [&](std::string_view key) {
    return *std::find_if(model.services.begin(), model.services.end(),
                         [&](const auto& f) { return f.key == key; });
  };
  CHECK(facts("dumb_frontend").path == JsonPath{"dumb", "frontend"});
  CHECK(facts("sonarr").template_instance == "Default");
  CHECK(facts("sonarr").multi_instance);
  CHECK(facts("rclone").command_from_setup);
  CHECK_FALSE(facts("zurg").command_from_setup);
  CHECK_FALSE(facts("readarr").in_default_config);
}

namespace {

/// The invented service of SVC 7.2.
json::object pagemill() {
  const std::string text =
      test::read_text(std::string(DUMB_SOURCE_DIR) + "/tests/data/catalog/pagemill.json");
  return jsonx::parse(text).value().as_object();
}

Error refusal(const json::object& service) {
  const auto read = catalog::read_service("pagemill.json", jsonx::print(service), {"apps", "db"});
  REQUIRE_FALSE(read);
  return read.error();
}

/// pagemill with one member replaced by JSON text.
json::object changed(const JsonPath& path, std::string_view text) {
  json::object service = pagemill();
  jsonx::set(service, path, jsonx::parse(text).value());
  return service;
}

}  // namespace

TEST_CASE("the example of a complete new service is accepted", "[catalog][SVC-1]") {
  const auto read = catalog::read_service("pagemill.json", jsonx::print(pagemill()), {"apps"});
  REQUIRE(read);
  CHECK(read->key == "pagemill");
  CHECK(read->dependencies.start_after == std::vector<std::string>{"postgres"});
  CHECK(read->configure.size() == 2);
}

TEST_CASE("an unknown step type, filter, model, condition or source is refused with its place",
          "[catalog][SVC-2]") {
  const auto check = [](const JsonPath& path, std::string_view text, const std::string& where) {
    const Error error = refusal(changed(path, text));
    INFO(error.to_string());
    CHECK(error.is(Errc::invalid_config));
    CHECK(error.where() == "pagemill.json");
    CHECK_THAT(error.message(), ContainsSubstring(where + ": "));
  };
  check({"steps", "configure"}, R"([{"do": "mkdir", "paths": []}, {"do": "conjure"}])",
        "/steps/configure/1/do");
  check({"steps", "configure"}, R"([{"paths": []}])", "/steps/configure/0");
  check({"steps", "configure"}, R"({"do": "mkdir"})", "/steps/configure");
  check({"steps", "post_start"}, R"([{"do": "run", "model": "decypharr-config"}])",
        "/steps/post_start/0/model");
  check({"steps", "configure"}, R"([{"do": "edit", "model": "plex-claim"}])", "/steps/configure/0/model");
  check({"steps", "configure"}, R"([{"do": "sql", "model": "x"}])", "/steps/configure/0/model");
  check({"steps", "configure"}, R"([{"do": "http", "model": 1}])", "/steps/configure/0/model");
  check({"steps", "configure"}, R"([{"do": "render", "template": "x"}])", "/steps/configure/0/template");
  check({"steps", "configure"}, R"([{"do": "own", "when": {"moon": "full"}}])",
        "/steps/configure/0/when/moon");
  check({"steps", "configure"},
        R"([{"do": "require", "check": {"not": {"all": [{"tool": "x"}, {"odd": 1}]}}}])",
        "/steps/configure/0/check/not/all/1/odd");
  check({"steps", "configure"}, R"([{"do": "require", "check": {"any": {}}}])",
        "/steps/configure/0/check/any");
  check({"steps", "configure"}, R"([{"do": "mkdir", "paths": ["{port|shout}"]}])",
        "/steps/configure/0/paths/0");
  check({"steps", "configure"}, R"([{"do": "mkdir", "paths": ["{port|default:{x|shout}}"]}])",
        "/steps/configure/0/paths/0");
  std::string nested = "x";
  for (int i = 0; i < 40; ++i) nested = "{u|default:" + nested + "}";
  check({"steps", "configure"}, R"([{"do": "mkdir", "paths": [")" + nested + R"("]}])",
        "/steps/configure/0/paths/0");
  check({"install", "build"}, R"([{"do": "conjure"}])", "/install/build/0/do");
  check({"install", "build"}, R"([{"do": "build", "update": [{"when": {"odd": 1}}]}])",
        "/install/build/0/update/0/when/odd");
  check({"install", "fallback"}, R"([{"do": "conjure"}])", "/install/fallback/0/do");
  check({"version", "read", "source"}, R"("tealeaves")", "/version/read/source");
  check({"version", "read", "otherwise"}, R"({"source": "tealeaves"})", "/version/read/otherwise/source");
  check({"kind"}, R"("other")", "/kind");
  check({"shutdown", "tier"}, R"("late")", "/shutdown/tier");
  check({"defaults", "process_name"}, R"("")", "/defaults/process_name");
  check({"aliases"}, R"([1])", "/aliases/0");
  check({"dependencies", "requires"}, R"("rclone")", "/dependencies/requires");
  check({"multi_instance"}, "true", "/template_instance");
}

TEST_CASE("every fault of a file is listed at once", "[catalog][SVC-2]") {
  json::object service = changed({"kind"}, R"("other")");
  service.erase("defaults");
  jsonx::set(service, {"steps", "configure"}, jsonx::parse(R"([{"do": "a"}, {"do": "b"}])").value());
  const Error error = refusal(service);
  CHECK_THAT(error.message(), ContainsSubstring("\"defaults\""));
  CHECK_THAT(error.message(), ContainsSubstring("/steps/configure/0/do"));
  CHECK_THAT(error.message(), ContainsSubstring("/steps/configure/1/do"));
}

TEST_CASE("text that is not JSON is refused with line and column", "[catalog][SVC-2]") {
  const auto read = catalog::read_service("x.json", "{\n \"key\": }", {});
  REQUIRE_FALSE(read);
  CHECK(read.error().is(Errc::bad_json));
  CHECK(read.error().where() == "x.json");
  CHECK_THAT(read.error().message(), ContainsSubstring("line 2"));
  CHECK_FALSE(catalog::read_service("x.json", "[]", {}));
}
