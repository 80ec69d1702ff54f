#include "supervisor/cgroup_posix.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>

#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t file_limit = 4U << 20U;

std::vector<fs::path> groups_in(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (entry->is_directory(error) && !entry->is_symlink(error)) found.push_back(entry->path());
  }
  return found;
}

/// rmdir of a group fails while a process is in it, so this never takes one away from a process.
void remove_empty(const fs::path& directory) noexcept {
  if (::rmdir(directory.c_str()) == 0 || (errno != EBUSY && errno != ENOTEMPTY)) return;
  for (const fs::path& inner : groups_in(directory)) remove_empty(inner);
  ::rmdir(directory.c_str());
}

void collect_processes(const fs::path& directory, std::vector<pid_t>& out) {
  if (const auto text = file::read(directory / "cgroup.procs", file_limit)) {
    const std::vector<pid_t> own = parse_procs(*text);
    out.insert(out.end(), own.begin(), own.end());
  }
  for (const fs::path& inner : groups_in(directory)) collect_processes(inner, out);
}

Result<fs::path> own_directory(const GroupView& view) {
  const auto text = file::read(view.own_group, file_limit);
  if (!text) return text.error();
  const auto group = parse_own_group(*text);
  if (!group) return Error(Errc::unavailable, "this process is in no group of a version 2 hierarchy");
  const auto mounts = file::read(view.mountinfo, file_limit);
  if (!mounts) return mounts.error();
  const auto directory = group_directory(*group, parse_mountinfo(*mounts));
  if (!directory)
    return Error(Errc::unavailable, "no version 2 hierarchy that shows this process is mounted");
  return *directory;
}

/// What has to be there for a group to hold and end processes.
Result<void> usable(const fs::path& group) {
  for (const char* name : {"cgroup.procs", "cgroup.kill"}) {
    const fs::path file = group / name;
    if (::access(file.c_str(), W_OK) != 0) return system_error(errno, "write", file.native());
  }
  const auto type = file::read(group / "cgroup.type", file_limit);
  if (!type) return type.error();
  if (text::trim(*type) != "domain") {
    return Error(Errc::unavailable, "the control group is '" + std::string(text::trim(*type)) + "'",
                 group.native());
  }
  return {};
}

}  // namespace

UniqueFd ControlGroup::open() const noexcept {
  if (directory_.empty()) return {};
  return UniqueFd(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

bool ControlGroup::kill() const noexcept {
  if (directory_.empty()) return false;
  const UniqueFd file(::open((directory_ / "cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), "1", 1) == 1;
}

std::vector<pid_t> ControlGroup::processes() const {
  std::vector<pid_t> pids;
  if (!directory_.empty()) collect_processes(directory_, pids);
  return pids;
}

std::size_t ControlGroup::signal(int number) const {
  std::vector<std::pair<pid_t, UniqueFd>> opened;
  for (const pid_t pid : processes()) {
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (pidfd) opened.emplace_back(pid, std::move(pidfd));
  }
  // What was in the group before and after its descriptor was opened is not somebody else with that number.
  std::vector<pid_t> still = processes();
  std::sort(still.begin(), still.end());
  std::size_t reached = 0;
  for (const auto& [pid, pidfd] : opened) {
    if (std::binary_search(still.begin(), still.end(), pid) && signal_process(pidfd, number)) ++reached;
  }
  return reached;
}

UniqueFd ControlGroup::open_events() const noexcept {
  return UniqueFd(::open((directory_.native() + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
}

std::optional<bool> ControlGroup::populated(const UniqueFd& events) const {
  const UniqueFd own = events ? UniqueFd() : open_events();
  const UniqueFd& file = events ? events : own;
  // Somebody else may have removed it, which is possible only when nothing was in it.
  if (!file) return errno == ENOENT ? std::optional(false) : std::nullopt;
  std::array<char, 512> text;  // one read gives it whole; it is far shorter
  const ssize_t got = ::pread(file.get(), text.data(), text.size(), 0);
  if (got <= 0) return got < 0 && errno == ENODEV ? std::optional(false) : std::nullopt;
  return parse_populated({text.data(), static_cast<std::size_t>(got)});
}

void ControlGroup::remove() noexcept {
  if (directory_.empty()) return;
  remove_empty(directory_);
  directory_.clear();
}

Result<GroupTree> GroupTree::open(const fs::path& run_directory, const GroupView& view) {
  auto own = own_directory(view);
  if (!own) return own.error();
  // Without this right a process cannot be put from here into a group beneath.
  const fs::path procs = *own / "cgroup.procs";
  if (::access(procs.c_str(), W_OK) != 0) return system_error(errno, "write", procs.native());
  GroupTree tree;
  tree.directory_ = *own / group_tree_name(run_directory);
  if (::mkdir(tree.directory_.c_str(), 0755) != 0 && errno != EEXIST) {
    return system_error(errno, "create a control group", tree.directory_.native());
  }
  if (auto fit = usable(tree.directory_); !fit) {
    ::rmdir(tree.directory_.c_str());
    return fit.error();
  }
  for (const fs::path& left : groups_in(tree.directory_)) remove_empty(left);
  return tree;
}

Result<ControlGroup> GroupTree::make(const std::string& unit) const {
  const fs::path directory = directory_ / unit;
  if (::mkdir(directory.c_str(), 0755) != 0) {
    // The directory above goes when a server that shared it for a moment ends.
    if (errno != ENOENT || (::mkdir(directory_.c_str(), 0755) != 0 && errno != EEXIST) ||
        ::mkdir(directory.c_str(), 0755) != 0) {
      return system_error(errno, "create a control group", directory.native());
    }
  }
  return ControlGroup(directory);
}

void GroupTree::remove() noexcept {
  if (!directory_.empty()) ::rmdir(directory_.c_str());
}

std::optional<ControlGroup> group_of(pid_t pid, const fs::path& run_directory, const std::string& name,
                                     const GroupView& view) {
  const auto text = file::read("/proc/" + std::to_string(pid) + "/cgroup", file_limit);
  if (!text || name.empty()) return std::nullopt;
  const auto group = parse_own_group(*text);
  if (!group) return std::nullopt;
  const auto self = file::read(view.own_group, file_limit);
  const std::string own = self ? parse_own_group(*self).value_or("") : std::string();
  const auto unit = unit_group(*group, group_tree_name(run_directory) + "/" + name, own);
  if (!unit) return std::nullopt;
  const auto mounts = file::read(view.mountinfo, file_limit);
  if (!mounts) return std::nullopt;
  const auto directory = group_directory(*unit, parse_mountinfo(*mounts));
  if (!directory || !usable(*directory)) return std::nullopt;
  return ControlGroup(*directory);
}

}  // namespace dumb::supervisor
