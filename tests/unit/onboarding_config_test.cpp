// What a call changes in the configuration.
#include "support/onboarding_bench.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

std::string core(std::string_view name, std::string_view more = "") {
  return R"({"core_services": {"name": ")" + std::string(name) + "\"" + std::string(more) + "}}";
}
std::string options(std::string_view name, std::string_view groups) {
  return core(name, R"(, "debrid_key": "k", "service_options": )" + std::string(groups));
}
const onboarding::ErrorEntry& only_error(const OnboardingBench::Run& run) {
  REQUIRE(run.reply.errors.size() == 1);
  return run.reply.errors.front();
}
std::string warnings_of(const OnboardingBench::Run& run) {
  std::string out;
  for (const auto& entry : run.reply.warnings) out += entry.service + ": " + entry.warning + "\n";
  return out;
}

}  // namespace

TEST_CASE("an instance that serves the core already is taken as it is", "[onboarding][ONB-25][ONB-27]") {
  OnboardingBench bench;
  json::object zurg = bench.catalog.find("zurg")->defaults;
  zurg["process_name"] = "My Zurg";
  zurg["core_service"] = "cli_debrid, Riven";
  zurg["port"] = 9500;
  bench.set("/zurg/instances/Mine", zurg);
  const auto run = bench.onboard_and_run(options("riven", R"({"zurg": {"log_level": "warn"}})"));
  CHECK(run.reply.errors.empty());
  const json::object& instances = bench.at("/zurg/instances").as_object();
  CHECK(instances.size() == 2);
  CHECK(instances.contains("RealDebrid"));
  const json::object& mine = instances.at("Mine").as_object();
  CHECK(mine.at("enabled") == true);
  CHECK(mine.at("api_key") == "k");
  CHECK(mine.at("port") == 9500);
  CHECK(mine.at("core_service") == "cli_debrid, Riven");
  CHECK(mine.at("log_level") == "WARNING");
  CHECK(bench.at("/rclone/instances/Riven/zurg_config_file") == "/zurg/RD/config.yml");
  CHECK(run.started.at(0) == "My Zurg");
}

TEST_CASE("the instance of the display name is taken and serves the core, too",
          "[onboarding][ONB-25][ONB-27]") {
  OnboardingBench bench;
  json::object rclone = bench.catalog.find("rclone")->defaults;
  rclone["core_service"] = json::array{"sonarr"};
  rclone["process_name"] = "Old";
  bench.set("/rclone/instances/Riven", rclone);
  bench.onboard_and_run(options("riven", "{}"));
  CHECK(jsonx::print_compact(bench.at("/rclone/instances/Riven/core_service")) ==
        R"(["sonarr","riven_backend"])");
  CHECK(bench.at("/rclone/instances/Riven/process_name") == "Old");
  bench.set("/zurg/instances/Plex Debrid", bench.catalog.find("zurg")->defaults);
  bench.set("/zurg/instances/Plex Debrid/core_service", "x");
  bench.set("/zurg/instances/Plex Debrid/process_name", "Z");
  bench.onboard_and_run(options("plex_debrid", "{}"));
  CHECK(bench.at("/zurg/instances/Plex Debrid/core_service") == "x,plex_debrid");
}

TEST_CASE("a placeholder goes only when nobody has touched it", "[onboarding][ONB-28][ONB-94]") {
  const auto left_after = [](std::string_view member, json::value value) {
    OnboardingBench bench;
    bench.set("/zurg/instances/RealDebrid/" + std::string(member), std::move(value));
    bench.onboard_and_run(options("riven", "{}"));
    return bench.has("/zurg/instances/RealDebrid");
  };
  CHECK_FALSE(left_after("log_level", "DEBUG"));
  CHECK_FALSE(left_after("port", 9191));
  CHECK(left_after("enabled", true));
  CHECK(left_after("process_name", "Zurg"));
  CHECK(left_after("config_dir", "/zurg/other"));
  CHECK(left_after("core_service", "emby"));
  CHECK(left_after("api_key", "mine"));
  CHECK(left_after("user", "me"));
  CHECK(left_after("password", "pw"));
}

