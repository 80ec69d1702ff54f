#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

/// Byte strings in JSON (SYM-9). All pure.
namespace dumb::symlinks {

/// Each byte that is not part of valid UTF-8 replaced by U+FFFD.
std::string display(std::string_view bytes);
/// For a log line or a sentence: control characters escaped as well (SYM-10).
std::string printable(std::string_view bytes);

/// Sets `name` to the text, and `name_b64` to the exact bytes where they are not UTF-8.
void put(boost::json::object& object, std::string_view name, std::string_view bytes);
/// The same as text, `"name":"…"`, appended to `out`.
void append_member(std::string& out, std::string_view name, std::string_view bytes);
/// A list of texts; `name_b64` lists the exact bytes of all when one of them is not UTF-8.
void put(boost::json::object& object, std::string_view name, const std::vector<std::string>& list);
void append_member(std::string& out, std::string_view name, const std::vector<std::string>& list);
/// A JSON string literal; what is not UTF-8 is shown as U+FFFD.
void append_string(std::string& out, std::string_view bytes);

}  // namespace dumb::symlinks
