#pragma once

#include <boost/describe.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <dumb/base/json.hpp>
#include <optional>
#include <string>
#include <string_view>

/// Single settings of a configuration document, as `config get` and `config set` name them. All pure.
namespace dumb::cli {

/// Body of POST /config (CFG-72).
struct SettingUpdate {
  std::optional<std::string> process_name;
  json::object updates;
  bool persist = true;
};
BOOST_DESCRIBE_STRUCT(SettingUpdate, (), (process_name, updates, persist))

/// "/a/b" as JSON pointer, "a.b" with dots. A key that itself holds dots is found in `document` by its
/// longest match. Fails with Trouble::usage for an empty name and for a bad pointer. The place need not
/// exist.
Result<JsonPath> parse_setting(std::string_view name, const json::object& document);

/// What the user typed, as a value: text where `current` is a string, else JSON; yes/no words for a boolean;
/// plain text where it is not JSON. A quoted JSON string is unquoted.
json::value typed_value(const json::value* current, std::string_view text);

/// The request that sets `path`, which must not be empty. Within a process block the whole member of the
/// block is sent, changed in one place, because a member that is sent replaces the old one (CFG-83);
/// elsewhere a nested object, which is merged (CFG-87). Fails with Trouble::usage when `path` leads through a
/// value that is neither object nor array, and when something outside a process block is not to be saved.
Result<SettingUpdate> setting_update(const json::object& document, const JsonPath& path, json::value value,
                                     bool persist);

/// Every secret below `value`, which stands at `path`, replaced by "***" (CFG-105); `path` itself is left
/// alone.
json::value masked(const json::value& value, const JsonPath& path);

/// "zilean.port", with the pointer form when a key holds a dot.
std::string setting_name(const JsonPath& path);

}  // namespace dumb::cli
