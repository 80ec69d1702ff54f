#pragma once

#include <cstddef>
#include <optional>
#include <regex>
#include <string>
#include <string_view>

namespace dumb {

/// A regular expression (ECMAScript) that is searched in text its author does not control. Matched without
/// backtracking, so that no text makes it take exponential time or a deep stack; hence no back-references.
class LineRegex {
 public:
  static constexpr std::size_t reach = 1024;  ///< bytes of a line that are looked at

  /// nullopt when the pattern is none, or needs backtracking.
  static std::optional<LineRegex> compile(std::string_view pattern) {
    try {
      const std::string text(pattern);
      const std::regex alone(text, flags);
      return LineRegex(std::regex("[\\s\\S]*(?:" + text + ")", flags));
    } catch (const std::regex_error&) {
      return std::nullopt;
    }
  }
  bool found_in(std::string_view line) const {
    line = line.substr(0, reach);
    // From one place only: a search would begin anew at every byte.
    return std::regex_search(line.begin(), line.end(), regex_, std::regex_constants::match_continuous);
  }

 private:
#ifdef __GLIBCXX__
  static constexpr auto flags = std::regex::ECMAScript | std::regex_constants::__polynomial;
#else
  static constexpr auto flags = std::regex::ECMAScript;
#endif
  explicit LineRegex(std::regex regex) : regex_(std::move(regex)) {}
  std::regex regex_;
};

}  // namespace dumb
