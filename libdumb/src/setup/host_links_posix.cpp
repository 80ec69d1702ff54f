#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <climits>
#include <dumb/base/root.hpp>
#include <utility>

#include "setup/host_links.hpp"
#include "setup/host_tree_posix.hpp"

namespace dumb::setup::host {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

Error failed(std::string_view what, const fs::path& path) {
  return system_error(errno, what, path.native());
}

std::string link_text(const Place& at, const std::string& name) {
  std::string text(PATH_MAX, '\0');
  const ssize_t length = ::readlinkat(at.parent.get(), name.c_str(), text.data(), text.size());
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return text;
}

/// One link of the table.
class LinkJob {
 public:
  LinkJob(const LinkWork& work, Place source, Place target)
      : work_(work),
        source_(std::move(source)),
        target_(std::move(target)),
        part_("." + target_.name + ".dumb-copy"),
        moved_("." + source_.name + ".dumb-moved") {}

  Result<void> run() {
    if (auto done = tidy(); !done) return done;
    const Found source = look_at_source();
    const LinkDecision decision = decide(source, look_at_target());
    switch (decision.step) {
      case LinkStep::nothing:
        return {};
      case LinkStep::skip:
        log().info(fmt::format("{} {}: it is left alone", source_.path.native(), decision.reason));
        return {};
      case LinkStep::leave:
        log().warning(fmt::format("{} {}: it is left alone", source_.path.native(), decision.reason));
        return {};
      case LinkStep::make_target:
        return make_target();
      case LinkStep::link:
        return link(source);
      case LinkStep::move:
        return move();
      case LinkStep::retire:
        return retire();
    }
    return {};
  }

 private:
  Log& log() const { return work_.log != nullptr ? *work_.log : null_log(); }
  void before(std::string_view step) const {
    if (work_.before) work_.before(step);
  }
  int from() const { return source_.parent.get(); }

  Result<void> sync(const Place& place) const {
    if (::fsync(place.parent.get()) != 0) return failed("sync", place.path.parent_path());
    return {};
  }

  /// What an interrupted run left: parts of copies, links that were not in place yet, and an original whose
  /// copy and link stand.
  Result<void> tidy() {
    if (auto done = remove_tree(target_, part_); !done) return done;
    if (auto done = remove_tree(source_, source_part()); !done) return done;
    ::unlinkat(from(), new_link().c_str(), 0);
    const auto names = names_in(from(), source_.path.parent_path());
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (name.starts_with(source_.name + ".pre-dumb-") &&
          link_text(source_, name) == target_.path.native() && ::unlinkat(from(), name.c_str(), 0) != 0) {
        return failed("remove", source_.path.parent_path() / name);
      }
    }
    if (link_text(source_, source_.name) != target_.path.native()) return {};
    return remove_tree(source_, moved_);
  }
  std::string source_part() const { return "." + source_.name + ".dumb-copy"; }
  std::string new_link() const { return "." + source_.name + ".dumb-link"; }

