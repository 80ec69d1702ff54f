#pragma once

#include <sys/types.h>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstddef>
#include <dumb/base/clock.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

/// Which hanging ffprobe processes to help, and when (LIF-131). All pure.
///
/// An ffprobe of an arr that reads from a stalled mount sleeps uninterruptibly and holds up the whole import.
/// A second reader of the same file makes the mount fetch again, and the first one goes on.
namespace dumb::engine {

/// CFG-14, `dumb.ffprobe_monitor`.
struct FfprobeSettings {
  bool enabled = true;
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds min_age{30'000};
  std::chrono::milliseconds min_poke_interval{60'000};
  std::chrono::milliseconds poke_timeout{30'000};
  std::chrono::milliseconds memory{3'600'000};
  std::size_t max_pokes = 3;
  std::string program = "ffprobe";
};
/// From the effective document; a member that is missing or of a wrong type keeps its default, the interval
/// is at least a second.
FfprobeSettings ffprobe_settings(const boost::json::object& document);

/// One row of the process table. Name and arguments are needed only of processes in the state that counts.
struct SeenProcess {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  std::chrono::milliseconds age{0};
  std::string name;
  std::vector<std::string> argv;
};

/// A running service whose descendants are looked at.
struct FfprobeTarget {
  std::string process_name;
  pid_t pid = 0;
};

/// What an ffprobe reads: the argument after `-i`, else the last argument that is no option; nullopt when
/// there is none, or when it begins with '-' and would be an option of the next ffprobe.
std::optional<std::string> ffprobe_input(const std::vector<std::string>& argv);
/// The command that reads `input` once.
std::vector<std::string> poke_command(const FfprobeSettings& settings, const std::string& input);

class FfprobeMonitor {
 public:
  /// `state` is what makes a process count: 'D', uninterruptible sleep.
  explicit FfprobeMonitor(char state = 'D') : state_(state) {}

  struct Poke {
    std::string path;
    std::string process_name;  ///< the service whose ffprobe hangs
    bool operator==(const Poke&) const = default;
  };
  /// What is to be read now, oldest process first; each returned path is under way until finished(). A path
  /// under way is not read twice, and all that are count toward the limit: they may hang as well.
  std::vector<Poke> cycle(const FfprobeSettings& settings, const std::vector<FfprobeTarget>& targets,
                          const std::vector<SeenProcess>& processes, SteadyTime now);
  void finished(const std::string& path) { under_way_.erase(path); }

  /// The line to log when the monitor began or ceased to watch, or watches other services; nullopt when
  /// nothing changed since the last call.
  std::optional<std::string> change(const FfprobeSettings& settings,
                                    const std::vector<FfprobeTarget>& targets);

 private:
  char state_;
  std::map<std::string, SteadyTime> poked_;
  std::set<std::string> under_way_;
  std::string told_;
};

}  // namespace dumb::engine
