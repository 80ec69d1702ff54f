#include "config/merge.hpp"

#include "config/migrate.hpp"
#include "support/catch.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using namespace dumb::config;
using test::object;

namespace {

const Model& model() {
  static const Model one = test::small_model();
  return one;
}
json::object merged(std::string_view user) {
  return merge_document(object(user), model());
}
std::vector<std::string> keys(const json::object& of) {
  std::vector<std::string> out;
  for (const auto& [key, value] : of) out.emplace_back(key);
  return out;
}
const json::value& at(const json::object& document, const JsonPath& path) {
  const json::value* found = jsonx::find(document, path);
  REQUIRE(found != nullptr);
  return *found;
}
json::object migrated(std::string_view text) {
  auto out = migrate(object(text), model());
  REQUIRE(out);
  return *out;
}

}  // namespace

TEST_CASE("an empty document becomes the defaults", "[config][CFG-36]") {
  CHECK(jsonx::print_compact(merged("{}")) == jsonx::print_compact(model().defaults));
}

TEST_CASE("the user's values win, whatever their type", "[config][CFG-36]") {
  const auto out =
      merged(R"({"tz": null, "puid": "x", "zilean": {"port": 1, "exclude_dirs": []}, "nzbdav": 5})");
  CHECK(at(out, {"tz"}).is_null());
  CHECK(at(out, {"puid"}) == "x");
  CHECK(at(out, {"zilean", "port"}) == 1);
  CHECK(at(out, {"zilean", "exclude_dirs"}).as_array().empty());
  CHECK(at(out, {"zilean", "process_name"}) == "Zilean");
  CHECK(at(out, {"nzbdav"}) == 5);
}

TEST_CASE("order is that of the defaults, then what only the user has", "[config][CFG-37][CFG-38]") {
  const auto out =
      merged(R"({"mine": {"x": 1}, "zilean": {"note": "kept", "port": 1}, "puid": 5, "other": null})");
  auto expected = keys(model().defaults);
  expected.insert(expected.end(), {"mine", "other"});
  CHECK(keys(out) == expected);
  auto block = keys(model().defaults.at("zilean").as_object());
  block.push_back("note");
  CHECK(keys(out.at("zilean").as_object()) == block);
}

TEST_CASE("open maps keep the user's entries beside the defaults", "[config][CFG-36][CFG-38]") {
  const auto out = merged(R"({"zilean": {"env": {"MINE": "1", "ASPNETCORE_URLS": "x"}}})");
  CHECK(jsonx::print_compact(at(out, {"zilean", "env"})) == R"({"ASPNETCORE_URLS":"x","MINE":"1"})");
}

TEST_CASE("every instance is completed from the template, whatever its name", "[config][CFG-24][CFG-36]") {
  const auto out =
      merged(R"({"sonarr": {"instances": {"4K": {"process_name": "Sonarr 4K", "port": 1}, "bad": 7}}})");
  const auto& instances = at(out, {"sonarr", "instances"}).as_object();
  CHECK(keys(instances) == std::vector<std::string>{"4K", "bad"});
  CHECK(at(out, {"sonarr", "instances", "4K", "auto_update_start_time"}) == "04:00");
  CHECK(at(out, {"sonarr", "instances", "4K", "port"}) == 1);
  CHECK(instances.at("bad") == 7);
}

TEST_CASE("absent or empty instances are filled with the default ones", "[config][CFG-25]") {
  for (const char* user : {R"({"sonarr": {}})", R"({"sonarr": {"instances": {}}})", "{}"}) {
    CHECK(at(merged(user), {"sonarr", "instances"}) == at(model().defaults, {"sonarr", "instances"}));
  }
  CHECK(at(merged(R"({"sonarr": {"instances": []}})"), {"sonarr", "instances"}).is_array());
}

TEST_CASE("a known service outside the default document is completed when the file has it",
          "[config][SVC-4]") {
  CHECK_FALSE(merged("{}").contains("readarr"));
  const auto out = merged(R"({"readarr": {"instances": {"A": {"port": 5}}}})");
  CHECK(at(out, {"readarr", "instances", "A", "process_name"}) == "Readarr");
  CHECK(at(out, {"readarr", "instances", "A", "port"}) == 5);
  CHECK(at(merged(R"({"readarr": {}})"), {"readarr", "instances", "Default", "port"}) == 8787);
}

TEST_CASE("null becomes an empty string at any depth where a string belongs", "[config][CFG-55]") {
  auto out = merged(R"({"tz": null, "zilean": {"port": null, "note": null, "env": {"A": null}},
      "sonarr": {"instances": {"A": {"process_name": null, "core_service": null}}},
      "dumb": {"ui": {"sidebar": {"quick_filter": null}}}, "mine": null})");
  fix_nulls(out, &model().schema);
  CHECK(at(out, {"tz"}) == "");
  CHECK(at(out, {"zilean", "port"}).is_null());
  CHECK(at(out, {"zilean", "note"}).is_null());
  CHECK(at(out, {"zilean", "env", "A"}).is_null());
  CHECK(at(out, {"sonarr", "instances", "A", "process_name"}) == "");
  CHECK(at(out, {"sonarr", "instances", "A", "core_service"}) == "");
  CHECK(at(out, {"dumb", "ui", "sidebar", "quick_filter"}) == "");
  CHECK(at(out, {"mine"}).is_null());
}

