#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <string>
#include <string_view>
#include <vector>

/// The part of JSON Schema (draft 2020-12) that the configuration uses. Pure.
namespace dumb::config::schema {

/// One fault of a document. Never holds a value that may be secret.
struct Fault {
  JsonPath path;
  std::string message;
};
using Faults = std::vector<Fault>;

/// Adds every fault of `value` against `node` to `faults`. Understood: type (also a list of types),
/// properties, patternProperties, required, additionalProperties, items, enum, pattern, minimum, maximum,
/// minLength, minItems, anyOf; other keywords are ignored. `path` is where `value` stands and comes back
/// unchanged.
void check(const json::value& value, const json::object& node, JsonPath& path, Faults& faults);

/// Orders by path (array indexes as numbers), keeping the order within one path.
void sort_by_path(Faults& faults);
std::vector<Problem> to_problems(const Faults& faults);

/// The sub-schema for member `key` of an object described by `node`; null when nothing is said about it.
const json::object* member(const json::object* node, std::string_view key);
/// The sub-schema of the elements of a list.
const json::object* element(const json::object* node);
/// The sub-schema at `path`, array indexes included.
const json::object* at(const json::object& root, const JsonPath& path);

/// Which JSON types a schema admits; all false when it says nothing.
struct Kinds {
  bool boolean = false, integer = false, number = false, string = false, array = false, object = false,
       null = false;
};
Kinds kinds(const json::object* node);

/// Whether the object at `key` is an open map (CFG-38): its entries are the user's, not ours.
bool is_open_map(const json::object* node, std::string_view key);

}  // namespace dumb::config::schema
