#include "engine/ffprobe_watch_asio.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <utility>

#include "base/offload.hpp"
#include "supervisor/event_asio.hpp"

namespace dumb::engine {
namespace {

namespace asio = boost::asio;
using Outcome = Result<supervisor::HelperResult>;

constexpr std::chrono::hours no_limit{24};
constexpr std::chrono::milliseconds settling{100};  // changes come in crowds

/// The reads under way. Their handlers keep it alive, and it refers to nothing of the owner: a read that
/// sleeps uninterruptibly may end long after the watch.
struct Reads {
  struct Read {
    asio::cancellation_signal stop;
    std::string path;
    std::string process_name;
  };
  std::list<Read> open;
  std::vector<std::pair<FfprobeMonitor::Poke, Outcome>> ended;
};

void begin(const asio::any_io_executor& executor, const std::shared_ptr<Reads>& reads,
           const FfprobeMonitor::Poke& poke, supervisor::HelperSpec spec) {
  const auto read = reads->open.emplace(reads->open.end());
  read->path = poke.path;
  read->process_name = poke.process_name;
  auto done = [reads, read, poke](std::exception_ptr error, Outcome outcome) {
    if (error) outcome = Error(Errc::spawn_failed, "the read ended by an exception");
    reads->open.erase(read);
    reads->ended.emplace_back(poke, std::move(outcome));
  };
  asio::co_spawn(executor, supervisor::run_helper(std::move(spec)),
                 asio::bind_cancellation_slot(read->stop.slot(), std::move(done)));
}

void report(const FfprobeWatch& watch, const FfprobeMonitor::Poke& poke, const Outcome& outcome) {
  const std::string what = "ffprobe monitor: reading " + poke.path + " for " + poke.process_name + " ";
  if (!outcome) {
    watch.log->warning(what + "failed: " + outcome.error().to_string());
  } else if (outcome->timed_out) {
    watch.log->warning(what + "did not end in time");
  } else if (!outcome->status.success()) {
    watch.log->warning(what + "ended with " + outcome->status.to_string());
  } else {
    watch.log->info(what + "succeeded");
  }
}

asio::awaitable<void> one_cycle(std::shared_ptr<FfprobeWatch> watch, std::shared_ptr<FfprobeMonitor> monitor,
                                std::shared_ptr<Reads> reads) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  for (const auto& [poke, outcome] : std::exchange(reads->ended, {})) {
    monitor->finished(poke.path);
    report(*watch, poke, outcome);
  }
  const FfprobeSettings settings = watch->settings();
  const std::vector<FfprobeTarget> targets = watch->targets();
  if (const auto line = monitor->change(settings, targets)) watch->log->info(*line);
  if (!settings.enabled || targets.empty()) co_return;
  auto scan = [state = watch->state] { return scan_for_ffprobe(state); };
  const std::optional<std::vector<SeenProcess>> table = co_await offload(*watch->workers, scan);
  const auto cancelled = co_await asio::this_coro::cancellation_state;
  if (!table || cancelled.cancelled() != asio::cancellation_type::none) co_return;
  for (const FfprobeMonitor::Poke& poke : monitor->cycle(settings, targets, *table, system_clock().now())) {
    supervisor::HelperSpec spec;
    spec.launch = watch->launch();
    spec.launch.argv = poke_command(settings, poke.path);
    spec.owner = poke.process_name + ":ffprobe";
    spec.timeout = settings.poke_timeout;
    begin(executor, reads, poke, std::move(spec));
  }
}

/// Only a change can give it something to do.
bool idle(const FfprobeWatch& watch, const Reads& reads) {
  if (!watch.changes || !reads.open.empty() || !reads.ended.empty()) return false;
  return !watch.settings().enabled || watch.targets().empty();
}

}  // namespace

asio::awaitable<void> watch_ffprobe(FfprobeWatch given) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto watch = std::make_shared<FfprobeWatch>(std::move(given));
  const auto monitor = std::make_shared<FfprobeMonitor>(watch->state);
  const auto reads = std::make_shared<Reads>();
  asio::steady_timer timer(executor);
  for (bool going = true; going;) {
    try {
      co_await one_cycle(watch, monitor, reads);
    } catch (const std::exception& error) {
      watch->log->error("ffprobe monitor: " + std::string(error.what()));
    }
    std::chrono::milliseconds interval = watch->settings().interval;
    if (idle(*watch, *reads)) {
      going = co_await supervisor::pause_for(*watch->changes, no_limit);
      if (!going) break;
      interval = std::min(interval, settling);
    }
    going = co_await supervisor::pause_for(timer, interval);
  }
  // What is killed here ends at once, unless the kernel does not let go of it.
  for (Reads::Read& read : reads->open) read.stop.emit(asio::cancellation_type::terminal);
  const auto deaf = asio::disable_cancellation();
  co_await asio::this_coro::reset_cancellation_state(deaf);
  const SteadyTime end = system_clock().now() + std::chrono::seconds(1);
  while (!reads->open.empty() && system_clock().now() < end) {
    co_await supervisor::pause_for(timer, std::chrono::milliseconds(5));
  }
  for (const Reads::Read& read : reads->open) {
    watch->log->warning("ffprobe monitor: the read of " + read.path + " cannot be ended and is left behind");
  }
}

}  // namespace dumb::engine
