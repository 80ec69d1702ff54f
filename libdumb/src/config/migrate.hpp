#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <dumb/config/model.hpp>

/// Names and fields of other versions (CFG-40, CFG-41). Pure.
namespace dumb::config {

/// The document as this version spells it. Fails with Errc::invalid_config when a thing is there under both
/// of its names.
Result<json::object> migrate(const json::object& document, const Model& model);

/// The same for the members a client sends for the block at `path`.
json::object migrate_updates(const json::object& updates, const JsonPath& path, const Model& model);
/// The same for a partial document that a client sends.
Result<json::object> migrate_partial(const json::object& updates, const Model& model);

/// Where a path of this version stands in `document`, which may use the other names.
JsonPath path_in_file(const json::object& document, const JsonPath& path, const Model& model);

/// The name of decypharr's field that `mount_type` replaced.
inline constexpr std::string_view old_mount_field = "use_embedded_rclone";

}  // namespace dumb::config
