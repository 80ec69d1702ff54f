#pragma once

#include <dumb/base/result.hpp>
#include <dumb/supervisor/machine.hpp>
#include <string>
#include <string_view>
#include <vector>

/// The file of what outlives a run of this program beside processes: counters, windows and back-offs of
/// restarts, of services that run and of those that wait to be started again (LIF-125). Pure.
namespace dumb::supervisor {

/// False for a service that was started once and has nothing to tell.
bool worth_remembering(const ServiceMemory& memory);

/// `life`: of the processes here; what another one left does not count.
std::string print_memories(const std::vector<ServiceMemory>& memories, std::string_view life);
/// Nothing for a file of another life. Fails with Errc::bad_json or invalid_argument for a torn one.
Result<std::vector<ServiceMemory>> parse_memories(std::string_view text, std::string_view life);

}  // namespace dumb::supervisor
