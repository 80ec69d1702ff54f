#pragma once

#include <dumb/symlinks/manifest.hpp>
#include <optional>
#include <string>

#include "symlinks/tree_posix.hpp"

namespace dumb::symlinks {

/// An open directory of a tree.
struct Directory {
  UniqueFd fd;
  dev_t device = 0;
  bool group_inherited = false;  ///< set-group-id: new links take its group
};

/// How one step ended. `changed`: what was there is not what was planned, nothing was touched. `exists`:
/// something stands where nothing should be.
struct Done {
  enum class Kind { done, changed, exists, failed };
  Kind kind = Kind::done;
  int number = 0;  ///< errno of a failure
  const char* what = "";
};

/// The steps of section 11 of the specification. Through each of them, and through a crash at any instant,
/// the link is there with its old or its new target; nothing that is not the expected link is removed.
class LinkOps {
 public:
  LinkOps(SystemCalls& calls, const std::string& run_id);

  /// SYM-73. Without `owner` the new link gets the old one's owner and times.
  Done replace(const Directory& directory, const std::string& name, const std::string& from,
               const std::string& to, const std::optional<Ownership>& owner, std::uint64_t entry);
  /// SYM-74. Without `owner` it gets that of its directory.
  Done create(const Directory& directory, const std::string& name, const std::string& to,
              const std::optional<Ownership>& owner, std::uint64_t entry);
  /// SYM-76.
  Done remove(const Directory& directory, const std::string& name, const std::string& expected,
              std::uint64_t entry);
  /// SYM-75, a plain rename; `replaced` is what stands at the destination.
  Done move(const Directory& from, const std::string& name, const Directory& to,
            const std::string& destination, const std::string& target,
            const std::optional<std::string>& replaced, std::uint64_t entry);

  /// SYM-77: what an interrupted step left at the temporary name in the directory of `name`. `kept_as`
  /// receives the name of somebody else's link or file that could not go back to its own, because another
  /// one stands there now.
  Done settle(int directory, const std::string& name, const Change& change, std::uint64_t entry,
              std::string& kept_as);

 private:
  Done fresh(const Directory& directory, const std::string& temporary, const std::string& to,
             const std::optional<Ownership>& owner, const std::string* like);
  Done replace_plainly(int directory, const std::string& name, const std::string& temporary,
                       const std::string& from);
  Done move_plainly(const Directory& from, const std::string& name, const Directory& to,
                    const std::string& destination, const std::string& target,
                    const std::optional<std::string>& replaced, std::uint64_t entry);
  bool are_one(int from, const std::string& name, int to, const std::string& destination);
  Done put_back(int directory, const std::string& name, const std::string& temporary);
  Done keep_visible(int directory, const std::string& name, const std::string& temporary,
                    std::string& kept_as);
  int rename_to_free(int directory, const std::string& from, const std::string& to);
  bool holds(int directory, const std::string& name, const std::string& target);
  /// Valid until the next call with another entry.
  const std::string& temporary_of(std::uint64_t entry);

  SystemCalls& calls_;
  uid_t user_;
  gid_t group_;
  std::string temporary_;
  std::size_t prefix_size_;  ///< of the temporary name, before the entry's number
};

}  // namespace dumb::symlinks
