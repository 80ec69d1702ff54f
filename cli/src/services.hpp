#pragma once

#include <array>
#include <boost/describe.hpp>
#include <cstdint>
#include <dumb/engine/types.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "style.hpp"

namespace dumb::cli {

/// One service as `ps` shows it.
struct ServiceRow {
  std::string process_name;
  std::string config_key;
  std::optional<std::string> instance_name;
  bool enabled = false;
  std::string status;
  std::string state;
  std::optional<std::string> state_reason;
  std::optional<bool> healthy;  ///< nullopt while the service is not running
  std::optional<std::string> health_reason;
  std::optional<std::int64_t> pid;
  std::optional<double> started_at;  ///< Unix seconds
  std::vector<std::int64_t> ports;
  std::optional<std::string> version;
  std::optional<bool> adopted;  ///< as in ServiceReport
  static constexpr std::array<std::string_view, 1> omit_empty{"adopted"};
};
BOOST_DESCRIBE_STRUCT(ServiceRow, (),
                      (process_name, config_key, instance_name, enabled, status, state, state_reason, healthy,
                       health_reason, pid, started_at, ports, version, adopted))

/// The row of a list entry and its state.
ServiceRow service_row(const engine::ProcessEntry& entry, const engine::ServiceHealth& health);

/// The table of `ps`, followed by what is wrong with whom. `now` is Unix seconds. Pure.
std::string render_services(const std::vector<ServiceRow>& rows, double now, const Style& style);

/// One service as `status` shows it.
struct ServiceReport {
  std::string process_name;
  std::optional<std::string> config_key;
  std::optional<bool> enabled;
  std::string status;
  std::string state;
  std::optional<std::string> state_reason;
  bool healthy = false;
  std::optional<std::string> health_reason;
  std::optional<std::int64_t> pid;
  std::optional<double> started_at;
  std::vector<std::int64_t> ports;
  std::optional<std::string> version;
  std::optional<std::string> log_file;
  engine::RestartInfo restart;
  std::vector<engine::Event> events;  ///< how it came to this, oldest first
  std::vector<std::string> last_log_lines;
  std::optional<bool> adopted;  ///< true when an earlier run of dumb-server started the process
  static constexpr std::array<std::string_view, 1> omit_empty{"adopted"};
};
BOOST_DESCRIBE_STRUCT(ServiceReport, (),
                      (process_name, config_key, enabled, status, state, state_reason, healthy, health_reason,
                       pid, started_at, ports, version, log_file, restart, events, last_log_lines, adopted))

/// `detail` is null for a process without a block of its own.
ServiceReport service_report(const engine::ServiceHealth& health, const engine::ProcessDetail* detail,
                             std::vector<std::string> last_log_lines);

/// Several lines; `local_time` spells Unix seconds. Pure.
std::string render_service(const ServiceReport& report, double now,
                           const std::function<std::string(double)>& local_time, const Style& style);

/// "12s", "5m 03s", "3h 12m", "4d 02h"; negative spans count as zero.
std::string span_text(double seconds);
Color state_color(std::string_view state) noexcept;

}  // namespace dumb::cli
