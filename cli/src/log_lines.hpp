#pragma once

#include <dumb/base/log.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "style.hpp"

namespace dumb::cli {

/// A record of the main log (LIF-97), in parts.
struct LogRecord {
  std::string_view time;  ///< "Feb  3, 2026 07:05:09"
  std::string_view level_text;
  Level level = Level::info;
  std::string_view message;
};
std::optional<LogRecord> parse_record(std::string_view line) noexcept;

/// The lines of a chunk, without their ends; a last one without LF counts.
std::vector<std::string_view> split_lines(std::string_view chunk);

/// A line as a terminal gets it: escape sequences removed, control characters spelled out, tabs kept, a
/// record's level coloured. Pure.
std::string terminal_line(std::string_view line, const Style& style);

}  // namespace dumb::cli
