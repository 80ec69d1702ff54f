#include <dumb/catalog/catalog.hpp>

#include "support/catch.hpp"
#include "support/config_bench.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using config::Manager;
using test::ConfigBench;
using test::object;
using Persist = Manager::Persist;

namespace {

std::string old_file() {
  return test::read_text(DUMB_SOURCE_DIR "/tests/data/config/old_user_file.json");
}

struct Stack {
  ConfigBench bench;
  std::unique_ptr<Manager> manager;
  explicit Stack(std::string_view text) : bench(catalog::Catalog::embedded().model(), text) {
    auto opened = bench.open();
    REQUIRE(opened);
    manager = std::move(*opened);
  }
  const json::value& at(const JsonPath& path) const {
    const json::value* found = jsonx::find(manager->snapshot()->effective(), path);
    REQUIRE(found != nullptr);
    return *found;
  }
};

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t place = text.find(from);
  REQUIRE(place != std::string::npos);
  REQUIRE(text.find(from, place + 1) == std::string::npos);
  return text.replace(place, from.size(), to);
}

}  // namespace

TEST_CASE("the catalogue's default document is created, loads and has nothing unknown",
          "[config][CFG-2][CFG-11][CFG-47]") {
  ConfigBench bench(catalog::Catalog::embedded().model());
  const auto manager = bench.open();
  REQUIRE(manager);
  CHECK(bench.text() == jsonx::print(json::value(catalog::Catalog::embedded().default_document())));
  CHECK(bench.log.text().find("not known") == std::string::npos);
  CHECK(bench.log.text().find("ERROR") == std::string::npos);
  CHECK((*manager)->snapshot()->blocks().size() == 28);
  CHECK((*manager)->secret_values().empty());
}

TEST_CASE("a user's file of old loads with every layer filled in",
          "[config][CFG-32][CFG-38][CFG-40][CFG-55]") {
  const Stack stack(old_file());
  CHECK(stack.bench.text() == old_file());
  CHECK(stack.at({"tz"}) == "");
  CHECK(stack.at({"data_root"}) == "/data");
  CHECK(stack.at({"dumb", "log_level"}) == "INFO");
  CHECK(stack.at({"dumb", "auto_restart", "max_restarts"}) == 3);
  CHECK(stack.at({"dumb", "frontend", "auto_update_start_time"}) == "04:00");
  CHECK(stack.at({"decypharr", "mount_type"}) == "rclone");
  CHECK(stack.at({"decypharr", "dfs", "chunk_size"}) == "10MB");
  CHECK(stack.at({"rclone", "instances", "RealDebrid", "log_file"}) == "");
  CHECK(stack.at({"sonarr", "instances", "S\u00e9ries", "use_huntarr"}) == true);
  CHECK(stack.at({"sonarr", "instances", "S\u00e9ries", "config_dir"}) == "/sonarr/default");
  CHECK(stack.at({"nzbdav", "frontend_port"}) == 3100);
  CHECK(stack.at({"pulsarr", "limit"}) == 1500.0);
  const auto* radio = stack.manager->snapshot()->find("Radio");
  REQUIRE(radio != nullptr);
  CHECK(radio->config_key == "my_radio");
  CHECK(radio->enabled);
  CHECK(stack.manager->snapshot()->find("InfiniDysk")->config_key == "nzbdav");
  CHECK(stack.manager->secret_values() == std::vector<std::string>{"ABCDEFGHIJKLMNOP"});
  CHECK(stack.bench.log.contains("INFO configuration members not known here, kept: /pulsarr\n"));
}

TEST_CASE("saving one key of an old file leaves every other byte alone", "[config][CFG-38][CFG-59][CFG-61]") {
  Stack stack(old_file());
  REQUIRE(test::update(*stack.manager, "Radio", object(R"({"port": 9124})")));
  std::string expected = replaced(old_file(), "\"port\": 9123", "\"port\": 9124");
  CHECK(stack.bench.text() == expected);
  REQUIRE(test::update(*stack.manager, "InfiniDysk", object(R"({"backend_port": 8089})")));
  expected = replaced(expected, "\"backend_port\": 8088", "\"backend_port\": 8089");
  CHECK(stack.bench.text() == expected);
  REQUIRE(test::update(*stack.manager, "Sonarr S\u00e9ries", object(R"({"use_huntarr": false})")));
  expected = replaced(expected, "\"use_neutarr\": true", "\"use_neutarr\": false");
  CHECK(stack.bench.text() == expected);
  auto reopened = stack.bench.open();
  REQUIRE(reopened);
  CHECK(jsonx::same(json::value((*reopened)->snapshot()->effective()),
                    json::value(stack.manager->snapshot()->effective())));
}

