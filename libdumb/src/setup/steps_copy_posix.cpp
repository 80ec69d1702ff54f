#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/text.hpp>

#include "setup/run_posix.hpp"

/// Steps that copy and link: copy, symlink.
namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

Error errno_failure(std::string_view what, const fs::path& path) {
  return Run::failed(system_error(errno, what, path.native()));
}

/// `/x/(a|b)/c` as its alternatives, in order.
std::vector<std::string> alternatives(const std::string& text) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.find(')', open == std::string::npos ? 0 : open);
  if (open == std::string::npos || close == std::string::npos) return {text};
  std::vector<std::string> all;
  for (const std::string& part :
       text::split(std::string_view(text).substr(open + 1, close - open - 1), '|')) {
    for (std::string& whole : alternatives(text.substr(0, open) + part + text.substr(close + 1))) {
      all.push_back(std::move(whole));
    }
  }
  return all;
}

/// The first alternative that exists; an empty path when none does or a placeholder is blank.
Result<fs::path> source_of(Run& run, const json::object& step, const std::string& written) {
  for (const std::string& candidate : alternatives(written)) {
    const auto path = run.scope.path(json::value(json::string(candidate)));
    if (!path) {
      if (jsonx::bool_at(step, "required", true) ||
          path.error().code() != make_error_code(Failure::missing_field)) {
        return path.error();
      }
      continue;
    }
    if (run.facts.exists(*path)) return path;
  }
  return fs::path();
}

bool same_tree(const fs::path& a, const fs::path& b) {
  const auto kind = fs::symlink_status(a).type();
  std::error_code error;
  if (kind != fs::symlink_status(b, error).type()) return false;
  if (kind == fs::file_type::symlink) return fs::read_symlink(a) == fs::read_symlink(b);
  if (kind == fs::file_type::regular) {
    if (fs::file_size(a) != fs::file_size(b)) return false;
    const auto left = file::read(a);
    const auto right = file::read(b);
    return left && right && *left == *right;
  }
  if (kind != fs::file_type::directory) return true;
  std::size_t entries = 0;
  for (const auto& entry : fs::directory_iterator(a)) {
    ++entries;
    if (!same_tree(entry.path(), b / entry.path().filename())) return false;
  }
  return entries ==
         static_cast<std::size_t>(std::distance(fs::directory_iterator(b), fs::directory_iterator()));
}

Result<void> give_tree(const fs::path& top, const file::WriteOptions& owner) {
  if (!owner.uid) return {};
  if (::lchown(top.c_str(), *owner.uid, *owner.gid) != 0) return errno_failure("set the owner of", top);
  for (const auto& entry : fs::recursive_directory_iterator(top)) {
    if (::lchown(entry.path().c_str(), *owner.uid, *owner.gid) != 0)
      return errno_failure("set the owner of", entry.path());
  }
  return {};
}

/// Copies beside the target, then exchanges both names in one step.
StepResult copy_directory(Run& run, const fs::path& from, const fs::path& to) {
  if (fs::exists(to) && same_tree(from, to)) return Effect::none;
  const fs::path fresh = to.parent_path() / ("." + to.filename().native() + ".new");
  fs::remove_all(fresh);
  fs::copy(from, fresh, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  if (auto given = give_tree(fresh, run.owned(0)); !given) return given.error();
  if (fs::exists(fs::symlink_status(to))) {
    if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0) {
      return errno_failure("replace", to);
    }
    fs::remove_all(fresh);
  } else if (::rename(fresh.c_str(), to.c_str()) != 0) {
    return errno_failure("create", to);
  }
  run.changed(to);
  return Effect::changed;
}

StepResult copy_file(Run& run, const json::object& step, const fs::path& from, const fs::path& to) {
  struct stat info {};
  if (::stat(from.c_str(), &info) != 0) return errno_failure("inspect", from);
  const auto mode = mode_of(step, info.st_mode & 0777U);
  if (!mode) return mode.error();
  const auto bytes = file::read(from);
  if (!bytes) return Run::failed(bytes.error());
  file::WriteOptions options = run.owned(*mode);
  options.force_mode = step.contains("mode");
  if (auto made = file::make_directories(to.parent_path(), 0755, options.uid, options.gid); !made) {
    return Run::failed(made.error());
  }
  const auto written = file::write_if_changed(to, *bytes, options);
  if (!written) return Run::failed(written.error());
  if (*written) run.changed(to);
  return *written ? Effect::changed : Effect::none;
}

