#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/result.hpp>
#include <dumb/base/root.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/config/snapshot.hpp>
#include <dumb/supervisor/readiness.hpp>
#include <optional>
#include <string>
#include <vector>

/// From a block of the configuration to what is executed. All pure; the configuration is never changed.
namespace dumb::supervisor {

struct ResolveRequest {
  config::SnapshotPtr config;
  config::BlockRef block;
  const catalog::Service* service = nullptr;  ///< null: a custom service
  Root root;
  config::Environment inherited;    ///< what every child gets
  std::vector<std::string> hidden;  ///< names left out of it (CFG-46)
  std::string home;                 ///< HOME unless the service sets it; empty: inherited
};

struct Resolved {
  std::vector<std::string> argv;
  std::vector<std::string> env;        ///< "NAME=value", sorted by name
  std::filesystem::path directory;     ///< working directory, mapped
  std::optional<Readiness> readiness;  ///< how it tells that it is ready (CFG-106)
  json::object block;                  ///< the block with its `env` as the child sees it
};

/// Command, environment and directory of a launch (LIF-50 to LIF-52, SVC-12): placeholders and ${NAME}
/// replaced, recomputed members applied, path values mapped beneath the root. Fails with invalid_config when
/// there is no command or it cannot be split into words, or by readiness_of().
Result<Resolved> resolve_launch(const ResolveRequest& request);

/// Maps `text` beneath the root when it, or what follows its first '=', starts with one of the block's own
/// path values (design, Paths).
std::string map_argument(std::string_view text, const std::vector<std::string>& own_paths, const Root& root);
/// The block's path values: members whose name ends in _dir, _file, _path, _directory, _mounts or is a list
/// of such.
std::vector<std::string> own_paths(const json::object& block);

/// An Npgsql connection string whose `Database` is absent or `database`, with host, port, user and password
/// of the postgres section; other parts and their order kept. Any other database: unchanged (SVC-183).
std::string follow_postgres_in_connection_string(std::string_view value, std::string_view database,
                                                 const json::object& postgres);
/// A postgres, postgresql or postgresql+psycopg2 URL with user, password, host and port of the postgres
/// section; anything else unchanged.
std::string follow_postgres_in_url(std::string_view value, const json::object& postgres);

/// Members the supervisor adds to a block before a start: wait_for_mounts, wait_for_url (LIF-20 to LIF-24).
/// `decypharr_mounts` come from decypharr_mounts().
json::object injected_waits(const config::Snapshot& config, const config::BlockRef& block,
                            const config::Model& model, const std::vector<std::string>& decypharr_mounts);
/// Decypharr's mount points from its own configuration text; empty text: none readable (LIF-25).
std::vector<std::string> decypharr_mounts(const config::Snapshot& config, std::string_view decypharr_config);

}  // namespace dumb::supervisor
