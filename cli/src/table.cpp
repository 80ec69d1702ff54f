#include "table.hpp"

#include <algorithm>
#include <numeric>

namespace dumb::cli {
namespace {

constexpr std::size_t gap = 2;

using Widths = std::vector<std::size_t>;

Widths natural_widths(const Table& table) {
  Widths widths;
  for (std::size_t column = 0; column < table.columns.size(); ++column) {
    std::size_t width = display_width(table.columns[column].title);
    for (const auto& row : table.rows) width = std::max(width, display_width(row[column].text));
    widths.push_back(width);
  }
  return widths;
}

std::size_t total(const Widths& widths) {
  return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + gap * (widths.size() - 1);
}

// The widths of as many leading columns as fit; one column at least.
Widths fitted(const Table& table, std::size_t limit) {
  const Widths natural = natural_widths(table);
  if (limit == 0 || natural.empty()) return natural;
  for (std::size_t count = natural.size(); count > 0; --count) {
    Widths widths(natural.begin(), natural.begin() + static_cast<std::ptrdiff_t>(count));
    for (std::size_t column = count; column-- > 0 && total(widths) > limit;) {
      const std::size_t least =
          std::max(std::min(table.columns[column].minimum, widths[column]),
                   std::min(display_width(table.columns[column].title), widths[column]));
      const std::size_t excess = total(widths) - limit;
      widths[column] = std::max(least, widths[column] > excess ? widths[column] - excess : 0);
    }
    if (total(widths) <= limit) return widths;
  }
  return {limit};
}

std::string line(const std::vector<Column>& columns, const std::vector<Cell>& cells, const Widths& widths,
                 const Style& style) {
  std::string text;
  std::size_t owed = 0;  // blanks not written yet, so that none stand at the end
  for (std::size_t column = 0; column < widths.size(); ++column) {
    const std::string shown = clip(cells[column].text, widths[column], style);
    const std::size_t padding = widths[column] - display_width(shown);
    const bool right = columns[column].align == Column::Align::right;
    if (right) owed += padding;
    if (!shown.empty()) {
      text.append(owed, ' ');
      owed = 0;
      text += style.paint(cells[column].color, shown);
    }
    owed += (right ? 0 : padding) + gap;
  }
  return text + '\n';
}

}  // namespace

std::string render(const Table& table, const Style& style) {
  const Widths widths = fitted(table, style.width);
  std::vector<Cell> header;
  for (const Column& column : table.columns) header.push_back({column.title, Color::bold});
  std::string text = line(table.columns, header, widths, style);
  for (const auto& row : table.rows) text += line(table.columns, row, widths, style);
  return text;
}

}  // namespace dumb::cli
