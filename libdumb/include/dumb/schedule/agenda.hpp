#pragma once

#include <boost/json/fwd.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <dumb/schedule/grid.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What recurs, by name, and what is due. Pure: the time comes in, somebody else sleeps and runs.
namespace dumb::schedule {

/// Stands for the next point of what is not on the agenda.
inline constexpr Instant off_agenda = 0;

/// What survives a restart.
struct Entry {
  Grid grid;
  Instant next = 0;                 ///< a point of the grid, or when a missed one is made up for
  std::optional<Instant> last_run;  ///< begin of the latest run
  bool operator==(const Entry&) const = default;
};

json::object to_json(const Entry& entry);
Result<Entry> entry_from_json(const json::value& value);

class Agenda {
 public:
  /// Runs that were missed while the program was down are made up for `catch_up` after the start.
  explicit Agenda(const Zone& zone, std::int64_t catch_up_seconds = 300)
      : zone_(&zone), catch_up_(catch_up_seconds) {}

  /// Puts `name` on the agenda or changes it. The grid is kept unless the timing is another one. `stored` is
  /// what an earlier run of the program knew of it.
  const Entry& set(const std::string& name, const Timing& timing, Instant now,
                   const std::optional<Entry>& stored = {});
  void remove(const std::string& name);
  const Entry* find(const std::string& name) const noexcept;
  /// To be kept for a later run of the program; also of what was removed. A run that is on its way has not
  /// been made yet.
  std::optional<Entry> stored(const std::string& name) const;

  /// What is due now. Each of these is on its way until finished(); its next point is after `now`. What falls
  /// due while it is on its way is skipped.
  std::vector<std::string> due(Instant now);
  /// True when `name` is still on the agenda.
  bool finished(const std::string& name);
  /// The run on its way was not made: a later run of the program makes up for it.
  void given_up(const std::string& name);
  bool is_running(const std::string& name) const noexcept;
  /// The earliest next point.
  std::optional<Instant> earliest() const noexcept;
  /// The clock was set back: next points that are further away than one interval come closer.
  void clock_set_back(Instant now);

 private:
  struct Item {
    Entry entry;
    bool on_agenda = true;
    bool running = false;
    Entry before;  ///< the run on its way
  };
  const Zone* zone_;
  std::int64_t catch_up_;
  std::map<std::string, Item> items_;
};

}  // namespace dumb::schedule
