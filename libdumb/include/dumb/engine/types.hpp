#pragma once

#include <array>
#include <boost/describe.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <dumb/base/json.hpp>
#include <dumb/engine/events.hpp>
#include <dumb/graph/answer.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
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
  graph::Scope scope{};
  std::vector<graph::EdgeRow> edges;
  std::vector<graph::ParallelGroup> parallel_groups;
};
BOOST_DESCRIBE_STRUCT(ProcessDetail, (),
                      (process_name, config, version, config_key, update_status, symlink_backup_status,
                       supports_manual_update, repo_url, sponsorship_url, scope, edges, parallel_groups))

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
  bool crash_loop = false;              ///< a restart is refused, because of too many in the window
  std::optional<double> next_try_time;  ///< when that is looked at again
};
BOOST_DESCRIBE_STRUCT(RestartInfo, (),
                      (restart_attempts, restart_successes, restart_failures, recent_restart_attempts,
                       pending, next_restart_time, disabled, last_restart_time, last_failure_reason,
                       last_exit_time, last_exit_reason, unhealthy_count, unhealthy_threshold, crash_loop,
                       next_try_time))

/// GET /process/service-status without health (API-42).
struct ServiceStatus {
  std::string process_name;
  std::string status;  ///< "running", "stopped" or "idle" (LIF-82)
  std::string state;   ///< LIF-2
  std::optional<std::string> state_reason;
  std::optional<std::int64_t> pid;
  std::optional<double> started_at;
  std::optional<bool>
      adopted;  ///< true when an earlier run of dumb-server started the process, else left out
  static constexpr std::array<std::string_view, 1> omit_empty{"adopted"};
};
BOOST_DESCRIBE_STRUCT(ServiceStatus, (),
                      (process_name, status, state, state_reason, pid, started_at, adopted))

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
  std::optional<bool> adopted;  ///< as in ServiceStatus
  static constexpr std::array<std::string_view, 1> omit_empty{"adopted"};
};
BOOST_DESCRIBE_STRUCT(ServiceHealth, (),
                      (process_name, status, healthy, health_reason, restart, state, state_reason, pid,
                       started_at, adopted))

/// GET /health (LIF-116).
struct HealthReport {
  bool healthy = true;
  std::string details;
};

/// API-46, in this order, then those of SYM-1.
struct Capabilities {
  bool optional_only_onboarding = true, optional_service_options = true, manual_update_check = true,
       seerr_sync = false, auto_update_start_time = true, symlink_repair = true, symlink_repair_async = true,
       symlink_manifest_backup = true, symlink_manifest_backup_async = true, symlink_job_status = true,
       symlink_job_latest = true, symlink_manifest_restore = true, symlink_manifest_restore_async = true,
       symlink_manifest_compare = true, symlink_backup_schedule = true, symlink_backup_manifest_list = true,
       symlink_manifest_file_list = true, symlink_job_cancel = true, symlink_repair_undo = true,
       symlink_repair_resume = true;
};
BOOST_DESCRIBE_STRUCT(Capabilities, (),
                      (optional_only_onboarding, optional_service_options, manual_update_check, seerr_sync,
                       auto_update_start_time, symlink_repair, symlink_repair_async, symlink_manifest_backup,
                       symlink_manifest_backup_async, symlink_job_status, symlink_job_latest,
                       symlink_manifest_restore, symlink_manifest_restore_async, symlink_manifest_compare,
                       symlink_backup_schedule, symlink_backup_manifest_list, symlink_manifest_file_list,
                       symlink_job_cancel, symlink_repair_undo, symlink_repair_resume))

/// An answer that is not JSON.
struct Text {
  std::string media_type;
  std::string text;
};

/// GET /process/startup-plan (DEP-36).
struct PlanRequest {
  std::string process_name;  ///< only it and what it needs; empty: everything
  std::string include_disabled = "false";
  std::string format = "json";  ///< "json", "dot" or "mermaid"
  std::string scope;            ///< "runtime", or "all": edges that are only links too
};
BOOST_DESCRIBE_STRUCT(PlanRequest, (), (process_name, include_disabled, format, scope))

/// One service within a start or stop of several.
struct StackStep {
  std::string process_name;
  std::string state;  ///< "pending", "starting", "ready", "stopping", "stopped", "failed" or "called_off"
  std::optional<std::string> reason;      ///< why it failed, or what it waits for
  std::string service_state;              ///< of the service itself, as in GET /process/service-status
  std::vector<std::string> needs;         ///< what had to be over first
  std::vector<std::string> awaits;        ///< those of them that are not over yet
  std::vector<std::string> warnings;      ///< those of them that failed, with the reason
  std::optional<std::string> last_need;   ///< the one whose end let it begin
  std::optional<double> waited_seconds;   ///< from the beginning of the whole to its own
  std::optional<double> running_seconds;  ///< from its own beginning until its process ran
  std::optional<double> took_seconds;     ///< from its own beginning to its end
};
BOOST_DESCRIBE_STRUCT(StackStep, (),
                      (process_name, state, reason, service_state, needs, awaits, warnings, last_need,
                       waited_seconds, running_seconds, took_seconds))

/// Answer of POST /process/up, POST /process/down and GET /process/stack-operation.
struct StackOperation {
  std::string operation = "none";  ///< "boot", "up", "down", "shutdown" or, before the first, "none"
  bool running = false;            ///< something is under way, or will begin by itself
  bool ok = false;                 ///< every step ended well
  double started_at = 0;
  std::optional<double> completed_at;
  double elapsed_seconds = 0;   ///< makespan: from the first beginning to the last end
  double critical_seconds = 0;  ///< the longest chain of steps that had to follow each other
  std::vector<std::string> critical_chain;
  std::vector<StackStep> steps;  ///< in order of their names
};
BOOST_DESCRIBE_STRUCT(StackOperation, (),
                      (operation, running, ok, started_at, completed_at, elapsed_seconds, critical_seconds,
                       critical_chain, steps))

/// POST /process/up and POST /process/down.
struct StackRequest {
  std::vector<std::string> process_names;  ///< empty: up: every enabled service; down: whatever runs
  static constexpr std::array<std::string_view, 1> required{"process_names"};
};
BOOST_DESCRIBE_STRUCT(StackRequest, (), (process_names))

using PlanAnswer = std::variant<graph::Plan, Text>;

/// GET /process/startup-status (LIF-32).
struct StartupService {
  std::string state;  ///< "pending", "starting", "ready" or "failed"
  std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(StartupService, (), (state, reason))

struct StartupStatus {
  std::string phase;  ///< LIF-31
  bool terminal = false;
  double started_at = 0;
  std::optional<double> completed_at;
  std::vector<std::string> expected_services;
  std::map<std::string, StartupService> services;
  std::map<std::string, std::string> failures;  ///< service -> reason
};
BOOST_DESCRIBE_STRUCT(StartupStatus, (),
                      (phase, terminal, started_at, completed_at, expected_services, services, failures))

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
