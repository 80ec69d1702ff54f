#include "setup/decypharr_config.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <dumb/base/text.hpp>

#include "setup/rclone.hpp"

namespace dumb::setup::decypharr {
namespace {

using Members = std::vector<std::pair<std::string, json::value>>;

bool is_blank_at(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found == nullptr || catalog::is_blank(*found);
}

void fill(json::object& object, const Members& members) {
  for (const auto& [name, value] : members) {
    if (is_blank_at(object, name)) object[name] = value;
  }
}

/// A member that must be an object, made when it is none.
json::object& object_in(json::object& parent, std::string_view name) {
  json::value& member = parent[name];
  if (!member.is_object()) member = json::object();
  return member.get_object();
}

json::array array_in(const json::object& parent, std::string_view name) {
  const json::value* found = parent.if_contains(name);
  return found != nullptr && found->is_array() ? found->get_array() : json::array();
}

json::object ordered(const json::object& object, const std::vector<std::string_view>& first) {
  json::object out;
  for (const std::string_view name : first) {
    if (const json::value* found = object.if_contains(name)) out[name] = *found;
  }
  for (const auto& [name, value] : object) {
    if (!out.contains(name)) out[name] = value;
  }
  return out;
}

json::object* entry_of(json::array& debrids, const std::string& provider) {
  for (json::value& debrid : debrids) {
    json::object* entry = debrid.if_object();
    if (entry == nullptr) continue;
    for (const char* member : {"provider", "name"}) {
      if (provider_token(jsonx::text_at(*entry, member)) == provider) return entry;
    }
  }
  return nullptr;
}

/// The provider's entry with its key; made when it is not there.
json::object& entry_with_key(json::array& debrids, const std::string& provider, const std::string& key) {
  json::object* entry = entry_of(debrids, provider);
  if (entry == nullptr) {
    debrids.emplace_back(json::object());
    entry = &debrids.back().get_object();
  }
  (*entry)["provider"] = provider;
  (*entry)["name"] = provider;
  (*entry)["api_key"] = key;
  json::array keys = array_in(*entry, "download_api_keys");
  const bool there = std::any_of(keys.begin(), keys.end(),
                                 [&](const json::value& known) { return jsonx::scalar_text(known) == key; });
  if (!there) keys.emplace_back(key);
  (*entry)["download_api_keys"] = std::move(keys);
  return *entry;
}

Members mount_members(const std::string& type, const Wanted& wanted) {
  const json::value uid(wanted.uid);
  const json::value gid(wanted.gid);
  if (type == "dfs") {
    return {{"cache_dir", "/cache/dfs"},
            {"chunk_size", "10MB"},
            {"disk_cache_size", "50GB"},
            {"cache_expiry", "24h"},
            {"cache_cleanup_interval", "1h"},
            {"daemon_timeout", "30m"},
            {"uid", uid},
            {"gid", gid},
            {"umask", "022"},
            {"allow_other", true},
            {"default_permissions", true}};
  }
  return {{"enabled", true},
          {"mount_path", json::value(json::string(wanted.mount_path))},
          {"vfs_cache_mode", "off"},
          {"vfs_cache_max_age", "1h"},
          {"vfs_cache_poll_interval", "1m"},
          {"vfs_read_chunk_size", "128M"},
          {"vfs_read_chunk_size_limit", "off"},
          {"vfs_read_ahead", "128k"},
          {"uid", uid},
          {"gid", gid},
          {"attr_timeout", "1s"},
          {"dir_cache_time", "5m"}};
}

std::string first_rc_url(const Wanted& wanted, bool usenet, std::string_view otherwise) {
  for (const Mount& mount : wanted.mounts) {
    if ((mount.provider == "usenet") == usenet) return mount.rc_url;
  }
  return std::string(otherwise);
}

/// SVC-154.
void set_mount(json::object& config, const Wanted& wanted) {
  json::object& mount = object_in(config, "mount");
  mount["type"] = wanted.mode;
  mount["mount_path"] = wanted.mount_path;
  if (wanted.mode == "none") return;
  json::object& own = object_in(mount, wanted.mode);
  if (wanted.mode == "external_rclone") {
    own["rc_url"] = first_rc_url(wanted, false, "http://127.0.0.1:5572");
    for (const char* name : {"rc_username", "rc_password"}) {
      if (!own.contains(name)) own[name] = "";
    }
    return;
  }
  if (wanted.mode == "dfs") {
    for (const auto& [name, value] : wanted.dfs) {
      if (!catalog::is_blank(value)) own[name] = value;
    }
  }
  fill(own, mount_members(wanted.mode, wanted));
}

/// SVC-157.
void set_arrs(json::object& config, const Wanted& wanted) {
  const json::array existing = array_in(config, "arrs");
  json::array out;
  const auto find = [&](const std::string& name) -> const json::object* {
    for (const json::value& arr : existing) {
      const json::object* entry = arr.if_object();
      if (entry != nullptr && jsonx::text_at(*entry, "name") == name) return entry;
    }
    return nullptr;
  };
  for (const json::value& arr : existing) {
    const json::object* entry = arr.if_object();
    if (entry == nullptr) continue;
    const std::string name = jsonx::text_at(*entry, "name");
    const bool wanted_now = std::any_of(wanted.arrs.begin(), wanted.arrs.end(),
                                        [&](const Arr& each) { return each.name == name; });
    if (!wanted_now && jsonx::text_at(*entry, "source") != "auto") out.push_back(arr);
  }
  for (const Arr& arr : wanted.arrs) {
    const json::object* known = find(arr.name);
    // Made by hand under the same name: theirs.
    if (known != nullptr && jsonx::text_at(*known, "source") != "auto") {
      out.emplace_back(*known);
      continue;
    }
    json::object entry = known == nullptr ? json::object() : *known;
    entry["name"] = arr.name;
    entry["host"] = arr.host;
    if (!arr.token.empty() || !entry.contains("token")) entry["token"] = arr.token;
    if (wanted.download_uncached != nullptr) entry["download_uncached"] = *wanted.download_uncached;
    entry["source"] = "auto";
    out.emplace_back(std::move(entry));
  }
  if (!out.empty() || config.contains("arrs")) config["arrs"] = std::move(out);
}

/// SVC-152, SVC-153.
json::object new_layout(json::object config, const Wanted& wanted) {
  for (const char* old : {"rclone", "qbittorrent", "sabnzbd"}) {
    if (config.contains(old)) config.stable_erase(config.find(old));
  }
  fill(config, {{"download_folder", json::value(json::string(wanted.downloads))}});
  json::array debrids = array_in(config, "debrids");
  for (const auto& [provider, key] : wanted.keys) {
    fill(entry_with_key(debrids, provider, key), {{"rate_limit", "250/minute"},
                                                  {"torrents_refresh_interval", "10m"},
                                                  {"download_links_refresh_interval", "5m"},
                                                  {"workers", 4000},
                                                  {"auto_expire_links_after", "3d"}});
  }
  config["debrids"] = std::move(debrids);
  set_mount(config, wanted);
  set_arrs(config, wanted);
  return ordered(config, {"url_base", "port", "log_level", "download_folder", "debrids", "mount", "arrs",
                          "repair", "usenet", "allowed_file_types"});
}

std::string leaf_of(std::string_view provider) {
  if (provider == "realdebrid") return "__all__";
  const bool torrents = provider == "torbox" || provider == "alldebrid" || provider == "debridlink";
  return torrents ? "torrents" : "other";
}

/// SVC-156: the entries of one layout's `debrids`.
void set_old_debrids(json::object& config, const Wanted& wanted) {
  json::array debrids = array_in(config, "debrids");
  const auto put = [&](const std::string& provider, const std::string& key, const std::string& folder,
                       const std::string& rc_url) {
    json::object& entry = entry_with_key(debrids, provider, key);
    entry["folder"] = folder;
    entry["rc_url"] = rc_url;
    fill(entry, {{"rate_limit", "250/minute"},
                 {"torrents_refresh_interval", "15s"},
                 {"download_links_refresh_interval", "40m"},
                 {"workers", 50},
                 {"auto_expire_links_after", "3d"},
                 {"folder_naming", "original_no_ext"}});
    if (!entry.contains("use_webdav")) entry["use_webdav"] = true;
    entry = ordered(entry, {"name", "provider", "api_key", "download_api_keys", "folder", "rate_limit",
                            "use_webdav", "torrents_refresh_interval", "download_links_refresh_interval",
                            "workers", "auto_expire_links_after", "folder_naming", "rc_url"});
  };
  if (wanted.mode == "external_rclone") {
    for (const Mount& mount : wanted.mounts) {
      if (mount.provider == "usenet") continue;
      std::string key = mount.api_key;
      for (const auto& [provider, given] : wanted.keys) {
        if (provider == mount.provider) key = given;
      }
      put(mount.provider, key,
          fmt::format("{}{}/{}", wanted.remote_folder, mount.provider, leaf_of(mount.provider)),
          mount.rc_url);
    }
  } else {
    for (const auto& [provider, key] : wanted.keys)
      put(provider, key, fmt::format("{}/{}/{}/", wanted.mount_path, provider, leaf_of(provider)), "");
  }
  if (!debrids.empty() || config.contains("debrids")) config["debrids"] = std::move(debrids);
}

/// SVC-155.
json::object old_layout(json::object config, const Wanted& wanted) {
  const bool fresh = !config.contains("debrids") && !config.contains("usenet");
  const bool usenet = std::any_of(wanted.mounts.begin(), wanted.mounts.end(),
                                  [](const Mount& mount) { return mount.provider == "usenet"; });
  const json::value downloads(json::string(wanted.downloads));
  if (fresh) {
    fill(object_in(config, "qbittorrent"), {{"download_folder", downloads}});
    if (usenet) {
      fill(object_in(config, "sabnzbd"), {{"download_folder", downloads}});
      fill(object_in(config, "usenet"),
           {{"mount_folder", json::value(json::string(wanted.usenet_folder))},
            {"chunks", 15},
            {"rc_url", json::value(json::string(first_rc_url(wanted, true, "http://127.0.0.1:5573")))}});
    }
  }
  set_old_debrids(config, wanted);
  if (wanted.mode == "rclone") fill(object_in(config, "rclone"), mount_members("rclone", wanted));
  set_arrs(config, wanted);
  return ordered(config, {"url_base", "port", "log_level", "debrids", "qbittorrent", "sabnzbd", "usenet",
                          "arrs", "repair", "webdav", "rclone", "allowed_file_types"});
}

}  // namespace

json::object new_config(const json::object& existing, const Wanted& wanted) {
  json::object config = existing;
  fill(config, {{"url_base", json::value(json::string(wanted.url_base))}});
  config["port"] = wanted.port;
  config["log_level"] = wanted.log_level;
  return wanted.new_layout ? new_layout(std::move(config), wanted) : old_layout(std::move(config), wanted);
}

}  // namespace dumb::setup::decypharr