TEST_CASE("every block of an old file can be read and posted back without a trace", "[config][CFG-83]") {
  Stack stack(old_file());
  stack.manager->set_generated(
      {"rclone", "instances", "RealDebrid"},
      object(R"({"command": ["rclone", "mount"], "wait_for_url": [{"url": "http://127.0.0.1:9090"}]})"));
  stack.manager->set_generated({"decypharr"},
                               object(R"({"wait_for_mounts": ["/mnt/x"], "env": {"PORT": "1"}})"));
  for (const auto& ref : std::vector(stack.manager->snapshot()->blocks())) {
    INFO(ref.process_name);
    const json::object block = stack.manager->snapshot()->block(ref);
    for (const auto persist : {Persist::no, Persist::yes}) {
      auto change = stack.manager->plan_block_update(ref.process_name, block, persist);
      REQUIRE(change);
      CHECK(change->changed.empty());
      REQUIRE(stack.manager->write(*change));
      stack.manager->commit(std::move(*change));
    }
  }
  CHECK(stack.bench.text() == old_file());
}

TEST_CASE("the whole document can be posted back without a trace", "[config][CFG-83][CFG-87]") {
  Stack stack(old_file());
  auto change = stack.manager->plan_global_update(stack.manager->snapshot()->effective());
  REQUIRE(change);
  CHECK(change->changed.empty());
  CHECK(change->file_edits.empty());
}

TEST_CASE("applying without saving, then saving the same body, saves it", "[config][CFG-83][CFG-85]") {
  Stack stack(old_file());
  json::object block = stack.manager->snapshot()->block(*stack.manager->snapshot()->find("Decypharr"));
  block["port"] = 8283;
  block["env"].as_object()["MORE"] = "1";
  REQUIRE(test::update(*stack.manager, "Decypharr", block, Persist::no));
  CHECK(stack.bench.text() == old_file());
  CHECK(stack.at({"decypharr", "port"}) == 8283);
  REQUIRE(test::update(*stack.manager, "Radio", object(R"({"port": 9124})")));
  CHECK(stack.bench.text() == replaced(old_file(), "\"port\": 9123", "\"port\": 9124"));
  REQUIRE(test::update(*stack.manager, "Decypharr", block, Persist::yes));
  const auto on_disk = jsonx::parse(stack.bench.text());
  REQUIRE(on_disk);
  CHECK(on_disk->at("decypharr").at("port") == 8283);
  CHECK(on_disk->at("decypharr").at("env") == json::parse(R"({"EXTRA": "h\u00e9", "MORE": "1"})"));
  CHECK(on_disk->at("decypharr").at("use_embedded_rclone") == true);
}

TEST_CASE("one sidebar preference is saved without touching another", "[config][CFG-88]") {
  Stack stack(
      "{\n    \"dumb\": {\n        \"ui\": {\n            \"sidebar\": {\n                \"geek_mode\": "
      "true\n"
      "            }\n        }\n    }\n}\n");
  auto change =
      stack.manager->plan_global_update(object(R"({"dumb":{"ui":{"sidebar":{"compact_mode":true}}}})"));
  REQUIRE(change);
  REQUIRE(stack.manager->write(*change));
  stack.manager->commit(std::move(*change));
  CHECK(stack.bench.text() ==
        "{\n    \"dumb\": {\n        \"ui\": {\n            \"sidebar\": {\n                \"geek_mode\": "
        "true,\n"
        "                \"compact_mode\": true\n            }\n        }\n    }\n}\n");
  CHECK(stack.at({"dumb", "ui", "log_timestamp", "dateOrder"}) == "MDY");
  CHECK(stack.at({"dumb", "ui", "sidebar", "geek_mode"}) == true);
}

TEST_CASE("every service of the catalogue can be enabled by an update", "[config][CFG-21][CFG-51]") {
  Stack stack("{}");
  for (const auto& ref : std::vector(stack.manager->snapshot()->blocks())) {
    INFO(ref.process_name);
    REQUIRE(test::update(*stack.manager, ref.process_name, object(R"({"enabled": true})")));
    CHECK(stack.manager->snapshot()->find(ref.process_name)->enabled);
  }
  REQUIRE(stack.manager->reload());
  for (const auto& ref : stack.manager->snapshot()->blocks()) CHECK(ref.enabled);
}

TEST_CASE("typical mistakes are refused with their places", "[config][CFG-50][CFG-51][CFG-53]") {
  const auto first = [](std::string_view text) {
    ConfigBench bench(catalog::Catalog::embedded().model(), text);
    const auto opened = bench.open();
    REQUIRE_FALSE(opened);
    return opened.error().problems().at(0).where;
  };
  CHECK(first(R"({"dumb": {"api_service": {"port": 0}}})") == "/dumb/api_service/port");
  CHECK(first(R"({"sonarr": {"instances": {"Main": {"auto_update_start_time": "4:00"}}}})") ==
        "/sonarr/instances/Main/auto_update_start_time");
  CHECK(first(R"({"dumb": {"auto_restart": {"services": [{}]}}})") == "/dumb/auto_restart/services/0");
  CHECK(first(R"({"postgres": {"databases": [{"name": "x"}]}})") == "/postgres/databases/0");
  CHECK(first(R"({"zilean": {"log_level": "chatty"}})") == "/zilean/log_level");
  CHECK(first(R"({"pgid": -5})") == "/pgid");
  CHECK(first(R"({"zilean": {"enabled": true, "command": []}})") == "/zilean/command");
  CHECK(first(R"({"zilean": {"enabled": 1}})") == "/zilean/enabled");
  CHECK(first(R"({"other": {"process_name": "Zilean", "command": "x"}})") == "/other/process_name");
}
