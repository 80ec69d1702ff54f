#include "catalog/overlay_posix.hpp"

#include <algorithm>
#include <dumb/base/atomic_file.hpp>
#include <system_error>

namespace dumb::catalog {

std::vector<OverlayFile> read_overlay(const std::filesystem::path& directory, std::vector<Error>& problems) {
  std::vector<OverlayFile> files;
  if (directory.empty()) return files;
  std::error_code failure;
  std::filesystem::directory_iterator entries(directory, failure);
  if (failure) {
    problems.push_back(system_error(failure.value(), "read the service directory", directory.native()));
    return files;
  }
  std::vector<std::filesystem::path> paths;
  for (; !failure && entries != std::filesystem::directory_iterator(); entries.increment(failure)) {
    const auto& path = entries->path();
    if (path.extension() == ".json" && path.filename().native().front() != '.') paths.push_back(path);
  }
  if (failure)
    problems.push_back(system_error(failure.value(), "read the service directory", directory.native()));
  std::sort(paths.begin(), paths.end());
  constexpr std::uint64_t limit = 4U << 20U;
  for (const auto& path : paths) {
    auto text = file::read(path, limit);
    if (text) {
      files.push_back({path.filename().native(), std::move(*text)});
    } else {
      const Error error = text.error();
      problems.emplace_back(error.code(), error.message(), path.filename().native());
    }
  }
  return files;
}

}  // namespace dumb::catalog
