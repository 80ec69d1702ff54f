#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::supervisor {

/// In the environment of a helper: the id of the run directory of who started it. Whatever a helper starts
/// inherits it.
inline constexpr std::string_view helper_variable = "DUMB_HELPER";

/// Ends what helpers of an earlier run over the run directory with the id `root` still do: that run was
/// killed before it could end them, and whatever they do is about to be done anew. Blocks until nothing is
/// left of them, for at most `patience`. Returns a sentence for each.
std::vector<std::string> end_left_helpers(std::string_view root, std::chrono::milliseconds patience);

}  // namespace dumb::supervisor
