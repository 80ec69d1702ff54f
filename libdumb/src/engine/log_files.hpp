#pragma once

#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <dumb/config/snapshot.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::engine {

/// Where the log of a name may be (LIF-111). Mapped paths.
struct LogSource {
  std::filesystem::path file;  ///< this file, if not empty
  struct Pattern {
    std::filesystem::path directory;
    std::string prefix;  ///< of the file name; the suffix is ".log"
  };
  std::vector<Pattern> patterns;  ///< else the newest match of the first that has one
  /// The file's real path must lie below one of these.
  std::vector<std::filesystem::path> allowed;
  bool main_log = false;
  bool own_file = false;  ///< written by DUMB itself, allowed wherever it is
};

/// Fails with Errc::not_found for a name that is neither a process nor special. Pure.
Result<LogSource> find_log(std::string_view name, const config::Snapshot& config, const Root& root);

/// The regular file to read, or nullopt when there is none or it lies elsewhere. Blocking.
std::optional<std::filesystem::path> choose_log_file(const LogSource& source);

}  // namespace dumb::engine
