#include "engine/event_recorder_asio.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <dumb/base/clock.hpp>
#include <utility>

#include "base/offload.hpp"

namespace dumb::engine {
namespace {

namespace asio = boost::asio;
constexpr auto token = asio::as_tuple(asio::use_awaitable);

using Timers = std::vector<asio::steady_timer*>;

std::string lines_of(const std::vector<Event>& events) {
  std::string lines;
  for (const Event& event : events)
    lines += event.state.empty() ? closing_line(event.seq) : event_line(event);
  return lines;
}

/// Lists a timer for as long as somebody waits on it. May outlive the recorder.
class Waiting {
 public:
  Waiting(std::shared_ptr<Timers> all, asio::steady_timer& timer) : all_(std::move(all)), timer_(timer) {
    all_->push_back(&timer_);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { std::erase(*all_, &timer_); }

 private:
  std::shared_ptr<Timers> all_;
  asio::steady_timer& timer_;
};

}  // namespace

EventRecorder::EventRecorder(Parts parts, EventFile file, std::size_t capacity)
    : parts_(parts),
      file_(std::move(file)),
      events_(capacity),
      capacity_(capacity),
      waiting_(std::make_shared<Timers>()) {
  auto stored = load_events(file_, capacity_);
  if (!stored) {
    parts_.log.warning("earlier events cannot be read: " + stored.error().to_string());
    return;
  }
  orderly_before_ = stored->orderly;
  events_.restore(std::move(stored->events), stored->next);
}

void EventRecorder::record(Event event) {
  if (closed_) return;
  event.time = unix_seconds(system_clock().wall());
  enqueue(events_.add(std::move(event)));
  wake();
}

void EventRecorder::move_to(EventFile file) {
  const bool same = file.path == file_.path;
  file_ = std::move(file);
  if (same) return;
  pending_.clear();  // they are among the known ones
  for (Event& event : events_.query(0, nullptr, capacity_).events) enqueue(std::move(event));
}

void EventRecorder::close() {
  if (std::exchange(closed_, true)) return;
  Event closing;
  closing.seq = events_.newest();
  enqueue(std::move(closing));
}

void EventRecorder::stop_waiting() {
  waiting_over_ = true;
  wake();
}

void EventRecorder::wake() {
  for (asio::steady_timer* timer : *waiting_) timer->cancel();
}

asio::awaitable<EventList> EventRecorder::query(EventQuery query, std::shared_ptr<const std::string> only) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto limit = static_cast<std::size_t>(query.limit);
  const auto timeout = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(query.timeout));
  const SteadyTime deadline = system_clock().now() + timeout;
  for (;;) {
    EventList answer = events_.query(query.since, only.get(), limit);
    if (!answer.events.empty() || answer.lost || waiting_over_ || system_clock().now() >= deadline)
      co_return answer;
    query.since = answer.cursor;
    asio::steady_timer timer(parts_.context);
    timer.expires_at(deadline);
    const Waiting waiting(waiting_, timer);
    co_await timer.async_wait(token);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return answer;
  }
}

void EventRecorder::enqueue(Event event) {
  pending_.push_back(std::move(event));
  trim();
  if (std::exchange(writing_, true)) return;
  ++parts_.tasks;
  auto done = [this](std::exception_ptr error) {
    if (error) writing_ = false;
    --parts_.tasks;
  };
  asio::co_spawn(parts_.context, write(), std::move(done));
}

/// What a file that cannot be written would hold is bounded as well.
void EventRecorder::trim() {
  if (pending_.size() <= capacity_) return;
  if (failing_) dropped_ += pending_.size() - capacity_;
  pending_.erase(pending_.begin(), pending_.end() - static_cast<std::ptrdiff_t>(capacity_));
}

asio::awaitable<void> EventRecorder::write() {
  // What happens in the same breath is written at once.
  co_await asio::post(parts_.context, token);
  while (!pending_.empty()) {
    const auto batch = std::make_shared<std::vector<Event>>(std::exchange(pending_, {}));
    auto work = [file = file_, batch] { return append_events(file, lines_of(*batch)); };
    const Result<void> written = co_await offload(parts_.workers, work);
    if (!written) {
      // They are tried again with the next event.
      pending_.insert(pending_.begin(), batch->begin(), batch->end());
      if (!std::exchange(failing_, true))
        parts_.log.warning("events cannot be kept: " + written.error().to_string());
      trim();
      break;
    }
    if (!std::exchange(failing_, false)) continue;
    const std::size_t lost = std::exchange(dropped_, 0);
    parts_.log.info("events are kept again" +
                    (lost == 0 ? std::string() : "; " + std::to_string(lost) + " are missing in their file"));
  }
  writing_ = false;
}

}  // namespace dumb::engine
