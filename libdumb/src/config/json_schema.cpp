#include "config/json_schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <dumb/base/text.hpp>
#include <functional>
#include <map>
#include <optional>
#include <regex>

namespace dumb::config::schema {
namespace {

std::string_view name_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "a list";
    case json::kind::object:
      return "an object";
  }
  return "unknown";
}

std::string_view with_article(std::string_view type) {
  if (type == "boolean") return "a boolean";
  if (type == "integer") return "an integer";
  if (type == "number") return "a number";
  if (type == "string") return "a string";
  if (type == "array") return "a list";
  if (type == "object") return "an object";
  return type;
}

bool has_type(const json::value& value, std::string_view type) {
  if (type == "boolean") return value.is_bool();
  if (type == "number") return value.is_number();
  if (type == "integer") {
    return value.is_int64() || value.is_uint64() ||
           (value.is_double() && std::trunc(value.get_double()) == value.get_double());
  }
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return type == "null" && value.is_null();
}

std::vector<std::string_view> types_of(const json::object& node) {
  std::vector<std::string_view> types;
  const json::value* type = node.if_contains("type");
  if (type == nullptr) return types;
  if (const auto* one = type->if_string()) types.emplace_back(*one);
  if (const auto* several = type->if_array()) {
    for (const json::value& entry : *several) {
      if (entry.is_string()) types.emplace_back(entry.get_string());
    }
  }
  return types;
}

bool type_fits(const json::value& value, const json::object& node) {
  const auto types = types_of(node);
  return types.empty() || std::any_of(types.begin(), types.end(),
                                      [&](std::string_view type) { return has_type(value, type); });
}

std::string joined_types(const std::vector<std::string_view>& types) {
  std::string out;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (i != 0) out += i + 1 == types.size() ? " or " : ", ";
    out += with_article(types[i]);
  }
  return out;
}

/// Compiled once per check; compiling costs more than everything else.
using Patterns = std::map<std::string, std::optional<std::regex>, std::less<>>;

/// Empty for a pattern that is none; service files of an overlay may hold anything.
std::optional<std::regex> compile(std::string_view pattern) {
  try {
    return std::regex(pattern.begin(), pattern.end(), std::regex::ECMAScript);
  } catch (const std::regex_error&) {
    return std::nullopt;
  }
}

class Checker {
 public:
  Checker(JsonPath& path, Faults& faults, Patterns& patterns)
      : path_(path), faults_(faults), patterns_(patterns) {}

  void check(const json::value& value, const json::object& node) {
    if (const auto types = types_of(node); !type_fits(value, node)) {
      fault(fmt::format("must be {}, is {}", joined_types(types), name_of(value)));
      return;  // the other keywords have nothing to add
    }
    check_enum(value, node);
    if (const auto* string = value.if_string()) check_string(*string, node);
    if (value.is_number()) check_number(value, node);
    if (const auto* array = value.if_array()) check_array(*array, node);
    if (const auto* object = value.if_object()) check_object(*object, node);
    if (const auto* any = array_at(node, "anyOf")) check_any(value, *any);
  }

 private:
  void fault(std::string message) { faults_.push_back({path_, std::move(message)}); }

  static const json::array* array_at(const json::object& node, std::string_view key) {
    const json::value* found = node.if_contains(key);
    return found == nullptr ? nullptr : found->if_array();
  }
  static const json::object* object_at(const json::object& node, std::string_view key) {
    const json::value* found = node.if_contains(key);
    return found == nullptr ? nullptr : found->if_object();
  }

  void check_enum(const json::value& value, const json::object& node) {
    const auto* allowed = array_at(node, "enum");
    if (allowed == nullptr) return;
    if (std::any_of(allowed->begin(), allowed->end(),
                    [&](const auto& one) { return jsonx::same(one, value); })) {
      return;
    }
    std::string list;
    for (const json::value& one : *allowed) {
      if (!list.empty()) list += ", ";
      list += jsonx::print_compact(one);
    }
    fault("must be one of " + list);
  }

