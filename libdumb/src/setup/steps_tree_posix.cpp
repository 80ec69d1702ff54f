#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/base/unique_fd.hpp>
#include <dumb/supervisor/mounts.hpp>

#include "setup/owner_walk_posix.hpp"
#include "setup/run_posix.hpp"

/// Steps about directories and owners: mkdir, own, remove, unmount.
namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

Error errno_failure(std::string_view what, const fs::path& path) {
  return Run::failed(system_error(errno, what, path.native()));
}

bool keeps_owner(const json::object& step) {
  return jsonx::string_at(step, "owner", "service") == "keep";
}

/// Mode and owner of one directory that exists.
StepResult correct(Run& run, const fs::path& path, std::optional<mode_t> mode,
                   const file::WriteOptions& owner) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return errno_failure("inspect", path);
  if (!S_ISDIR(info.st_mode))
    return failure(Failure::conflict, path.native() + " exists and is not a directory");
  Effect effect = Effect::none;
  if ((owner.uid && *owner.uid != info.st_uid) || (owner.gid && *owner.gid != info.st_gid)) {
    if (::chown(path.c_str(), owner.uid.value_or(info.st_uid), owner.gid.value_or(info.st_gid)) != 0) {
      return errno_failure("set the owner of", path);
    }
    effect = Effect::changed;
  }
  if (mode && (info.st_mode & 07777U) != *mode) {
    // Without root, another user's directory stays as it is (LIF-6).
    if (::chmod(path.c_str(), *mode) != 0 && ::geteuid() == 0) return errno_failure("set the mode of", path);
    effect = Effect::changed;
  }
  if (effect == Effect::changed) run.changed(path);
  return effect;
}

/// Where a link that leads to nothing yet leads: user data below a directory of a release are linked from
/// there before they exist (SVC-70).
fs::path behind_link(const fs::path& path) {
  std::error_code error;
  if (!fs::is_symlink(fs::symlink_status(path, error)) || fs::exists(path, error)) return path;
  const fs::path target = fs::read_symlink(path, error);
  const fs::path parent = fs::canonical(path.parent_path(), error);
  return error ? path : (parent / target).lexically_normal();
}

StepResult make_directory(Run& run, const fs::path& written, const json::object& step, mode_t mode,
                          bool owned_later) {
  const fs::path path = behind_link(written);
  const file::WriteOptions owner = keeps_owner(step) ? file::WriteOptions() : run.owned(mode);
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) {
    const auto wanted = step.contains("mode") ? std::optional(mode) : std::nullopt;
    return correct(run, path, wanted, owned_later ? file::WriteOptions() : owner);
  }
  if (auto made = file::make_directories(path.parent_path(), 0755, owner.uid, owner.gid); !made) {
    return Run::failed(made.error());
  }
  if (auto made = file::make_directories(path, mode, owner.uid, owner.gid); !made)
    return Run::failed(made.error());
  run.changed(path);
  return Effect::changed;
}

}  // namespace

StepResult step_mkdir(Run& run, const json::object& step) {
  const json::value* paths = step.if_contains("paths");
  if (paths == nullptr || !paths->is_array()) return failure(Failure::bad_value, "the step needs paths");
  const auto mode = mode_of(step, 0755);
  if (!mode) return mode.error();
  Effect effect = Effect::none;
  for (const json::value& element : paths->get_array()) {
    const auto path = run.scope.path(element);
    if (!path) return path.error();
    const auto made = make_directory(run, *path, step, *mode, run.owned_later.contains(text_of(element)));
    if (!made) return made;
    if (*made == Effect::changed) effect = Effect::changed;
  }
  return effect;
}

StepResult step_own(Run& run, const json::object& step, const std::atomic<bool>& stop) {
  const auto path = run.scope.path(step.at("path"));
  if (!path) return path.error();
  const auto mode = mode_of(step, 0);
  if (!mode) return mode.error();
  struct stat info {};
  if (::stat(path->c_str(), &info) != 0) return errno_failure("inspect", *path);
  const file::WriteOptions owner = run.owned(0);
  if (!run.facts.is_root()) {
    run.log().info(
        fmt::format("{}: {} keeps its owner, only root may change it", run.name(), path->native()));
  }
  const bool wrong = owner.uid && *owner.uid != info.st_uid;
  const json::value* recursive = step.if_contains("recursive");
  const bool always = recursive != nullptr && recursive->is_bool() && recursive->get_bool();
  const bool if_needed =
      recursive != nullptr && recursive->is_string() && recursive->get_string() == "if-needed";
  const bool descend = always || (if_needed && wrong);
  const UniqueFd top(::open(path->c_str(), O_RDONLY | O_CLOEXEC));
  if (!top) return errno_failure("open", *path);
  bool changed = false;
  if (descend && S_ISDIR(info.st_mode)) {
    // The top comes last: an interrupted walk is taken up again by the next run.
    OwnerWalkOptions wanted_below;
    if (owner.uid) {
      wanted_below.uid = owner.uid;
      wanted_below.gid = owner.gid.value_or(info.st_gid);
    }
    if (*mode != 0) wanted_below.mode = *mode;
    OwnerWalk walk(wanted_below, supervisor::read_mounts(), stop);
    if (auto done = walk.below(top.get(), *path); !done) return Run::failed(done.error());
    changed = walk.changed_anything();
  }
  if (wrong || (owner.gid && *owner.gid != info.st_gid)) {
    if (::fchown(top.get(), *owner.uid, owner.gid.value_or(info.st_gid)) != 0) {
      return errno_failure("set the owner of", *path);
    }
    changed = true;
  }
  const mode_t wanted = S_ISDIR(info.st_mode) ? *mode : *mode & 0666U;
  if (*mode != 0 && (info.st_mode & 07777U) != wanted && ::fchmod(top.get(), wanted) == 0) changed = true;
  if (changed) run.changed(*path);
  return changed ? Effect::changed : Effect::none;
}

StepResult step_remove(Run& run, const json::object& step) {
  const auto path = run.scope.path(step.at("path"));
  if (!path) return path.error();
  if (::unlink(path->c_str()) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Effect::none;
    if (errno != EISDIR && errno != EPERM) return errno_failure("remove", *path);
    if (::rmdir(path->c_str()) != 0) return errno_failure("remove", *path);
  }
  run.changed(*path);
  return Effect::changed;
}

StepResult step_unmount(Run& run, const json::object& step) {
  const auto path = run.scope.path(step.at("path"));
  if (!path) return path.error();
  if (run.facts.service_running(run.name())) return Effect::none;
  if (!supervisor::is_mounted(supervisor::read_mounts(), *path)) return Effect::none;
  bool lazy = false;
  if (auto done = supervisor::unmount(*path, lazy); !done) {
    if (::geteuid() == 0) return Run::failed(done.error());
    run.log().info(
        fmt::format("{}: {} is left mounted, root would have to unmount it", run.name(), path->native()));
    return Effect::none;
  }
  if (lazy)
    run.log().warning(fmt::format("{}: {} was busy and has been detached", run.name(), path->native()));
  run.changed(*path);
  return Effect::changed;
}

}  // namespace dumb::setup
