#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/catalog/expression.hpp>
#include <utility>

namespace dumb::catalog {
namespace {

constexpr int max_depth = 16;  // of defaults within defaults

Error fault(std::string message) {
  return Error(Errc::invalid_argument, std::move(message));
}

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name_char(char c) {
  return is_name_start(c) || (c >= '0' && c <= '9') || c == '.' || c == ':' || c == '-';
}

/// Position behind the brace that closes the one at `open`, or npos.
std::size_t closing(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i + 1;
  }
  return std::string_view::npos;
}

std::vector<std::string> split_filters(std::string_view text) {
  std::vector<std::string> filters;
  std::string current;
  int depth = 0;
  for (const char c : text) {
    if (c == '{') ++depth;
    if (c == '}') --depth;
    if (c == '|' && depth == 0) {
      filters.push_back(std::exchange(current, {}));
    } else {
      current += c;
    }
  }
  filters.push_back(std::move(current));
  return filters;
}

std::optional<Placeholder> parse_at(std::string_view text, std::size_t open) {
  if (open > 0 && text[open - 1] == '$') return std::nullopt;
  std::size_t at = open + 1;
  if (at >= text.size() || !is_name_start(text[at])) return std::nullopt;
  while (at < text.size() && is_name_char(text[at])) ++at;
  if (at >= text.size() || (text[at] != '}' && text[at] != '|')) return std::nullopt;
  Placeholder found;
  found.begin = open;
  found.name = text.substr(open + 1, at - open - 1);
  if (text[at] == '}') {
    found.end = at + 1;
    return found;
  }
  found.end = closing(text, open);
  if (found.end == std::string_view::npos) return std::nullopt;
  found.filters = split_filters(text.substr(at + 1, found.end - at - 2));
  return found;
}

struct Engine {
  const Lookup& lookup;
  const Filter& filter;
  int depth = 0;

