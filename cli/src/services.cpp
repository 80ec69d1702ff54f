#include "services.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/health/health.hpp>

#include "event_lines.hpp"
#include "table.hpp"

namespace dumb::cli {
namespace {

std::vector<std::int64_t> ports_of(const json::object& block) {
  std::vector<std::int64_t> ports;
  for (const health::Endpoint& endpoint : health::endpoints_of(block)) ports.push_back(endpoint.port);
  return ports;
}

std::string ports_text(const std::vector<std::int64_t>& ports, std::string_view separator) {
  std::string text;
  for (const std::int64_t port : ports) text += fmt::format("{}{}", text.empty() ? "" : separator, port);
  return text;
}

std::string shown_state(const ServiceRow& row) {
  if (!row.enabled && row.state == "stopped") return "disabled";
  return printable(row.state) + (row.adopted.value_or(false) ? " (adopted)" : "");
}

Cell health_cell(const std::optional<bool>& healthy) {
  if (!healthy) return {"-", Color::dim};
  return *healthy ? Cell{"healthy", Color::green} : Cell{"unhealthy", Color::red};
}

Cell or_dash(std::string text) {
  if (text.empty()) return {"-", Color::dim};
  return {printable(text), Color::none};
}

// What a user has to know of a row beyond the table: why it is not simply running.
std::string note_of(const ServiceRow& row) {
  std::vector<std::string> parts;
  if (row.state != "running" && row.state_reason) parts.push_back(*row.state_reason);
  if (row.healthy && !*row.healthy && row.health_reason) parts.push_back(*row.health_reason);
  return printable(text::join(parts, "; "));
}

class Lines {
 public:
  explicit Lines(const Style& style) : style_(style) {}
  void add(std::string_view label, const std::string& value, Color color = Color::none) {
    if (value.empty()) return;
    text_ += fmt::format("  {}{:{}}{}\n", style_.paint(Color::dim, label), "", 11 - label.size(),
                         style_.paint(color, printable(value)));
  }
  std::string take() { return std::move(text_); }