/// Puts a link in place in one step.
StepResult place_link(Run& run, const fs::path& link, const fs::path& target) {
  const fs::path fresh = link.parent_path() / ("." + link.filename().native() + ".new");
  ::unlink(fresh.c_str());
  if (::symlink(target.c_str(), fresh.c_str()) != 0) return errno_failure("create link", fresh);
  const file::WriteOptions owner = run.owned(0);
  if (owner.uid && ::lchown(fresh.c_str(), *owner.uid, *owner.gid) != 0)
    return errno_failure("set the owner of", fresh);
  if (::rename(fresh.c_str(), link.c_str()) != 0) {
    const Error error = errno_failure("create link", link);
    ::unlink(fresh.c_str());
    return error;
  }
  run.changed(link);
  return Effect::changed;
}

StepResult link_one(Run& run, const fs::path& link, const fs::path& target, const std::string& replace) {
  struct stat info {};
  if (::lstat(link.c_str(), &info) != 0) {
    if (errno != ENOENT) return errno_failure("inspect", link);
    const file::WriteOptions owner = run.owned(0755);
    if (auto made = file::make_directories(link.parent_path(), 0755, owner.uid, owner.gid); !made) {
      return Run::failed(made.error());
    }
    return place_link(run, link, target);
  }
  const bool is_link = S_ISLNK(info.st_mode);
  if (is_link && fs::read_symlink(link) == target) return Effect::none;
  if (replace == "link" && is_link) return place_link(run, link, target);
  if (replace == "broken") return is_link && !fs::exists(link) ? place_link(run, link, target) : Effect::none;
  if (replace == "link") return failure(Failure::conflict, link.native() + " exists and is not a link");
  if (replace != "backup") return Effect::none;
  if (!is_link) {
    const fs::path backup = link.native() + ".bak";
    if (fs::exists(fs::symlink_status(backup))) {
      return failure(Failure::conflict,
                     backup.native() + " exists already, so " + link.native() + " cannot be kept");
    }
    if (::rename(link.c_str(), backup.c_str()) != 0) return errno_failure("rename", link);
  }
  return place_link(run, link, target);
}

}  // namespace

StepResult step_copy(Run& run, const json::object& step) {
  const std::string written = text_of(step.at("from"));
  const auto from = source_of(run, step, written);
  if (!from) return from.error();
  if (from->empty()) {
    if (!jsonx::bool_at(step, "required", true)) return Effect::none;
    return failure(Failure::missing_file, written + " does not exist");
  }
  const auto to = run.scope.path(step.at("to"));
  if (!to) return to.error();
  if (jsonx::bool_at(step, "if_missing", false) && run.facts.exists(*to)) return Effect::none;
  if (fs::is_directory(*from)) return copy_directory(run, *from, *to);
  return copy_file(run, step, *from, *to);
}

StepResult step_symlink(Run& run, const json::object& step) {
  const auto link = run.scope.path(step.at("link"));
  if (!link) return link.error();
  const auto text = run.scope.text(step.at("target"));
  if (!text) return text.error();
  fs::path target = *text;
  if (target.is_absolute()) {
    const auto mapped = run.scope.path(step.at("target"));
    if (!mapped) return mapped.error();
    target = *mapped;
  }
  const std::string replace = jsonx::string_at(step, "replace", "never");
  if (link->native().find('*') == std::string::npos) return link_one(run, *link, target, replace);
  // A pattern stands for the directories that exist.
  const auto directories = glob(link->parent_path());
  if (directories.empty())
    return failure(Failure::missing_file, link->parent_path().native() + " does not exist");
  Effect effect = Effect::none;
  for (const fs::path& directory : directories) {
    const auto done = link_one(run, directory / link->filename(), target, replace);
    if (!done) return done;
    if (*done == Effect::changed) effect = Effect::changed;
  }
  return effect;
}

}  // namespace dumb::setup
