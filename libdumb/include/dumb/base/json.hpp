#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <dumb/base/result.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// JSON documents as text and by path. All pure.
namespace dumb {

namespace json = boost::json;

/// Keys from the root to a member; array elements are decimal indexes.
using JsonPath = std::vector<std::string>;

namespace jsonx {

/// RFC 6901 text of a path; "" for the document itself.
std::string pointer(const JsonPath& path);
/// The reverse; fails with Errc::invalid_argument when it does not begin with '/' (or is not empty).
Result<JsonPath> parse_pointer(std::string_view pointer);

/// How numbers were spelled in a parsed text, by JSON pointer; only those print() would spell differently.
using NumberText = std::map<std::string, std::string, std::less<>>;

/// Parses strict JSON (RFC 8259, UTF-8, a leading BOM tolerated, at most 64 levels deep; the last of two
/// equal keys wins). Fails with Errc::bad_json, "line L, column C: …", both 1-based. Doubles are converted
/// exactly. `numbers`, if given, receives the spellings; `fault_offset` the byte at which a failed parse
/// stopped, counted from 0.
Result<json::value> parse(std::string_view text, NumberText* numbers = nullptr,
                          std::size_t* fault_offset = nullptr);

/// Four-space indented text with a final newline, member order kept; empty objects and arrays as {} and [].
/// A number whose spelling is in `numbers` and whose value is unchanged keeps that spelling.
std::string print(const json::value& value, const NumberText* numbers = nullptr);
/// How a text spelled what can be spelled in several ways, by JSON pointer.
struct Spelling {
  NumberText numbers;
  std::map<std::string, std::string, std::less<>> strings;  ///< values with escapes, quotes included
  std::map<std::string, std::string, std::less<>> keys;     ///< names with escapes, quotes included
};
/// parse() that also notes the spellings.
Result<json::value> parse(std::string_view text, Spelling& spelling);
/// print() that spells unchanged numbers, strings and names as they were.
std::string print(const json::value& value, const Spelling& spelling);
/// One line without blanks.
std::string print_compact(const json::value& value);

/// The member at `path`, or null when any step is missing.
const json::value* find(const json::value& root, const JsonPath& path) noexcept;
const json::value* find(const json::object& root, const JsonPath& path) noexcept;
/// Sets the member at `path`, creating objects on the way and replacing what is not an object.
void set(json::object& root, const JsonPath& path, json::value value);
/// Removes the member at `path` keeping the order of the others; false when it was not there.
bool erase(json::object& root, const JsonPath& path);

/// The string at `key` of `object`, or `otherwise` when it is missing or no string.
std::string string_at(const json::object& object, std::string_view key, std::string_view otherwise = {});
bool bool_at(const json::object& object, std::string_view key, bool otherwise);

/// A scalar as text: strings as they are, true/false, numbers as printed, null as "". Objects and arrays:
/// compact.
std::string scalar_text(const json::value& value);

/// The member's scalar_text(); "" when it is missing.
std::string text_at(const json::object& object, std::string_view key);

/// Equal as documents: 5 and 5.0 are equal, member order does not matter.
bool same(const json::value& a, const json::value& b) noexcept;

}  // namespace jsonx
}  // namespace dumb
