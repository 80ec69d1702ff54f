#pragma once

#include <dumb/base/result.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What of an archive may be written, and where (SVC-61 to SVC-66). Pure.
namespace dumb::setup {

/// What a file is, by its first bytes.
enum class FileKind { archive, deb, program, text, other };
FileKind kind_of_file(std::string_view head);

/// The name of an entry as it is used: without "./" and a trailing slash; empty for the top itself. Fails
/// with archive_unsafe (SVC-63).
Result<std::string> safe_name(std::string_view name);
/// Whether a symlink at `name` to `target` stays below the top, followed lexically.
bool stays_inside(std::string_view name, std::string_view target);

/// The one directory all names lie in, or empty (SVC-62).
class CommonTop {
 public:
  void add(std::string_view name);
  /// Empty when there is none.
  std::string top() const { return mixed_ ? std::string() : top_; }

 private:
  std::string top_;
  bool mixed_ = false;
};

/// How an archive is laid out in the tree.
struct Layout {
  std::string top;                    ///< directory that is removed from every name; what lies outside of it is left out
  std::vector<std::string> pick;      ///< only files with these base names; empty: all
  std::vector<std::string> kept;      ///< relative paths of user data: never written (SVC-70)
  std::vector<std::string> programs;  ///< relative paths that are always executable
};
/// Where a regular file, directory or link goes; nullopt when it is left out.
enum class EntryKind { file, directory, link };
std::optional<std::string> place_of(const std::string& name, EntryKind kind, const Layout& layout);

/// 0644 or 0755 (SVC-65). `mode`: permission bits, nullopt when the archive has none.
unsigned file_mode(std::optional<unsigned> mode, const std::string& place, std::string_view head,
                   const Layout& layout);

}  // namespace dumb::setup
