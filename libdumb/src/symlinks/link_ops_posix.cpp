#include "symlinks/link_ops_posix.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <dumb/symlinks/paths.hpp>
#include <utility>

namespace dumb::symlinks {
namespace {

using Kind = Done::Kind;

bool unsupported(int result) noexcept {
  return result == -EINVAL || result == -ENOSYS || result == -EOPNOTSUPP;
}

Done failed(int result, const char* what) {
  return {Kind::failed, -result, what};
}

timespec as_timespec(std::int64_t nanoseconds) noexcept {
  timespec time{};
  time.tv_sec = static_cast<time_t>(nanoseconds / 1'000'000'000);
  time.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
  if (time.tv_nsec < 0) {
    time.tv_nsec += 1'000'000'000;
    --time.tv_sec;
  }
  return time;
}

}  // namespace

LinkOps::LinkOps(SystemCalls& calls, const std::string& run_id)
    : calls_(calls), user_(::geteuid()), group_(::getegid()), temporary_(temporary_name(run_id, 0)) {
  prefix_size_ = temporary_.size() - 1;
}

const std::string& LinkOps::temporary_of(std::uint64_t entry) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), entry).ptr;
  temporary_.resize(prefix_size_);
  temporary_.append(digits.data(), end);
  return temporary_;
}

bool LinkOps::holds(int directory, const std::string& name, const std::string& target) {
  std::array<char, PATH_MAX> buffer;  // filled before it is read
  const ssize_t size = calls_.read_link(directory, name.c_str(), buffer.data(), buffer.size());
  return size >= 0 && std::string_view(buffer.data(), static_cast<std::size_t>(size)) == target;
}

/// Makes the temporary link with owner and times; `like` names a link to take them from. A file system that
/// refuses them is none the worse for it.
Done LinkOps::fresh(const Directory& directory, const std::string& temporary, const std::string& to,
                    const std::optional<Ownership>& owner, const std::string* like) {
  const int fd = directory.fd.get();
  const int made = calls_.make_link(to.c_str(), fd, temporary.c_str());
  if (made < 0) return failed(made, "create link");
  timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  struct stat info {};
  bool known = false;
  if (owner) {
    info.st_uid = static_cast<uid_t>(owner->uid);
    info.st_gid = static_cast<gid_t>(owner->gid);
    times[1] = as_timespec(owner->mtime_ns);
    known = true;
  } else if (like != nullptr && calls_.stat(fd, like->c_str(), &info, AT_SYMLINK_NOFOLLOW) >= 0) {
    times[0] = info.st_atim;
    times[1] = info.st_mtim;
    known = true;
  } else if (like == nullptr) {
    known = calls_.stat(fd, "", &info, AT_EMPTY_PATH) >= 0;
  }
  if (!known) return {};
  if (directory.group_inherited || info.st_uid != user_ || info.st_gid != group_) {
    calls_.own(fd, temporary.c_str(), info.st_uid, info.st_gid);
  }
  if (times[1].tv_nsec != UTIME_OMIT) calls_.set_times(fd, temporary.c_str(), times);
  return {};
}

/// Renames to a name that nothing has. Where the file system cannot do that in one step the name is looked at
/// first.
int LinkOps::rename_to_free(int directory, const std::string& from, const std::string& to) {
  const int renamed = calls_.rename(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE);
  if (!unsupported(renamed)) return renamed;
  const auto there = look_at(calls_, directory, to);
  if (!there) return -there.error().code().value();
  if (there->kind != LinkState::Kind::absent) return -EEXIST;
  return calls_.rename(directory, from.c_str(), directory, to.c_str(), 0);
}

/// What came out of the exchange is not what was expected: the two go back to their places.
Done LinkOps::put_back(int directory, const std::string& name, const std::string& temporary) {
  int back = calls_.rename(directory, temporary.c_str(), directory, name.c_str(), RENAME_EXCHANGE);
  if (back == -ENOENT || unsupported(back)) back = rename_to_free(directory, temporary, name);
  return back < 0 ? failed(back, "put back what was changed meanwhile") : Done{Kind::changed};
}

/// Gives what is somebody else's a name that walks and people see.
Done LinkOps::keep_visible(int directory, const std::string& name, const std::string& temporary,
                           std::string& kept_as) {
  constexpr std::size_t room = 200;  // of the 255 bytes of a name
  const std::string visible =
      name.substr(0, room) + "." + temporary.substr(temporary.find('-') + 1) + ".kept";
  const int renamed = rename_to_free(directory, temporary, visible);
  if (renamed < 0) return failed(renamed, "keep what was changed meanwhile");
  kept_as = visible;
  return {};
}

