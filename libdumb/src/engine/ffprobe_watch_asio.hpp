#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <dumb/base/log.hpp>
#include <dumb/supervisor/helper.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/ffprobe_monitor.hpp"

namespace dumb::engine {

/// The process table; name and arguments are read of processes in `state` only. nullopt when not all
/// processes can be seen. Blocking.
std::optional<std::vector<SeenProcess>> scan_for_ffprobe(char state);

/// What watch_ffprobe() asks of its owner; everything outlives it. Functions are called on its executor.
struct FfprobeWatch {
  boost::asio::thread_pool* workers = nullptr;  ///< where /proc is read
  Log* log = nullptr;
  std::function<FfprobeSettings()> settings;  ///< asked at each cycle
  std::function<std::vector<FfprobeTarget>()> targets;
  std::function<supervisor::LaunchSpec()> launch;  ///< environment, directory and identity of a read
  char state = 'D';                                ///< what makes an ffprobe count as hanging
  /// Cancelled by the owner when settings or targets may have changed. With it, a monitor that is off or has
  /// nothing to watch sleeps until then; without it, it looks once an interval.
  std::shared_ptr<boost::asio::steady_timer> changes;
};

/// Runs the monitor until it is cancelled. Its reads are killed then; one that sleeps uninterruptibly and
/// cannot be is left behind after a second (LIF-136).
boost::asio::awaitable<void> watch_ffprobe(FfprobeWatch watch);

}  // namespace dumb::engine