 private:
  const Style& style_;
  std::string text_;
};

using LocalTime = std::function<std::string(double)>;

std::string state_text(const ServiceReport& report, double now, const LocalTime& local_time) {
  std::string text = report.state;
  if (report.started_at && report.pid) {
    text +=
        fmt::format(" for {}, since {}", span_text(now - *report.started_at), local_time(*report.started_at));
  }
  if (report.adopted.value_or(false)) text += ", adopted";
  if (report.state_reason && !report.state_reason->empty())
    text += fmt::format(" ({})", *report.state_reason);
  return text;
}

std::string restarts_text(const engine::RestartInfo& restart, double now, const LocalTime& local_time) {
  std::string text = "none";
  if (restart.restart_attempts > 0) {
    text = fmt::format("{} ({} succeeded, {} failed), {} of them recent", restart.restart_attempts,
                       restart.restart_successes, restart.restart_failures, restart.recent_restart_attempts);
    if (restart.last_restart_time) text += fmt::format("; last {}", local_time(*restart.last_restart_time));
  }
  if (restart.pending) {
    text += restart.next_restart_time
                ? fmt::format("; next in {}", span_text(*restart.next_restart_time - now))
                : std::string("; one is pending");
  }
  if (restart.crash_loop) {
    text += "; crash loop";
    if (restart.next_try_time)
      text += fmt::format(", next try in {}", span_text(*restart.next_try_time - now));
  }
  if (restart.last_failure_reason) text += fmt::format("; failed: {}", *restart.last_failure_reason);
  return text;
}

std::string exit_text(const engine::RestartInfo& restart, double now, const LocalTime& local_time) {
  if (!restart.last_exit_time) return restart.last_exit_reason.value_or("");
  return fmt::format("{}, {} ago ({})", restart.last_exit_reason.value_or("reason unknown"),
                     span_text(now - *restart.last_exit_time), local_time(*restart.last_exit_time));
}

}  // namespace

std::string span_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(0.0, seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h {:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d {:02}h", whole / 86400, whole / 3600 % 24);
}

Color state_color(std::string_view state) noexcept {
  if (state == "running") return Color::green;
  if (state == "failed") return Color::red;
  if (state == "stopped" || state == "disabled" || state == "idle") return Color::dim;
  return Color::yellow;
}

ServiceRow service_row(const engine::ProcessEntry& entry, const engine::ServiceHealth& health) {
  ServiceRow row;
  row.process_name = entry.process_name;
  row.config_key = entry.config_key;
  row.instance_name = entry.instance_name;
  row.enabled = entry.enabled;
  row.status = health.status;
  row.state = health.state.empty() ? health.status : health.state;
  row.state_reason = health.state_reason;
  if (health.status == "running") {
    row.healthy = health.healthy;
    row.health_reason = health.health_reason;
  }
  row.pid = health.pid;
  row.started_at = health.started_at;
  row.adopted = health.adopted;
  row.ports = ports_of(entry.config);
  row.version = entry.version;
  return row;
}

std::string render_services(const std::vector<ServiceRow>& rows, double now, const Style& style) {
  using Align = Column::Align;
  Table table{{{"NAME", Align::left, 20},
               {"KEY", Align::left, 6},
               {"STATE"},
               {"HEALTH"},
               {"PID", Align::right},
               {"UPTIME", Align::right},
               {"PORT", Align::left, 5},
               {"VERSION", Align::left, 7}},
              {}};
  std::string notes;
  for (const ServiceRow& row : rows) {
    const std::string state = shown_state(row);
    const bool up = row.pid && row.started_at;
    table.rows.push_back({{printable(row.process_name)},
                          {printable(row.config_key), Color::dim},
                          {state, state_color(row.adopted ? row.state : state)},
                          health_cell(row.healthy),
                          or_dash(row.pid ? std::to_string(*row.pid) : ""),
                          or_dash(up ? span_text(now - *row.started_at) : ""),
                          or_dash(ports_text(row.ports, ",")),
                          or_dash(row.version.value_or(""))});
    const std::string note = note_of(row);
    if (note.empty()) continue;
    const std::string line = fmt::format("{}: {}", printable(row.process_name), note);
    notes += style.paint(row.state == "failed" || row.state == "running" ? Color::red : Color::yellow,
                         style.width == 0 ? line : clip(line, style.width, style)) +
             '\n';
  }
  return render(table, style) + (notes.empty() ? "" : '\n' + notes);
}

ServiceReport service_report(const engine::ServiceHealth& health, const engine::ProcessDetail* detail,
                             std::vector<std::string> last_log_lines) {
  ServiceReport report;
  report.process_name = health.process_name;
  report.status = health.status;
  report.state = health.state.empty() ? health.status : health.state;
  report.state_reason = health.state_reason;
  report.healthy = health.healthy;
  report.health_reason = health.health_reason;
  report.pid = health.pid;
  report.started_at = health.started_at;
  report.adopted = health.adopted;
  report.restart = health.restart;
  report.last_log_lines = std::move(last_log_lines);
  if (detail != nullptr) {
    report.config_key = detail->config_key;
    report.enabled = jsonx::bool_at(detail->config, "enabled", false);
    report.ports = ports_of(detail->config);
    report.version = detail->version;
    const std::string log_file = jsonx::string_at(detail->config, "log_file");
    if (!log_file.empty()) report.log_file = log_file;
  }
  return report;
}

std::string render_service(const ServiceReport& report, double now, const LocalTime& local_time,
                           const Style& style) {
  Lines lines(style);
  lines.add("State", state_text(report, now, local_time), state_color(report.state));
  if (report.status == "running" || report.status == "idle") {
    const std::string reason = report.health_reason.value_or("");
    lines.add("Health",
              (report.healthy ? "healthy" : "unhealthy") + (reason.empty() ? "" : " (" + reason + ")"),
              report.healthy ? Color::green : Color::red);
  }
  if (report.enabled) lines.add("Enabled", *report.enabled ? "yes" : "no");
  if (report.pid) lines.add("PID", std::to_string(*report.pid));
  lines.add("Ports", ports_text(report.ports, ", "));
  lines.add("Key", report.config_key.value_or(""));
  lines.add("Version", report.version.value_or(""));
  lines.add("Restarts", restarts_text(report.restart, now, local_time));
  lines.add("Last exit", exit_text(report.restart, now, local_time));
  lines.add("Log file", report.log_file.value_or(""));
  std::string text = style.paint(Color::bold, printable(report.process_name)) + '\n' + lines.take();
  if (!report.events.empty()) {
    text += '\n' + style.paint(Color::dim, "How it came to this:") + '\n';
    Style indented = style;
    if (indented.width > 2) indented.width -= 2;
    EventColumns columns = event_columns(report.events);
    columns.name = 0;
    for (const engine::Event& event : report.events)
      text += "  " + event_line(event, columns, local_time, indented) + '\n';
  }
  if (!report.last_log_lines.empty()) {
    text += '\n';
    for (const std::string& line : report.last_log_lines) text += "  " + printable(line) + '\n';
  }
  return text;
}

}  // namespace dumb::cli
