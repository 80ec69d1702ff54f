// start-core-service, core-services and optional-services over HTTP.
#include <dumb/base/text.hpp>

#include "golden.hpp"
#include "stack.hpp"
#include "support/catch.hpp"
#include "support/onboarding_stub.hpp"

using namespace dumb;
using namespace dumb::test;

namespace {

json::object catalog_of(const std::vector<std::string>& keys) {
  json::object out;
  for (const std::string& key : keys) out[key] = stub_service(key);
  return out;
}

json::object json_of(const Answer& answer) {
  INFO(answer.body);
  REQUIRE(answer.status == 200);
  return parsed(answer.body).as_object();
}

std::vector<std::string> faults_of(const Answer& answer) {
  INFO(answer.body);
  REQUIRE(answer.status == 422);
  std::vector<std::string> out;
  const json::value body = parsed(answer.body);
  for (const json::value& item : body.at("detail").as_array()) {
    out.push_back(std::string(item.at("type").as_string()) + " " + jsonx::print_compact(item.at("loc")));
  }
  return out;
}

}  // namespace

TEST_CASE("a Decypharr is onboarded over HTTP and runs, the second call changes nothing",
          "[server][onboarding][ONB-6][ONB-7][ONB-59][ONB-65]") {
  Stack stack(json::object{}, {}, catalog_of({"decypharr", "rclone", "zurg"}));
  const std::string request = R"({"core_services": {"name": "decypharr", "debrid_service": "RealDebrid",
    "debrid_key": "abc123", "service_options": {"decypharr": {"use_embedded_rclone": true}}},
    "optional_services": []})";
  const Answer first = stack.post("/process/start-core-service", request);
  CHECK(first.status == 200);
  CHECK(first.body == R"({"results":[{"service":"decypharr","status":"started"}],"errors":[]})");
  CHECK(stack.state("Decypharr") == "running");
  const json::value stored = stack.stored();
  CHECK(stored.at("decypharr").at("enabled") == true);
  CHECK(stored.at("decypharr").at("mount_type") == "rclone");
  CHECK(jsonx::print_compact(stored.at("decypharr").at("api_keys")) == R"({"realdebrid":"abc123"})");
  const std::string bytes = read_text(stack.root() / "config/dumb_config.json");
  const Answer again = stack.post("/api/process/start-core-service/", request);
  CHECK(again.body == first.body);
  CHECK(read_text(stack.root() / "config/dumb_config.json") == bytes);
}

TEST_CASE("every fault of an onboarding request is told with its place",
          "[server][onboarding][ONB-1][ONB-2][ONB-3][API-12]") {
  Stack stack(json::object{});
  const auto faults = [&](std::string_view body) {
    return faults_of(stack.post("/process/start-core-service", body));
  };
  using Lines = std::vector<std::string>;
  CHECK(faults("{}") == Lines{R"(missing ["body","core_services"])"});
  CHECK(faults(R"({"core_services": 5})") == Lines{R"(list_type ["body","core_services"])"});
  CHECK(faults(R"({"core_services": {}})") == Lines{R"(missing ["body","core_services","name"])"});
  CHECK(faults(R"({"core_services": [{"name": "plex"}, {"nam": "x"}], "extra": 1})") ==
        Lines{R"(missing ["body","core_services",1,"name"])",
              R"(extra_forbidden ["body","core_services",1,"nam"])", R"(extra_forbidden ["body","extra"])"});
  CHECK(faults(R"({"core_services": {"name": 1, "debrid_service": 2, "debrid_key": ["a", 3],
                   "service_options": {"zurg": 4}}, "optional_services": "x", "optional_service_options": []})") ==
        Lines{R"(string_type ["body","core_services","name"])",
              R"(string_type ["body","core_services","debrid_service"])",
              R"(string_type ["body","core_services","debrid_key",1])",
              R"(dict_type ["body","core_services","service_options","zurg"])",
              R"(list_type ["body","optional_services"])",
              R"(dict_type ["body","optional_service_options"])"});
}

