#include "setup/linked_apps.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <map>
#include <set>

#include "setup/arr.hpp"

namespace dumb::setup {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> lists{
    {{"radarr", "RadarrInstances"},
     {"sonarr", "SonarrInstances"},
     {"lidarr", "LidarrInstances"},
     {"whisparr", "WhisparrInstances"}}};

/// Members in the order of their names, all the way down.
json::value sorted(const json::value& value) {
  if (value.is_array()) {
    json::array out;
    for (const json::value& element : value.get_array()) out.push_back(sorted(element));
    return json::value(std::move(out));
  }
  if (!value.is_object()) return value;
  std::map<std::string, json::value> members;
  for (const auto& [name, member] : value.get_object()) members.emplace(name, sorted(member));
  json::object out;
  for (auto& [name, member] : members) out[name] = std::move(member);
  return json::value(std::move(out));
}

json::array array_at(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_array() ? found->get_array() : json::array();
}

std::string host_of(const json::value& entry) {
  return entry.is_object() ? jsonx::text_at(entry.get_object(), "Host") : std::string();
}

bool is_placeholder(const std::string& name) {
  return name == "Default" || name == "Instance 1: Default";
}

}  // namespace

std::string nzbdav_instances(std::string_view present, const std::vector<ArrInstance>& linked) {
  const auto parsed = jsonx::parse(present);
  json::object document = parsed && parsed->is_object() ? parsed->get_object() : json::object();
  for (const auto& [key, list] : lists) {
    json::array entries = array_at(document, list);
    for (const ArrInstance& arr : linked) {
      if (arr.key != key) continue;
      const auto known = std::find_if(entries.begin(), entries.end(),
                                      [&](const json::value& entry) { return host_of(entry) == arr.url(); });
      json::object entry =
          known != entries.end() && known->is_object() ? known->get_object() : json::object();
      entry["Host"] = arr.url();
      entry["ApiKey"] = arr.api_key;
      entry["Instance"] = arr.instance;
      entry["Category"] = arr::slug(arr.key, arr.instance);
      if (known != entries.end()) {
        *known = std::move(entry);
      } else {
        entries.emplace_back(std::move(entry));
      }
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const json::value& a, const json::value& b) { return host_of(a) < host_of(b); });
    document[list] = std::move(entries);
  }
  if (!document.contains("QueueRules")) document["QueueRules"] = json::array();
  return jsonx::print_compact(sorted(json::value(std::move(document))));
}

std::string nzbdav_categories(std::string_view present, const std::vector<ArrInstance>& linked) {
  std::set<std::string> names{"movies", "tv", "music", "whisparr"};
  for (const std::string& name : text::split(present, ',')) {
    if (!text::blank(name)) names.insert(text::lower(text::trim(name)));
  }
  for (const ArrInstance& arr : linked) names.insert(arr::slug(arr.key, arr.instance));
  return text::join({names.begin(), names.end()}, ",");
}

json::object huntarr_app(const json::object& present, const std::string& key,
                         const std::vector<ArrInstance>& linked) {
  json::object out = present;
  const json::array before = array_at(present, "instances");
  const json::object pattern =
      !before.empty() && before.front().is_object() ? before.front().get_object() : json::object();
  json::array entries;
  const auto named = [&](const ArrInstance& arr, const std::string& name) {
    return text::iequals(name, arr.process_name);
  };
  for (const json::value& entry : before) {
    const std::string name = entry.is_object() ? jsonx::text_at(entry.get_object(), "name") : std::string();
    const bool is_linked =
        std::any_of(linked.begin(), linked.end(), [&](const ArrInstance& arr) { return named(arr, name); });
    if (linked.empty() || is_linked || !is_placeholder(name)) entries.push_back(entry);
  }
  for (const ArrInstance& arr : linked) {
    const auto known = std::find_if(entries.begin(), entries.end(), [&](const json::value& entry) {
      return entry.is_object() && named(arr, jsonx::text_at(entry.get_object(), "name"));
    });
    json::object entry = known != entries.end() ? known->get_object() : pattern;
    entry["name"] = arr.process_name;
    entry["api_url"] = arr.url();
    if (key == "radarr") entry["address"] = arr.url();
    if (!arr.api_key.empty()) entry["api_key"] = arr.api_key;
    if (entry.contains("enabled") || known == entries.end()) entry["enabled"] = true;
    if (known != entries.end()) {
      *known = std::move(entry);
    } else {
      entries.emplace_back(std::move(entry));
    }
  }
  out["instances"] = std::move(entries);
  return out;
}

}  // namespace dumb::setup
