#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What happened to services and to the stack (LIF-150 to LIF-159).
namespace dumb::engine {

/// One change of state, or of the reason for it.
struct Event {
  std::int64_t seq = 0;      ///< from 1; grows with every event, over restarts of the server as well
  double time = 0;           ///< Unix seconds
  std::string process_name;  ///< empty: the stack as a whole
  std::string state;         ///< LIF-2; of the stack: its phase (LIF-31)
  std::optional<std::string> previous;  ///< the state before; null: none in this run of the server
  std::optional<std::string> reason;    ///< one sentence, redacted
  std::string cause;                    ///< who or what brought it about (LIF-151)
  std::optional<std::int64_t> pid;      ///< of the process it is about
  std::optional<std::string> exit;      ///< how that process ended
};
BOOST_DESCRIBE_STRUCT(Event, (), (seq, time, process_name, state, previous, reason, cause, pid, exit))

/// GET /process/events (LIF-155).
struct EventQuery {
  std::optional<std::int64_t> since;  ///< a cursor: events with a greater `seq`; absent: the latest
  std::string process_name;           ///< only of this service; empty: of all
  std::int64_t limit = 100;           ///< at most so many, up to 1000
  double timeout = 0;                 ///< seconds to wait for the first one, up to 60
};
BOOST_DESCRIBE_STRUCT(EventQuery, (), (since, process_name, limit, timeout))

struct EventList {
  std::vector<Event> events;           ///< oldest first
  std::int64_t cursor = 0;             ///< to go on with
  std::optional<std::int64_t> oldest;  ///< kept; null: none
  bool lost = false;  ///< events behind the cursor asked with are kept no longer, or it is of another history
};
BOOST_DESCRIBE_STRUCT(EventList, (), (events, cursor, oldest, lost))

}  // namespace dumb::engine
