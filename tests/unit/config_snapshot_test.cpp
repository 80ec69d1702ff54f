#include <dumb/config/core_service.hpp>
#include <dumb/config/secrets.hpp>
#include <dumb/config/snapshot.hpp>

#include "support/catch.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using test::object;

namespace {
config::Snapshot snapshot_of(std::string_view text) {
  return {object(text), json::object(), 1};
}
}  // namespace

TEST_CASE("blocks are found in document order in the shapes a service may have",
          "[config][CFG-16][CFG-28][DEP-1]") {
  const auto snapshot = snapshot_of(R"({
    "puid": 1,
    "dumb": {"log_level": "INFO", "api_service": {"process_name": "DUMB API", "enabled": true},
             "frontend": {"process_name": " DUMB Frontend "},
             "auto_restart": {"services": [{"process_name": "Nobody"}]}},
    "plex": {"process_name": "Plex", "enabled": true, "dbrepair": {"process_name": "DBRepair"}},
    "sonarr": {"instances": {"B": {"process_name": "Sonarr B"}, "A.x": {"process_name": "Sonarr A"}, "C": {}}},
    "mine": {"process_name": "Mine", "command": "x"},
    "blank": {"process_name": "  "}})");
  std::vector<std::string> names;
  for (const auto& ref : snapshot.blocks()) names.push_back(ref.process_name);
  CHECK(names ==
        std::vector<std::string>{"DUMB API", "DUMB Frontend", "Plex", "Sonarr B", "Sonarr A", "Mine"});
  const auto* api = snapshot.find("DUMB API");
  REQUIRE(api != nullptr);
  CHECK(api->config_key == "dumb_api_service");
  CHECK(api->instance.empty());
  CHECK(api->enabled);
  const auto* a = snapshot.find("Sonarr A");
  REQUIRE(a != nullptr);
  CHECK(a->config_key == "sonarr");
  CHECK(a->instance == "A.x");
  CHECK(a->path == JsonPath{"sonarr", "instances", "A.x"});
  CHECK_FALSE(a->enabled);
  CHECK(snapshot.block(*a).at("process_name") == "Sonarr A");
  CHECK(snapshot.of_key("sonarr").size() == 2);
}

TEST_CASE("names are exact for look-up and folded for requests", "[config][CFG-28][API-16]") {
  const auto snapshot = snapshot_of(
      R"({"a": {"process_name": "rclone w/ RealDebrid"}, "b": {"process_name": "Zilean"}, "c": {"process_name": "zi lean"}})");
  CHECK(snapshot.find("zilean") == nullptr);
  CHECK(snapshot.resolve("  Zilean ")->config_key == "b");
  CHECK(snapshot.resolve("RCLONE w/realdebrid")->config_key == "a");
  CHECK(snapshot.resolve("ZILEAN") == nullptr);  // two fit
  CHECK(snapshot.resolve(" ") == nullptr);
  CHECK(snapshot.resolve("nobody") == nullptr);
}

TEST_CASE("of two processes with one name the first counts", "[config][CFG-31][DEP-1]") {
  const auto document = object(R"({"a": {"process_name": "X"}, "b": {"process_name": "X"}})");
  const config::Snapshot snapshot(document, json::object(), 1);
  CHECK(snapshot.blocks().size() == 1);
  CHECK(snapshot.find("X")->config_key == "a");
  CHECK(config::collect_blocks(document).size() == 2);
}

TEST_CASE("a block is found by key and instance, or nothing is", "[config][CFG-29]") {
  const auto snapshot = snapshot_of(
      R"({"dumb": {"frontend": {"port": 1}}, "zilean": {"port": 2}, "sonarr": {"instances": {"M": {"port": 3}}}, "n": 5})");
  CHECK(snapshot.block("dumb_frontend", "")->at("port") == 1);
  CHECK(snapshot.block("zilean", "")->at("port") == 2);
  CHECK(snapshot.block("sonarr", "M")->at("port") == 3);
  CHECK(snapshot.block("sonarr", "N") == nullptr);
  CHECK(snapshot.block("zilean", "M") == nullptr);
  CHECK(snapshot.block("dumb_api_service", "") == nullptr);
  CHECK(snapshot.block("n", "") == nullptr);
  CHECK(snapshot.block("missing", "") == nullptr);
}

