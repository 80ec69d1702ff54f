#include "setup/decypharr.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>

#include "setup/decypharr_config.hpp"
#include "setup/rclone.hpp"
#include "setup/release.hpp"
#include "setup/xml.hpp"

namespace dumb::setup {
namespace {

/// The newest version with the old layout.
constexpr std::string_view last_old_version = "1.1.6";
constexpr std::string_view default_rc_url = "http://127.0.0.1:5572";
constexpr std::string_view default_usenet_rc_url = "http://127.0.0.1:5573";

const json::object* object_at(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found == nullptr ? nullptr : found->if_object();
}

/// The address of remote control in an rclone instance's command.
std::string rc_url_of(const json::object& rclone, std::string_view otherwise) {
  const auto words = command_words(rclone.if_contains("command"));
  const auto port = words ? rc_port_of(*words) : std::nullopt;
  return port ? fmt::format("http://127.0.0.1:{}", *port) : std::string(otherwise);
}

std::vector<decypharr::Mount> mounts_of(Scope& scope) {
  std::vector<decypharr::Mount> out;
  for (const config::BlockRef* ref : scope.context().config->of_key("rclone")) {
    const json::object& block = scope.context().config->block(*ref);
    if (!ref->enabled || !config::has_core_service(block, "decypharr", scope.context().catalog->model()))
      continue;
    decypharr::Mount mount;
    mount.provider = provider_token(jsonx::text_at(block, "key_type"));
    mount.api_key = jsonx::text_at(block, "api_key");
    mount.rc_url = rc_url_of(block, mount.provider == "usenet" ? default_usenet_rc_url : default_rc_url);
    out.push_back(std::move(mount));
  }
  return out;
}

std::vector<decypharr::Arr> arrs_of(Scope& scope) {
  std::vector<decypharr::Arr> out;
  for (const ArrInstance& arr : arr_instances(scope, {"sonarr", "radarr", "lidarr", "whisparr"})) {
    if (config::has_core_service(*arr.block, "decypharr", scope.context().catalog->model()))
      out.push_back({arr.name(), arr.url(), arr.api_key});
  }
  return out;
}

}  // namespace

std::string arr_api_key(std::string_view config_xml) {
  const auto found = xml::value(config_xml, "/Config/ApiKey");
  return found && *found ? **found : std::string();
}

std::vector<ArrInstance> arr_instances(Scope& scope, const std::vector<std::string>& keys) {
  std::vector<ArrInstance> out;
  for (const std::string& key : keys) {
    for (const config::BlockRef* ref : scope.context().config->of_key(key)) {
      if (!ref->enabled) continue;
      ArrInstance arr;
      arr.block = &scope.context().config->block(*ref);
      arr.key = key;
      arr.instance = ref->instance;
      arr.process_name = ref->process_name;
      arr.port = static_cast<int>(text::to_int(jsonx::text_at(*arr.block, "port")).value_or(0));
      const auto text = scope.facts().read(scope.mapped(jsonx::text_at(*arr.block, "config_file")));
      if (text) arr.api_key = arr_api_key(*text);
      if (arr.port > 0) out.push_back(std::move(arr));
    }
  }
  return out;
}

Result<std::string> decypharr_mode(const json::object& block, std::string_view given) {
  std::string mode = text::lower(text::trim(given));
  if (mode.empty()) mode = text::trim(jsonx::text_at(block, "branch")) == "beta" ? "dfs" : "rclone";
  for (const std::string_view known : {"dfs", "rclone", "external_rclone", "none"}) {
    if (mode == known) return mode;
  }
  return failure(Failure::bad_value,
                 fmt::format("mount_type must be dfs, rclone, external_rclone or none, got \"{}\"", mode));
}

std::vector<std::string> decypharr_provider_mounts(const json::object& config,
                                                   const std::string& mount_path) {
  std::string base = mount_path;
  for (const json::object* place : {object_at(config, "rclone"), object_at(config, "mount")}) {
    const std::string given = place == nullptr ? std::string() : jsonx::text_at(*place, "mount_path");
    if (!text::blank(given)) base = given;
  }
  std::vector<std::string> out;
  const json::value* debrids = config.if_contains("debrids");
  if (debrids == nullptr || !debrids->is_array() || text::blank(base)) return out;
  for (const json::value& debrid : debrids->get_array()) {
    const json::object* entry = debrid.if_object();
    const std::string name = entry == nullptr ? std::string() : jsonx::text_at(*entry, "name");
    if (text::blank(name) || name.find('/') != std::string::npos || name == "..") continue;
    out.push_back(base + "/" + name);
  }
  return out;
}

bool decypharr_new_layout(const json::object& block, std::string_view installed) {
  if (jsonx::bool_at(block, "branch_enabled", false) && text::trim(jsonx::text_at(block, "branch")) == "beta")
    return true;
  // A branch build is recorded as <branch>@<commit> and is as new as 3.0.0 (SVC-159).
  if (installed.find('@') != std::string_view::npos) return true;
  const auto order = compare_versions(installed, last_old_version, VersionKind::plain);
  return order && *order > 0;
}

Result<std::string> decypharr_config(Scope& scope, std::string_view text) {
  jsonx::NumberText numbers;
  const auto document = jsonx::parse(text, &numbers);
  if (!document) return failure(Failure::bad_file, document.error().message());
  if (!document->is_object()) return bad_file(1, 1, "must be an object");
  const json::object& own = scope.own();
  const auto mode = decypharr_mode(own, jsonx::text_at(own, "mount_type"));
  if (!mode) return mode.error();
  const auto installed = scope.lookup("version");
  decypharr::Wanted wanted;
  wanted.mode = *mode;
  wanted.new_layout = decypharr_new_layout(own, installed ? text_of(*installed) : std::string());
  wanted.url_base = "/";
  wanted.port = jsonx::text_at(own, "port");
  wanted.log_level = text::lower(jsonx::text_at(own, "log_level"));
  wanted.mount_path = scope.mapped(jsonx::text_at(own, "mount_path")).native();
  wanted.downloads = scope.mapped("/mnt/debrid/decypharr_downloads").native();
  wanted.usenet_folder = scope.mapped("/mnt/debrid/decypharr_usenet").native() + "/__all__";
  wanted.remote_folder = scope.mapped("/mnt/debrid").native() + "/decypharr_";
  wanted.uid = scope.facts().user().uid;
  wanted.gid = scope.facts().user().gid;
  wanted.download_uncached = own.if_contains("arrs_download_uncached");
  if (const json::object* keys = object_at(own, "api_keys")) {
    for (const auto& [name, key] : *keys) {
      const std::string provider = provider_token(name);
      if (!text::blank(provider) && !catalog::is_blank(key)) wanted.keys.emplace_back(provider, text_of(key));
    }
  }
  if (const json::object* dfs = object_at(own, "dfs")) {
    wanted.dfs = *dfs;
    if (wanted.dfs.contains("cache_dir"))
      wanted.dfs["cache_dir"] = scope.mapped(jsonx::text_at(wanted.dfs, "cache_dir")).native();
  }
  wanted.mounts = mounts_of(scope);
  wanted.arrs = arrs_of(scope);
  const json::object next = decypharr::new_config(document->get_object(), wanted);
  const json::value out(next);
  // Order counts here: the members come in the order of SVC-152 and SVC-155.
  if (json::serialize(out) == json::serialize(*document)) return std::string(text);
  return jsonx::print(out, &numbers);
}

void add_decypharr_models(Scope& scope) {
  scope.filters["decypharr-mode"] = [&scope](const json::value& given) -> Result<json::value> {
    const auto mode = decypharr_mode(scope.own(), text_of(given));
    if (!mode) return mode.error();
    return json::value(json::string(*mode));
  };
  scope.values["provider_mounts"] = [&scope]() -> Result<json::value> {
    json::array out;
    const auto text = scope.facts().read(scope.mapped(jsonx::text_at(scope.own(), "config_file")));
    const auto document = text ? jsonx::parse(*text) : Result<json::value>(json::object());
    if (!document || !document->is_object()) return json::value(std::move(out));
    const std::string base = scope.mapped(jsonx::text_at(scope.own(), "mount_path")).native();
    for (const std::string& mount : decypharr_provider_mounts(document->get_object(), base))
      out.emplace_back(mount);
    return json::value(std::move(out));
  };
}

}  // namespace dumb::setup
