#include <algorithm>
#include <boost/json.hpp>
#include <dumb/schedule/agenda.hpp>

namespace dumb::schedule {
namespace {

std::optional<std::int64_t> integer_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

}  // namespace

json::object to_json(const Entry& entry) {
  json::object out;
  out["interval_hours"] = entry.grid.timing.interval_hours;
  out["start_minute"] = entry.grid.timing.start_minute;
  out["anchor_day"] = entry.grid.anchor_day;
  out["anchor"] = entry.grid.anchor;
  out["next"] = entry.next;
  if (entry.last_run) out["last_run"] = *entry.last_run;
  return out;
}

Result<Entry> entry_from_json(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return Error(Errc::invalid_argument, "is no object");
  const auto interval = integer_at(*object, "interval_hours");
  const auto start = integer_at(*object, "start_minute");
  const auto day = integer_at(*object, "anchor_day");
  const auto anchor = integer_at(*object, "anchor");
  const auto next = integer_at(*object, "next");
  const bool valid = interval && *interval >= 1 && *interval <= max_interval_hours && start && *start >= 0 &&
                     *start < 1440 && day && anchor && next;
  if (!valid) return Error(Errc::invalid_argument, "is no entry of a schedule");
  Entry entry;
  entry.grid = {{*interval, static_cast<std::int32_t>(*start)}, *day, *anchor};
  entry.next = *next;
  entry.last_run = integer_at(*object, "last_run");
  return entry;
}

const Entry& Agenda::set(const std::string& name, const Timing& timing, Instant now,
                         const std::optional<Entry>& stored) {
  auto found = items_.find(name);
  const bool known = found != items_.end();
  if (!known) found = items_.emplace(name, Item{}).first;
  Item& item = found->second;
  if (!known && stored) item.entry = *stored;
  const bool had_grid = known || stored;
  if (!had_grid || item.entry.grid.timing != timing) {
    item.entry.grid = make_grid(timing, now, *zone_);
    item.entry.next = first_at_or_after(item.entry.grid, now, *zone_);
  } else if (!known || !item.on_agenda) {
    const Instant upcoming = first_at_or_after(item.entry.grid, now, *zone_);
    const Instant planned = item.entry.next;
    item.entry.next = upcoming;
    if (planned >= now) item.entry.next = std::min(planned, upcoming);
    // A point that passed while the program was down is made up for once.
    if (planned != off_agenda && planned < now) item.entry.next = std::min(upcoming, now + catch_up_);
  }
  item.on_agenda = true;
  return item.entry;
}

void Agenda::remove(const std::string& name) {
  const auto found = items_.find(name);
  if (found == items_.end()) return;
  found->second.on_agenda = false;
  found->second.entry.next = off_agenda;
}

std::optional<Entry> Agenda::stored(const std::string& name) const {
  const auto found = items_.find(name);
  if (found == items_.end()) return std::nullopt;
  const Item& item = found->second;
  Entry entry = item.entry;
  if (item.running && item.on_agenda) {
    entry.next = item.before.next;
    entry.last_run = item.before.last_run;
  }
  return entry;
}

const Entry* Agenda::find(const std::string& name) const noexcept {
  const auto found = items_.find(name);
  return found == items_.end() || !found->second.on_agenda ? nullptr : &found->second.entry;
}

std::vector<std::string> Agenda::due(Instant now) {
  std::vector<std::string> names;
  for (auto& [name, item] : items_) {
    if (!item.on_agenda || item.entry.next > now) continue;
    if (!item.running) item.before = item.entry;
    item.entry.next = first_at_or_after(item.entry.grid, now + 1, *zone_);
    if (item.running) continue;
    item.running = true;
    item.entry.last_run = now;
    names.push_back(name);
  }
  return names;
}

bool Agenda::finished(const std::string& name) {
  const auto found = items_.find(name);
  if (found == items_.end()) return false;
  found->second.running = false;
  return found->second.on_agenda;
}

void Agenda::given_up(const std::string& name) {
  const auto found = items_.find(name);
  if (found == items_.end() || !found->second.running) return;
  Item& item = found->second;
  item.running = false;
  if (!item.on_agenda) return;
  item.entry.next = item.before.next;
  item.entry.last_run = item.before.last_run;
}

bool Agenda::is_running(const std::string& name) const noexcept {
  const auto found = items_.find(name);
  return found != items_.end() && found->second.running;
}

std::optional<Instant> Agenda::earliest() const noexcept {
  std::optional<Instant> first;
  for (const auto& [name, item] : items_) {
    if (item.on_agenda && (!first || item.entry.next < *first)) first = item.entry.next;
  }
  return first;
}

void Agenda::clock_set_back(Instant now) {
  for (auto& [name, item] : items_) {
    Instant upcoming = first_at_or_after(item.entry.grid, now, *zone_);
    // A grid that was made while the clock was ahead begins in what is the future now.
    if (upcoming - now > (item.entry.grid.timing.interval_hours + 25) * 3600) {
      item.entry.grid = make_grid(item.entry.grid.timing, now, *zone_);
      upcoming = first_at_or_after(item.entry.grid, now, *zone_);
    }
    item.entry.next = std::min(item.entry.next, upcoming);
  }
}

}  // namespace dumb::schedule