/// For file systems without an exchange: the link is looked at once more, then replaced.
Done LinkOps::replace_plainly(int directory, const std::string& name, const std::string& temporary,
                              const std::string& from) {
  Done done{Kind::changed};
  if (holds(directory, name, from)) {
    const int renamed = calls_.rename(directory, temporary.c_str(), directory, name.c_str(), 0);
    if (renamed >= 0) return {};
    done = failed(renamed, "replace link");
  }
  calls_.unlink(directory, temporary.c_str(), 0);
  return done;
}

Done LinkOps::replace(const Directory& at, const std::string& name, const std::string& from,
                      const std::string& to, const std::optional<Ownership>& owner, std::uint64_t entry) {
  const int fd = at.fd.get();
  const std::string& temporary = temporary_of(entry);
  if (const Done made = fresh(at, temporary, to, owner, &name); made.kind != Kind::done) return made;
  const int swapped = calls_.rename(fd, temporary.c_str(), fd, name.c_str(), RENAME_EXCHANGE);
  if (unsupported(swapped)) return replace_plainly(fd, name, temporary, from);
  if (swapped < 0) {
    calls_.unlink(fd, temporary.c_str(), 0);
    return swapped == -ENOENT ? Done{Kind::changed} : failed(swapped, "replace link");
  }
  if (!holds(fd, temporary, from)) {
    const Done back = put_back(fd, name, temporary);
    const auto left = look_at(calls_, fd, temporary);
    if (left && left->is(to)) {
      calls_.unlink(fd, temporary.c_str(), 0);
      return back;
    }
    if (back.kind != Kind::changed || !left || left->kind == LinkState::Kind::absent) return back;
    // Somebody was at the name again: theirs is the newer one and goes back, what it took the place of stays
    // in sight.
    std::string kept_as;
    put_back(fd, name, temporary);
    const Done kept = keep_visible(fd, name, temporary, kept_as);
    return kept.kind == Kind::done ? failed(-EEXIST, "replace a link that was changed twice meanwhile")
                                   : kept;
  }
  const int removed = calls_.unlink(fd, temporary.c_str(), 0);
  if (removed >= 0) return {};
  put_back(fd, name, temporary);
  if (holds(fd, temporary, to)) calls_.unlink(fd, temporary.c_str(), 0);
  return failed(removed, "remove the replaced link");
}

Done LinkOps::create(const Directory& at, const std::string& name, const std::string& to,
                     const std::optional<Ownership>& owner, std::uint64_t entry) {
  const int fd = at.fd.get();
  const std::string& temporary = temporary_of(entry);
  if (const Done made = fresh(at, temporary, to, owner, nullptr); made.kind != Kind::done) return made;
  const int renamed = calls_.rename(fd, temporary.c_str(), fd, name.c_str(), RENAME_NOREPLACE);
  if (renamed >= 0) return {};
  calls_.unlink(fd, temporary.c_str(), 0);
  if (renamed == -EEXIST) return {Kind::exists};
  if (!unsupported(renamed)) return failed(renamed, "create link");
  const Done made = fresh(at, name, to, owner, nullptr);
  return made.kind == Kind::failed && made.number == EEXIST ? Done{Kind::exists} : made;
}

Done LinkOps::remove(const Directory& at, const std::string& name, const std::string& expected,
                     std::uint64_t entry) {
  const int fd = at.fd.get();
  if (!holds(fd, name, expected)) return {Kind::changed};
  const std::string& temporary = temporary_of(entry);
  int renamed = calls_.rename(fd, name.c_str(), fd, temporary.c_str(), RENAME_NOREPLACE);
  if (unsupported(renamed)) renamed = calls_.rename(fd, name.c_str(), fd, temporary.c_str(), 0);
  if (renamed == -ENOENT) return {Kind::changed};
  if (renamed < 0) return failed(renamed, "remove link");
  const bool ours = holds(fd, temporary, expected);
  const int removed = ours ? calls_.unlink(fd, temporary.c_str(), 0) : -EEXIST;
  if (removed >= 0) return {};
  int back = calls_.rename(fd, temporary.c_str(), fd, name.c_str(), RENAME_NOREPLACE);
  if (unsupported(back)) back = calls_.rename(fd, temporary.c_str(), fd, name.c_str(), 0);
  if (back < 0) return failed(back, "put back what was changed meanwhile");
  return ours ? failed(removed, "remove link") : Done{Kind::changed};
}

