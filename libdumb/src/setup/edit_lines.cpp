#include <fmt/format.h>
#include <algorithm>
#include <dumb/base/text.hpp>

#include "setup/edits.hpp"

namespace dumb::setup {

Error bad_file(std::size_t line, std::size_t column, std::string_view what) {
  return {make_error_code(Failure::bad_file), fmt::format("line {}, column {}: {}", line, column, what)};
}

Lines::Lines(std::string_view text) {
  if (text.empty()) return;
  lines = text::split(text, '\n');
  final_newline = lines.back().empty();
  if (final_newline) lines.pop_back();
  crlf = !lines.empty() &&
         std::all_of(lines.begin(), lines.end(), [](const auto& line) { return line.ends_with('\r'); });
  if (crlf) {
    for (std::string& line : lines) line.pop_back();
  }
}

std::string Lines::str() const {
  const std::string_view end = crlf ? "\r\n" : "\n";
  std::string text = text::join(lines, end);
  if (final_newline && !lines.empty()) text += end;
  return text;
}

std::string ensure_lines(std::string_view text, const std::vector<std::string>& wanted) {
  Lines file(text);
  bool changed = false;
  for (const std::string& line : wanted) {
    const auto same = [&](std::string_view there) { return text::trim(there) == text::trim(line); };
    if (std::any_of(file.lines.begin(), file.lines.end(), same)) continue;
    const auto commented = [&](std::string_view there) {
      there = text::trim(there);
      return there.starts_with('#') && same(there.substr(1));
    };
    changed = true;
    const auto found = std::find_if(file.lines.begin(), file.lines.end(), commented);
    if (found != file.lines.end()) {
      *found = line;
    } else {
      file.lines.push_back(line);
      file.final_newline = true;
    }
  }
  return changed ? file.str() : std::string(text);
}

}  // namespace dumb::setup
