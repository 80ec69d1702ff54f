#include "setup/host_tree_posix.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <map>
#include <utility>

namespace dumb::setup::host {
namespace {

namespace fs = std::filesystem;

constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

Error failed(std::string_view what, const fs::path& path) {
  return system_error(errno, what, path.native());
}

Result<struct stat> inspect(int parent, const std::string& name, const fs::path& path) {
  struct stat info {};
  if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return failed("inspect", path);
  return info;
}

Result<std::string> link_text(int parent, const std::string& name, const fs::path& path) {
  std::string text(PATH_MAX, '\0');
  const ssize_t length = ::readlinkat(parent, name.c_str(), text.data(), text.size());
  if (length < 0) return failed("read link", path);
  text.resize(static_cast<std::size_t>(length));
  return text;
}

/// One copy of one tree.
class Copier {
 public:
  Copier(int top, dev_t device, const CopyHooks& hooks)
      : top_(top), device_(device), hooks_(hooks), buffer_(std::size_t{256} << 10U) {}

  /// `inside` is the path of the copy from the directory the whole copy is made in.
  Result<void> entry(int from, const std::string& name, int to, const std::string& to_name,
                     const fs::path& path, const fs::path& inside) {
    if (hooks_.stop != nullptr && *hooks_.stop) return Error(Errc::cancelled, "the copy was called off");
    if (hooks_.before) hooks_.before("copy " + name);
    const auto info = inspect(from, name, path);
    if (!info) return info.error();
    if (S_ISDIR(info->st_mode)) return directory(from, name, to, to_name, path, inside);
    if (S_ISREG(info->st_mode)) return regular(from, name, to, to_name, path, inside);
    if (S_ISLNK(info->st_mode)) {
      const auto text = link_text(from, name, path);
      if (!text) return text.error();
      if (::symlinkat(text->c_str(), to, to_name.c_str()) != 0) return failed("copy link", path);
    } else if (::mknodat(to, to_name.c_str(), (info->st_mode & S_IFMT) | 0600U, info->st_rdev) != 0) {
      return failed("copy", path);
    }
    if (::fchownat(to, to_name.c_str(), info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
        (!S_ISLNK(info->st_mode) && ::fchmodat(to, to_name.c_str(), info->st_mode & 07777U, 0) != 0)) {
      return failed("copy the owner of", path);
    }
    const timespec times[] = {info->st_atim, info->st_mtim};
    if (::utimensat(to, to_name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
      return failed("copy the times of", path);
    return {};
  }

 private:
  Result<void> directory(int from, const std::string& name, int to, const std::string& to_name,
                         const fs::path& path, const fs::path& inside) {
    const UniqueFd source(::openat(from, name.c_str(), directory_flags));
    if (!source) return failed("open", path);
    struct stat info {};
    if (::fstat(source.get(), &info) != 0) return failed("inspect", path);
    if (info.st_dev != device_) return Error(Errc::conflict, "is another file system", path.native());
    if (::mkdirat(to, to_name.c_str(), 0700) != 0) return failed("make the copy of", path);
    const UniqueFd copy(::openat(to, to_name.c_str(), directory_flags));
    if (!copy) return failed("open the copy of", path);
    const auto names = names_in(source.get(), path);
    if (!names) return names.error();
    for (const std::string& child : *names) {
      auto done = entry(source.get(), child, copy.get(), child, path / child, inside / child);
      if (!done) return done;
    }
    return dress(copy.get(), info, path);
  }

  Result<void> regular(int from, const std::string& name, int to, const std::string& to_name,
                       const fs::path& path, const fs::path& inside) {
    const UniqueFd source(::openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!source) return failed("open", path);
    struct stat info {};
    if (::fstat(source.get(), &info) != 0) return failed("inspect", path);
    if (!S_ISREG(info.st_mode)) return Error(Errc::conflict, "changed meanwhile", path.native());
    if (info.st_nlink > 1) {
      const auto [first, is_new] = linked_.try_emplace({info.st_dev, info.st_ino}, inside);
      if (!is_new) {
        if (::linkat(top_, first->second.c_str(), to, to_name.c_str(), 0) != 0)
          return failed("link the copy of", path);
        return {};
      }
    }
    const UniqueFd copy(
        ::openat(to, to_name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!copy) return failed("make the copy of", path);
    if (auto done = bytes(source.get(), copy.get(), path); !done) return done;
    return dress(copy.get(), info, path);
  }

  Result<void> bytes(int source, int copy, const fs::path& path) {
    off_t size = 0;
    for (;;) {
      const ssize_t got = ::read(source, buffer_.data(), buffer_.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed("read", path);
      if (got == 0) break;
      if (hooks_.stop != nullptr && *hooks_.stop) return Error(Errc::cancelled, "the copy was called off");
      const auto end = buffer_.begin() + got;
      const bool hole = std::find_if(buffer_.begin(), end, [](char c) { return c != '\0'; }) == end;
      for (ssize_t done = 0; !hole && done < got;) {
        const ssize_t wrote =
            ::pwrite(copy, buffer_.data() + done, static_cast<std::size_t>(got - done), size + done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return failed("write the copy of", path);
        done += wrote;
      }
      size += got;
    }
    if (::ftruncate(copy, size) != 0) return failed("write the copy of", path);
    return {};
  }

  /// Owner before mode: a change of owner takes set-id bits away.
  static Result<void> dress(int fd, const struct stat& info, const fs::path& path) {
    const timespec times[] = {info.st_atim, info.st_mtim};
    if (::fchown(fd, info.st_uid, info.st_gid) != 0 || ::fchmod(fd, info.st_mode & 07777U) != 0)
      return failed("copy the owner of", path);
    if (::futimens(fd, times) != 0) return failed("copy the times of", path);
    return {};
  }

  int top_;
  dev_t device_;
  const CopyHooks& hooks_;
  std::vector<char> buffer_;
  std::map<std::pair<dev_t, ino_t>, fs::path> linked_;
};

Error differs(std::string_view what, const fs::path& path) {
  return {Errc::conflict, fmt::format("the copy differs in {}", what), path.native()};
}

Result<void> compare(int a, const std::string& a_name, int b, const std::string& b_name,
                     const fs::path& path) {
  const auto left = inspect(a, a_name, path);
  if (!left) return left.error();
  const auto right = inspect(b, b_name, path);
  if (!right) return right.error();
  if ((left->st_mode & S_IFMT) != (right->st_mode & S_IFMT)) return differs("kind", path);
  if (S_ISLNK(left->st_mode)) {
    const auto one = link_text(a, a_name, path);
    const auto other = link_text(b, b_name, path);
    if (!one || !other || *one != *other) return differs("where it leads", path);
    return {};
  }
  if (S_ISREG(left->st_mode)) {
    if (left->st_size != right->st_size) return differs("size", path);
    const bool same_time = left->st_mtim.tv_sec == right->st_mtim.tv_sec;
    return same_time ? Result<void>() : differs("time of change", path);
  }
  if (!S_ISDIR(left->st_mode)) return {};
  const UniqueFd one(::openat(a, a_name.c_str(), directory_flags));
  const UniqueFd other(::openat(b, b_name.c_str(), directory_flags));
  if (!one || !other) return failed("open", path);
  const auto names = names_in(one.get(), path);
  if (!names) return names.error();
  const auto others = names_in(other.get(), path);
  if (!others) return others.error();
  if (*names != *others) return differs("its entries", path);
  for (const std::string& name : *names) {
    if (auto same = compare(one.get(), name, other.get(), name, path / name); !same) return same;
  }
  return {};
}

Result<void> remove_entry(int parent, const std::string& name, const fs::path& path,
                          std::optional<dev_t> device) {
  const auto info = inspect(parent, name, path);
  if (!info) {
    if (info.error().code() == boost::system::errc::no_such_file_or_directory) return {};
    return info.error();
  }
  if (!S_ISDIR(info->st_mode)) {
    if (::unlinkat(parent, name.c_str(), 0) != 0) return failed("remove", path);
    return {};
  }
  if (device && *device != info->st_dev)
    return Error(Errc::conflict, "is another file system", path.native());
  const UniqueFd directory(::openat(parent, name.c_str(), directory_flags));
  if (!directory) return failed("open", path);
  const auto names = names_in(directory.get(), path);
  if (!names) return names.error();
  for (const std::string& child : *names) {
    if (auto done = remove_entry(directory.get(), child, path / child, info->st_dev); !done) return done;
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) return failed("remove", path);
  return {};
}

}  // namespace

Result<Place> open_place(const fs::path& path, std::optional<Owner> owner) {
  UniqueFd directory(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return failed("open", "/");
  fs::path walked = "/";
  for (const fs::path& part : path.parent_path().relative_path()) {
    walked /= part;
    if (owner && ::mkdirat(directory.get(), part.c_str(), 0755) == 0 &&
        ::fchownat(directory.get(), part.c_str(), owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return failed("set the owner of", walked);
    }
    UniqueFd next(::openat(directory.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return failed("enter", walked);
    directory = std::move(next);
  }
  // O_PATH was enough to pass through; this one is read and synced.
  UniqueFd parent(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return failed("open", walked);
  Place place;
  place.parent = std::move(parent);
  place.name = path.filename();
  place.path = path;
  return place;
}

Result<std::vector<std::string>> names_in(int directory, const fs::path& path) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* stream = copy >= 0 ? ::fdopendir(copy) : nullptr;
  if (stream == nullptr) {
    const Error error = failed("read directory", path);
    if (copy >= 0) ::close(copy);
    return error;
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") names.push_back(name);
  }
  const int number = errno;
  ::closedir(stream);
  if (number != 0) return system_error(number, "read directory", path.native());
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> copy_tree(const Place& from, const Place& to, const std::string& to_name,
                       const CopyHooks& hooks) {
  const auto info = inspect(from.parent.get(), from.name, from.path);
  if (!info) return info.error();
  Copier copier(to.parent.get(), info->st_dev, hooks);
  return copier.entry(from.parent.get(), from.name, to.parent.get(), to_name, from.path, to_name);
}

Result<void> compare_trees(const Place& a, const std::string& a_name, const Place& b,
                           const std::string& b_name) {
  return compare(a.parent.get(), a_name, b.parent.get(), b_name, a.path.parent_path() / a_name);
}

Result<void> remove_tree(const Place& at, const std::string& name) {
  return remove_entry(at.parent.get(), name, at.path.parent_path() / name, std::nullopt);
}

}  // namespace dumb::setup::host
