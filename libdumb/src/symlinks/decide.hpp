#pragma once

#include <dumb/symlinks/manifest.hpp>
#include <optional>
#include <string>
#include <vector>

/// What one element of a manifest means against what is on disk now. All pure.
namespace dumb::symlinks {

/// What is at a path.
struct LinkState {
  enum class Kind { absent, link, other };
  Kind kind = Kind::absent;
  std::string target{};  ///< of a link
  bool operator==(const LinkState&) const = default;
  /// Whether it is exactly this; no target means no link.
  bool is(const std::optional<std::string>& target) const noexcept;
};

enum class Outcome { restored, unchanged, existing, error };

/// One change of one path, from what is there now to what shall be.
struct Step {
  std::string path;
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::optional<Ownership> owner{};  ///< to give to what is made
};

struct Verdict {
  Outcome outcome = Outcome::unchanged;
  std::vector<Step> steps{};  ///< one or two; the second only after the first has succeeded
};

enum class Overwrite { no, yes };

/// Rules 3 to 6 of SYM-34.
Verdict restore_entry(const SnapshotEntry& entry, const LinkState& now, Overwrite overwrite);
/// SYM-35. `at_path` is the state of `change.path`, `at_destination` that of a move's or copy's destination.
Verdict undo_change(const Change& change, const LinkState& at_path, const LinkState& at_destination,
                    Overwrite overwrite);
/// A move that was interrupted between its two halves: what is at the source can go (SYM-35).
bool is_half_done(const Change& change, const LinkState& at_path, const LinkState& at_destination);

enum class Pending { apply, finish, done, changed };
/// What is left to do of a planned change (SYM-78); `finish` removes what a half-done move left behind.
Pending resume_change(const Change& change, const LinkState& at_path, const LinkState& at_destination);

}  // namespace dumb::symlinks