TEST_CASE("names that are taken get a number", "[onboarding][ONB-29]") {
  OnboardingBench bench;
  bench.set("/emby/process_name", "zurg w/ riven");
  bench.set("/rclone/instances/Other", bench.catalog.find("rclone")->defaults);
  bench.set("/rclone/instances/Other/process_name", "Rclone w/ Riven");
  bench.set("/rclone/instances/Other/mount_name", "riven");
  bench.onboard_and_run(options("riven", "{}"));
  CHECK(bench.at("/zurg/instances/Riven/process_name") == "Zurg w/ Riven 2");
  CHECK(bench.at("/rclone/instances/Riven/process_name") == "Rclone w/ Riven 2");
  CHECK(bench.at("/rclone/instances/Riven/mount_name") == "riven_2");
}

TEST_CASE("NzbDAV gets an rclone that starts after it", "[onboarding][ONB-18][ONB-26][ONB-32]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(core("nzbdav"));
  CHECK(run.started == Names{"NzbDAV", "Rclone w/ NzbDAV"});
  const json::object& rclone = bench.at("/rclone/instances/NzbDAV").as_object();
  CHECK(rclone.at("key_type") == "nzbdav");
  CHECK(rclone.at("mount_name") == "nzbdav");
  CHECK(rclone.at("zurg_enabled") == false);
  CHECK(rclone.at("decypharr_enabled") == false);
  CHECK(rclone.at("zurg_config_file") == "");
  CHECK(rclone.at("core_service") == "nzbdav");
}

TEST_CASE("a named instance is cloned with paths of its own", "[onboarding][ONB-36][ONB-38][ONB-107]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(
      R"({"core_services": {"name": "profilarr", "instance_name": " My *Own* Two! "}})");
  CHECK(run.started == Names{"Profilarr My Own Two"});
  const json::object& instances = bench.at("/profilarr/instances").as_object();
  REQUIRE(instances.size() == 1);
  const json::object& made = instances.at("My Own Two").as_object();
  CHECK(made.at("config_dir") == "/profilarr/my_own_two");
  CHECK(made.at("log_file") == "/profilarr/my_own_two/config/log/profilarr.log");
  CHECK(made.at("exclude_dirs") == json::array{"/profilarr/my_own_two/config"});
  CHECK(made.at("env").at("PYTHONPATH") == "/profilarr/my_own_two/backend");
  const std::string command = jsonx::print_compact(made.at("command"));
  CHECK(command.find("/profilarr/my_own_two/backend") != std::string::npos);
  CHECK(command.find("/default") == std::string::npos);
  CHECK(made.at("port") == 6868);
}

TEST_CASE("an instance of the name is taken, whatever its letters' case", "[onboarding][ONB-36]") {
  OnboardingBench bench;
  bench.onboard_and_run(core("sonarr", R"(, "instance_name": "Main")"));
  bench.set("/sonarr/instances/Main/enabled", false);
  const auto run = bench.onboard_and_run(core("sonarr", R"(, "instance_name": "MAIN")"));
  CHECK(run.reply.results.size() == 1);
  CHECK(bench.at("/sonarr/instances").as_object().size() == 1);
  CHECK(bench.at("/sonarr/instances/Main/enabled") == true);
}

TEST_CASE("directories and process names of instances never meet", "[onboarding][ONB-36]") {
  OnboardingBench bench;
  bench.set("/emby/process_name", "Sonarr My-Tv");
  bench.onboard_and_run(R"({"core_services": [{"name": "sonarr", "instance_name": "a b"},
    {"name": "sonarr", "instance_name": "a_b"}, {"name": "sonarr", "instance_name": "My-Tv"}]})");
  CHECK(bench.at("/sonarr/instances/a b/config_dir") == "/sonarr/a_b");
  CHECK(bench.at("/sonarr/instances/a_b/config_dir") == "/sonarr/a_b_2");
  CHECK(bench.at("/sonarr/instances/a_b/config_file") == "/sonarr/a_b_2/config.xml");
  CHECK(bench.at("/sonarr/instances/My-Tv/process_name") == "Sonarr My-Tv 2");
  const auto refused = bench.onboard_and_run(core("sonarr", R"(, "instance_name": "***")"));
  CHECK(only_error(refused).stage == onboarding::Stage::validate);
}

TEST_CASE("without a name the placeholder becomes the instance", "[onboarding][ONB-37]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(core("radarr"));
  CHECK(run.started == Names{"Radarr Default"});
  CHECK(bench.at("/radarr/instances/Default/config_dir") == "/radarr/default");
  CHECK(changes_of(bench.decide(core("radarr"))) == Names{});
}

