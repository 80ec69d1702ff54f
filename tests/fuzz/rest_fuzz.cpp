// What is written down of services at rest, and what Plex answers and keeps in its settings.
#include <cstdint>
#include <cstdlib>

#include "engine/plex_repair.hpp"
#include "engine/rest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dumb::engine;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto resting = parse_resting(text, "life")) {
    // What is believed is written again as it was understood.
    const std::string printed = print_resting(*resting, "life");
    const auto again = parse_resting(printed, "life");
    if (!again || *again != *resting) std::abort();
    if (const auto other = parse_resting(printed, "another"); !other || !other->empty()) std::abort();
  }
  plex_items(text);
  plex_schedules(text);
  plex_token(text);
  return 0;
}
