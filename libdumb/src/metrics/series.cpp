#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <dumb/metrics/series.hpp>

namespace dumb::metrics {
namespace {

constexpr double hours_shown = 6;
constexpr double range_of_default = hours_shown * 3600;
constexpr std::int64_t least_bucket = 5;
constexpr std::size_t most_entries = 100'000;

std::optional<double> number_at(const json::object& object, const JsonPath& path) {
  const json::value* value = jsonx::find(object, path);
  if (value == nullptr || !value->is_number()) return {};
  return value->to_number<double>();
}

/// Copies the members `names` of `from` that are there.
json::object members_of(const json::object& from, std::initializer_list<std::string_view> names) {
  json::object out;
  for (const std::string_view name : names) {
    if (const json::value* value = from.if_contains(name)) out[name] = *value;
  }
  return out;
}

json::object part_of(const json::object& from, std::string_view name,
                     std::initializer_list<std::string_view> members) {
  const json::value* part = from.if_contains(name);
  return part != nullptr && part->is_object() ? members_of(part->get_object(), members) : json::object();
}

json::array compact_processes(const json::object& snapshot, std::string_view list) {
  json::array out;
  const json::value* processes = snapshot.if_contains(list);
  if (processes == nullptr || !processes->is_array()) return out;
  for (const json::value& value : processes->get_array()) {
    const auto* process = value.if_object();
    if (process == nullptr) continue;
    json::object entry = members_of(*process, {"name", "pid", "cpu_percent", "rss"});
    const json::value* io = process->if_contains("disk_io");
    const bool readable = io != nullptr && io->is_object();
    entry["disk_io"] =
        readable ? json::value(members_of(io->get_object(), {"read_bytes", "write_bytes"})) : json::value();
    out.push_back(std::move(entry));
  }
  return out;
}

void widen(std::optional<Extent>& extent, std::optional<double> value) {
  if (!value) return;
  if (!extent) extent = Extent{*value, *value};
  extent->min = std::min(extent->min, *value);
  extent->max = std::max(extent->max, *value);
}

/// Per second; nullopt for missing values, times that do not advance and counters that fell.
std::optional<double> rate(std::optional<double> before, std::optional<double> after, double seconds) {
  if (!before || !after || seconds <= 0 || *after < *before) return {};
  return (*after - *before) / seconds;
}

}  // namespace

std::size_t entry_limit(const HistoryQuery& query) noexcept {
  if (query.limit <= 0) return most_entries;
  return std::min(static_cast<std::size_t>(query.limit), most_entries);
}

std::optional<double> begin_of(const HistoryQuery& query, double now) noexcept {
  if (query.since) return query.since;
  if (query.full) return {};
  return now - range_of_default;
}

std::optional<std::int64_t> bucket_of(const HistoryQuery& query, double now) noexcept {
  const bool range_known = query.since || !query.full;
  if (!range_known || query.max_points <= 0) {
    return query.bucket_seconds && *query.bucket_seconds > 0 ? query.bucket_seconds : std::nullopt;
  }
  const double range = query.since ? std::clamp(now - *query.since, 1.0, 1e12) : range_of_default;
  const auto needed = static_cast<std::int64_t>(std::ceil(range / static_cast<double>(query.max_points)));
  return std::max({query.bucket_seconds.value_or(0), needed, least_bucket});
}

json::object compact(const json::object& snapshot) {
  json::object out = members_of(snapshot, {"timestamp"});
  if (const json::value* part = snapshot.if_contains("system"); part != nullptr && part->is_object()) {
    const json::object& from = part->get_object();
    json::object system = members_of(from, {"cpu_percent", "cpu_count"});
    system["mem"] = part_of(from, "mem", {"percent"});
    system["disk"] = part_of(from, "disk", {"percent"});
    system["disk_io"] = part_of(from, "disk_io", {"read_bytes", "write_bytes"});
    system["net_io"] = part_of(from, "net_io", {"sent_bytes", "recv_bytes"});
    out["system"] = std::move(system);
  }
  out["dumb_managed"] = compact_processes(snapshot, "dumb_managed");
  out["external"] = compact_processes(snapshot, "external");
  return out;
}

SeriesBuilder::SeriesBuilder(const HistoryQuery& query, double now)
    : limit_(entry_limit(query)),
      max_points_(query.max_points),
      begin_(begin_of(query, now)),
      bucket_(bucket_of(query, now)),
      extents_(7) {}

SeriesBuilder::Reading SeriesBuilder::reading_of(double timestamp, const json::object& snapshot) {
  Reading out;
  out.timestamp = timestamp;
  for (const JsonPath& path : {JsonPath{"system", "cpu_percent"}, JsonPath{"system", "mem", "percent"},
                               JsonPath{"system", "disk", "percent"}}) {
    out.gauges.push_back(number_at(snapshot, path));
  }
  for (const JsonPath& path :
       {JsonPath{"system", "disk_io", "read_bytes"}, JsonPath{"system", "disk_io", "write_bytes"},
        JsonPath{"system", "net_io", "sent_bytes"}, JsonPath{"system", "net_io", "recv_bytes"}}) {
    out.counters.push_back(number_at(snapshot, path));
  }
  return out;
}

void SeriesBuilder::count(const Reading& older) {
  for (std::size_t i = 0; i < older.gauges.size(); ++i) widen(extents_[i], older.gauges[i]);
  if (!newer_) return;
  const double seconds = newer_->timestamp - older.timestamp;
  for (std::size_t i = 0; i < older.counters.size(); ++i) {
    widen(extents_[older.gauges.size() + i], rate(older.counters[i], newer_->counters[i], seconds));
  }
}

bool SeriesBuilder::add(const json::object& snapshot) {
  const auto timestamp = number_at(snapshot, {"timestamp"});
  if (!timestamp) return true;
  if (begin_ && *timestamp < *begin_) return false;
  if (matched_ == limit_) {
    truncated_ = true;
    return false;
  }
  ++matched_;
  Reading reading = reading_of(*timestamp, snapshot);
  count(reading);
  newer_ = reading;
  const auto bucket_at = [&](double at) { return std::floor(at / static_cast<double>(*bucket_)); };
  const bool same_bucket =
      bucket_ && !readings_.empty() && bucket_at(readings_.back().timestamp) == bucket_at(*timestamp);
  if (same_bucket) return true;
  readings_.push_back(std::move(reading));
  items_.push_back(compact(snapshot));
  return true;
}

/// Indexes of what is shown, oldest first.
std::vector<std::size_t> SeriesBuilder::kept() const {
  const std::size_t count = readings_.size();
  std::size_t step = 1;
  if (max_points_ > 0 && count > static_cast<std::size_t>(max_points_)) {
    const auto most = static_cast<std::size_t>(max_points_);
    step = (count + most - 1) / most;
  }
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < count; i += step) out.push_back(count - 1 - i);
  if (!out.empty() && out.back() != 0) out.push_back(0);  // the newest is always there
  return out;
}

