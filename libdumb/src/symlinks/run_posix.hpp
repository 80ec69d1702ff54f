#pragma once

#include <dumb/base/json.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "symlinks/apply_posix.hpp"
#include "symlinks/files_posix.hpp"
#include "symlinks/tree_posix.hpp"

namespace dumb::symlinks {

/// Publishes progress: at once when the stage changes, else at most four times a second. Thread-safe.
class Meter {
 public:
  Meter(const Context& context, const Control& control);
  void stage(Stage stage, std::optional<std::uint64_t> total = {});
  /// `change` is applied to the counters; they are published when it is time.
  template <class F>
  void update(F change) {
    const std::lock_guard lock(mutex_);
    change(progress_);
    publish(false);
  }

 private:
  void publish(bool now);
  bool begun_ = false;  ///< nothing is published before the first stage: a run that waits for its roots
  const Context& context_;
  const Control& control_;
  std::mutex mutex_;
  Progress progress_;
  SteadyTime last_{};
};

/// Takes the locks of SYM-81: in this process, and with flock against others. The holder is named by
/// conflicts.
class RunLocks {
 public:
  Result<void> take(const Context& context, const Control& control, const std::string& operation,
                    const std::vector<Tree>& trees, Locks::Mode mode, bool everything = false);

 private:
  Locks::Guard guard_;
  std::vector<UniqueFd> files_;
};

/// Writes the plan of a run as its manifest while it is made (SYM-69, SYM-72). The file is begun with the
/// first change. Thread-safe.
class Journal {
 public:
  /// `backup_path` as requested, if any; `operation` names an automatic file.
  Journal(const Context& context, Header header, std::optional<ManifestPlace> place);

  /// Appends changes, each followed by ",\n".
  void append(std::string_view changes, std::uint64_t count);
  std::uint64_t count() const noexcept { return count_; }
  /// Makes the manifest durable under its name, and the run recorded as applying.
  Result<void> commit(const std::vector<std::string>& created_dirs, const std::string& owner);
  /// Records that moves planned as one rename are made in two steps.
  Result<void> note_two_steps();
  /// The run is over: its record goes.
  Result<void> close();
  int fd() const noexcept { return file_->fd(); }
  const std::string& run_id() const noexcept { return header_.run_id; }
  /// As requests spell it; empty while nothing was planned.
  std::string path() const { return count_ == 0 ? std::string() : place_.path(); }
  bool automatic() const noexcept { return automatic_; }
  /// The first failure to write, if any.
  const std::optional<Error>& failure() const noexcept { return failure_; }

 private:
  Result<void> begin();

  const Context& context_;
  Header header_;
  ManifestPlace place_;
  bool automatic_;
  std::mutex mutex_;
  std::unique_ptr<DurableFile> file_;
  std::uint64_t count_ = 0;
  std::optional<Error> failure_;
  RunRecord record_;
};

/// Errc::cancelled, after the caller has got the report so far.
Error cancelled(const Control& control, json::object so_far, std::string message);
/// Now, as manifests have it.
std::string now_text(const Context& context);
/// Manifest path of a request; the use decides about names.
Result<ManifestPlace> place_for(const Environment& environment, const std::string& path, ManifestUse use);

}  // namespace dumb::symlinks
