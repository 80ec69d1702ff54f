#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/realtime/request.hpp>

namespace dumb::realtime {
namespace {

constexpr double shortest_interval = 0.5;  // seconds
constexpr double longest_interval = 10;
constexpr std::chrono::milliseconds between_changes{250};

/// nullptr when there is none.
const std::string* value_of(const Query& query, std::string_view name) {
  const auto found =
      std::find_if(query.begin(), query.end(), [&](const auto& one) { return one.first == name; });
  return found == query.end() ? nullptr : &found->second;
}

bool flag(const Query& query, std::string_view name) {
  const std::string* value = value_of(query, name);
  if (value == nullptr) return false;
  const std::string folded = text::fold(text::trim(*value));
  constexpr std::array<std::string_view, 4> yes{"1", "true", "yes", "on"};
  return std::find(yes.begin(), yes.end(), folded) != yes.end();
}

std::optional<double> number(const Query& query, std::string_view name) {
  const std::string* value = value_of(query, name);
  if (value == nullptr) return std::nullopt;
  const auto read = text::to_double(text::trim(*value));
  return read && std::isfinite(*read) ? std::optional<double>(*read) : std::nullopt;
}

std::optional<std::int64_t> integer(const Query& query, std::string_view name) {
  const std::string* value = value_of(query, name);
  return value == nullptr ? std::nullopt : text::to_int(text::trim(*value));
}

}  // namespace

std::optional<Channel> channel_of(std::string_view path) {
  if (path == "/ws/logs") return Channel::logs;
  if (path == "/ws/status") return Channel::status;
  if (path == "/ws/metrics") return Channel::metrics;
  return std::nullopt;
}

Request parse_request(const Query& query) {
  Request out;
  if (const std::string* token = value_of(query, "token")) out.token = *token;
  if (const auto seconds = number(query, "interval")) {
    const double used = std::clamp(*seconds, shortest_interval, longest_interval);
    out.interval = std::chrono::milliseconds(std::lround(used * 1000));
  }
  out.health = flag(query, "health");
  out.bootstrap = flag(query, "bootstrap");
  out.history = flag(query, "history");
  out.history_full = flag(query, "history_full");
  out.history_limit = integer(query, "history_limit").value_or(out.history_limit);
  out.history_since = number(query, "history_since");
  out.history_bucket = integer(query, "history_bucket");
  out.history_points = integer(query, "history_points").value_or(out.history_points);
  return out;
}

bool is_ping(std::string_view text) {
  if (text == "ping") return true;
  const std::string_view trimmed = text::trim(text);
  if (!trimmed.starts_with('{')) return false;
  const auto value = jsonx::parse(trimmed);
  return value && value->is_object() && jsonx::string_at(value->get_object(), "type") == "ping";
}

Pacer::Time Pacer::due() const {
  if (!last_) return Time::min();
  return *last_ + (changed_ ? std::min(between_changes, interval_) : interval_);
}

}  // namespace dumb::realtime
