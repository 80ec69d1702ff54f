#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <regex>

#include "setup/version.hpp"

namespace dumb::setup::version {
namespace {

constexpr std::size_t longest_version = 256;
/// The pattern matcher recurses once per character, so no line and no text may be of any length.
constexpr std::size_t longest_line = 1024;
constexpr std::size_t longest_text = 64 * 1024;

std::string with_short_lines(std::string_view text) {
  std::string out;
  text = text.substr(0, longest_text);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += text.substr(0, std::min(end, longest_line));
    if (end == text.size()) break;
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

std::optional<std::string> from_json(std::string_view text, const std::string& at) {
  const auto document = jsonx::parse(text);
  const auto path = jsonx::parse_pointer(at);
  if (!document || !path) return std::nullopt;
  const json::value* found = jsonx::find(*document, *path);
  if (found == nullptr || found->is_object() || found->is_array()) return std::nullopt;
  return jsonx::scalar_text(*found);
}

std::optional<std::string> last_line_after(std::string_view output, std::string_view mark) {
  output = text::trim(output);
  const auto line_start = output.rfind('\n');
  const auto line = line_start == std::string_view::npos ? output : output.substr(line_start + 1);
  const auto found = line.rfind(mark);
  if (found == std::string_view::npos) return std::nullopt;
  return std::string(line.substr(found + mark.size()));
}

/// `join` with what the patterns found; a pattern outside of brackets must have been found.
std::optional<std::string> joined(const Source& source, std::string_view text) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [name, pattern] : source.patterns) {
    if (auto value = first_match(text, pattern)) found.emplace_back(name, std::move(*value));
  }
  const catalog::Lookup lookup = [&](std::string_view name) -> std::optional<json::value> {
    for (const auto& [known, value] : found) {
      if (known == name) return json::value(json::string(value));
    }
    return std::nullopt;
  };
  auto result = catalog::expand_optional(source.join, lookup);
  if (!result || !catalog::placeholders(*result).empty()) return std::nullopt;
  return std::move(*result);
}

std::optional<std::string> finished(const Source& source, std::string_view found) {
  std::string version(text::trim(found));
  if (version.empty() || version.size() > longest_version || !text::is_utf8(version)) return std::nullopt;
  if (!source.strip_prefix.empty() && version.starts_with(source.strip_prefix)) {
    version.erase(0, source.strip_prefix.size());
  }
  if (!source.prefix.empty() && !version.starts_with(source.prefix)) version.insert(0, source.prefix);
  return version;
}

std::optional<std::string> raw(const Source& source, std::string_view text) {
  switch (source.kind) {
    case Kind::assembly:
      return scan_assembly(text, source.needle, source.regex);
    case Kind::http:
      return from_json(text, source.at);
    case Kind::file:
      if (source.format == "json") return from_json(text, source.at);
      if (source.format == "regex") return first_match(text, source.regex);
      if (source.format == "regex-multi") return joined(source, text);
      return std::string(text.substr(0, longest_text));
    case Kind::command:
      if (source.last_line_after) return last_line_after(text, *source.last_line_after);
      if (!source.regex.empty()) return first_match(text, source.regex);
      return std::string(text);
    case Kind::dpkg:
    case Kind::env:
    case Kind::fixed:
      break;
  }
  return std::string(text);
}

std::string narrowed(std::string_view wide) {
  std::string out;
  for (std::size_t i = 0; i + 1 < wide.size(); i += 2) {
    if (wide[i + 1] != '\0') break;
    out += wide[i];
  }
  return out;
}

std::string widened(std::string_view narrow) {
  std::string out;
  for (const char c : narrow) {
    out += c;
    out += '\0';
  }
  return out;
}

std::string_view printable(std::string_view text) {
  const auto end = std::find_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; });
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

}  // namespace

std::optional<std::string> first_match(std::string_view text, std::string_view pattern) {
  auto flags = std::regex::ECMAScript | std::regex::multiline;
  while (pattern.starts_with("(?i)") || pattern.starts_with("(?m)")) {
    if (pattern[2] == 'i') flags |= std::regex::icase;
    pattern.remove_prefix(4);
  }
  if (pattern.empty()) return std::nullopt;
  const std::string haystack = with_short_lines(text);
  try {
    const std::regex regex(pattern.begin(), pattern.end(), flags);
    std::smatch match;
    if (!std::regex_search(haystack, match, regex)) return std::nullopt;
    return match.size() > 1 ? match[1].str() : match[0].str();
  } catch (const std::regex_error&) {
    return std::nullopt;  // a faulty pattern, or one too costly for this text
  }
}

std::optional<std::string> scan_assembly(std::string_view bytes, std::string_view needle,
                                         std::string_view pattern) {
  constexpr std::size_t window = 128;
  if (needle.empty()) return std::nullopt;
  const std::string wide = widened(needle);
  for (const bool is_wide : {false, true}) {
    const std::string_view wanted = is_wide ? std::string_view(wide) : needle;
    for (auto at = bytes.find(wanted); at != std::string_view::npos; at = bytes.find(wanted, at + 1)) {
      const auto text = bytes.substr(at, wanted.size() + (is_wide ? 2 * window : window));
      const std::string narrow = is_wide ? narrowed(text) : std::string(text);
      if (auto found = first_match(printable(narrow), pattern)) return found;
    }
  }
  return std::nullopt;
}

std::optional<std::string> read(const Source& source, std::string_view text) {
  const auto found = raw(source, text);
  if (found) return finished(source, *found);
  if (!source.output_otherwise) return std::nullopt;
  Source whole;
  return finished(whole, text);
}

}  // namespace dumb::setup::version
