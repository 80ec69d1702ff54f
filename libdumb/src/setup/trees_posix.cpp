#include "setup/trees_posix.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>

#include "setup/scope.hpp"

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;
constexpr const char* mark = ".complete";
constexpr const char* exposed = ".dumb/current/";

bool is_ours(const fs::path& link) {
  std::error_code error;
  const fs::path target = fs::read_symlink(link, error);
  return !error && target.native().starts_with(exposed);
}

bool is_there(const fs::path& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

/// A top-level name that holds, or leads to, kept data.
bool is_kept_top(const std::vector<std::string>& kept, const std::string& name) {
  return std::find(kept.begin(), kept.end(), name) != kept.end();
}

Result<void> remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return system_error(error.value(), "remove", path.native());
  return {};
}

}  // namespace

std::set<std::string> entries_of(const fs::path& directory) {
  std::set<std::string> out;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
    out.insert(at->path().filename().native());
  return out;
}

Result<void> sync_directory(const fs::path& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return system_error(errno, "flush", directory.native());
  return {};
}

Result<void> Trees::give(const fs::path& path) const {
  if (owner_ && ::lchown(path.c_str(), owner_->uid, owner_->gid) != 0)
    return system_error(errno, "change the owner of", path.native());
  return {};
}

Result<void> Trees::make_places() const {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  if (owner_) {
    uid = owner_->uid;
    gid = owner_->gid;
  }
  if (!is_there(root_)) {
    if (auto made = file::make_directories(root_, 0755, uid, gid); !made) return made.error();
  }
  return file::make_directories(releases(), 0755);
}

Result<UniqueFd> Trees::try_lock() const {
  if (auto made = make_places(); !made) return made.error();
  const fs::path path = own() / "lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return system_error(errno, "open", path.native());
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno == EWOULDBLOCK) return UniqueFd();
  return system_error(errno, "lock", path.native());
}

std::string Trees::linked(const std::string& link) const {
  std::error_code error;
  const fs::path target = fs::read_symlink(own() / link, error);
  return error ? std::string() : target.filename().native();
}

bool Trees::is_complete(const std::string& id) const {
  return is_there(tree(id) / mark);
}

Result<void> Trees::save() const {
  return file::write_atomic(own() / "state.json", jsonx::print(encode_state(state_)));
}

Result<void> Trees::read() {
  const fs::path path = own() / "state.json";
  state_ = TreeState();
  if (!is_there(path)) return {};
  const auto text = file::read(path, 1U << 20U);
  if (!text) return text.error();
  auto state = decode_state(*text);
  if (!state) return state.error();
  state_ = std::move(*state);
  return {};
}

Result<Recovery> Trees::recover() {
  if (auto done = read(); !done) return done.error();
  if (state_.adoption) {
    if (auto finished = finish_adoption(); !finished) return finished.error();
  }
  Found found;
  found.current = linked("current");
  found.trees = entries_of(releases());
  for (const std::string& id : found.trees) {
    if (is_complete(id)) found.complete.insert(id);
  }
  Recovery recovery = setup::recover(state_, found);
  for (const std::string& id : recovery.remove) {
    if (auto removed = remove_tree(tree(id)); !removed) return removed.error();
  }
  if (recovery.state != state_) {
    state_ = recovery.state;
    if (auto saved = save(); !saved) return saved.error();
  }
  return recovery;
}

Result<void> Trees::begin(const std::string& id, std::int64_t now) {
  if (auto made = make_places(); !made) return made.error();
  if (auto removed = remove_tree(tree(id)); !removed) return removed.error();
  state_.pending = Pending{id, Pending::Stage::building, now};
  if (auto saved = save(); !saved) return saved.error();
  if (::mkdir(tree(id).c_str(), 0755) != 0) return system_error(errno, "make", tree(id).native());
  return give(tree(id));
}

Result<void> Trees::link_kept(const std::string& id, const std::vector<std::string>& kept,
                              const std::set<std::string>& from_release) const {
  for (const std::string& name : kept) {
    const std::string home = home_of_kept(name, from_release);
    const bool top = name.find('/') == std::string::npos;
    if (home == name && !top) continue;  // its directory is no part of the tree
    const fs::path link = tree(id) / name;
    std::error_code error;
    if (!fs::is_directory(link.parent_path(), error)) continue;
    if (home != name) {
      const fs::path data = root_ / home;
      std::optional<uid_t> uid;
      std::optional<gid_t> gid;
      if (owner_) {
        uid = owner_->uid;
        gid = owner_->gid;
      }
      if (auto made = file::make_directories(data.parent_path(), 0755, uid, gid); !made) return made.error();
    }
    if (auto removed = remove_tree(link); !removed) return removed.error();
    const std::string target = relative_target(".dumb/releases/" + id + "/" + name, home);
    if (::symlink(target.c_str(), link.c_str()) != 0) return system_error(errno, "link", link.native());
    if (auto given = give(link); !given) return given.error();
  }
  return {};
}