TEST_CASE("levels get one spelling at any depth outside open maps", "[config][CFG-53][CFG-54]") {
  auto out = merged(
      R"({"dumb": {"log_level": " warn "}, "zilean": {"log_level": "fatal", "env": {"log_level": "info"}},
      "mine": {"deep": {"loglevel": "debug"}, "list": [{"log_level": "Error"}]}, "decypharr": {"log_level": "loud"}})");
  normalise_levels(out, &model().schema);
  CHECK(at(out, {"dumb", "log_level"}) == "WARNING");
  CHECK(at(out, {"zilean", "log_level"}) == "CRITICAL");
  CHECK(at(out, {"zilean", "env", "log_level"}) == "info");
  CHECK(at(out, {"mine", "deep", "loglevel"}) == "DEBUG");
  CHECK(at(out, {"mine", "list", "0", "log_level"}) == "ERROR");
  CHECK(at(out, {"decypharr", "log_level"}) == "loud");
}

TEST_CASE("the old decypharr field is read as a mount type", "[config][CFG-40]") {
  const auto mount = [](std::string_view text) {
    const auto out = migrated(text);
    CHECK_FALSE(out.at("decypharr").as_object().contains("use_embedded_rclone"));
    return std::string(out.at("decypharr").as_object().at("mount_type").as_string());
  };
  CHECK(mount(R"({"decypharr": {"use_embedded_rclone": true}})") == "rclone");
  CHECK(mount(R"({"decypharr": {"use_embedded_rclone": "yes", "mount_type": ""}})") == "rclone");
  CHECK(mount(R"({"decypharr": {"use_embedded_rclone": false}})") == "external_rclone");
  CHECK(mount(R"({"decypharr": {"use_embedded_rclone": 0, "mount_type": null}})") == "external_rclone");
  CHECK(mount(R"({"decypharr": {"use_embedded_rclone": false, "mount_type": "none"}})") == "none");
  CHECK(mount(R"({"decypharr": {}})") == "rclone");
  CHECK(mount(R"({"decypharr": {"mount_type": "  "}})") == "rclone");
  CHECK(mount(R"({"decypharr": {"branch": "beta"}})") == "dfs");
  CHECK_FALSE(migrated(R"({"puid": 1})").contains("decypharr"));
}

TEST_CASE("a migrated decypharr block gets the defaults of its dfs part", "[config][CFG-40]") {
  const auto out =
      merge_document(migrated(R"({"decypharr": {"branch": "beta", "dfs": {"umask": "002"}}})"), model());
  CHECK(at(out, {"decypharr", "dfs", "umask"}) == "002");
  CHECK(at(out, {"decypharr", "dfs", "chunk_size"}) == "10MB");
}

TEST_CASE("later names are read as the ones of this version, in their place", "[config][CFG-40]") {
  const auto out = migrated(
      R"({"a": 1, "infinidysk": {"frontend_port": 5}, "neutarr": {"instances": {"N": {"core_service": "infinidysk"}}},
      "sonarr": {"instances": {"M": {"port": 1, "use_neutarr": true, "z": 2}}}, "b": 2})");
  CHECK(keys(out) == std::vector<std::string>{"a", "nzbdav", "huntarr", "sonarr", "b"});
  CHECK(at(out, {"nzbdav", "frontend_port"}) == 5);
  CHECK(keys(at(out, {"sonarr", "instances", "M"}).as_object()) ==
        std::vector<std::string>{"port", "use_huntarr", "z"});
  CHECK(at(out, {"huntarr", "instances", "N", "core_service"}) == "infinidysk");
}

TEST_CASE("both names of one thing are an error that names both", "[config][CFG-40]") {
  const auto keys_clash = migrate(object(R"({"infinidysk": {}, "nzbdav": {}})"), model());
  REQUIRE_FALSE(keys_clash);
  CHECK(keys_clash.error().is(Errc::invalid_config));
  CHECK_THAT(keys_clash.error().message(), ContainsSubstring("infinidysk") && ContainsSubstring("nzbdav"));
  const auto fields_clash = migrate(
      object(R"({"sonarr": {"instances": {"M": {"use_neutarr": true, "use_huntarr": false}}}})"), model());
  REQUIRE_FALSE(fields_clash);
  CHECK(fields_clash.error().problems().at(0).where == "/sonarr/instances/M");
}

TEST_CASE("a path is found in a file under the name the file uses", "[config][CFG-40]") {
  const auto file = object(
      R"({"infinidysk": {"port": 1}, "sonarr": {"instances": {"M": {"use_neutarr": true}, "N": {}}}})");
  CHECK(path_in_file(file, {"nzbdav", "port"}, model()) == JsonPath{"infinidysk", "port"});
  CHECK(path_in_file(file, {"huntarr", "instances"}, model()) == JsonPath{"huntarr", "instances"});
  CHECK(path_in_file(file, {"sonarr", "instances", "M", "use_huntarr"}, model()).back() == "use_neutarr");
  CHECK(path_in_file(file, {"sonarr", "instances", "N", "use_huntarr"}, model()).back() == "use_huntarr");
}

TEST_CASE("updates may use the old names", "[config][CFG-41]") {
  const auto translate = [](std::string_view updates) {
    return jsonx::print_compact(migrate_updates(object(updates), {"decypharr"}, model()));
  };
  CHECK(translate(R"({"use_embedded_rclone": true, "port": 1})") == R"({"mount_type":"rclone","port":1})");
  CHECK(translate(R"({"use_embedded_rclone": false})") == R"({"mount_type":"external_rclone"})");
  CHECK(translate(R"({"use_embedded_rclone": true, "mount_type": "dfs"})") == R"({"mount_type":"dfs"})");
  CHECK(translate(R"({"port": 1})") == R"({"port":1})");
  CHECK(jsonx::print_compact(migrate_updates(object(R"({"use_neutarr": true})"), {"sonarr", "instances", "M"},
                                             model())) == R"({"use_huntarr":true})");
}
