#pragma once

#include <cstddef>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <dumb/engine/events.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "style.hpp"

namespace dumb::cli {

/// From where on events are wanted: behind a sequence number, or from a time on.
struct Since {
  std::optional<std::int64_t> seq;
  std::optional<double> time;  ///< Unix seconds
};
/// A sequence number; a span before `now` ("90s", "10m", "1h30m", "2d", "1w"); or a time, "2026-02-11",
/// "2026-02-11T12:00", "2026-02-11 12:00:05", local unless it ends with "Z" or "+01:00". Fails with
/// Trouble::usage.
Result<Since> parse_since(std::string_view text, double now);

/// Columns of the parts of an event line.
struct EventColumns {
  std::size_t name = 0;  ///< 0: without the service's name
  std::size_t change = 24;
};
EventColumns event_columns(const std::vector<engine::Event>& events);

/// One line without its end: time, service, change of state, cause and reason. Pure.
std::string event_line(const engine::Event& event, const EventColumns& columns,
                       const std::function<std::string(double)>& local_time, const Style& style);

}  // namespace dumb::cli
