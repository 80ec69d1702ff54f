#include <fmt/format.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/catalog/catalog.hpp>
#include <map>
#include <stdexcept>
#include <utility>

#include "base/embedded.hpp"
#include "catalog/overlay_posix.hpp"
#include "catalog/schema.hpp"
#include "catalog/service_file.hpp"

namespace dumb::catalog {

struct Catalog::Data {
  json::object shared;  ///< _catalogue.json
  json::object rules;   ///< _schema.json
  std::vector<std::string> tiers;
  std::vector<Service> services;
  std::map<std::string, std::size_t, std::less<>> by_key;
  std::map<std::string, std::string, std::less<>> tokens;
};

namespace {

constexpr std::string_view shared_file = "_catalogue.json";
constexpr std::string_view rules_file = "_schema.json";

using ByKey = std::map<std::string, Service, std::less<>>;

/// Adds the service of one file; `seen` are the keys of its own directory.
void add(std::string_view file, std::string_view text, const std::vector<std::string>& tiers,
         std::map<std::string, std::string>& seen, ByKey& services, std::vector<Error>& problems) {
  auto service = read_service(file, text, tiers);
  if (!service) {
    problems.push_back(service.error());
    return;
  }
  const auto [first, fresh] = seen.emplace(service->key, file);
  if (!fresh) {
    problems.emplace_back(Errc::invalid_config,
                          fmt::format("/key: \"{}\" is already defined by {}", service->key, first->second),
                          std::string(file));
    return;
  }
  for (const auto& [other, existing] : services) {
    if (other == service->key || existing.config_path != service->config_path) continue;
    problems.emplace_back(
        Errc::invalid_config,
        fmt::format("/config_path: \"{}\" belongs to the service {}", service->config_path, other),
        std::string(file));
    return;
  }
  std::string key = service->key;
  services.insert_or_assign(std::move(key), std::move(*service));
}

Result<json::object> shared_object(std::string_view name) {
  for (const auto& file : embedded::catalog()) {
    if (file.name != name) continue;
    auto value = jsonx::parse(file.text);
    if (!value) return Error(Errc::bad_json, value.error().message(), std::string(name));
    if (!value->is_object()) return Error(Errc::invalid_config, "must be an object", std::string(name));
    return std::move(value->get_object());
  }
  return Error(Errc::not_found, "the shared data of the catalogue is missing", std::string(name));
}

std::vector<std::string> strings_at(const json::object& object, std::string_view name) {
  std::vector<std::string> out;
  const json::value* list = object.if_contains(name);
  if (list == nullptr || !list->is_array()) return out;
  for (const auto& element : list->get_array()) {
    if (element.is_string()) out.emplace_back(element.get_string());
  }
  return out;
}

const json::object& object_at(const json::object& object, std::string_view name) {
  static const json::object empty;
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : empty;
}

JsonPath path_of(const Service& service) {
  return text::split(service.config_path, '.');
}

/// Keys of services in the order of the default document; not all of them need exist.
std::vector<std::string> document_order(const json::object& shared, const ByKey& services) {
  std::map<std::string, std::string> by_path;
  for (const auto& [key, service] : services) by_path.emplace(service.config_path, key);
  std::vector<std::string> order;
  const auto take = [&](const std::string& path) {
    const auto found = by_path.find(path);
    if (found == by_path.end()) return;
    order.push_back(found->second);
    by_path.erase(found);
  };
  for (const auto& name : strings_at(shared, "config_order")) {
    if (name == "dumb") {
      for (const auto& child : strings_at(shared, "dumb_order")) take("dumb." + child);
    }
    take(name);
  }
  std::vector<std::string> rest;
  for (const auto& [path, key] : by_path) rest.push_back(key);
  std::sort(rest.begin(), rest.end());
  order.insert(order.end(), rest.begin(), rest.end());
  return order;
}

void add_token(std::map<std::string, std::string, std::less<>>& tokens, std::string_view token,
               const std::string& key) {
  const std::string folded = text::lower(text::trim(token));
  if (!folded.empty()) tokens.emplace(folded, key);
}

json::value default_section(const Service& service) {
  if (!service.multi_instance) return service.defaults;
  json::object instances;
  instances.emplace(service.template_instance, service.defaults);
  json::object section;
  section.emplace("instances", std::move(instances));
  return section;
}

}  // namespace

Catalog::Catalog(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Catalog::Catalog(Catalog&&) noexcept = default;
Catalog& Catalog::operator=(Catalog&&) noexcept = default;
Catalog::~Catalog() = default;

Result<Catalog> Catalog::load(const std::filesystem::path& overlay, std::vector<Error>& problems) {
  auto data = std::make_unique<Data>();
  auto shared = shared_object(shared_file);
  if (!shared) return shared.error();
  auto rules = shared_object(rules_file);
  if (!rules) return rules.error();
  data->shared = std::move(*shared);
  data->rules = std::move(*rules);
  data->tiers = strings_at(data->shared, "shutdown_tiers");

  ByKey services;
  std::map<std::string, std::string> seen;
  for (const auto& file : embedded::catalog()) {
    if (!file.name.starts_with('_')) add(file.name, file.text, data->tiers, seen, services, problems);
  }
  seen.clear();
  for (const auto& file : read_overlay(overlay, problems)) {
    if (file.name.starts_with('_')) {
      problems.emplace_back(Errc::invalid_config, "the shared data of the catalogue cannot be replaced",
                            file.name);
    } else {
      add(file.name, file.text, data->tiers, seen, services, problems);
    }
  }
  for (const auto& key : document_order(data->shared, services)) {
    data->by_key.emplace(key, data->services.size());
    data->services.push_back(std::move(services.find(key)->second));
  }
  // A key is never shadowed by another service's name.
  for (const auto& service : data->services) add_token(data->tokens, service.key, service.key);
  for (const auto& service : data->services) {
    add_token(data->tokens, service.display_name, service.key);
    for (const auto& alias : service.aliases) add_token(data->tokens, alias, service.key);
    for (const auto& alias : service.key_aliases) add_token(data->tokens, alias, service.key);
  }
  return Catalog(std::move(data));
}

const Catalog& Catalog::embedded() {
  static const Catalog catalog = [] {
    std::vector<Error> problems;
    auto loaded = load({}, problems);
    if (!loaded) throw std::logic_error(loaded.error().to_string());
    if (!problems.empty()) throw std::logic_error(problems.front().to_string());
    return std::move(*loaded);
  }();
  return catalog;
}

const std::vector<Service>& Catalog::services() const noexcept {
  return data_->services;
}

const Service* Catalog::find(std::string_view key) const noexcept {
  const auto found = data_->by_key.find(key);
  return found == data_->by_key.end() ? nullptr : &data_->services[found->second];
}

const Service* Catalog::find_token(std::string_view token) const {
  const auto found = data_->tokens.find(text::lower(text::trim(token)));
  return found == data_->tokens.end() ? nullptr : find(found->second);
}

json::object Catalog::default_document() const {
  const json::object& globals = object_at(data_->shared, "globals");
  std::map<std::string, const Service*> by_path;
  for (const auto& service : data_->services) {
    if (service.in_default_config) by_path.emplace(service.config_path, &service);
  }
  json::object dumb;
  for (const auto& name : strings_at(data_->shared, "dumb_order")) {
    if (const auto found = by_path.find("dumb." + name); found != by_path.end()) {
      dumb.emplace(name, default_section(*found->second));
      by_path.erase(found);
    } else if (const auto* member = object_at(globals, "dumb").if_contains(name)) {
      dumb.emplace(name, *member);
    }
  }
  json::object document;
  for (const auto& name : strings_at(data_->shared, "config_order")) {
    if (const auto found = by_path.find(name); found != by_path.end()) {
      document.emplace(name, default_section(*found->second));
      by_path.erase(found);
    } else if (name == "dumb") {
      document.emplace(name, std::move(dumb));
    } else if (const auto* member = globals.if_contains(name)) {
      document.emplace(name, *member);
    }
  }
  // Services of an overlay that the shared order does not know.
  for (const auto& service : data_->services) {
    if (by_path.contains(service.config_path))
      jsonx::set(document, path_of(service), default_section(service));
  }
  return document;
}

json::object Catalog::schema() const {
  return build_schema(default_document(), data_->services, data_->rules);
}

config::Model Catalog::model() const {
  config::Model model;
  model.defaults = default_document();
  model.schema = build_schema(model.defaults, data_->services, data_->rules);
  model.tokens = data_->tokens;
  for (const auto& service : data_->services) {
    config::ServiceFacts facts;
    facts.key = service.key;
    facts.path = path_of(service);
    facts.multi_instance = service.multi_instance;
    facts.template_instance = service.template_instance;
    facts.in_default_config = service.in_default_config;
    facts.command_from_setup = service.command_from != "config";
    facts.defaults = service.defaults;
    facts.optional_keys = service.optional_keys;
    facts.also_accepted = service.also_accepted_keys;
    model.services.push_back(std::move(facts));
    for (const auto& alias : service.key_aliases) model.key_aliases.emplace_back(alias, service.config_path);
  }
  return model;
}

const std::vector<std::string>& Catalog::shutdown_tiers() const noexcept {
  return data_->tiers;
}
std::vector<std::string> Catalog::core_keys() const {
  std::vector<std::string> keys = strings_at(data_->shared, "core_order");
  std::erase_if(keys, [this](const std::string& key) { return find(key) == nullptr; });
  const std::size_t ordered = keys.size();
  for (const auto& [key, index] : data_->by_key) {
    if (data_->services[index].kind != "core") continue;
    if (std::find(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(ordered), key) ==
        keys.begin() + static_cast<std::ptrdiff_t>(ordered))
      keys.push_back(key);
  }
  return keys;
}
const json::object& Catalog::endpoints() const noexcept {
  return object_at(data_->shared, "endpoints");
}
const json::object& Catalog::architectures() const noexcept {
  return object_at(data_->shared, "architectures");
}

}  // namespace dumb::catalog
