#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <dumb/base/clock.hpp>
#include <dumb/base/root.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/supervisor/launch.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The installed versions of services (SVC-43, API-87 to API-101).
namespace dumb::setup {

struct VersionOptions {
  const catalog::Catalog* catalog = nullptr;  ///< outlives the cache
  Root root;
  config::Environment environment;                   ///< what commands inherit, and DUMB_VERSION
  std::string build_version;                         ///< of this program, for dumb_api_service
  std::optional<supervisor::Identity> service_user;  ///< whom commands run as; nullopt: as this process
  boost::asio::thread_pool* workers = nullptr;  ///< where files are read; outlives the cache. Null: in place
  const Clock* clock = &system_clock();
};

struct VersionQuery {
  config::SnapshotPtr config;
  config::BlockRef block;
};

/// Finds versions and remembers them: those in files until path, size or time of change differ, those told by
/// commands and HTTP for 60 s. After that the old value is given once more while a new one is fetched, so
/// that only the first call waits for a child or the network (API-23). Queries that come to the same file,
/// command or URL share one entry; one fill of an entry at a time, different entries concurrently. Not
/// thread-safe: construct, call and destroy on the thread of `executor`.
class VersionCache {
 public:
  VersionCache(boost::asio::any_io_executor executor, VersionOptions options);
  VersionCache(VersionCache&&) = delete;
  /// Ends what is under way; its children are killed while the executor still runs.
  ~VersionCache();

  /// nullopt when there is no version to be found, whatever the reason. Never throws. Honours cancellation.
  boost::asio::awaitable<std::optional<std::string>> get(VersionQuery query);
  /// The same for many, all at the same time; as many answers, in order.
  boost::asio::awaitable<std::vector<std::optional<std::string>>> get_all(std::vector<VersionQuery> queries);
  /// Forgets what was found for a service that was installed, updated or restarted. An empty instance means
  /// all.
  void forget(std::string_view config_key, std::string_view instance = {});

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace dumb::setup
