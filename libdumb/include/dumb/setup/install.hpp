#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <dumb/setup/setup.hpp>
#include <filesystem>
#include <string>

/// Software on disk: releases found, downloaded, verified, unpacked, built, and put in the place of the
/// version before (SVC 3 to 5). A service keeps running until activate_install().
namespace dumb::setup {

/// Bounds of SVC-59.
struct InstallLimits {
  std::uint64_t max_download_mib = 4096;
  std::uint64_t max_archive_entries = 250'000;
  std::uint64_t max_unpacked_gib = 50;
  std::uint64_t cache_gib = 25;
  int kept_trees = 2;
};

struct InstallOptions {
  Context context;
  InstallLimits limits;
  std::filesystem::path cache;            ///< a directory of this program's own (SVC-59), mapped
  std::string product = "dumb";           ///< name and version, for User-Agent
  std::chrono::seconds patience{300};     ///< the longest a rate limit is waited for
  std::chrono::milliseconds pause{1000};  ///< before the second attempt of what failed on the way
  /// Wanted for this run only (SVC-99): "latest", "nightly", "prerelease"; empty: what the configuration
  /// says.
  std::string asked;
  /// The version found by other means, for an installation this program has not made. Empty: unknown.
  std::string installed;
  /// Install even what was taken back once, because it did not become healthy.
  bool refused_too = false;
  /// Ask the server again even where an answer is known.
  bool force = false;
};

/// Where downloads are kept: DUMB_CACHE_DIR of the environment, else /config/.cache/dumb; mapped (SVC-59).
std::filesystem::path cache_directory(const Context& context);
/// Options with the usual limits for this context.
InstallOptions install_options(const Context& context);
/// The directory the block's service is installed in, mapped; services of one root share their software
/// (SVC-80). Empty: none.
std::filesystem::path install_root(const Context& context);
/// Why the configuration keeps an update from being installed (SVC-88): "pinned_version", "branch",
/// "release", or nothing. Pure.
std::string update_block_reason(const json::object& block);
/// What an update means for the block: "latest", "nightly" or "prerelease"; `asked` wins when it is one of
/// the last two. Pure.
std::string update_target(const json::object& block, std::string_view asked);
Error make_failure(Failure code, std::string message);
/// Whether this program can install the block's service from a release server.
bool can_install(const Context& context);
/// Whether the software of the block's service is there, by its marks. Blocking.
bool is_installed(const Context& context);

struct UpdateCheck {
  std::string current, available;  ///< versions; empty: unknown
  bool newer = false;
  std::string reason;  ///< why the configuration keeps it from being installed (SVC-88); empty: it does not
};
/// What there is to be installed instead of the present version. Changes nothing but the cache (SVC-91).
/// Fails with a Failure. Honours cancellation, as all of these.
boost::asio::awaitable<Result<UpdateCheck>> check_update(InstallOptions options);

struct Prepared {
  bool changed = false;  ///< false: the right version is there; nothing else is set
  std::string tree, version, sha256;
  json::object persisted;  ///< members to save in the user's file once it is in use
};
/// Everything up to a complete tree; what runs is not touched (SVC-73, SVC-78). An update is asked for by
/// `options.asked`. Fails with a Failure, `where` naming service and stage.
boost::asio::awaitable<Result<Prepared>> prepare_install(InstallOptions options);
/// Puts the prepared tree in use. The service does not run.
boost::asio::awaitable<Result<void>> activate_install(InstallOptions options, Prepared prepared);
/// The version in use is proven: what is not needed any more is removed.
boost::asio::awaitable<Result<void>> commit_install(InstallOptions options);
/// Back to the version before; the service does not run. Returns that version, empty when there was none.
boost::asio::awaitable<Result<std::string>> roll_back_install(InstallOptions options);

/// What an earlier run of the program left behind is finished or undone (SVC-77). True: a version is in use
/// that has not been proven yet.
boost::asio::awaitable<Result<bool>> recover_install(InstallOptions options);

/// prepare and activate, for a service that does not run. commit_install() or roll_back_install() follows.
boost::asio::awaitable<Result<Prepared>> install(InstallOptions options);

}  // namespace dumb::setup
