#include "symlinks/targets_posix.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <dumb/symlinks/paths.hpp>
#include <system_error>
#include <thread>
#include <utility>

namespace dumb::symlinks {
namespace {

constexpr unsigned most_stuck = 4;
constexpr unsigned most_time_outs = 3;

/// Any look may hang: no more threads of this process look at a time than may stay behind.
class Slots {
 public:
  /// Waits until one is free; false when all are held by looks that hang, or when the run is to end.
  bool take(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return taken_ < most_stuck || hanging_ == most_stuck; });
    if (taken_ >= most_stuck || stop.stop_requested()) return false;
    ++taken_;
    return true;
  }
  void give_back() {
    const std::lock_guard lock(mutex_);
    --taken_;
    changed_.notify_all();
  }
  void hangs() {
    const std::lock_guard lock(mutex_);
    ++hanging_;
    changed_.notify_all();
  }
  void hangs_no_more() {
    const std::lock_guard lock(mutex_);
    --hanging_;
    --taken_;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  unsigned taken_ = 0;
  unsigned hanging_ = 0;
};

/// Never destroyed: a thread that hangs may come back at any time.
Slots& slots() {
  static Slots* const all = new Slots;
  return *all;
}

Presence ask(SystemCalls& calls, int directory, const std::string& target) {
  struct stat info {};
  const int seen = calls.stat(directory, target.c_str(), &info, 0);
  if (seen >= 0) return Presence::present;
  return seen == -ENOENT || seen == -ENOTDIR || seen == -ELOOP ? Presence::missing : Presence::unknown;
}

}  // namespace

/// Work for one thread. Kept alive by whoever comes last, the run or a thread that hangs.
struct Targets::Batch {
  UniqueFd directory;
  std::vector<std::string> targets;
  std::vector<Presence> answers;
  std::size_t done = 0;  ///< under the lane's mutex
};

struct Targets::Lane {
  explicit Lane(SystemCalls& system) : calls(system) {}
  SystemCalls& calls;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::shared_ptr<Batch> batch;
  bool closed = false;

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return closed || batch; });
      if (closed) return;
      const std::shared_ptr<Batch> mine = batch;
      for (std::size_t i = 0; i < mine->targets.size(); ++i) {
        lock.unlock();
        const int from = mine->directory ? mine->directory.get() : AT_FDCWD;
        const Presence answer = ask(calls, from, mine->targets[i]);
        lock.lock();
        mine->answers[i] = answer;
        mine->done = i + 1;
        if (closed) {
          lock.unlock();
          slots().hangs_no_more();
          return;
        }
      }
      batch.reset();
      changed.notify_all();
    }
  }
};

Targets::Targets(const Context& context, std::stop_token stop)
    : context_(context),
      stop_(std::move(stop)),
      watch_(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) {
  // Read after it is watched, so that no change is missed.
  view_.mounts = std::make_shared<MountTable>(read_mount_table(context.environment));
  stuck_on_.resize(view_.mounts->size() + 1);
}

Targets::View Targets::view() {
  const std::lock_guard lock(mutex_);
  return view_;
}

Targets::View Targets::refreshed() {
  const std::lock_guard lock(mutex_);
  pollfd event{watch_.get(), POLLPRI, 0};
  if (watch_ && ::poll(&event, 1, 0) > 0 && (event.revents & (POLLPRI | POLLERR)) != 0) {
    view_.mounts = std::make_shared<MountTable>(read_mount_table(context_.environment));
    ++view_.generation;
    stuck_on_.assign(view_.mounts->size() + 1, 0);
  }
  return view_;
}

Targets::~Targets() {
  for (const auto& lane : idle_) {
    const std::lock_guard lock(lane->mutex);
    lane->closed = true;
    lane->changed.notify_all();
  }
}

std::shared_ptr<Targets::Lane> Targets::take_lane() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto lane = std::move(idle_.back());
      idle_.pop_back();
      return lane;
    }
  }
  auto lane = std::make_shared<Lane>(context_.calls);
  try {
    // A look at a hung mount never returns and cannot be interrupted, so its thread must be free to stay
    // behind.
    std::thread([lane] { lane->work(); }).detach();
  } catch (const std::system_error&) {
    return nullptr;
  }
  return lane;
}

void Targets::give_back(std::shared_ptr<Lane> lane) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(lane));
}

bool Targets::may_ask(int mount) {
  const std::lock_guard lock(mutex_);
  const auto index = static_cast<std::size_t>(mount + 1);
  return index >= stuck_on_.size() || stuck_on_[index] < most_time_outs;
}

