#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dumb::logs {

/// Replaces secrets in one line by "[REDACTED]" (LIF-108): idempotent, linear in the line's length.
/// Immutable.
class Redactor {
 public:
  Redactor() = default;
  /// `secrets`: exact values to hide; those shorter than 8 characters are ignored.
  explicit Redactor(std::vector<std::string> secrets);
  std::string operator()(std::string_view line) const;

 private:
  std::vector<std::string> secrets_;
};

}  // namespace dumb::logs
