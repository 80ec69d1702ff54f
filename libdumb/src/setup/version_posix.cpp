#include "setup/version_posix.hpp"

#include <glob.h>
#include <sys/stat.h>

#include <array>
#include <dumb/base/atomic_file.hpp>
#include <system_error>
#include <vector>

namespace dumb::setup::version {
namespace {

std::vector<std::string> matches(const std::string& pattern) {
  // A path that exists as it is written is no pattern.
  struct stat status {};
  if (pattern.find_first_of("*?[") == std::string::npos || ::stat(pattern.c_str(), &status) == 0)
    return {pattern};
  std::vector<std::string> found;
  glob_t result{};
  if (::glob(pattern.c_str(), GLOB_ERR, nullptr, &result) == 0) {
    found.assign(result.gl_pathv, result.gl_pathv + result.gl_pathc);
  }
  ::globfree(&result);
  return found;
}

std::optional<Stamp> stamp_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  constexpr std::int64_t nanoseconds = 1'000'000'000;
  Stamp stamp;
  stamp.path = path;
  stamp.changed_ns = static_cast<std::int64_t>(status.st_mtim.tv_sec) * nanoseconds + status.st_mtim.tv_nsec;
  stamp.size = static_cast<std::uint64_t>(status.st_size);
  stamp.inode = status.st_ino;
  stamp.device = status.st_dev;
  return stamp;
}

}  // namespace

std::filesystem::path place(const std::filesystem::path& path, const Root& root) {
  if (root.is_identity() || !path.is_absolute()) return path;
  std::error_code ignored;
  std::filesystem::path mapped = root.map(path);
  for (const char* host : {"/usr", "/bin", "/etc", "/tmp"}) {
    if (lies_below(path, host) && !root.contains(path) && !std::filesystem::exists(mapped, ignored))
      return path;
  }
  return mapped;
}

FileVersion read_file(const Source& source, const Root& root, const FileVersion& known) {
  for (const auto& candidate : source.paths) {
    for (const auto& path : matches(place(candidate, root).native())) {
      FileVersion found;
      found.stamp = stamp_of(path);
      if (!found.stamp) continue;
      if (found.stamp == known.stamp) return known;
      constexpr std::uint64_t largest_assembly = 256U << 20U;
      constexpr std::uint64_t largest_text = 4U << 20U;
      const auto text = file::read(path, source.kind == Kind::assembly ? largest_assembly : largest_text);
      if (text) found.version = read(source, *text);
      return found;
    }
  }
  return {};
}

}  // namespace dumb::setup::version
