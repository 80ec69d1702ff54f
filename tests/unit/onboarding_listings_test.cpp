// What the wizard is offered.
#include <dumb/base/text.hpp>
#include <dumb/onboarding/listings.hpp>

#include "support/onboarding_bench.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

const onboarding::CoreService& entry(const onboarding::CoreServiceList& list, std::string_view key) {
  for (const auto& one : list.core_services) {
    if (one.key == key) return one;
  }
  FAIL("no entry");
  std::abort();
}

std::string fields(const json::value& group) {
  std::string out;
  for (const auto& [name, value] : group.as_object()) out += std::string(name) + " ";
  return out;
}

std::string groups(const json::object& options) {
  std::string out;
  for (const auto& [name, value] : options) out += std::string(name) + " ";
  return out;
}

}  // namespace

TEST_CASE("core services are listed from the template alone",
          "[onboarding][ONB-86][ONB-87][ONB-90][ONB-112]") {
  const auto list = onboarding::core_services(catalog::Catalog::embedded());
  const auto& riven = entry(list, "riven_backend");
  CHECK(riven.name == "Riven");
  CHECK(riven.dependencies == Names{"zurg", "rclone", "postgres"});
  CHECK(riven.debrid_providers == Names{"RealDebrid"});
  CHECK(groups(riven.service_options) == "riven_backend zurg rclone postgres ");
  CHECK_FALSE(riven.supports_instances);
  CHECK(riven.instance_options.empty());
  const auto& decypharr = entry(list, "decypharr");
  CHECK(decypharr.dependencies == Names{"rclone"});
  CHECK(decypharr.debrid_providers == Names{"RealDebrid", "AllDebrid", "Debrid Link", "TorBox"});
  const auto& sonarr = entry(list, "sonarr");
  CHECK(sonarr.supports_instances);
  CHECK(groups(sonarr.instance_options) == "Default ");
  CHECK(jsonx::same(sonarr.instance_options.at("Default"), sonarr.service_options.at("sonarr")));
  CHECK(entry(list, "cli_debrid").dependencies == Names{"zurg", "rclone", "cli_battery", "phalanx_db"});
  for (const auto& one : list.core_services) CHECK(one.key != "bazarr");
}

TEST_CASE("only the exposed fields are shown, with the template's values", "[onboarding][ONB-88][ONB-88a]") {
  const auto list = onboarding::core_services(catalog::Catalog::embedded());
  const auto own = [&](std::string_view key) { return fields(entry(list, key).service_options.at(key)); };
  CHECK(own("plex") ==
        "suppress_logging log_level port auto_update auto_update_interval auto_update_start_time "
        "plex_claim friendly_name ");
  CHECK(own("jellyfin") == "suppress_logging auto_update auto_update_interval auto_update_start_time port ");
  CHECK(own("plex_debrid") ==
        "repo_owner repo_name branch_enabled branch suppress_logging log_level auto_update "
        "auto_update_interval auto_update_start_time ");
  const json::object& options = entry(list, "riven_backend").service_options;
  CHECK(fields(options.at("zurg")) ==
        "core_service repo_owner repo_name release_version_enabled release_version suppress_logging "
        "log_level port auto_update auto_update_interval auto_update_start_time ");
  CHECK(fields(options.at("rclone")) == "core_service suppress_logging log_level ");
  CHECK(fields(options.at("postgres")) == "suppress_logging log_level port ");
  CHECK(options.at("zurg").at("port") == 9090);
  CHECK(entry(list, "decypharr").service_options.at("decypharr").at("mount_type") == "dfs");
  CHECK(entry(list, "nzbdav").service_options.at("nzbdav").at("frontend_port") == 3000);
  CHECK(entry(list, "radarr").service_options.at("radarr").at("port") == 7878);
  for (const auto& one : list.core_services) {
    INFO(one.key);
    // The wizard's step counter needs an option in every group.
    for (const auto& [group, values] : one.service_options) {
      CHECK_FALSE(values.as_object().empty());
      for (const auto& [name, value] : values.as_object()) {
        CHECK_FALSE(one.service_option_descriptions.at(group).at(name).as_string().empty());
      }
    }
    for (const std::string& need : one.dependencies) CHECK(one.service_options.contains(need));
  }
}

TEST_CASE("descriptions end with the place of the documentation", "[onboarding][ONB-89]") {
  const auto list = onboarding::core_services(catalog::Catalog::embedded());
  CHECK(entry(list, "plex_debrid").description ==
        "Watches Plex, Trakt and Overseerr lists and fetches through debrid; for users with existing settings"
        "\n\nDebrid providers: RealDebrid\nhttps://dumbarr.com/services/core/plex-debrid");
  CHECK(entry(list, "sonarr").description ==
        "Library manager for series\nhttps://dumbarr.com/services/core/sonarr");
  for (const auto& one : list.core_services) {
    INFO(one.key);
    CHECK(one.description.find("\nhttps://dumbarr.com/services/core/") != std::string::npos);
  }
}

TEST_CASE("optional services have flat options", "[onboarding][ONB-92][ONB-93]") {
  OnboardingBench bench;
  const config::Snapshot config(bench.document, bench.document, 1);
  const auto list = onboarding::optional_services(bench.catalog, config, {});
  REQUIRE(list.optional_services.size() == 5);
  const auto& pgadmin = list.optional_services[1];
  CHECK(pgadmin.name == "PgAdmin");
  CHECK(jsonx::print_compact(json::value(pgadmin.service_options)) ==
        R"({"port":5050,"setup_email":"DUMB@DUMB.DUMB","setup_password":"postgres"})");
  for (const auto& one : list.optional_services) {
    INFO(one.key);
    CHECK_FALSE(one.service_options.empty());
    CHECK(one.service_options.size() == one.service_option_descriptions.size());
    CHECK_FALSE(one.supports_instances);
    CHECK(one.instance_options.empty());
    CHECK(one.description.find("\nhttps://dumbarr.com/services/") != std::string::npos);
  }
}
