// What the running services use, measured while somebody asks.
#include <algorithm>
#include <utility>

#include "engine/impl.hpp"

namespace dumb::engine {
namespace {

/// Rates over a longer time than this say nothing of now.
constexpr std::chrono::seconds longest_interval{30};
constexpr std::chrono::milliseconds first_interval{250};

Usage usage_of(const std::vector<supervisor::UsageTarget>& targets,
               const std::vector<supervisor::UsageMeter::Reading>& readings,
               const supervisor::UsageSample& sample, double interval, WallTime now) {
  Usage usage;
  usage.sampled_at = unix_seconds(now);
  usage.interval_seconds = interval;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const supervisor::TreeUsage& tree = readings[i].tree;
    if (tree.processes == 0) continue;  // has ended while it was looked at
    ServiceUsage& service = usage.services.emplace_back();
    service.process_name = targets[i].process_name;
    service.pid = targets[i].leader;
    service.processes = tree.processes;
    service.threads = tree.threads;
    service.cpu_percent = readings[i].cpu_percent;
    service.cpu_seconds = tree.cpu_seconds;
    service.memory_bytes = tree.memory_bytes;
    service.open_files = tree.open_files;
    service.restarts = targets[i].restarts;
    if (targets[i].since) {
      const std::chrono::duration<double> up = sample.at - *targets[i].since;
      service.uptime_seconds = std::max(0.0, up.count());
    }
    usage.totals.processes += service.processes;
    usage.totals.threads += service.threads;
    usage.totals.cpu_percent += service.cpu_percent;
    usage.totals.cpu_seconds += service.cpu_seconds;
    usage.totals.memory_bytes += service.memory_bytes;
    usage.totals.open_files += service.open_files;
  }
  return usage;
}

}  // namespace

asio::awaitable<void> Engine::Impl::sample_usage() {
  std::vector<supervisor::UsageTarget> targets = supervisor.usage_targets();
  auto work = [targets] { return supervisor::take_usage_sample(targets); };
  const supervisor::UsageSample sample = co_await offload(workers, work);
  const auto readings = measured.meter.add(targets, sample);
  const double interval = std::chrono::duration<double>(measured.meter.interval()).count();
  measured.last = usage_of(targets, readings, sample, interval, system_clock().wall());
}

/// One at a time measures, for all who ask meanwhile. Nothing is measured while nobody asks.
asio::awaitable<Usage> Engine::Impl::usage() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (measured.under_way) {
    const auto event = measured.under_way;
    const std::optional<bool> over = co_await supervisor::OneShot<bool>::wait(event);
    if (!over) co_return measured.last;
  }
  const auto last = measured.meter.last();
  const auto age = last ? system_clock().now() - *last : Duration::max();
  if (age < options.usage_interval) co_return measured.last;
  measured.under_way = std::make_shared<supervisor::OneShot<bool>>(context.get_executor());
  struct Over {
    Measured& measured;
    ~Over() { std::exchange(measured.under_way, nullptr)->set(true); }
  } const over{measured};
  if (age > longest_interval) {
    measured.meter = supervisor::UsageMeter();
    co_await sample_usage();
    asio::steady_timer timer(context);
    co_await supervisor::pause_for(timer, first_interval);
  }
  co_await sample_usage();
  co_return measured.last;
}

}  // namespace dumb::engine
