#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

/// Messages of the live channels (UI-80 to UI-100). Pure.
namespace dumb::realtime {

/// The text of one message; shared by all who get it.
using Message = std::shared_ptr<const std::string>;

/// Messages on their way to one client. Never grows beyond its bounds, so that a client that does not keep up
/// costs nobody else anything (UI-87).
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void put(Message message) = 0;
  /// The next one to send; null when there is none.
  virtual Message take() = 0;
};

/// Keeps the newest message only: a state replaces the one before it.
class LatestOutbox final : public Outbox {
 public:
  void put(Message message) override { message_ = std::move(message); }
  Message take() override { return std::exchange(message_, nullptr); }

 private:
  Message message_;
};

/// Keeps the newest lines, up to both limits. What was dropped is told in their place when sending goes on.
class LineOutbox final : public Outbox {
 public:
  struct Limits {
    std::size_t lines = 2000;
    std::size_t bytes = std::size_t{1} << 20U;
  };
  /// `notice`: a message that says how many lines are missing.
  LineOutbox(Limits limits, std::function<Message(std::size_t dropped)> notice)
      : limits_(limits), notice_(std::move(notice)) {}

  void put(Message message) override;
  Message take() override;
  /// How many were dropped since this was asked or told last; they are not told again.
  std::size_t take_dropped() noexcept { return std::exchange(dropped_, 0); }
  /// Lines that were dropped before they came here.
  void add_dropped(std::size_t lines) noexcept { dropped_ += lines; }

 private:
  Limits limits_;
  std::function<Message(std::size_t)> notice_;
  std::deque<Message> lines_;
  std::size_t bytes_ = 0;
  std::size_t dropped_ = 0;  ///< not told yet
};

}  // namespace dumb::realtime
