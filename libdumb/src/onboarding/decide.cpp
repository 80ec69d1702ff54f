// From a request to units of work, in the order of ONB-30.
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/onboarding/listings.hpp>

#include "onboarding/core_unit.hpp"
#include "onboarding/workbench.hpp"

namespace dumb::onboarding {
namespace {

/// A core object and what its name means.
struct CoreItem {
  const CoreRequest* asked = nullptr;
  std::string key;
  std::string instance;
  Fault fault;
};

struct OptionalItem {
  std::string sent;
  std::string key;
  Fault fault;
};

class Decider {
 public:
  Decider(const Facts& facts, const Request& request) : bench_(facts, request) {
    read_cores();
    read_optionals();
  }

  Decision run() {
    for (CoreItem& item : cores_) {
      if (is_media_server(item.key)) add_core(item);
    }
    add_prerequisites();
    for (const OptionalItem& item : optionals_) {
      if (item.key != "postgres" && item.key != "riven_frontend") add_optional(item);
    }
    for (CoreItem& item : cores_) {
      if (!is_media_server(item.key)) add_core(item);
    }
    for (const OptionalItem& item : optionals_) {
      if (item.key == "riven_frontend") add_frontend(item);
    }
    const bool empty = bench_.request.core_services.empty() && bench_.request.optional_services.empty();
    if (!empty) add_huntarr();
    finish();
    return std::move(out_);
  }

 private:
  static bool is_media_server(const std::string& key) {
    return key == "plex" || key == "jellyfin" || key == "emby";
  }

  void read_cores() {
    std::set<std::pair<std::string, std::string>> seen;
    for (const CoreRequest& core : bench_.request.core_services) {
      CoreItem item;
      item.asked = &core;
      const auto named = resolve(core.name, *bench_.facts.config, *bench_.facts.catalog);
      const catalog::Service* service = named ? bench_.facts.catalog->find(named->key) : nullptr;
      if (!named) {
        item.fault = invalid("'" + core.name + "' is not found");
      } else if (service == nullptr || !is_core(*service)) {
        item.fault = invalid("'" + core.name + "' is not a core service");
      } else if (!service->in_default_config && bench_.block(JsonPath{service->key}) == nullptr) {
        item.fault = invalid("'" + core.name + "' is not in the configuration");
      } else {
        item.key = service->key;
        if (service->multi_instance) {
          const std::string wanted = core.instance_name.value_or("");
          item.instance = text::blank(wanted) ? named->instance : wanted;
        }
        const std::string folded = text::lower(clean_instance_name(item.instance));
        if (!seen.emplace(item.key, folded).second)
          item.fault = invalid("'" + core.name + "' is in the request twice");
      }
      cores_.push_back(std::move(item));
    }
  }

  void read_optionals() {
    for (const std::string& sent : bench_.request.optional_services) {
      OptionalItem item;
      item.sent = std::string(text::trim(sent));
      const auto named = resolve(sent, *bench_.facts.config, *bench_.facts.catalog);
      if (named) item.key = named->key;
      const std::string id = named ? item.key : item.sent;
      const bool again = std::any_of(optionals_.begin(), optionals_.end(), [&](const OptionalItem& other) {
        return (other.key.empty() ? other.sent : other.key) == id;
      });
      if (again) continue;
      item.fault = not_optional(item);
      optionals_.push_back(std::move(item));
    }
  }

  /// ONB-13.
  Fault not_optional(const OptionalItem& item) const {
    const bool reserved =
        item.key == "dumb" || item.key.starts_with("dumb_") || item.key == "rclone" || item.key == "zurg";
    const json::object* section = item.key.empty() ? nullptr : bench_.block(bench_.path_of(item.key, {}));
    const bool has_block =
        section != nullptr && (section->contains("process_name") || section->contains("instances"));
    if (!reserved && has_block) return std::nullopt;
    return invalid("'" + item.sent + "' is not an optional service");
  }

  bool selected(std::string_view key) const {
    return std::any_of(optionals_.begin(), optionals_.end(),
                       [&](const OptionalItem& item) { return !item.fault && item.key == key; });
  }