  Result<std::optional<json::value>> value_of(const Placeholder& placeholder);
  Result<json::value> apply(const std::string& filter_text, json::value input);
  Result<json::value> whole(std::string_view text);
  Result<std::string> text(std::string_view text);
  Result<std::string> optional_text(std::string_view text);
  Result<json::value> tree(const json::value& expression);
  Result<json::value> object(const json::object& expression);
  Result<json::value> array(const json::array& expression);
};

bool is_default(const std::string& filter) {
  return filter == "default" || filter.starts_with("default:");
}

/// nullopt when the name is not known and nothing stands in for it.
Result<std::optional<json::value>> Engine::value_of(const Placeholder& placeholder) {
  std::optional<json::value> value;
  if (lookup) value = lookup(placeholder.name);
  if (!value) {
    if (std::none_of(placeholder.filters.begin(), placeholder.filters.end(), is_default)) {
      return std::optional<json::value>();
    }
    value.emplace(nullptr);
  }
  json::value current = std::move(*value);
  for (const auto& filter_text : placeholder.filters) {
    auto next = apply(filter_text, std::move(current));
    if (!next) {
      const Error error = next.error();
      return Error(error.code(), fmt::format("{{{}}}: {}", placeholder.name, error.message()), error.where());
    }
    current = std::move(*next);
  }
  return std::optional<json::value>(std::move(current));
}

Result<std::string> filter_text_input(std::string_view name, const json::value& input) {
  if (input.is_array() || input.is_object()) return fault(fmt::format("filter {} takes a text", name));
  return jsonx::scalar_text(input);
}

std::string directory_of(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return path.empty() ? "" : ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string base_of(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos || path == "/") return std::string(path);
  return std::string(path.substr(slash + 1));
}

json::value text_value(std::string_view text) {
  return json::value(json::string(text));
}

/// The filters that map one text to another value.
json::value simple_filter(std::string_view name, const std::string& text) {
  if (name == "loopback") {
    const auto host = text::trim(text);
    return text_value(host.empty() || host == "0.0.0.0" || host == "::" || host == "[::]" ? "127.0.0.1"
                                                                                          : host);
  }
  if (name == "dirname") return text_value(directory_of(text));
  if (name == "basename") return text_value(base_of(text));
  if (name == "upper") return text_value(text::upper(text));
  if (name == "lower") return text_value(text::lower(text));
  if (name == "is-debug") return text_value(text::iequals(text::trim(text), "debug") ? "true" : "false");
  // dotnet-if-dll
  if (!text::lower(text).ends_with(".dll")) return text_value(text);
  json::array command;
  command.emplace_back("dotnet");
  command.emplace_back(text);
  return command;
}

Result<json::value> Engine::apply(const std::string& filter_text, json::value input) {
  const auto colon = filter_text.find(':');
  const std::string name = filter_text.substr(0, colon);
  const std::string argument = colon == std::string::npos ? "" : filter_text.substr(colon + 1);
  if (name == "default") {
    if (!is_blank(input)) return input;
    if (++depth > max_depth) return fault("defaults are nested too deeply");
    auto otherwise = whole(argument);
    --depth;
    return otherwise;
  }
  if (name == "with-port-arg") {
    std::optional<json::value> port;
    if (lookup) port = lookup("port");
    if (!port || is_blank(*port)) return fault("filter with-port-arg needs the field port");
    auto command = with_port_argument(input, text::split(argument, ','), jsonx::scalar_text(*port));
    if (!command) return command.error();
    return json::value(std::move(*command));
  }
  if (is_builtin_filter(name)) {
    auto text = filter_text_input(name, input);
    if (!text) return text.error();
    return simple_filter(name, *text);
  }
  if (!filter) return fault(fmt::format("there is no filter {}", name));
  return filter(filter_text, input);
}

Result<json::value> Engine::whole(std::string_view text) {
  const auto first = text.starts_with('{') ? parse_at(text, 0) : std::nullopt;
  if (first && first->end == text.size()) {
    auto value = value_of(*first);
    if (!value) return value.error();
    if (*value) return std::move(**value);
    return text_value(text);
  }
  auto expanded = this->text(text);
  if (!expanded) return expanded.error();
  return text_value(*expanded);
}

Result<std::string> Engine::text(std::string_view text) {
  std::string out;
  std::size_t done = 0;
  for (const auto& placeholder : placeholders(text)) {
    out += text.substr(done, placeholder.begin - done);
    auto value = value_of(placeholder);
    if (!value) return value.error();
    out += *value ? jsonx::scalar_text(**value)
                  : std::string(text.substr(placeholder.begin, placeholder.end - placeholder.begin));
    done = placeholder.end;
  }
  out += text.substr(done);
  return out;
}

Result<std::string> Engine::optional_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find('[');
    const auto close = open == std::string_view::npos ? open : text.find(']', open);
    if (close == std::string_view::npos) break;
    const auto inside = text.substr(open + 1, close - open - 1);
    const auto parts = placeholders(inside);
    auto before = this->text(text.substr(0, open));
    if (!before) return before.error();
    out += *before;
    if (parts.empty()) {
      out += text.substr(open, close + 1 - open);
    } else {
      bool keep = true;
      for (const auto& placeholder : parts) {
        auto value = value_of(placeholder);
        if (!value) return value.error();
        keep = keep && *value && !is_blank(**value);
      }
      if (keep) {
        auto part = this->text(inside);
        if (!part) return part.error();
        out += *part;
      }
    }
    text.remove_prefix(close + 1);
  }
  auto rest = this->text(text);
  if (!rest) return rest.error();
  return out + *rest;
}

bool has_optional_parts(std::string_view name) {
  return name == "url" || name == "join" || name.ends_with("_url");
}

Result<json::value> Engine::object(const json::object& expression) {
  json::object out;
  out.reserve(expression.size());
  for (const auto& [key, inner] : expression) {
    auto name = text(key);
    if (!name) return name.error();
    if (inner.is_string() && has_optional_parts(key)) {
      auto url = optional_text(inner.get_string());
      if (!url) return url.error();
      out[*name] = text_value(*url);
      continue;
    }
    auto value = tree(inner);
    if (!value) return value.error();
    out[*name] = std::move(*value);
  }
  return json::value(std::move(out));
}

