#pragma once

#include <cstddef>
#include <dumb/base/clock.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The order of starting or stopping many services: each begins at the instant its own last need is met.
/// Decides; performs nothing. One thread.
namespace dumb::engine {

/// What a service waits for before its turn.
struct Need {
  enum class Condition {
    settled,    ///< its operation is over, post-start and declared readiness included (LIF-36)
    healthy,    ///< it is found healthy
    completed,  ///< it has ended with exit code 0
  };
  std::string name;
  Condition condition = Condition::settled;
  /// A failure of it holds the dependent back until the need is met after all; otherwise the dependent goes
  /// on.
  bool binding = false;
  /// Its failure is no news: another need on the same service decides.
  bool silent = false;
};

/// How a service is, seen from outside of a rollout.
struct ServiceView {
  bool running = false;
  bool settled = false;    ///< it runs, and what follows a start is over
  bool coming = false;     ///< a start is under way or not settled, or will follow a stop under way
  bool completed = false;  ///< its last run ended by itself with code 0, and that is what it is for
  std::string reason;      ///< why it does not run
};

struct RolloutItem {
  std::string name;
  std::vector<Need> needs;
  std::vector<std::string> warnings{};  ///< what it is started without in any case
};

class Rollout {
 public:
  enum class Step { pending, under_way, done, failed, called_off };

  struct Entry {
    std::string name;
    Step step = Step::pending;
    std::string reason;                    ///< why it failed, is held or was called off
    std::vector<Need> needs;               ///< without those that could never be met in order (a cycle)
    std::vector<std::size_t> open;         ///< indices into `needs`: not met yet; empty once it has begun
    bool held = false;                     ///< a binding need has failed
    std::vector<std::string> warnings;     ///< needs that failed and were not waited for any longer
    std::optional<std::string> last_need;  ///< whose end let it begin
    std::optional<SteadyTime> begun;
    std::optional<SteadyTime> running;  ///< since when its process runs
    std::optional<SteadyTime> ended;    ///< the end of its operation
  };

  /// Needs on names outside `items` count as well: feed what is known of them before begin(). Needs are
  /// expected to be free of cycles (the dependency model contracts them); what is in or behind one does not
  /// wait for others of it, so that nothing is ever stuck.
  Rollout(std::vector<RolloutItem> items, SteadyTime now);

  using Names = std::vector<std::string>;
  /// Each of these returns the names whose turn has come, in order of their names.
  Names begin(SteadyTime now);
  /// The service is like this now. Told on every change of it, in whatever way it came about.
  Names observe(std::string_view name, const ServiceView& view, SteadyTime now);
  Names on_met(std::string_view name, Need::Condition condition, SteadyTime now);
  Names on_failed(std::string_view name, Need::Condition condition, const std::string& reason,
                  SteadyTime now);
  /// The operation of `name` is over; `error`: how it failed.
  Names on_ended(std::string_view name, const std::optional<std::string>& error, SteadyTime now);
  /// `name` shall not begin any more. Nothing happens to one that has begun.
  Names call_off(std::string_view name, const std::string& reason, SteadyTime now);
  /// The same for many: none of them is let go by the end of another.
  Names call_off(const std::set<std::string>& names, const std::string& reason, SteadyTime now);
  Names call_off_all(const std::string& reason, SteadyTime now);
  /// Other needs for those that have not begun; what is known counts for them as well. Items that are not
  /// entries are passed over.
  Names renew(std::vector<RolloutItem> items, SteadyTime now);

  /// Nothing is under way, and whoever has not begun is held back.
  bool over() const;
  /// Who has not begun and cannot by what is known: held back, or behind one that is.
  std::set<std::string> stuck() const;
  /// over(), and nothing is held back either.
  bool finished() const noexcept;
  bool waits_for(std::string_view name, Need::Condition condition) const;
  const Entry* find(std::string_view name) const;
  const std::vector<Entry>& entries() const noexcept { return entries_; }
  SteadyTime started() const noexcept { return started_; }

  /// The longest chain of what was measured: its members in order and the sum of their own times.
  struct CriticalPath {
    std::vector<std::string> chain;
    Duration length{0};
  };
  CriticalPath critical_path() const;

 private:
  using Key = std::pair<std::string, Need::Condition>;
  struct Known {
    bool met = false;
    std::string reason;
  };
  void put_in_order();
  void open_needs();
  void learn(const Key& key, const Known& known, SteadyTime now, Names& out);
  void apply(std::size_t entry, std::size_t need, const Known& known, SteadyTime now, Names& out);
  void release(Entry& entry, SteadyTime now, Names& out);
  void call_off(Entry& entry, const std::string& reason, SteadyTime now, Names& out);

  std::vector<Entry> entries_;  // in order of their names
  std::map<std::string, std::size_t, std::less<>> index_;
  std::vector<std::size_t> order_;  // needs first
  std::map<Key, std::vector<std::pair<std::size_t, std::size_t>>> waiting_;
  std::map<Key, Known> known_;
  SteadyTime started_;
  bool begun_ = false;
};

}  // namespace dumb::engine
