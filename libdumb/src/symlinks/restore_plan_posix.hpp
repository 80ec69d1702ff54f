#pragma once

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "symlinks/path_index.hpp"
#include "symlinks/resume_posix.hpp"
#include "symlinks/targets_posix.hpp"

namespace dumb::symlinks {

/// What is decided for one entry of a manifest.
struct Decided {
  std::string link_path;              ///< or the source of a move
  std::string target_path;            ///< the destination of a move, else ""
  std::optional<std::string> target;  ///< what the entry wants at `link_path`; none: no link
  LinkState now;
  bool missing_target = false;
  bool failed = false;  ///< it could not be looked at; already reported
  Verdict verdict{};
};

/// Decides every entry of a manifest against the disk, in the order a restore or undo takes them. Real runs,
/// dry runs and comparisons all go through it, so that they agree (SYM-27, SYM-38).
class RestorePlan {
 public:
  struct Options {
    bool overwrite = false;
    bool restore_broken = true;
  };
  RestorePlan(const Context& context, Options options, RestoreReport& report, Meter& meter,
              const std::stop_token& stop);

  /// Opens, checks and locks nothing yet (SYM-33).
  Result<void> open(const std::string& path);
  /// Counts every entry into the report, but for those to be restored: `each` gets all that are decided.
  Result<void> run(const std::function<void(const Decided&)>& each);

  const OpenManifest& manifest() const noexcept { return manifest_; }
  bool is_undo() const noexcept { return !manifest_.contents.has_entries; }
  std::vector<Tree>& trees() noexcept { return trees_; }
  Places& places() noexcept { return *places_; }
  /// Directories that restoring makes.
  const std::vector<std::string>& created_dirs() const noexcept { return created_; }

 private:
  Result<void> run_snapshot(const std::function<void(const Decided&)>& each);
  Result<void> run_undo(const std::function<void(const Decided&)>& each);
  /// Asks after the targets of several elements in one go, where they matter.
  void look_ahead(const std::vector<Element>& elements, std::size_t count);
  void entry(const Element& element, const std::function<void(const Decided&)>& each);
  /// One entry: the elements it takes, the last one first.
  void change(const std::vector<Element>& unit, const std::function<void(const Decided&)>& each);
  /// False when the entry is not to be undone.
  bool undo_one(const Change& change, Decided& decided);
  /// `offsets` are of the elements that the steps come from.
  void conclude(const Decided& decided, const std::vector<std::uint64_t>& offsets,
                const std::function<void(const Decided&)>& each);
  void invalid(const std::string& path);
  void fail(const std::string& path, const std::string& destination, int number, std::string_view what);
  bool target_missing(const std::string& link_path, const std::string& target);
  Result<LinkState> state(const std::string& path);
  /// What an entry before this one made of a path that several name.
  std::optional<LinkState> planned(const std::string& path);
  void remember(const Step& step, std::uint64_t offset);
  void note_directories(const std::string& path);

  const Context& context_;
  Options options_;
  RestoreReport& report_;
  Meter& meter_;
  std::stop_token stop_;
  OpenManifest manifest_;
  std::vector<Tree> trees_;
  std::optional<Places> places_;
  Targets targets_;
  Repeated repeated_;
  PathIndex planned_;
  PathIndex made_;
  std::vector<std::string> created_;
  std::vector<std::uint64_t> offsets_;  ///< of an undo's elements
  /// What look_ahead() saw of absolute targets.
  std::map<std::string, Presence, std::less<>> looked_;
  std::uint64_t processed_ = 0;
};

}  // namespace dumb::symlinks
