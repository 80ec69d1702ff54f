#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/graph/answer.hpp>

#include "graph/facts.hpp"

namespace dumb::graph {
namespace {

constexpr std::array<std::string_view, 18> shown_members = {
    "enabled",      "process_name",     "core_service", "core_services", "ports",
    "mount_path",   "mount_dir",        "mount_name",   "mount_type",    "wait_for_url",
    "wait_for_dir", "wait_for_mounts",  "key_type",     "zurg_enabled",  "decypharr_enabled",
    "branch",       "zurg_config_file", "depends_on"};

json::value shown_url_wait(const json::value& wait) {
  if (wait.is_string())
    return json::value(json::string(without_user_info(std::string_view(wait.get_string()))));
  if (const auto* array = wait.if_array()) {
    json::array out;
    for (const json::value& element : *array) out.push_back(shown_url_wait(element));
    return json::value(std::move(out));
  }
  if (const auto* object = wait.if_object()) {
    json::object out;
    for (const auto& [name, member] : *object) {
      // Headers of a probe carry tokens.
      if (name == "auth" || name == "probe_headers") continue;
      out.emplace(name, name == "url" ? shown_url_wait(member) : member);
    }
    return json::value(std::move(out));
  }
  return wait;
}

}  // namespace

json::object shown_config(const json::object& block) {
  json::object out;
  const auto shown = [](std::string_view name) {
    return std::find(shown_members.begin(), shown_members.end(), name) != shown_members.end() ||
           std::find(port_fields().begin(), port_fields().end(), name) != port_fields().end();
  };
  for (const auto& [name, value] : block) {
    if (shown(name)) out.emplace(name, name == "wait_for_url" ? shown_url_wait(value) : value);
  }
  return out;
}

}  // namespace dumb::graph
