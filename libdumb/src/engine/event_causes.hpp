#pragma once

#include <cstdint>
#include <dumb/base/clock.hpp>
#include <dumb/engine/events.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>

/// From what a service enters to what is told of it: who asked for it, and what changed. Decides; performs
/// nothing. One thread.
namespace dumb::engine {

/// Spellings of Event::cause (LIF-151).
namespace cause {
inline constexpr std::string_view boot = "boot";
inline constexpr std::string_view api = "api";
inline constexpr std::string_view needs = "needs";
inline constexpr std::string_view exit = "exit";
inline constexpr std::string_view restart_policy = "restart_policy";
inline constexpr std::string_view setup = "setup";
inline constexpr std::string_view repair = "repair";
inline constexpr std::string_view adopted = "adopted";
inline constexpr std::string_view reload = "reload";
inline constexpr std::string_view config = "config";
inline constexpr std::string_view shutdown = "shutdown";
inline constexpr std::string_view engine = "engine";
}  // namespace cause

enum class Ask { start, stop, restart };

/// What the supervisor says of a service at one instant.
struct EnteredState {
  std::string process_name;
  std::string state;
  std::string reason;
  std::int64_t pid = -1;
  std::optional<std::string> exit;  ///< how its last process ended
  std::optional<WallTime> exit_at;  ///< when
  std::optional<bool> ready;        ///< of a service that declares its readiness (LIF-140)
  std::string readiness_reason;     ///< why it is not
  bool by_policy = false;           ///< its restart policy is at work
  bool ended_unasked = false;       ///< and that it did so by itself
};

class EventCauses {
 public:
  /// The service is about to be operated on. Takes effect with the first change of state that this ask can
  /// bring about: a start that joins one under way, or a stop of what is stopped already, is not told of.
  void asked(const std::string& process_name, Ask ask, std::string_view cause, std::string reason);

  /// The event without number and time; nullopt when nothing changed that is worth one.
  std::optional<Event> entered(const EnteredState& now);

 private:
  struct Asked {
    Ask ask;
    std::string cause;
    std::string reason;
  };
  struct Known {
    std::string state = "stopped";
    std::string reason;
    std::string cause{cause::engine};
    std::int64_t pid = -1;
    bool ready = false;
    std::optional<WallTime> exit_at;
    std::optional<Asked> asked;
  };
  static std::optional<std::string> take_readiness(Known& known, const EnteredState& now);
  static std::string take_reason(Known& known, const EnteredState& now, bool ended);

  std::map<std::string, Known> known_;
};

}  // namespace dumb::engine
