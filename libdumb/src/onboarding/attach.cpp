// The zurg and rclone instances of a core service (ONB-24 to ONB-29).
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/config/core_service.hpp>

#include "onboarding/workbench.hpp"

namespace dumb::onboarding {
namespace {

bool has_key_type(const json::object& block, const Attachment& wanted) {
  return wanted.zurg_based || provider_fold(jsonx::string_at(block, "key_type")) == wanted.token;
}

/// ONB-27: a block that serves others as well serves this core, too.
void add_core_service(Workbench& bench, json::object& block, const std::string& core_key) {
  if (config::has_core_service(block, core_key, *bench.facts.model)) return;
  json::value& member = block["core_service"];
  if (auto* list = member.if_array()) {
    list->emplace_back(core_key);
  } else {
    const std::string present = member.is_string() ? std::string(text::trim(member.get_string())) : "";
    member = json::string(present.empty() ? core_key : present + "," + core_key);
  }
}

bool is_mount_name(const json::object& instances, const std::string& name) {
  return std::any_of(instances.begin(), instances.end(), [&](const auto& one) {
    const auto* block = one.value().if_object();
    return block != nullptr && jsonx::string_at(*block, "mount_name") == name;
  });
}

json::object new_zurg(const Workbench& bench, const Attachment& wanted) {
  const std::string directory = "/zurg/RD/" + text::replace_all(wanted.display, " ", "_");
  json::object block = bench.service("zurg").defaults;
  block["enabled"] = true;
  block["core_service"] = wanted.core_key;
  block["process_name"] = Workbench::free_name(
      "Zurg w/ " + wanted.display, " ", [&](const std::string& name) { return bench.is_process_name(name); });
  block["config_dir"] = directory;
  block["config_file"] = directory + "/config.yml";
  block["command"] = directory + "/zurg";
  block["api_key"] = wanted.api_key;
  return block;
}

json::object new_rclone(Workbench& bench, const Attachment& wanted, const std::string& zurg_config_file) {
  const json::object& others = bench.instances("rclone");
  const std::string mount = Workbench::free_name(
      wanted.slug, "_", [&](const std::string& name) { return is_mount_name(others, name); });
  json::object block = bench.service("rclone").defaults;
  block["enabled"] = true;
  block["core_service"] = wanted.core_key;
  block["process_name"] =
      Workbench::free_name("Rclone w/ " + wanted.display, " ",
                           [&](const std::string& name) { return bench.is_process_name(name); });
  block["mount_name"] = mount;
  block["log_file"] = "/log/rclone_w_" + wanted.slug + ".log";
  block["key_type"] = wanted.token;
  block["zurg_enabled"] = wanted.zurg_based;
  block["decypharr_enabled"] = wanted.core_key == "decypharr";
  block["zurg_config_file"] = wanted.zurg_based ? zurg_config_file : std::string();
  if (wanted.core_key == "decypharr") block["api_key"] = wanted.api_key;
  return block;
}

/// Puts the instance in place and applies its options.
Fault attach(Workbench& bench, const std::string& key, const Attachment& wanted,
             const std::function<json::object()>& make, bool takes_key,
             const std::vector<OptionSource>& sources, const std::string& service, std::string& instance) {
  const auto found = find_attached(bench, key, wanted);
  instance = found.value_or(wanted.display);
  if (!found) {
    bench.purge_placeholders(key, instance);
    json::object made = make();
    bench.instances(key)[instance] = std::move(made);
  }
  const JsonPath path = bench.path_of(key, instance);
  json::object& block = *bench.block(path);
  block["enabled"] = true;
  add_core_service(bench, block, wanted.core_key);
  if (takes_key && !wanted.api_key.empty()) block["api_key"] = wanted.api_key;
  return apply_options(bench, path, service, groups_for(bench, sources, key, instance));
}

}  // namespace

std::optional<std::string> find_attached(const Workbench& bench, const std::string& key,
                                         const Attachment& wanted) {
  JsonPath path = bench.path_of(key, {});
  path.emplace_back("instances");
  const json::object* instances = bench.block(path);
  if (instances == nullptr) return std::nullopt;
  if (instances->contains(wanted.display)) return wanted.display;
  std::vector<std::string> serving;
  for (const auto& [name, value] : *instances) {
    const auto* block = value.if_object();
    if (block == nullptr || !config::has_core_service(*block, wanted.core_key, *bench.facts.model)) continue;
    if (has_key_type(*block, wanted)) serving.emplace_back(name);
  }
  if (serving.size() != 1) return std::nullopt;
  return serving.front();
}

Fault attach_zurg(Workbench& bench, const Attachment& wanted, const std::vector<OptionSource>& sources,
                  const std::string& service, std::string& instance) {
  const auto make = [&] { return new_zurg(bench, wanted); };
  return attach(bench, "zurg", wanted, make, true, sources, service, instance);
}

Fault attach_rclone(Workbench& bench, const Attachment& wanted, const std::string& zurg_config_file,
                    const std::vector<OptionSource>& sources, const std::string& service,
                    std::string& instance) {
  const auto make = [&] { return new_rclone(bench, wanted, zurg_config_file); };
  const bool takes_key = wanted.core_key == "decypharr";
  return attach(bench, "rclone", wanted, make, takes_key, sources, service, instance);
}

}  // namespace dumb::onboarding
