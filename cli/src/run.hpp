#pragma once

#include <string>
#include <vector>

#include "context.hpp"
#include "exit_code.hpp"

namespace dumb::cli {

/// The whole program: parses the words after the program's name, does the command, reports what went wrong.
ExitCode run(const std::vector<std::string>& words, const Surroundings& system);

}  // namespace dumb::cli
