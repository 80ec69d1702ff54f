#pragma once

#include <dumb/base/log.hpp>
#include <dumb/logs/log_service.hpp>
#include <string>
#include <string_view>

/// Level and text of a captured line (LIF-107). Pure.
namespace dumb::logs {

struct Classified {
  Level level = Level::info;
  std::string_view text;  ///< part of the line, or of `scratch`
  bool operator==(const Classified&) const = default;
};

/// `line` is cleaned and not empty; `previous` is the level of the line before it in the same stream.
Classified classify(LineFormat format, std::string_view line, Level previous, std::string& scratch);

/// Whether a traefik line belongs to the access log (LIF-104).
bool is_access_line(std::string_view line) noexcept;

}  // namespace dumb::logs
