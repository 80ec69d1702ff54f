// What the shipped files say, checked against each other and against the tables of the specification.
#include <dumb/catalog/catalog.hpp>
#include <dumb/catalog/expression.hpp>

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using catalog::Catalog;

TEST_CASE("what a service names exists", "[catalog][SVC-1]") {
  const Catalog& catalog = Catalog::embedded();
  for (const auto& service : catalog.services()) {
    INFO(service.key);
    const auto& needs = service.dependencies;
    for (const auto* list : {&needs.requires_, &needs.start_after, &needs.hard_links, &needs.soft_links}) {
      for (const auto& key : *list) CHECK(catalog.find(key) != nullptr);
    }
    for (const auto& field : service.health.port_fields) CHECK(service.defaults.contains(field));
    for (const auto& field : service.optional_keys) CHECK(service.defaults.contains(field));
    CHECK(jsonx::string_at(service.defaults, "process_name") == service.process_name);
    const bool own_member = service.config_path.find('.') != std::string::npos;
    CHECK(service.config_path == (own_member ? "dumb." + service.key.substr(5) : service.key));
  }
}

TEST_CASE("process names of the defaults are unique", "[catalog][CFG-22]") {
  std::set<std::string> names;
  for (const auto& service : Catalog::embedded().services()) {
    INFO(service.process_name);
    CHECK(names.insert(service.process_name).second);
  }
}

TEST_CASE("tokens are unique, so that a name means one service", "[catalog][DEP-2]") {
  std::map<std::string, std::string> owner;
  for (const auto& service : Catalog::embedded().services()) {
    std::set<std::string> own{service.key, service.display_name};
    own.insert(service.aliases.begin(), service.aliases.end());
    for (const auto& token : own) {
      INFO(token);
      CHECK(Catalog::embedded().find_token(token) == &service);
    }
  }
}

TEST_CASE("the URLs of services without repository are those of the table", "[catalog][API-85]") {
  const std::map<std::string, std::string> expected = {
      {"rclone", "https://rclone.org"},
      {"pgadmin", "https://www.pgadmin.org"},
      {"postgres", "https://www.postgresql.org"},
      {"dumb_api_service", "https://github.com/I-am-PUID-0/DUMB"},
      {"cli_battery", "https://github.com/godver3/cli_debrid/tree/main/cli_battery"},
      {"plex", "https://www.plex.tv/"},
      {"jellyfin", "https://jellyfin.org"},
      {"emby", "https://emby.media"},
      {"sonarr", "https://sonarr.tv/"},
      {"radarr", "https://radarr.video"},
      {"lidarr", "https://lidarr.audio"},
      {"bazarr", "https://www.bazarr.media"},
      {"prowlarr", "https://prowlarr.com"},
      {"readarr", "https://readarr.com"},
      {"whisparr", "https://whisparr.com"},
      {"whisparr-v3", "https://whisparr.com"},
      {"tautulli", "https://tautulli.com"},
      {"seerr", "https://github.com/seerr-team/seerr"},
      {"profilarr", "https://github.com/Dictionarry-Hub/profilarr"},
      {"traefik", "https://traefik.io/"},
      {"huntarr", "https://plexguide.github.io/Huntarr.io/"}};
  for (const auto& service : Catalog::embedded().services()) {
    INFO(service.key);
    const auto found = expected.find(service.key);
    CHECK(service.links.static_url.value_or("") == (found == expected.end() ? "" : found->second));
    const bool has_repository = !jsonx::string_at(service.defaults, "repo_owner").empty();
    CHECK((found != expected.end() || has_repository));
  }
}

