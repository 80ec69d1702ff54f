#include "config/merge.hpp"

#include <boost/json.hpp>
#include <dumb/base/log.hpp>
#include <dumb/base/text.hpp>

#include "config/json_schema.hpp"

namespace dumb::config {
namespace {

const json::object* object_at(const json::object& parent, std::string_view key) {
  const json::value* value = parent.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

json::value merge_instances(const json::value* user, const json::value& defaults, const json::object& block) {
  const auto* own = user == nullptr ? nullptr : user->if_object();
  if (user != nullptr && own == nullptr) return *user;
  if (own == nullptr || own->empty()) return defaults;
  json::object out;
  for (const auto& [name, instance] : *own) {
    if (const auto* members = instance.if_object()) {
      out.emplace(name, merge_objects(*members, block));
    } else {
      out.emplace(name, instance);
    }
  }
  return out;
}

/// A section with instances: the other members as usual, the instances over the template.
json::object merge_section(const json::object& user, const json::object& defaults,
                           const json::object& block) {
  json::object out = merge_objects(user, defaults);
  if (const json::value* instances = defaults.if_contains("instances")) {
    out["instances"] = merge_instances(user.if_contains("instances"), *instances, block);
  }
  return out;
}

json::object default_section(const ServiceFacts& facts) {
  if (!facts.multi_instance) return facts.defaults;
  json::object instances;
  instances.emplace(facts.template_instance.empty() ? "Default" : facts.template_instance, facts.defaults);
  json::object section;
  section.emplace("instances", std::move(instances));
  return section;
}

const json::object* template_in(const json::object& section) {
  const auto* instances = object_at(section, "instances");
  return instances == nullptr || instances->empty() ? nullptr : instances->begin()->value().if_object();
}

json::value merge_member(const json::value& own, const json::object& defaults) {
  const auto* object = own.if_object();
  if (object == nullptr) return own;
  if (const json::object* block = template_in(defaults)) return merge_section(*object, defaults, *block);
  return merge_objects(*object, defaults);
}

}  // namespace

json::object merge_objects(const json::object& user, const json::object& defaults) {
  json::object out;
  out.reserve(user.size() + defaults.size());
  for (const auto& [key, value] : defaults) {
    const json::value* own = user.if_contains(key);
    if (own == nullptr) {
      out.emplace(key, value);
    } else if (own->is_object() && value.is_object()) {
      out.emplace(key, merge_objects(own->get_object(), value.get_object()));
    } else {
      out.emplace(key, *own);
    }
  }
  for (const auto& [key, value] : user) {
    if (!defaults.contains(key)) out.emplace(key, value);
  }
  return out;
}

json::object merge_document(const json::object& user, const Model& model) {
  json::object out;
  out.reserve(user.size() + model.defaults.size());
  for (const auto& [key, value] : model.defaults) {
    const json::value* own = user.if_contains(key);
    if (own == nullptr) {
      out.emplace(key, value);
    } else {
      out.emplace(key, value.is_object() ? merge_member(*own, value.get_object()) : *own);
    }
  }
  for (const auto& [key, value] : user) {
    if (model.defaults.contains(key)) continue;
    // Known, but not in the default document: complete it only because the file has it.
    const ServiceFacts* facts = model.find(key);
    const bool known = facts != nullptr && facts->path == JsonPath{std::string(key)};
    out.emplace(key, known ? merge_member(value, default_section(*facts)) : value);
  }
  return out;
}

json::object template_of(const Model& model, const JsonPath& block_path) {
  if (block_path.empty()) return {};
  if (const json::object* section = object_at(model.defaults, block_path.front())) {
    if (block_path.size() == 3 && block_path[1] == "instances") {
      const json::object* block = template_in(*section);
      return block == nullptr ? json::object() : *block;
    }
    const json::value* found = jsonx::find(model.defaults, block_path);
    return found != nullptr && found->is_object() ? found->get_object() : json::object();
  }
  const ServiceFacts* facts = model.find(block_path.front());
  return facts == nullptr ? json::object() : facts->defaults;
}

void fix_nulls(json::value& value, const json::object* node) {
  if (node == nullptr) return;
  if (value.is_null()) {
    const schema::Kinds kinds = schema::kinds(node);
    if (kinds.string && !kinds.null) value = "";
  } else if (auto* object = value.if_object()) {
    fix_nulls(*object, node);
  } else if (auto* array = value.if_array()) {
    for (json::value& element : *array) fix_nulls(element, schema::element(node));
  }
}

void fix_nulls(json::object& object, const json::object* node) {
  for (auto& [key, member] : object) fix_nulls(member, schema::member(node, key));
}

bool is_level_key(std::string_view key) noexcept {
  return key == "log_level" || key == "loglevel";
}

void normalise_level(json::value& value, std::string_view key, const json::object* node) {
  if (value.is_string() && is_level_key(key)) {
    if (const auto level = parse_level(value.get_string())) value = json::string(level_name(*level));
  } else if (auto* object = value.if_object(); object != nullptr && !schema::is_open_map(node, key)) {
    normalise_levels(*object, node);
  } else if (auto* array = value.if_array()) {
    for (json::value& element : *array) {
      if (auto* item = element.if_object()) normalise_levels(*item, schema::element(node));
    }
  }
}

void normalise_levels(json::object& object, const json::object* node) {
  for (auto& [key, member] : object) normalise_level(member, key, schema::member(node, key));
}

}  // namespace dumb::config
