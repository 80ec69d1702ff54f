#pragma once

#include <array>
#include <boost/describe.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the engine's methods take and give back. Described once: HTTP bodies, `--json` output and schemas
/// come from these.
namespace dumb::engine {

/// One entry of GET /process/processes (API-20).
struct ProcessEntry {
  std::string name;
  std::string process_name;
  bool enabled = false;
  json::object config;  ///< the whole block, unmasked (API-21)
  std::optional<std::string> version;
  std::string key;
  std::string config_key;
  std::optional<std::string> repo_url;
  std::optional<std::string> sponsorship_url;
  std::optional<std::string> instance_name;
};
BOOST_DESCRIBE_STRUCT(ProcessEntry, (),
                      (name, process_name, enabled, config, version, key, config_key, repo_url,
                       sponsorship_url, instance_name))

struct ProcessList {
  std::vector<ProcessEntry> processes;
};
BOOST_DESCRIBE_STRUCT(ProcessList, (), (processes))

/// GET /process (API-25).
struct ProcessDetail {
  std::string process_name;
  json::object config;
  std::optional<std::string> version;
  std::string config_key;
  std::optional<json::object> update_status;
  std::optional<json::object> symlink_backup_status;
  bool supports_manual_update = false;
  std::optional<std::string> repo_url;
  std::optional<std::string> sponsorship_url;
};
BOOST_DESCRIBE_STRUCT(ProcessDetail, (),
                      (process_name, config, version, config_key, update_status, symlink_backup_status,
                       supports_manual_update, repo_url, sponsorship_url))

struct PortChange {
  std::string field;
  std::int64_t from = 0;
  std::int64_t to = 0;
};
BOOST_DESCRIBE_STRUCT(PortChange, (), (field, from, to))

/// Answer of start, stop and restart (API-33, API-36, API-37, API-39).
struct OperationReply {
  std::string status;
  std::string process_name;
  std::vector<PortChange> port_changes;  ///< only start and restart, only when not empty
  static constexpr std::array<std::string_view, 1> omit_empty{"port_changes"};
};
BOOST_DESCRIBE_STRUCT(OperationReply, (), (status, process_name, port_changes))

/// LIF-95; all members always present.
struct RestartInfo {
  std::int64_t restart_attempts = 0, restart_successes = 0, restart_failures = 0, recent_restart_attempts = 0;
  bool pending = false;
  std::optional<double> next_restart_time;
  bool disabled = false;
  std::optional<double> last_restart_time;
  std::optional<std::string> last_failure_reason;
  std::optional<double> last_exit_time;
  std::optional<std::string> last_exit_reason;
  std::int64_t unhealthy_count = 0, unhealthy_threshold = 3;
};
BOOST_DESCRIBE_STRUCT(RestartInfo, (),
                      (restart_attempts, restart_successes, restart_failures, recent_restart_attempts,
                       pending, next_restart_time, disabled, last_restart_time, last_failure_reason,
                       last_exit_time, last_exit_reason, unhealthy_count, unhealthy_threshold))

/// GET /process/service-status without health (API-42).
struct ServiceStatus {
  std::string process_name;
  std::string status;  ///< "running", "stopped" or "idle" (LIF-82)
  std::string state;   ///< LIF-2
  std::optional<std::string> state_reason;
  std::optional<std::int64_t> pid;
  std::optional<double> started_at;
};
BOOST_DESCRIBE_STRUCT(ServiceStatus, (), (process_name, status, state, state_reason, pid, started_at))

/// The same with include_health=true (API-43).
struct ServiceHealth {
  std::string process_name;
  std::string status;
  bool healthy = false;
  std::optional<std::string> health_reason;
  RestartInfo restart;
  std::string state;
  std::optional<std::string> state_reason;
  std::optional<std::int64_t> pid;
  std::optional<double> started_at;
};
BOOST_DESCRIBE_STRUCT(ServiceHealth, (),
                      (process_name, status, healthy, health_reason, restart, state, state_reason, pid,
                       started_at))

/// GET /health (LIF-116).
struct HealthReport {
  bool healthy = true;
  std::string details;
};

/// API-46, in this order.
struct Capabilities {
  bool optional_only_onboarding = false, optional_service_options = false, manual_update_check = false,
       seerr_sync = false, auto_update_start_time = false, symlink_repair = false,
       symlink_repair_async = false, symlink_manifest_backup = false, symlink_manifest_backup_async = false,
       symlink_job_status = false, symlink_job_latest = false, symlink_manifest_restore = false,
       symlink_manifest_restore_async = false, symlink_manifest_compare = false,
       symlink_backup_schedule = false, symlink_backup_manifest_list = false,
       symlink_manifest_file_list = false;
};
BOOST_DESCRIBE_STRUCT(Capabilities, (),
                      (optional_only_onboarding, optional_service_options, manual_update_check, seerr_sync,
                       auto_update_start_time, symlink_repair, symlink_repair_async, symlink_manifest_backup,
                       symlink_manifest_backup_async, symlink_job_status, symlink_job_latest,
                       symlink_manifest_restore, symlink_manifest_restore_async, symlink_manifest_compare,
                       symlink_backup_schedule, symlink_backup_manifest_list, symlink_manifest_file_list))

/// GET /logs (LIF-109, LIF-110).
struct LogQuery {
  std::string process_name;
  std::optional<std::int64_t> cursor;
  std::optional<std::int64_t> tail_bytes;
  std::optional<std::string> file_id;
};
struct LogChunk {
  std::string process_name;
  std::int64_t size = 0;
  std::int64_t cursor = 0;
  std::string chunk;
  bool reset = true;
  std::optional<std::string> log;
  std::optional<std::string> file_id;
};
BOOST_DESCRIBE_STRUCT(LogChunk, (), (process_name, size, cursor, chunk, reset, log, file_id))

/// POST /config/ (CFG-72).
struct ConfigUpdate {
  std::optional<std::string> process_name;
  json::object updates;
  bool persist = false;
};

}  // namespace dumb::engine
