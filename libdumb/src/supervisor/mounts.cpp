#include <dumb/supervisor/mounts.hpp>

namespace dumb::supervisor {
namespace {

std::filesystem::path normal(const std::filesystem::path& path) {
  std::filesystem::path out = path.lexically_normal();
  if (out.has_relative_path() && !out.has_filename()) out = out.parent_path();
  return out;
}

}  // namespace

bool is_mounted(const std::vector<Mount>& mounts, const std::filesystem::path& point) {
  const std::filesystem::path wanted = normal(point);
  for (const Mount& mount : mounts) {
    if (mount.point == wanted) return true;
  }
  return false;
}

}  // namespace dumb::supervisor
