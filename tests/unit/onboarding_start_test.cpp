// Ports, what is started and restarted, and what failures mean.
#include "support/onboarding_bench.hpp"

using namespace dumb;
using namespace dumb::test;
using Changes = std::vector<onboarding::PortChangeEntry>;

namespace {

std::string core(std::string_view name, std::string_view more = "") {
  return R"({"core_services": {"name": ")" + std::string(name) + "\"" + std::string(more) + "}}";
}

constexpr std::string_view riven = R"({"core_services": {"name": "riven_backend", "debrid_key": "abc123"},
  "optional_services": ["zilean", "riven_frontend"]})";

std::string error_text(const onboarding::ErrorEntry& entry) {
  std::string out = entry.service + " " + std::string(codec::enum_name(entry.stage)) + " " +
                    entry.process_name.value_or("-") + " |";
  for (const std::string& name : entry.not_started) out += " " + name + ",";
  return out;
}

Names errors_of(const OnboardingBench::Run& run) {
  Names out;
  for (const auto& entry : run.reply.errors) out.push_back(error_text(entry));
  return out;
}

}  // namespace

TEST_CASE("a port that is taken is moved up to the next free one",
          "[onboarding][ONB-49][ONB-51][ONB-52][ONB-99]") {
  OnboardingBench bench;
  bench.used_ports = {8989, 8990};
  bench.api_port = 8991;
  const auto run = bench.onboard_and_run(core("sonarr", R"(, "instance_name": "M")"));
  CHECK(bench.at("/sonarr/instances/M/port") == 8992);
  CHECK(run.reply.port_changes == Changes{{"Sonarr M", "port", 8989, 8992}});
}

TEST_CASE("ports of enabled services are theirs, those of disabled ones are free", "[onboarding][ONB-48]") {
  OnboardingBench bench;
  bench.onboard(core("emby"));
  CHECK(bench.at("/emby/port") == 8096);  // Jellyfin's, too
  const auto run = bench.onboard_and_run(core("jellyfin"));
  CHECK(bench.at("/jellyfin/port") == 8097);
  CHECK(bench.at("/emby/port") == 8096);
  CHECK(run.reply.port_changes == Changes{{"Jellyfin Media Server", "port", 8096, 8097}});
}

TEST_CASE("instances of one service never share a port, enabled or not", "[onboarding][ONB-48][ONB-36]") {
  OnboardingBench bench;
  bench.onboard(core("radarr", R"(, "instance_name": "A")"));
  bench.set("/radarr/instances/A/enabled", false);
  bench.onboard(core("radarr", R"(, "instance_name": "B")"));
  CHECK(bench.at("/radarr/instances/B/port") == 7879);
}

TEST_CASE("the enabled frontend and the API come before everything", "[onboarding][ONB-48]") {
  OnboardingBench bench;
  bench.set("/dumb/frontend/enabled", true);
  bench.set("/dumb/frontend/port", 3000);
  bench.onboard(core("nzbdav", R"(, "service_options": {"nzbdav": {"backend_port": 8000}})"));
  CHECK(bench.at("/nzbdav/frontend_port") == 3001);
  CHECK(bench.at("/nzbdav/backend_port") == 8001);
}

TEST_CASE("in one call the earlier in the plan keeps the port", "[onboarding][ONB-48]") {
  OnboardingBench bench;
  bench.onboard(R"({"core_services": [{"name": "jellyfin"}, {"name": "emby"}]})");
  CHECK(bench.at("/jellyfin/port") == 8096);
  CHECK(bench.at("/emby/port") == 8097);
  OnboardingBench other;
  other.set("/emby/enabled", true);  // was there before
  other.onboard(R"({"core_services": [{"name": "jellyfin"}, {"name": "emby"}]})");
  CHECK(other.at("/emby/port") == 8096);
  CHECK(other.at("/jellyfin/port") == 8097);
}

TEST_CASE("a field without a port gets that of the template, zurg 9090", "[onboarding][ONB-47]") {
  OnboardingBench bench;
  json::object zurg = bench.catalog.find("zurg")->defaults;
  zurg["process_name"] = "Z";
  zurg["core_service"] = "riven_backend";
  zurg["port"] = 0;
  bench.set("/zurg/instances", json::object{{"Mine", zurg}});
  bench.onboard(riven);
  CHECK(bench.at("/zurg/instances/Mine/port") == 9090);
  CHECK_FALSE(bench.has("/plex_debrid/port"));
}

TEST_CASE("Plex cannot move", "[onboarding][ONB-51]") {
  OnboardingBench bench;
  bench.used_ports = {32400};
  const auto run = bench.onboard_and_run(core("plex"));
  CHECK(errors_of(run) == Names{"plex ports Plex Media Server |"});
  CHECK(bench.at("/plex/port") == 32400);
  CHECK(run.started.empty());
}

TEST_CASE("when nothing is free the service fails", "[onboarding][ONB-51]") {
  OnboardingBench bench;
  bench.used_ports = {65534, 65535};
  const auto run = bench.onboard_and_run(core("emby", R"(, "service_options": {"emby": {"port": 65534}})"));
  CHECK(errors_of(run) == Names{"emby ports Emby Media Server |"});
}