  void check_string(std::string_view string, const json::object& node) {
    if (const auto* least = node.if_contains("minLength"); least != nullptr && least->is_number()) {
      if (static_cast<double>(string.size()) < least->to_number<double>()) {
        fault(string.empty() ? "must not be empty" : "is too short");
      }
    }
    const json::value* pattern = node.if_contains("pattern");
    if (pattern == nullptr || !pattern->is_string()) return;
    const std::string_view text = pattern->get_string();
    const auto& regex = compiled(text);
    if (!regex) {
      fault(fmt::format("cannot be checked, {} is no valid pattern", text));
    } else if (!std::regex_search(string.begin(), string.end(), *regex)) {
      fault(fmt::format("must match the pattern {}", text));
    }
  }

  const std::optional<std::regex>& compiled(std::string_view pattern) {
    const auto known = patterns_.find(pattern);
    if (known != patterns_.end()) return known->second;
    return patterns_.emplace(pattern, compile(pattern)).first->second;
  }

  void check_number(const json::value& value, const json::object& node) {
    const double number = value.to_number<double>();
    const auto* least = node.if_contains("minimum");
    const auto* most = node.if_contains("maximum");
    if (least != nullptr && least->is_number() && number < least->to_number<double>()) {
      fault(fmt::format("must be at least {}, is {}", jsonx::scalar_text(*least), jsonx::scalar_text(value)));
    }
    if (most != nullptr && most->is_number() && number > most->to_number<double>()) {
      fault(fmt::format("must be at most {}, is {}", jsonx::scalar_text(*most), jsonx::scalar_text(value)));
    }
  }

  void check_array(const json::array& array, const json::object& node) {
    if (const auto* least = node.if_contains("minItems"); least != nullptr && least->is_number()) {
      if (static_cast<double>(array.size()) < least->to_number<double>()) fault("has too few elements");
    }
    const auto* items = object_at(node, "items");
    if (items == nullptr) return;
    for (std::size_t i = 0; i < array.size(); ++i) {
      path_.push_back(std::to_string(i));
      check(array[i], *items);
      path_.pop_back();
    }
  }

  void check_object(const json::object& object, const json::object& node) {
    if (const auto* required = array_at(node, "required")) {
      for (const json::value& name : *required) {
        if (name.is_string() && !object.contains(name.get_string())) {
          fault(fmt::format("has no \"{}\", which is required", std::string_view(name.get_string())));
        }
      }
    }
    const json::value* additional = node.if_contains("additionalProperties");
    const bool closed = additional != nullptr && additional->is_bool() && !additional->get_bool();
    for (const auto& [key, value] : object) {
      path_.emplace_back(key);
      if (const json::object* sub = member(&node, key)) {
        check(value, *sub);
      } else if (closed && !names(node, key)) {
        fault("is not known here");
      }
      path_.pop_back();
    }
  }

  static bool names(const json::object& node, std::string_view key) {
    const auto* properties = object_at(node, "properties");
    return properties != nullptr && properties->contains(key);
  }

  /// One alternative must accept. Of several that do not, the one of the value's own type is explained.
  void check_any(const json::value& value, const json::array& alternatives) {
    Faults best;
    bool explained = false;
    std::vector<std::string_view> types;
    for (const json::value& alternative : alternatives) {
      const auto* sub = alternative.if_object();
      if (sub == nullptr) continue;
      Faults own;
      Checker(path_, own, patterns_).check(value, *sub);
      if (own.empty()) return;
      for (const std::string_view type : types_of(*sub)) types.push_back(type);
      if (type_fits(value, *sub) && (!explained || own.size() < best.size())) {
        best = std::move(own);
        explained = true;
      }
    }
    if (explained) {
      faults_.insert(faults_.end(), best.begin(), best.end());
    } else {
      fault(fmt::format("must be {}, is {}", joined_types(types), name_of(value)));
    }
  }

  JsonPath& path_;
  Faults& faults_;
  Patterns& patterns_;
};

