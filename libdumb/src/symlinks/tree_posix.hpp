#pragma once

#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/symlinks/manifest.hpp>
#include <dumb/symlinks/operations.hpp>
#include <dumb/symlinks/reports.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "symlinks/decide.hpp"
#include "symlinks/mount_table.hpp"
#include "symlinks/system_posix.hpp"

namespace dumb::symlinks {

/// A directory that a run may work below.
struct Tree {
  std::string spelled;  ///< as the request has it
  std::string real;     ///< resolved; where it does not exist, as far as it does
  UniqueFd fd;          ///< O_PATH; none when it does not exist
  bool directory = true;
};

/// The mounts as they are now, and the configured mount points.
MountTable read_mount_table(const Environment& environment);

/// What a run needs of its environment, made once.
struct Context {
  explicit Context(const Environment& environment);
  const Environment& environment;
  SystemCalls& calls;
  const Clock& clock;
  MountTable mounts;

  /// The place on disk of a path as requests and manifests spell it.
  std::string on_disk(std::string_view spelled) const;
};

/// Opens a root; one that is a link is resolved. `directory` is false where something else stands.
/// Errc::invalid_argument when it really lies where no link tree may be (SYM-8).
Result<Tree> open_tree(const Context& context, const std::string& spelled);
/// The real path as far as it exists, and the rest as text.
std::string real_path(const std::string& path);

/// Opens the directory `path` (relative, "" is the tree itself) without following a link; a negated errno
/// otherwise. Paths longer than the kernel's limit are opened in pieces.
int open_below(SystemCalls& calls, int root, std::string_view path, int flags);

/// What is at a name. Fails with the errno when that cannot be told.
Result<LinkState> look_at(SystemCalls& calls, int directory, const std::string& name);
std::optional<Ownership> owner_of(SystemCalls& calls, int directory, const char* name);

/// "cannot <what>: …" with the path; `code` is the errno's name.
ErrorItem error_item(std::string_view path, int number, std::string_view what);

/// Keeps the first `limit` items and counts all.
template <class T>
void keep(std::vector<T>& list, std::uint64_t& total, std::size_t limit, T item) {
  ++total;
  if (list.size() < limit) list.push_back(std::move(item));
}

}  // namespace dumb::symlinks
