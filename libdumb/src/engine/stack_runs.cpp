#include "engine/stack_runs.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace dumb::engine {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr auto token = asio::as_tuple(asio::use_awaitable);

}  // namespace

StackRuns::StackRuns(asio::io_context& context, supervisor::Supervisor& supervisor, logs::LogService& log,
                     std::size_t& tasks, Hooks hooks)
    : context_(context),
      supervisor_(supervisor),
      log_(log),
      tasks_(tasks),
      hooks_(std::move(hooks)),
      book_(system_clock(), book_hooks()) {}

StackBook::Hooks StackRuns::book_hooks() {
  StackBook::Hooks hooks;
  hooks.look = [this](const std::string& name) { return look(name); };
  hooks.perform = [this](const StackRunPtr& run, const std::string& name) { perform(run, name); };
  hooks.watch_health = [this](const StackRunPtr& run, const std::string& name) { watch_health(run, name); };
  hooks.over = [this](const StackRunPtr& run) {
    const auto waited_for = over_.find(run.get());
    if (waited_for != over_.end()) waited_for->second->cancel();
  };
  hooks.changed = [this] { hooks_.changed(); };
  return hooks;
}

ServiceView StackRuns::look(const std::string& process_name) const {
  const supervisor::ServiceInfo info = supervisor_.info(process_name);
  ServiceView view;
  view.running = info.state == supervisor::State::running;
  view.settled = info.settled;
  view.coming = supervisor_.coming(process_name);
  view.completed = info.completed;
  view.reason = info.reason;
  if (view.reason.empty() && info.ready && !*info.ready) view.reason = info.readiness_reason;
  return view;
}

asio::awaitable<void> StackRuns::wait(StackRunPtr run) {
  while (!run->rollout.over()) {
    Timer& known = over_[run.get()];
    if (!known) {
      known = std::make_shared<asio::steady_timer>(context_);
      known->expires_at(asio::steady_timer::time_point::max());
    }
    const Timer over = known;
    co_await over->async_wait(token);
    if (const auto mine = over_.find(run.get()); mine != over_.end() && mine->second == over)
      over_.erase(mine);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return;
  }
}

void StackRuns::perform(const StackRunPtr& run, const std::string& process_name) {
  ++tasks_;
  auto ended = [this, run, process_name](std::exception_ptr error) {
    --tasks_;
    if (error) book_.ended(run, process_name, "the operation ended by an exception");
  };
  asio::co_spawn(context_, step(run, process_name), std::move(ended));
}

asio::awaitable<void> StackRuns::step(StackRunPtr run, std::string process_name) {
  std::optional<std::string> failure;
  hooks_.begins(*run, process_name);
  if (run->stops) {
    hooks_.stopping(process_name);
    const Result<void> stopped = co_await supervisor_.stop_and_wait(process_name);
    if (!stopped) failure = stopped.error().message();
    if (failure) log_.error(process_name + " could not be stopped: " + *failure);
  } else {
    if (const Rollout::Entry* entry = run->rollout.find(process_name); entry != nullptr) {
      for (const std::string& warning : entry->warnings)
        log_.warning(process_name + " is started without " + warning);
    }
    const auto asker = run->operation == "boot" ? supervisor::Asker::boot : supervisor::Asker::hand;
    Result<void> started = co_await supervisor_.start_and_settle(process_name, asker);
    // A restart in between gives up one start for another: that one counts.
    while (!started && started.error().is(Errc::cancelled) && supervisor_.coming(process_name))
      started = co_await supervisor_.start_and_settle(process_name, asker);
    if (!started) failure = started.error().message();
  }
  book_.ended(run, process_name, failure);
}

void StackRuns::watch_health(const StackRunPtr& run, const std::string& process_name) {
  if (!polled_.emplace(run.get(), process_name).second) return;
  ++tasks_;
  auto ended = [this, run, process_name](std::exception_ptr) {
    --tasks_;
    polled_.erase({run.get(), process_name});
  };
  asio::co_spawn(context_, poll_health(run, process_name), std::move(ended));
}

/// Probes a running service until it is healthy: often at first, then once a second.
asio::awaitable<void> StackRuns::poll_health(StackRunPtr run, std::string process_name) {
  const auto timer = std::make_shared<asio::steady_timer>(context_);
  const SteadyTime begun = system_clock().now();
  milliseconds pause{10};
  bool told = false;
  while (StackBook::awaits_health(*run, process_name) &&
         supervisor_.info(process_name).state == supervisor::State::running) {
    auto probe = hooks_.probe(process_name);
    const health::Verdict verdict = co_await std::move(probe);
    if (verdict.healthy) {
      book_.healthy(run, process_name);
      co_return;
    }
    if (!told && system_clock().now() - begun >= hooks_.health_limit()) {
      told = true;
      book_.unhealthy(run, process_name, "is not healthy: " + verdict.reason);
    }
    timer->expires_after(pause);
    polls_.insert(timer);
    co_await timer->async_wait(token);
    polls_.erase(timer);
    pause = std::min(pause * 3 / 2, milliseconds(1'000));
  }
}

void StackRuns::call_off_all(const std::string& reason) {
  book_.call_off_all(reason);
  for (const Timer& timer : polls_) timer->cancel();
}

}  // namespace dumb::engine