TEST_CASE("a running process keeps its ports without a look", "[onboarding][ONB-50]") {
  OnboardingBench bench;
  bench.onboard_and_run(core("emby"));
  bench.used_ports = {8096};  // its own
  const auto run = bench.onboard_and_run(core("emby"));
  CHECK(run.started.empty());
  CHECK(bench.at("/emby/port") == 8096);
  // A wish that had to be shifted stays a wish.
  bench.used_ports = {8096, 8095};
  const auto wished = core("emby", R"(, "service_options": {"emby": {"port": 8095}})");
  CHECK(changes_of(bench.decide(wished)) == Names{});
  CHECK(bench.run(bench.decide(wished)).reply.port_changes.empty());
  const auto moved = bench.onboard_and_run(core("emby", R"(, "service_options": {"emby": {"port": 8200}})"));
  CHECK(bench.at("/emby/port") == 8200);
  CHECK(moved.started == Names{"Emby Media Server"});
}

TEST_CASE("a running process is restarted only by what matters while it runs",
          "[onboarding][ONB-56][ONB-103]") {
  const auto restarts = [](std::string_view group) {
    OnboardingBench bench;
    bench.onboard_and_run(riven);
    const auto run = bench.onboard_and_run(R"({"core_services": {"name": "riven_backend", "service_options":
      {"zurg": )" + std::string(group) + "}}}");
    CHECK(run.reply.errors.empty());
    return run.started;
  };
  CHECK(restarts(R"({"log_level": "DEBUG"})") == Names{"Zurg w/ Riven"});
  CHECK(restarts(R"({"auto_update": true, "auto_update_interval": 12, "release_version": "v1",
                     "release_version_enabled": true, "branch": "x", "repo_owner": "me",
                     "core_service": "riven_backend,emby", "symlink_backup_enabled": true})")
            .empty());
}

TEST_CASE("a new key restarts who uses it, the same or none does not", "[onboarding][ONB-40][ONB-103]") {
  OnboardingBench bench;
  bench.onboard_and_run(riven);
  const auto call = [&](std::string_view key) {
    return bench.onboard_and_run(core("riven_backend", R"(, "debrid_key": ")" + std::string(key) + "\""))
        .started;
  };
  CHECK(call("abc123").empty());
  CHECK(call("").empty());
  CHECK(bench.at("/zurg/instances/Riven/api_key") == "abc123");
  CHECK(call("other") == Names{"Zurg w/ Riven"});
  CHECK(bench.at("/zurg/instances/Riven/api_key") == "other");
}

TEST_CASE("media servers come first, each dependency once", "[onboarding][ONB-30][ONB-31][ONB-7]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(R"({"core_services": [{"name": "sonarr", "instance_name": "TV"},
    {"name": "riven", "debrid_key": "k"}, {"name": "Emby"}, {"name": "clid", "debrid_key": "k"}, {"name": "plex"}],
    "optional_services": ["riven_frontend", "tautulli", "pgadmin"]})");
  CHECK(run.started == Names{"Emby Media Server", "Plex Media Server", "PostgreSQL", "Tautulli", "pgAdmin4",
                             "Sonarr TV", "Zurg w/ Riven", "Rclone w/ Riven", "Riven Backend", "Zurg w/ CLID",
                             "Rclone w/ CLID", "CLI Battery", "Phalanx DB", "CLI Debrid", "Riven Frontend"});
  std::string results;
  for (const auto& entry : run.reply.results) results += entry.service + " ";
  CHECK(results == "Emby plex sonarr riven clid ");
}

TEST_CASE("a failing dependency stops its core, and what depends on that",
          "[onboarding][ONB-8][ONB-31][ONB-33][ONB-34]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(
      R"({"core_services": [{"name": "riven_backend", "debrid_key": "k"}, {"name": "sonarr"}],
      "optional_services": ["riven_frontend"]})",
      {"Rclone w/ Riven"});
  CHECK(run.started == Names{"Zurg w/ Riven", "Sonarr Default"});
  CHECK(errors_of(run) == Names{"riven_backend launch Rclone w/ Riven | PostgreSQL, Riven Backend,",
                                "riven_frontend launch Rclone w/ Riven | Riven Frontend,"});
  CHECK(run.reply.results == std::vector<onboarding::ResultEntry>{{"sonarr", "started"}});
  // The configuration stays, a retry goes on from there.
  CHECK(bench.at("/riven_backend/enabled") == true);
  const auto retry =
      bench.onboard_and_run(R"({"core_services": [{"name": "riven_backend"}, {"name": "sonarr"}],
      "optional_services": ["riven_frontend"]})");
  CHECK(retry.started == Names{"Rclone w/ Riven", "PostgreSQL", "Riven Backend", "Riven Frontend"});
  CHECK(retry.reply.errors.empty());
}

