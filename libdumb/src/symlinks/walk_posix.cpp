#include "symlinks/walk_posix.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <dumb/symlinks/paths.hpp>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace dumb::symlinks {
namespace {

/// What getdents64 writes.
struct Entry64 {
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t length;
  std::uint8_t type;
  char name[1];
};
constexpr std::size_t name_at = 19;

/// Directories of one parent that wait for their turn, packed.
struct Siblings {
  const Tree* tree = nullptr;
  std::string parent;
  std::string names;  ///< each ends with a NUL
  std::size_t at = 0;
  std::size_t depth = 0;
};

struct Next {
  const Tree* tree = nullptr;
  std::string path;
  std::size_t depth = 0;
};

/// The stack of what is still to walk, shared by the threads.
class Pending {
 public:
  void push(Siblings siblings) {
    const std::lock_guard lock(mutex_);
    stack_.push_back(std::move(siblings));
    ready_.notify_all();
  }
  /// Waits while others may still push; false when all is done. `holding`: the caller had got one before.
  bool pop(Next& next, bool holding) {
    std::unique_lock lock(mutex_);
    if (holding) --working_;
    ready_.wait(lock, [&] { return stopped_ || !stack_.empty() || working_ == 0; });
    if (stopped_ || stack_.empty()) {
      stopped_ = true;
      ready_.notify_all();
      return false;
    }
    ++working_;
    Siblings& top = stack_.back();
    const char* name = top.names.data() + top.at;
    next.tree = top.tree;
    next.path = join_path(top.parent, name);
    next.depth = top.depth;
    top.at += std::strlen(name) + 1;
    if (top.at == top.names.size()) stack_.pop_back();
    return true;
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    ready_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Siblings> stack_;
  std::size_t working_ = 0;
  bool stopped_ = false;
};

class Walk {
 public:
  Walk(const Context& context, const WalkOptions& options, const std::vector<Tree>& trees)
      : context_(context), options_(options) {
    for (const Tree& tree : trees) borders_ |= context.mounts.any_below(tree.real);
    watch_repeats_ = borders_ || trees.size() > 1;
  }

  void add(const Tree& tree) {
    if (!tree.fd) return;
    Siblings root;
    root.tree = &tree;
    root.names.assign(1, '\0');
    pending_.push(std::move(root));
  }

  void run(LinkSink& sink, const std::stop_token& stop) {
    std::vector<char> buffer(65536);
    Next next;
    for (bool holding = false; pending_.pop(next, holding); holding = true) {
      if (stop.stop_requested()) {
        stopped_ = true;
        pending_.stop();
        break;
      }
      directory(next, sink, buffer, stop);
    }
    sink.end();
  }

  WalkOutcome outcome() {
    std::sort(skipped_.begin(), skipped_.end());
    return {std::move(skipped_), deepest_, stopped_};
  }

 private:
  static std::string spelled(const Tree& tree, std::string_view path) {
    return join_path(tree.spelled, path);
  }

  /// Whether the directory is to be walked; notes mounts that are not entered.
  bool admits(const Next& next) {
    if (options_.not_entered.empty() && !borders_) return true;
    const std::string real = join_path(next.tree->real, next.path);
    if (std::find(options_.not_entered.begin(), options_.not_entered.end(), real) !=
        options_.not_entered.end()) {
      return false;
    }
    if (!borders_ || next.path.empty() || !context_.mounts.is_border(real)) return true;
    const std::lock_guard lock(mutex_);
    skipped_.push_back(spelled(*next.tree, next.path));
    return false;
  }

  /// False for a directory that was walked under another name.
  bool first_visit(int fd) {
    if (!watch_repeats_) return true;
    struct stat info {};
    if (context_.calls.stat(fd, "", &info, AT_EMPTY_PATH) < 0) return true;
    const std::lock_guard lock(mutex_);
    return visited_.emplace(info.st_dev, info.st_ino).second;
  }

