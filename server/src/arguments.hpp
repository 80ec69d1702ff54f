#pragma once

#include <cstdint>
#include <dumb/base/result.hpp>
#include <dumb/config/manager.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// The command line of dumb-server.
namespace dumb::server {

struct Arguments {
  std::filesystem::path root;                   ///< absolute
  std::optional<std::filesystem::path> config;  ///< absolute; nullopt: the default beneath the root
  std::optional<std::string> host;
  std::optional<std::uint16_t> port;  ///< 0: a free one
  bool replace = false;               ///< take over from a server that runs
  std::optional<int> listening;    ///< a socket that listens already, from the program in whose place this is
  std::vector<std::string> words;  ///< the command line without what is for this start only
};

/// Either arguments to run with or a text to print and a status to exit with.
struct ParsedArguments {
  std::optional<Arguments> run;
  int exit_status = 0;
  std::string output;  ///< to standard output when the status is 0, else to standard error
};

/// Reads a command line; DUMB_ROOT and DUMB_CONFIG of `environment` stand in for --root and --config. The
/// default root is "/" for the root user, else $XDG_DATA_HOME/dumb or ~/.local/share/dumb.
ParsedArguments parse_arguments(const std::vector<std::string>& arguments,
                                const config::Environment& environment, bool root_user,
                                const std::filesystem::path& working_directory, const std::string& version);

}  // namespace dumb::server
