#include <boost/json.hpp>
#include <dumb/metrics/history.hpp>
#include <dumb/metrics/series.hpp>

#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::metrics;

namespace {

constexpr double now = 1'770'811'200;

/// A snapshot in which everything but time is derived from `value`.
json::object snapshot(double timestamp, double value) {
  json::object system;
  system["cpu_percent"] = value;
  system["cpu_count"] = 8;
  system["mem"] = json::object{{"total", 100}, {"used", value}, {"percent", value + 1}};
  system["disk"] = json::object{{"total", 100}, {"percent", value + 2}, {"path", "/"}};
  system["disk_io"] =
      json::object{{"read_bytes", value * 10}, {"write_bytes", value * 20}, {"read_count", 1}};
  system["net_io"] =
      json::object{{"sent_bytes", value * 30}, {"recv_bytes", value * 40}, {"sent_packets", 1}};
  json::object process{{"name", "Zurg"}, {"pid", 5}, {"cpu_percent", nullptr}, {"rss", 7}, {"threads", 3}};
  process["disk_io"] = json::object{{"read_bytes", 1}, {"write_bytes", 2}, {"read_count", 3}};
  json::object out;
  out["timestamp"] = timestamp;
  out["system"] = std::move(system);
  out["dumb_managed"] = json::array{std::move(process)};
  out["external"] = json::array{json::object{{"name", "gone"}, {"pid", 9}}};
  return out;
}

SeriesAnswer series_of(const HistoryQuery& query, const std::vector<json::object>& newest_first) {
  SeriesBuilder builder(query, now);
  for (const json::object& entry : newest_first) {
    if (!builder.add(entry)) break;
  }
  return builder.finish();
}

}  // namespace

