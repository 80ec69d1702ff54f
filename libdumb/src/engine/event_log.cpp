#include "engine/event_log.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/text.hpp>
#include <utility>

namespace dumb::engine {
namespace {

/// Greatest number that a file is believed: a client may keep numbers as doubles, and counting on from
/// here never overflows.
constexpr std::int64_t greatest_number = std::int64_t{1} << 53;

/// Text of one line, without its end.
struct Line {
  std::string_view text;
  bool whole = false;  ///< it has an end
};

/// The last `most` lines of a text in their order.
std::vector<Line> last_lines(std::string_view text, std::size_t most) {
  std::vector<Line> lines;
  bool whole = text.ends_with('\n');
  if (whole) text.remove_suffix(1);
  while (!text.empty() && lines.size() < most) {
    const auto end = text.rfind('\n');
    const std::size_t begin = end == std::string_view::npos ? 0 : end + 1;
    lines.push_back({text.substr(begin), whole});
    text = text.substr(0, begin == 0 ? 0 : begin - 1);
    whole = true;
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

/// Feeds lines one after the other.
class Reader {
 public:
  explicit Reader(StoredEvents& out) : out_(out) {}

  void read(const Line& line) {
    const bool nothing_yet = out_.events.empty() && last_ == 0;
    const auto value = jsonx::parse(line.text);
    if (!value || !value->is_object()) {
      out_.orderly = out_.orderly && nothing_yet;
      return;
    }
    if (const json::value* closed = value->get_object().if_contains("closed")) {
      const bool number = closed->is_int64() && closed->get_int64() <= greatest_number;
      if (number) last_ = std::max(last_, closed->get_int64());
      out_.orderly = number && line.whole;
      return;
    }
    auto event = codec::from_json<Event>(*value);
    out_.orderly = false;
    if (!event || event->seq <= last_ || event->seq > greatest_number || event->state.empty()) return;
    last_ = event->seq;
    out_.events.push_back(std::move(*event));
  }

  std::int64_t last() const noexcept { return last_; }

 private:
  StoredEvents& out_;
  std::int64_t last_ = 0;
};

}  // namespace

void EventLog::drop_oldest() {
  Event& oldest = events_.front();
  forgotten_ = oldest.seq;
  if (!oldest.process_name.empty()) {
    auto& kept = apart_[oldest.process_name];
    kept.push_back(std::move(oldest));
    if (kept.size() > few) kept.pop_front();
  }
  events_.pop_front();
  if (apart_.size() <= most_apart) return;
  // Names come and go: the one nothing was heard of for longest.
  const auto stale = std::min_element(apart_.begin(), apart_.end(), [](const auto& a, const auto& b) {
    return a.second.back().seq < b.second.back().seq;
  });
  apart_.erase(stale);
}

void EventLog::restore(std::vector<Event> events, std::int64_t next) {
  events_.assign(std::make_move_iterator(events.begin()), std::make_move_iterator(events.end()));
  next_ = std::max<std::int64_t>(next, events_.empty() ? 1 : events_.back().seq + 1);
  forgotten_ = (events_.empty() ? next_ : events_.front().seq) - 1;
  while (events_.size() > capacity_) drop_oldest();
}

const Event& EventLog::add(Event event) {
  event.seq = next_++;
  events_.push_back(std::move(event));
  if (events_.size() > capacity_) drop_oldest();
  return events_.back();
}

EventList EventLog::query(std::optional<std::int64_t> since, const std::string* process_name,
                          std::size_t limit) const {
  EventList answer;
  answer.cursor = newest();
  if (!events_.empty()) answer.oldest = events_.front().seq;
  const auto wanted = [&](const Event& event) {
    return process_name == nullptr || event.process_name == *process_name;
  };
  if (!since) {
    for (auto event = events_.rbegin(); event != events_.rend() && answer.events.size() < limit; ++event) {
      if (wanted(*event)) answer.events.push_back(*event);
    }
    if (const auto kept = process_name != nullptr ? apart_.find(*process_name) : apart_.end();
        kept != apart_.end()) {
      for (auto event = kept->second.rbegin(); event != kept->second.rend() && answer.events.size() < limit;
           ++event)
        answer.events.push_back(*event);
    }
    std::reverse(answer.events.begin(), answer.events.end());
    return answer;
  }
  // A cursor ahead of everything is of a history that is gone; this one is then read from its beginning.
  const bool foreign = *since > newest();
  answer.lost = foreign || *since < forgotten_;
  auto event = foreign ? events_.begin()
                       : std::upper_bound(events_.begin(), events_.end(), *since,
                                          [](std::int64_t seq, const Event& e) { return seq < e.seq; });
  for (; event != events_.end(); ++event) {
    if (!wanted(*event)) continue;
    if (answer.events.size() == limit) {
      answer.cursor = answer.events.back().seq;
      break;
    }
    answer.events.push_back(*event);
  }
  return answer;
}

std::optional<std::string> EventLog::find_name(std::string_view process_name) const {
  const std::string folded = text::fold(process_name);
  const auto found = std::find_if(events_.rbegin(), events_.rend(), [&](const Event& event) {
    return !event.process_name.empty() && text::fold(event.process_name) == folded;
  });
  if (found != events_.rend()) return found->process_name;
  for (const auto& [name, kept] : apart_) {
    if (text::fold(name) == folded) return name;
  }
  return std::nullopt;
}

std::string event_line(const Event& event) {
  return jsonx::print_compact(codec::encode(event)) + '\n';
}

std::string closing_line(std::int64_t newest) {
  json::object mark;
  mark["closed"] = newest;
  return jsonx::print_compact(mark) + '\n';
}

StoredEvents read_events(std::string_view older, std::string_view current, std::size_t most) {
  StoredEvents out;
  // Two more than events: the closing line and a torn one.
  std::vector<Line> lines = last_lines(current, most + 2);
  if (lines.size() < most + 2) {
    std::vector<Line> before = last_lines(older, most + 2 - lines.size());
    lines.insert(lines.begin(), before.begin(), before.end());
  }
  Reader reader(out);
  for (const Line& line : lines) reader.read(line);
  if (out.events.size() > most)
    out.events.erase(out.events.begin(), out.events.end() - static_cast<std::ptrdiff_t>(most));
  out.next = reader.last() + 1;
  if (!out.orderly && (!out.events.empty() || reader.last() > 0)) out.next += numbers_left_out;
  return out;
}

}  // namespace dumb::engine