TEST_CASE("without a name all enabled instances are meant", "[onboarding][ONB-37][ONB-110]") {
  OnboardingBench bench;
  bench.onboard_and_run(R"({"core_services": [{"name": "radarr", "instance_name": "A"},
    {"name": "radarr", "instance_name": "B"}, {"name": "radarr", "instance_name": "C"}]})");
  bench.set("/radarr/instances/B/enabled", false);
  bench.running.clear();
  CHECK(bench.onboard_and_run(core("radarr")).started == Names{"Radarr A", "Radarr C"});
  CHECK(bench.at("/radarr/instances/B/enabled") == false);
}

TEST_CASE("edited instances of which none is enabled are left alone", "[onboarding][ONB-43][ONB-105]") {
  OnboardingBench bench;
  bench.set("/radarr/instances/Default/config_dir", "/radarr/mine");
  const auto decision = bench.decide(core("radarr"));
  CHECK(changes_of(decision) == Names{});
  const auto run = bench.run(decision);
  CHECK(run.reply.results == std::vector<onboarding::ResultEntry>{{"radarr", "skipped"}});
  CHECK(warnings_of(run) == "radarr: none of its instances is enabled: Default\n");
}

TEST_CASE("a directory with files keeps the placeholder of an instance core",
          "[onboarding][ONB-28][ONB-38]") {
  OnboardingBench bench;
  bench.used_directories.insert("/radarr/default");
  bench.onboard_and_run(core("radarr", R"(, "instance_name": "Main")"));
  CHECK(bench.has("/radarr/instances/Default"));
  OnboardingBench enabled;
  enabled.set("/radarr/instances/Default/enabled", true);
  enabled.onboard_and_run(core("radarr", R"(, "instance_name": "Main")"));
  CHECK(enabled.has("/radarr/instances/Default"));
}

TEST_CASE("options reach the blocks they are for, the last group wins", "[onboarding][ONB-41][ONB-42]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(R"({"core_services": [
    {"name": "sonarr", "instance_name": "Main", "service_options":
      {"Main": {"port": 8999}, "Sonarr": {"port": 8998, "core_service": "decypharr,nzbdav", "release_version": null}}},
    {"name": "riven", "debrid_key": "k", "service_options": {"Riven Backend": {"log_level": "debug"},
      "postgres": {"port": 5555, "shared_buffers": "64MB"}, "zilean": {"port": 8200}, "Zilean": {"log_level": "error"}}}],
    "optional_services": ["zilean"], "optional_service_options": {"ZILEAN": {"port": 8201}}})");
  CHECK(run.reply.errors.empty());
  CHECK(warnings_of(run).empty());
  CHECK(bench.at("/sonarr/instances/Main/port") == 8999);
  CHECK(bench.at("/sonarr/instances/Main/core_service") == "decypharr,nzbdav");
  CHECK(bench.at("/sonarr/instances/Main/release_version") == "latest");
  CHECK(bench.at("/riven_backend/log_level") == "DEBUG");
  CHECK(bench.at("/postgres/port") == 5555);
  CHECK(bench.at("/zilean/port") == 8201);
  CHECK(bench.at("/zilean/log_level") == "ERROR");
}

TEST_CASE("a core_service option of any form is stored unchanged", "[onboarding][ONB-44a]") {
  OnboardingBench bench;
  bench.onboard_and_run(core("radarr", R"(, "instance_name": "M",
    "service_options": {"radarr": {"core_service": ["decypharr", "nzbdav"]}})"));
  CHECK(jsonx::print_compact(bench.at("/radarr/instances/M/core_service")) == R"(["decypharr","nzbdav"])");
}

TEST_CASE("objects are merged, arrays and scalars replace", "[onboarding][ONB-42]") {
  OnboardingBench bench;
  bench.onboard_and_run(options("clid", R"({"cli_debrid": {"env": {"MORE": "1"},
    "symlink_backup_roots": ["/mnt/x"]}})"));
  CHECK(bench.at("/cli_debrid/env/MORE") == "1");
  CHECK(bench.at("/cli_debrid/env/CLI_DEBRID_PORT") == "{port}");
  CHECK(bench.at("/cli_debrid/symlink_backup_roots") == json::array{"/mnt/x"});
}

