#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <dumb/symlinks/paths.hpp>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "symlinks/apply_posix.hpp"
#include "symlinks/files_posix.hpp"
#include "symlinks/path_index.hpp"
#include "symlinks/walk_posix.hpp"

namespace dumb::symlinks {
namespace {

using Kind = Done::Kind;

/// What a resumed run does with one change.
class Resumer {
 public:
  Resumer(Places& places, Applier& applier, int manifest, bool rehearse)
      : places_(places), applier_(applier), manifest_(manifest), rehearse_(rehearse) {}

  /// Notes where the moves are, so that a rewrite whose link was moved on is known to be done.
  Result<void> prepare() {
    FileSource source(places_.context().calls, manifest_);
    ManifestReader reader(source);
    Element element;
    auto array = ManifestReader::Array::changes;
    for (;;) {
      auto more = reader.next(element, array);
      if (!more) return more.error();
      if (!*more) return {};
      if (element.source_path.is_text()) moves_.set(element.source_path.bytes, element.offset);
    }
  }

  /// Nothing when the change was done already.
  std::optional<Done> apply(const Change& change, std::uint64_t entry) {
    const auto path = places_.state(change.path);
    const auto destination =
        change.destination.empty() ? Result<LinkState>(LinkState{}) : places_.state(change.destination);
    for (const auto* state : {&path, &destination}) {
      if (!*state) return Done{Kind::failed, state->error().code().value(), "read link"};
    }
    switch (resume_change(change, *path, *destination)) {
      case Pending::apply:
        return rehearse_ ? Done{} : applier_.apply(change, entry);
      case Pending::finish:
        return rehearse_ ? Done{} : applier_.finish(change, path->target, entry);
      case Pending::done:
        return std::nullopt;
      case Pending::changed:
        break;
    }
    if (change.kind == Change::Kind::link && moved_on(change)) return std::nullopt;
    return Done{Kind::changed};
  }

 private:
  bool moved_on(const Change& change) {
    const auto offset = moves_.find(change.path);
    if (!offset) return false;
    FileSource source(places_.context().calls, manifest_, *offset);
    Element element;
    if (!ManifestReader::read_element(source, element)) return false;
    const auto move = to_change(element);
    if (!move || move->path != change.path) return false;
    const auto destination = places_.state(move->destination);
    return destination && destination->is(move->new_target);
  }

  Places& places_;
  Applier& applier_;
  int manifest_;
  bool rehearse_;
  PathIndex moves_;
};

/// Changes that one thread carries out in one go.
struct Batch {
  struct Item {
    std::uint64_t entry = 0;
    Change change;
    Done done;
    bool attempted = false;
  };
  std::vector<Item> items;  ///< those behind `size` keep their storage
  std::size_t size = 0;
  std::vector<std::uint64_t> directories;  ///< hashes of the paths
  bool alone = false;                      ///< a single change that nothing may overtake

  bool meets(const Batch& other) const {
    return std::any_of(directories.begin(), directories.end(), [&](std::uint64_t hash) {
      return std::find(other.directories.begin(), other.directories.end(), hash) != other.directories.end();
    });
  }
};

/// Cuts the changes of a manifest into batches, in its order.
class Batches {
 public:
  enum class Sharing { no, yes };
  Batches(SystemCalls& calls, int manifest, Sharing sharing)
      : source_(calls, manifest), reader_(source_), sharing_(sharing) {}

  /// False when nothing is left.
  Result<bool> next(Batch& batch) {
    constexpr std::size_t most = 16;
    constexpr std::size_t most_of_one_directory = 256;
    batch.size = 0;
    batch.directories.clear();
    batch.alone = false;
    for (;;) {
      auto more = look_ahead();
      if (!more) return more.error();
      if (!*more) return batch.size > 0;
      const bool shared = may_be_shared();
      if (!shared && batch.size > 0) return true;
      const std::string_view directory = parent_path(ahead_.change.path);
      const bool same = batch.size > 0 && parent_path(batch.items[batch.size - 1].change.path) == directory;
      if (batch.size >= (same ? most_of_one_directory : most)) return true;
      if (!same) batch.directories.push_back(path_hash(directory));
      if (batch.size == batch.items.size()) batch.items.emplace_back();
      Batch::Item& item = batch.items[batch.size++];
      std::swap(item, ahead_);
      has_ahead_ = false;
      completes_ = item.change.more;
      batch.alone = !shared;
      if (!shared) return true;
    }
  }
  /// Whether more is known to follow.
  bool has_more() const noexcept { return has_ahead_; }

