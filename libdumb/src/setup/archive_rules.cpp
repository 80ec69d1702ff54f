#include "setup/archive_rules.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <dumb/base/text.hpp>
#include <filesystem>

#include "setup/scope.hpp"

namespace dumb::setup {
namespace {

constexpr std::size_t longest_name = 255;

bool below(std::string_view path, std::string_view directory) {
  return path == directory ||
         (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/');
}

}  // namespace

FileKind kind_of_file(std::string_view head) {
  using namespace std::string_view_literals;
  if (head.starts_with("!<arch>\n"sv)) return FileKind::deb;
  if (head.starts_with("\x7f"
                       "ELF"sv))
    return FileKind::program;
  if (head.starts_with("#!"sv)) return FileKind::program;
  for (const std::string_view magic : {"PK\x03\x04"sv, "PK\x05\x06"sv, "\x1f\x8b"sv, "BZh"sv,
                                       "\xfd"
                                       "7zXZ\x00"sv,
                                       "\x28\xb5\x2f\xfd"sv}) {
    if (head.starts_with(magic)) return FileKind::archive;
  }
  if (head.size() > 262 && head.substr(257, 5) == "ustar") return FileKind::archive;
  const bool printable = std::all_of(head.begin(), head.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t';
  });
  return printable ? FileKind::text : FileKind::other;
}

Result<std::string> safe_name(std::string_view name) {
  const auto refuse = [&](std::string_view why) {
    return failure(Failure::archive_unsafe, fmt::format("the archive holds an entry {}: \"{}\"", why,
                                                        text::to_utf8(name.substr(0, 80))));
  };
  if (name.empty()) return refuse("without a name");
  if (name.front() == '/') return refuse("with an absolute path");
  if (name.find('\\') != std::string_view::npos) return refuse("with a backslash");
  if (name.find('\0') != std::string_view::npos) return refuse("with a NUL character");
  std::vector<std::string> parts;
  for (const std::string& part : text::split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return refuse("that leads out of it");
    if (part.size() > longest_name) return refuse("with too long a name");
    parts.push_back(part);
  }
  return text::join(parts, "/");
}

bool stays_inside(std::string_view name, std::string_view target) {
  if (target.empty() || target.front() == '/' || target.find('\0') != std::string_view::npos) return false;
  std::vector<std::string> at = text::split(name, '/');
  at.pop_back();
  for (const std::string& part : text::split(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      at.push_back(part);
      continue;
    }
    if (at.empty()) return false;
    at.pop_back();
  }
  return true;
}

void CommonTop::add(std::string_view name) {
  if (name.empty()) return;
  const std::string_view first = name.substr(0, name.find('/'));
  if (top_.empty() && !mixed_) top_ = first;
  mixed_ = mixed_ || first != top_;
}

std::optional<std::string> place_of(const std::string& name, EntryKind kind, const Layout& layout) {
  std::string place = name;
  if (!layout.top.empty()) {
    if (place == layout.top || !below(place, layout.top)) return std::nullopt;
    place.erase(0, layout.top.size() + 1);
  }
  if (place.empty()) return std::nullopt;
  if (!layout.pick.empty()) {
    const std::string base = place.substr(place.rfind('/') + 1);
    if (kind != EntryKind::file ||
        std::find(layout.pick.begin(), layout.pick.end(), base) == layout.pick.end())
      return std::nullopt;
    place = base;
  }
  for (const std::string& kept : layout.kept) {
    if (below(place, kept)) return std::nullopt;
  }
  return place;
}

unsigned file_mode(std::optional<unsigned> mode, const std::string& place, std::string_view head,
                   const Layout& layout) {
  const bool named =
      std::find(layout.programs.begin(), layout.programs.end(), place) != layout.programs.end();
  const bool program = mode ? (*mode & 0111U) != 0 : kind_of_file(head) == FileKind::program;
  return named || program ? 0755U : 0644U;
}

}  // namespace dumb::setup
