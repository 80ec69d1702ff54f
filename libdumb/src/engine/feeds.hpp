#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <dumb/auth/service.hpp>
#include <dumb/engine/feed.hpp>
#include <dumb/logs/log_service.hpp>
#include <dumb/realtime/request.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace dumb::engine {

/// Lines on their way from the log's thread to that of the feeds; bounded like a feed's own.
class LineRelay : public std::enable_shared_from_this<LineRelay> {
 public:
  /// `deliver` runs on `context` and takes what came.
  LineRelay(boost::asio::io_context& context, std::function<void()> deliver);
  /// On the log's thread.
  void add(const std::string& line);
  struct Batch {
    std::vector<realtime::Message> lines;
    std::size_t dropped = 0;
  };
  Batch take();

 private:
  boost::asio::io_context& context_;
  std::function<void()> deliver_;
  std::mutex mutex_;
  realtime::LineOutbox lines_;
  bool posted_ = false;
};

/// The feeds of one engine and what they share. Feeds hold it by shared_ptr; close() parts it from the
/// engine.
class FeedHub : public std::enable_shared_from_this<FeedHub> {
 public:
  struct Parts {
    boost::asio::io_context& context;
    logs::LogService& log;
    std::function<auth::Service&()> auth;
    /// The message of the status channel as it is now, in the long or short form.
    std::function<std::string(bool health)> status_text;
    using Deliver = std::function<void(realtime::Message)>;
    /// Hands over the text of a snapshot of metrics that is not older than `age`; null: there is none.
    std::function<void(std::chrono::milliseconds age, Deliver)> snapshot;
    /// Hands over the first message of the metrics channel; null: there is none.
    std::function<void(realtime::Request, Deliver)> first_metrics;
  };
  explicit FeedHub(Parts parts);
  ~FeedHub();
  FeedHub(const FeedHub&) = delete;
  FeedHub& operator=(const FeedHub&) = delete;

  std::shared_ptr<Feed> logs(realtime::Request request);
  std::shared_ptr<Feed> status(realtime::Request request);
  std::shared_ptr<Feed> metrics(realtime::Request request);

  /// What the status channel shows has changed, or may have.
  void changed();
  /// Nothing of the engine is used any more.
  void close();

  class LogFeed;
  class StatusFeed;
  class MetricsFeed;

 private:
  friend class FeedBase;
  void add(LogFeed& feed);
  void remove(LogFeed& feed);
  /// Built once for all who ask at about the same time.
  realtime::Message status_message(bool health);
  void get_snapshot(std::chrono::milliseconds age, Parts::Deliver deliver);
  void get_first_metrics(realtime::Request request, Parts::Deliver deliver);
  void deliver_lines();

  std::optional<Parts> parts_;
  std::set<LogFeed*> log_feeds_;
  std::set<StatusFeed*> status_feeds_;
  std::shared_ptr<LineRelay> relay_;
  std::uint64_t subscription_ = 0;  ///< to the main log; 0: none
  struct Built {
    realtime::Message message;
    std::chrono::steady_clock::time_point at;
  };
  std::optional<Built> built_[2];  ///< short and long form
  bool telling_ = false;           ///< feeds will be told of a change
};

}  // namespace dumb::engine
