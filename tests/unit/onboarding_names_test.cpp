// Names, providers and what is refused before anything changes.
#include <dumb/onboarding/names.hpp>

#include "support/onboarding_bench.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

/// "stage: message" of the only error of a call that changes nothing.
std::string refusal(const OnboardingBench& bench, std::string_view request) {
  const auto decision = bench.decide(request);
  CHECK(changes_of(decision) == Names{});
  onboarding::Progress progress(decision);
  CHECK_FALSE(progress.next());
  CHECK(progress.reply().results.empty());
  REQUIRE(progress.reply().errors.size() == 1);
  const onboarding::ErrorEntry& entry = progress.reply().errors.front();
  return std::string(codec::enum_name(entry.stage)) + ": " + entry.error;
}

std::string core(std::string_view name, std::string_view more = "") {
  return R"({"core_services": {"name": ")" + std::string(name) + "\"" + std::string(more) + "}}";
}

}  // namespace

TEST_CASE("services are found by key, display name, alias and process name", "[onboarding][ONB-10][ONB-12]") {
  OnboardingBench bench;
  bench.set("/custom", json::object{{"process_name", "My Thing"}, {"command", json::array{"/x"}}});
  const config::Snapshot config(bench.document, bench.document, 1);
  const auto key = [&](std::string_view name) {
    const auto found = onboarding::resolve(name, config, bench.catalog);
    return found ? found->key + (found->instance.empty() ? "" : "/" + found->instance) : "none";
  };
  CHECK(key("riven_backend") == "riven_backend");
  CHECK(key(" RIVEN_Backend ") == "riven_backend");
  CHECK(key("Riven") == "riven_backend");
  CHECK(key("riven backend") == "riven_backend");
  CHECK(key("clid") == "cli_debrid");
  CHECK(key("CLI Debrid") == "cli_debrid");
  CHECK(key("infinidysk") == "nzbdav");
  CHECK(key("neutarr") == "huntarr");
  CHECK(key("Plex Debrid") == "plex_debrid");
  CHECK(key("postgresql") == "postgres");
  CHECK(key("Jellyfin Media Server") == "jellyfin");
  CHECK(key("rclone w/ RealDebrid") == "rclone/RealDebrid");
  CHECK(key("RCLONE W/ realdebrid") == "rclone/RealDebrid");
  CHECK(key("pgAdmin4") == "pgadmin");
  CHECK(key("My Thing") == "custom");
  CHECK(key("nobody") == "none");
  CHECK(key("  ") == "none");
}

TEST_CASE("what is no core service is an error and changes nothing", "[onboarding][ONB-10][ONB-11][ONB-14]") {
  const OnboardingBench bench;
  CHECK(refusal(bench, core("nobody")) == "validate: 'nobody' is not found");
  CHECK(refusal(bench, core("zilean")) == "validate: 'zilean' is not a core service");
  CHECK(refusal(bench, core("zurg")) == "validate: 'zurg' is not a core service");
  CHECK(refusal(bench, core("puid")) == "validate: 'puid' is not a core service");
  CHECK(refusal(bench, core("DUMB API")) == "validate: 'DUMB API' is not a core service");
  CHECK(refusal(bench, core("bazarr")) == "validate: 'bazarr' is not in the configuration");
}

TEST_CASE("a service the file has is a core service although the template lacks it", "[onboarding][ONB-14]") {
  OnboardingBench bench;
  json::object block = bench.catalog.find("bazarr")->defaults;
  bench.set("/bazarr/instances/Default", block);
  const auto run = bench.onboard_and_run(core("Bazarr", R"(, "instance_name": "Main")"));
  CHECK(run.started == Names{"Bazarr Main"});
  CHECK(bench.at("/bazarr/instances/Main/config_dir") == "/bazarr/main/config");
}

TEST_CASE("an optional service may be any service but the foundations", "[onboarding][ONB-13][ONB-4]") {
  OnboardingBench bench;
  for (const char* name : {"dumb", "rclone", "zurg", "puid", "seerr_sync", "nobody", "DUMB API"}) {
    INFO(name);
    const std::string why =
        refusal(bench, std::string(R"({"core_services": [], "optional_services": [")") + name + "\"]}");
    CHECK(why == "validate: '" + std::string(name) + "' is not an optional service");
  }
  const auto run = bench.onboard_and_run(
      R"({"core_services": [], "optional_services": ["traefik", "Tautulli", "TAUTULLI", "huntarr"]})");
  CHECK(run.started == Names{"Traefik", "Tautulli", "Huntarr Default"});
  CHECK(run.reply.results.empty());
  CHECK(run.reply.errors.empty());
}

TEST_CASE("of two objects for one service the later one is an error", "[onboarding][ONB-4]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(R"({"core_services": [
    {"name": "radarr", "instance_name": "Main"}, {"name": "Radarr", "instance_name": " main "},
    {"name": "radarr", "instance_name": "4K"}, {"name": "emby"}, {"name": "Emby Media Server"}]})");
  CHECK(run.started == Names{"Emby Media Server", "Radarr Main", "Radarr 4K"});
  CHECK(run.reply.results == std::vector<onboarding::ResultEntry>{
                                 {"emby", "started"}, {"radarr", "started"}, {"radarr", "started"}});
  REQUIRE(run.reply.errors.size() == 2);
  CHECK(run.reply.errors[0].service == "Emby Media Server");
  CHECK(run.reply.errors[1].error == "'Radarr' is in the request twice");
}