TEST_CASE("the range of a history is six hours, what was asked for, or everything", "[metrics][UI-119]") {
  CHECK(begin_of({}, now) == now - 6 * 3600);
  CHECK_FALSE(begin_of({.full = true}, now));
  CHECK(begin_of({.since = 5, .full = true}, now) == 5.0);
  CHECK(entry_limit({}) == 5000);
  CHECK(entry_limit({.limit = 0}) == 100'000);
  CHECK(entry_limit({.limit = -1}) == 100'000);
  CHECK(entry_limit({.limit = 200'000}) == 100'000);
}

TEST_CASE("the bucket follows from range and points", "[metrics][UI-122]") {
  CHECK(bucket_of({}, now) == 36);  // 21,600 s over 600 points
  CHECK(bucket_of({.since = now - 60}, now) == 5);
  CHECK(bucket_of({.since = now - 86'400}, now) == 144);
  CHECK(bucket_of({.since = now - 86'401}, now) == 145);
  CHECK(bucket_of({.since = now + 100}, now) == 5);
  CHECK(bucket_of({.bucket_seconds = 100}, now) == 100);
  CHECK(bucket_of({.bucket_seconds = 10}, now) == 36);
  CHECK_FALSE(bucket_of({.max_points = 0}, now));
  CHECK(bucket_of({.bucket_seconds = 7, .max_points = 0}, now) == 7);
  CHECK_FALSE(bucket_of({.full = true}, now));
  CHECK(bucket_of({.full = true, .bucket_seconds = 9}, now) == 9);
  CHECK_FALSE(bucket_of({.full = true, .bucket_seconds = 0}, now));
  CHECK(bucket_of({.since = -1e300}, now).value() > 0);
}

TEST_CASE("one snapshot makes series of one point without rates", "[metrics][UI-122][UI-123]") {
  const SeriesAnswer answer = series_of({}, {snapshot(now - 1, 10)});
  CHECK(
      jsonx::print_compact(json::value(answer.items)) ==
      R"([{"timestamp":1770811199.0,"system":{"cpu_percent":10.0,"cpu_count":8,"mem":{"percent":11.0},"disk":{"percent":12.0},)"
      R"("disk_io":{"read_bytes":100.0,"write_bytes":200.0},"net_io":{"sent_bytes":300.0,"recv_bytes":400.0}},)"
      R"("dumb_managed":[{"name":"Zurg","pid":5,"cpu_percent":null,"rss":7,"disk_io":{"read_bytes":1,"write_bytes":2}}],)"
      R"("external":[{"name":"gone","pid":9,"disk_io":null}]}])");
  CHECK(answer.series.cpu == Line{10.0});
  CHECK(answer.series.mem == Line{11.0});
  CHECK(answer.series.disk == Line{12.0});
  CHECK(answer.series.net_recv_rate == Line{std::nullopt});
  CHECK(answer.timestamps == std::vector<double>{now - 1});
  REQUIRE(answer.stats);
  CHECK(answer.stats->cpu->min == 10);
  CHECK(answer.stats->cpu->max == 10);
  CHECK_FALSE(answer.stats->disk_read_rate);
  CHECK_FALSE(answer.truncated);
  CHECK(answer.bucket_seconds == 36);
}

TEST_CASE("rates are bytes per second between neighbours, and unknown where counters fall or time does",
          "[metrics][UI-122]") {
  HistoryQuery query;
  query.max_points = 0;
  json::object no_counters = snapshot(now - 6, 0);
  no_counters.at("system").as_object().erase("disk_io");
  const SeriesAnswer answer =
      series_of(query, {snapshot(now - 1, 8), snapshot(now - 2, 4), snapshot(now - 4, 6), no_counters,
                        snapshot(now - 10, 2), snapshot(now - 10, 1)});
  CHECK(answer.series.disk_read_rate ==
        Line{std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt, 40.0});
  CHECK(answer.series.net_sent_rate ==
        Line{std::nullopt, std::nullopt, std::nullopt, 90.0, std::nullopt, 120.0});
  CHECK(answer.stats->net_sent_rate->min == 90);
  CHECK(answer.stats->net_sent_rate->max == 120);
  CHECK(answer.timestamps.front() == now - 10);
  CHECK(answer.timestamps.back() == now - 1);
}

TEST_CASE("of a bucket the last entry is kept, statistics see all", "[metrics][UI-122]") {
  std::vector<json::object> entries;
  for (int i = 0; i < 100; ++i) entries.push_back(snapshot(now - i, i));
  const SeriesAnswer answer = series_of({.since = now - 99}, entries);
  CHECK(answer.bucket_seconds == 5);
  REQUIRE(answer.timestamps.size() == 21);
  for (std::size_t i = 1; i < answer.timestamps.size(); ++i) {
    CHECK(std::floor(answer.timestamps[i] / 5) != std::floor(answer.timestamps[i - 1] / 5));
  }
  CHECK(answer.timestamps.back() == now);
  CHECK(answer.timestamps[19] == now - 1);  // now is the first second of its bucket
  CHECK(answer.stats->cpu->min == 0);
  CHECK(answer.stats->cpu->max == 99);
}

TEST_CASE("too many points are thinned out and the newest stays", "[metrics][UI-122]") {
  std::vector<json::object> entries;
  for (int i = 0; i < 1001; ++i) entries.push_back(snapshot(now - i, i));
  const SeriesAnswer answer = series_of({.full = true, .max_points = 100}, entries);
  CHECK_FALSE(answer.bucket_seconds);
  CHECK(answer.timestamps.size() == 92);  // every eleventh
  CHECK(answer.timestamps.front() == now - 1000);
  CHECK(answer.timestamps[1] == now - 989);
  CHECK(answer.timestamps.back() == now);
  CHECK(answer.series.cpu.size() == 92);
  CHECK(answer.items.size() == 92);
}

TEST_CASE("of more entries than the limit the newest are taken", "[metrics][UI-120]") {
  HistoryQuery query{.since = now - 100, .limit = 3, .max_points = 0};
  HistoryBuilder builder(query, now);
  for (int i = 0; i < 5; ++i) {
    json::object entry = snapshot(now - i, i);
    if (i == 1) entry.erase("timestamp");
    if (!builder.add(std::move(entry))) break;
  }
  CHECK(builder.truncated());
  const json::array items = builder.take();
  REQUIRE(items.size() == 3);
  CHECK(items.front().at("timestamp").as_double() == now - 3);
  CHECK(items.back().at("timestamp").as_double() == now);
  CHECK(items.back().at("dumb_managed").at(0).at("threads") == 3);

  const SeriesAnswer series =
      series_of(query, {snapshot(now, 1), snapshot(now - 1, 1), snapshot(now - 2, 1), snapshot(now - 3, 1)});
  CHECK(series.truncated);
  CHECK(series.items.size() == 3);
  CHECK_FALSE(series_of(query, {snapshot(now, 1), snapshot(now - 200, 1)}).truncated);
}

TEST_CASE("nothing makes an empty answer without statistics", "[metrics][UI-121]") {
  const SeriesAnswer answer = series_of({}, {});
  CHECK(answer.items.empty());
  CHECK(answer.series.cpu.empty());
  CHECK_FALSE(answer.stats);
  CHECK_FALSE(answer.truncated);
  CHECK(series_of({}, {json::object{{"timestamp", "x"}}, json::object{}}).items.empty());
}

TEST_CASE("history files are named by local day and index", "[metrics][UI-116]") {
  const schedule::Day day = schedule::day_of({2026, 2, 11});
  CHECK(file_name({day, 7, 0}) == "metrics-20260211-007.jsonl");
  CHECK(parse_file_name("metrics-20260211-007.jsonl") == HistoryFile{day, 7, 0});
  CHECK(parse_file_name("metrics-20260211-1234.jsonl") == HistoryFile{day, 1234, 0});
  for (const char* name :
       {"metrics-20260211-07.jsonl", "metrics-20260230-000.jsonl", "metrics-20260211-0007.jsonl",
        "metrics-20260211-000.json", "metrics-2026x211-000.jsonl", "metrics-.jsonl", ".jsonl",
        "metrics-20260211-.jsonl", "metrics-20260211-000.jsonl.old",
        "metrics-20260211-99999999999999.jsonl"}) {
    CAPTURE(name);
    CHECK_FALSE(parse_file_name(name));
  }
}

TEST_CASE("files that are too old, and the oldest of too much, go but for the current one",
          "[metrics][UI-116]") {
  const schedule::Day today = 20'000;
  HistorySettings settings;
  settings.retention_days = 7;
  settings.max_total_bytes = 100;
  const HistoryFile current{today, 1, 90};
  const std::vector<HistoryFile> files{
      {today - 8, 0, 1}, {today - 7, 0, 20}, {today - 1, 0, 5}, {today, 0, 5}, current};
  CHECK(to_prune(files, current, today, settings) == std::vector<HistoryFile>{files[0], files[1]});
  settings.max_total_bytes = 50;
  CHECK(to_prune(files, current, today, settings) ==
        std::vector<HistoryFile>{files[0], files[1], files[2], files[3]});
  settings.max_total_bytes = 0;
  CHECK(to_prune(files, current, today, settings) == std::vector<HistoryFile>{files[0]});
  settings.retention_days = 0;
  CHECK(to_prune(files, current, today, settings).empty());
}

TEST_CASE("settings of the history keep their defaults where the document makes no sense",
          "[metrics][UI-116]") {
  const HistorySettings plain = history_settings({});
  CHECK(plain.enabled);
  CHECK(plain.interval_seconds == 5);
  CHECK(plain.retention_days == 7);
  CHECK(plain.max_file_bytes == 50 * 1024 * 1024);
  CHECK(plain.directory == "/config/metrics");
  const HistorySettings set = history_settings(json::object{{"history_enabled", false},
                                                            {"history_interval_sec", 0.1},
                                                            {"history_retention_days", 0},
                                                            {"history_max_file_mb", 0.5},
                                                            {"history_max_total_mb", -1},
                                                            {"history_dir", "/metrics"}});
  CHECK_FALSE(set.enabled);
  CHECK(set.interval_seconds == 0.5);
  CHECK(set.retention_days == 0);
  CHECK(set.max_file_bytes == 512 * 1024);
  CHECK(set.max_total_bytes == 100 * 1024 * 1024);
  CHECK(set.directory == "/metrics");
}
