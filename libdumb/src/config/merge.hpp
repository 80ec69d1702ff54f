#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <dumb/config/model.hpp>

/// The steps between the user's document and the one that is used. Pure.
namespace dumb::config {

/// The user's document over the defaults (CFG-24, CFG-25, CFG-36 to CFG-38).
json::object merge_document(const json::object& user, const Model& model);

/// The recursive part of it: members of `user` over those of `defaults`, in the order of `defaults`.
json::object merge_objects(const json::object& user, const json::object& defaults);

/// The defaults of one block: a single block's, or those every instance of the section gets (CFG-24).
json::object template_of(const Model& model, const JsonPath& block_path);

/// Null becomes "" wherever the schema wants a string (CFG-55).
void fix_nulls(json::value& value, const json::object* node);
void fix_nulls(json::object& object, const json::object* node);

/// Levels are rewritten in their one spelling, at any depth outside open maps (CFG-53, CFG-54); what is no
/// level stays for validation to find.
void normalise_levels(json::object& object, const json::object* node);
/// The same for one member; `key` is its name.
void normalise_level(json::value& value, std::string_view key, const json::object* node);
bool is_level_key(std::string_view key) noexcept;

}  // namespace dumb::config
