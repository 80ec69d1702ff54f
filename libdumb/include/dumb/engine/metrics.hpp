#pragma once

#include <boost/describe/class.hpp>
#include <boost/json/array.hpp>
#include <dumb/base/json.hpp>
#include <dumb/metrics/series.hpp>

namespace dumb::engine {

/// GET /metrics/history (UI-120).
struct HistoryItems {
  json::array items;
  bool truncated = false;
};
BOOST_DESCRIBE_STRUCT(HistoryItems, (), (items, truncated))

}  // namespace dumb::engine
