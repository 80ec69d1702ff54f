// What the live channels show.
#include "engine/live.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <dumb/base/codec_text.hpp>

#include "engine/feeds.hpp"
#include "engine/impl.hpp"

namespace dumb::engine {

std::shared_ptr<FeedHub> Engine::Impl::make_feeds() {
  FeedHub::Parts parts{context, log, [this]() -> auth::Service& { return auth(); },
                       [this](bool health) { return live_status(health); }};
  return std::make_shared<FeedHub>(std::move(parts));
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
      break;
  }
  return nullptr;
}

}  // namespace dumb::engine