TEST_CASE("unknown options and groups for nothing are named, not written",
          "[onboarding][ONB-41][ONB-42][ONB-106]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(options("decypharr", R"({"decypharr": {"colour": "red"},
    "sonarr": {"port": 1}, "wrong": {}, "zilean": {"port": 2}, "rclone": {"log_level": "DEBUG"}})"));
  REQUIRE(run.reply.errors.size() == 1);  // the key has no provider
  const auto again = bench.onboard_and_run(core("decypharr", R"(, "service_options": {"decypharr":
    {"colour": "red"}, "sonarr": {"port": 1}, "wrong": {}, "zilean": {"port": 2}, "rclone": {"log_level": "DEBUG"}})"));
  CHECK(again.reply.errors.empty());
  CHECK(warnings_of(again) ==
        "decypharr: 'colour' is not a setting of Decypharr\n"
        "decypharr: the options of 'sonarr' are for nothing in this call\n"
        "decypharr: the options of 'wrong' are for nothing in this call\n");
  CHECK_FALSE(bench.has("/decypharr/colour"));
}

TEST_CASE("an option that breaks the schema fails its core and nothing else",
          "[onboarding][ONB-42][ONB-34]") {
  const auto error_of = [](std::string_view group) {
    OnboardingBench bench;
    const auto decision =
        bench.decide(R"({"core_services": [{"name": "clid", "debrid_key": "k", "service_options":
      {"cli_debrid": )" +
                     std::string(group) + R"(}}, {"name": "emby"}]})");
    CHECK(changes_of(decision) == Names{"/emby/enabled = true"});
    const auto run = bench.run(decision);
    CHECK(run.started == Names{"Emby Media Server"});
    CHECK(only_error(run).stage == onboarding::Stage::configure);
    CHECK(only_error(run).service == "clid");
    return only_error(run).error;
  };
  CHECK(error_of(R"({"port": "5000"})").find("/cli_debrid/port") != std::string::npos);
  CHECK(error_of(R"({"port": 70000})").find("/cli_debrid/port") != std::string::npos);
  CHECK(error_of(R"({"auto_update_start_time": "25:00"})").find("auto_update_start_time") !=
        std::string::npos);
  CHECK(error_of(R"({"log_level": "loud"})").find("log_level") != std::string::npos);
  CHECK(error_of(R"({"process_name": "X"})") == "process_name cannot be set by an option");
  CHECK(error_of(R"({"instances": {}})") == "instances cannot be set by an option");
  CHECK(error_of(R"({"enabled": false})") == "cli_debrid cannot be disabled by an option here");
  CHECK(error_of(R"({"enabled": "perhaps"})") == "enabled must be a boolean");
}

TEST_CASE("releases of plex_debrid are not supported", "[onboarding][ONB-68]") {
  OnboardingBench bench;
  const auto run =
      bench.onboard_and_run(options("plex_debrid", R"({"plex_debrid": {"release_version_enabled": true}})"));
  CHECK(only_error(run).error == "release_version_enabled is not supported by Plex Debrid");
  const json::object& block = bench.catalog.find("plex_debrid")->defaults;
  CHECK(block.at("repo_owner") == "elfhosted");
  CHECK(block.at("config_dir") == "/plex_debrid");
  CHECK_FALSE(block.contains("port"));
}

TEST_CASE("the beta branch of Decypharr is told to itself", "[onboarding][ONB-42][ONB-20]") {
  OnboardingBench bench;
  bench.onboard_and_run(core("decypharr", R"(, "service_options": {"decypharr":
    {"branch": "beta", "release_version_enabled": true, "mount_type": ""}})"));
  CHECK(bench.at("/decypharr/branch_enabled") == true);
  CHECK(bench.at("/decypharr/release_version_enabled") == false);
  CHECK(bench.at("/decypharr/mount_type") == "dfs");
  OnboardingBench other;
  other.onboard_and_run(core("decypharr", R"(, "service_options": {"decypharr": {"mount_type": " "}})"));
  CHECK(other.at("/decypharr/mount_type") == "rclone");
  const auto run = other.onboard_and_run(
      core("decypharr", R"(, "service_options": {"decypharr": {"mount_type": "nfs"}})"));
  CHECK(only_error(run).stage == onboarding::Stage::configure);
}

