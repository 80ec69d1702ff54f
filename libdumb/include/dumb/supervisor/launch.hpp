#pragma once

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::supervisor {

/// Whom a child runs as.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< the whole supplementary list
};

/// Everything a child needs; prepared before it is spawned.
struct LaunchSpec {
  std::vector<std::string> argv;  ///< argv[0] is looked up on the PATH of `env` when it holds no '/'
  std::vector<std::string> env;   ///< "NAME=value"
  std::filesystem::path directory;
  std::optional<Identity> identity;  ///< nullopt: as this process
  int standard_output = -1;          ///< descriptor for the child; -1: /dev/null
  int standard_error = -1;
  int standard_input = -1;
  int control_group =
      -1;  ///< descriptor of the directory of the group it is born into (cgroups(7)); -1: none
};

/// How a child ended.
struct ExitStatus {
  enum class Kind { code, signal, unknown };
  Kind kind = Kind::unknown;
  int value = 0;
  bool success() const noexcept { return kind == Kind::code && value == 0; }
  /// "exit code 7", "signal 9 (KILL)" or "exit status unknown".
  std::string to_string() const;
  bool operator==(const ExitStatus&) const = default;
};

/// A running child of this process.
struct Child {
  pid_t pid = -1;
  UniqueFd pidfd;
  std::uint64_t start_ticks = 0;  ///< kernel start time, clock ticks since boot
  bool in_control_group =
      false;  ///< it was in the group of its LaunchSpec before it ran its first instruction
};

/// Spawns with vfork semantics: session and process group of its own, descriptors 3 and up closed, signal
/// mask and dispositions reset, umask 022, working directory and identity set. A failure before exec is
/// reported with its step and errno text (Errc::spawn_failed). Blocking only until exec.
Result<Child> spawn(const LaunchSpec& spec);

/// Reaps the child when it has ended; nullopt while it runs.
std::optional<ExitStatus> try_wait(const Child& child) noexcept;

/// Sends `signal` through the pidfd; never reaches a recycled pid. False when the process is gone.
bool send_signal(const Child& child, int signal) noexcept;

/// Where the program of `spec` is looked for, in order. Touches no file.
std::vector<std::filesystem::path> program_candidates(const LaunchSpec& spec);

/// Absolute path of a program found on `path_variable` (colon list), or nullopt.
std::optional<std::filesystem::path> find_program(std::string_view name, std::string_view path_variable);

}  // namespace dumb::supervisor
