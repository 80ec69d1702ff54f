#include "catalog/schema.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <utility>

namespace dumb::catalog {
namespace {

constexpr std::string_view draft = "https://json-schema.org/draft/2020-12/schema";

const json::object& object_at(const json::object& object, std::string_view name) {
  static const json::object empty;
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : empty;
}

/// JSON merge patch (RFC 7396) on schemas: objects merge, null removes, anything else replaces.
void merge_patch(json::object& target, const json::object& patch) {
  for (const auto& [key, value] : patch) {
    if (value.is_null()) {
      if (const auto found = target.find(key); found != target.end()) target.stable_erase(found);
    } else if (value.is_object()) {
      json::value& member = target[key];
      if (!member.is_object()) member = json::object();
      merge_patch(member.get_object(), value.get_object());
    } else {
      target[key] = value;
    }
  }
}

json::object of_type(std::string_view type) {
  json::object schema;
  schema.emplace("type", type);
  return schema;
}

/// What a default says about the values that may stand in its place. `types` gives members by name, or
/// nothing.
json::object infer(const json::value& value, const json::object& types);

json::object infer_members(const json::object& members, const json::object& types) {
  json::object schema = of_type("object");
  if (members.empty()) {
    schema.emplace("x-open-map", true);
    return schema;
  }
  json::object properties;
  json::array required;
  for (const auto& [name, value] : members) {
    const auto& known = object_at(types, name);
    properties.emplace(name, known.empty() ? infer(value, types) : known);
    required.emplace_back(name);
  }
  schema.emplace("properties", std::move(properties));
  schema.emplace("required", std::move(required));
  return schema;
}

json::object infer(const json::value& value, const json::object& types) {
  if (const auto* members = value.if_object()) return infer_members(*members, types);
  if (const auto* elements = value.if_array()) {
    json::object schema = of_type("array");
    if (!elements->empty()) schema.emplace("items", infer(elements->front(), types));
    return schema;
  }
  if (value.is_bool()) return of_type("boolean");
  // Whole numbers are told from others by the rules, not by how a default happens to be written.
  if (value.is_number()) return of_type("number");
  if (value.is_string()) return of_type("string");
  return {};
}

/// Takes the marks out: `x-optional` members leave the required list of their object, `x-none-required` drops
/// the lists of a whole subtree.
void settle(json::object& schema, bool none_required) {
  none_required = schema.erase("x-none-required") != 0 || none_required;
  json::array required;
  if (const auto* names = schema.if_contains("required"); names != nullptr && names->is_array()) {
    required = names->get_array();
  }
  if (auto* properties = schema.if_contains("properties"); properties != nullptr && properties->is_object()) {
    for (auto& [name, value] : properties->get_object()) {
      if (!value.is_object()) continue;
      json::object& member = value.get_object();
      if (const auto mark = member.find("x-optional"); mark != member.end()) {
        member.stable_erase(mark);
        const json::value text = json::string(name);
        required.erase(std::remove(required.begin(), required.end(), text), required.end());
      }
      settle(member, none_required);
    }
  }
  for (const char* name : {"items", "additionalProperties"}) {
    auto* inner = schema.if_contains(name);
    if (inner != nullptr && inner->is_object()) settle(inner->get_object(), none_required);
  }
  if (none_required || required.empty()) {
    if (const auto list = schema.find("required"); list != schema.end()) schema.stable_erase(list);
  } else {
    schema["required"] = std::move(required);
  }
}

void accept(json::object& properties, std::string_view name, const json::object& types) {
  if (!properties.contains(name)) properties.emplace(name, object_at(types, name));
}

json::object block_schema(const Service& service, const json::object& rules) {
  const json::object& types = object_at(rules, "types");
  json::object schema = infer_members(service.defaults, types);
  json::object& properties = schema["properties"].get_object();
  for (const auto& name : service.also_accepted_keys) accept(properties, name, types);
  if (const auto* everywhere = rules.if_contains("everywhere");
      everywhere != nullptr && everywhere->is_array()) {
    for (const auto& name : everywhere->get_array()) accept(properties, name.get_string(), types);
  }
  merge_patch(properties, service.schema);
  for (const auto& name : service.optional_keys) {
    if (auto* member = properties.if_contains(name)) member->get_object()["x-optional"] = true;
  }
  return schema;
}

json::object section_schema(const Service& service, const json::object& rules) {
  json::object block = block_schema(service, rules);
  if (!service.multi_instance) return block;
  json::object instances = of_type("object");
  instances.emplace("additionalProperties", std::move(block));
  json::object properties;
  properties.emplace("instances", std::move(instances));
  json::array required;
  required.emplace_back("instances");
  json::object section = of_type("object");
  section.emplace("properties", std::move(properties));
  section.emplace("required", std::move(required));
  return section;
}

/// Puts the schema of a section where its path says, over what the defaults gave.
void place(json::object& schema, const Service& service, const json::object& rules) {
  json::object* node = &schema;
  const auto path = text::split(service.config_path, '.');
  for (std::size_t i = 0; i < path.size(); ++i) {
    json::value& properties = (*node)["properties"];
    if (!properties.is_object()) properties = json::object();
    json::value& member = properties.get_object()[path[i]];
    if (i + 1 == path.size()) {
      member = section_schema(service, rules);
      return;
    }
    if (!member.is_object()) member = of_type("object");
    node = &member.get_object();
  }
}

}  // namespace

json::object build_schema(const json::object& document, const std::vector<Service>& services,
                          const json::object& rules) {
  json::object schema;
  schema.emplace("$schema", draft);
  for (auto& [key, value] : infer_members(document, {})) schema.emplace(key, std::move(value));
  for (const auto& service : services) place(schema, service, rules);
  merge_patch(schema, object_at(rules, "document"));
  settle(schema, false);
  return schema;
}

}  // namespace dumb::catalog
