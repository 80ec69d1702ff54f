#pragma once

#include <boost/describe/enum.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace dumb {

/// Severity of a record, lowest first (CFG-53).
enum class Level { debug, info, warning, error, critical };

/// "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL".
std::string_view level_name(Level level) noexcept;
/// Any spelling of CFG-53 (trimmed, any case, WARN and FATAL accepted); nullopt for anything else.
std::optional<Level> parse_level(std::string_view text) noexcept;

/// Where a part of the library reports what happened. Implementations are thread-safe, never block the caller
/// for long and redact secrets before a record leaves the process.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(Level level, std::string_view message) = 0;

  void debug(std::string_view message) { write(Level::debug, message); }
  void info(std::string_view message) { write(Level::info, message); }
  void warning(std::string_view message) { write(Level::warning, message); }
  void error(std::string_view message) { write(Level::error, message); }
};

/// Drops every record.
Log& null_log() noexcept;

}  // namespace dumb