SeriesAnswer SeriesBuilder::finish() {
  SeriesAnswer out;
  out.truncated = truncated_;
  out.bucket_seconds = bucket_;
  SeriesSet& series = out.series;
  const std::vector<Line*> gauges{&series.cpu, &series.mem, &series.disk};
  const std::vector<Line*> rates{&series.disk_read_rate, &series.disk_write_rate, &series.net_sent_rate,
                                 &series.net_recv_rate};
  const Reading* before = nullptr;
  const std::vector<std::size_t> shown = kept();
  for (const std::size_t index : shown) {
    const Reading& at = readings_[index];
    out.timestamps.push_back(at.timestamp);
    for (std::size_t i = 0; i < gauges.size(); ++i) gauges[i]->push_back(at.gauges[i]);
    for (std::size_t i = 0; i < rates.size(); ++i) {
      rates[i]->push_back(before == nullptr
                              ? std::nullopt
                              : rate(before->counters[i], at.counters[i], at.timestamp - before->timestamp));
    }
    out.items.push_back(std::move(items_[index]));
    before = &at;
  }
  if (matched_ > 0) {
    out.stats = SeriesStats{extents_[0], extents_[1], extents_[2], extents_[3],
                            extents_[4], extents_[5], extents_[6]};
  }
  return out;
}

HistoryBuilder::HistoryBuilder(const HistoryQuery& query, double now)
    : limit_(entry_limit(query)), begin_(begin_of(query, now)) {}

bool HistoryBuilder::add(json::object snapshot) {
  const auto timestamp = number_at(snapshot, {"timestamp"});
  if (!timestamp) return true;
  if (begin_ && *timestamp < *begin_) return false;
  if (items_.size() == limit_) {
    truncated_ = true;
    return false;
  }
  items_.push_back(std::move(snapshot));
  return true;
}

json::array HistoryBuilder::take() {
  json::array out;
  out.reserve(items_.size());
  for (auto at = items_.rbegin(); at != items_.rend(); ++at) out.push_back(std::move(*at));
  items_.clear();
  return out;
}

}  // namespace dumb::metrics
