#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <dumb/base/json.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// What a service waits for before it is launched (LIF-42 to LIF-48).
namespace dumb::supervisor {

struct UrlWait {
  std::string url;
  std::string user, password;
  std::string method;  ///< empty: by the path (LIF-44)
  std::vector<std::pair<std::string, std::string>> headers;
  std::chrono::milliseconds timeout{10'000};  ///< of one attempt
  std::string expected_json_path;             ///< dotted; empty: none
};

struct WaitPlan {
  std::vector<std::filesystem::path> directories;  ///< mapped beneath the root
  std::vector<std::filesystem::path> mounts;
  std::vector<UrlWait> urls;
  /// Names of what is waited for as the configuration spells it, by mapped path.
  Root root;
  std::optional<std::chrono::milliseconds> limit;  ///< of the whole wait (API-32); nullopt: none
  std::chrono::milliseconds url_limit{600'000};    ///< of all URLs together (LIF-44)
  bool empty() const { return directories.empty() && mounts.empty() && urls.empty(); }
};

/// The waits of a block: every accepted spelling of `wait_for_dir`, `wait_for_mounts`, `wait_for_url`. Pure.
WaitPlan waits_of(const json::object& block, const Root& root);

/// "GET" or "PROPFIND" for a URL's path (LIF-44). Pure.
std::string probe_method(std::string_view target);
/// Whether the dotted path exists in a JSON text. Pure.
bool has_json_path(std::string_view body, std::string_view dotted);

/// Waits until everything of the plan holds: directories and mounts first, then the URLs. Event-driven
/// (inotify, mountinfo) with slow re-checks; URL probes run concurrently and back off. `progress` gets the
/// list of what is missing at the start and whenever it changes. Mounts are tried on `workers`, never on this
/// thread. Fails with Errc::timed_out naming the unmet condition, Errc::cancelled on cancellation.
boost::asio::awaitable<Result<void>> wait_for(WaitPlan plan, boost::asio::thread_pool& workers,
                                              std::function<void(std::string)> progress);

}  // namespace dumb::supervisor
