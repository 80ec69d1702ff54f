// What one core object configures, with all it needs.
#include "onboarding/core_unit.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::onboarding {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

class Maker {
 public:
  Maker(const CoreUnit& core, Unit& unit)
      : core_(core), bench_(core.bench), unit_(unit), sources_{{&core.asked.service_options, &used_}} {}

  Fault run() {
    if (Fault fault = read_providers()) return fault;
    if (Fault fault = refuse_disabled(core_.service.key)) return fault;
    if (core_.service.multi_instance) {
      if (Fault fault = make_instances()) return fault;
    } else {
      if (Fault fault = make_single()) return fault;
    }
    warn_of_unused_groups();
    return std::nullopt;
  }

 private:
  const std::vector<std::string>& needs() const { return core_.service.dependencies.requires_; }
  bool zurg_based() const { return contains(needs(), "zurg"); }

  Fault read_providers() {
    if (core_.service.debrid_providers.empty()) {
      if (!core_.asked.debrid_service.empty() || !core_.asked.debrid_key.empty())
        bench_.warn(unit_.service, core_.service.display_name + " takes no debrid provider; it is ignored");
      return std::nullopt;
    }
    return read_debrid(core_.asked, core_.service, debrid_);
  }

  Fault refuse_disabled(const std::string& key) {
    std::optional<bool> enabled;
    if (Fault fault = read_enabled(groups_for(bench_, sources_, key, {}), enabled)) return fault;
    if (enabled == false) return misconfigured(key + " cannot be disabled by an option here");
    return std::nullopt;
  }

  void add(const std::string& key, const std::string& instance, Role role) {
    unit_.members.push_back({bench_.process_name_at(bench_.path_of(key, instance)), key, role});
  }

  // ---- instances ----

  Fault make_instances() {
    std::vector<std::string> targets;
    if (Fault fault = choose_instances(bench_, core_.service, core_.instance, targets)) return fault;
    for (const std::string& instance : targets) {
      const auto groups = groups_for(bench_, sources_, core_.service.key, instance);
      const JsonPath path = bench_.path_of(core_.service.key, instance);
      if (Fault fault = apply_options(bench_, path, unit_.service, groups)) return fault;
      add(core_.service.key, instance, Role::own);
    }
    if (targets.empty()) skip();
    return std::nullopt;
  }

  /// ONB-43.
  void skip() {
    unit_.skipped = true;
    std::string names;
    for (const auto& [name, value] : bench_.instances(core_.service.key)) {
      names += names.empty() ? "" : ", ";
      names += std::string_view(name);
    }
    bench_.warn(unit_.service, "none of its instances is enabled: " + names);
  }

  // ---- single services ----

  Fault make_single() {
    const JsonPath path = bench_.path_of(core_.service.key, {});
    if (bench_.block(path) == nullptr) return invalid(core_.service.key + " has no block");
    if (zurg_based()) {
      if (Fault fault = require_key()) return fault;
    }
    (*bench_.block(path))["enabled"] = true;
    const auto groups = groups_for(bench_, sources_, core_.service.key, {});
    if (Fault fault = apply_options(bench_, path, unit_.service, groups)) return fault;
    if (core_.service.key == "decypharr") {
      if (Fault fault = make_decypharr(path)) return fault;
    }
    for (const std::string& need : needs()) {
      if (Fault fault = make_need(need)) return fault;
    }
    add(core_.service.key, {}, Role::own);
    for (const Attachment& one : after_) {
      std::string instance;
      if (Fault fault = attach_rclone(bench_, one, {}, sources_, unit_.service, instance)) return fault;
      add("rclone", instance, Role::after);
    }
    return std::nullopt;
  }

  Attachment attachment() const {
    Attachment out;
    out.core_key = core_.service.key;
    out.display = core_.service.display_name;
    out.slug = text::replace_all(text::lower(out.display), " ", "_");
    out.zurg_based = zurg_based();
    out.token = out.zurg_based ? "realdebrid" : core_.service.key;
    if (out.zurg_based && !debrid_.empty()) out.api_key = debrid_.front().key;
    return out;
  }

  /// ONB-17, before anything is made.
  Fault require_key() {
    if (debrid_.size() > 1) return invalid(core_.service.display_name + " takes one debrid provider");
    const Attachment wanted = attachment();
    if (!wanted.api_key.empty()) return std::nullopt;
    const auto instance = find_attached(bench_, "zurg", wanted);
    const json::object* block = instance ? bench_.block(bench_.path_of("zurg", *instance)) : nullptr;
    if (block != nullptr && !text::blank(jsonx::string_at(*block, "api_key"))) return std::nullopt;
    return invalid("a debrid key is needed");
  }

  Fault make_need(const std::string& key) {
    if (key == "zurg") return make_zurg();
    if (key == "rclone") return zurg_based() ? make_zurg_rclone() : make_nzbdav_rclone();
    return make_dependency(key);
  }

