#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "setup/scope.hpp"

/// What Decypharr needs (SVC-147 to SVC-157). Pure but for Facts.
namespace dumb::setup {

/// An Arr instance as other services are told of it.
struct ArrInstance {
  std::string key, instance, process_name;
  int port = 0;
  std::string api_key;  ///< blank: it has none yet
  const json::object* block = nullptr;

  std::string name() const { return key + ":" + instance; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port); }
};
/// The enabled instances of these keys, in the order of the configuration; their keys come from their own
/// configuration files.
std::vector<ArrInstance> arr_instances(Scope& scope, const std::vector<std::string>& keys);
/// The API key in an Arr's config.xml; blank when it holds none.
std::string arr_api_key(std::string_view config_xml);

/// dfs, rclone, external_rclone or none; `given` is the configured mount_type (SVC-147).
Result<std::string> decypharr_mode(const json::object& block, std::string_view given);
/// Where each debrid of config.json is mounted in mode rclone, as the file spells it (SVC-150).
std::vector<std::string> decypharr_provider_mounts(const json::object& config, const std::string& mount_path);
/// Whether the installed version reads the layout that came after 1.1.6 (SVC-149).
bool decypharr_new_layout(const json::object& block, std::string_view installed);

/// config.json as it must be; `text` is what is there.
Result<std::string> decypharr_config(Scope& scope, std::string_view text);

/// Adds `{x|decypharr-mode}` and `{provider_mounts}`.
void add_decypharr_models(Scope& scope);

}  // namespace dumb::setup