Result<json::value> Engine::array(const json::array& expression) {
  json::array out;
  for (const auto& element : expression) {
    auto value = tree(element);
    if (!value) return value.error();
    if (!element.is_string()) {
      out.push_back(std::move(*value));
    } else if (value->is_array()) {
      for (auto& inner : value->get_array()) out.push_back(std::move(inner));
    } else if (!value->is_null()) {
      out.push_back(std::move(*value));
    }
  }
  return json::value(std::move(out));
}

Result<json::value> Engine::tree(const json::value& expression) {
  if (const auto* text = expression.if_string()) return whole(*text);
  if (const auto* members = expression.if_object()) return object(*members);
  if (const auto* elements = expression.if_array()) return array(*elements);
  return expression;
}

}  // namespace

std::vector<Placeholder> placeholders(std::string_view text) {
  std::vector<Placeholder> found;
  for (std::size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at)) {
    if (auto placeholder = parse_at(text, at)) {
      at = placeholder->end;
      found.push_back(std::move(*placeholder));
    } else {
      ++at;
    }
  }
  return found;
}

Result<json::value> expand(const json::value& expression, const Lookup& lookup, const Filter& filter) {
  return Engine{lookup, filter}.tree(expression);
}

Result<std::string> expand_text(std::string_view text, const Lookup& lookup, const Filter& filter) {
  return Engine{lookup, filter}.text(text);
}

Result<std::string> expand_optional(std::string_view text, const Lookup& lookup, const Filter& filter) {
  return Engine{lookup, filter}.optional_text(text);
}

bool is_blank(const json::value& value) noexcept {
  switch (value.kind()) {
    case json::kind::null:
      return true;
    case json::kind::string:
      return text::blank(value.get_string());
    case json::kind::array:
      return value.get_array().empty();
    case json::kind::object:
      return value.get_object().empty();
    default:
      return false;
  }
}

const json::value* member(const json::object& block, std::string_view name) noexcept {
  if (const auto* direct = block.if_contains(name)) return direct;
  for (auto dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
    const auto* inner = block.if_contains(name.substr(0, dot));
    if (inner == nullptr) continue;
    const auto rest = name.substr(dot + 1);
    if (const auto* object = inner->if_object()) {
      if (const auto* found = member(*object, rest)) return found;
    } else if (const auto* array = inner->if_array()) {
      const auto index = text::to_int(rest);
      if (index && *index >= 0 && static_cast<std::size_t>(*index) < array->size()) {
        return &(*array)[static_cast<std::size_t>(*index)];
      }
    }
  }
  return nullptr;
}

bool is_builtin_filter(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 9> names = {"loopback", "dirname",       "basename",
                                                            "upper",    "lower",         "default",
                                                            "is-debug", "with-port-arg", "dotnet-if-dll"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<json::array> with_port_argument(const json::value& command, const std::vector<std::string>& options,
                                       std::string_view port) {
  json::array words;
  if (const auto* array = command.if_array()) {
    words = *array;
  } else if (const auto* text = command.if_string()) {
    auto split = text::shell_words(*text);
    if (!split) return split.error();
    for (const auto& word : *split) words.emplace_back(word);
  } else if (!command.is_null()) {
    return fault("filter with-port-arg takes a command");
  }
  if (options.empty() || options.front().empty()) return fault("filter with-port-arg needs an option");
  const auto is_option = [&](const json::value& word) {
    return word.is_string() && std::find(options.begin(), options.end(), word.get_string()) != options.end();
  };
  bool found = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!is_option(words[i])) continue;
    found = true;
    if (i + 1 == words.size()) words.emplace_back(nullptr);
    words[++i] = text_value(port);
  }
  if (!found) {
    words.emplace_back(options.front());
    words.push_back(text_value(port));
  }
  return words;
}

}  // namespace dumb::catalog
