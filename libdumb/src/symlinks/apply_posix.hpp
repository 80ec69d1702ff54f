#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "symlinks/link_ops_posix.hpp"
#include "symlinks/tree_posix.hpp"

namespace dumb::symlinks {

/// Finds paths of requests and manifests in the trees of a run, and opens and makes directories there.
class Places {
 public:
  /// A path outside every tree is taken from the root of the stack when `anywhere` is set.
  enum class Reach { trees, anywhere };
  Places(const Context& context, std::vector<Tree>& trees, Reach reach);
  /// The same trees for another thread. Directories may be made by one at a time only.
  std::unique_ptr<Places> another() const { return std::make_unique<Places>(context_, trees_, reach_); }

  /// The directory that holds `path`; a negated errno in `number` when it cannot be opened. Valid until the
  /// next call but one.
  Directory* parent_of(std::string_view path, int& number);
  /// The same, made with what is missing above it. `like` is the path whose directories lend mode and owner;
  /// without it they are 0755 and owned as their nearest parent.
  Directory* make_parent_of(std::string_view path, const std::string* like, int& number);
  /// What is at `path`; a directory that is missing on the way there means nothing is.
  Result<LinkState> state(std::string_view path);
  /// Appends the directories that are missing above `path`, shallowest first.
  void missing_above(std::string_view path, std::vector<std::string>& missing);
  /// Removes an empty directory, if it lies in a tree or a tree lies in it; false for any other.
  bool remove_directory(const std::string& path);
  /// The file system a path's directory, or the nearest above it that exists, is on; 0 when none is known.
  dev_t file_system_of(std::string_view path);
  /// Which tree a path lies in; null when in none.
  Tree* tree_of(std::string_view path);
  const Context& context() const noexcept { return context_; }
  void forget() {
    recent_.clear();
    next_ = 0;  // what parent_of() hands out next must stay through the call after it
  }

 private:
  struct Recent {
    std::string path;
    std::unique_ptr<Directory> directory;
  };
  int open_directory(std::string_view path);
  int make_directory(const std::string& path, const std::string* like_destination, const std::string* like);
  void dress(int fd, const std::string& path, const std::string* like_destination, const std::string* like);

  const Context& context_;
  std::vector<Tree>& trees_;
  Reach reach_;
  std::optional<Tree> whole_;
  std::vector<Recent> recent_;
  std::size_t next_ = 0;
  std::size_t latest_ = 0;  ///< in recent_
};

/// The counterpart in `like` of the directory `directory` above `destination`: both paths end alike (SYM-22).
std::string counterpart(std::string_view directory, std::string_view destination, std::string_view like);

/// Carries out changes one by one.
class Applier {
 public:
  /// `two_steps` is as in ApplyHooks; called once.
  Applier(Places& places, const std::string& run_id, std::function<Result<void>()> two_steps = {});
  Done apply(const Change& change, std::uint64_t entry);
  /// The second half of a move whose first half is done; `left` is what stands at its source.
  Done finish(const Change& change, const std::string& left, std::uint64_t entry);
  /// Syncs every file system on which something was changed.
  int sync();
  /// The file system a change is made on; 0 when it is not known.
  dev_t file_system_of(const Change& change);
  /// What another one has changed is to be synced here.
  void take_over(Applier& other);

 private:
  Done apply_link(const Change& change, std::uint64_t entry);
  Done apply_transfer(const Change& change, std::uint64_t entry);
  Done at_destination(const Change& change, Directory& directory, const std::string& name,
                      std::uint64_t entry);
  Done two_steps(const Change& change, Directory& to, std::uint64_t entry);
  Done take_back(const Change& change, Directory& directory, const std::string& name, std::uint64_t entry);
  void touched(const Directory& directory);

  Places& places_;
  LinkOps ops_;
  std::function<Result<void>()> note_two_steps_;  ///< none when it is noted
  std::map<dev_t, UniqueFd> touched_;
  std::optional<dev_t> last_touched_;
  std::string name_;
};

/// How failures end the run: at once when they mean that no other change can be made, or when there are a
/// hundred of one kind in a row on one file system (SYM-88).
class FailureWatch {
 public:
  /// Whether a success counts: nothing needs to be told while nothing fails.
  bool counts() const noexcept { return !failing_.empty(); }
  /// True when the run must stop.
  bool note(const Done& done, dev_t file_system);

 private:
  struct Row {
    int number = 0;
    unsigned times = 0;
  };
  std::map<dev_t, Row> failing_;
};

/// `rehearse` decides as resume does and changes nothing.
enum class ApplyMode { fresh, resume, rehearse };
struct ApplyHooks {
  /// Whether a change may be made at all; asked when set.
  std::function<bool(const Change&)> admitted{};
  /// After each unit: one change, or two of which the second completes the first.
  std::function<void(const Change&, const Done&)> finished{};
  /// A resumed unit that was done already.
  std::function<void(const Change&)> already_done{};
  std::function<void(const Change&)> not_attempted{};
  /// Before a move that was planned as one rename is made in two steps; it is not made when this fails.
  std::function<Result<void>()> two_steps{};
};
struct Applied {
  std::optional<std::string> aborted;
  bool cancelled = false;
};
/// Streams the changes of an open manifest and carries them out. Targets are replaced by several threads,
/// each in directories of its own; every other change waits for all before it and is waited for by all behind
/// it. Hooks are called by one thread at a time.
Result<Applied> apply_manifest(Places& places, const std::string& run_id, int manifest, ApplyMode mode,
                               const std::stop_token& stop, const ApplyHooks& hooks);

/// The sentence of a step that failed.
ErrorItem error_item(const Change& change, const Done& done);

}  // namespace dumb::symlinks
