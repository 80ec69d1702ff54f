#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "config/merge.hpp"
#include "config/migrate.hpp"
#include "config/updates.hpp"
#include "config/validate.hpp"
#include "onboarding/workbench.hpp"

namespace dumb::onboarding {
namespace {

enum class Scope { none, service, instance };

/// What a group is to the block. A name of a service means the service, also where an instance bears it.
Scope scope_of(const Workbench& bench, std::string_view group, const std::string& key,
               const std::string& instance) {
  if (const auto named = resolve(group, *bench.facts.config, *bench.facts.catalog)) {
    if (named->instance.empty()) return named->key == key ? Scope::service : Scope::none;
    return named->key == key && named->instance == instance ? Scope::instance : Scope::none;
  }
  return !instance.empty() && text::iequals(text::trim(group), instance) ? Scope::instance : Scope::none;
}

/// Later members replace earlier ones, objects are merged.
void overlay(json::object& target, const json::object& source) {
  for (const auto& [name, value] : source) {
    if (value.is_null()) continue;
    json::value& member = target[name];
    if (member.is_object() && value.is_object()) {
      overlay(member.get_object(), value.get_object());
    } else {
      member = value;
    }
  }
}

std::optional<bool> as_bool(const json::value& value) {
  json::array loc;
  codec::Faults faults;
  bool out = false;
  if (!codec::decode(value, loc, faults, out)) return std::nullopt;
  return out;
}

/// ONB-21. The field is never stored.
Fault translate_embedded_rclone(json::object& options) {
  const json::value* old = options.if_contains(config::old_mount_field);
  if (old == nullptr) return std::nullopt;
  const auto embedded = as_bool(*old);
  if (!embedded) return misconfigured("use_embedded_rclone must be a boolean");
  options.stable_erase(config::old_mount_field);
  if (!options.contains("mount_type")) options["mount_type"] = *embedded ? "rclone" : "external_rclone";
  return std::nullopt;
}

Fault check_names(const Workbench& bench, const JsonPath& path, const json::object& options) {
  for (const char* name : {"process_name", "instances"}) {
    if (options.contains(name)) return misconfigured(std::string(name) + " cannot be set by an option");
  }
  const catalog::Service* service = bench.facts.catalog->find(path.front());
  if (service != nullptr && service->install.contains("branch_only")) {
    for (const char* name : {"release_version_enabled", "release_version"}) {
      if (options.contains(name))
        return misconfigured(std::string(name) + " is not supported by " + service->display_name);
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<const json::object*> groups_for(const Workbench& bench, const std::vector<OptionSource>& sources,
                                            const std::string& key, const std::string& instance) {
  std::vector<const json::object*> out;
  for (const OptionSource& source : sources) {
    for (const Scope scope : {Scope::service, Scope::instance}) {
      for (const auto& [group, options] : *source.groups) {
        if (!options.is_object() || scope_of(bench, group, key, instance) != scope) continue;
        if (source.used != nullptr) source.used->insert(std::string(group));
        out.push_back(&options.get_object());
      }
    }
  }
  return out;
}

Fault read_enabled(const std::vector<const json::object*>& groups, std::optional<bool>& out) {
  for (const json::object* group : groups) {
    const json::value* value = group->if_contains("enabled");
    if (value == nullptr || value->is_null()) continue;
    const auto wanted = as_bool(*value);
    if (!wanted) return misconfigured("enabled must be a boolean");
    out = *wanted;
  }
  return std::nullopt;
}

Fault apply_options(Workbench& bench, const JsonPath& path, const std::string& service,
                    const std::vector<const json::object*>& groups) {
  json::object wanted;
  for (const json::object* group : groups) overlay(wanted, *group);
  if (wanted.contains("enabled")) wanted.stable_erase("enabled");
  if (path == JsonPath{"decypharr"}) {
    if (Fault fault = translate_embedded_rclone(wanted)) return fault;
  }
  wanted = config::migrate_updates(wanted, path, *bench.facts.model);
  if (Fault fault = check_names(bench, path, wanted)) return fault;
  json::object& block = *bench.block(path);
  std::vector<std::string> unknown;
  for (const auto& [name, value] : wanted) {
    if (!config::is_allowed_key(*bench.facts.model, path, block, name)) unknown.emplace_back(name);
  }
  for (const std::string& name : unknown) {
    bench.warn(service, "'" + name + "' is not a setting of " + bench.process_name_at(path));
    wanted.stable_erase(name);
  }
  config::normalise_updates(wanted, path, *bench.facts.model);
  overlay(block, wanted);
  return std::nullopt;
}

}  // namespace dumb::onboarding
