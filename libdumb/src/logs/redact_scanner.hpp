#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::logs {

inline constexpr std::string_view redacted = "[REDACTED]";

/// Exact values to hide, by first byte, longest first.
class SecretTable {
 public:
  explicit SecretTable(std::vector<std::string> secrets);
  /// Row 9: the line with every occurrence replaced.
  std::string replace(std::string_view line) const;
  const std::vector<std::string>& all() const noexcept { return secrets_; }

 private:
  std::vector<std::string> secrets_;
  std::array<std::vector<std::string_view>, 256> by_first_;
};

/// Walks one line from left to right and replaces what rows 1 to 8 of LIF-108 name. Each rule looks forward
/// from the place it matched and goes on behind what it consumed, so that the whole is linear.
class RedactScanner {
 public:
  RedactScanner(std::string_view line, std::string& out);
  /// Appends the redacted line to the output.
  void run();

 private:
  using Index = std::size_t;

  bool word();
  bool header_name();
  bool header_value(Index after_name);
  bool credential();
  bool secret_name();
  bool query_value(Index begin, Index name_end);
  bool named_value(Index name_end);
  bool aiostreams();
  bool webdav_credentials();
  bool identifier();
  bool plex_account();
  bool plex_token();
  void path_id();
  void user_info();
  void email(Index mark_length);

  /// Replaces [from, to) and goes on at `to`; what holds the replacement already stays. True.
  bool replace(Index from, Index to);
  bool at(Index index, std::string_view lower) const noexcept;
  bool word_ends(Index index) const noexcept;
  Index blanks(Index index) const noexcept;
  Index quote(Index index) const noexcept;
  Index until(Index index, std::string_view stops) const noexcept;
  bool replace_value(Index value, std::string_view stops);
  Index closing_quote(Index opening, Index inside) const noexcept;
  char byte(Index index) const noexcept { return index < line_.size() ? line_[index] : '\0'; }

  std::string_view line_;
  std::string& out_;
  Index i_ = 0;       ///< where the walk stands
  Index copied_ = 0;  ///< everything before it is in the output
  bool authorization_ = false;
  bool myplex_ = false;
  bool signed_in_ = false;
};

}  // namespace dumb::logs