/// Whether two names are of one link.
bool LinkOps::are_one(int from, const std::string& name, int to, const std::string& destination) {
  struct stat a {};
  struct stat b {};
  return calls_.stat(from, name.c_str(), &a, AT_SYMLINK_NOFOLLOW) >= 0 &&
         calls_.stat(to, destination.c_str(), &b, AT_SYMLINK_NOFOLLOW) >= 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

/// For file systems that know only the plain rename: it is one step as well and keeps the link itself, so the
/// destination is looked at just before.
Done LinkOps::move_plainly(const Directory& from, const std::string& name, const Directory& to,
                           const std::string& destination, const std::string& target,
                           const std::optional<std::string>& replaced, std::uint64_t entry) {
  const auto there = look_at(calls_, to.fd.get(), destination);
  if (!there) return {Kind::failed, there.error().code().value(), "look at the destination"};
  if (!there->is(replaced)) return {replaced ? Kind::changed : Kind::exists};
  // A rename between two names of one link does nothing.
  if (replaced && are_one(from.fd.get(), name, to.fd.get(), destination))
    return remove(from, name, target, entry);
  const int renamed = calls_.rename(from.fd.get(), name.c_str(), to.fd.get(), destination.c_str(), 0);
  if (renamed == -ENOENT) return {Kind::changed};
  return renamed < 0 ? failed(renamed, "move link") : Done{};
}

Done LinkOps::move(const Directory& from, const std::string& name, const Directory& to,
                   const std::string& destination, const std::string& target,
                   const std::optional<std::string>& replaced, std::uint64_t entry) {
  const int source = from.fd.get();
  const int goal = to.fd.get();
  if (!holds(source, name, target)) return {Kind::changed};
  const unsigned how = replaced ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  const int renamed = calls_.rename(source, name.c_str(), goal, destination.c_str(), how);
  if (unsupported(renamed)) return move_plainly(from, name, to, destination, target, replaced, entry);
  if (renamed == -EEXIST) return {Kind::exists};
  if (renamed == -ENOENT) return {Kind::changed};
  if (renamed < 0) return failed(renamed, "move link");
  if (!replaced) return {};
  if (holds(source, name, *replaced)) {
    const int removed = calls_.unlink(source, name.c_str(), 0);
    if (removed >= 0) return {};
    calls_.rename(source, name.c_str(), goal, destination.c_str(), RENAME_EXCHANGE);
    return failed(removed, "remove the replaced link");
  }
  const int back = calls_.rename(source, name.c_str(), goal, destination.c_str(), RENAME_EXCHANGE);
  return back < 0 ? failed(back, "put back what was changed meanwhile") : Done{Kind::changed};
}

Done LinkOps::settle(int directory, const std::string& name, const Change& change, std::uint64_t entry,
                     std::string& kept_as) {
  const std::string& temporary = temporary_of(entry);
  auto there = look_at(calls_, directory, temporary);
  if (!there) return {Kind::failed, there.error().code().value(), "look at the temporary link"};
  if (there->kind == LinkState::Kind::absent) return {};
  const auto known = [&](const std::optional<std::string>& target) { return target && there->is(target); };
  if (known(change.old_target) || known(change.new_target) || known(change.replaced_target)) {
    const int removed = calls_.unlink(directory, temporary.c_str(), 0);
    return removed < 0 && removed != -ENOENT ? failed(removed, "remove the temporary link") : Done{};
  }
  const auto at_name = look_at(calls_, directory, name);
  if (!at_name) return {Kind::failed, at_name.error().code().value(), "look at the link"};
  if (at_name->kind == LinkState::Kind::absent) {
    const int back = rename_to_free(directory, temporary, name);
    if (back >= 0) return {};
    if (back != -EEXIST) return failed(back, "put back what was changed meanwhile");
  } else if (change.new_target && at_name->is(change.new_target)) {  // ours: the two change places
    const Done back = put_back(directory, name, temporary);
    if (back.kind == Kind::failed && back.number != EEXIST) return back;
    there = look_at(calls_, directory, temporary);
    if (!there) return {Kind::failed, there.error().code().value(), "look at the temporary link"};
    if (there->kind == LinkState::Kind::absent) return {};
    if (known(change.new_target)) {
      const int removed = calls_.unlink(directory, temporary.c_str(), 0);
      return removed < 0 ? failed(removed, "remove the temporary link") : Done{};
    }
    put_back(directory, name, temporary);  // somebody was faster
  }
  return keep_visible(directory, name, temporary, kept_as);
}

}  // namespace dumb::symlinks
