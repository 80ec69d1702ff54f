#pragma once

#include <boost/describe/class.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// What became of snapshots of a machine over time, for charts (UI-119 to UI-123). Pure.
namespace dumb::metrics {

/// Parameters of both routes. Times are Unix seconds.
struct HistoryQuery {
  std::optional<double> since{};
  bool full = false;  ///< from the beginning when `since` is missing
  std::int64_t limit = 5000;
  std::optional<std::int64_t> bucket_seconds{};
  std::int64_t max_points = 600;  ///< 0 and below: no decimation
};
BOOST_DESCRIBE_STRUCT(HistoryQuery, (), (since, full, limit, bucket_seconds, max_points))

/// How many entries are taken at most: 100,000 for 0 and below, which is the most.
std::size_t entry_limit(const HistoryQuery& query) noexcept;
/// Entries before this are left out; nullopt: none.
std::optional<double> begin_of(const HistoryQuery& query, double now) noexcept;
/// The width of a bucket in seconds, by UI-122 point 2; nullopt: entries are not put into buckets.
std::optional<std::int64_t> bucket_of(const HistoryQuery& query, double now) noexcept;

struct Extent {
  double min = 0;
  double max = 0;
};
BOOST_DESCRIBE_STRUCT(Extent, (), (min, max))

using Line = std::vector<std::optional<double>>;

struct SeriesSet {
  Line cpu;
  Line mem;
  Line disk;
  Line disk_read_rate;  ///< bytes per second since the entry before, as all rates
  Line disk_write_rate;
  Line net_sent_rate;
  Line net_recv_rate;
};
BOOST_DESCRIBE_STRUCT(SeriesSet, (),
                      (cpu, mem, disk, disk_read_rate, disk_write_rate, net_sent_rate, net_recv_rate))

struct SeriesStats {
  std::optional<Extent> cpu;
  std::optional<Extent> mem;
  std::optional<Extent> disk;
  std::optional<Extent> disk_read_rate;
  std::optional<Extent> disk_write_rate;
  std::optional<Extent> net_sent_rate;
  std::optional<Extent> net_recv_rate;
};
BOOST_DESCRIBE_STRUCT(SeriesStats, (),
                      (cpu, mem, disk, disk_read_rate, disk_write_rate, net_sent_rate, net_recv_rate))

/// GET /metrics/history_series (UI-122).
struct SeriesAnswer {
  json::array items;
  SeriesSet series;
  std::vector<double> timestamps;
  bool truncated = false;
  std::optional<SeriesStats> stats;
  std::optional<std::int64_t> bucket_seconds{};
};
BOOST_DESCRIBE_STRUCT(SeriesAnswer, (), (items, series, timestamps, truncated, stats, bucket_seconds))

/// A snapshot without what charts do not need (UI-122 point 4).
json::object compact(const json::object& snapshot);

/// Makes the answer out of snapshots that are given newest first. Holds no more than one per bucket, or
/// `limit` without buckets.
class SeriesBuilder {
 public:
  SeriesBuilder(const HistoryQuery& query, double now);

  /// False when neither this nor older ones are wanted. One without `timestamp` is passed over.
  bool add(const json::object& snapshot);
  SeriesAnswer finish();

 private:
  struct Reading {
    double timestamp = 0;
    std::vector<std::optional<double>> gauges;    // cpu, mem, disk
    std::vector<std::optional<double>> counters;  // disk read, disk write, net sent, net received
  };
  static Reading reading_of(double timestamp, const json::object& snapshot);
  void count(const Reading& older);
  std::vector<std::size_t> kept() const;

  std::size_t limit_;
  std::int64_t max_points_;
  std::optional<double> begin_;
  std::optional<std::int64_t> bucket_;
  std::size_t matched_ = 0;
  bool truncated_ = false;
  std::optional<Reading> newer_;  // the one before, of all
  std::vector<std::optional<Extent>> extents_;
  std::vector<Reading> readings_;  // newest first
  std::vector<json::object> items_;
};

/// GET /metrics/history (UI-120), from snapshots newest first.
class HistoryBuilder {
 public:
  HistoryBuilder(const HistoryQuery& query, double now);
  bool add(json::object snapshot);
  /// Ascending.
  json::array take();
  bool truncated() const noexcept { return truncated_; }

 private:
  std::size_t limit_;
  std::optional<double> begin_;
  bool truncated_ = false;
  std::vector<json::object> items_;
};

}  // namespace dumb::metrics
