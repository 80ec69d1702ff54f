#pragma once

#include <boost/json.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "support/release_server.hpp"

namespace dumb::test {

/// Sonarr and its relatives, as far as others talk to them (SVC-227): keeps what it is sent.
class FakeArr {
 public:
  explicit FakeArr(std::string key) : key_(std::move(key)) {
    lists_["/rootfolder"];
    lists_["/qualityprofile"] = parse(R"([{"id": 4}])");
    lists_["/metadataprofile"] = parse(R"([{"id": 5}])");
    lists_["/appprofile"] = parse(R"([{"id": 6}])");
    lists_["/tag"];
    lists_["/downloadclient"];
    lists_["/applications"];
    lists_["/indexer"];
    objects_["/config/mediamanagement"] =
        jsonx::parse(R"({"id": 1, "setPermissionsLinux": false, "chmodFolder": "755", "recycleBin": "mine"})")
            ->as_object();
    lists_["/downloadclient/schema"] = parse(R"([
      {"implementation": "QBittorrent", "implementationName": "qBittorrent", "configContract": "QBittorrentSettings",
       "presets": [], "tags": [], "priority": 1, "protocol": "torrent",
       "fields": [{"name": "host", "value": "localhost"}, {"name": "port", "value": 8080}, {"name": "useSsl"},
                  {"name": "urlBase"}, {"name": "username"}, {"name": "password"}, {"name": "tvCategory"}]},
      {"implementation": "Sabnzbd", "implementationName": "SABnzbd", "configContract": "SabnzbdSettings",
       "protocol": "usenet",
       "fields": [{"name": "host"}, {"name": "port"}, {"name": "useSsl"}, {"name": "urlBase"}, {"name": "apiKey"},
                  {"name": "tvCategory"}]}])");
    lists_["/applications/schema"] = parse(R"([
      {"implementation": "Sonarr", "implementationName": "Sonarr",
       "fields": [{"name": "prowlarrUrl"}, {"name": "baseUrl"}, {"name": "apiKey"}]},
      {"implementation": "Radarr", "implementationName": "Radarr", "fields": [{"name": "baseUrl"}, {"name": "apiKey"}]}])");
    lists_["/indexer/schema"] = parse(R"([
      {"implementation": "Cardigann", "name": "Zilean",
       "fields": [{"name": "definitionFile", "value": "Custom/zilean"}, {"name": "baseUrl"}]},
      {"implementation": "Cardigann", "name": "StremThru",
       "fields": [{"name": "definitionFile", "value": "Custom/stremthru"}, {"name": "baseUrl"}]}])");
    server_.set_fault([this](const Seen& seen, int, Said& said) {
      said = answer(seen);
      return true;
    });
  }

  int port() const { return server_.port(); }
  json::array list(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return lists_[path];
  }
  json::object object(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return objects_[path];
  }
  void put(const std::string& path, json::array list) {
    const std::lock_guard lock(mutex_);
    lists_[path] = std::move(list);
  }
  /// "POST /tag" of every request that was none to read.
  std::vector<std::string> writes() const {
    std::vector<std::string> out;
    for (const Seen& seen : server_.requests()) {
      if (seen.method != "GET") out.push_back(seen.method + " " + seen.target);
    }
    return out;
  }
  /// What is posted to this path is refused with 400 while its body holds `part`.
  void refuse(std::string path, std::string part, std::string why) {
    const std::lock_guard lock(mutex_);
    refused_ = {std::move(path), std::move(part), std::move(why)};
  }

 private:
  static json::array parse(const char* text) { return jsonx::parse(text)->as_array(); }

  Said answer(const Seen& seen) {
    const std::lock_guard lock(mutex_);
    const auto key = seen.headers.find("x-api-key");
    if (key == seen.headers.end() || key->second != key_) return {401, {}, "{}"};
    const std::size_t start = seen.target.find('/', 5);
    if (!seen.target.starts_with("/api/v") || start == std::string::npos) return {404, {}, "{}"};
    const std::string path = seen.target.substr(start);
    if (path == "/system/status") return {200, {}, "{}"};
    if (seen.method == "GET") {
      if (const auto found = lists_.find(path); found != lists_.end())
        return {200, {}, json::serialize(found->second)};
      if (const auto found = objects_.find(path); found != objects_.end())
        return {200, {}, json::serialize(found->second)};
      return {404, {}, "{}"};
    }
    const auto body = jsonx::parse(seen.body);
    if (!body || !body->is_object()) return {400, {}, "no object"};
    if (!refused_.path.empty() && path == refused_.path && seen.body.find(refused_.part) != std::string::npos)
      return {400, {}, refused_.why};
    return seen.method == "POST" ? made(path, body->get_object()) : changed(path, body->get_object());
  }

  Said made(const std::string& path, json::object entity) {
    const auto found = lists_.find(path);
    if (found == lists_.end()) return {404, {}, "{}"};
    entity["id"] = next_id_++;
    found->second.push_back(entity);
    return {201, {}, json::serialize(entity)};
  }

  Said changed(const std::string& path, const json::object& entity) {
    const std::size_t slash = path.rfind('/');
    const std::string list = path.substr(0, slash);
    if (objects_.count(list) != 0) {
      objects_[list] = entity;
      return {202, {}, json::serialize(entity)};
    }
    for (json::value& each : lists_[list]) {
      if (jsonx::text_at(each.get_object(), "id") != path.substr(slash + 1)) continue;
      each = entity;
      return {202, {}, json::serialize(entity)};
    }
    return {404, {}, "{}"};
  }

  struct Refused {
    std::string path, part, why;
  };
  mutable std::mutex mutex_;
  std::string key_;
  std::map<std::string, json::array> lists_;
  std::map<std::string, json::object> objects_;
  Refused refused_;
  std::int64_t next_id_ = 10;
  ReleaseServer server_;  // last: its threads use the rest
};

}  // namespace dumb::test
