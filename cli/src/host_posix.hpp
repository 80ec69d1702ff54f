#pragma once

#include "context.hpp"

namespace dumb::cli {

/// The machine: terminal, environment, clock, network and threads. Ignores SIGPIPE in this process, so that a
/// closed pipe shows as a failed write, and gives a terminal its colours back before SIGINT or SIGTERM ends
/// it.
Surroundings real_surroundings();

}  // namespace dumb::cli
