#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::logs {

/// Replaces secrets in one line by "[REDACTED]" (LIF-108): idempotent, linear in the line's length. A line whose
/// redacted text goes on showing further matches is hidden whole. Immutable and thread-safe; copies are cheap.
class Redactor {
 public:
  Redactor();
  /// `secrets`: exact values to hide; those shorter than 8 characters are ignored.
  explicit Redactor(std::vector<std::string> secrets);

  std::string operator()(std::string_view line) const;
  /// The same without a copy for lines that hold nothing to hide: false then, and `out` is untouched.
  bool apply(std::string_view line, std::string& out) const;
  /// Every line of a text by itself; line ends stay.
  std::string lines(std::string_view text) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace dumb::logs
