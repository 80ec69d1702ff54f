// Whatever the two parts of an event file hold, what is read of them is in order and continued behind it.
#include <cstdint>
#include <cstdlib>

#include "engine/event_log.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t middle = text.find('\x1f');
  const bool two = middle != std::string_view::npos;
  auto stored =
      dumb::engine::read_events(two ? text.substr(0, middle) : "", two ? text.substr(middle + 1) : text, 8);
  std::int64_t last = 0;
  for (const auto& event : stored.events) {
    if (event.seq <= last) std::abort();
    last = event.seq;
  }
  if (stored.events.size() > 8 || stored.next <= last) std::abort();
  dumb::engine::EventLog log(4);
  log.restore(std::move(stored.events), stored.next);
  dumb::engine::Event event;
  event.state = "running";
  if (log.add(event).seq != stored.next) std::abort();
  if (log.query(stored.next - 1, nullptr, 8).events.size() != 1) std::abort();
  return 0;
}