const json::object* in_branches(const json::object& node, std::string_view key) {
  const json::value* any = node.if_contains("anyOf");
  if (any == nullptr || !any->is_array()) return nullptr;
  for (const json::value& branch : any->get_array()) {
    if (const json::object* sub = member(branch.if_object(), key)) return sub;
  }
  return nullptr;
}

bool step_less(const std::string& a, const std::string& b) {
  const auto x = text::to_int(a);
  const auto y = text::to_int(b);
  return x && y ? *x < *y : a < b;
}

}  // namespace

void check(const json::value& value, const json::object& node, JsonPath& path, Faults& faults) {
  Patterns patterns;
  Checker(path, faults, patterns).check(value, node);
}

void sort_by_path(Faults& faults) {
  std::stable_sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) {
    return std::lexicographical_compare(a.path.begin(), a.path.end(), b.path.begin(), b.path.end(),
                                        step_less);
  });
}

std::vector<Problem> to_problems(const Faults& faults) {
  std::vector<Problem> out;
  for (const Fault& fault : faults) {
    Problem problem{jsonx::pointer(fault.path), fault.message};
    if (std::find(out.begin(), out.end(), problem) == out.end()) out.push_back(std::move(problem));
  }
  return out;
}

const json::object* member(const json::object* node, std::string_view key) {
  if (node == nullptr) return nullptr;
  if (const auto* properties = node->if_contains("properties");
      properties != nullptr && properties->is_object()) {
    if (const auto* found = properties->get_object().if_contains(key)) return found->if_object();
  }
  if (const auto* patterns = node->if_contains("patternProperties");
      patterns != nullptr && patterns->is_object()) {
    for (const auto& [pattern, sub] : patterns->get_object()) {
      const auto regex = compile(pattern);
      if (sub.is_object() && regex && std::regex_search(key.begin(), key.end(), *regex))
        return sub.if_object();
    }
  }
  if (const auto* additional = node->if_contains("additionalProperties")) {
    if (const auto* found = additional->if_object()) return found;
  }
  return in_branches(*node, key);
}

const json::object* element(const json::object* node) {
  if (node == nullptr) return nullptr;
  if (const auto* items = node->if_contains("items"); items != nullptr && items->is_object()) {
    return items->if_object();
  }
  if (const auto* any = node->if_contains("anyOf"); any != nullptr && any->is_array()) {
    for (const json::value& branch : any->get_array()) {
      if (const json::object* found = element(branch.if_object())) return found;
    }
  }
  return nullptr;
}

const json::object* at(const json::object& root, const JsonPath& path) {
  const json::object* node = &root;
  for (const std::string& step : path) {
    const json::object* next = member(node, step);
    if (next == nullptr && text::to_int(step)) next = element(node);
    if (next == nullptr) return nullptr;
    node = next;
  }
  return node;
}

Kinds kinds(const json::object* node) {
  Kinds out;
  if (node == nullptr) return out;
  for (const std::string_view type : types_of(*node)) {
    out.boolean |= type == "boolean";
    out.integer |= type == "integer";
    out.number |= type == "number";
    out.string |= type == "string";
    out.array |= type == "array";
    out.object |= type == "object";
    out.null |= type == "null";
  }
  if (const auto* any = node->if_contains("anyOf"); any != nullptr && any->is_array()) {
    for (const json::value& branch : any->get_array()) {
      const Kinds sub = kinds(branch.if_object());
      out.boolean |= sub.boolean;
      out.integer |= sub.integer;
      out.number |= sub.number;
      out.string |= sub.string;
      out.array |= sub.array;
      out.object |= sub.object;
      out.null |= sub.null;
    }
  }
  return out;
}

bool is_open_map(const json::object* node, std::string_view key) {
  if (node != nullptr) {
    const json::value* mark = node->if_contains("x-open-map");
    if (mark != nullptr && mark->is_bool() && mark->get_bool()) return true;
  }
  return key == "env" || key == "api_keys" || key == "entrypoints" || key == "service_shortcuts";
}

}  // namespace dumb::config::schema
