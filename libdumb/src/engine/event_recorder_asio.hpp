#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <dumb/base/log.hpp>
#include <memory>
#include <string>
#include <vector>

#include "engine/event_file_posix.hpp"
#include "engine/event_log.hpp"

namespace dumb::engine {

/// Keeps events in memory and in their file, and tells those who wait for them. Used on the thread of
/// `context`; files are written by `workers`, which end before it does.
class EventRecorder {
 public:
  struct Parts {
    boost::asio::io_context& context;
    boost::asio::thread_pool& workers;
    Log& log;
    std::size_t& tasks;  ///< coroutines under way, counted
  };

  /// Reads what earlier runs have left, blocking. A file that cannot be read or written is logged, once, and
  /// costs nothing but the past.
  EventRecorder(Parts parts, EventFile file, std::size_t capacity = EventLog::default_capacity);
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;

  /// Gives the event its number and time.
  void record(Event event);
  const EventLog& log() const noexcept { return events_; }
  /// The last run was ended by an orderly shutdown, or there was none.
  bool orderly_before() const noexcept { return orderly_before_; }

  /// EventLog::query; waits for events at most `query.timeout` when there are none yet. Cancellable.
  boost::asio::awaitable<EventList> query(EventQuery query, std::shared_ptr<const std::string> only);

  /// Keeps them in another file from now on, with all that are known.
  void move_to(EventFile file);
  /// Marks the file as that of an orderly run, behind everything recorded so far. What would follow is not
  /// recorded: its number could be given a second time by the next run.
  void close();
  /// Everything recorded is in the file, or cannot be written.
  bool written() const noexcept { return !writing_; }
  /// Ends all waiting, now and from now on.
  void stop_waiting();

 private:
  void enqueue(Event event);
  void trim();
  void wake();
  boost::asio::awaitable<void> write();

  Parts parts_;
  EventFile file_;
  EventLog events_;
  std::size_t capacity_;
  std::vector<Event> pending_;  ///< not in the file yet; one without a state: the closing line
  bool writing_ = false;
  bool failing_ = false;
  bool orderly_before_ = true;
  bool waiting_over_ = false;
  std::size_t dropped_ = 0;  // of those that could not be written
  bool closed_ = false;
  std::shared_ptr<std::vector<boost::asio::steady_timer*>> waiting_;  ///< cancelled when there is something
};

}  // namespace dumb::engine
