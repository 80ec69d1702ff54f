// What the kernel tells of processes and their control groups: their names are the services' own choice.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "supervisor/cgroup.hpp"
#include "supervisor/proc_posix.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dumb::supervisor;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto stat = parse_stat(text)) {
    // The name cannot pass for the fields behind it.
    const std::string hostile = std::to_string(stat->pid) + " (x) R 1 1 1 (" + std::string(text) +
                                ") S 7 8 9" + " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 42 0";
    const auto again = parse_stat(hostile);
    if (text.find(')') == std::string_view::npos && (!again || again->parent != 7)) std::abort();
  }
  for (const pid_t pid : parse_procs(text)) {
    if (pid <= 0) std::abort();
  }
  parse_populated(text);
  parse_cpu_usage(text);
  if (const auto group = parse_own_group(text)) {
    if (!group->starts_with('/')) std::abort();
    const std::string unit = group_tree_name("/run/dumb") + "/plex-1-1";
    const auto found = unit_group(*group, unit, "/");
    if (found && !group->starts_with(*found)) std::abort();
    // Who is in the group never gets it.
    if (unit_group(*group, unit, *group)) std::abort();
  }
  return 0;
}