  Fault make_zurg() {
    if (Fault fault = refuse_disabled("zurg")) return fault;
    std::string instance;
    if (Fault fault = attach_zurg(bench_, attachment(), sources_, unit_.service, instance)) return fault;
    zurg_config_file_ = jsonx::string_at(*bench_.block(bench_.path_of("zurg", instance)), "config_file");
    add("zurg", instance, Role::dependency);
    return std::nullopt;
  }

  Fault make_zurg_rclone() {
    if (Fault fault = refuse_disabled("rclone")) return fault;
    std::string instance;
    if (Fault fault =
            attach_rclone(bench_, attachment(), zurg_config_file_, sources_, unit_.service, instance))
      return fault;
    add("rclone", instance, Role::dependency);
    return std::nullopt;
  }

  /// ONB-23: whether options take rclone out of the plan.
  Fault rclone_wanted(bool& wanted) {
    std::optional<bool> enabled;
    if (Fault fault = read_enabled(groups_for(bench_, sources_, "rclone", {}), enabled)) return fault;
    wanted = enabled != false;
    return std::nullopt;
  }

  Fault make_nzbdav_rclone() {
    if (core_.service.key == "decypharr") return std::nullopt;  // make_decypharr()
    bool wanted = true;
    if (Fault fault = rclone_wanted(wanted)) return fault;
    if (wanted) after_.push_back(attachment());
    return std::nullopt;
  }

  Fault make_dependency(const std::string& key) {
    const auto groups = groups_for(bench_, sources_, key, {});
    std::optional<bool> enabled;
    if (Fault fault = read_enabled(groups, enabled)) return fault;
    if (enabled == false) return std::nullopt;
    const JsonPath path = bench_.path_of(key, {});
    if (bench_.block(path) == nullptr) return invalid(key + " has no block");
    (*bench_.block(path))["enabled"] = true;
    if (Fault fault = apply_options(bench_, path, unit_.service, groups)) return fault;
    const bool soft = contains(core_.service.dependencies.optional_requires, key);
    add(key, {}, soft ? Role::soft : Role::dependency);
    return std::nullopt;
  }

  // ---- decypharr ----

  Fault make_decypharr(const JsonPath& path) {
    for (const Debrid& one : debrid_) {
      json::object& block = *bench_.block(path);
      if (one.key.empty() && stored_api_key(block, *one.provider).empty())
        return invalid("a debrid key is needed for " + std::string(one.provider->name));
      store_api_key(block, *one.provider, one.key);
    }
    json::object& block = *bench_.block(path);
    const bool beta = text::iequals(text::trim(jsonx::string_at(block, "branch")), "beta");
    if (beta) {
      block["branch_enabled"] = true;
      block["release_version_enabled"] = false;
    }
    std::string mount = text::lower(text::trim(jsonx::string_at(block, "mount_type")));
    if (mount.empty()) mount = beta ? "dfs" : "rclone";
    if (jsonx::string_at(block, "mount_type") != mount) block["mount_type"] = mount;
    if (mount != "external_rclone") return std::nullopt;  // others are for the schema to judge
    return make_external_rclone(block);
  }

  Fault make_external_rclone(const json::object& block) {
    bool wanted = true;
    if (Fault fault = rclone_wanted(wanted)) return fault;
    std::vector<const Provider*> mounted;
    for (const Debrid& one : debrid_) mounted.push_back(one.provider);
    if (const json::value* keys = block.if_contains("api_keys"); keys != nullptr && keys->is_object()) {
      for (const auto& [name, value] : keys->get_object()) {
        const Provider* provider = find_provider(name);
        const bool known = std::find(mounted.begin(), mounted.end(), provider) != mounted.end();
        if (provider != nullptr && !known) mounted.push_back(provider);
      }
    }
    if (mounted.empty()) return invalid("external_rclone needs a debrid provider");
    for (const Provider* provider : mounted) {
      Attachment one = attachment();
      one.display = "Decypharr (" + std::string(provider->display) + ")";
      one.token = std::string(provider->token);
      one.slug = "decypharr_" + one.token;
      one.api_key = stored_api_key(block, *provider);
      if (wanted) after_.push_back(std::move(one));
    }
    return std::nullopt;
  }

  /// ONB-41: groups that were for nothing. What the frontend offers is never a mistake.
  void warn_of_unused_groups() {
    for (const auto& [group, options] : core_.asked.service_options) {
      if (used_.contains(std::string(group))) continue;
      const auto named = resolve(group, *bench_.facts.config, *bench_.facts.catalog);
      if (named && (contains(core_.optional_keys, named->key) || contains(needs(), named->key))) continue;
      bench_.warn(unit_.service, "the options of '" + std::string(group) + "' are for nothing in this call");
    }
  }

  const CoreUnit& core_;
  Workbench& bench_;
  Unit& unit_;
  std::set<std::string> used_;
  std::vector<OptionSource> sources_;
  std::vector<Debrid> debrid_;
  std::vector<Attachment> after_;
  std::string zurg_config_file_;
};

}  // namespace

Fault make_core_unit(const CoreUnit& core, Unit& unit) {
  return Maker(core, unit).run();
}

}  // namespace dumb::onboarding
