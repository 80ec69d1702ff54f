// What the live channels show.
#include "engine/live.hpp"

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <dumb/base/codec_text.hpp>
#include <dumb/engine/metrics.hpp>

#include "engine/feeds.hpp"
#include "engine/impl.hpp"
#include "engine/metrics_service.hpp"

namespace dumb::engine {

std::shared_ptr<FeedHub> Engine::Impl::make_feeds() {
  using Deliver = FeedHub::Parts::Deliver;
  FeedHub::Parts parts{context,
                       log,
                       [this]() -> auth::Service& { return auth(); },
                       [this](bool health) { return live_status(health); },
                       [this](std::chrono::milliseconds age, Deliver deliver) {
                         deliver_message(metrics_service->snapshot(age), std::move(deliver));
                       },
                       [this](realtime::Request request, Deliver deliver) {
                         deliver_message(first_metrics(std::move(request)), std::move(deliver));
                       }};
  return std::make_shared<FeedHub>(std::move(parts));
}

/// Runs `work`, and hands over what it gives, or null.
void Engine::Impl::deliver_message(asio::awaitable<realtime::Message> work,
                                   std::function<void(realtime::Message)> deliver) {
  if (shutting_down) return deliver(nullptr);
  ++background;
  auto ended = [this, deliver = std::move(deliver)](const std::exception_ptr& failure,
                                                    realtime::Message message) {
    --background;
    deliver(failure ? nullptr : std::move(message));
  };
  asio::co_spawn(context, std::move(work), std::move(ended));
}

/// UI-99.
asio::awaitable<realtime::Message> Engine::Impl::first_metrics(realtime::Request request) {
  metrics::HistoryQuery query;
  query.since = request.history_since;
  query.full = request.history_full;
  query.limit = request.history_limit;
  query.bucket_seconds = request.history_bucket;
  query.max_points = request.history_points;
  if (!request.bootstrap) {
    auto reading = metrics_service->history(query);
    HistoryItems found = co_await std::move(reading);
    MetricsHistory message;
    message.items = std::move(found.items);
    message.truncated = found.truncated;
    co_return std::make_shared<const std::string>(codec::to_text(message));
  }
  auto looking = metrics_service->snapshot(std::chrono::seconds(1));
  const realtime::Message snapshot = co_await std::move(looking);
  auto reading = metrics_service->series(query);
  const metrics::SeriesAnswer series = co_await std::move(reading);
  // The members of the series follow the two of the message itself.
  std::string text = R"({"type":"bootstrap","snapshot":)" + (snapshot ? *snapshot : "null") + ',';
  text.append(codec::to_text(series), 1);
  co_return std::make_shared<const std::string>(std::move(text));
}

std::shared_ptr<MetricsService> Engine::Impl::make_metrics() {
  return std::make_shared<MetricsService>(MetricsService::Parts{context, workers, log, root(), background,
                                                                [this] { return config(); },
                                                                [this] { return managed_processes(); }});
}

/// What runs, in the order of the document.
std::vector<metrics::Managed> Engine::Impl::managed_processes() const {
  std::vector<metrics::Managed> out;
  const config::SnapshotPtr snapshot = config();
  for (const config::BlockRef& ref : snapshot->blocks()) {
    const supervisor::ServiceInfo info = supervisor.info(ref.process_name);
    metrics::Managed managed;
    managed.name = ref.process_name;
    managed.pid = is_api(ref) ? ::getpid() : supervisor::is_running(info.state, info.pid) ? info.pid : 0;
    if (managed.pid <= 0) continue;
    for (const std::string& path : watched_paths(snapshot->effective(), snapshot->block(ref)))
      managed.paths.push_back({path, root().map(path)});
    for (const health::Endpoint& endpoint : health::endpoints_of(snapshot->block(ref)))
      managed.ports.push_back(endpoint.port);
    out.push_back(std::move(managed));
  }
  return out;
}

asio::awaitable<Text> Engine::metrics() {
  auto looking = impl_->metrics_service->snapshot(std::chrono::seconds(1));
  const realtime::Message snapshot = co_await std::move(looking);
  co_return Text{"application/json", snapshot ? *snapshot : "{}"};
}

asio::awaitable<metrics::SeriesAnswer> Engine::metrics_series(metrics::HistoryQuery query) {
  auto looking = impl_->metrics_service->series(std::move(query));
  co_return co_await std::move(looking);
}

asio::awaitable<HistoryItems> Engine::metrics_history(metrics::HistoryQuery query) {
  auto looking = impl_->metrics_service->history(std::move(query));
  co_return co_await std::move(looking);
}

/// Every process of GET /process/processes in its order, then what else there is (UI-96).
std::string Engine::Impl::live_status(bool health) {
  const graph::ProcessStates states = process_states();
  LiveStatus all;
  std::set<std::string> seen;
  const auto add = [&](const std::string& name) {
    if (seen.insert(name).second) all.processes.push_back(live_entry(name, states));
  };
  for (const config::BlockRef& ref : config()->blocks()) add(ref.process_name);
  for (const supervisor::ServiceInfo& info : supervisor.all()) add(info.process_name);
  if (!health) {
    LiveNames names;
    for (const LiveEntry& entry : all.processes) {
      if (entry.status == "running") names.running.push_back(entry.process_name);
    }
    return codec::to_text(names);
  }
  for (const LiveEntry& entry : all.processes) {
    if (entry.status == "running") renew_verdict(entry.process_name);
  }
  return codec::to_text(all);
}

LiveEntry Engine::Impl::live_entry(const std::string& process_name,
                                   const graph::ProcessStates& states) const {
  LiveEntry entry;
  entry.process_name = process_name;
  const Result<ServiceStatus> plain = status(process_name, &states);
  if (!plain) {  // it has gone since it was listed
    entry.status = "stopped";
    return entry;
  }
  entry.status = plain->status;
  entry.state = plain->state;
  entry.state_reason = plain->state_reason;
  const supervisor::ServiceInfo info = supervisor.info(process_name);
  entry.restart = restart_info(info);
  judge_health(entry, info);
  return entry;
}

/// From what is known already: nothing is probed for it (UI-97).
void Engine::Impl::judge_health(LiveEntry& entry, const supervisor::ServiceInfo& info) const {
  if (entry.status == "idle") {
    entry.healthy = true;
    return;
  }
  if (entry.status != "running") {
    // Nobody asked for that; a stop somebody asked for, or no start, is nothing unhealthy.
    if (!info.ended_unasked && info.state != supervisor::State::failed) return;
    entry.healthy = false;
    entry.health_reason =
        redacted("not running" + (info.reason.empty() ? std::string() : ": " + info.reason));
    return;
  }
  const auto* ref = config()->find(entry.process_name);
  if ((ref == nullptr && is_repair(entry.process_name)) || (ref != nullptr && is_api(*ref))) {
    entry.healthy = true;
    return;
  }
  if (info.ready) {
    entry.healthy = *info.ready;
    if (!*info.ready) entry.health_reason = redacted(readiness_text(info));
    return;
  }
  const auto known = verdicts.find(entry.process_name);
  if (known == verdicts.end() || known->second.at == SteadyTime()) return;
  entry.healthy = known->second.verdict.healthy;
  if (!*entry.healthy) entry.health_reason = redacted(known->second.verdict.reason);
}

/// Has a running service probed when its verdict has aged; a changed one is told.
void Engine::Impl::renew_verdict(const std::string& process_name) {
  if (shutting_down || supervisor.info(process_name).ready) return;
  const auto known = verdicts.find(process_name);
  std::optional<health::Verdict> before;
  if (known != verdicts.end()) {
    if (known->second.under_way || system_clock().now() - known->second.at < verdict_age) return;
    before = known->second.verdict;
  }
  ++background;
  auto ended = [this, before](const std::exception_ptr& failure, const health::Verdict& verdict) {
    --background;
    if (!failure && before != verdict) feeds->changed();
  };
  asio::co_spawn(context, verdict_of(process_name), std::move(ended));
}

std::shared_ptr<Feed> Engine::feed(realtime::Channel channel, realtime::Request request) {
  switch (channel) {
    case realtime::Channel::logs:
      return impl_->feeds->logs(std::move(request));
    case realtime::Channel::status:
      return impl_->feeds->status(std::move(request));
    case realtime::Channel::metrics:
      return impl_->feeds->metrics(std::move(request));
  }
  return nullptr;
}

}  // namespace dumb::engine
