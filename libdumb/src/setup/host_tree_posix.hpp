#pragma once

#include <sys/types.h>
#include <atomic>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// Trees of files by descriptors: no link is ever followed and no file system left, whoever may write there
/// meanwhile. Blocking.
namespace dumb::setup::host {

/// A name in an open directory; `path` is for messages.
struct Place {
  UniqueFd parent;
  std::string name;
  std::filesystem::path path;
};

struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};

/// Opens the directory above `path`, an absolute one, through real directories only. Missing ones are made
/// for `owner` when it is given. Fails with ENOENT when one is missing, ENOTDIR when one is a link or file.
Result<Place> open_place(const std::filesystem::path& path, std::optional<Owner> owner = std::nullopt);

/// Names in a directory but for "." and "..", sorted.
Result<std::vector<std::string>> names_in(int directory, const std::filesystem::path& path);

struct CopyHooks {
  std::function<void(std::string_view step)> before;  ///< called with "copy <name>" before each entry
  const std::atomic<bool>* stop = nullptr;            ///< Errc::cancelled once it is true
};

/// Copies whatever is at `from` to `to_name` in the directory of `to`, which must not be there: directories,
/// files (hard links among them stay hard links, holes stay holes), symlinks, and FIFOs and the like, with
/// modes, owners and times. What fails leaves its part behind.
Result<void> copy_tree(const Place& from, const Place& to, const std::string& to_name,
                       const CopyHooks& hooks);

/// Succeeds when both hold the same names of the same kinds, and files of the same size and time of change,
/// and links of the same text. The error names the first difference.
Result<void> compare_trees(const Place& a, const std::string& a_name, const Place& b,
                           const std::string& b_name);

/// Removes it with everything below; what is not there is fine. Stops at another file system.
Result<void> remove_tree(const Place& at, const std::string& name);

}  // namespace dumb::setup::host