TEST_CASE("the sponsorship URLs are those of the table", "[catalog][API-86]") {
  const std::map<std::string, std::string> expected = {
      {"rclone", "https://rclone.org/sponsor/"},
      {"pgadmin", "https://www.pgadmin.org/donate/"},
      {"postgres", "https://www.postgresql.org/about/donate/"},
      {"dumb_api_service", "https://github.com/sponsors/I-am-PUID-0"},
      {"cli_debrid", "https://github.com/sponsors/godver3"},
      {"cli_battery", "https://github.com/sponsors/godver3"},
      {"phalanx_db", "https://github.com/sponsors/godver3"},
      {"decypharr", "https://github.com/sponsors/sirrobot01"},
      {"plex", "https://www.plex.tv/plex-pass/"},
      {"jellyfin", "https://opencollective.com/jellyfin"},
      {"emby", "https://emby.media/premiere.html"},
      {"sonarr", "https://opencollective.com/sonarr"},
      {"radarr", "https://github.com/sponsors/Radarr"},
      {"lidarr", "https://github.com/sponsors/Lidarr"},
      {"prowlarr", "https://github.com/sponsors/Prowlarr"},
      {"readarr", "https://readarr.com/donate"},
      {"whisparr", "https://opencollective.com/whisparr"},
      {"whisparr-v3", "https://opencollective.com/whisparr"},
      {"bazarr",
       "https://www.paypal.com/cgi-bin/webscr?cmd=_s-xclick&hosted_button_id=XHHRWXT9YB7WE&source=url"},
      {"riven_backend", "https://github.com/sponsors/dreulavelle/"},
      {"riven_frontend", "https://github.com/sponsors/dreulavelle/"},
      {"zurg", "https://github.com/sponsors/debridmediamanager"},
      {"tautulli", "https://tautulli.com/#donate"},
      {"seerr", "https://opencollective.com/seerr"},
      {"profilarr", "https://github.com/sponsors/Dictionarry-Hub"},
      {"traefik", "https://github.com/sponsors/traefik"},
      {"huntarr", "https://plexguide.github.io/Huntarr.io/donate.html"},
      {"zilean", "https://ko-fi.com/W7W616IBNG"}};
  for (const auto& service : Catalog::embedded().services()) {
    INFO(service.key);
    const auto found = expected.find(service.key);
    CHECK(service.links.sponsorship_url.value_or("") == (found == expected.end() ? "" : found->second));
  }
}

TEST_CASE("signals, graces and tiers of a stop are those of the tables", "[catalog][LIF-64][LIF-73]") {
  const std::vector<std::string> tiers = {"media", "apps", "clients", "providers", "remaining", "db"};
  CHECK(Catalog::embedded().shutdown_tiers() == tiers);
  const std::map<std::string, int> graces = {{"plex", 90},     {"jellyfin", 90}, {"emby", 90},
                                             {"postgres", 90}, {"rclone", 48},   {"decypharr", 48},
                                             {"nzbdav", 48},   {"zurg", 48},     {"cli_debrid", 20}};
  const std::map<std::string, std::set<std::string>> members = {
      {"media", {"plex", "jellyfin", "emby"}},
      {"clients",
       {"rclone", "plex_debrid", "cli_debrid", "cli_battery", "traefik", "dumb_frontend",
        "dumb_api_service"}},
      {"providers", {"decypharr", "nzbdav", "zurg"}},
      {"db", {"pgadmin", "postgres"}}};
  for (const auto& service : Catalog::embedded().services()) {
    INFO(service.key);
    const auto grace = graces.find(service.key);
    CHECK(service.shutdown.attempts * service.shutdown.wait_seconds ==
          (grace == graces.end() ? 30 : grace->second));
    CHECK(service.shutdown.signal == (service.key == "postgres" ? "SIGINT" : "SIGTERM"));
    const auto tier = members.find(service.shutdown.tier);
    if (tier == members.end()) CHECK(service.shutdown.tier == "apps");
    for (const auto& [name, keys] : members)
      CHECK(keys.contains(service.key) == (name == service.shutdown.tier));
  }
}

TEST_CASE("random texts are expanded without harm", "[catalog][SVC-9]") {
  const std::string alphabet = "{}{}|:$[].ab0 -";
  std::mt19937 random(20260211);
  const catalog::Lookup lookup = [](std::string_view name) -> std::optional<json::value> {
    if (name == "a") return json::value("A");
    if (name == "b") return json::value(json::array());
    return std::nullopt;
  };
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    const auto length = random() % 24;
    for (std::size_t i = 0; i < length; ++i) text += alphabet[random() % alphabet.size()];
    INFO(text);
    const auto found = catalog::placeholders(text);
    std::size_t end = 0;
    for (const auto& placeholder : found) {
      REQUIRE(placeholder.begin >= end);
      REQUIRE(placeholder.end <= text.size());
      REQUIRE(text[placeholder.begin] == '{');
      REQUIRE(text[placeholder.end - 1] == '}');
      end = placeholder.end;
    }
    const auto expanded = catalog::expand_text(text, lookup);
    if (found.empty()) {
      REQUIRE(expanded);
      REQUIRE(*expanded == text);
    }
    REQUIRE((expanded || !found.empty()));
    static_cast<void>(catalog::expand_optional(text, lookup));
    static_cast<void>(catalog::expand(json::value(text), lookup));
  }
}