  /// Runs `make` on the copy; without effect there when it fails.
  Unit attempt(Unit unit, const std::function<Fault(Unit&)>& make) {
    const json::object before = bench_.document;
    Fault fault = make(unit);
    if (!fault) fault = bench_.check();
    if (fault) {
      bench_.document = before;
      unit.members.clear();
      unit.skipped = false;
      unit.refused = std::move(fault);
    }
    return unit;
  }

  void add_core(CoreItem& item) {
    Unit unit;
    unit.service = item.asked->name;
    unit.key = item.key;
    unit.kind = Unit::Kind::core;
    if (item.fault) {
      unit.refused = item.fault;
    } else {
      const CoreUnit work{bench_, *item.asked, bench_.service(item.key), item.instance, optional_keys_of()};
      unit = attempt(std::move(unit), [&](Unit& made) { return make_core_unit(work, made); });
    }
    out_.units.push_back(std::move(unit));
  }

  std::vector<std::string> optional_keys_of() const {
    std::vector<std::string> keys = optional_keys();
    for (const OptionalItem& item : optionals_) keys.push_back(item.key);
    return keys;
  }

  /// Options of an optional service (ONB-41).
  std::vector<OptionSource> optional_sources() const {
    std::vector<OptionSource> sources;
    for (const CoreRequest& core : bench_.request.core_services)
      sources.push_back({&core.service_options, nullptr});
    sources.push_back({&bench_.request.optional_service_options, nullptr});
    return sources;
  }

  /// Adds the processes of a service outside the core workflows; nothing when options take it out (ONB-23).
  Fault add_service(const std::string& key, Role role, Unit& unit) {
    const catalog::Service* service = bench_.facts.catalog->find(key);
    const auto groups = groups_for(bench_, optional_sources(), key, {});
    std::optional<bool> enabled;
    if (Fault fault = read_enabled(groups, enabled)) return fault;
    if (enabled == false) {
      if (role == Role::dependency) return std::nullopt;
      return misconfigured("enabled:false contradicts its selection");
    }
    std::vector<std::string> targets{std::string()};
    if (service != nullptr && service->multi_instance) choose_optional_instances(bench_, *service, targets);
    for (const std::string& instance : targets) {
      const JsonPath path = bench_.path_of(key, instance);
      (*bench_.block(path))["enabled"] = true;
      const auto wanted = groups_for(bench_, optional_sources(), key, instance);
      if (Fault fault = apply_options(bench_, path, unit.service, wanted)) return fault;
      unit.members.push_back({bench_.process_name_at(path), key, role});
    }
    return std::nullopt;
  }

  /// ONB-30, 2.
  void add_prerequisites() {
    for (const OptionalItem& item : optionals_) {
      if (item.key == "postgres") return add_optional(item);
    }
    if (!selected("zilean") && !selected("pgadmin")) return;
    Unit unit;
    unit.service = unit.key = "postgres";
    unit.kind = Unit::Kind::prerequisite;
    unit =
        attempt(std::move(unit), [&](Unit& made) { return add_service("postgres", Role::dependency, made); });
    out_.units.push_back(std::move(unit));
  }

  Unit optional_unit(const OptionalItem& item) const {
    Unit unit;
    unit.service = item.key.empty() ? item.sent : item.key;
    unit.key = item.key;
    unit.kind = Unit::Kind::optional;
    unit.refused = item.fault;
    return unit;
  }

  void add_optional(const OptionalItem& item) {
    Unit unit = optional_unit(item);
    if (!unit.refused) {
      unit = attempt(std::move(unit), [&](Unit& made) -> Fault {
        if (item.key == "zilean" || item.key == "pgadmin") {
          if (Fault fault = add_service("postgres", Role::dependency, made)) return fault;
        }
        return add_service(item.key, Role::own, made);
      });
    }
    out_.units.push_back(std::move(unit));
  }

