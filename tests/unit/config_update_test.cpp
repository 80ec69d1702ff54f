#include "config/load.hpp"

#include <random>

#include "config/updates.hpp"
#include "support/catch.hpp"
#include "support/config_model.hpp"

using namespace dumb;
using namespace dumb::config;
using test::object;
using Persist = Manager::Persist;

namespace {

const Model& model() {
  static const Model one = test::small_model();
  return one;
}

Edit set(JsonPath path, json::value value) {
  return {std::move(path), std::move(value), {}};
}

/// A manager without files: the layers and what they amount to.
struct Bench {
  Layers layers;
  explicit Bench(std::string_view user = "{}") { layers.user = object(user); }
  void override_with(Overrides overrides) {
    layers.overrides = std::make_shared<const Overrides>(std::move(overrides));
  }
  json::object effective() const { return effective_of(layers, model()); }
  std::string at(std::string_view pointer) const {
    const json::object document = effective();
    const json::value* found = jsonx::find(document, jsonx::parse_pointer(pointer).value());
    return found == nullptr ? "none" : jsonx::print_compact(*found);
  }
  json::object block(const JsonPath& path) const { return jsonx::find(effective(), path)->as_object(); }

  /// Plans and commits; the edits as text.
  std::string update(const JsonPath& path, json::object updates, Persist persist) {
    normalise_updates(updates, path, model());
    const json::object now = effective();
    return take(block_edits({model(), layers, now}, path, updates, persist), persist);
  }
  std::string update(const JsonPath& path, std::string_view updates, Persist persist) {
    return update(path, object(updates), persist);
  }
  std::string global(std::string_view text) {
    json::object updates = object(text);
    normalise_updates(updates, {}, model());
    const json::object now = effective();
    return take(global_edits({model(), layers, now}, updates), Persist::yes);
  }
  std::string take(const Edits& edits, Persist persist) {
    const bool saved = persist == Persist::yes;
    layers = saved ? with_update(layers, edits, edits_over_variables(edits, *layers.overrides), persist)
                   : with_update(layers, {}, edits, persist);
    std::string out;
    for (const Edit& edit : edits) {
      out += (out.empty() ? "" : " ") + jsonx::pointer(edit.path) +
             (edit.value ? "=" + jsonx::print_compact(*edit.value) : "!");
    }
    return out;
  }
};

const JsonPath zilean{"zilean"};

}  // namespace

TEST_CASE("later layers win", "[config][CFG-9]") {
  Bench bench(R"({"zilean": {"port": 1}})");
  CHECK(bench.at("/zilean/port") == "1");
  bench.override_with({{{"zilean", "port"}, 2, "ZILEAN_PORT"}});
  CHECK(bench.at("/zilean/port") == "2");
  bench.layers.generated[zilean] = object(R"({"port": 3})");
  CHECK(bench.at("/zilean/port") == "3");
  bench.layers.edits = {set({"zilean", "port"}, 4)};
  CHECK(bench.at("/zilean/port") == "4");
  CHECK(jsonx::print_compact(bench.layers.user) == R"({"zilean":{"port":1}})");
}

