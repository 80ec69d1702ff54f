#pragma once

#include <sys/types.h>
#include <atomic>
#include <dumb/base/clock.hpp>
#include <dumb/base/log.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <filesystem>
#include <functional>
#include <vector>

/// What is done to the machine at boot, when the program runs as root (LIF-122 to LIF-124).
namespace dumb::setup {

/// All pointers outlive the call.
struct HostOptions {
  Root root;
  /// Where passwd, group and shadow are.
  std::filesystem::path etc = "/etc";
  config::SnapshotPtr config;
  const catalog::Catalog* catalog = nullptr;
  Log* log = nullptr;  ///< null: nothing is logged
  uid_t uid = 0;       ///< of the service user
  gid_t gid = 0;
  bool is_root = false;  ///< false: nothing is touched, one log line for each step left out (LIF-6)
  /// When it becomes true, the call ends early; the next boot takes up what was left.
  const std::atomic<bool>* stop = nullptr;
  const Clock* clock = &system_clock();
  std::function<std::vector<supervisor::Mount>()> mounts = &supervisor::read_mounts;
};

/// Makes the service user, then the data links, then sets owners. Beneath a root other than "/" the user
/// database, which is the machine's, is neither read nor written. Fails when the service user cannot be made,
/// with the errno of the failed call or Errc::timed_out when the database is locked for 15 s; the data links
/// and owners are seen to all the same, and what goes wrong there is logged as a warning. Blocking, for as
/// long as it takes to copy the data of a service: call on a worker.
Result<void> prepare_host(const HostOptions& options);

}  // namespace dumb::setup