void Targets::note_stuck(int mount) {
  const std::lock_guard lock(mutex_);
  const auto index = static_cast<std::size_t>(mount + 1);
  if (index < stuck_on_.size()) ++stuck_on_[index];
}

std::size_t Targets::run(Lane& lane, int directory, const std::string& real_directory,
                         std::vector<Look>& batch, const std::vector<std::size_t>& chosen,
                         std::size_t first) {
  auto work = std::make_shared<Batch>();
  if (directory >= 0) work->directory.reset(::fcntl(directory, F_DUPFD_CLOEXEC, 3));
  for (std::size_t i = first; i < chosen.size(); ++i) {
    const std::string& target = batch[chosen[i]].target;
    work->targets.push_back(work->directory           ? target
                            : target.starts_with('/') ? target
                                                      : join_path(real_directory, target));
  }
  work->answers.resize(work->targets.size(), Presence::unknown);
  std::unique_lock lock(lane.mutex);
  lane.batch = work;
  lane.changed.notify_all();
  std::size_t seen = 0;
  const auto ended = [&] { return !lane.batch; };
  while (!lane.changed.wait_for(lock, stop_, context_.environment.target_limit, ended)) {
    if (work->done == seen || stop_.stop_requested()) {
      lane.closed = true;
      slots().hangs();
      break;
    }
    seen = work->done;
  }
  for (std::size_t i = 0; i < work->done; ++i) batch[chosen[first + i]].answer = work->answers[i];
  return first + work->done;
}

Presence Targets::doubt(const MountTable& mounts, bool moved, const std::string& real_directory,
                        const std::string& target) const {
  if (!moved && !mounts.any_unmounted()) return Presence::missing;
  // While mounts change an answer from below one may be of the moment in which it was not there.
  const auto is_doubtful = [&](const std::string& place) {
    return mounts.is_unmounted(place) || (moved && mounts.is_configured(place));
  };
  // Follows the chain of links as far as it goes, to see whether it ends below a mount that is not there.
  std::string path = target.starts_with('/') ? target : join_path(real_directory, target);
  if (is_doubtful(lexical_path(path))) return Presence::unknown;
  for (int hops = 0; hops < 40; ++hops) {
    if (is_doubtful(lexical_path(real_path(path)))) return Presence::unknown;
    std::array<char, PATH_MAX> buffer{};
    const std::string resolved = real_path(path);
    const ssize_t size = context_.calls.read_link(AT_FDCWD, resolved.c_str(), buffer.data(), buffer.size());
    if (size <= 0) break;
    const std::string next(buffer.data(), static_cast<std::size_t>(size));
    path = next.starts_with('/') ? next : join_path(parent_path(resolved), next);
  }
  return Presence::missing;
}

void Targets::look(int directory, const std::string& real_directory, std::vector<Look>& batch) {
  const View before = view();
  std::vector<std::size_t> chosen;
  std::vector<int> mounts;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i].answer = Presence::unknown;
    const std::string& target = batch[i].target;
    const std::string place =
        lexical_path(target.starts_with('/') ? target : join_path(real_directory, target));
    if (before.mounts->is_unmounted(place)) continue;
    const int mount = before.mounts->of(place);
    if (!may_ask(mount)) continue;
    chosen.push_back(i);
    mounts.push_back(mount);
  }
  std::shared_ptr<Lane> lane;
  for (std::size_t at = 0; at < chosen.size();) {
    if (!may_ask(mounts[at])) {
      ++at;
      continue;
    }
    if (!slots().take(stop_)) break;
    if (!lane) lane = take_lane();
    if (!lane) {
      slots().give_back();
      return;
    }
    at = run(*lane, directory, real_directory, batch, chosen, at);
    if (at == chosen.size()) {
      slots().give_back();
      break;
    }
    lane.reset();
    if (stop_.stop_requested()) break;
    note_stuck(mounts[at]);
    ++at;
  }
  if (lane) give_back(std::move(lane));
  const auto is_missing = [&](std::size_t i) { return batch[i].answer == Presence::missing; };
  if (std::none_of(chosen.begin(), chosen.end(), is_missing)) return;
  const View now = refreshed();
  const bool moved = now.generation != before.generation;
  for (const std::size_t i : chosen) {
    if (is_missing(i)) batch[i].answer = doubt(*now.mounts, moved, real_directory, batch[i].target);
  }
}

Presence Targets::look(int directory, const std::string& real_directory, const std::string& target) {
  std::vector<Look> one{{target, Presence::unknown}};
  look(directory, real_directory, one);
  return one.front().answer;
}

}  // namespace dumb::symlinks
