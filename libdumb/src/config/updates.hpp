#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/config/snapshot.hpp>

#include "config/json_schema.hpp"
#include "config/layers.hpp"

/// What a client's updates change (CFG-56, CFG-57, CFG-82 to CFG-88). Pure.
namespace dumb::config {

struct UpdateContext {
  const Model& model;
  const Layers& layers;
  const json::object& effective;
};

/// The changes in `updates` of the block at `path`: given members replace the old ones whole, but what is
/// equal to the effective value is no change (CFG-83).
Edits block_edits(const UpdateContext& context, const JsonPath& path, const json::object& updates,
                  Manager::Persist persist);
/// The changes of a partial document: objects are merged, open maps replaced (CFG-57, CFG-87).
Edits global_edits(const UpdateContext& context, const json::object& updates);

/// Nulls and levels of the updates of the block at `path`, as a load would read them.
void normalise_updates(json::object& updates, const JsonPath& path, const Model& model);

/// The layers with the edits taken in.
Layers with_update(const Layers& layers, const Edits& edits, const Edits& session_edits,
                   Manager::Persist persist);
/// Edits of overridden members stay in force until the next load, whatever the variable says (CFG-46).
Edits edits_over_variables(const Edits& edits, const Overrides& overrides);

/// Every fault that forbids the layers, given the document in force; those of check_sources() count when they
/// are new or in a block that `edits` touch.
schema::Faults check_update(const Layers& layers, const json::object& effective, const json::object& before,
                            const Edits& edits, const Model& model);

}  // namespace dumb::config
