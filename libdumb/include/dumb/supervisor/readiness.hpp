#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// How a service tells that it is ready (CFG-106 to CFG-114, LIF-137 to LIF-140). All pure.
namespace dumb::supervisor {

namespace readiness {
struct Http {
  std::string url;  ///< ready when it answers 200 to 399
};
struct Tcp {
  std::string host;
  std::uint16_t port = 0;
};
struct Exec {
  std::vector<std::string> argv;  ///< ready when it ends with code 0
};
struct LogLine {
  std::string pattern;
  bool regex = false;  ///< else plain text that a line contains
};
struct Notify {};  ///< READY=1 on the socket of sd_notify(3)
struct Mount {
  std::filesystem::path point;  ///< mapped beneath the root
  std::string shown;            ///< as the configuration spells it
};
using How = std::variant<Http, Tcp, Exec, LogLine, Notify, Mount>;
}  // namespace readiness

struct Readiness {
  readiness::How how;
  std::chrono::milliseconds initial_delay{0};        ///< from the launch to the first probe
  std::chrono::milliseconds period{1'000};           ///< between probes, at most
  std::chrono::milliseconds timeout{1'000};          ///< of one probe
  std::chrono::milliseconds start_timeout{300'000};  ///< from the launch until a start gives up waiting
  int success_threshold = 1;
  int failure_threshold = 3;
};

/// Replaces placeholders of LIF-50.
using Expand = std::function<Result<std::string>(std::string_view)>;

/// The `readiness` of a block, nullopt when it has none. Texts go through `expand`, paths beneath `root`.
/// Fails with Errc::invalid_config; a validated document fails only by what a placeholder stands for.
Result<std::optional<Readiness>> readiness_of(const json::object& block, const Root& root,
                                              const Expand& expand);

/// What a service is known to be.
struct ReadinessState {
  bool ready = false;
  std::string reason;  ///< the last answer when not ready; what the service says of itself otherwise
  bool operator==(const ReadinessState&) const = default;
};

/// From single answers of a polled probe to readiness, and when to ask again.
class ReadinessTracker {
 public:
  explicit ReadinessTracker(const Readiness& settings);
  /// Takes one answer; returns the state when it, or the reason why it is not ready, has changed.
  std::optional<ReadinessState> on(bool good, std::string answer);
  /// Pause before the next probe: from 10 ms on by half as much again until it was ready once or the period
  /// is reached, the period from then on.
  std::chrono::milliseconds next_pause();

 private:
  std::chrono::milliseconds period_;
  std::chrono::milliseconds pause_;
  int success_threshold_;
  int failure_threshold_;
  int successes_ = 0;
  int failures_ = 0;
  bool was_ready_ = false;
  ReadinessState state_;
};

/// What one datagram of sd_notify(3) says; assignments nobody here knows are ignored.
struct Notification {
  bool ready = false;
  bool stopping = false;
  std::optional<std::string> status;  ///< one line of at most 200 bytes, valid UTF-8
  bool operator==(const Notification&) const = default;
};
Notification parse_notification(std::string_view datagram);

/// Whether a line of output is the awaited one. Of a line, a regular expression sees the first 1024 bytes and
/// takes polynomial time. Never throws.
using LineMatcher = std::function<bool(std::string_view line)>;
LineMatcher line_matcher(const readiness::LogLine& wanted);

}  // namespace dumb::supervisor
