// The four reference requests (section 9 of the onboarding specification).
#include "support/onboarding_bench.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

constexpr std::string_view riven =
    R"({"core_services": {"name": "riven_backend", "debrid_service": "RealDebrid",
  "debrid_key": "abc123", "service_options": {}}, "optional_services": ["zilean", "pgadmin", "riven_frontend"]})";
constexpr std::string_view decypharr =
    R"({"core_services": {"name": "decypharr", "debrid_service": "RealDebrid",
  "debrid_key": "abc123", "service_options": {"decypharr": {"use_embedded_rclone": true}}},
  "optional_services": []})";
constexpr std::string_view clid = R"({"core_services": {"name": "cli_debrid", "debrid_service": "RealDebrid",
  "debrid_key": "abc123", "service_options": {"phalanx_db": {"enabled": true}}}, "optional_services": ["zilean"]})";
constexpr std::string_view plex_debrid = R"({"core_services": {"name": "plex_debrid", "debrid_service":
  "RealDebrid", "debrid_key": "abc123", "service_options": {"rclone": {"log_level": "DEBUG"},
  "zurg": {"port": 9194}}}, "optional_services": []})";

/// The template's instance with the replaced members.
json::object made_of(const std::string& key, const std::string& replaced) {
  json::object block = catalog::Catalog::embedded().find(key)->defaults;
  const json::value changes = *jsonx::parse(replaced);
  for (const auto& [name, value] : changes.as_object()) block[name] = value;
  return block;
}

/// The document holds the instance exactly, and no placeholder any more.
void check_instance(OnboardingBench& bench, const std::string& key, const std::string& name,
                    const std::string& replaced) {
  INFO(key << " " << name);
  json::object& instances = bench.at("/" + key + "/instances").as_object();
  CHECK_FALSE(instances.contains("RealDebrid"));
  REQUIRE(instances.contains(name));
  CHECK(jsonx::print_compact(instances.at(name)) ==
        jsonx::print_compact(json::value(made_of(key, replaced))));
}

constexpr std::string_view zurg_riven = R"({"enabled": true, "core_service": "riven_backend",
  "process_name": "Zurg w/ Riven", "port": 9090, "config_dir": "/zurg/RD/Riven",
  "config_file": "/zurg/RD/Riven/config.yml", "command": "/zurg/RD/Riven/zurg", "api_key": "abc123"})";
constexpr std::string_view rclone_riven = R"({"enabled": true, "core_service": "riven_backend",
  "process_name": "Rclone w/ Riven", "key_type": "realdebrid", "zurg_enabled": true, "decypharr_enabled": false,
  "mount_name": "riven", "log_file": "/log/rclone_w_riven.log",
  "zurg_config_file": "/zurg/RD/Riven/config.yml"})";

}  // namespace

TEST_CASE("the Riven request gives exactly its changes and its order",
          "[onboarding][ONB-64][ONB-18][ONB-19][ONB-24][ONB-25][ONB-26][ONB-28][ONB-30][ONB-39]") {
  OnboardingBench bench;
  const auto decision = bench.onboard(riven);
  Names places;
  for (const std::string& line : changes_of(decision)) places.push_back(line.substr(0, line.find(" = {")));
  CHECK(places ==
        Names{"/pgadmin/enabled = true", "/postgres/enabled = true", "/rclone/instances/RealDebrid removed",
              "/rclone/instances/Riven", "/riven_backend/enabled = true", "/riven_frontend/enabled = true",
              "/zilean/enabled = true", "/zurg/instances/RealDebrid removed", "/zurg/instances/Riven"});
  check_instance(bench, "zurg", "Riven", std::string(zurg_riven));
  check_instance(bench, "rclone", "Riven", std::string(rclone_riven));
  const auto run = bench.run(decision);
  CHECK(run.started == Names{"PostgreSQL", "Zilean", "pgAdmin4", "Zurg w/ Riven", "Rclone w/ Riven",
                             "Riven Backend", "Riven Frontend"});
  CHECK(run.reply.results == std::vector<onboarding::ResultEntry>{{"riven_backend", "started"}});
  CHECK(run.reply.errors.empty());
  CHECK(run.reply.warnings.empty());
  CHECK(run.reply.port_changes.empty());
}

TEST_CASE("the Decypharr request gives exactly its changes and its order",
          "[onboarding][ONB-65][ONB-20][ONB-21][ONB-39]") {
  OnboardingBench bench;
  const auto decision = bench.onboard(decypharr);
  CHECK(changes_of(decision) == Names{R"(/decypharr/api_keys/realdebrid = "abc123")",
                                      "/decypharr/enabled = true", R"(/decypharr/mount_type = "rclone")"});
  CHECK(bench.run(decision).started == Names{"Decypharr"});
  CHECK(bench.has("/rclone/instances/RealDebrid"));
  CHECK(bench.has("/zurg/instances/RealDebrid"));
  CHECK_FALSE(bench.has("/decypharr/use_embedded_rclone"));
}

