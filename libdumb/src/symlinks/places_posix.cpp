#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <dumb/symlinks/paths.hpp>
#include <utility>

#include "symlinks/apply_posix.hpp"

namespace dumb::symlinks {
namespace {

constexpr std::size_t most_recent = 8;

}  // namespace

std::string counterpart(std::string_view directory, std::string_view destination, std::string_view like) {
  // Strips the components the two paths have in common at their ends, down to `directory`.
  while (destination.size() > directory.size()) {
    const bool alike = base_name(destination) == base_name(like) && like.size() > 1;
    if (!alike) return std::string(like);
    destination = parent_path(destination);
    like = parent_path(like);
  }
  return std::string(like);
}

Places::Places(const Context& context, std::vector<Tree>& trees, Reach reach)
    : context_(context), trees_(trees), reach_(reach) {
  if (reach == Reach::trees) return;
  whole_.emplace();
  whole_->spelled = "/";
  whole_->real = context.on_disk("/");
  const int fd = context.calls.open(AT_FDCWD, whole_->real.c_str(), O_PATH | O_DIRECTORY, 0);
  if (fd >= 0) whole_->fd.reset(fd);
}

Tree* Places::tree_of(std::string_view path) {
  Tree* best = nullptr;
  for (Tree& tree : trees_) {
    if (is_within(path, tree.spelled) && (best == nullptr || tree.spelled.size() > best->spelled.size())) {
      best = &tree;
    }
  }
  return best != nullptr || !whole_ ? best : &*whole_;
}

int Places::open_directory(std::string_view path) {
  Tree* tree = tree_of(path);
  if (tree == nullptr) return -EXDEV;
  if (!tree->fd) return -ENOENT;
  if (!tree->directory) return -ENOTDIR;
  return open_below(context_.calls, tree->fd.get(), below(path, tree->spelled), O_PATH);
}

Directory* Places::parent_of(std::string_view path, int& number) {
  const std::string_view parent = parent_path(path);
  if (latest_ < recent_.size() && recent_[latest_].path == parent) return recent_[latest_].directory.get();
  for (std::size_t i = 0; i < recent_.size(); ++i) {
    if (recent_[i].path != parent) continue;
    latest_ = i;
    return recent_[i].directory.get();
  }
  const int fd = open_directory(parent);
  if (fd < 0) {
    number = -fd;
    return nullptr;
  }
  auto directory = std::make_unique<Directory>();
  directory->fd.reset(fd);
  struct stat info {};
  if (context_.calls.stat(fd, "", &info, AT_EMPTY_PATH) >= 0) {
    directory->device = info.st_dev;
    directory->group_inherited = (info.st_mode & S_ISGID) != 0;
  }
  if (recent_.size() < most_recent) recent_.emplace_back();
  latest_ = next_++ % recent_.size();
  Recent& slot = recent_[latest_];
  slot.path = parent;
  slot.directory = std::move(directory);
  return slot.directory.get();
}

dev_t Places::file_system_of(std::string_view path) {
  for (; path.size() > 1; path = parent_path(path)) {
    int number = 0;
    if (const Directory* directory = parent_of(path, number)) return directory->device;
    if (number != ENOENT) break;
  }
  return 0;
}

Result<LinkState> Places::state(std::string_view path) {
  int number = 0;
  const Directory* directory = parent_of(path, number);
  if (directory == nullptr) {
    if (number == ENOENT) return LinkState{};
    return system_error(number, "open the directory of the link");
  }
  return look_at(context_.calls, directory->fd.get(), std::string(base_name(path)));
}

/// Owner and mode of a directory that was just made.
void Places::dress(int fd, const std::string& path, const std::string* like_destination,
                   const std::string* like) {
  struct stat info {};
  if (like != nullptr) {
    const int model = open_directory(counterpart(path, *like_destination, *like));
    const UniqueFd held(std::max(model, -1));
    if (model < 0 || context_.calls.stat(model, "", &info, AT_EMPTY_PATH) < 0) return;
  } else {
    if (context_.calls.stat(fd, "..", &info, 0) < 0) return;
    info.st_mode = 0755;
  }
  if (info.st_uid != ::geteuid() || info.st_gid != ::getegid())
    context_.calls.own(fd, "", info.st_uid, info.st_gid);
  context_.calls.set_mode(fd, info.st_mode & 07777U);
}

int Places::make_directory(const std::string& path, const std::string* like_destination,
                           const std::string* like) {
  Tree* tree = tree_of(path);
  if (tree == nullptr) return -EXDEV;
  const bool is_root = path == tree->spelled;
  const std::string above(parent_path(path));
  // Above a root links may be followed: a root may be reached through them.
  const auto open_above = [&] {
    return is_root ? context_.calls.open(AT_FDCWD, context_.on_disk(above).c_str(), O_PATH | O_DIRECTORY, 0)
                   : open_directory(above);
  };
  int parent = open_above();
  if (parent == -ENOENT && above.size() > 1) {
    int made = 0;
    if (is_root) {
      std::vector<Tree> outer(1);
      outer[0].spelled = above;
      outer[0].real = context_.on_disk(above);
      Places places(context_, outer, Reach::trees);
      made = places.make_directory(above, nullptr, nullptr);
      if (made >= 0) {
        const UniqueFd fd(
            context_.calls.open(AT_FDCWD, outer[0].real.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0));
        if (fd && like != nullptr) dress(fd.get(), above, like_destination, like);
      }
    } else {
      made = make_directory(above, like_destination, like);
    }
    if (made < 0) return made;
    parent = open_above();
  }
  if (parent < 0) return parent;
  const UniqueFd held(parent);
  const std::string name(base_name(path));
  const int made = context_.calls.make_directory(parent, name.c_str(), 0755);
  if (made < 0 && made != -EEXIST) return made;
  const int fd = context_.calls.open(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
  if (fd < 0) return fd;
  UniqueFd opened(fd);
  if (made >= 0) dress(fd, path, like_destination, like);
  if (is_root && !tree->fd) tree->fd = std::move(opened);
  return 0;
}

Directory* Places::make_parent_of(std::string_view path, const std::string* like, int& number) {
  Directory* found = parent_of(path, number);
  if (found != nullptr || number != ENOENT) return found;
  const std::string destination(path);
  const int made = make_directory(std::string(parent_path(path)), &destination, like);
  if (made < 0) {
    number = -made;
    return nullptr;
  }
  return parent_of(path, number);
}

void Places::missing_above(std::string_view path, std::vector<std::string>& missing) {
  std::vector<std::string> found;
  for (std::string_view at = parent_path(path); at.size() > 1; at = parent_path(at)) {
    const Tree* tree = tree_of(at);
    int fd = 0;
    if (tree != nullptr && tree->fd) {
      fd = open_directory(at);
    } else {
      fd = context_.calls.open(AT_FDCWD, context_.on_disk(at).c_str(), O_PATH, 0);
    }
    const UniqueFd held(std::max(fd, -1));
    if (fd != -ENOENT) break;
    found.emplace_back(at);
  }
  missing.insert(missing.end(), found.rbegin(), found.rend());
}

bool Places::remove_directory(const std::string& path) {
  const std::string name(base_name(path));
  const auto within = [&](const Tree& tree) { return path != tree.spelled && is_within(path, tree.spelled); };
  if (std::any_of(trees_.begin(), trees_.end(), within)) {
    int number = 0;
    const Directory* parent = parent_of(path, number);
    if (parent != nullptr) context_.calls.unlink(parent->fd.get(), name.c_str(), AT_REMOVEDIR);
    return true;
  }
  // A root, or what was made above it: the way there may lead through links, as that to a root, but not to
  // where no root may be.
  const auto above = [&](const Tree& tree) { return is_within(tree.spelled, path); };
  if (std::none_of(trees_.begin(), trees_.end(), above)) return false;
  const std::string parent = real_path(context_.on_disk(parent_path(path)));
  const std::string real = join_path(parent, name);
  if (is_denied(context_.environment.root.unmap(real).native())) return false;
  const UniqueFd held(
      std::max(context_.calls.open(AT_FDCWD, parent.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW, 0), -1));
  if (held) context_.calls.unlink(held.get(), name.c_str(), AT_REMOVEDIR);
  return true;
}

}  // namespace dumb::symlinks
