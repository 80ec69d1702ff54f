#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What is sent to Sonarr and its relatives, as functions of what they answered (SVC-163 to SVC-168, SVC-204
/// to SVC-206). Pure. An empty optional: nothing has to be sent.
namespace dumb::setup::arr {

namespace json = boost::json;

/// "sonarr", "Main TV" -> "sonarr-main-tv" (SVC-163).
std::string slug(std::string_view key, std::string_view instance);
/// Where the library of an instance is rooted, unmapped and without the slug (SVC-164); nothing when it
/// belongs to neither.
std::optional<std::string> root_base(bool decypharr, bool nzbdav);
/// config/mediamanagement with permissions others can live with (SVC-166).
std::optional<json::object> media_management(json::object present);
/// Whether a list of root folders holds the path.
bool has_root_folder(const json::array& present, std::string_view path);

using Overrides = std::vector<std::pair<std::string, json::value>>;
/// A download client, an application or an indexer as it is wanted.
struct Entity {
  std::string name;
  Overrides members;   ///< on the object itself: always as given
  Overrides only_new;  ///< on the object itself: for one that is made
  Overrides fields;    ///< of its `fields`, by name in any letter case; those the schema lacks are left out
};
/// The fields a download client's category goes to.
Overrides category_fields(const json::object& schema, const std::string& category);
/// The entry of a schema list whose implementation contains the marker; null when there is none.
const json::object* schema_entry(const json::array& schema, std::string_view marker);
/// A new object made from its schema.
json::object created(const json::object& schema, const Entity& entity);
/// `present` brought to what is wanted, everything else of it kept. A field that is answered as asterisks, as
/// secrets are, counts as right.
std::optional<json::object> updated(const json::object& present, const Entity& entity);
/// The value of a field.
const json::value* field(const json::object& entity, std::string_view name);

/// A definition file of an indexer with these links in the place of its own (SVC-203).
std::string with_links(std::string_view yaml, const std::vector<std::string>& links);

}  // namespace dumb::setup::arr
