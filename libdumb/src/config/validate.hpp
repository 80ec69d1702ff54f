#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/error.hpp>
#include <dumb/config/model.hpp>
#include <string_view>

#include "config/json_schema.hpp"

/// What a document has to fulfil. Pure; every fault is collected, none holds a secret.
namespace dumb::config {

/// The schema alone (CFG-47 to CFG-50); blocks of custom services against the common fields (CFG-16, CFG-21).
schema::Faults check_schema(const json::object& document, const Model& model);
/// What a schema cannot say (CFG-51): levels, ids, ports, names, commands.
schema::Faults check_rules(const json::object& document, const Model& model);
/// Both, ordered by path.
schema::Faults check_document(const json::object& document, const Model& model);
/// Faults that an update must not bring in but that do not hinder a load: an enabled rclone instance with two
/// sources.
schema::Faults check_sources(const json::object& document);

/// Pointers of members that nothing is known about (CFG-39), in document order.
std::vector<std::string> unknown_paths(const json::object& document, const Model& model);
/// Normalised core services of enabled and disabled blocks that no catalogue entry bears (CFG-69).
std::vector<std::string> unknown_core_services(const json::object& document, const Model& model);

/// Schema of a block whose key is not in the catalogue: the fields of CFG-21.
const json::object& custom_block_schema();
/// The schema of the block at `path`, or that of custom blocks.
const json::object& block_schema(const Model& model, const JsonPath& path);
/// Whether an update of the block at `path` may set `key` (CFG-82).
bool is_allowed_key(const Model& model, const JsonPath& path, const json::object& block,
                    std::string_view key);

}  // namespace dumb::config
