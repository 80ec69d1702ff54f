#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <dumb/base/clock.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <dumb/config/manager.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// When Plex's database is repaired, and by which command (SVC-195, LIF-133). All pure.
namespace dumb::engine {

struct RepairSettings {
  bool enabled = false;
  std::chrono::milliseconds interval{0};
  std::chrono::milliseconds idle_check{0};
  double multiplier = 2.0;
  std::chrono::milliseconds max_backoff{0};
  std::chrono::milliseconds max_wait{0};  ///< 0: postponed for as long as Plex is in use
};
/// `plex.dbrepair` of the effective document. `minute` is how long a minute lasts; every pause is at least
/// one.
RepairSettings repair_settings(const boost::json::object& document, std::chrono::milliseconds minute);

/// What Plex does now, as far as can be told.
enum class PlexUse { idle, busy, unknown };

/// off -> waiting for `due` -> (busy: postponed, waiting again with growing pauses) -> run, skipped or given
/// up
/// -> waiting for one interval from then.
class RepairSchedule {
 public:
  enum class Verdict { run, postponed, gave_up, skipped };

  /// Takes the settings of now. Being enabled begins an interval; a changed interval counts from the same
  /// moment.
  void set(const RepairSettings& settings, SteadyTime now);
  /// Whether Plex's use is to be asked for.
  bool due(SteadyTime now) const { return due_ && now >= *due_; }
  /// What follows from Plex's use when it was due.
  Verdict decide(PlexUse use, SteadyTime now);
  /// A repair ended, whoever asked for it.
  void ran(SteadyTime now);
  /// nullopt: off.
  std::optional<SteadyTime> next() const { return due_; }

 private:
  void begin(SteadyTime now);

  RepairSettings settings_;
  SteadyTime base_{};  ///< when the interval began
  std::optional<SteadyTime> due_;
  std::optional<SteadyTime> busy_since_;
  std::chrono::milliseconds pause_{0};
};

/// Number of items of a MediaContainer answered as JSON; nullopt when it cannot be told.
std::optional<std::int64_t> plex_items(std::string_view body);
/// Targets of the recording schedules named by an answer of /livetv/dvrs; nullopt when it cannot be told.
std::optional<std::vector<std::string>> plex_schedules(std::string_view body);
/// Attribute PlexOnlineToken of a Preferences.xml; empty when there is none.
std::string plex_token(std::string_view preferences);

struct RepairLaunch {
  std::vector<std::string> argv;
  std::vector<std::string> env;  ///< "NAME=value"
  std::filesystem::path directory;
  std::filesystem::path log_file;  ///< empty: none
};
/// The command of a repair, its paths beneath `root` (what belongs to the system in /usr stays). `inherited`
/// is what every child gets. Fails with invalid_config.
Result<RepairLaunch> repair_launch(const config::Snapshot& config, const Root& root,
                                   const config::Environment& inherited);

}  // namespace dumb::engine
