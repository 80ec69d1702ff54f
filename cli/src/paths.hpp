#pragma once

#include <dumb/base/root.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "style.hpp"

namespace dumb::cli {

/// Where the stack lives: `--root`, else DUMB_ROOT, else "/" for the root user and $XDG_DATA_HOME/dumb (or
/// ~/.local/share/dumb) for others. A relative one is taken from the working directory.
Root stack_root(const std::optional<std::string>& option, const Environment& environment, bool is_root_user);

/// The configuration file as it is on disk: `option`, else DUMB_CONFIG, both taken from the working directory
/// and used as they are; else config/dumb_config.json beneath the root.
std::filesystem::path config_path(const std::optional<std::string>& option, const Environment& environment,
                                  const Root& root);

}  // namespace dumb::cli
