#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <dumb/base/log.hpp>
#include <dumb/supervisor/launch.hpp>
#include <dumb/supervisor/readiness.hpp>
#include <functional>
#include <memory>

#include "supervisor/event_asio.hpp"
#include "supervisor/notify_posix.hpp"
#include "supervisor/proc_posix.hpp"

namespace dumb::supervisor {

/// What the watch over one run of a service needs.
struct ReadinessWatch {
  Readiness settings;
  LaunchSpec launch;                    ///< of the service: an exec probe runs as it does
  Membership members;                   ///< whose notifications count
  std::shared_ptr<OneShot<bool>> line;  ///< happens when the awaited line was written
  NotifySocket notify;
  bool ready = false;  ///< it was found ready already
  boost::asio::thread_pool* workers = nullptr;
  std::chrono::milliseconds kill_wait{5'000};       ///< of an exec probe
  Log* log = nullptr;                               ///< hears of an exec probe that cannot be ended
  std::shared_ptr<void> probes;                     ///< shared with every exec probe that is not reaped yet
  std::function<void(const ReadinessState&)> tell;  ///< called whenever the state or its reason changes
};

/// Watches until it is cancelled; a log line is awaited once (LIF-137, LIF-138, LIF-140). Runs on the
/// executor of the awaiting coroutine.
boost::asio::awaitable<void> watch_readiness(ReadinessWatch watch);

}  // namespace dumb::supervisor
