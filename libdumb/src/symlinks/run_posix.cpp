#include "symlinks/run_posix.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/symlinks/bytes.hpp>
#include <map>
#include <utility>

namespace dumb::symlinks {

Meter::Meter(const Context& context, const Control& control) : context_(context), control_(control) {}

void Meter::stage(Stage stage, std::optional<std::uint64_t> total) {
  const std::lock_guard lock(mutex_);
  if (stage == Stage::processing) progress_.processed = 0;
  progress_.stage = stage;
  begun_ = true;
  if (total) progress_.total = total;
  publish(true);
}

void Meter::publish(bool now) {
  if (!control_.progress || !begun_) return;
  const SteadyTime time = context_.clock.now();
  if (!now && time - last_ < std::chrono::milliseconds(250)) return;
  last_ = time;
  control_.progress(progress_);
}

struct Locks::State {
  struct Held {
    std::string holder;
    std::vector<std::string> paths;  ///< empty: everything
    Mode mode;
  };
  std::mutex mutex;
  std::map<std::uint64_t, Held> held;
  std::uint64_t next = 1;
};

namespace {

/// The place where two sets of trees meet.
std::optional<std::string> meeting(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  if (a.empty() || b.empty()) return a.empty() ? b.empty() ? std::string("/") : b.front() : a.front();
  for (const std::string& one : a) {
    for (const std::string& other : b) {
      if (is_within(one, other) || is_within(other, one)) return one;
    }
  }
  return std::nullopt;
}

}  // namespace

Locks::Locks() : state_(std::make_unique<State>()) {}
Locks::~Locks() = default;

Result<Locks::Guard> Locks::lock(const std::string& holder, const std::vector<std::string>& paths,
                                 Mode mode) {
  const std::lock_guard lock(state_->mutex);
  for (const auto& [id, held] : state_->held) {
    if (mode == Mode::shared && held.mode == Mode::shared) continue;
    if (const auto where = meeting(paths, held.paths)) {
      return Error(Errc::conflict, "\"" + printable(*where) + "\" is in use by " + held.holder);
    }
  }
  const std::uint64_t id = state_->next++;
  state_->held.emplace(id, State::Held{holder, paths, mode});
  return Guard(this, id);
}

void Locks::release(std::uint64_t id) {
  const std::lock_guard lock(state_->mutex);
  state_->held.erase(id);
}

Locks::Guard& Locks::Guard::operator=(Guard&& other) noexcept {
  if (this != &other) {
    if (locks_ != nullptr) locks_->release(id_);
    locks_ = std::exchange(other.locks_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

Locks::Guard::~Guard() {
  if (locks_ != nullptr) locks_->release(id_);
}

Result<void> RunLocks::take(const Context& context, const Control& control, const std::string& operation,
                            const std::vector<Tree>& trees, Locks::Mode mode, bool everything) {
  std::vector<std::string> paths;
  for (const Tree& tree : trees) paths.push_back(tree.real);
  if (context.environment.locks && (everything || !paths.empty())) {
    const std::string holder = control.owner.empty() ? operation : operation + " " + control.owner;
    auto guard =
        context.environment.locks->lock(holder, everything ? std::vector<std::string>() : paths, mode);
    if (!guard) return guard.error();
    guard_ = std::move(*guard);
  }
  std::vector<std::pair<dev_t, ino_t>> seen;
  for (const Tree& tree : trees) {
    if (!tree.fd || !tree.directory) continue;
    struct stat info {};
    if (context.calls.stat(tree.fd.get(), "", &info, AT_EMPTY_PATH) < 0) continue;
    // One directory under two names must not keep itself out.
    if (std::find(seen.begin(), seen.end(), std::pair(info.st_dev, info.st_ino)) != seen.end()) continue;
    seen.emplace_back(info.st_dev, info.st_ino);
    const int fd = context.calls.open(tree.fd.get(), ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) continue;
    UniqueFd file(fd);
    const int locked = context.calls.lock(fd, (mode == Locks::Mode::exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
    if (locked == -EWOULDBLOCK) {
      return Error(Errc::conflict, "\"" + printable(tree.spelled) + "\" is in use by another process");
    }
    if (locked >= 0) files_.push_back(std::move(file));
  }
  return {};
}

Journal::Journal(const Context& context, Header header, std::optional<ManifestPlace> place)
    : context_(context), header_(std::move(header)), automatic_(!place) {
  header_.run_id = new_run_id();
  header_.created_at = now_text(context);
  if (place) {
    place_ = std::move(*place);
    return;
  }
  place_.base = context.environment.config_directory + "/symlink-repair";
  place_.rest = "repair-manifests/auto-" + header_.operation + "-" + compact_time(context.clock.wall()) +
                "-" + header_.run_id + ".json";
}

Result<void> Journal::begin() {
  auto directory = open_manifest_directory(context_, place_);
  if (!directory) return directory.error();
  auto file = DurableFile::create(context_.calls, std::move(*directory), std::string(base_name(place_.rest)));
  if (!file) return file.error();
  file_ = std::move(*file);
  return file_->append(repair_head(header_));
}

void Journal::append(std::string_view changes, std::uint64_t count) {
  if (count == 0) return;
  const std::lock_guard lock(mutex_);
  if (failure_) return;
  const bool first = count_ == 0;
  count_ += count;
  Result<void> done;
  if (first) done = begin();
  if (done && !first) done = file_->append(",\n");
  if (done) done = file_->append(changes.substr(0, changes.size() - 2));
  if (!done) failure_ = done.error();
}

Result<void> Journal::commit(const std::vector<std::string>& created_dirs, const std::string& owner) {
  if (failure_) return *failure_;
  if (auto done = file_->append(repair_tail(created_dirs)); !done) return done;
  if (auto done = file_->commit(automatic_ ? DurableFile::Previous::drop : DurableFile::Previous::keep);
      !done) {
    return done;
  }
  record_ = {header_.run_id, owner, header_.operation, place_.path()};
  return write_run_record(context_, record_);
}

Result<void> Journal::note_two_steps() {
  record_.two_step = true;
  return write_run_record(context_, record_);
}

Result<void> Journal::close() {
  auto done = remove_run_record(context_, header_.run_id);
  prune_auto_manifests(context_);
  return done;
}

Error cancelled(const Control& control, json::object so_far, std::string message) {
  if (control.so_far) control.so_far(std::move(so_far));
  return {Errc::cancelled, std::move(message)};
}

std::string now_text(const Context& context) {
  return manifest_time(context.clock.wall());
}

Result<ManifestPlace> place_for(const Environment& environment, const std::string& path, ManifestUse use) {
  return manifest_place(path, places_of(environment), use);
}

}  // namespace dumb::symlinks
