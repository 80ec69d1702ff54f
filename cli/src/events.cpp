#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/types.hpp>
#include <limits>
#include <utility>

#include "commands.hpp"
#include "context.hpp"
#include "event_lines.hpp"

namespace dumb::cli {
namespace {

constexpr std::size_t all_events = std::numeric_limits<std::size_t>::max();
constexpr std::size_t page = 1'000;
constexpr std::chrono::milliseconds between_polls{20};
constexpr std::chrono::milliseconds between_tries{500};
/// Of one poll; less than what an answer may take.
constexpr std::string_view poll_seconds = "10";

struct Wanted {
  std::optional<std::string> name;
  std::size_t count = 50;
  bool counted = false;
  std::optional<Since> since;
};

Result<Wanted> wanted_of(const Context& context, const Invocation& invocation) {
  Wanted wanted;
  if (!invocation.arguments.empty()) wanted.name = invocation.arguments.front();
  if (const auto text = invocation.value("--lines")) {
    const auto count = text::to_int(*text);
    if (*text != "all" && (!count || *count < 0))
      return Error(Trouble::usage, fmt::format("--lines must be a number from 0, or all; got '{}'", *text));
    wanted.count = *text == "all" ? all_events : static_cast<std::size_t>(*count);
    wanted.counted = true;
  }
  if (const auto text = invocation.value("--since")) {
    const auto since = parse_since(*text, context.system.now());
    if (!since) return since.error();
    wanted.since = *since;
    if (!wanted.counted) wanted.count = all_events;
  }
  return wanted;
}

class Events {
 public:
  Events(Context& context, Wanted wanted) : context_(context), wanted_(std::move(wanted)) {}

  /// What has happened already.
  Result<void> begin() {
    std::vector<engine::Event> events;
    if (wanted_.since || wanted_.count > page) {
      if (auto read = read_all(events); !read) return read.error();
    } else {
      auto answer = ask({{"limit", std::to_string(std::max<std::size_t>(wanted_.count, 1))}});
      if (!answer) return answer.error();
      cursor_ = answer->cursor;
      events = std::move(answer->events);
    }
    if (events.size() > wanted_.count)
      events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(wanted_.count));
    columns_ = event_columns(events);
    reading_ = print(events);
    return {};
  }

  /// Ends when nobody reads, or the server says that there is no such service.
  Result<void> follow() {
    while (reading_ && context_.system.pause(lost_server_ ? between_tries : between_polls)) {
      auto answer = ask({{"since", std::to_string(cursor_)},
                         {"limit", std::to_string(page)},
                         {"timeout", std::string(poll_seconds)}});
      if (!answer && exit_code(answer.error().code()) != ExitCode::unreachable) return answer.error();
      tell(static_cast<bool>(answer));
      if (!answer) continue;
      if (answer->lost) context_.note("events in between are no longer kept");
      cursor_ = answer->cursor;
      reading_ = print(answer->events);
    }
    return {};
  }

 private:
  Result<engine::EventList> ask(Query query) const {
    if (wanted_.name) query.emplace_back("process_name", *wanted_.name);
    return context_.client.get_as<engine::EventList>("/process/events", query);
  }

  /// Page by page, from the cursor or the time on.
  Result<void> read_all(std::vector<engine::Event>& events) {
    const Since since = wanted_.since.value_or(Since());
    cursor_ = since.seq.value_or(0);
    for (bool first = true;; first = false) {
      auto answer = ask({{"since", std::to_string(cursor_)}, {"limit", std::to_string(page)}});
      if (!answer) return answer.error();
      if (first && answer->lost && since.seq) context_.note("earlier events are no longer kept");
      cursor_ = answer->cursor;
      for (engine::Event& event : answer->events) {
        if (!since.time || event.time >= *since.time) events.push_back(std::move(event));
      }
      if (answer->events.size() < page) return {};
    }
  }

  bool print(const std::vector<engine::Event>& events) const {
    std::string text;
    for (const engine::Event& event : events) {
      text += context_.json ? jsonx::print_compact(codec::encode(event))
                            : event_line(event, columns_, context_.system.local_time, context_.style);
      text += '\n';
    }
    return text.empty() || context_.print(text);
  }

  // Once when the server goes away, once when it is back.
  void tell(bool there) {
    if (!there && !lost_server_)
      context_.note(fmt::format("lost {}; waiting for it", context_.client.display()));
    if (there && lost_server_) context_.note(fmt::format("{} is back", context_.client.display()));
    lost_server_ = !there;
  }

  Context& context_;
  Wanted wanted_;
  EventColumns columns_;
  std::int64_t cursor_ = 0;
  bool lost_server_ = false;
  bool reading_ = true;
};

}  // namespace

Result<ExitCode> run_events(Context& context, const Invocation& invocation) {
  auto wanted = wanted_of(context, invocation);
  if (!wanted) return wanted.error();
  Events events(context, std::move(*wanted));
  if (const auto begun = events.begin(); !begun) return begun.error();
  if (!invocation.has("--follow")) return ExitCode::success;
  if (const auto followed = events.follow(); !followed) return followed.error();
  return ExitCode::success;
}

}  // namespace dumb::cli
