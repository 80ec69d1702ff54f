// Lines of /proc are parsed whatever they hold.
#include <cstdint>
#include <dumb/supervisor/mounts.hpp>

#include "supervisor/proc_posix.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto mounts = dumb::supervisor::parse_mountinfo(text);
  for (const auto& mount : mounts) dumb::supervisor::is_mounted(mounts, mount.point);
  dumb::supervisor::parse_stat(text);
  return 0;
}