TEST_CASE("providers compare without blanks and signs", "[onboarding][ONB-15][ONB-109]") {
  const auto token = [](std::string_view name) {
    const auto* found = onboarding::find_provider(name);
    return found == nullptr ? std::string("none") : std::string(found->token);
  };
  CHECK(token("RealDebrid") == "realdebrid");
  CHECK(token("real-debrid") == "realdebrid");
  CHECK(token("Debrid Link") == "debridlink");
  CHECK(token("debrid_link") == "debridlink");
  CHECK(token("Debrid-Link.") == "debridlink");
  CHECK(token("All Debrid") == "alldebrid");
  CHECK(token("torbox") == "torbox");
  CHECK(token("premiumize") == "none");
}

TEST_CASE("providers a service does not take are refused", "[onboarding][ONB-16][ONB-106]") {
  const OnboardingBench bench;
  CHECK(refusal(bench, core("riven", R"(, "debrid_service": "TorBox", "debrid_key": "k")")) ==
        "validate: 'TorBox' is not a debrid provider of Riven");
  CHECK(refusal(bench, core("decypharr", R"(, "debrid_service": "premiumize", "debrid_key": "k")")) ==
        "validate: 'premiumize' is not a debrid provider of Decypharr");
  CHECK(refusal(bench, core("decypharr",
                            R"(, "debrid_service": ["TorBox", "tor-box"], "debrid_key": ["k", "l"])")) ==
        "validate: TorBox is given more than once");
  CHECK(refusal(
            bench,
            core("clid", R"(, "debrid_service": ["RealDebrid", "RealDebrid"], "debrid_key": ["k", "l"])")) ==
        "validate: RealDebrid is given more than once");
}

TEST_CASE("keys are asked for before anything is made", "[onboarding][ONB-17]") {
  OnboardingBench bench;
  CHECK(refusal(bench, core("plex_debrid")) == "validate: a debrid key is needed");
  CHECK(refusal(bench, core("plex_debrid", R"(, "debrid_key": "  ")")) == "validate: a debrid key is needed");
  CHECK(refusal(bench, core("decypharr", R"(, "debrid_service": "TorBox")")) ==
        "validate: a debrid key is needed for TorBox");
  CHECK(refusal(bench, core("decypharr", R"(, "debrid_key": "k")")) ==
        "validate: a debrid key is given without its provider");
  CHECK(refusal(bench, core("decypharr",
                            R"(, "service_options": {"decypharr": {"mount_type": "external_rclone"}})")) ==
        "validate: external_rclone needs a debrid provider");
  CHECK(refusal(bench, core("riven", R"(, "debrid_key": "a\nb")")) ==
        "validate: a debrid key holds control characters");
}

TEST_CASE("a key is trimmed, and one that is stored need not be sent again", "[onboarding][ONB-17][ONB-40]") {
  OnboardingBench bench;
  bench.onboard_and_run(core("plex_debrid", R"(, "debrid_key": " abc ")"));
  CHECK(bench.at("/zurg/instances/Plex Debrid/api_key") == "abc");
  CHECK(bench.onboard_and_run(core("plex_debrid")).reply.errors.empty());
  CHECK(bench.at("/zurg/instances/Plex Debrid/api_key") == "abc");
  bench.set("/decypharr/api_keys/torbox", "stored");
  const auto run = bench.onboard_and_run(core("decypharr", R"(, "debrid_service": "TorBox")"));
  CHECK(run.reply.errors.empty());
  CHECK(bench.at("/decypharr/api_keys/torbox") == "stored");
}

TEST_CASE("an external rclone is made for every provider known",
          "[onboarding][ONB-15][ONB-17][ONB-32][ONB-100]") {
  OnboardingBench bench;
  bench.set("/decypharr/api_keys", json::object{{"torbox", "t1"}, {"unknown", "u"}});
  const auto run = bench.onboard_and_run(core("decypharr", R"(, "debrid_service": ["Debrid Link"],
    "debrid_key": ["d1", ""], "service_options": {"decypharr": {"mount_type": "EXTERNAL_rclone"}})"));
  CHECK(run.started ==
        Names{"Decypharr", "Rclone w/ Decypharr (Debrid Link)", "Rclone w/ Decypharr (Torbox)"});
  const json::object& rclone = bench.at("/rclone/instances").as_object();
  CHECK(rclone.at("Decypharr (Debrid Link)").at("mount_name") == "decypharr_debridlink");
  CHECK(rclone.at("Decypharr (Debrid Link)").at("key_type") == "debridlink");
  CHECK(rclone.at("Decypharr (Debrid Link)").at("api_key") == "d1");
  CHECK(rclone.at("Decypharr (Torbox)").at("api_key") == "t1");
  CHECK(bench.at("/decypharr/api_keys/debridlink") == "d1");
}

TEST_CASE("a differently spelled provider is replaced by its token", "[onboarding][ONB-40][ONB-109]") {
  OnboardingBench bench;
  bench.set("/decypharr/api_keys", json::object{{"debrid link", "old"}});
  bench.onboard_and_run(core("decypharr", R"(, "debrid_service": "Debrid Link", "debrid_key": "new")"));
  CHECK(jsonx::print_compact(bench.at("/decypharr/api_keys")) == R"({"debridlink":"new"})");
}

TEST_CASE("providers of a service that takes none are ignored with a warning",
          "[onboarding][ONB-16][ONB-39]") {
  OnboardingBench bench;
  const auto run =
      bench.onboard_and_run(core("emby", R"(, "debrid_service": "RealDebrid", "debrid_key": "k1k1")"));
  CHECK(run.reply.results.size() == 1);
  REQUIRE(run.reply.warnings.size() == 1);
  CHECK(run.reply.warnings[0].service == "emby");
  CHECK(jsonx::print_compact(json::value(bench.document)).find("k1k1") == std::string::npos);
}
