#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <dumb/base/log.hpp>
#include <dumb/supervisor/launch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace dumb::supervisor {

/// A short-lived child of setup, build or update (LIF-1, LIF-30).
struct HelperSpec {
  LaunchSpec launch;  ///< its standard descriptors are set up here
  std::string owner;  ///< "<service>:<helper>", prefixes its lines in the log
  std::string input;  ///< written to standard input, then closed
  std::chrono::milliseconds timeout{60'000};
  std::chrono::milliseconds kill_wait{5'000};          ///< from SIGKILL until it is left behind
  Log* log = nullptr;                                  ///< every output line goes there; null: only returned
  std::function<void(std::string_view line)> on_line;  ///< called with every output line; may be empty
  std::shared_ptr<void> until_reaped;  ///< let go of when the process is gone, whenever that is
};

struct HelperResult {
  ExitStatus status;
  std::string output;  ///< last 64 KiB of standard output and error, in order of arrival
  bool timed_out = false;
  bool left_behind = false;  ///< after the timeout SIGKILL did not end it either; `status` says nothing
};

/// Runs a helper to its end on the executor of the awaiting coroutine. On cancellation or timeout its whole
/// process group is killed and reaped before this returns. One that even SIGKILL does not end in `kill_wait`
/// (uninterruptible sleep) is left behind, with a warning to `log`: neither `log` nor `on_line` is used any
/// more, and it is reaped whenever it ends, as long as the executor runs. Fails with Errc::spawn_failed or
/// Errc::cancelled.
boost::asio::awaitable<Result<HelperResult>> run_helper(HelperSpec spec);

}  // namespace dumb::supervisor
