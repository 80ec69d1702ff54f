#include <algorithm>
#include <array>
#include <cstring>
#include <dumb/base/text.hpp>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/paths.hpp>

namespace dumb::symlinks {
namespace {

constexpr std::string_view temporary_prefix = ".dumbsym-";
constexpr std::size_t path_limit = 4095;

Error refused(std::string_view path, std::string_view why) {
  return {Errc::invalid_argument, "path \"" + printable(path) + "\" " + std::string(why)};
}

/// Calls `use` with each component that is not empty; stops when it answers false.
template <class F>
bool each_component(std::string_view path, F use) {
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (end > at && !use(path.substr(at, end - at))) return false;
    at = end + 1;
  }
  return true;
}

/// Where the last slash is, searched for in words: long paths come by here for every link.
std::size_t last_slash(std::string_view path) noexcept {
  const void* found = path.empty() ? nullptr : ::memrchr(path.data(), '/', path.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<std::size_t>(static_cast<const char*>(found) - path.data());
}

}  // namespace

bool is_within(std::string_view path, std::string_view ancestor) noexcept {
  if (ancestor == "/") return path.starts_with('/');
  return path.starts_with(ancestor) && (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

std::string tidy_path(std::string_view path) {
  std::string out;
  const bool absolute = path.starts_with('/');
  each_component(path, [&](std::string_view part) {
    if (part == ".") return true;
    if (absolute || !out.empty()) out += '/';
    out += part;
    return true;
  });
  return out.empty() && absolute ? "/" : out;
}

std::string lexical_path(std::string_view path) {
  std::string out;
  each_component(path, [&](std::string_view part) {
    if (part == ".") return true;
    if (part == "..") {
      const std::size_t slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
      return true;
    }
    out += '/';
    out += part;
    return true;
  });
  return out.empty() ? "/" : out;
}

bool has_dotdot(std::string_view path) noexcept {
  return !each_component(path, [](std::string_view part) { return part != ".."; });
}

std::string_view parent_path(std::string_view path) noexcept {
  const std::size_t slash = last_slash(path);
  if (slash == std::string_view::npos) return {};
  return path.substr(0, slash == 0 ? 1 : slash);
}

std::string_view base_name(std::string_view path) noexcept {
  const std::size_t slash = last_slash(path);
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string out(directory);
  if (name.empty()) return out;
  if (!out.empty() && out.back() != '/') out += '/';
  return out += name;
}

std::string_view below(std::string_view path, std::string_view directory) noexcept {
  path.remove_prefix(directory.size());
  if (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

bool is_denied(std::string_view path) noexcept {
  if (path == "/") return true;
  path.remove_prefix(path.starts_with('/') ? 1 : 0);
  const std::string_view first = path.substr(0, path.find('/'));
  static constexpr std::array<std::string_view, 12> places{"proc", "sys", "dev",  "run", "boot", "etc",
                                                           "usr",  "bin", "sbin", "lib", "root", "config"};
  for (const std::string_view place : places) {
    if (first == place) return true;
  }
  // lib32, lib64, libx32: the libraries of other word sizes.
  return first.starts_with("lib") && first.find_first_not_of("x0123456789", 3) == std::string_view::npos;
}

Result<std::string> normal_root(std::string_view given) {
  const std::string_view text = text::trim(given);
  if (text.empty()) return refused(given, "is blank");
  if (text.front() != '/') return refused(text, "is not absolute");
  if (text.find('\0') != std::string_view::npos) return refused(text, "holds a NUL");
  if (text.size() > path_limit) return refused(text, "is longer than 4095 bytes");
  if (has_dotdot(text)) return refused(text, "has a \"..\" component");
  std::string path = tidy_path(text);
  if (is_denied(path)) return refused(path, "is not a place for link trees");
  return path;
}

namespace {

Result<void> check_components(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return refused(path, "holds a NUL");
  const bool plain =
      each_component(path, [](std::string_view part) { return part == "." || part[0] != '.'; });
  if (!plain) return refused(path, "has a component that begins with a dot");
  return {};
}

}  // namespace

Result<ManifestPlace> manifest_place(std::string_view given, const ManifestPlaces& places, ManifestUse use) {
  const std::string snapshots = places.repair_directory + "/snapshots";
  std::string path(text::trim(given));
  if (path.empty()) {
    if (use != ManifestUse::list) return refused(given, "is blank");
    path = snapshots + "/latest.json";
  }
  if (auto good = check_components(path); !good) return good.error();
  path = tidy_path(path.front() == '/' ? path : snapshots + "/" + path);
  if (path.size() > path_limit) return refused(path, "is longer than 4095 bytes");
  if (use == ManifestUse::write) {
    const std::string_view name = base_name(path);
    if (name.size() < 5 || !text::iequals(name.substr(name.size() - 5), ".json")) {
      return refused(path, "does not end in .json");
    }
  }
  if (is_within(path, places.repair_directory) && path != places.repair_directory) {
    return ManifestPlace{places.repair_directory, std::string(below(path, places.repair_directory))};
  }
  for (const std::string& directory : places.service_directories) {
    if (parent_path(path) == directory) return ManifestPlace{directory, std::string(base_name(path))};
  }
  return refused(path, "lies outside the manifest directories");
}

bool is_temporary_name(std::string_view name) noexcept {
  return name.starts_with(temporary_prefix);
}

std::string temporary_name(std::string_view run_id, std::uint64_t entry) {
  std::string name(temporary_prefix);
  name += run_id;
  name += '-';
  return name += std::to_string(entry);
}

}  // namespace dumb::symlinks
