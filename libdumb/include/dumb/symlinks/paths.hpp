#pragma once

#include <cstdint>
#include <dumb/base/result.hpp>
#include <string>
#include <string_view>
#include <vector>

/// Paths as bytes: which are allowed and how they are compared. All pure.
namespace dumb::symlinks {

/// Whether `path` equals `ancestor` or lies below it; both normalised.
bool is_within(std::string_view path, std::string_view ancestor) noexcept;
/// Without `.`, repeated and trailing slashes; `..` is kept.
std::string tidy_path(std::string_view path);
/// Resolves `.` and `..` as text.
std::string lexical_path(std::string_view path);
bool has_dotdot(std::string_view path) noexcept;
/// "/a/b" -> "/a"; "/a" -> "/".
std::string_view parent_path(std::string_view path) noexcept;
std::string_view base_name(std::string_view path) noexcept;
std::string join_path(std::string_view directory, std::string_view name);
/// `path` relative to its ancestor `directory`; "" when they are equal.
std::string_view below(std::string_view path, std::string_view directory) noexcept;

/// Whether no root may be, or lie inside, this place: the system's own directories and DUMB's (SYM-8).
bool is_denied(std::string_view path) noexcept;
/// A root of a request: trimmed, tidied, checked. Errc::invalid_argument names it.
Result<std::string> normal_root(std::string_view text);

enum class ManifestUse { read, write, list };
/// Where manifests may be.
struct ManifestPlaces {
  std::string repair_directory = "/config/symlink-repair";
  std::vector<std::string> service_directories;  ///< files directly in these (SYM-63)
};
struct ManifestPlace {
  std::string base;  ///< the allowed directory it lies in
  std::string rest;  ///< relative to that, no `.` or `..`
  std::string path() const { return base + "/" + rest; }
};
/// Rules 1 to 4 and the name part of 6 of SYM-7. Errc::invalid_argument names the path.
Result<ManifestPlace> manifest_place(std::string_view text, const ManifestPlaces& places, ManifestUse use);

/// Names the walk must not see: temporary links of a run.
bool is_temporary_name(std::string_view name) noexcept;
std::string temporary_name(std::string_view run_id, std::uint64_t entry);

}  // namespace dumb::symlinks
