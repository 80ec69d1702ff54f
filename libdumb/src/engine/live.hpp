#pragma once

#include <boost/describe.hpp>
#include <boost/json/array.hpp>
#include <dumb/engine/types.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Messages of /ws/status.
namespace dumb::engine {

/// One service in the long form (UI-95).
struct LiveEntry {
  std::string process_name;
  std::string status;           ///< LIF-82
  std::optional<bool> healthy;  ///< null: not known yet, or nothing is wrong with its not running
  std::optional<std::string> health_reason;
  RestartInfo restart;
  std::string state;  ///< LIF-2
  std::optional<std::string> state_reason;
};
BOOST_DESCRIBE_STRUCT(LiveEntry, (),
                      (process_name, status, healthy, health_reason, restart, state, state_reason))

struct LiveStatus {
  std::string type = "status";
  std::vector<LiveEntry> processes;
};
BOOST_DESCRIBE_STRUCT(LiveStatus, (), (type, processes))

/// The short form (UI-94).
struct LiveNames {
  std::string type = "status";
  std::vector<std::string> running;
};
BOOST_DESCRIBE_STRUCT(LiveNames, (), (type, running))

/// What /ws/metrics begins with, when it is asked for the history (UI-99).
struct MetricsHistory {
  std::string type = "history";
  json::array items;
  bool truncated = false;
};
BOOST_DESCRIBE_STRUCT(MetricsHistory, (), (type, items, truncated))

}  // namespace dumb::engine