TEST_CASE("generated waits are united with the user's", "[config][CFG-9]") {
  Bench bench(
      R"({"zilean": {"wait_for_mounts": "/mnt/a", "wait_for_url": [{"url": "http://x", "auth": {"user": "u"}}]}})");
  bench.layers.generated[zilean] = object(
      R"({"wait_for_mounts": ["/mnt/a", "/mnt/b"], "wait_for_url": ["http://x", "http://y"], "wait_for_dir": "/d"})");
  CHECK(bench.at("/zilean/wait_for_mounts") == R"(["/mnt/a","/mnt/b"])");
  CHECK(bench.at("/zilean/wait_for_url") == R"([{"url":"http://x","auth":{"user":"u"}},"http://y"])");
  CHECK(bench.at("/zilean/wait_for_dir") == R"("/d")");
}

TEST_CASE("the user's own environment wins over the generated one", "[config][CFG-9][SVC-11]") {
  Bench bench(R"({"zilean": {"env": {"MINE": "user", "BOTH": "user"}}})");
  bench.layers.generated[zilean] =
      object(R"({"env": {"BOTH": "made", "ASPNETCORE_URLS": "made", "NEW": "made"}})");
  CHECK(bench.at("/zilean/env") == R"({"ASPNETCORE_URLS":"made","MINE":"user","BOTH":"user","NEW":"made"})");
}

TEST_CASE("given members replace the old ones, the others stay", "[config][CFG-57][CFG-82]") {
  Bench bench(R"({"zilean": {"port": 1, "env": {"A": "1", "B": "2"}, "exclude_dirs": ["/x", "/y"]}})");
  CHECK(bench.update(zilean, R"({"log_level": "debug"})", Persist::yes) == R"(/zilean/log_level="DEBUG")");
  CHECK(bench.update(zilean, R"({"env": {"B": "3", "C": "4"}})", Persist::yes) ==
        R"(/zilean/env/B="3" /zilean/env/C="4" /zilean/env/A!)");
  CHECK(bench.at("/zilean/env") == R"({"ASPNETCORE_URLS":"http://+:{port}","B":"3","C":"4"})");
  CHECK(bench.update(zilean, R"({"exclude_dirs": ["/y"]})", Persist::yes) ==
        R"(/zilean/exclude_dirs=["/y"])");
  CHECK(bench.at("/zilean/port") == "1");
}

TEST_CASE("a member below a closed object is replaced with it", "[config][CFG-57]") {
  Bench bench(R"({"decypharr": {"mount_type": "dfs", "dfs": {"uid": 5, "umask": "002"}}})");
  CHECK(bench.update({"decypharr"}, R"({"dfs": {"chunk_size": "20MB"}})", Persist::yes) ==
        R"(/decypharr/dfs/chunk_size="20MB" /decypharr/dfs/umask! /decypharr/dfs/uid!)");
  CHECK(bench.at("/decypharr/dfs") == R"({"chunk_size":"20MB","umask":"022"})");
}

TEST_CASE("sending back what was read changes nothing", "[config][CFG-83]") {
  Bench bench(
      R"({"zilean": {"port": 1, "note": {"x": [1]}, "env": {"A": "1"}, "wait_for_mounts": ["/a"], "log_level": "warn"}})");
  bench.override_with({{{"zilean", "auto_update_interval"}, 7, "V"}, {{"zilean", "env", "A"}, "over", "W"}});
  bench.layers.generated[zilean] = object(
      R"({"command": ["made"], "wait_for_mounts": ["/b"], "wait_for_dir": "/d", "env": {"MADE": "1", "A": "2"}})");
  CHECK(bench.update(zilean, bench.block(zilean), Persist::yes).empty());
  CHECK(bench.update(zilean, bench.block(zilean), Persist::no).empty());
  CHECK(bench.layers.edits.empty());
}

TEST_CASE("one change in a whole block stores that change alone", "[config][CFG-83]") {
  Bench bench(R"({"zilean": {"env": {"A": "1"}, "wait_for_mounts": ["/a"]}})");
  bench.override_with({{{"zilean", "port"}, 9, "V"}});
  bench.layers.generated[zilean] =
      object(R"({"command": ["made"], "wait_for_mounts": ["/b"], "env": {"MADE": "1"}})");
  json::object block = bench.block(zilean);
  block["env"].as_object()["NEW"] = "2";
  block["wait_for_mounts"].as_array().push_back("/c");
  CHECK(bench.update(zilean, block, Persist::yes) ==
        R"(/zilean/env/NEW="2" /zilean/wait_for_mounts=["/a","/c"])");
  CHECK(bench.at("/zilean/wait_for_mounts") == R"(["/a","/c","/b"])");
}

TEST_CASE("an entry left out is deleted, one of the defaults or a generated one comes back",
          "[config][CFG-83]") {
  Bench bench(R"({"zilean": {"env": {"A": "1", "ASPNETCORE_URLS": "mine"}}})");
  bench.layers.generated[zilean] = object(R"({"env": {"MADE": "1"}})");
  CHECK(bench.update(zilean, R"({"env": {}})", Persist::yes) ==
        "/zilean/env/ASPNETCORE_URLS! /zilean/env/A!");
  CHECK(bench.at("/zilean/env") == R"({"ASPNETCORE_URLS":"http://+:{port}","MADE":"1"})");
}

TEST_CASE("a generated wait that is left out stays generated and is not stored", "[config][CFG-83]") {
  Bench bench;
  bench.layers.generated[zilean] = object(R"({"wait_for_mounts": ["/b"], "wait_for_dir": "/d"})");
  CHECK(bench.update(zilean, R"({"wait_for_mounts": [], "wait_for_dir": ""})", Persist::yes).empty());
  CHECK(bench.update(zilean, R"({"wait_for_dir": ["/d", "/e"]})", Persist::yes) ==
        R"(/zilean/wait_for_dir="/e")");
  CHECK(bench.at("/zilean/wait_for_dir") == R"(["/e","/d"])");
}

TEST_CASE("unsaved edits are in force but not in the user's layer", "[config][CFG-85]") {
  Bench bench(R"({"zilean": {"port": 1, "env": {"A": "1"}}})");
  CHECK(bench.update(zilean, R"({"port": 2, "env": {}})", Persist::no) == "/zilean/port=2 /zilean/env/A!");
  CHECK(bench.at("/zilean/port") == "2");
  CHECK(bench.at("/zilean/env/A") == "none");
  CHECK(jsonx::print_compact(bench.layers.user) == R"({"zilean":{"port":1,"env":{"A":"1"}}})");
  // An unrelated save leaves them unsaved.
  CHECK(bench.update(zilean, R"({"log_level": "DEBUG"})", Persist::yes) == R"(/zilean/log_level="DEBUG")");
  CHECK(bench.at("/zilean/port") == "2");
}

TEST_CASE("sending the same body again with persist saves the unsaved edits", "[config][CFG-83][CFG-85]") {
  Bench bench(R"({"zilean": {"port": 1, "env": {"A": "1"}}})");
  json::object body = bench.block(zilean);
  body["port"] = 2;
  body["env"].as_object().erase("A");
  body["env"].as_object()["B"] = "2";
  bench.update(zilean, body, Persist::no);
  CHECK(bench.update(zilean, body, Persist::yes) == R"(/zilean/port=2 /zilean/env/B="2" /zilean/env/A!)");
  CHECK(bench.layers.edits.empty());
  CHECK(jsonx::print_compact(bench.layers.user) == R"({"zilean":{"port":2,"env":{"B":"2"}}})");
}

TEST_CASE("a saved change below an unsaved one leaves the rest of it unsaved", "[config][CFG-85]") {
  Bench bench;
  bench.update(zilean, R"({"readiness": {"tcp": {"port": 1}, "period": 2}})", Persist::no);
  CHECK(bench.take({set({"zilean", "readiness", "period"}, 3)}, Persist::yes) ==
        "/zilean/readiness/period=3");
  CHECK(bench.at("/zilean/readiness") == R"({"tcp":{"port":1},"period":3})");
  CHECK(jsonx::print_compact(bench.layers.user) == R"({"zilean":{"readiness":{"period":3}}})");
  CHECK(bench.global(R"({"zilean": {"readiness": {"timeout": 4}}})") ==
        R"(/zilean/readiness={"tcp":{"port":1},"period":3,"timeout":4})");
  CHECK(bench.layers.edits.empty());
}

TEST_CASE("a saved change of an overridden member is in force until the next load", "[config][CFG-46]") {
  Bench bench;
  bench.override_with({{{"zilean", "port"}, 9, "ZILEAN_PORT"}});
  CHECK(bench.update(zilean, R"({"port": 5})", Persist::yes) == "/zilean/port=5");
  CHECK(bench.at("/zilean/port") == "5");
  CHECK(jsonx::print_compact(bench.layers.user) == R"({"zilean":{"port":5}})");
  bench.layers.edits.clear();  // as a load does
  CHECK(bench.at("/zilean/port") == "9");
}

TEST_CASE("a saved change of a generated member is in force until it is computed again", "[config][CFG-83]") {
  Bench bench;
  bench.layers.generated[zilean] = object(R"({"command": ["made"], "port": 3})");
  CHECK(bench.update(zilean, R"({"command": ["mine"]})", Persist::yes) == R"(/zilean/command=["mine"])");
  CHECK(bench.at("/zilean/command") == R"(["mine"])");
  CHECK(bench.at("/zilean/port") == "3");
}

TEST_CASE("a global update merges objects and leaves siblings alone", "[config][CFG-57][CFG-87][CFG-88]") {
  Bench bench(
      R"({"dumb": {"ui": {"log_timestamp": {"dateOrder": "DMY"}, "sidebar": {"quick_filter": "running"}}}})");
  CHECK(bench.global(R"({"dumb":{"ui":{"sidebar":{"compact_mode":true}}}})") ==
        "/dumb/ui/sidebar/compact_mode=true");
  CHECK(bench.at("/dumb/ui/log_timestamp/dateOrder") == R"("DMY")");
  CHECK(bench.at("/dumb/ui/sidebar/quick_filter") == R"("running")");
  CHECK(bench.global(R"({"dumb": {"ui": {}}, "zilean": {}})").empty());
}

TEST_CASE("a global update replaces lists and open maps whole", "[config][CFG-57]") {
  Bench bench(R"({"dumb": {"ui": {"sidebar": {"service_shortcuts": {"a": {"x": 1, "y": 2}, "b": 1}}}}})");
  CHECK(
      bench.global(
          R"({"dumb": {"ui": {"sidebar": {"service_shortcuts": {"a": {"x": 1}, "c": 2}}}, "auto_restart": {"backoff_seconds": [1]}}})") ==
      "/dumb/ui/sidebar/service_shortcuts/a/y! /dumb/ui/sidebar/service_shortcuts/c=2 "
      "/dumb/ui/sidebar/service_shortcuts/b! /dumb/auto_restart/backoff_seconds=[1]");
  CHECK(bench.at("/dumb/ui/sidebar/service_shortcuts") == R"({"a":{"x":1},"c":2})");
  CHECK(bench.global(R"({"dumb": {"ui": {"sidebar": {"service_shortcuts": {}}}}})") ==
        "/dumb/ui/sidebar/service_shortcuts/a! /dumb/ui/sidebar/service_shortcuts/c!");
}

TEST_CASE("a new instance arrives with a global update", "[config][CFG-57]") {
  Bench bench(R"({"sonarr": {"instances": {"Default": {"port": 1}}}})");
  CHECK(bench.global(R"({"sonarr": {"instances": {"4K": {"process_name": "Sonarr 4K"}}}})") ==
        R"(/sonarr/instances/4K={"process_name":"Sonarr 4K"})");
  CHECK(bench.at("/sonarr/instances/4K/port") == "8989");
  CHECK(bench.at("/sonarr/instances/Default/port") == "1");
}

TEST_CASE("an update is checked with the whole document", "[config][CFG-56][CFG-51][CFG-84]") {
  Bench bench(R"({"rclone": {"instances": {"Old": {"enabled": true, "decypharr_enabled": true}}}})");
  const json::object before = bench.effective();
  const auto check = [&](Edits edits) {
    const Layers next = with_update(bench.layers, edits, {}, Persist::yes);
    return schema::to_problems(check_update(next, effective_of(next, model()), before, edits, model()));
  };
  CHECK(check({set({"zilean", "port"}, 5)}).empty());  // what was wrong before does not hinder
  CHECK(check({set({"zilean", "port"}, 0), set({"zilean", "enabled"}, "x")}).size() == 2);
  CHECK(check({set({"rclone", "instances", "Old", "mount_dir"}, "/x")}).size() == 1);
  CHECK(check({set({"rclone", "instances", "New"},
                   object(R"({"process_name": "New", "enabled": true, "decypharr_enabled": true})"))})
            .size() == 1);
}

TEST_CASE("a save changes the given paths of the text and nothing else", "[config][CFG-59][CFG-60][CFG-62]") {
  const std::string text =
      "{\n    \"other\": [\n        1.50,\n        1e2\n    ],\n    \"zilean\": {\n        \"port\": 1,\n    "
      "    \"note\": "
      "null\n    }\n}";
  std::vector<std::string> warnings;
  const auto edited =
      edited_text(text, {set({"zilean", "port"}, 2), set({"sonarr", "instances", "Default", "port"}, 3)},
                  model(), {}, warnings);
  REQUIRE(edited);
  CHECK(*edited ==
        "{\n    \"other\": [\n        1.50,\n        1e2\n    ],\n    \"zilean\": {\n        \"port\": 2,\n  "
        "      \"note\": "
        "null\n    },\n    \"sonarr\": {\n        \"instances\": {\n            \"Default\": {\n             "
        "   \"port\": 3\n "
        "           }\n        }\n    }\n}");
}

TEST_CASE("a save writes under the names the file has", "[config][CFG-40]") {
  std::vector<std::string> warnings;
  const auto edit = [&](std::string_view text, Edits edits) {
    const auto out = edited_text(text, edits, model(), {}, warnings);
    REQUIRE(out);
    return jsonx::print_compact(jsonx::parse(*out).value());
  };
  CHECK(edit(R"({"infinidysk": {"frontend_port": 1}})", {set({"nzbdav", "frontend_port"}, 2)}) ==
        R"({"infinidysk":{"frontend_port":2}})");
  CHECK(edit(R"({"sonarr": {"instances": {"A": {"use_neutarr": true}}}})",
             {set({"sonarr", "instances", "A", "use_huntarr"}, false)}) ==
        R"({"sonarr":{"instances":{"A":{"use_neutarr":false}}}})");
  CHECK(edit(R"({"decypharr": {"use_embedded_rclone": true, "port": 1}})", {set({"decypharr", "port"}, 2)}) ==
        R"({"decypharr":{"use_embedded_rclone":true,"port":2}})");
  CHECK(edit(R"({"decypharr": {"use_embedded_rclone": true, "port": 1}})",
             {set({"decypharr", "mount_type"}, "none")}) ==
        R"({"decypharr":{"port":1,"mount_type":"none"}})");
}

TEST_CASE("a decypharr block that a save creates keeps its mount type at the next load",
          "[config][CFG-40][CFG-62]") {
  std::vector<std::string> warnings;
  const auto edited = edited_text("{}", {set({"decypharr", "port"}, 2)}, model(), {}, warnings);
  REQUIRE(edited);
  const auto loaded = load_text(*edited, model(), {{}, {}, {}});
  REQUIRE(loaded);
  CHECK(loaded->user.at("decypharr").at("mount_type") == "dfs");
}

TEST_CASE("a path that changed on both sides is named", "[config][CFG-60]") {
  std::vector<std::string> warnings;
  Edit edit = set({"zilean", "port"}, 3);
  edit.before = json::value(1);
  REQUIRE(edited_text(R"({"zilean": {"port": 1}})", {edit}, model(), {}, warnings));
  REQUIRE(edited_text(R"({"zilean": {"port": 3}})", {edit}, model(), {}, warnings));
  CHECK(warnings.empty());
  REQUIRE(edited_text(R"({"zilean": {"port": 2}})", {edit}, model(), {}, warnings));
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], ContainsSubstring("/zilean/port"));
  REQUIRE(edited_text("{}", {edit}, model(), {}, warnings));
  CHECK(warnings.size() == 2);
}

TEST_CASE("a save refuses to build on a broken file", "[config][CFG-60]") {
  std::vector<std::string> warnings;
  const Edits edits{set({"zilean", "port"}, 3)};
  CHECK(edited_text("{\n oops", edits, model(), {}, warnings).error().is(Errc::bad_json));
  CHECK(edited_text(R"({"puid": "x"})", edits, model(), {}, warnings).error().is(Errc::invalid_config));
  CHECK(edited_text("{}", {set({"zilean", "port"}, "x")}, model(), {}, warnings)
            .error()
            .is(Errc::invalid_config));
}

TEST_CASE("a load lists every problem and names the variable behind it", "[config][CFG-32][CFG-45][CFG-50]") {
  const Environment environment{{"ZILEAN_LOG_LEVEL", "loud"}, {"NZBDAV_FRONTEND_PORT", "0"}};
  const auto loaded = load_text(R"({"puid": "x", "decypharr": {"port": 0}})", model(), {{}, environment, {}});
  REQUIRE_FALSE(loaded);
  const auto problems = loaded.error().problems();
  REQUIRE(problems.size() == 4);
  CHECK(problems[0].where == "/decypharr/port");
  CHECK(problems[1].where == "/nzbdav/frontend_port");
  CHECK_THAT(problems[1].message, ContainsSubstring("NZBDAV_FRONTEND_PORT"));
  CHECK(problems[2].where == "/puid");
  CHECK(problems[3].where == "/zilean/log_level");
  CHECK_THAT(problems[3].message, ContainsSubstring("ZILEAN_LOG_LEVEL"));
}

TEST_CASE("text that is no object is refused with its place", "[config][CFG-8][CFG-33]") {
  CHECK_THAT(parse_document("{\n  \"a\": 1,\n}").error().message(), ContainsSubstring("line 3, column 1"));
  CHECK(parse_document(" \n").error().is(Errc::bad_json));
  CHECK(parse_document("[]").error().is(Errc::invalid_config));
  CHECK_FALSE(parse_document("{} // no").has_value());
  CHECK_FALSE(parse_document("{\"a\": NaN}").has_value());
  CHECK(parse_document("\xEF\xBB\xBF{}").has_value());
}

namespace {

/// A member of some block and a value that fits it.
std::pair<JsonPath, json::object> random_update(std::mt19937& random) {
  const auto pick = [&](int below) { return std::uniform_int_distribution<int>(0, below - 1)(random); };
  static const std::vector<JsonPath> blocks{
      {"zilean"}, {"decypharr"},       {"sonarr", "instances", "Default"}, {"sonarr", "instances", "4K"},
      {"nzbdav"}, {"dumb", "frontend"}};
  json::object updates;
  const JsonPath path = blocks[static_cast<std::size_t>(pick(6))];
  for (int i = pick(3); i >= 0; --i) {
    switch (pick(7)) {
      case 0:
        updates["port"] = 1000 + pick(3);
        break;
      case 1:
        updates["log_level"] = pick(2) == 0 ? "warn" : "INFO";
        break;
      case 2: {
        json::object env;
        for (int k = pick(4); k > 0; --k) env["V" + std::to_string(pick(4))] = std::to_string(pick(3));
        updates["env"] = std::move(env);
        break;
      }
      case 3:
        updates["wait_for_mounts"] = json::array{"/m" + std::to_string(pick(3))};
        break;
      case 4:
        updates["enabled"] = pick(2) == 0;
        break;
      case 5:
        updates["readiness"] = json::object{{"tcp", json::object{{"port", 1000 + pick(3)}}}};
        break;
      default:
        updates["host"] = pick(2) == 0 ? json::value(nullptr) : json::value("h");
    }
  }
  return {path, std::move(updates)};
}

}  // namespace

TEST_CASE("what is in force after saves is what the next load finds", "[config][CFG-56][CFG-60][CFG-83]") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 40; ++round) {
    std::string text = R"({"infinidysk": {"frontend_port": 5}, "decypharr": {"use_embedded_rclone": false},
        "sonarr": {"instances": {"Default": {"env": {"V1": "file"}}, "4K": {"process_name": "Sonarr 4K", "log_level": "debug"}}}})";
    Bench bench;
    bench.layers.user = load_text(text, model(), {{}, {}, {}})->user;
    for (int step = 0; step < 12; ++step) {
      auto [path, updates] = random_update(random);
      normalise_updates(updates, path, model());
      const json::object now = bench.effective();
      const Edits edits = block_edits({model(), bench.layers, now}, path, updates, Persist::yes);
      std::vector<std::string> warnings;
      const auto saved = edited_text(text, edits, model(), {}, warnings);
      REQUIRE(saved);
      text = *saved;
      bench.take(edits, Persist::yes);
      // What was asked for is there; sending it all back is no change.
      const json::object block = bench.block(path);
      for (const auto& [key, value] : updates) {
        if (key != "env") REQUIRE(jsonx::same(block.at(key), value));
      }
      REQUIRE(block_edits({model(), bench.layers, bench.effective()}, path, block, Persist::yes).empty());
    }
    const auto loaded = load_text(text, model(), {{}, {}, {}});
    REQUIRE(loaded);
    Layers fresh;
    fresh.user = loaded->user;
    REQUIRE(jsonx::print_compact(effective_of(fresh, model())) == jsonx::print_compact(bench.effective()));
  }
}
