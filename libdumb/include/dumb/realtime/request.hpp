#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What clients of the live channels ask for. Pure.
namespace dumb::realtime {

enum class Channel { logs, status, metrics };

/// "/ws/logs", "/ws/status", "/ws/metrics"; nullopt for anything else. The path is decoded and has no final
/// slash.
std::optional<Channel> channel_of(std::string_view path);

/// Decoded query parameters in the order they came.
using Query = std::vector<std::pair<std::string, std::string>>;

/// Query of the three channels. Every value is lenient: what cannot be read means the default (UI-86).
struct Request {
  std::string token;
  std::chrono::milliseconds interval{2000};  ///< 500 ms to 10 s
  bool health = false;                       ///< status: the long form
  bool bootstrap = false;                    ///< metrics: begin with the history for charts
  bool history = false;                      ///< metrics: begin with whole snapshots
  bool history_full = false;
  std::int64_t history_limit = 5000;
  std::optional<double> history_since;         ///< Unix seconds
  std::optional<std::int64_t> history_bucket;  ///< seconds
  std::int64_t history_points = 600;
};

/// The first of several parameters of one name counts; unknown ones are ignored.
Request parse_request(const Query& query);

/// Whether a client's text asks for "pong": "ping", or a JSON object whose `type` is "ping" (UI-89).
bool is_ping(std::string_view text);

/// When the next message of a channel with a fixed interval is due (UI-93). Times are of one steady clock.
class Pacer {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit Pacer(std::chrono::milliseconds interval) : interval_(interval) {}
  /// A message was sent.
  void sent(Time now) {
    last_ = now;
    changed_ = false;
  }
  /// There is something new to tell, which is told sooner, but not more than four times a second.
  void changed() { changed_ = true; }
  /// In the past when one is due already; the beginning of time before the first.
  Time due() const;

 private:
  std::chrono::milliseconds interval_;
  std::optional<Time> last_;
  bool changed_ = false;
};

}  // namespace dumb::realtime