  Found look_at_source() const {
    struct stat info {};
    if (::fstatat(from(), source_.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT ? Found::absent : Found::other;
    if (S_ISLNK(info.st_mode)) {
      return link_text(source_, source_.name) == target_.path.native() ? Found::link_right
                                                                       : Found::link_other;
    }
    // A mount below moves with a rename and is not ours to move.
    for (const supervisor::Mount& mount : work_.mounts) {
      if (lies_below(mount.point, source_.path)) return Found::mount;
    }
    return look(source_, info.st_mode);
  }

  Found look_at_target() const {
    struct stat info {};
    if (::fstatat(target_.parent.get(), target_.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      return errno == ENOENT ? Found::absent : Found::other;
    if (S_ISLNK(info.st_mode)) return Found::link_other;
    const Found found = look(target_, info.st_mode);
    return found == Found::empty && supervisor::is_mounted(work_.mounts, target_.path) ? Found::mount : found;
  }

  static Found look(const Place& place, mode_t mode) {
    if (!S_ISDIR(mode)) return Found::other;
    const UniqueFd directory(
        ::openat(place.parent.get(), place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) return Found::other;
    const auto names = names_in(directory.get(), place.path);
    if (!names) return Found::other;
    return names->empty() ? Found::empty : Found::filled;
  }

  Result<void> make_target() {
    before("make target");
    if (::mkdirat(target_.parent.get(), target_.name.c_str(), 0755) != 0) {
      if (errno == EEXIST) return {};
      return failed("make", target_.path);
    }
    if (::fchownat(target_.parent.get(), target_.name.c_str(), work_.uid, work_.gid, AT_SYMLINK_NOFOLLOW) !=
        0)
      return failed("set the owner of", target_.path);
    return sync(target_);
  }

  Result<void> link(Found source) {
    if (auto made = make_target(); !made) return made;
    if (source == Found::absent) {
      if (auto placed = place_link(); !placed) return placed;
    } else {
      const auto aside = replace();
      if (!aside) return aside.error();
      // Empty when it was looked at; if that has changed it stays.
      if (::unlinkat(from(), aside->c_str(), AT_REMOVEDIR) != 0) kept(*aside);
    }
    log().info(fmt::format("{} now leads to {}", source_.path.native(), target_.path.native()));
    return {};
  }

  Result<void> move() {
    log().info(fmt::format("moving {} to {}", source_.path.native(), target_.path.native()));
    before("copy");
    CopyHooks hooks;
    hooks.before = work_.before;
    hooks.stop = work_.stop;
    if (auto copied = copy_verified(target_, part_, hooks); !copied) return copied;
    before("place copy");
    // Replaces the target only while that is empty or absent.
    if (::renameat(target_.parent.get(), part_.c_str(), target_.parent.get(), target_.name.c_str()) != 0)
      return failed("put the copy in place at", target_.path);
    if (auto synced = sync(target_); !synced) return synced;
    const auto aside = replace();
    if (!aside) return aside.error();
    return discard(*aside);
  }

  /// A copy of the source under `name` beside `to` that is complete and on disk; nothing when it fails.
  Result<void> copy_verified(const Place& to, const std::string& name, const CopyHooks& hooks) {
    auto done = copy_tree(source_, to, name, hooks);
    if (done) {
      before("verify");
      done = compare_trees(source_, source_.name, to, name);
    }
    if (done) {
      before("sync");
      if (::syncfs(to.parent.get()) != 0) done = failed("sync", to.path.parent_path());
    }
    if (done) return done;
    if (auto removed = remove_tree(to, name); !removed) log().warning(removed.error().to_string());
    return done;
  }

  Result<void> retire() {
    // Equal trees are a move that was interrupted after its copy was in place.
    const bool finished_copy = compare_trees(source_, source_.name, target_, target_.name).has_value();
    const auto aside = replace();
    if (!aside) return aside.error();
    if (finished_copy) return discard(*aside);
    log().warning(fmt::format("{} and {} both held data: the former is now {}", source_.path.native(),
                              target_.path.native(), (source_.path.parent_path() / *aside).native()));
    return {};
  }

  /// Puts the link where the source is and gives the name the source has now.
  Result<std::string> replace() {
    const std::string wanted = aside_name(source_.name, work_.now);
    std::string aside = wanted;
    struct stat info {};
    for (int i = 2; ::fstatat(from(), aside.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0; ++i)
      aside = fmt::format("{}-{}", wanted, i);
    if (work_.exchange) {
      before("make link");
      if (::symlinkat(target_.path.c_str(), from(), aside.c_str()) != 0) return failed("link", source_.path);
      before("exchange");
      if (::renameat2(from(), aside.c_str(), from(), source_.name.c_str(), RENAME_EXCHANGE) == 0) {
        if (auto synced = sync(source_); !synced) return synced.error();
        return aside;
      }
      const int number = errno;
      ::unlinkat(from(), aside.c_str(), 0);
      if (number != EINVAL && number != ENOSYS && number != EXDEV)
        return system_error(number, "replace by a link", source_.path.native());
    }
    if (auto done = set_aside(aside); !done) return done.error();
    if (auto placed = place_link(); !placed) return placed.error();
    return aside;
  }

  /// Where names cannot be exchanged. A directory of an image layer cannot even be renamed (EXDEV of
  /// overlayfs): it is copied and then removed.
  Result<void> set_aside(const std::string& aside) {
    before("set aside");
    if (::renameat(from(), source_.name.c_str(), from(), aside.c_str()) == 0) return sync(source_);
    if (errno != EXDEV) return failed("rename", source_.path);
    CopyHooks hooks;
    hooks.stop = work_.stop;
    const std::string part = source_part();
    if (auto copied = copy_verified(source_, part, hooks); !copied) return copied;
    if (::renameat(from(), part.c_str(), from(), aside.c_str()) != 0)
      return failed("rename the copy of", source_.path);
    if (auto synced = sync(source_); !synced) return synced;
    return remove_tree(source_, source_.name);
  }

  Result<void> place_link() {
    before("make link");
    const std::string fresh = new_link();
    if (::symlinkat(target_.path.c_str(), from(), fresh.c_str()) != 0) return failed("link", source_.path);
    before("place link");
    if (::renameat(from(), fresh.c_str(), from(), source_.name.c_str()) != 0)
      return failed("put the link in place at", source_.path);
    return sync(source_);
  }

  /// Removes the original of a finished move, unless somebody changed one of the two meanwhile. The name it
  /// is removed under tells the next boot that it may finish that.
  Result<void> discard(const std::string& aside) {
    before("compare again");
    const auto same = compare_trees(source_, aside, target_, target_.name);
    if (!same) {
      log().warning(same.error().to_string());
      kept(aside);
      return {};
    }
    before("discard");
    if (::renameat(from(), aside.c_str(), from(), moved_.c_str()) != 0) {
      kept(aside);
      return {};
    }
    before("remove");
    if (auto removed = remove_tree(source_, moved_); !removed) return removed;
    log().info(fmt::format("{} is moved and leads to {}", source_.path.native(), target_.path.native()));
    return {};
  }

  void kept(const std::string& aside) const {
    log().warning(fmt::format("what was at {} is kept as {}", source_.path.native(),
                              (source_.path.parent_path() / aside).native()));
  }

  const LinkWork& work_;
  Place source_;
  Place target_;
  std::string part_;
  std::string moved_;
};

/// Links directly in data_root that lead to nothing. A target that does not answer is not nothing.
void remove_broken_links(const LinkWork& work, Log& log) {
  const auto place = open_place(work.data_root / "x");
  if (!place) return;
  const auto names = names_in(place->parent.get(), work.data_root);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string text = link_text(*place, name);
    const fs::path path = work.data_root / name;
    if (text.empty() || supervisor::inspect_path(path, 2s) != supervisor::PathState::missing) continue;
    if (work.before) work.before("remove broken link");
    if (::unlinkat(place->parent.get(), name.c_str(), 0) != 0) {
      log.warning(failed("remove the broken link", path).to_string());
    } else {
      log.info(fmt::format("{} led to {}, which does not exist, and is removed", path.native(), text));
    }
  }
}

Result<void> make_one(const LinkWork& work, const DataLink& link) {
  const Owner owner{work.uid, work.gid};
  auto source = open_place(link.path, owner);
  if (!source) return source.error();
  auto target = open_place(link.target, owner);
  if (!target) return target.error();
  return LinkJob(work, std::move(*source), std::move(*target)).run();
}

}  // namespace

void make_data_links(const LinkWork& work) {
  Log& log = work.log != nullptr ? *work.log : null_log();
  remove_broken_links(work, log);
  for (const DataLink& link : work.links) {
    if (work.stop != nullptr && *work.stop) return;
    const Result<void> done = make_one(work, link);
    if (!done) log.warning(fmt::format("{} is not moved: {}", link.path.native(), done.error().to_string()));
  }
}

bool leads_to(const fs::path& path, const fs::path& target) {
  const auto place = open_place(path);
  return place && link_text(*place, place->name) == target.native();
}

}  // namespace dumb::setup::host
