#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <dumb/base/json.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/config/model.hpp>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "config/overrides.hpp"

/// The layers of CFG-9 and what they amount to. Pure.
namespace dumb::config {

using Edits = std::vector<Edit>;

struct Layers {
  json::object user;  ///< the file as this version spells it, nulls fixed
  std::shared_ptr<const Overrides> overrides = std::make_shared<const Overrides>();
  std::map<JsonPath, json::object> generated;  ///< members by block path
  Edits edits;                                 ///< made without saving; latest last, one per path
};

/// Whether `path` is `prefix` or lies below it.
bool is_below(const JsonPath& path, const JsonPath& prefix);
/// Sets and removes, in order.
void apply_edits(json::object& document, const Edits& edits);
/// The unsaved `edits` that are left once `saved` are in the user's layer.
Edits without_saved(Edits edits, const Edits& saved);
/// `edits` with `more` after them; of one path the later counts.
Edits with_edits(Edits edits, const Edits& more);

/// Defaults with the user's document over them.
json::object base_of(const json::object& user, const Model& model);
/// What everything uses.
json::object effective_of(const Layers& layers, const Model& model);

/// wait_for_dir, wait_for_mounts, wait_for_url: lists that the user's and the generated layer share.
bool is_wait_field(std::string_view name) noexcept;
/// The waits of any accepted form; blank ones are left out.
std::vector<json::value> wait_elements(const json::value* waits);
/// Whether both wait for the same thing, whatever their options.
bool same_wait(const json::value& a, const json::value& b);
/// The generated members of the block that `path` names a direct member of; null when there are none.
const json::object* generated_of(const Layers& layers, const JsonPath& path);

}  // namespace dumb::config
