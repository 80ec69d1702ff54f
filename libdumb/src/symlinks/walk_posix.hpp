#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "symlinks/tree_posix.hpp"

namespace dumb::symlinks {

/// The directory a walk is in. Valid during the call that passes it.
struct WalkedDirectory {
  const Tree& tree;
  std::string_view path;  ///< relative to the tree
  int fd;
  std::size_t depth;  ///< 0: the tree itself
};

/// What one thread of a walk hands its links to. Calls for one directory come in one piece.
class LinkSink {
 public:
  virtual ~LinkSink() = default;
  /// A NUL follows the name.
  virtual void link(const WalkedDirectory& directory, std::string_view name, std::string_view target) = 0;
  /// After the last link of a directory.
  virtual void leave(const WalkedDirectory&) {}
  /// After the last directory of this thread.
  virtual void end() {}
  /// A directory or target that cannot be read; `path` is as the request spells it.
  virtual void failed(const std::string& path, int number, std::string_view what) = 0;
};

struct WalkOptions {
  unsigned threads = 1;
  std::vector<std::string> not_entered{};   ///< real paths
  std::optional<std::size_t> only_depth{};  ///< links of directories at this depth only
};

struct WalkOutcome {
  std::vector<std::string> skipped_mounts{};  ///< as spelled, sorted
  std::size_t deepest = 0;
  bool stopped = false;
};

/// Every link below the trees, once (section 12 of the specification). No link is followed and no target is
/// touched. Memory grows with the names of sibling directories only. `make_sink` is called once for each
/// thread, before any of them starts.
WalkOutcome walk(const Context& context, const std::vector<Tree>& trees, const WalkOptions& options,
                 const std::function<std::unique_ptr<LinkSink>()>& make_sink, const std::stop_token& stop);

/// How many threads a walk uses in this environment.
unsigned walk_threads(const Environment& environment);

}  // namespace dumb::symlinks