  void directory(const Next& next, LinkSink& sink, std::vector<char>& buffer, const std::stop_token& stop) {
    if (!admits(next)) return;
    const int opened = open_below(context_.calls, next.tree->fd.get(), next.path, O_RDONLY);
    if (opened < 0) {
      if (opened != -ENOENT) sink.failed(spelled(*next.tree, next.path), -opened, "open directory");
      return;
    }
    const UniqueFd fd(opened);
    if (!first_visit(fd.get())) return;
    const WalkedDirectory here{*next.tree, next.path, fd.get(), next.depth};
    Siblings below{next.tree, next.path, {}, 0, next.depth + 1};
    for (;;) {
      const ssize_t size = context_.calls.list(fd.get(), buffer.data(), buffer.size());
      if (size < 0) sink.failed(spelled(*next.tree, next.path), static_cast<int>(-size), "read directory");
      if (size <= 0) break;
      names(here, std::string_view(buffer.data(), static_cast<std::size_t>(size)), below, sink);
      if (stop.stop_requested()) break;
    }
    sink.leave(here);
    if (!below.names.empty()) pending_.push(std::move(below));
    if (next.depth > deepest_seen_.load(std::memory_order_relaxed)) {
      const std::lock_guard lock(mutex_);
      deepest_ = std::max(deepest_, next.depth);
      deepest_seen_ = deepest_;
    }
  }

  void names(const WalkedDirectory& here, std::string_view listing, Siblings& below, LinkSink& sink) {
    const bool links_wanted = !options_.only_depth || *options_.only_depth == here.depth;
    const bool deeper_wanted = !options_.only_depth || *options_.only_depth > here.depth;
    while (!listing.empty()) {
      std::uint16_t length = 0;
      std::memcpy(&length, listing.data() + offsetof(Entry64, length), sizeof length);
      auto type = static_cast<std::uint8_t>(listing[offsetof(Entry64, type)]);
      const char* name = listing.data() + name_at;
      listing.remove_prefix(length);
      if (type != DT_LNK && type != DT_DIR && type != DT_UNKNOWN) continue;
      if (name[0] == '.' &&
          (name[1] == '\0' || (name[1] == '.' && name[2] == '\0') || is_temporary_name(name))) {
        continue;
      }
      if (type == DT_UNKNOWN) {
        struct stat info {};
        const int seen = context_.calls.stat(here.fd, name, &info, AT_SYMLINK_NOFOLLOW);
        if (seen < 0) {
          if (seen != -ENOENT) sink.failed(join_path(spelled(here.tree, here.path), name), -seen, "inspect");
          continue;
        }
        type = S_ISLNK(info.st_mode) ? DT_LNK : S_ISDIR(info.st_mode) ? DT_DIR : DT_REG;
      }
      if (type == DT_DIR && deeper_wanted) below.names.append(name, std::strlen(name) + 1);
      if (type == DT_LNK && links_wanted) link(here, name, sink);
    }
  }

  void link(const WalkedDirectory& here, const char* name, LinkSink& sink) {
    char target[4096];
    const ssize_t size = context_.calls.read_link(here.fd, name, target, sizeof target);
    if (size >= 0) {
      sink.link(here, name, std::string_view(target, static_cast<std::size_t>(size)));
    } else if (size != -ENOENT && size != -EINVAL) {
      sink.failed(join_path(spelled(here.tree, here.path), name), static_cast<int>(-size), "read link");
    }
  }

  const Context& context_;
  const WalkOptions& options_;
  Pending pending_;
  bool borders_ = false;
  bool watch_repeats_ = false;
  std::atomic<bool> stopped_{false};
  std::atomic<std::size_t> deepest_seen_{0};
  std::mutex mutex_;
  std::set<std::pair<dev_t, ino_t>> visited_;
  std::vector<std::string> skipped_;
  std::size_t deepest_ = 0;
};

}  // namespace

unsigned walk_threads(const Environment& environment) {
  if (environment.threads != 0) return environment.threads;
  return std::clamp(std::thread::hardware_concurrency(), 1U, 4U);
}

WalkOutcome walk(const Context& context, const std::vector<Tree>& trees, const WalkOptions& options,
                 const std::function<std::unique_ptr<LinkSink>()>& make_sink, const std::stop_token& stop) {
  Walk shared(context, options, trees);
  for (auto tree = trees.rbegin(); tree != trees.rend(); ++tree) shared.add(*tree);
  std::vector<std::unique_ptr<LinkSink>> sinks;
  for (unsigned i = 0; i < std::max(options.threads, 1U); ++i) sinks.push_back(make_sink());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < sinks.size(); ++i) {
      threads.emplace_back([&, i] { shared.run(*sinks[i], stop); });
    }
    shared.run(*sinks[0], stop);
  }
  return shared.outcome();
}

}  // namespace dumb::symlinks
