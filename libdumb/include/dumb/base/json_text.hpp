#pragma once

#include <dumb/base/json.hpp>
#include <string>
#include <string_view>

/// Compact JSON text at the end of a string. Pure.
namespace dumb::jsonx {

/// `value` as print_compact() prints it.
void append_compact(std::string& out, const json::value& value);
/// `text` as a JSON string, quoted and escaped.
void append_string(std::string& out, std::string_view text);

}  // namespace dumb::jsonx
