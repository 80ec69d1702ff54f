#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <dumb/base/log.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/supervisor/launch.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// Interpreter of the catalogue's setup steps (SVC 7).
namespace dumb::setup {

/// What a phase may ask of its surroundings. All pointers outlive the call.
struct Context {
  const catalog::Catalog* catalog = nullptr;
  config::SnapshotPtr config;
  config::BlockRef block;
  Root root;
  Root host;  ///< where the machine's own files (/etc, /usr, /bin, /tmp) are; tests put a prefix here
  std::optional<supervisor::Identity> service_user;  ///< nullopt: not root, nothing is changed (LIF-6)
  config::Environment environment;                   ///< what helpers inherit
  Log* log = nullptr;
  boost::asio::thread_pool* workers = nullptr;  ///< where blocking file work runs
  std::function<bool(std::string_view process_name)>
      is_running;  ///< called on the awaiting coroutine's executor
  /// Repairs Plex's database before it starts and fails only when cancelled (SVC-195); empty: not to be had,
  /// the step fails.
  std::function<boost::asio::awaitable<Result<void>>()> repair_plex;
  /// Names a directory only this server writes to, for password files and the like (0700).
  std::filesystem::path private_directory;
};

/// What a phase decided. Nothing of it has been applied to the configuration.
struct Outcome {
  json::object generated;            ///< members for the generated layer: command, env, wait_for_url …
  json::object persisted;            ///< members to save in the user's file
  std::vector<std::string> changed;  ///< files and directories it wrote, unmapped
  /// A companion to launch (LIF-1), from a `launch` step.
  struct Companion {
    std::string process_name;
    std::vector<std::string> argv;
    std::vector<std::string> env;
  };
  std::vector<Companion> companions;
  /// Steps of post-start that nothing waits for (SVC-19): for reconcile(), while the service runs.
  json::array background;
  bool restart_needed = false;  ///< a step marked restart_if_changed changed something (SVC-20)
};

/// Codes of SVC-33 in their own error category: `Error::code()` of a failed step.
enum class Failure {
  missing_field = 1,
  missing_file,
  missing_binary,
  not_installed,
  bad_file,
  bad_value,
  conflict,
  dependency_not_running,
  unsupported_arch,
  unsupported_provider,
  release_not_found,
  branch_not_found,
  no_matching_asset,
  rate_limited,
  download_failed,
  too_large,
  checksum_mismatch,
  archive_corrupt,
  archive_unsafe,
  disk_full,
  build_failed,
  package_failed,
  permission_denied,
  timeout,
  database_failed,
  api_failed,
  cancelled,
};
BOOST_DESCRIBE_ENUM(Failure, missing_field, missing_file, missing_binary, not_installed, bad_file, bad_value,
                    conflict, dependency_not_running, unsupported_arch, unsupported_provider,
                    release_not_found, branch_not_found, no_matching_asset, rate_limited, download_failed,
                    too_large, checksum_mismatch, archive_corrupt, archive_unsafe, disk_full, build_failed,
                    package_failed, permission_denied, timeout, database_failed, api_failed, cancelled)
boost::system::error_code make_error_code(Failure code) noexcept;

/// Runs the configure steps of the block's service. Custom services succeed with an empty outcome. Runs on
/// the executor of the awaiting coroutine; file work on `workers`. Honours cancellation within 2 s (SVC-21).
/// The error's `where` is "<service> step <n> (<do>)".
boost::asio::awaitable<Result<Outcome>> configure(Context context);
/// The same for the post-start steps; the service is running.
boost::asio::awaitable<Result<Outcome>> post_start(Context context);
/// What a post-start left to be done beside the running service: instances linked to each other. False when
/// something could not be reached, which was logged; the same call may be repeated and changes nothing that is
/// right (SVC-161). Fails with Failure::cancelled.
boost::asio::awaitable<Result<bool>> reconcile(Context context, json::array steps);

}  // namespace dumb::setup

template <>
struct boost::system::is_error_code_enum<dumb::setup::Failure> : std::true_type {};
