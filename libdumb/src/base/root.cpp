#include <dumb/base/root.hpp>

namespace dumb {
namespace {
std::filesystem::path normal(const std::filesystem::path& path) {
  std::filesystem::path out = path.lexically_normal();
  if (out.has_relative_path() && !out.has_filename()) out = out.parent_path();  // trailing slash
  return out;
}
}  // namespace

bool lies_below(const std::filesystem::path& path, const std::filesystem::path& ancestor) {
  const auto inner = normal(path);
  const auto outer = normal(ancestor);
  auto it = inner.begin();
  for (const auto& part : outer) {
    if (it == inner.end() || *it != part) return false;
    ++it;
  }
  return true;
}

Root::Root(const std::filesystem::path& prefix) : prefix_(normal(prefix)) {}

bool Root::contains(const std::filesystem::path& path) const {
  return lies_below(path, prefix_);
}

std::filesystem::path Root::map(const std::filesystem::path& path) const {
  if (is_identity()) return path.is_absolute() ? path : prefix_ / path;
  if (path.is_absolute()) return contains(path) ? path : prefix_ / path.relative_path();
  return prefix_ / path;
}

std::filesystem::path Root::unmap(const std::filesystem::path& path) const {
  if (is_identity() || !contains(path)) return path;
  const auto rest = normal(path).lexically_relative(prefix_);
  return rest == "." ? std::filesystem::path("/") : "/" / rest;
}

}  // namespace dumb
