#include "onboarding/workbench.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "config/validate.hpp"

namespace dumb::onboarding {
namespace {

std::string listed(const config::schema::Faults& faults) {
  std::string out;
  for (const config::schema::Fault& fault : faults) {
    if (!out.empty()) out += "; ";
    out += jsonx::pointer(fault.path) + " " + fault.message;
  }
  return out;
}

void add_difference(const json::object& from, const json::object& to, JsonPath& path,
                    std::vector<config::Edit>& out) {
  for (const auto& [key, value] : from) {
    if (to.contains(key)) continue;
    path.emplace_back(key);
    out.push_back({path, std::nullopt, {}});
    path.pop_back();
  }
  for (const auto& [key, value] : to) {
    const json::value* old = from.if_contains(key);
    if (old != nullptr && jsonx::same(*old, value)) continue;
    path.emplace_back(key);
    if (old != nullptr && old->is_object() && value.is_object()) {
      add_difference(old->get_object(), value.get_object(), path, out);
    } else {
      out.push_back({path, value, {}});
    }
    path.pop_back();
  }
}

/// Members that only matter to installs, schedules and the next start.
bool is_of_no_moment(std::string_view name) {
  constexpr std::array<std::string_view, 2> exact{"enabled", "core_service"};
  constexpr std::array<std::string_view, 5> prefixes{"auto_update", "symlink_backup_", "release_version",
                                                     "branch", "repo_"};
  return std::find(exact.begin(), exact.end(), name) != exact.end() ||
         std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

const catalog::Service& Workbench::service(std::string_view key) const {
  return *facts.catalog->find(key);
}

JsonPath Workbench::path_of(const std::string& key, const std::string& instance) const {
  const config::ServiceFacts* known = facts.model->find(key);
  JsonPath path = known == nullptr ? JsonPath{key} : known->path;
  if (!instance.empty()) {
    path.emplace_back("instances");
    path.push_back(instance);
  }
  return path;
}

json::object* Workbench::block(const JsonPath& path) {
  const json::value* found = jsonx::find(document, path);
  return found == nullptr || !found->is_object() ? nullptr : &const_cast<json::value*>(found)->get_object();
}

const json::object* Workbench::block(const JsonPath& path) const {
  const json::value* found = jsonx::find(document, path);
  return found == nullptr ? nullptr : found->if_object();
}

json::object& Workbench::instances(const std::string& key) {
  JsonPath path = path_of(key, {});
  path.emplace_back("instances");
  if (block(path) == nullptr) jsonx::set(document, path, json::object());
  return *block(path);
}

void Workbench::warn(std::string_view service, std::string warning) {
  warnings.push_back({std::string(service), std::move(warning)});
}

std::string Workbench::free_name(const std::string& name, std::string_view separator,
                                 const std::function<bool(const std::string&)>& taken) {
  std::string out = name;
  for (int number = 2; taken(out); ++number) {
    out = name;
    out += separator;
    out += std::to_string(number);
  }
  return out;
}

bool Workbench::is_process_name(std::string_view name) const {
  const auto blocks = config::collect_blocks(document);
  return std::any_of(blocks.begin(), blocks.end(), [&](const config::BlockRef& ref) {
    return text::fold(ref.process_name) == text::fold(name);
  });
}

std::string Workbench::process_name_at(const JsonPath& path) const {
  const json::object* found = block(path);
  return found == nullptr ? std::string() : std::string(text::trim(jsonx::string_at(*found, "process_name")));
}

bool Workbench::untouched_placeholder(const std::string& key, const std::string& instance) const {
  const catalog::Service* known = facts.catalog->find(key);
  if (known == nullptr || !known->multi_instance || known->template_instance != instance) return false;
  const json::object* found = block(path_of(key, instance));
  if (found == nullptr || jsonx::bool_at(*found, "enabled", false)) return false;
  for (const char* member : {"process_name", "config_dir", "core_service"}) {
    const json::value* mine = found->if_contains(member);
    const json::value* packaged = known->defaults.if_contains(member);
    const json::value none;
    if (!jsonx::same(mine == nullptr ? none : *mine, packaged == nullptr ? none : *packaged)) return false;
  }
  for (const char* member : {"api_key", "user", "password"}) {
    if (!jsonx::text_at(*found, member).empty()) return false;
  }
  const std::string directory = jsonx::string_at(*found, "config_dir");
  return known->kind != "core" || directory.empty() || !facts.holds_files(directory);
}

void Workbench::purge_placeholders(const std::string& key, const std::string& kept) {
  std::vector<std::string> gone;
  for (const auto& [name, value] : instances(key)) {
    const std::string instance(name);
    if (instance != kept && untouched_placeholder(key, instance)) gone.push_back(instance);
  }
  for (const std::string& instance : gone) instances(key).stable_erase(instance);
}

Fault Workbench::check() const {
  config::schema::Faults faults = config::check_document(document, *facts.model);
  const auto old = config::check_sources(facts.config->effective());
  for (config::schema::Fault& fault : config::check_sources(document)) {
    const bool known =
        std::any_of(old.begin(), old.end(), [&](const auto& one) { return one.path == fault.path; });
    if (!known) faults.push_back(std::move(fault));
  }
  if (faults.empty()) return std::nullopt;
  return misconfigured(listed(faults));
}

std::vector<config::Edit> difference(const json::object& from, const json::object& to) {
  std::vector<config::Edit> out;
  JsonPath path;
  add_difference(from, to, path, out);
  return out;
}

bool matters_at_run_time(const json::object& before, const json::object& after) {
  const auto edits = difference(before, after);
  return std::any_of(edits.begin(), edits.end(),
                     [](const config::Edit& edit) { return !is_of_no_moment(edit.path.front()); });
}

}  // namespace dumb::onboarding
