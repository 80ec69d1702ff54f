#include "supervisor/cgroup.hpp"

#include <fmt/format.h>

#include <dumb/base/text.hpp>

namespace dumb::supervisor {
namespace {

/// The value behind "key " at the start of a line.
std::optional<std::int64_t> flat_value(std::string_view text, std::string_view key) {
  for (const std::string& line : text::split(text, '\n')) {
    if (line.size() <= key.size() || !line.starts_with(key) || line[key.size()] != ' ') continue;
    return text::to_int(text::trim(std::string_view(line).substr(key.size() + 1)));
  }
  return std::nullopt;
}

constexpr std::string_view tree_prefix = "dumb-";
constexpr std::size_t id_digits = 16;

bool is_tree_name(std::string_view name) {
  return name.size() == tree_prefix.size() + id_digits && name.starts_with(tree_prefix) &&
         name.find_first_not_of("0123456789abcdef", tree_prefix.size()) == std::string_view::npos;
}

}  // namespace

std::optional<std::string> parse_own_group(std::string_view text) {
  for (const std::string& line : text::split(text, '\n')) {
    if (!line.starts_with("0::/")) continue;
    const std::string group = line.substr(3);
    // Shown like this when the group is not beneath the root of this process's cgroup namespace.
    if (group == "/.." || group.starts_with("/../") || group.ends_with(" (deleted)")) return std::nullopt;
    return group;
  }
  return std::nullopt;
}

std::optional<std::filesystem::path> group_directory(std::string_view group,
                                                     const std::vector<Mount>& mounts) {
  std::optional<std::filesystem::path> found;
  for (const Mount& mount : mounts) {
    if (mount.type != "cgroup2") continue;
    const std::string_view root = mount.root == "/" ? std::string_view() : std::string_view(mount.root);
    if (!group.starts_with(root)) continue;
    const std::string_view rest = group.substr(root.size());
    if (!rest.empty() && rest.front() != '/') continue;
    found = mount.point / text::trim_slashes(rest);
    if (!found->has_filename()) found = found->parent_path();
  }
  return found;  // of several, the one mounted last
}

std::string group_tree_name(const std::filesystem::path& run_directory) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  const std::filesystem::path normal = run_directory.lexically_normal();
  for (const char byte : normal.native()) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  }
  return fmt::format("{}{:016x}", tree_prefix, hash);
}

std::optional<std::string> unit_group(std::string_view group) {
  for (std::size_t at = group.rfind("/dumb-"); at != std::string_view::npos && at + 1 > 0;) {
    const std::size_t end = group.find('/', at + 1);
    if (end != std::string_view::npos && is_tree_name(group.substr(at + 1, end - at - 1))) {
      const std::size_t unit_end = group.find('/', end + 1);
      if (end + 1 < group.size()) return std::string(group.substr(0, unit_end));
    }
    if (at == 0) break;
    at = group.rfind("/dumb-", at - 1);
  }
  return std::nullopt;
}

std::vector<pid_t> parse_procs(std::string_view text) {
  std::vector<pid_t> pids;
  for (const std::string& line : text::split(text, '\n')) {
    const auto pid = text::to_int(line);
    if (pid && *pid > 0) pids.push_back(static_cast<pid_t>(*pid));
  }
  return pids;
}

std::optional<bool> parse_populated(std::string_view text) {
  const auto value = flat_value(text, "populated");
  if (!value) return std::nullopt;
  return *value != 0;
}

std::optional<std::uint64_t> parse_cpu_usage(std::string_view text) {
  const auto value = flat_value(text, "usage_usec");
  if (!value || *value < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

}  // namespace dumb::supervisor
