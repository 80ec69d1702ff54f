#include <algorithm>
#include <dumb/base/text.hpp>

#include "setup/edits.hpp"

namespace dumb::setup {
namespace {

bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

/// One line taken apart. Offsets into the line; an empty name is a blank or comment line.
struct Parsed {
  std::string name;
  std::string value;
  std::size_t name_at = 0, value_at = 0, value_end = 0;
};

std::size_t skip_blanks(std::string_view line, std::size_t at) {
  while (at < line.size() && blank(line[at])) ++at;
  return at;
}

/// Reads 'it''s' from the opening quote; npos when it does not end.
std::size_t read_quoted(std::string_view line, std::size_t at, std::string& value) {
  for (++at; at < line.size(); ++at) {
    if (line[at] == '\\' && at + 1 < line.size()) {
      value += line[++at];
    } else if (line[at] != '\'') {
      value += line[at];
    } else if (at + 1 < line.size() && line[at + 1] == '\'') {
      value += line[++at];
    } else {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

Result<Parsed> parse(std::string_view line, std::size_t number) {
  Parsed out;
  std::size_t at = skip_blanks(line, 0);
  if (at == line.size() || line[at] == '#') return out;
  out.name_at = at;
  if (!letter(line[at])) return bad_file(number, at + 1, "a setting must begin with a letter");
  while (at < line.size() && (letter(line[at]) || digit(line[at]) || line[at] == '.' || line[at] == '$'))
    ++at;
  out.name = text::lower(line.substr(out.name_at, at - out.name_at));
  at = skip_blanks(line, at);
  if (at < line.size() && line[at] == '=') at = skip_blanks(line, at + 1);
  if (at == line.size() || line[at] == '#') return bad_file(number, at + 1, "the setting has no value");
  out.value_at = at;
  if (line[at] == '\'') {
    at = read_quoted(line, at, out.value);
    if (at == std::string_view::npos) return bad_file(number, out.value_at + 1, "the quote is not closed");
  } else {
    while (at < line.size() && !blank(line[at]) && line[at] != '#') ++at;
    out.value = line.substr(out.value_at, at - out.value_at);
  }
  out.value_end = at;
  at = skip_blanks(line, at);
  if (at < line.size() && line[at] != '#') return bad_file(number, at + 1, "text after the value");
  return out;
}

std::string spell(std::string_view value) {
  const bool number =
      !value.empty() && (digit(value[0]) || (value[0] == '-' && value.size() > 1)) &&
      std::all_of(value.begin() + 1, value.end(), [](char c) { return digit(c) || c == '.' || letter(c); });
  const bool word = !value.empty() && letter(value[0]) && std::all_of(value.begin(), value.end(), [](char c) {
    return letter(c) || digit(c) || c == '-' || c == '.' || c == ':' || c == '/';
  });
  if (number || word) return std::string(value);
  std::string quoted = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') quoted += c;
    quoted += c;
  }
  return quoted + "'";
}

/// The line with its comment mark removed, when it is a commented-out setting of that name (with '=').
std::optional<std::string> commented_setting(std::string_view line, std::string_view name) {
  std::size_t at = skip_blanks(line, 0);
  if (at == line.size() || line[at] != '#') return std::nullopt;
  const std::string rest(line.substr(skip_blanks(line, at + 1)));
  const auto parsed = parse(rest, 1);
  if (!parsed || parsed->name != name) return std::nullopt;
  const std::size_t equals = skip_blanks(rest, parsed->name.size());
  if (rest[equals] != '=') return std::nullopt;
  return rest;
}

std::string with_value(std::string_view line, const Parsed& parsed, std::string_view value) {
  return std::string(line.substr(0, parsed.value_at)) + spell(value) +
         std::string(line.substr(parsed.value_end));
}

void take_into_use(Lines& file, const std::string& name, const std::string& value) {
  for (std::string& line : file.lines) {
    const auto rest = commented_setting(line, name);
    if (!rest) continue;
    line = with_value(*rest, *parse(*rest, 1), value);
    return;
  }
  file.lines.push_back(name + " = " + spell(value));
  file.final_newline = true;
}

Result<void> apply(Lines& file, const Setting& setting, bool& changed) {
  const std::string name = text::lower(setting.name);
  std::string* last = nullptr;
  Parsed parsed_last;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const auto parsed = parse(file.lines[i], i + 1);
    if (!parsed) return parsed.error();
    if (parsed->name != name) continue;
    if (!setting.value) {
      file.lines[i].insert(0, "#");
      changed = true;
      continue;
    }
    last = &file.lines[i];
    parsed_last = *parsed;
  }
  if (!setting.value) return {};
  if (setting.value->find_first_of("\n\r") != std::string::npos) {
    return Error(make_error_code(Failure::bad_value), "setting " + name + " must not hold a line break");
  }
  if (last == nullptr) {
    take_into_use(file, name, *setting.value);
    changed = true;
  } else if (parsed_last.value != *setting.value) {
    *last = with_value(*last, parsed_last, *setting.value);
    changed = true;
  }
  return {};
}

}  // namespace

Result<std::string> edit_kv(std::string_view text, const Settings& settings) {
  Lines file(text);
  bool changed = false;
  for (const Setting& setting : settings) {
    if (auto done = apply(file, setting, changed); !done) return done.error();
  }
  return changed ? file.str() : std::string(text);
}

Result<std::optional<std::string>> kv_value(std::string_view text, std::string_view name) {
  std::optional<std::string> value;
  const Lines file(text);
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const auto parsed = parse(file.lines[i], i + 1);
    if (!parsed) return parsed.error();
    if (parsed->name == text::lower(name)) value = parsed->value;
  }
  return value;
}

}  // namespace dumb::setup
