#pragma once

#include <boost/json/object.hpp>
#include <dumb/onboarding/decision.hpp>
#include <dumb/onboarding/names.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// The copy of the document that one call changes, and what the parts of the decision share. Pure.
namespace dumb::onboarding {

/// nullopt: it worked.
using Fault = std::optional<Failure>;

inline Fault invalid(std::string message) {
  return Failure{Stage::validate, std::move(message)};
}
inline Fault misconfigured(std::string message) {
  return Failure{Stage::configure, std::move(message)};
}

struct Workbench {
  Workbench(const Facts& given, const Request& asked)
      : facts(given), request(asked), document(given.config->effective()) {}

  const Facts& facts;
  const Request& request;
  json::object document;
  std::vector<WarningEntry> warnings;

  const catalog::Service& service(std::string_view key) const;
  /// Where the block of a service or instance is; the key may be one that only the file has.
  JsonPath path_of(const std::string& key, const std::string& instance) const;
  /// null when there is none.
  json::object* block(const JsonPath& path);
  const json::object* block(const JsonPath& path) const;
  /// The members of `instances` of a key; created when missing.
  json::object& instances(const std::string& key);
  void warn(std::string_view service, std::string warning);
  /// `name`, or the first of `name<separator>2`, `name<separator>3` … that `taken` does not know.
  static std::string free_name(const std::string& name, std::string_view separator,
                               const std::function<bool(const std::string&)>& taken);
  bool is_process_name(std::string_view name) const;
  std::string process_name_at(const JsonPath& path) const;
  /// ONB-28.
  bool untouched_placeholder(const std::string& key, const std::string& instance) const;
  /// ONB-28, ONB-38: removes the untouched placeholders of the key, but not `kept`.
  void purge_placeholders(const std::string& key, const std::string& kept);
  /// What the document must fulfil (ONB-42); a violation lists every place.
  Fault check() const;
};

/// What a request says about one block (ONB-41).
struct OptionSource {
  const json::object* groups = nullptr;   ///< group name -> options
  std::set<std::string>* used = nullptr;  ///< names of groups that were applied; may be null
};

/// The groups for a block in the order they apply: those of the service first, then those of the instance.
std::vector<const json::object*> groups_for(const Workbench& bench, const std::vector<OptionSource>& sources,
                                            const std::string& key, const std::string& instance);
/// The last `enabled` of the groups; fails when one is no boolean (API-11).
Fault read_enabled(const std::vector<const json::object*>& groups, std::optional<bool>& out);
/// ONB-42: applies the groups to the block at `path`. `service` is who is told about unknown options.
Fault apply_options(Workbench& bench, const JsonPath& path, const std::string& service,
                    const std::vector<const json::object*>& groups);

/// One provider of a request with its key; the key may be empty.
struct Debrid {
  const Provider* provider = nullptr;
  std::string key;
};
/// ONB-15 to ONB-17: what the core object says about providers, checked against what the service takes.
Fault read_debrid(const CoreRequest& core, const catalog::Service& service, std::vector<Debrid>& out);
/// ONB-39, ONB-40 for decypharr.
void store_api_key(json::object& block, const Provider& provider, const std::string& key);
/// The stored key of a provider, whatever the spelling of its name; "" when there is none.
std::string stored_api_key(const json::object& block, const Provider& provider);

/// ONB-24 to ONB-29: finds or makes the instance of a core service; gives its name.
struct Attachment {
  std::string core_key;
  std::string display;  ///< D
  std::string slug;
  std::string token;    ///< provider token, or "nzbdav"; key_type of rclone
  std::string api_key;  ///< "" leaves what is stored
  bool zurg_based = false;
  std::vector<const json::object*> zurg_options, rclone_options;
};
std::optional<std::string> find_attached(const Workbench& bench, const std::string& key,
                                         const Attachment& wanted);
Fault attach_zurg(Workbench& bench, const Attachment& wanted, const std::vector<OptionSource>& sources,
                  const std::string& service, std::string& instance);
Fault attach_rclone(Workbench& bench, const Attachment& wanted, const std::string& zurg_config_file,
                    const std::vector<OptionSource>& sources, const std::string& service,
                    std::string& instance);

/// ONB-35 to ONB-38: the instances of a key that a core object or optional service means. Empty without a
/// fault: nothing is to be started (ONB-43).
Fault choose_instances(Workbench& bench, const catalog::Service& service, const std::string& wanted,
                       std::vector<std::string>& targets);
/// ONB-35 for optional services.
void choose_optional_instances(Workbench& bench, const catalog::Service& service,
                               std::vector<std::string>& targets);
/// The letters an instance name may have (ONB-36), trimmed.
std::string clean_instance_name(std::string_view name);

/// One block of the call, in plan order.
struct PortTarget {
  JsonPath path;
  std::string key;
  std::string process_name;
};
/// ONB-47 to ONB-52: decides the ports of the blocks of the call on the copy. Failures go to `launches`.
void assign_call_ports(Workbench& bench, const std::vector<PortTarget>& targets,
                       std::map<std::string, Launch>& launches, std::vector<PortChangeEntry>& changes);

/// What turns one document into the other, in document order.
std::vector<config::Edit> difference(const json::object& from, const json::object& to);
/// ONB-56: whether the change matters to a running process.
bool matters_at_run_time(const json::object& before, const json::object& after);

}  // namespace dumb::onboarding