TEST_CASE("a failing database fails whoever needs it, by the same cause",
          "[onboarding][ONB-19][ONB-31][ONB-104]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(
      R"({"core_services": {"name": "riven_backend", "debrid_key": "k"}, "optional_services": ["zilean", "tautulli"]})",
      {"PostgreSQL"});
  CHECK(run.started == Names{"Tautulli", "Zurg w/ Riven", "Rclone w/ Riven"});
  CHECK(errors_of(run) ==
        Names{"zilean launch PostgreSQL | Zilean,", "riven_backend launch PostgreSQL | Riven Backend,"});
  CHECK(run.reply.errors[0].error == run.reply.errors[1].error);
}

TEST_CASE("a failing soft dependency is told and stops nobody", "[onboarding][ONB-22]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(core("clid", R"(, "debrid_key": "k")"), {"Phalanx DB"});
  CHECK(run.started.back() == "CLI Debrid");
  CHECK(run.reply.results.size() == 1);
  CHECK(errors_of(run) == Names{"phalanx_db launch Phalanx DB |"});
}

TEST_CASE("a failing core keeps its rclone from starting", "[onboarding][ONB-8][ONB-32]") {
  OnboardingBench bench;
  const auto run = bench.onboard_and_run(core("nzbdav"), {"NzbDAV"});
  CHECK(run.started.empty());
  CHECK(errors_of(run) == Names{"nzbdav launch NzbDAV | Rclone w/ NzbDAV,"});
  OnboardingBench other;
  const auto mount = other.onboard_and_run(core("nzbdav"), {"Rclone w/ NzbDAV"});
  CHECK(mount.started == Names{"NzbDAV"});
  CHECK(errors_of(mount) == Names{"nzbdav launch Rclone w/ NzbDAV |"});
  CHECK(mount.reply.results.empty());
}

TEST_CASE("instances fail one by one", "[onboarding][ONB-34][ONB-37]") {
  OnboardingBench bench;
  bench.onboard(
      R"({"core_services": [{"name": "radarr", "instance_name": "A"}, {"name": "radarr", "instance_name": "B"}]})");
  const auto run = bench.onboard_and_run(core("radarr"), {"Radarr A"});
  CHECK(run.started == Names{"Radarr B"});
  CHECK(errors_of(run) == Names{"radarr launch Radarr A |"});
  CHECK(run.reply.results.empty());
}

TEST_CASE("the Riven frontend needs a Riven", "[onboarding][ONB-33][ONB-111]") {
  OnboardingBench bench;
  constexpr std::string_view only = R"({"core_services": [], "optional_services": ["riven_frontend"]})";
  const auto alone = bench.onboard_and_run(only);
  CHECK(errors_of(alone) == Names{"riven_frontend validate - |"});
  CHECK(bench.at("/riven_frontend/enabled") == false);
  const auto refused = bench.onboard_and_run(
      R"({"core_services": {"name": "riven"}, "optional_services": ["riven_frontend"]})");
  CHECK(refused.reply.errors.size() == 2);
  CHECK(bench.at("/riven_frontend/enabled") == false);
  bench.running.insert("Riven Backend");
  CHECK(bench.onboard_and_run(only).started == Names{"Riven Frontend"});
}

TEST_CASE("who is needed later is waited for until it is usable", "[onboarding][ONB-55]") {
  OnboardingBench bench;
  onboarding::Progress progress(bench.decide(riven));
  Names settled;
  while (const auto next = progress.next()) {
    if (next->settle) settled.push_back(next->process_name);
    progress.done(std::nullopt);
  }
  CHECK(settled == Names{"PostgreSQL", "Zurg w/ Riven", "Rclone w/ Riven", "Riven Backend"});
}

TEST_CASE("a shutdown turns the rest into errors", "[onboarding][ONB-63]") {
  OnboardingBench bench;
  onboarding::Progress progress(bench.decide(
      R"({"core_services": [{"name": "emby"}, {"name": "riven", "debrid_key": "k"}, {"name": "nobody"}],
      "optional_services": ["zilean"]})"));
  REQUIRE(progress.next());
  progress.done(std::nullopt);
  REQUIRE(progress.next());
  progress.abandon({onboarding::Stage::launch, "DUMB is shutting down"});
  CHECK_FALSE(progress.next());
  Names errors;
  for (const auto& entry : progress.reply().errors) errors.push_back(error_text(entry));
  CHECK(errors == Names{"zilean launch - | PostgreSQL, Zilean,",
                        "riven launch - | Zurg w/ Riven, Rclone w/ Riven, PostgreSQL, Riven Backend,",
                        "nobody validate - |"});
  CHECK(progress.reply().results == std::vector<onboarding::ResultEntry>{{"emby", "started"}});
}

TEST_CASE("ports that moved during a start are told once", "[onboarding][ONB-9][ONB-53]") {
  OnboardingBench bench;
  bench.used_ports = {8096};
  onboarding::Progress progress(bench.decide(core("emby")));
  REQUIRE(progress.next());
  progress.moved({"Emby Media Server", "port", 8097, 8098});
  progress.done(std::nullopt);
  CHECK_FALSE(progress.next());
  CHECK(progress.reply().port_changes == Changes{{"Emby Media Server", "port", 8096, 8098}});
}
