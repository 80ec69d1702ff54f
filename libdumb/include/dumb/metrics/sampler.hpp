#pragma once

#include <sys/types.h>
#include <cstdint>
#include <dumb/base/clock.hpp>
#include <dumb/metrics/snapshot.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::metrics {

/// Which figures `system` shows (UI-113).
enum class Scope { automatic, host, cgroup };

/// A process to be looked at as a managed one.
struct Managed {
  std::string name;
  pid_t pid = 0;
  struct Path {
    std::string shown;
    std::filesystem::path real;
  };
  std::vector<Path> paths;  ///< whose file systems are shown, in this order
  std::vector<std::int64_t> ports;
};

/// What is known of the file system below a path.
struct PathAnswer {
  bool exists = true;
  std::optional<Share> usage;  ///< null: it does not answer
  std::string file_system;     ///< equal for two paths on the same one
};
/// Reads what `stat -f -c path_format PATH` of the GNU coreutils prints; nullopt for anything else. Pure.
std::optional<PathAnswer> parse_path_answer(std::string_view text);
inline constexpr std::string_view path_format = "%i %S %b %f %a";

struct Look {
  std::vector<Managed> managed;
  Scope scope = Scope::automatic;
  /// What is known of paths that could not be asked, by real path.
  std::map<std::string, PathAnswer> known;
};

struct Sample {
  Snapshot snapshot;
  std::vector<std::string> unasked;  ///< real paths that may be on a file system that hangs: ask elsewhere
};

/// Looks at /proc and /sys/fs/cgroup. Rates are those since the call before. Blocking, for some milliseconds;
/// one thread at a time.
class Sampler {
 public:
  Sampler();
  ~Sampler();
  Sample take(const Look& look);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dumb::metrics
