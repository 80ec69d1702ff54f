#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "style.hpp"

namespace dumb::cli {

struct Column {
  enum class Align { left, right };
  static constexpr std::size_t never_shorter = std::numeric_limits<std::size_t>::max();

  std::string title;
  Align align = Align::left;
  /// The least width the column may be cut to on a narrow terminal.
  std::size_t minimum = never_shorter;
};

struct Cell {
  std::string text;
  Color color = Color::none;
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  ///< each as long as `columns`
};

/// A header line and one line per row, two blanks between columns, no blanks at line ends. Where the style
/// limits the width, cells of the last shortenable columns are cut first, then whole columns are left out
/// from the end; no line is ever wider. Pure.
std::string render(const Table& table, const Style& style);

}  // namespace dumb::cli
