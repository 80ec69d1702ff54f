#pragma once

#include <dumb/realtime/outbox.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dumb::engine {

/// What one client of a live channel gets (UI-80 to UI-100): the main log, the status of the services or
/// metrics. Made by Engine::feed(); belongs to the engine's thread. It may outlive the engine, and has nothing
/// to tell then. Destroying it ends it.
class Feed {
 public:
  Feed() = default;
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;
  virtual ~Feed() = default;

  /// Begins to produce messages. `ready` is called when take() has something after it had nothing; it must
  /// not destroy the feed.
  virtual void begin(std::function<void()> ready) = 0;
  /// The next message; null when there is none now. What was replaced or dropped before it was taken is gone.
  virtual realtime::Message take() = 0;
  /// Why this client may not be here, or not any more: one sentence (UI-82, UI-83). Asked before begin() and,
  /// every now and then, later.
  virtual std::optional<std::string> refusal() = 0;
  /// What to answer to a text of the client's; empty: nothing (UI-89).
  virtual std::string_view answer(std::string_view text) const = 0;
};

}  // namespace dumb::engine