 private:
  Result<bool> look_ahead() {
    auto array = ManifestReader::Array::changes;
    while (!has_ahead_) {
      auto more = reader_.next(element_, array);
      if (!more) return more.error();
      if (!*more) return false;
      ahead_.entry = entry_++;
      has_ahead_ = to_change(element_, ahead_.change);
    }
    return true;
  }
  /// Targets that are replaced in different directories have nothing to do with each other. What is made,
  /// moved or removed may need what stands before it.
  bool may_be_shared() const noexcept {
    const Change& change = ahead_.change;
    return sharing_ == Sharing::yes && change.kind == Change::Kind::link && change.old_target &&
           change.new_target && !change.more && !completes_;
  }

  FileSource source_;
  ManifestReader reader_;
  Sharing sharing_;
  Element element_;
  Batch::Item ahead_;
  bool has_ahead_ = false;
  bool completes_ = false;  ///< the next change completes the one before it
  std::uint64_t entry_ = 0;
};

/// One run over a manifest by one or several threads.
class ApplyRun {
 public:
  ApplyRun(Places& places, const std::string& run_id, int manifest, ApplyMode mode,
           const std::stop_token& stop, const ApplyHooks& hooks)
      : places_(places),
        run_id_(run_id),
        mode_(mode),
        stop_(stop),
        hooks_(hooks),
        applier_(places, run_id, hooks.two_steps),
        resumer_(places, applier_, manifest, mode == ApplyMode::rehearse),
        batches_(places.context().calls, manifest,
                 mode == ApplyMode::fresh && !hooks.admitted ? Batches::Sharing::yes : Batches::Sharing::no) {
  }

  Result<Applied> run() {
    if (mode_ != ApplyMode::fresh) {
      if (auto ready = resumer_.prepare(); !ready) return ready.error();
    }
    work(applier_, Role::first);
    for (const auto& helper : helpers_) {
      helper->thread.join();
      applier_.take_over(helper->applier);
    }
    if (failure_) return *failure_;
    if (const int number = applier_.sync(); number != 0 && !applied_.aborted)
      applied_.aborted = errno_name(number);
    return std::move(applied_);
  }

 private:
  enum class Role { first, helper };
  struct Helper {
    Helper(const Places& like, const std::string& run_id)
        : places(like.another()), applier(*places, run_id) {}
    std::unique_ptr<Places> places;
    Applier applier;
    std::jthread thread{};
  };

  void work(Applier& applier, Role role) {
    Batch batch;
    for (;;) {
      std::unique_lock taking(taking_);
      if (!take(batch)) return;
      if (batch.alone) {
        wait_for_others(batch);
        carry_out_alone(batch.items.front());
        continue;
      }
      if (role == Role::first && helpers_.empty() && batches_.has_more()) start_helpers();
      wait_for_others(batch);
      taking.unlock();
      carry_out(applier, batch);
      {
        const std::lock_guard lock(mutex_);
        std::erase(under_way_, &batch);
      }
      ended_.notify_all();
    }
  }

  /// Under taking_, by the first thread.
  void start_helpers() {
    const unsigned wanted = walk_threads(places_.context().environment);
    while (helpers_.size() + 1 < wanted) {
      helpers_.push_back(std::make_unique<Helper>(places_, run_id_));
      Helper& helper = *helpers_.back();
      try {
        helper.thread = std::jthread([this, &helper] { work(helper.applier, Role::helper); });
      } catch (const std::system_error&) {  // with fewer threads it only takes longer
        helpers_.pop_back();
        break;
      }
    }
    alone_ = helpers_.empty();
  }

  /// The next batch; false when there is none or the manifest cannot be read. Under taking_.
  bool take(Batch& batch) {
    if (ended_reading_) return false;
    auto more = batches_.next(batch);
    if (!more && !failure_) failure_ = more.error();
    ended_reading_ = !more || !*more;
    return !ended_reading_;
  }

  /// Until no batch under way has a directory in common with this one, which then is under way itself. For
  /// one that goes alone, until none is.
  void wait_for_others(const Batch& batch) {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] {
      return std::none_of(under_way_.begin(), under_way_.end(),
                          [&](const Batch* other) { return batch.alone || batch.meets(*other); });
    });
    if (!batch.alone) under_way_.push_back(&batch);
  }

