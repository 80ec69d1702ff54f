#include "supervisor/cgroup.hpp"

#include <fmt/format.h>

#include <dumb/base/text.hpp>
#include <limits>

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

std::optional<std::string> unit_group(std::string_view group, std::string_view unit, std::string_view own) {
  if (unit.empty()) return std::nullopt;
  const std::string wanted = "/" + std::string(unit);
  const std::size_t at = group.rfind(wanted);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view found = group.substr(0, at + wanted.size());
  const auto within = [found](std::string_view other) {
    return other.starts_with(found) && (other.size() == found.size() || other[found.size()] == '/');
  };
  if (!within(group) || within(own)) return std::nullopt;
  return std::string(found);
}

std::vector<pid_t> parse_procs(std::string_view text) {
  std::vector<pid_t> pids;
  for (const std::string& line : text::split(text, '\n')) {
    const auto pid = text::to_int(line);
    if (pid && *pid > 0 && *pid <= std::numeric_limits<pid_t>::max()) {
      pids.push_back(static_cast<pid_t>(*pid));
    }
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
