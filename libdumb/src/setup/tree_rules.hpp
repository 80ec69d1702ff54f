#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// What is known of the trees of a root, and what a start makes of what it finds (SVC-68 to SVC-77). Pure.
namespace dumb::setup {

struct Pending {
  /// building: incomplete; ready: complete, not yet in use; activated: in use, not yet proven.
  enum class Stage { building, ready, activated };
  std::string id;
  Stage stage = Stage::building;
  std::int64_t started_at = 0;
  bool operator==(const Pending&) const = default;
};

/// Entries of the root that are being moved into a tree of their own (SVC-72).
struct Adoption {
  std::string id;
  std::vector<std::string> entries;
  std::vector<std::string> nested;  ///< kept paths inside of them, which move to ".dumb/keep"
  bool operator==(const Adoption&) const = default;
};

/// `state.json`.
struct TreeState {
  std::string current, previous;  ///< ids; empty: none
  std::optional<Pending> pending;
  std::optional<Adoption> adoption;
  std::string version;           ///< of the current tree
  std::string previous_version;  ///< of the previous one
  std::string sha256;            ///< of the archive of the current tree
  std::string refused;           ///< version that was taken back; no start installs it again
  bool operator==(const TreeState&) const = default;
};
json::object encode_state(const TreeState& state);
/// Fails with bad_file; members that are missing are empty.
Result<TreeState> decode_state(std::string_view text);

/// Version plus eight hex digits of the archive's hash, fit for a directory name.
std::string tree_id(std::string_view version, std::string_view sha256);

/// What a daemon finds when it starts (SVC-77).
struct Found {
  std::string current;             ///< what the link `current` names; empty: no link
  std::set<std::string> trees;     ///< directories of `releases`
  std::set<std::string> complete;  ///< those that carry their mark
};
struct Recovery {
  TreeState state;                  ///< what to write; equal to what was read when nothing has to change
  std::vector<std::string> remove;  ///< trees
  bool on_trial = false;            ///< the current tree has not been proven yet
};
Recovery recover(TreeState state, const Found& found);

/// Trees that are not needed once an update is proven: all but the current and the previous one. `kept`
/// counts both (SVC-77).
std::vector<std::string> unneeded(const TreeState& state, const std::set<std::string>& trees, int kept);

/// Kept paths relative to the root, sorted, none inside another (SVC-70). All arguments are absolute and
/// lexically normal; relative ones are taken from `root`. What lies outside of the root or is the root itself
/// is left out.
std::vector<std::string> kept_paths(const std::string& root, const std::vector<std::string>& paths);
/// Where a kept path's data is, relative to the root: the path itself, or below ".dumb/keep" when the
/// directory it lies in comes with the release.
std::string home_of_kept(const std::string& kept, const std::set<std::string>& archived_tops);

/// Target of a symlink at `from` that leads to `to`; both relative to the same directory.
std::string relative_target(std::string_view from, std::string_view to);

}  // namespace dumb::setup
