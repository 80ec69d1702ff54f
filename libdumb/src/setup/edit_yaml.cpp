#include <algorithm>
#include <array>
#include <dumb/base/text.hpp>

#include "setup/edits.hpp"

namespace dumb::setup {
namespace {

/// A top-level line `key: value # comment`, active or commented out. Offsets into the line without its mark.
struct Parsed {
  std::string line;  ///< without the leading "# " of a commented-out line
  bool active = true;
  std::string value;
  bool quoted = false;
  std::size_t value_at = 0, value_end = 0;
};

/// Reads a quoted scalar from its opening quote; npos when it does not end on this line.
std::size_t read_quoted(std::string_view line, std::size_t at, std::string& value) {
  const char quote = line[at];
  for (++at; at < line.size(); ++at) {
    if (quote == '"' && line[at] == '\\' && at + 1 < line.size()) {
      const char c = line[++at];
      value += c == 'n' ? '\n' : c == 't' ? '\t' : c;
    } else if (line[at] != quote) {
      value += line[at];
    } else if (quote == '\'' && at + 1 < line.size() && line[at + 1] == quote) {
      value += line[++at];
    } else {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

/// Where a plain scalar ends: before " #" and trailing blanks.
std::size_t plain_end(std::string_view line, std::size_t at) {
  std::size_t end = line.size();
  for (std::size_t i = at; i < line.size(); ++i) {
    if (line[i] == '#' && (i == at || line[i - 1] == ' ' || line[i - 1] == '\t')) {
      end = i;
      break;
    }
  }
  while (end > at && (line[end - 1] == ' ' || line[end - 1] == '\t' || line[end - 1] == '\r')) --end;
  return end;
}

/// The line as a setting of `name`; nullopt when it is something else.
Result<std::optional<Parsed>> parse(std::string_view raw, std::string_view name, std::size_t number) {
  Parsed out;
  std::string_view line = raw;
  if (line.starts_with('#')) {
    out.active = false;
    line.remove_prefix(1);
    while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
  }
  if (!line.starts_with(name)) return std::optional<Parsed>();
  std::size_t at = line.find_first_not_of(" \t", name.size());
  if (at == std::string_view::npos || line[at] != ':') return std::optional<Parsed>();
  if (at + 1 < line.size() && line[at + 1] != ' ' && line[at + 1] != '\t') return std::optional<Parsed>();
  out.line = line;
  at = line.find_first_not_of(" \t", at + 1);
  if (at == std::string_view::npos) at = line.size();
  out.value_at = at;
  if (at < line.size() && (line[at] == '"' || line[at] == '\'')) {
    out.quoted = true;
    out.value_end = read_quoted(line, at, out.value);
    if (out.value_end == std::string_view::npos) {
      if (!out.active) return std::optional<Parsed>();
      return bad_file(number, raw.size() - line.size() + at + 1, "the quote is not closed on its line");
    }
  } else {
    out.value_end = plain_end(line, at);
    out.value = line.substr(at, out.value_end - at);
  }
  return std::optional<Parsed>(std::move(out));
}

bool is_continuation(std::string_view line) {
  return !text::blank(line) && (line.front() == ' ' || line.front() == '\t' || line.starts_with("- "));
}

/// The lines after `at` that belong to its value.
std::size_t block_length(const Lines& file, std::size_t at) {
  std::size_t end = at + 1;
  while (end < file.lines.size() && is_continuation(file.lines[end])) ++end;
  return end - at - 1;
}

std::string render(const Parsed& parsed, const YamlSetting& setting) {
  std::string head = parsed.line.substr(0, parsed.value_at);
  if (head.back() == ':') head += ' ';
  const std::string_view rest = std::string_view(parsed.line).substr(parsed.value_end);
  return head + yaml_scalar(*setting.value, setting.text) + (rest.starts_with('#') ? " " : "") +
         std::string(rest);
}

bool says(const Parsed& parsed, const YamlSetting& setting) {
  if (parsed.value != *setting.value) return false;
  // A bare 0123 is a number to YAML; the same text wanted as a string must be quoted.
  const bool reads_as_text = parsed.quoted || yaml_scalar(parsed.value, true) == parsed.value;
  return setting.text ? reads_as_text : !parsed.quoted;
}

std::size_t insertion_point(const Lines& file, std::string_view anchor) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const auto parsed = parse(file.lines[i], anchor, i + 1);
    if (parsed && *parsed && (*parsed)->active) return i + 1 + block_length(file, i);
  }
  while (at < file.lines.size() && (file.lines[at].starts_with('#') || text::trim(file.lines[at]) == "---"))
    ++at;
  return at;
}

/// Applies one setting. `added` counts the lines put after the anchor so far.
Result<void> apply(Lines& file, const YamlSetting& setting, std::string_view anchor, std::size_t& added,
                   bool& changed) {
  std::optional<std::size_t> commented;
  bool found = false;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const auto parsed = parse(file.lines[i], setting.name, i + 1);
    if (!parsed) return parsed.error();
    if (!*parsed) continue;
    const Parsed& line = **parsed;
    if (!line.active) {
      if (!commented) commented = i;
    } else if (!setting.value) {
      const std::size_t block = block_length(file, i);
      for (std::size_t k = i; k <= i + block; ++k) file.lines[k].insert(0, "# ");
      changed = true;
    } else if (!found) {
      found = true;
      if (says(line, setting)) continue;
      const std::size_t block = block_length(file, i);
      file.lines[i] = render(line, setting);
      const auto first = file.lines.begin() + static_cast<std::ptrdiff_t>(i) + 1;
      file.lines.erase(first, first + static_cast<std::ptrdiff_t>(block));
      changed = true;
    }
  }
  if (found || !setting.value) return {};
  changed = true;
  if (commented) {
    const auto parsed = parse(file.lines[*commented], setting.name, *commented + 1);
    file.lines[*commented] = render(**parsed, setting);
    return {};
  }
  const std::size_t at = insertion_point(file, anchor) + added++;
  file.lines.insert(file.lines.begin() + static_cast<std::ptrdiff_t>(std::min(at, file.lines.size())),
                    setting.name + ": " + yaml_scalar(*setting.value, setting.text));
  return {};
}

bool looks_typed(std::string_view value) {
  static constexpr std::array<std::string_view, 10> words{"true", "false", "null", "yes", "no",
                                                          "on",   "off",   "~",    "y",   "n"};
  const std::string lower = text::lower(value);
  if (std::find(words.begin(), words.end(), lower) != words.end()) return true;
  // Numbers in any notation, dates, ".inf": whatever begins like a number is quoted.
  const char c = value.front();
  return (c >= '0' && c <= '9') || c == '+' || c == '.' || (c == '-' && value.size() > 1);
}

}  // namespace

std::string yaml_scalar(std::string_view value, bool text) {
  if (!text) return std::string(value);
  const bool plain =
      !value.empty() && !looks_typed(value) && std::all_of(value.begin(), value.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '.' || c == '/';
      });
  if (plain && value.front() != '-') return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

Result<std::string> edit_yaml(std::string_view text, const std::vector<YamlSetting>& settings,
                              std::string_view anchor) {
  Lines file(text);
  bool changed = false;
  std::size_t added = 0;
  for (const YamlSetting& setting : settings) {
    if (auto done = apply(file, setting, anchor, added, changed); !done) return done.error();
  }
  if (changed) file.final_newline = true;
  return changed ? file.str() : std::string(text);
}

Result<std::optional<std::string>> yaml_value(std::string_view text, std::string_view name) {
  const Lines file(text);
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    auto parsed = parse(file.lines[i], name, i + 1);
    if (!parsed) return parsed.error();
    if (*parsed && (*parsed)->active) return std::optional<std::string>((*parsed)->value);
  }
  return std::optional<std::string>();
}

std::string comment_out_yaml(std::string_view text, std::string_view name, std::string_view part) {
  Lines file(text);
  bool changed = false;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const auto parsed = parse(file.lines[i], name, i + 1);
    if (!parsed || !*parsed || !(*parsed)->active || (*parsed)->line.find(part) == std::string::npos)
      continue;
    const std::size_t block = block_length(file, i);
    for (std::size_t k = i; k <= i + block; ++k) file.lines[k].insert(0, "# ");
    changed = true;
  }
  return changed ? file.str() : std::string(text);
}

}  // namespace dumb::setup
