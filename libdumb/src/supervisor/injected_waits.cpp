#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>
#include <dumb/supervisor/resolve.hpp>
#include <set>

namespace dumb::supervisor {
namespace {

using config::BlockRef;
using config::Snapshot;

std::string loopback_host(const json::object& block) {
  const std::string host = jsonx::text_at(block, "host");
  return host.empty() || host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host;
}

std::string base_path(const json::object& block) {
  std::string base = jsonx::text_at(block, "base_url");
  if (base.empty()) base = jsonx::text_at(block, "url_base");
  const std::string path(text::trim_slashes(text::trim(base)));
  return path.empty() ? std::string() : "/" + path;
}

json::object url_wait(std::string url, std::string_view core_service) {
  json::object wait;
  wait["url"] = std::move(url);
  if (!core_service.empty()) wait["core_service"] = core_service;
  return wait;
}

json::array media_mounts(const Snapshot& config, const std::vector<std::string>& decypharr) {
  std::set<std::string> points(decypharr.begin(), decypharr.end());
  for (const BlockRef* ref : config.of_key("rclone")) {
    if (!ref->enabled) continue;
    const json::object& block = config.block(*ref);
    const std::string directory = jsonx::text_at(block, "mount_dir");
    const std::string name(text::trim_slashes(jsonx::text_at(block, "mount_name")));
    if (!directory.empty() && !name.empty())
      points.insert((std::filesystem::path(directory) / name).native());
  }
  json::array array;
  for (const std::string& point : points) array.emplace_back(point);
  return array;
}

void add_arr_urls(const Snapshot& config, json::array& urls) {
  for (const char* key : {"sonarr", "radarr", "lidarr", "whisparr"}) {
    for (const BlockRef* ref : config.of_key(key)) {
      const json::object& block = config.block(*ref);
      const std::string port = jsonx::text_at(block, "port");
      if (!ref->enabled || port.empty()) continue;
      urls.push_back(
          url_wait("http://" + loopback_host(block) + ":" + port + base_path(block) + "/ping", {}));
    }
  }
}

std::string plex_url(const Snapshot& config) {
  const auto plex = config.of_key("plex");
  if (plex.empty() || !plex.front()->enabled) return {};
  const json::value* address = jsonx::find(config.effective(), {"dumb", "plex_address"});
  if (address != nullptr && address->is_string()) {
    std::string text(text::trim(std::string_view(address->get_string())));
    const std::size_t scheme = text.find("://");
    if (scheme != std::string::npos && scheme > 0 && text.size() > scheme + 3 && text[scheme + 3] != '/') {
      const std::size_t path = text.find_first_of("/?#", scheme + 3);
      return text.substr(0, path) + "/identity";
    }
  }
  return "http://127.0.0.1:" + jsonx::text_at(config.block(*plex.front()), "port") + "/identity";
}

void add_media_server_urls(const Snapshot& config, const std::vector<std::string>& cores, json::array& urls) {
  const auto wanted = [&](std::string_view key) {
    return cores.empty() || std::find(cores.begin(), cores.end(), key) != cores.end();
  };
  if (const std::string plex = plex_url(config); !plex.empty() && wanted("plex"))
    urls.push_back(url_wait(plex, "plex"));
  for (const char* key : {"jellyfin", "emby"}) {
    for (const BlockRef* ref : config.of_key(key)) {
      if (!ref->enabled || !wanted(key)) continue;
      urls.push_back(url_wait(
          "http://127.0.0.1:" + jsonx::text_at(config.block(*ref), "port") + "/System/Info/Public", key));
    }
  }
}

std::string member_in(const json::object& object, std::string_view outer, std::string_view inner) {
  const json::value* value = object.if_contains(outer);
  return value != nullptr && value->is_object() ? jsonx::text_at(value->get_object(), inner) : std::string();
}

}  // namespace

json::object injected_waits(const Snapshot& config, const BlockRef& block, const config::Model& model,
                            const std::vector<std::string>& decypharr) {
  json::object members;
  const std::string& key = block.config_key;
  if (key == "plex" || key == "jellyfin" || key == "emby") {
    members["wait_for_mounts"] = media_mounts(config, decypharr);
    return members;
  }
  json::array urls;
  if (key == "prowlarr") add_arr_urls(config, urls);
  if (key == "tautulli") {
    if (const std::string plex = plex_url(config); !plex.empty()) urls.push_back(url_wait(plex, "plex"));
  }
  if (key == "seerr") add_media_server_urls(config, config::core_services(config.block(block), model), urls);
  if (!urls.empty()) members["wait_for_url"] = std::move(urls);
  return members;
}

std::vector<std::string> decypharr_mounts(const Snapshot& config, std::string_view decypharr_config) {
  const auto blocks = config.of_key("decypharr");
  if (blocks.empty() || !blocks.front()->enabled) return {};
  const std::string wanted = text::lower(jsonx::text_at(config.block(*blocks.front()), "mount_type"));
  if (wanted != "rclone" && wanted != "dfs") return {};
  const std::string fallback = "/mnt/debrid/decypharr";
  const auto parsed = jsonx::parse(decypharr_config);
  if (!parsed || !parsed->is_object()) return {fallback};
  const json::object& own = parsed->get_object();
  const std::string type = text::lower(member_in(own, "mount", "type"));
  const std::string mount_path = member_in(own, "mount", "mount_path");
  if (type == "external_rclone" || type == "none") return {};
  if (type == "dfs" || type == "rclone") return {mount_path.empty() ? fallback : mount_path};
  std::string base = mount_path;
  if (base.empty()) base = member_in(own, "rclone", "mount_path");
  const std::string under = base.empty() ? fallback : base;
  std::vector<std::string> points;
  const auto add = [&](const std::string& name) {
    if (!name.empty()) points.push_back((std::filesystem::path(under) / name).native());
  };
  if (const json::value* debrids = own.if_contains("debrids"); debrids != nullptr && debrids->is_array()) {
    for (const json::value& entry : debrids->get_array()) {
      if (!entry.is_object()) continue;
      const std::filesystem::path folder(jsonx::text_at(entry.get_object(), "folder"));
      bool found = false;
      for (const std::string& top : {under, fallback}) {
        if (found || folder.empty() || !lies_below(folder, top) || folder == top) continue;
        add(folder.lexically_relative(top).begin()->native());
        found = true;
      }
      if (found) continue;
      const std::string name = jsonx::text_at(entry.get_object(), "name");
      add(name.empty() ? jsonx::text_at(entry.get_object(), "provider") : name);
    }
  }
  if (points.empty()) {
    const json::object& section = config.block(*blocks.front());
    if (const json::value* keys = section.if_contains("api_keys"); keys != nullptr && keys->is_object()) {
      for (const auto& [name, secret] : keys->get_object()) add(std::string(name));
    }
  }
  if (points.empty()) points.push_back(under);
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

}  // namespace dumb::supervisor
