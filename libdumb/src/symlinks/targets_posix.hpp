#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "symlinks/tree_posix.hpp"

namespace dumb::symlinks {

enum class Presence : unsigned char { present, missing, unknown };

/// One look: whether `target`, taken from the directory `directory` (a descriptor, or -1 when it does not
/// exist) whose real path is `real_directory`, leads to something.
struct Look {
  std::string target;
  Presence answer = Presence::unknown;
};

/// Asks whether targets exist, on threads of its own, so that a hung mount holds up nobody for longer than
/// the limit (SYM-19, SYM-89). One for a run; thread-safe.
class Targets {
 public:
  /// After `stop` every answer is `unknown`, at once.
  explicit Targets(const Context& context, std::stop_token stop = {});
  ~Targets();
  Targets(const Targets&) = delete;
  Targets& operator=(const Targets&) = delete;

  /// Answers every look of the batch.
  void look(int directory, const std::string& real_directory, std::vector<Look>& batch);
  Presence look(int directory, const std::string& real_directory, const std::string& target);

 private:
  struct Lane;
  struct Batch;
  std::shared_ptr<Lane> take_lane();
  void give_back(std::shared_ptr<Lane> lane);
  /// Runs the looks from `first` on; the index at which one did not come back, or the size.
  std::size_t run(Lane& lane, int directory, const std::string& real_directory, std::vector<Look>& batch,
                  const std::vector<std::size_t>& chosen, std::size_t first);
  bool may_ask(int mount);
  void note_stuck(int mount);
  /// The mounts of a moment, and how often they had changed by then.
  struct View {
    std::shared_ptr<const MountTable> mounts;
    unsigned generation = 0;
  };
  View view();
  /// The mounts of now: a mount may come or go while a run goes on.
  View refreshed();
  /// `moved`: mounts have changed since the target was asked about.
  Presence doubt(const MountTable& mounts, bool moved, const std::string& real_directory,
                 const std::string& target) const;

  const Context& context_;
  std::stop_token stop_;
  UniqueFd watch_;  ///< the kernel's table, which tells when it changes
  std::mutex mutex_;
  View view_;
  std::vector<std::shared_ptr<Lane>> idle_;
  std::vector<unsigned> stuck_on_;  ///< by mount of the view
};

}  // namespace dumb::symlinks
