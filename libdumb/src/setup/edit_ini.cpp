#include <dumb/base/text.hpp>

#include "setup/edits.hpp"

namespace dumb::setup {
namespace {

struct Line {
  enum class Kind { comment, header, entry };  // a blank line counts as comment
  Kind kind = Kind::comment;
  std::string name;  ///< of the section or the key
  std::string value;
};

Result<Line> parse(std::string_view raw, std::size_t number) {
  const std::string_view line = text::trim(raw);
  if (line.empty() || line.front() == '#' || line.front() == ';') return Line{};
  if (line.front() == '[') {
    const std::size_t end = line.rfind(']');
    if (end == std::string_view::npos)
      return bad_file(number, raw.size() + 1, "the section name is not closed by ]");
    return Line{Line::Kind::header, std::string(text::trim(line.substr(1, end - 1))), {}};
  }
  const std::size_t at = line.find_first_of("=:");
  if (at == std::string_view::npos || at == 0) {
    return bad_file(number, raw.find_first_not_of(" \t") + 1,
                    "is neither a section, a comment nor \"name = value\"");
  }
  return Line{Line::Kind::entry, std::string(text::trim(line.substr(0, at))),
              std::string(text::trim(line.substr(at + 1)))};
}

Result<std::vector<Line>> parse_all(const Lines& file) {
  std::vector<Line> parsed;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    auto line = parse(file.lines[i], i + 1);
    if (!line) return line.error();
    parsed.push_back(std::move(*line));
  }
  return parsed;
}

void append_section(std::vector<std::string>& out, std::string_view section, const Entries& entries) {
  if (!out.empty() && !text::blank(out.back())) out.emplace_back();
  out.push_back("[" + std::string(section) + "]");
  for (const auto& [name, value] : entries) out.push_back(name + " = " + value);
}

}  // namespace

Result<std::optional<Entries>> ini_section(std::string_view text, std::string_view section) {
  const Lines file(text);
  const auto parsed = parse_all(file);
  if (!parsed) return parsed.error();
  std::optional<Entries> entries;
  bool inside = false;
  for (const Line& line : *parsed) {
    if (line.kind == Line::Kind::header) {
      inside = line.name == section;
      if (inside && !entries) entries.emplace();
    } else if (inside && line.kind == Line::Kind::entry) {
      entries->emplace_back(line.name, line.value);
    }
  }
  return entries;
}

Result<std::string> replace_ini_section(std::string_view text, std::string_view section,
                                        const Entries& entries) {
  const auto old = ini_section(text, section);
  if (!old) return old.error();
  if (*old && **old == entries) return std::string(text);
  Lines file(text);
  const auto parsed = parse_all(file);
  if (!parsed) return parsed.error();
  std::vector<std::string> out;
  bool inside = false;
  bool written = false;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const Line& line = (*parsed)[i];
    if (line.kind == Line::Kind::header) {
      inside = line.name == section;
      if (inside && written) continue;
      out.push_back(file.lines[i]);
      if (inside) {
        written = true;
        for (const auto& [name, value] : entries) out.push_back(name + " = " + value);
      }
    } else if (!inside || line.kind == Line::Kind::comment) {
      out.push_back(file.lines[i]);
    }
  }
  if (!written) append_section(out, section, entries);
  file.lines = std::move(out);
  file.final_newline = true;
  return file.str();
}

}  // namespace dumb::setup