TEST_CASE("a path keeps names with dots apart, its dotted form is for people", "[config][CFG-30]") {
  const auto snapshot = snapshot_of(R"({"sonarr": {"instances": {"4.K": {"process_name": "S"}}}})");
  CHECK(snapshot.find("S")->path == JsonPath{"sonarr", "instances", "4.K"});
  CHECK(snapshot.block(*snapshot.find("S")).at("process_name") == "S");
  CHECK(config::dotted({"sonarr", "instances", "Main"}) == "sonarr.instances.Main");
}

TEST_CASE("core services are normalised from every accepted form",
          "[config][CFG-65][CFG-66][CFG-67][DEP-2]") {
  const auto model = test::small_model();
  using Tokens = std::vector<std::string>;
  const auto tokens = [&](std::string_view text) { return config::core_services(object(text), model); };
  CHECK(tokens(R"({"core_service": " Decypharr, NZBDAV "})") == Tokens{"decypharr", "nzbdav"});
  CHECK(tokens(R"({"core_service": ["nzbdav,decypharr", 4, "NzbDAV"]})") == Tokens{"nzbdav", "decypharr"});
  CHECK(tokens(R"({"core_service": "b,a", "core_services": ["a"]})") == Tokens{"a", "b"});
  CHECK(tokens(R"({"core_service": "infinidysk, ClID,,"})") == Tokens{"nzbdav", "cli_debrid"});
  CHECK(tokens(R"({"core_service": null, "core_services": 7})").empty());
  CHECK(tokens("{}").empty());
}

TEST_CASE("having a core service ignores case, blanks and aliases", "[config][CFG-68]") {
  const auto model = test::small_model();
  const auto block = object(R"({"core_service": "NzbDAV"})");
  CHECK(config::has_core_service(block, " nzbdav ", model));
  CHECK(config::has_core_service(block, "InfiniDysk", model));
  CHECK_FALSE(config::has_core_service(block, "decypharr", model));
  CHECK_FALSE(config::has_core_service(block, " ", model));
}

TEST_CASE("secret fields are known by name and place", "[config][CFG-105]") {
  const auto secret = [](JsonPath path, json::value value) { return config::is_secret(path, value); };
  CHECK(secret({"zurg", "instances", "A", "api_key"}, "x"));
  CHECK(secret({"postgres", "password"}, "x"));
  CHECK(secret({"decypharr", "api_keys", "realdebrid"}, "x"));
  CHECK(secret({"zilean", "env", "MY_TOKEN_FILE"}, "x"));
  CHECK(secret({"zilean", "env", "rd_apikey"}, "x"));
  CHECK(secret({"zilean", "env", "CONNECTION"}, "Host=h;password=geheim12;"));
  CHECK(secret({"riven", "env", "URL"}, "postgres://user:pass@host/db"));
  CHECK(secret({"x", "wait_for_url", "0", "auth", "password"}, "x"));
  CHECK_FALSE(secret({"zilean", "env", "URL"}, "http://host:8080/path"));
  CHECK_FALSE(secret({"zilean", "env", "MAIL"}, "somebody@example.org"));
  CHECK_FALSE(secret({"zilean", "port"}, 1));
  CHECK_FALSE(secret({"zilean", "api_key_file"}, "x"));
  CHECK_FALSE(secret({"decypharr", "api_keys"}, json::object()));
}

TEST_CASE("secret values are collected once, short ones and placeholders left out",
          "[config][CFG-105][LIF-108]") {
  const auto values = config::secret_values(object(R"({
    "zurg": {"instances": {"A": {"api_key": "ABCDEFGH1"}, "B": {"api_key": "ABCDEFGH1"}, "C": {"api_key": "short"}}},
    "zilean": {"env": {"C": "Host=h;Password=hunter2hunter;Timeout=3", "P": "Password={postgres_password}",
                       "URL": "postgres://me:longenough@host/db"}},
    "x": {"wait_for_url": [{"url": "u", "auth": {"user": "me", "password": "waitwaitwait"}}]}})"));
  CHECK(values == std::vector<std::string>{"ABCDEFGH1", "hunter2hunter", "longenough", "waitwaitwait"});
}
