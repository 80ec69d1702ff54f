// How a tree comes from what is there already: a copy of the current one, or what was found in the root.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <dumb/base/atomic_file.hpp>

#include "setup/scope.hpp"
#include "setup/trees_posix.hpp"

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

Result<void> copy_bytes(int from, int to, const fs::path& path) {
  if (::ioctl(to, FICLONE, from) == 0) return {};
  std::string block(1U << 20U, '\0');
  while (true) {
    const ssize_t got = ::read(from, block.data(), block.size());
    if (got == 0) return {};
    if (got < 0) return system_error(errno, "read", path.native());
    for (ssize_t done = 0; done < got;) {
      const ssize_t wrote = ::write(to, block.data() + done, static_cast<std::size_t>(got - done));
      if (wrote < 0) return system_error(errno, "write", path.native());
      done += wrote;
    }
  }
}

Result<void> copy_entry(const fs::path& from, const fs::path& to, const std::atomic<bool>& stop) {
  if (stop) return failure(Failure::cancelled, "setup was cancelled");
  struct stat info {};
  if (::lstat(from.c_str(), &info) != 0) return system_error(errno, "look at", from.native());
  const bool as_root = ::geteuid() == 0;
  if (S_ISLNK(info.st_mode)) {
    std::error_code error;
    fs::copy_symlink(from, to, error);
    if (error) return system_error(error.value(), "copy", from.native());
  } else if (S_ISREG(info.st_mode)) {
    const UniqueFd source(::open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!source) return system_error(errno, "open", from.native());
    const UniqueFd target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!target) return system_error(errno, "make", to.native());
    if (auto copied = copy_bytes(source.get(), target.get(), from); !copied) return copied.error();
    if (::fchmod(target.get(), info.st_mode & 0777U) != 0)
      return system_error(errno, "set the mode of", to.native());
  } else if (S_ISDIR(info.st_mode)) {
    if (::mkdir(to.c_str(), info.st_mode & 0777U) != 0) return system_error(errno, "make", to.native());
    for (const std::string& name : entries_of(from)) {
      if (auto copied = copy_entry(from / name, to / name, stop); !copied) return copied.error();
    }
  } else {
    return {};  // sockets and pipes of a running service are not part of it
  }
  if (as_root && ::lchown(to.c_str(), info.st_uid, info.st_gid) != 0)
    return system_error(errno, "change the owner of", to.native());
  return {};
}

}  // namespace

Result<void> Trees::copy_current(const std::string& id, const std::vector<std::string>& kept,
                                 const std::atomic<bool>& stop) const {
  if (state_.current.empty() || state_.current == id) return {};
  const fs::path from = tree(state_.current);
  for (const std::string& name : entries_of(from)) {
    const bool is_kept = std::find(kept.begin(), kept.end(), name) != kept.end();
    if (name == ".complete" || is_kept) continue;
    if (auto copied = copy_entry(from / name, tree(id) / name, stop); !copied) return copied.error();
  }
  return {};
}

Result<void> Trees::adopt(const std::vector<std::string>& kept, const std::set<std::string>& only,
                          const std::string& version) {
  Adoption adoption;
  for (const std::string& name : entries_of(root_)) {
    const bool is_kept = std::find(kept.begin(), kept.end(), name) != kept.end();
    std::error_code error;
    const bool link = fs::is_symlink(root_ / name, error);
    if (name == ".dumb" || is_kept || link || (!only.empty() && !only.contains(name))) continue;
    adoption.entries.push_back(name);
  }
  if (adoption.entries.empty() || !state_.current.empty()) return {};
  for (const std::string& path : kept) {
    const std::size_t slash = path.find('/');
    const auto& tops = adoption.entries;
    if (slash != std::string::npos &&
        std::find(tops.begin(), tops.end(), path.substr(0, slash)) != tops.end())
      adoption.nested.push_back(path);
  }
  int number = 1;
  while (fs::exists(tree(fmt::format("adopted-{}", number)))) ++number;
  adoption.id = fmt::format("adopted-{}", number);
  state_.adoption = adoption;
  state_.version = version;
  if (auto made = make_places(); !made) return made.error();
  if (auto saved = save(); !saved) return saved.error();
  return finish_adoption();
}

namespace {
/// Two names change places, so that both lead somewhere at every instant.
Result<void> exchange(const fs::path& a, const fs::path& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) != 0)
    return system_error(errno, "exchange", a.native());
  return {};
}
}  // namespace

/// Puts a link in the place of `from`, whose content goes to `to`. Nothing to do when that was done before.
Result<void> Trees::swap_for_link(const fs::path& from, const fs::path& to, const std::string& target) const {
  std::error_code error;
  const auto there = fs::symlink_status(from, error);
  if (fs::is_symlink(there) || !fs::exists(there)) return {};
  ::unlink(to.c_str());
  if (::symlink(target.c_str(), to.c_str()) != 0) return system_error(errno, "link", to.native());
  if (auto given = give(to); !given) return given.error();
  return exchange(from, to);
}

Result<void> Trees::finish_adoption() {
  const Adoption adoption = *state_.adoption;
  const fs::path tree_path = tree(adoption.id);
  if (auto made = file::make_directories(tree_path); !made) return made.error();
  if (auto given = give(tree_path); !given) return given.error();
  if (auto marked = file::write_atomic(tree_path / ".complete", ""); !marked) return marked.error();
  if (auto pointed = point_at("current", adoption.id); !pointed) return pointed.error();
  for (const std::string& name : adoption.entries) {
    if (auto done = swap_for_link(root_ / name, tree_path / name, ".dumb/current/" + name); !done)
      return done.error();
  }
  for (const std::string& path : adoption.nested) {
    const fs::path home = own() / "keep" / path;
    if (auto made = file::make_directories(home.parent_path()); !made) return made.error();
    const std::string target =
        relative_target(".dumb/releases/" + adoption.id + "/" + path, ".dumb/keep/" + path);
    if (auto done = swap_for_link(tree_path / path, home, target); !done) return done.error();
  }
  state_.current = adoption.id;
  state_.adoption.reset();
  if (auto saved = save(); !saved) return saved.error();
  return sync_directory(root_);
}

}  // namespace dumb::setup
