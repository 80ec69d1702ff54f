#include "symlinks/tree_posix.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <dumb/base/atomic_file.hpp>
#include <dumb/symlinks/bytes.hpp>
#include <dumb/symlinks/paths.hpp>

namespace dumb::symlinks {
namespace {

/// A mount point as spelled and without the links on the way to it. What is mounted is not touched: it may
/// hang.
std::vector<std::string> names_of(const std::string& point, const std::vector<Mount>& mounts) {
  std::string real = join_path(real_path(std::string(parent_path(point))), base_name(point));
  const bool mounted = std::any_of(mounts.begin(), mounts.end(),
                                   [&](const Mount& mount) { return mount.point.native() == real; });
  if (!mounted) real = real_path(real);
  if (real == point) return {point};
  return {point, std::move(real)};
}

}  // namespace

MountTable read_mount_table(const Environment& environment) {
  const auto text = file::read("/proc/self/mountinfo");
  std::vector<Mount> mounts = text ? parse_mountinfo(*text) : std::vector<Mount>();
  std::vector<std::vector<std::string>> configured;
  for (const std::string& given : environment.mount_points) {
    const std::string point = tidy_path(environment.root.map(given).native());
    if (point.size() > 1) configured.push_back(names_of(point, mounts));
  }
  return {std::move(mounts), std::move(configured)};
}

Context::Context(const Environment& from)
    : environment(from),
      calls(from.calls != nullptr ? *from.calls : real_system_calls()),
      clock(from.clock != nullptr ? *from.clock : system_clock()),
      mounts(read_mount_table(from)) {}

std::string Context::on_disk(std::string_view spelled) const {
  if (environment.root.is_identity()) return std::string(spelled);
  return environment.root.map(std::filesystem::path(spelled)).native();
}

std::string real_path(const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  if (::realpath(path.c_str(), buffer.data()) != nullptr) return buffer.data();
  const std::string_view parent = parent_path(path);
  if (parent.empty() || parent == path) return path;
  return join_path(real_path(std::string(parent)), base_name(path));
}

Result<Tree> open_tree(const Context& context, const std::string& spelled) {
  Tree tree;
  tree.spelled = spelled;
  const std::string path = context.on_disk(spelled);
  tree.real = real_path(path);
  const std::string shown = context.environment.root.unmap(tree.real).native();
  if (is_denied(shown)) {
    return Error(Errc::invalid_argument, "path \"" + printable(spelled) + "\" leads to \"" +
                                             printable(shown) + "\", which is not a place for link trees");
  }
  const int fd = context.calls.open(AT_FDCWD, path.c_str(), O_PATH, 0);
  if (fd < 0) {
    if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) return tree;
    return system_error(-fd, "open", printable(spelled));
  }
  tree.fd.reset(fd);
  struct stat info {};
  if (context.calls.stat(fd, "", &info, AT_EMPTY_PATH) == 0) tree.directory = S_ISDIR(info.st_mode);
  return tree;
}

int open_below(SystemCalls& calls, int root, std::string_view path, int flags) {
  constexpr std::size_t piece_limit = 3800;
  UniqueFd held;
  int at = root;
  while (path.size() > piece_limit) {
    std::size_t end = path.rfind('/', piece_limit);
    if (end == std::string_view::npos || end == 0) return -ENAMETOOLONG;
    const std::string piece(path.substr(0, end));
    const int next =
        calls.open_beneath(at, piece.c_str(), O_PATH | O_DIRECTORY, SystemCalls::Links::refused, 0);
    if (next < 0) return next;
    held.reset(next);
    at = next;
    path.remove_prefix(end + 1);
  }
  return calls.open_beneath(at, std::string(path).c_str(), flags | O_DIRECTORY, SystemCalls::Links::refused,
                            0);
}

Result<LinkState> look_at(SystemCalls& calls, int directory, const std::string& name) {
  std::array<char, PATH_MAX> buffer;  // filled before it is read
  const ssize_t size = calls.read_link(directory, name.c_str(), buffer.data(), buffer.size());
  if (size >= 0) {
    return LinkState{LinkState::Kind::link, std::string(buffer.data(), static_cast<std::size_t>(size))};
  }
  if (size == -ENOENT || size == -ENOTDIR) return LinkState{};
  if (size != -EINVAL) return system_error(static_cast<int>(-size), "read link");
  struct stat info {};
  const int seen = calls.stat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW);
  if (seen == -ENOENT) return LinkState{};
  if (seen < 0) return system_error(-seen, "inspect");
  return LinkState{LinkState::Kind::other};
}

std::optional<Ownership> owner_of(SystemCalls& calls, int directory, const char* name) {
  struct stat info {};
  if (calls.stat(directory, name, &info, AT_SYMLINK_NOFOLLOW) < 0) return std::nullopt;
  return Ownership{info.st_uid, info.st_gid, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

ErrorItem error_item(std::string_view path, int number, std::string_view what) {
  ErrorItem item;
  item.link_path = path;
  item.error = "cannot " + std::string(what) + ": " + std::strerror(number);
  item.code = errno_name(number);
  return item;
}

}  // namespace dumb::symlinks
