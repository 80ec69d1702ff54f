#pragma once

#include <sys/types.h>
#include <atomic>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "setup/tree_rules.hpp"

/// The trees of one root and the flip between them (SVC-68 to SVC-77). All of it blocking; whoever changes
/// anything holds the lock.
namespace dumb::setup {

struct TreeOwner {
  uid_t uid = 0;
  gid_t gid = 0;
};

class Trees {
 public:
  /// `root` is mapped. Nothing is made before begin() or adopt().
  Trees(std::filesystem::path root, std::optional<TreeOwner> owner) : root_(std::move(root)), owner_(owner) {}

  /// Takes the lock of the root; an empty descriptor when somebody else has it.
  Result<UniqueFd> try_lock() const;
  /// Reads state.json. Fails with bad_file when it cannot be understood.
  Result<void> read();
  /// Reads what is there, finishes or undoes what was interrupted, and returns it. Fails with bad_file when
  /// state.json cannot be understood.
  Result<Recovery> recover();
  /// As far as it was read or written by this object.
  const TreeState& state() const noexcept { return state_; }

  std::filesystem::path tree(const std::string& id) const { return releases() / id; }
  bool is_complete(const std::string& id) const;
  /// Moves what stands in the root and is not kept into a tree of its own that becomes the current one, every
  /// entry in one instant (SVC-72). `only`: no more than these names; empty: all. Nothing to do when there is
  /// a current tree.
  Result<void> adopt(const std::vector<std::string>& kept, const std::set<std::string>& only,
                     const std::string& version);
  /// Makes an empty tree and notes it as being built.
  Result<void> begin(const std::string& id, std::int64_t now);
  /// Fills a new tree with a copy of the current one, without its links to kept paths (SVC-71).
  Result<void> copy_current(const std::string& id, const std::vector<std::string>& kept,
                            const std::atomic<bool>& stop) const;
  /// Links the kept paths into a tree. `from_release`: what the tree itself holds at the top.
  Result<void> link_kept(const std::string& id, const std::vector<std::string>& kept,
                         const std::set<std::string>& from_release) const;
  /// The tree is whole: from now on it may be used.
  Result<void> complete(const std::string& id, std::int64_t now);
  /// Drops a tree that was not finished.
  Result<void> discard(const std::string& id);
  /// Makes a complete tree the current one (SVC-74).
  Result<void> activate(const std::string& id, const std::string& version, const std::string& sha256,
                        const std::vector<std::string>& kept, std::int64_t now);
  /// Makes the previous tree the current one again; without one, takes the exposed links away.
  Result<void> roll_back(const std::vector<std::string>& kept);
  /// The current tree is proven: trees that are not needed any more are removed.
  Result<void> commit(int kept_trees);

 private:
  std::filesystem::path own() const { return root_ / ".dumb"; }
  std::filesystem::path releases() const { return own() / "releases"; }
  Result<void> make_places() const;
  Result<void> give(const std::filesystem::path& path) const;
  Result<void> save() const;
  Result<void> point_at(const std::string& link, const std::string& id) const;
  Result<void> finish_adoption();
  Result<void> swap_for_link(const std::filesystem::path& from, const std::filesystem::path& to,
                             const std::string& target) const;
  Result<void> expose(const std::string& id, const std::vector<std::string>& kept) const;
  Result<void> hide_all_but(const std::string& id, const std::vector<std::string>& kept) const;
  std::set<std::string> shown(const std::string& id, const std::vector<std::string>& kept) const;
  std::string linked(const std::string& link) const;

  std::filesystem::path root_;
  std::optional<TreeOwner> owner_;
  TreeState state_;
};

/// Top-level entries of a directory.
std::set<std::string> entries_of(const std::filesystem::path& directory);
/// Flushes a directory's entries.
Result<void> sync_directory(const std::filesystem::path& directory);

}  // namespace dumb::setup