TEST_CASE("a fault never shows a key that was sent", "[server][onboarding][ONB-62][API-13]") {
  Stack stack(json::object{});
  const Answer answer = stack.post("/process/start-core-service",
                                   R"({"core_services": {"nam": "x", "debrid_key": ["topsecretkey", 5]}})");
  CHECK(answer.status == 422);
  CHECK(answer.body.find("topsecretkey") == std::string::npos);
}

TEST_CASE("null and nothing are the same in an onboarding request",
          "[server][onboarding][ONB-1][ONB-61][ONB-96]") {
  Stack stack(json::object{});
  const std::string bytes = read_text(stack.root() / "config/dumb_config.json");
  const Answer empty = stack.post("/process/start-core-service", R"({"core_services": []})");
  CHECK(empty.body == R"({"results":[],"errors":[]})");
  const Answer nulls =
      stack.post("/process/start-core-service",
                 R"({"core_services": [], "optional_services": null, "optional_service_options": null})");
  CHECK(nulls.body == empty.body);
  CHECK(read_text(stack.root() / "config/dumb_config.json") == bytes);
}

TEST_CASE("the listings have everything the wizard reads",
          "[server][onboarding][ONB-86][ONB-91][ONB-92][ONB-93]") {
  Stack stack(json::object{});
  const json::object cores = json_of(stack.get("/process/core-services"));
  std::string keys;
  for (const json::value& entry : cores.at("core_services").as_array())
    keys += std::string(entry.at("key").as_string()) + " ";
  CHECK(keys ==
        "plex jellyfin emby cli_debrid decypharr nzbdav riven_backend radarr sonarr lidarr prowlarr whisparr "
        "seerr "
        "huntarr profilarr plex_debrid ");
  const auto optional = [&](const std::string& query) {
    std::string out;
    const json::object answer = json_of(stack.get("/process/optional-services" + query));
    for (const json::value& entry : answer.at("optional_services").as_array())
      out += std::string(entry.at("key").as_string()) + " ";
    return out;
  };
  CHECK(optional("") == "zilean pgadmin postgres riven_frontend tautulli ");
  CHECK(optional("?core_service=Riven") == "zilean pgadmin riven_frontend tautulli ");
  CHECK(optional("?core_service=nobody") == "zilean pgadmin postgres riven_frontend tautulli ");
  CHECK(optional("?core_service=") == "zilean pgadmin postgres riven_frontend tautulli ");
  CHECK(optional("?optional_services[]=zilean") == "zilean pgadmin riven_frontend tautulli ");
  CHECK(optional("?optional_services=zilean&optional_services=PostgreSQL") ==
        "zilean pgadmin postgres riven_frontend tautulli ");
  CHECK(optional("?optional_services=tautulli,pgadmin") == "zilean pgadmin riven_frontend tautulli ");
  CHECK(optional("?core_service=riven_backend&optional_services=postgres") ==
        "zilean pgadmin postgres riven_frontend tautulli ");
}

TEST_CASE("whether onboarding is done is what the client said last", "[server][onboarding][ONB-60]") {
  Stack stack(json::object{});
  const auto status = [&] { return stack.get("/config/onboarding-status").body; };
  CHECK(status() == R"({"needs_onboarding":true})");
  const json::object done = json_of(stack.post("/config/onboarding-completed", ""));
  CHECK(done.at("status").is_string());
  CHECK(status() == R"({"needs_onboarding":false})");
  CHECK(stack.stored().at("dumb").at("onboarding_completed") == true);
  json_of(stack.post("/process/start-core-service", R"({"core_services": []})"));
  CHECK(status() == R"({"needs_onboarding":false})");
  json_of(stack.post("/api/config/reset-onboarding", ""));
  CHECK(status() == R"({"needs_onboarding":true})");
}