  /// ONB-33.
  void add_frontend(const OptionalItem& item) {
    Unit unit = optional_unit(item);
    const std::string backend = bench_.process_name_at(bench_.path_of("riven_backend", {}));
    const auto core = std::find_if(out_.units.begin(), out_.units.end(), [](const Unit& one) {
      return one.key == "riven_backend" && one.kind != Unit::Kind::prerequisite;
    });
    if (!unit.refused && core == out_.units.end() && !bench_.facts.running.contains(backend))
      unit.refused = invalid(backend + " is neither in the request nor running");
    if (!unit.refused && core != out_.units.end() && core->refused)
      unit.refused = Failure{core->refused->stage, backend + " failed: " + core->refused->message};
    if (!unit.refused) {
      unit = attempt(std::move(unit), [&](Unit& made) -> Fault {
        if (core != out_.units.end()) made.members.push_back({backend, "riven_backend", Role::dependency});
        return add_service(item.key, Role::own, made);
      });
    }
    out_.units.push_back(std::move(unit));
  }

  /// ONB-44.
  void add_huntarr() {
    if (!is_huntarr_wanted() || !bench_.block(JsonPath{"huntarr"})) return;
    Unit unit;
    unit.service = unit.key = "huntarr";
    unit.kind = Unit::Kind::follow_up;
    unit = attempt(std::move(unit), [&](Unit& made) -> Fault {
      std::vector<std::string> targets;
      choose_optional_instances(bench_, bench_.service("huntarr"), targets);
      std::vector<OptionSource> sources{{&bench_.request.optional_service_options, nullptr}};
      for (const std::string& instance : targets) {
        const JsonPath path = bench_.path_of("huntarr", instance);
        const auto groups = groups_for(bench_, sources, "huntarr", instance);
        if (Fault fault = apply_options(bench_, path, made.service, groups)) return fault;
        made.members.push_back({bench_.process_name_at(path), "huntarr", Role::own});
      }
      return std::nullopt;
    });
    std::erase_if(unit.members, [this](const Member& member) {
      return std::any_of(out_.units.begin(), out_.units.end(), [&](const Unit& other) {
        return std::any_of(other.members.begin(), other.members.end(),
                           [&](const Member& one) { return one.process_name == member.process_name; });
      });
    });
    if (unit.refused || !unit.members.empty()) out_.units.push_back(std::move(unit));
  }

  bool is_huntarr_wanted() const {
    for (const config::BlockRef& ref : config::collect_blocks(bench_.document)) {
      const bool arr = ref.config_key == "sonarr" || ref.config_key == "radarr" ||
                       ref.config_key == "lidarr" || ref.config_key == "whisparr";
      if (arr && ref.enabled && jsonx::bool_at(*bench_.block(ref.path), "use_huntarr", false)) return true;
    }
    return false;
  }

  void finish() {
    std::vector<PortTarget> targets;
    std::map<std::string, config::BlockRef> refs;
    for (config::BlockRef& ref : config::collect_blocks(bench_.document))
      refs.emplace(ref.process_name, std::move(ref));
    for (const Unit& unit : out_.units) {
      for (const Member& member : unit.members) {
        const auto ref = refs.find(member.process_name);
        if (ref == refs.end() || !out_.launches.emplace(member.process_name, Launch()).second) continue;
        targets.push_back({ref->second.path, member.config_key, member.process_name});
      }
    }
    assign_call_ports(bench_, targets, out_.launches, out_.port_changes);
    for (const PortTarget& target : targets) {
      const json::value* before = jsonx::find(bench_.facts.config->effective(), target.path);
      if (before == nullptr || !before->is_object() || !bench_.facts.running.contains(target.process_name))
        continue;
      out_.launches[target.process_name].restart =
          matters_at_run_time(before->get_object(), *bench_.block(target.path));
    }
    out_.edits = difference(bench_.facts.config->effective(), bench_.document);
    out_.warnings = std::move(bench_.warnings);
  }

  Workbench bench_;
  std::vector<CoreItem> cores_;
  std::vector<OptionalItem> optionals_;
  Decision out_;
};

}  // namespace

Decision decide(const Facts& facts, const Request& request) {
  return Decider(facts, request).run();
}

}  // namespace dumb::onboarding
