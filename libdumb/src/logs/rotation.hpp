#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "logs/record.hpp"

/// Which files a rotation renames and removes (LIF-100). Pure: works on the names in a directory.
namespace dumb::logs {

/// "DUMB-2026-02-03.log" is stem "DUMB" with a date, "zilean.log" stem "zilean" without.
struct LogName {
  std::string stem;
  std::optional<Date> date;
  std::string extension;  ///< with its dot; may be empty
  /// The name again.
  std::string to_string() const;
  bool operator==(const LogName&) const = default;
};
LogName parse_log_name(std::string_view name);

struct Rename {
  std::string from, to;
  bool operator==(const Rename&) const = default;
};

/// Steps of a rotation, to be carried out in this order: removals, renames, then `active` is opened.
struct RotationPlan {
  std::vector<std::string> removals;
  std::vector<Rename> renames;
  std::string active;
};

/// Rotates `active` away. `listing`: the names in its directory; `today` names what has no date of its own
/// and the new file of what has one; `keep` newest rotated files stay.
RotationPlan plan_rotation(const std::vector<std::string>& listing, std::string_view active,
                           const Date& today, int keep);

/// What retention removes when a log is opened: rotated files beyond the `keep` newest, by date, then lowest
/// index.
std::vector<std::string> plan_pruning(const std::vector<std::string>& listing, std::string_view active,
                                      int keep);

/// The rotated files of `active`, newest first.
std::vector<std::string> list_rotated(const std::vector<std::string>& listing, std::string_view active);

/// Rotated files of a day more than `days` days before `today`; with 0 days none is too old.
std::vector<std::string> plan_expiry(const std::vector<std::string>& listing, std::string_view active,
                                     const Date& today, int days);

/// Whether a record of `bytes` must go to a new file: the day has changed, or the file would reach `limit`
/// (0: none).
bool must_rotate(const Date& opened, const Date& today, std::uint64_t size, std::uint64_t bytes,
                 std::uint64_t limit);

}  // namespace dumb::logs
