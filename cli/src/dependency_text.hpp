#pragma once

#include <dumb/graph/types.hpp>
#include <string>
#include <string_view>
#include <vector>

/// What depends on what, in words. All pure.
namespace dumb::cli {

/// "mount", "URL", "needs it" ...: why one service depends on another.
std::string_view signal_words(graph::Signal signal) noexcept;
/// Each word once: "mount, provider".
std::string signals_text(const std::vector<graph::Signal>& signals);
/// ", must be healthy", or nothing: what is waited for beyond the start.
std::string_view condition_words(const std::optional<graph::Condition>& condition);

/// "A and B wait for each other (A -> B -> A): ...".
std::string cycle_sentence(const graph::Cycle& cycle);
/// "Zilean needs postgres, which is not enabled".
std::string missing_sentence(const graph::Missing& missing);

}  // namespace dumb::cli
