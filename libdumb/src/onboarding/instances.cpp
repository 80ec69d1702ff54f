// Instances of services that can have several (ONB-35 to ONB-38).
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "onboarding/workbench.hpp"

namespace dumb::onboarding {
namespace {

bool continues_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/// `text` with the path part `from` replaced wherever it is one.
std::string rewritten(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    const std::size_t end = at + from.size();
    if (end < text.size() && continues_name(text[end])) {
      at = end;
      continue;
    }
    text.replace(at, from.size(), to);
    at += to.size();
  }
  return text;
}

void rewrite(json::value& value, const std::string& from, const std::string& to) {
  if (value.is_string()) {
    value = json::string(rewritten(std::string(value.get_string()), from, to));
  } else if (auto* array = value.if_array()) {
    for (json::value& element : *array) rewrite(element, from, to);
  } else if (auto* object = value.if_object()) {
    for (auto& member : *object) rewrite(member.value(), from, to);
  }
}

bool is_directory_of(const json::object& instances, const std::string& directory) {
  return std::any_of(instances.begin(), instances.end(), [&](const auto& one) {
    const auto* block = one.value().if_object();
    return block != nullptr && jsonx::string_at(*block, "config_dir") == directory;
  });
}

json::object clone(Workbench& bench, const catalog::Service& service, const std::string& name) {
  const json::object& siblings = bench.instances(service.key);
  const std::string base = "/" + service.key + "/";
  const std::string part = text::replace_all(text::lower(name), " ", "_");
  const std::string directory = Workbench::free_name(
      part, "_", [&](const std::string& one) { return is_directory_of(siblings, base + one); });
  json::object block = service.defaults;
  block["enabled"] = true;
  block["process_name"] =
      Workbench::free_name(service.display_name + " " + name, " ",
                           [&](const std::string& one) { return bench.is_process_name(one); });
  for (const char* member : {"config_dir", "config_file", "log_file", "exclude_dirs", "command", "env"}) {
    if (json::value* value = block.if_contains(member)) rewrite(*value, base + "default", base + directory);
  }
  return block;
}

std::optional<std::string> find_instance(const json::object& instances, const std::string& name) {
  if (instances.contains(name)) return name;
  for (const auto& [key, value] : instances) {
    if (text::iequals(key, name)) return std::string(key);
  }
  return std::nullopt;
}

std::vector<std::string> enabled_of(const json::object& instances) {
  std::vector<std::string> out;
  for (const auto& [name, value] : instances) {
    const auto* block = value.if_object();
    if (block != nullptr && jsonx::bool_at(*block, "enabled", false)) out.emplace_back(name);
  }
  return out;
}

/// ONB-37: the placeholder becomes an instance of the name it has.
std::string take_placeholder(Workbench& bench, const catalog::Service& service, const std::string& name) {
  json::object& instances = bench.instances(service.key);
  if (!instances.contains(name)) instances[name] = service.defaults;
  json::object& block = instances[name].get_object();
  block["enabled"] = true;
  const std::string packaged = jsonx::string_at(service.defaults, "process_name");
  if (jsonx::string_at(block, "process_name") == packaged) {
    // Its own name is no obstacle.
    block["process_name"] = "";
    const std::string wanted = service.display_name + " " + name;
    std::string chosen =
        Workbench::free_name(wanted, " ", [&](const std::string& one) { return bench.is_process_name(one); });
    bench.instances(service.key)[name].get_object()["process_name"] = std::move(chosen);
  }
  return name;
}

}  // namespace

std::string clean_instance_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (continues_name(c) || c == ' ') out.push_back(c);
  }
  return std::string(text::trim(out));
}

Fault choose_instances(Workbench& bench, const catalog::Service& service, const std::string& wanted,
                       std::vector<std::string>& targets) {
  if (!wanted.empty()) {
    const std::string name = clean_instance_name(wanted);
    if (name.empty()) return invalid("the instance name has no usable character");
    const auto found = find_instance(bench.instances(service.key), name);
    const std::string target = found.value_or(name);
    if (!found) {
      json::object made = clone(bench, service, name);
      bench.instances(service.key)[target] = std::move(made);
    }
    bench.purge_placeholders(service.key, target);
    bench.instances(service.key)[target].get_object()["enabled"] = true;
    targets.push_back(target);
    return std::nullopt;
  }
  const json::object& instances = bench.instances(service.key);
  targets = enabled_of(instances);
  if (!targets.empty()) return std::nullopt;
  const bool all_untouched = std::all_of(instances.begin(), instances.end(), [&](const auto& one) {
    return bench.untouched_placeholder(service.key, std::string(one.key()));
  });
  if (all_untouched) targets.push_back(take_placeholder(bench, service, service.template_instance));
  return std::nullopt;
}

void choose_optional_instances(Workbench& bench, const catalog::Service& service,
                               std::vector<std::string>& targets) {
  json::object& instances = bench.instances(service.key);
  targets = enabled_of(instances);
  if (!targets.empty()) return;
  const std::string first =
      instances.empty() ? service.template_instance : std::string(instances.begin()->key());
  if (instances.empty() || bench.untouched_placeholder(service.key, first)) {
    targets.push_back(take_placeholder(bench, service, first));
    return;
  }
  instances[first].get_object()["enabled"] = true;
  targets.push_back(first);
}

}  // namespace dumb::onboarding
