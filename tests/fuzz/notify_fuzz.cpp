// A datagram of sd_notify(3) comes from any process of a service: what is taken from it is one short line.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/readiness.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto told = dumb::supervisor::parse_notification({reinterpret_cast<const char*>(data), size});
  if (!told.status) return 0;
  const bool one_line =
      std::none_of(told.status->begin(), told.status->end(), [](char c) { return c == '\n'; });
  if (told.status->size() > 200 || !one_line || !dumb::text::is_utf8(*told.status)) std::abort();
  return 0;
}