TEST_CASE("the embedded rclone of old requests is translated, an explicit mount type wins",
          "[onboarding][ONB-21]") {
  const auto mount_of = [](std::string_view group) {
    OnboardingBench bench;
    const auto run =
        bench.onboard_and_run(core("decypharr", R"(, "debrid_service": "TorBox", "debrid_key": "k",
      "service_options": {"decypharr": )" + std::string(group) +
                                                    "}"));
    if (!run.reply.errors.empty()) return run.reply.errors[0].error;
    CHECK_FALSE(bench.has("/decypharr/use_embedded_rclone"));
    return std::string(bench.at("/decypharr/mount_type").as_string());
  };
  CHECK(mount_of(R"({"use_embedded_rclone": true})") == "rclone");
  CHECK(mount_of(R"({"use_embedded_rclone": "no"})") == "external_rclone");
  CHECK(mount_of(R"({"use_embedded_rclone": false, "mount_type": "dfs"})") == "dfs");
  CHECK(mount_of(R"({"use_embedded_rclone": "perhaps"})") == "use_embedded_rclone must be a boolean");
}

TEST_CASE("a dependency can be taken out, a foundation cannot", "[onboarding][ONB-23][ONB-22]") {
  OnboardingBench bench;
  const auto run =
      bench.onboard_and_run(options("riven", R"({"postgres": {"enabled": "off", "port": 6000}})"));
  CHECK(run.started == Names{"Zurg w/ Riven", "Rclone w/ Riven", "Riven Backend"});
  CHECK(bench.at("/postgres/enabled") == false);
  CHECK(bench.at("/postgres/port") == 5432);
  OnboardingBench clid;
  CHECK(clid.onboard_and_run(options("clid", R"({"phalanx_db": {"enabled": false}})")).started ==
        Names{"Zurg w/ CLID", "Rclone w/ CLID", "CLI Battery", "CLI Debrid"});
  for (const char* key : {"zurg", "rclone"}) {
    OnboardingBench other;
    const auto refused =
        other.onboard_and_run(options("riven", std::string("{\"") + key + "\": {\"enabled\": false}}"));
    CHECK(only_error(refused).error == std::string(key) + " cannot be disabled by an option here");
  }
  OnboardingBench optional;
  const auto refused = optional.onboard_and_run(
      R"({"core_services": [], "optional_services": ["zilean"], "optional_service_options": {"zilean": {"enabled": false}}})");
  CHECK(only_error(refused).service == "zilean");
  OnboardingBench external;
  CHECK(
      external
          .onboard_and_run(
              R"({"core_services": [], "optional_services": ["zilean"], "optional_service_options": {"postgres": {"enabled": false}}})")
          .started == Names{"Zilean"});
  OnboardingBench nzbdav;
  CHECK(nzbdav.onboard_and_run(core("nzbdav", R"(, "service_options": {"rclone": {"enabled": false}})"))
            .started == Names{"NzbDAV"});
}

TEST_CASE("Huntarr follows when an Arr wants it", "[onboarding][ONB-44][ONB-35]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(R"({"core_services": {"name": "sonarr", "instance_name": "TV",
    "service_options": {"sonarr": {"use_huntarr": true}}}, "optional_service_options": {"huntarr": {"log_level": "DEBUG"}}})");
  CHECK(run.started == Names{"Sonarr TV", "Huntarr Default"});
  CHECK(bench.at("/huntarr/instances/Default/log_level") == "DEBUG");
  CHECK(run.reply.results.size() == 1);
  bench.running.erase("Huntarr Default");
  const auto failing = bench.onboard_and_run(core("emby"), {"Huntarr Default"});
  CHECK(only_error(failing).service == "huntarr");
  CHECK(failing.started == Names{"Emby Media Server"});
  bench.onboard_and_run(R"({"core_services": [], "optional_services": []})");
  CHECK_FALSE(bench.running.contains("Huntarr Default"));
}

TEST_CASE("the call does not touch whether onboarding is completed", "[onboarding][ONB-60]") {
  OnboardingBench bench;
  for (const std::string& line : changes_of(bench.decide(options("riven", "{}"))))
    CHECK(line.find("onboarding") == std::string::npos);
}
