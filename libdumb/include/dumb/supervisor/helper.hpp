#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <dumb/base/log.hpp>
#include <dumb/supervisor/launch.hpp>
#include <functional>
#include <string>
#include <string_view>

namespace dumb::supervisor {

/// A short-lived child of setup, build or update (LIF-1, LIF-30).
struct HelperSpec {
  LaunchSpec launch;  ///< its standard descriptors are set up here
  std::string owner;  ///< "<service>:<helper>", prefixes its lines in the log
  std::string input;  ///< written to standard input, then closed
  std::chrono::milliseconds timeout{60'000};
  Log* log = nullptr;                                  ///< every output line goes there; null: only returned
  std::function<void(std::string_view line)> on_line;  ///< called with every output line; may be empty
};

struct HelperResult {
  ExitStatus status;
  std::string output;  ///< last 64 KiB of standard output and error, in order of arrival
  bool timed_out = false;
};

/// Runs a helper to its end on the executor of the awaiting coroutine. On cancellation or timeout its whole
/// process group is killed and reaped before this returns. Fails with Errc::spawn_failed or Errc::cancelled.
boost::asio::awaitable<Result<HelperResult>> run_helper(HelperSpec spec);

}  // namespace dumb::supervisor
