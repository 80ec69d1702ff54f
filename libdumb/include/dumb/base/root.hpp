#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace dumb {

/// The prefix under which the whole stack lives ("/" for none). Configuration and answers hold unmapped
/// paths; map() is applied where a path is used. Pure.
class Root {
 public:
  Root() : prefix_("/") {}
  /// `prefix` must be absolute; it is normalised lexically.
  explicit Root(const std::filesystem::path& prefix);

  const std::filesystem::path& prefix() const noexcept { return prefix_; }
  bool is_identity() const noexcept { return prefix_ == "/"; }
  /// `path` beneath the prefix, unless it already lies there. Relative paths are taken from the prefix.
  std::filesystem::path map(const std::filesystem::path& path) const;
  /// The path as configuration spells it.
  std::filesystem::path unmap(const std::filesystem::path& path) const;
  /// True when `path` is the prefix or lies below it.
  bool contains(const std::filesystem::path& path) const;

 private:
  std::filesystem::path prefix_;
};

/// Whether `path` equals `ancestor` or lies below it, comparing whole components, lexically.
bool lies_below(const std::filesystem::path& path, const std::filesystem::path& ancestor);

}  // namespace dumb
