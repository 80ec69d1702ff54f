#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <dumb/engine/events.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The latest events in memory, and how they stand in their file. Decides; performs nothing. One thread.
namespace dumb::engine {

/// A bounded memory of events in order of their numbers; the oldest make room for new ones. The last few of
/// each service stay beside it, so that one that changes all the time leaves the others their history.
class EventLog {
 public:
  static constexpr std::size_t default_capacity = 4'096;
  static constexpr std::size_t few = 8;           ///< of one service, kept apart
  static constexpr std::size_t most_apart = 512;  ///< services

  explicit EventLog(std::size_t capacity = default_capacity) : capacity_(capacity) {}

  /// Takes over what an earlier run has left; new events are numbered from `next` on.
  void restore(std::vector<Event> events, std::int64_t next);
  /// Gives the event its number and keeps it.
  const Event& add(Event event);

  /// `process_name`: exactly this name; null: all. `limit` is at least 1. The cursor of the answer stands
  /// behind everything that was looked at, so nothing is looked at twice and nothing is skipped. Without
  /// `since` the latest; of one process also those kept apart.
  EventList query(std::optional<std::int64_t> since, const std::string* process_name,
                  std::size_t limit) const;
  /// A name among the events that folds to the same text (LIF-83).
  std::optional<std::string> find_name(std::string_view process_name) const;
  /// The number of the latest event ever; 0: none.
  std::int64_t newest() const noexcept { return next_ - 1; }

 private:
  void drop_oldest();

  std::size_t capacity_;
  std::deque<Event> events_;
  std::map<std::string, std::deque<Event>, std::less<>> apart_;  // older than events_
  std::int64_t next_ = 1;
  std::int64_t forgotten_ = 0;  // greatest number that was given and is kept no longer
};

/// An event as a line of the file, with its end.
std::string event_line(const Event& event);
/// The line that ends an orderly run.
std::string closing_line(std::int64_t newest);

/// What the file tells, older part first.
struct StoredEvents {
  std::vector<Event> events;  ///< at most as many as asked for, the latest
  std::int64_t next = 1;      ///< number of the next event
  bool orderly = true;        ///< the last run ended with its closing line, or there was none
};
/// Lines that are torn, foreign or out of order are passed over. After a run that was killed `next` leaves
/// out more numbers than can have been given without being written, so that none is ever given twice.
StoredEvents read_events(std::string_view older, std::string_view current, std::size_t most);
constexpr std::int64_t numbers_left_out = 10'000;

/// Whether a file of `size` bytes has to make room before `added` bytes are appended.
constexpr bool rotate_events(std::uint64_t size, std::uint64_t added, std::uint64_t limit) noexcept {
  return size > 0 && size + added > limit;
}

}  // namespace dumb::engine