Result<void> Trees::complete(const std::string& id, std::int64_t now) {
  if (auto marked = file::write_atomic(tree(id) / mark, ""); !marked) return marked.error();
  state_.pending = Pending{id, Pending::Stage::ready, now};
  return save();
}

Result<void> Trees::discard(const std::string& id) {
  if (id == state_.current || id == state_.previous) return {};
  if (auto removed = remove_tree(tree(id)); !removed) return removed.error();
  if (!state_.pending || state_.pending->id != id) return {};
  state_.pending.reset();
  return save();
}

std::set<std::string> Trees::shown(const std::string& id, const std::vector<std::string>& kept) const {
  std::set<std::string> out = entries_of(tree(id));
  out.erase(mark);
  out.erase(".dumb");
  std::erase_if(out, [&](const std::string& name) { return is_kept_top(kept, name); });
  return out;
}

Result<void> Trees::expose(const std::string& id, const std::vector<std::string>& kept) const {
  for (const std::string& name : shown(id, kept)) {
    const fs::path link = root_ / name;
    if (is_ours(link)) continue;
    if (is_there(link))
      return failure(Failure::conflict, fmt::format("{} is in the way of the release", link.native()));
    const std::string target = exposed + name;
    if (::symlink(target.c_str(), link.c_str()) != 0) return system_error(errno, "link", link.native());
    if (auto given = give(link); !given) return given.error();
  }
  return sync_directory(root_);
}

Result<void> Trees::hide_all_but(const std::string& id, const std::vector<std::string>& kept) const {
  const std::set<std::string> wanted = id.empty() ? std::set<std::string>() : shown(id, kept);
  for (const std::string& name : entries_of(root_)) {
    const fs::path link = root_ / name;
    if (wanted.contains(name) || !is_ours(link)) continue;
    if (::unlink(link.c_str()) != 0 && errno != ENOENT) return system_error(errno, "remove", link.native());
  }
  return sync_directory(root_);
}

Result<void> Trees::point_at(const std::string& link, const std::string& id) const {
  const fs::path path = own() / link;
  if (id.empty()) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error(errno, "remove", path.native());
    return sync_directory(own());
  }
  const fs::path fresh = own() / ("." + link + ".new");
  ::unlink(fresh.c_str());
  const std::string target = "releases/" + id;
  if (::symlink(target.c_str(), fresh.c_str()) != 0) return system_error(errno, "link", fresh.native());
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error(errno, "replace", path.native());
  return sync_directory(own());
}

Result<void> Trees::activate(const std::string& id, const std::string& version, const std::string& sha256,
                             const std::vector<std::string>& kept, std::int64_t now) {
  if (!is_complete(id)) return failure(Failure::conflict, fmt::format("tree {} is not complete", id));
  if (auto shown_now = expose(id, kept); !shown_now) return shown_now.error();
  if (state_.current != id) {
    state_.previous = state_.current;
    state_.previous_version = state_.version;
  }
  state_.current = id;
  state_.version = version;
  state_.sha256 = sha256;
  state_.pending = Pending{id, Pending::Stage::activated, now};
  if (auto saved = save(); !saved) return saved.error();
  if (auto pointed = point_at("previous", state_.previous); !pointed) return pointed.error();
  if (auto pointed = point_at("current", id); !pointed) return pointed.error();
  return hide_all_but(id, kept);
}

Result<void> Trees::roll_back(const std::vector<std::string>& kept) {
  const std::string bad = state_.current;
  const std::string refused = state_.version;
  if (state_.previous.empty()) {
    if (auto pointed = point_at("current", {}); !pointed) return pointed.error();
    if (auto hidden = hide_all_but({}, kept); !hidden) return hidden.error();
    state_ = TreeState();
    state_.refused = refused;
  } else {
    if (auto shown_now = expose(state_.previous, kept); !shown_now) return shown_now.error();
    if (auto pointed = point_at("current", state_.previous); !pointed) return pointed.error();
    if (auto hidden = hide_all_but(state_.previous, kept); !hidden) return hidden.error();
    state_.current = state_.previous;
    state_.version = state_.previous_version;
    state_.previous.clear();
    state_.previous_version.clear();
    state_.sha256.clear();
    state_.refused = refused;
    state_.pending.reset();
    if (auto pointed = point_at("previous", {}); !pointed) return pointed.error();
  }
  if (auto saved = save(); !saved) return saved.error();
  return remove_tree(tree(bad));
}

Result<void> Trees::commit(int kept_trees) {
  state_.pending.reset();
  if (kept_trees < 2) state_.previous.clear();
  if (auto saved = save(); !saved) return saved.error();
  for (const std::string& id : unneeded(state_, entries_of(releases()), kept_trees)) {
    if (auto removed = remove_tree(tree(id)); !removed) return removed.error();
  }
  return {};
}

}  // namespace dumb::setup
