#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/onboarding/listings.hpp>
#include <dumb/onboarding/names.hpp>

namespace dumb::onboarding {
namespace {

struct Exposed {
  std::string_view field;
  std::string_view description;
};

/// ONB-88. What is not here is nobody's business during onboarding.
constexpr std::array<Exposed, 32> exposed{
    {{"repo_owner", "Owner of the GitHub repository"},
     {"repo_name", "Name of the GitHub repository"},
     {"release_version_enabled", "Stay on one release"},
     {"release_version", "Release tag to use"},
     {"branch_enabled", "Build from a branch"},
     {"branch", "Branch to build"},
     {"suppress_logging", "Keep its output out of the logs"},
     {"log_level", "Log verbosity"},
     {"port", "TCP port"},
     {"frontend_port", "TCP port of the NzbDAV UI"},
     {"backend_port", "TCP port of the NzbDAV backend"},
     {"auto_update", "Update automatically"},
     {"auto_update_interval", "Hours between update checks"},
     {"auto_update_start_time", "Daily anchor time of checks, HH:MM"},
     {"symlink_backup_enabled", "Take scheduled symlink snapshots"},
     {"core_service", "Core workflow(s) it belongs to"},
     {"symlink_backup_interval", "Hours between snapshots"},
     {"symlink_backup_start_time", "Daily anchor time of snapshots, HH:MM"},
     {"symlink_backup_path",
      "Manifest file pattern; placeholders {timestamp} {date} {time} {process_name} {process_slug}"},
     {"symlink_backup_include_broken", "Record dangling links too"},
     {"symlink_backup_roots", "Directories to snapshot"},
     {"symlink_backup_retention_count", "Manifests to keep, 0 = all"},
     {"plex_claim", "Claim token from plex.tv/claim"},
     {"friendly_name", "Name shown for the Plex server"},
     {"setup_email", "pgAdmin login e-mail"},
     {"setup_password", "pgAdmin login password"},
     {"origin", "Allowed browser origin"},
     {"mount_type", "dfs, rclone, external_rclone or none"},
     {"mount_path", "Directory for Decypharr's mount"},
     {"use_huntarr", "Register this Arr in Huntarr"},
     {"use_profilarr", "Register this Arr in Profilarr"},
     {"webdav_password", "WebDAV password, empty = generated"}}};

const Exposed* exposure(std::string_view field) {
  const auto* found =
      std::find_if(exposed.begin(), exposed.end(), [&](const Exposed& one) { return one.field == field; });
  return found == exposed.end() ? nullptr : found;
}

struct Options {
  json::object values;
  json::object descriptions;
};

Options options_of(const catalog::Service& service) {
  Options out;
  for (const auto& [name, value] : service.defaults) {
    const Exposed* one = exposure(name);
    if (one == nullptr) continue;
    out.values.emplace(name, value);
    out.descriptions.emplace(name, json::string(one->description));
  }
  return out;
}

/// ONB-89. A service that an overlay adds may say nothing of its own.
std::string description_of(const catalog::Service& service) {
  static const json::object none;
  const json::value* member = service.raw.if_contains("onboarding");
  const json::object& own = member != nullptr && member->is_object() ? member->get_object() : none;
  std::string out = jsonx::string_at(own, "text", service.summary);
  if (out.empty()) out = service.display_name;
  if (!service.debrid_providers.empty())
    out += "\n\nDebrid providers: " + text::join(service.debrid_providers, ", ");
  const std::string page = jsonx::string_at(own, "docs");
  if (!page.empty()) out += "\nhttps://dumbarr.com/services/" + page;
  return out;
}

CoreService core_entry(const catalog::Catalog& catalog, const catalog::Service& service) {
  CoreService out;
  out.name = service.display_name;
  out.key = service.key;
  out.dependencies = service.dependencies.requires_;
  out.description = description_of(service);
  out.debrid_providers = service.debrid_providers;
  const Options own = options_of(service);
  out.service_options.emplace(service.key, own.values);
  out.service_option_descriptions.emplace(service.key, own.descriptions);
  for (const std::string& need : out.dependencies) {
    const catalog::Service* dependency = catalog.find(need);
    if (dependency == nullptr || !dependency->in_default_config) continue;
    Options options = options_of(*dependency);
    out.service_options.emplace(need, std::move(options.values));
    out.service_option_descriptions.emplace(need, std::move(options.descriptions));
  }
  out.supports_instances = service.multi_instance;
  if (service.multi_instance) {
    out.instance_options.emplace(service.template_instance, own.values);
    out.instance_option_descriptions.emplace(service.template_instance, own.descriptions);
  }
  return out;
}

OptionalService optional_entry(const catalog::Service& service) {
  OptionalService out;
  out.name = service.display_name;
  out.key = service.key;
  out.description = description_of(service);
  Options own = options_of(service);
  out.service_options = std::move(own.values);
  out.service_option_descriptions = std::move(own.descriptions);
  return out;
}

/// ONB-86: what the wizard offers first comes first.
std::vector<std::string> core_listing(const catalog::Catalog& catalog) {
  std::vector<std::string> out{
      "plex",   "jellyfin", "emby",     "cli_debrid", "decypharr", "nzbdav",  "riven_backend", "radarr",
      "sonarr", "lidarr",   "prowlarr", "whisparr",   "seerr",     "huntarr", "profilarr",     "plex_debrid"};
  // Those of an overlay follow.
  for (const std::string& key : catalog.core_keys()) {
    if (std::find(out.begin(), out.end(), key) == out.end()) out.push_back(key);
  }
  return out;
}

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

const std::vector<std::string>& optional_keys() {
  static const std::vector<std::string> keys{"zilean", "pgadmin", "postgres", "riven_frontend", "tautulli"};
  return keys;
}

CoreServiceList core_services(const catalog::Catalog& catalog) {
  CoreServiceList out;
  for (const std::string& key : core_listing(catalog)) {
    const catalog::Service* service = catalog.find(key);
    if (service == nullptr || !is_core(*service) || !service->in_default_config) continue;
    out.core_services.push_back(core_entry(catalog, *service));
  }
  return out;
}

OptionalServiceList optional_services(const catalog::Catalog& catalog, const config::Snapshot& config,
                                      const OptionalQuery& query) {
  std::vector<std::string> named;
  for (const std::string& list : query.optional_services) {
    for (const std::string& name : text::split(list, ',')) {
      if (const auto found = resolve(name, config, catalog)) named.push_back(found->key);
    }
  }
  std::vector<std::string> needed;
  if (query.core_service) {
    const auto core = resolve(*query.core_service, config, catalog);
    const catalog::Service* service = core ? catalog.find(core->key) : nullptr;
    if (service != nullptr) needed = service->dependencies.requires_;
  }
  OptionalServiceList out;
  for (const std::string& key : optional_keys()) {
    const catalog::Service* service = catalog.find(key);
    if (service == nullptr) continue;
    const bool implied = key == "postgres" && (contains(named, "zilean") || contains(named, "pgadmin"));
    if (!contains(named, key) && (contains(needed, key) || implied)) continue;
    out.optional_services.push_back(optional_entry(*service));
  }
  return out;
}

}  // namespace dumb::onboarding
