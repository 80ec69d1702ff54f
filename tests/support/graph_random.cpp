#include "support/graph_random.hpp"

#include <algorithm>

namespace dumb::test {
namespace {

namespace json = boost::json;

const std::vector<std::string> single_keys = {
    "postgres",    "zilean",   "pgadmin",  "riven_backend", "riven_frontend", "cli_debrid",
    "cli_battery", "plex",     "jellyfin", "tautulli",      "decypharr",      "nzbdav",
    "traefik",     "custom_a", "custom_b", "custom_c",      "custom_d"};
const std::vector<std::string> instance_keys = {"rclone",   "rclone", "zurg",    "sonarr", "radarr",
                                                "prowlarr", "seerr",  "huntarr", "bazarr", "custom_e"};
const std::vector<std::string> tokens = {"riven_backend", "Riven",  "CLID",     "decypharr", "nzbdav",
                                         "plex",          "sonarr", "custom_a", "custom_b",  "PostgreSQL",
                                         "zurg",          "rclone", "nothing"};
const std::vector<std::string> hosts = {"127.0.0.1", "localhost", "[::1]",
                                        "plex",      "10.0.0.9",  "user:pw@localhost"};
const std::vector<std::string> hostile = {"",    " \"q\"", " <b>", " #1",  " & co",
                                          "\nx", " \\",    "];",   " -> ", "\x01"};

/// Every process block of a document: the object it is a member of and its name there.
struct Place {
  json::object* parent;
  std::string member;
};

std::vector<Place> places(json::object& document) {
  std::vector<Place> out;
  for (auto& [key, section] : document) {
    json::object& object = section.as_object();
    if (object.contains("process_name")) {
      out.push_back({&document, std::string(key)});
    } else if (auto* instances = object.if_contains("instances")) {
      for (auto& [name, block] : instances->as_object())
        out.push_back({&instances->as_object(), std::string(name)});
    }
  }
  return out;
}

}  // namespace

std::string RandomStack::fresh_name() {
  std::string name =
      std::string(1, static_cast<char>('A' + below(26))) + std::to_string(counter_++) + one_of(hostile);
  if (chance(5)) name = "P " + std::to_string(counter_);
  // Trimmed as the configuration does it.
  while (!name.empty() && (name.back() == ' ' || name.back() == '\n')) name.pop_back();
  names_.push_back(name);
  return name;
}

std::string RandomStack::some_name() {
  return names_.empty() || chance(10) ? "Nobody" : one_of(names_);
}

std::string RandomStack::path() {
  std::string out = "/mnt";
  for (std::size_t depth = below(3); depth > 0; --depth)
    out += "/" + std::string(1, static_cast<char>('a' + below(3)));
  return out;
}

json::value RandomStack::waits_for_url() {
  json::array out;
  for (std::size_t i = below(2) + 1; i > 0; --i) {
    json::object entry;
    std::string url = "http://" + one_of(hosts) + ":" + std::to_string(7000 + below(7));
    if (chance(10)) url += "/ui/" + some_name();
    if (chance(5)) url = "no url";
    entry["url"] = url;
    if (chance(20)) entry["core_service"] = one_of(tokens);
    if (chance(20)) entry["process_name"] = some_name();
    out.push_back(std::move(entry));
  }
  return out;
}

json::value RandomStack::depends_on() {
  json::array out;
  for (std::size_t i = below(2) + 1; i > 0; --i) {
    if (chance(50)) {
      out.emplace_back(some_name());
      continue;
    }
    json::object entry;
    entry["process_name"] = some_name();
    entry["condition"] = one_of({"started", "healthy", "completed_successfully", "sometime"});
    out.push_back(std::move(entry));
  }
  return out;
}

json::object RandomStack::block(const std::string& key, const std::string& name) {
  json::object out;
  out["enabled"] = chance(80);
  out["process_name"] = name;
  if (chance(60)) out["port"] = 7000 + static_cast<int>(below(7));
  if (chance(key == "rclone" || key == "zurg" ? 70 : 25)) {
    out[chance(50) ? "core_service" : "core_services"] =
        one_of(tokens) + (chance(30) ? ", " + one_of(tokens) : "");
  }
  if (chance(25)) out["wait_for_url"] = waits_for_url();
  if (chance(25)) out["wait_for_mounts"] = json::array{json::value(path())};
  if (chance(15)) out["wait_for_dir"] = path();
  if (chance(25)) out["depends_on"] = depends_on();
  if (key == "rclone") {
    out["zurg_enabled"] = chance(60);
    out["decypharr_enabled"] = chance(20);
    out["key_type"] = one_of({"RealDebrid", "NzbDAV"});
    out["mount_dir"] = "/mnt";
    out["mount_name"] = std::string(1, static_cast<char>('a' + below(3)));
    out["zurg_config_file"] = "/zurg/" + std::to_string(below(2));
  }
  if (key == "zurg") out["config_file"] = "/zurg/" + std::to_string(below(2));
  if (key == "decypharr") {
    out["mount_type"] = one_of({"dfs", "rclone", "external_rclone", "none", ""});
    out["mount_path"] = path();
  }
  if (key == "sonarr" || key == "radarr") out["use_huntarr"] = chance(50);
  return out;
}

void RandomStack::add_process(json::object& document) {
  if (chance(50)) {
    const std::string key = one_of(single_keys);
    if (!document.contains(key)) document[key] = block(key, fresh_name());
    return;
  }
  const std::string key = one_of(instance_keys);
  if (!document.contains(key)) document[key] = json::object{{"instances", json::object()}};
  json::object& instances = document[key].as_object()["instances"].as_object();
  instances["I" + std::to_string(counter_)] = block(key, fresh_name());
}

json::object RandomStack::document() {
  json::object out;
  names_.clear();
  // Names first, so that the first blocks can refer to later ones.
  for (std::size_t i = below(11) + 4; i > 0; --i) add_process(out);
  for (const Place& place : places(out)) {
    json::value& value = (*place.parent)[place.member];
    const std::string name(value.as_object()["process_name"].as_string());
    if (chance(40)) value.as_object()["depends_on"] = depends_on();
  }
  return out;
}

std::vector<std::string> RandomStack::change(json::object& document) {
  const std::vector<Place> all = places(document);
  const std::size_t kind = below(10);
  if (all.empty() || kind == 0) {
    add_process(document);
    return names_;
  }
  const Place& place = all[below(all.size())];
  json::object& old = (*place.parent)[place.member].as_object();
  const std::string name(old["process_name"].as_string());
  if (kind == 1) {
    place.parent->erase(place.member);
    return {name};
  }
  std::string key = place.member;
  for (auto& [top, section] : document) {
    auto* instances = section.as_object().if_contains("instances");
    if (instances != nullptr && &instances->as_object() == place.parent) key = top;
  }
  if (kind == 2) {
    const std::string renamed = fresh_name();
    old["process_name"] = renamed;
    return {name, renamed};
  }
  if (kind < 5) {
    old["enabled"] = !old["enabled"].as_bool();
  } else {
    (*place.parent)[place.member] = block(key, name);
  }
  return {name};
}

json::object RandomStack::permuted(const json::object& document) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : document) keys.emplace_back(key);
  std::shuffle(keys.begin(), keys.end(), random_);
  json::object out;
  for (const std::string& key : keys) {
    const json::value& value = document.at(key);
    const auto* instances = value.as_object().if_contains("instances");
    if (instances != nullptr) {
      out[key] = json::object{{"instances", permuted(instances->as_object())}};
    } else {
      out[key] = value;
    }
  }
  return out;
}

}  // namespace dumb::test
