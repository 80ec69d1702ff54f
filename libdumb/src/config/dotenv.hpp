#pragma once

#include <dumb/config/manager.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::config {

struct DotEnv {
  Environment variables;
  std::vector<std::string> warnings;  ///< "line 3: …"; never hold a value
};

/// Reads the text of an env file (CFG-42). `${NAME}` and `${NAME:-default}` are taken from `environment`,
/// else from earlier lines; bad lines are skipped with a warning. Pure.
DotEnv parse_dotenv(std::string_view text, const Environment& environment);

}  // namespace dumb::config
