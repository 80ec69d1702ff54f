#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <dumb/base/clock.hpp>
#include <dumb/base/log.hpp>
#include <dumb/base/root.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/engine/metrics.hpp>
#include <dumb/metrics/history.hpp>
#include <dumb/metrics/sampler.hpp>
#include <dumb/metrics/series.hpp>
#include <dumb/realtime/outbox.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "supervisor/event_asio.hpp"

namespace dumb::engine {

/// Paths whose file systems are shown for a service (UI-112): its own, `data_root`, and what rclone mounts.
/// As written, sorted. Pure.
std::set<std::string> watched_paths(const json::object& document, const json::object& block);

/// Looks at the machine while somebody asks or the history is kept (UI-110 to UI-122). Used on the thread of
/// `context`; /proc and files are read and written by `workers`. Held by shared_ptr: its coroutines keep it,
/// and end soon after stop().
class MetricsService : public std::enable_shared_from_this<MetricsService> {
 public:
  struct Parts {
    boost::asio::io_context& context;
    boost::asio::thread_pool& workers;
    Log& log;
    Root root;
    std::size_t& tasks;  ///< coroutines under way, counted
    std::function<config::SnapshotPtr()> config;
    /// Running processes, in the order of the document.
    std::function<std::vector<metrics::Managed>()> managed;
  };
  explicit MetricsService(Parts parts);

  /// The text of a snapshot that is not older than `age`; all who ask meanwhile get the same one.
  boost::asio::awaitable<realtime::Message> snapshot(std::chrono::milliseconds age);
  boost::asio::awaitable<metrics::SeriesAnswer> series(metrics::HistoryQuery query);
  boost::asio::awaitable<HistoryItems> history(metrics::HistoryQuery query);
  /// Appends to the history while it is enabled. A worker: ends by cancellation.
  boost::asio::awaitable<void> write_history();
  /// What rules the history may have changed.
  void config_changed() { timer_.cancel(); }

 private:
  using Event = supervisor::OneShot<bool>;
  metrics::HistorySettings settings() const;
  std::filesystem::path directory(const metrics::HistorySettings& settings) const;
  boost::asio::awaitable<void> collect();
  boost::asio::awaitable<void> append(metrics::HistorySettings settings, realtime::Message line);
  void ask_elsewhere(const std::vector<std::string>& paths);
  boost::asio::awaitable<void> ask(std::string path);

  Parts parts_;
  const std::shared_ptr<metrics::Sampler> sampler_ = std::make_shared<metrics::Sampler>();
  const std::shared_ptr<metrics::HistoryWriter> writer_ = std::make_shared<metrics::HistoryWriter>();
  realtime::Message last_;
  SteadyTime at_;  ///< of last_
  std::shared_ptr<Event> under_way_;
  boost::asio::steady_timer timer_;  ///< until the next line of the history
  struct Known {
    metrics::PathAnswer answer;
    SteadyTime at;
    bool asked = false;  ///< and no answer yet
  };
  std::map<std::string, Known> known_;  ///< of paths that may hang
  bool failing_ = false;
  SteadyTime failed_at_;
};

}  // namespace dumb::engine