TEST_CASE("Decypharr with an external rclone gets one that starts after it",
          "[onboarding][ONB-65][ONB-20][ONB-21][ONB-24][ONB-26][ONB-32][ONB-39]") {
  OnboardingBench bench;
  const auto decision =
      bench.onboard(R"({"core_services": {"name": "decypharr", "debrid_service": "RealDebrid",
    "debrid_key": "abc123", "service_options": {"decypharr": {"use_embedded_rclone": false}}}})");
  CHECK(bench.at("/decypharr/mount_type") == "external_rclone");
  CHECK(jsonx::print_compact(bench.at("/decypharr/api_keys")) == R"({"realdebrid":"abc123"})");
  check_instance(bench, "rclone", "Decypharr (Realdebrid)", R"j({"enabled": true, "core_service": "decypharr",
    "process_name": "Rclone w/ Decypharr (Realdebrid)", "key_type": "realdebrid", "zurg_enabled": false,
    "decypharr_enabled": true, "mount_name": "decypharr_realdebrid", "zurg_config_file": "",
    "log_file": "/log/rclone_w_decypharr_realdebrid.log", "api_key": "abc123"
})j");
  CHECK(bench.has("/zurg/instances/RealDebrid"));
  CHECK(bench.run(decision).started == Names{"Decypharr", "Rclone w/ Decypharr (Realdebrid)"});
}

TEST_CASE("the CLI Debrid request gives exactly its changes and its order", "[onboarding][ONB-66][ONB-22]") {
  OnboardingBench bench;
  const auto decision = bench.onboard(clid);
  Names places;
  for (const std::string& line : changes_of(decision)) places.push_back(line.substr(0, line.find(" = {")));
  CHECK(places == Names{"/cli_battery/enabled = true", "/cli_debrid/enabled = true",
                        "/phalanx_db/enabled = true", "/postgres/enabled = true", "/rclone/instances/CLID",
                        "/rclone/instances/RealDebrid removed", "/zilean/enabled = true",
                        "/zurg/instances/CLID", "/zurg/instances/RealDebrid removed"});
  check_instance(bench, "zurg", "CLID", R"({"enabled": true, "core_service": "cli_debrid",
    "process_name": "Zurg w/ CLID", "port": 9090, "config_dir": "/zurg/RD/CLID",
    "config_file": "/zurg/RD/CLID/config.yml", "command": "/zurg/RD/CLID/zurg", "api_key": "abc123"})");
  check_instance(bench, "rclone", "CLID", R"({"enabled": true, "core_service": "cli_debrid",
    "process_name": "Rclone w/ CLID", "key_type": "realdebrid", "zurg_enabled": true, "decypharr_enabled": false,
    "mount_name": "clid", "log_file": "/log/rclone_w_clid.log",
    "zurg_config_file": "/zurg/RD/CLID/config.yml"})");
  CHECK(bench.run(decision).started == Names{"PostgreSQL", "Zilean", "Zurg w/ CLID", "Rclone w/ CLID",
                                             "CLI Battery", "Phalanx DB", "CLI Debrid"});
}

TEST_CASE("after Riven, CLI Debrid gets the next port and keeps what runs",
          "[onboarding][ONB-66][ONB-31][ONB-48][ONB-51][ONB-52]") {
  OnboardingBench bench;
  bench.onboard_and_run(riven);
  const auto run = bench.onboard_and_run(clid);
  CHECK(run.started == Names{"Zurg w/ CLID", "Rclone w/ CLID", "CLI Battery", "Phalanx DB", "CLI Debrid"});
  CHECK(bench.at("/zurg/instances/CLID/port") == 9091);
  CHECK(bench.at("/zurg/instances/Riven/port") == 9090);
  CHECK(run.reply.port_changes ==
        std::vector<onboarding::PortChangeEntry>{{"Zurg w/ CLID", "port", 9090, 9091}});
}

TEST_CASE("the Plex Debrid request gives exactly its changes and its order",
          "[onboarding][ONB-67][ONB-24][ONB-41][ONB-47]") {
  OnboardingBench bench;
  const auto decision = bench.onboard(plex_debrid);
  Names places;
  for (const std::string& line : changes_of(decision)) places.push_back(line.substr(0, line.find(" = {")));
  CHECK(places == Names{"/plex_debrid/enabled = true", "/rclone/instances/Plex Debrid",
                        "/rclone/instances/RealDebrid removed", "/zurg/instances/Plex Debrid",
                        "/zurg/instances/RealDebrid removed"});
  check_instance(bench, "zurg", "Plex Debrid", R"({"enabled": true, "core_service": "plex_debrid",
    "process_name": "Zurg w/ Plex Debrid", "port": 9194, "config_dir": "/zurg/RD/Plex_Debrid",
    "config_file": "/zurg/RD/Plex_Debrid/config.yml", "command": "/zurg/RD/Plex_Debrid/zurg",
    "api_key": "abc123"})");
  check_instance(bench, "rclone", "Plex Debrid", R"({"enabled": true, "core_service": "plex_debrid",
    "process_name": "Rclone w/ Plex Debrid", "log_level": "DEBUG", "key_type": "realdebrid",
    "zurg_enabled": true, "decypharr_enabled": false, "mount_name": "plex_debrid",
    "log_file": "/log/rclone_w_plex_debrid.log", "zurg_config_file": "/zurg/RD/Plex_Debrid/config.yml"})");
  CHECK(bench.run(decision).started == Names{"Zurg w/ Plex Debrid", "Rclone w/ Plex Debrid", "Plex Debrid"});
}

TEST_CASE("the same call twice changes and starts nothing", "[onboarding][ONB-59][ONB-94]") {
  for (const std::string_view text : {riven, decypharr, clid, plex_debrid}) {
    OnboardingBench bench;
    const auto first = bench.onboard_and_run(text);
    const auto again = bench.decide(text);
    CHECK(changes_of(again) == Names{});
    const auto second = bench.run(again);
    CHECK(second.started == Names{});
    CHECK(second.reply.results == first.reply.results);
    CHECK(second.reply.errors.empty());
  }
}