  void carry_out(Applier& applier, Batch& batch) {
    for (std::size_t i = 0; i < batch.size; ++i) {
      Batch::Item& item = batch.items[i];
      item.attempted = !stops();
      if (item.attempted) item.done = applier.apply(item.change, item.entry);
      if (alone_) report(item);
      if (item.attempted) note(item.done, applier, item.change);
    }
    if (alone_) return;
    const std::lock_guard lock(reporting_);
    for (std::size_t i = 0; i < batch.size; ++i) report(batch.items[i]);
  }

  void report(const Batch::Item& item) const {
    if (item.attempted) {
      hooks_.finished(item.change, item.done);
    } else {
      hooks_.not_attempted(item.change);
    }
  }

  /// Before every change: whether it is left out, like all that follow.
  bool stops() {
    if (stopping_.load(std::memory_order_relaxed)) return true;
    if (!stop_.stop_requested()) return false;
    const std::lock_guard lock(reporting_);
    applied_.cancelled = true;
    stopping_ = true;
    return true;
  }

  /// After every change; nothing when it turned out to be done already. Decides whether the run goes on.
  void note(const std::optional<Done>& done, Applier& applier, const Change& change) {
    const bool failed = done && done->kind == Kind::failed;
    if (!failed && !(done && failing_.load(std::memory_order_relaxed))) return;
    const dev_t file_system = applier.file_system_of(change);
    const std::lock_guard lock(reporting_);
    const bool enough = watch_.note(*done, file_system);
    failing_ = watch_.counts();
    if (!enough || applied_.aborted) return;
    applied_.aborted = errno_name(done->number);
    stopping_ = true;
  }

  /// Under taking_, with no other batch under way.
  void carry_out_alone(Batch::Item& item) {
    const Change& change = item.change;
    if (std::exchange(refused_, false)) {  // the second half of what did not succeed
      refused_ = change.more;
      return;
    }
    // Between two changes that are one entry nothing stops.
    if (!std::exchange(within_, false) && stops()) {
      refused_ = change.more;
      const std::lock_guard lock(reporting_);
      hooks_.not_attempted(change);
      return;
    }
    std::optional<Done> done;
    if (hooks_.admitted && !hooks_.admitted(change)) {
      done = Done{Kind::failed, EPERM, "change what the manifest's roots do not hold"};
    } else if (mode_ == ApplyMode::fresh) {
      done = applier_.apply(change, item.entry);
    } else {
      done = resumer_.apply(change, item.entry);
    }
    if (done && done->kind != Kind::done) refused_ = change.more;
    within_ = change.more && !refused_;
    if (within_) return;
    {
      const std::lock_guard lock(reporting_);
      if (done) {
        hooks_.finished(change, *done);
      } else {
        hooks_.already_done(change);
      }
    }
    note(done, applier_, change);
  }

  Places& places_;
  const std::string& run_id_;
  ApplyMode mode_;
  const std::stop_token& stop_;
  const ApplyHooks& hooks_;
  Applier applier_;
  Resumer resumer_;

  std::mutex taking_;  ///< guards what follows, and changes that go alone
  Batches batches_;
  bool ended_reading_ = false;
  bool refused_ = false;  ///< the first half of this unit did not succeed
  bool within_ = false;   ///< it did
  std::optional<Error> failure_;

  std::mutex mutex_;  ///< guards under_way_, and the end of helpers
  std::condition_variable ended_;
  std::vector<const Batch*> under_way_;

  std::mutex reporting_;  ///< guards the hooks, watch_ and applied_
  FailureWatch watch_;
  Applied applied_;
  std::atomic<bool> failing_{false};   ///< changes have failed lately
  std::atomic<bool> stopping_{false};  ///< nothing more is changed
  bool alone_ = true;                  ///< there are no helpers

  std::vector<std::unique_ptr<Helper>> helpers_;  ///< last: they use all of the above
};

}  // namespace

Result<Applied> apply_manifest(Places& places, const std::string& run_id, int manifest, ApplyMode mode,
                               const std::stop_token& stop, const ApplyHooks& hooks) {
  return ApplyRun(places, run_id, manifest, mode, stop, hooks).run();
}

}  // namespace dumb::symlinks
