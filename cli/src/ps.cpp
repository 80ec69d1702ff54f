#include <boost/json.hpp>
#include <dumb/engine/types.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "log_lines.hpp"
#include "services.hpp"

namespace dumb::cli {
namespace {

constexpr std::size_t parallel_requests = 8;
constexpr std::size_t log_lines_shown = 5;
constexpr std::size_t events_shown = 5;

Result<engine::ServiceHealth> health_of(const Client& client, const std::string& name) {
  return client.get_as<engine::ServiceHealth>("/process/service-status",
                                              {{"process_name", name}, {"include_health", "true"}});
}

// The health of every entry, in their order; asked for concurrently.
std::vector<Result<engine::ServiceHealth>> healths_of(const Context& context,
                                                      const std::vector<engine::ProcessEntry>& entries) {
  std::vector<Result<engine::ServiceHealth>> found(entries.size(), engine::ServiceHealth());
  std::vector<std::function<void()>> tasks;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    tasks.emplace_back([&, i] { found[i] = health_of(context.client, entries[i].process_name); });
  }
  context.system.concurrently(std::move(tasks), parallel_requests, [] {});
  return found;
}

std::vector<std::string> last_log_lines(const Client& client, const std::string& name) {
  const auto chunk =
      client.get_as<engine::LogChunk>("/logs", {{"process_name", name}, {"tail_bytes", "8192"}});
  std::vector<std::string> kept;
  if (!chunk) return kept;
  const auto lines = split_lines(chunk->chunk);
  const std::size_t first = lines.size() > log_lines_shown ? lines.size() - log_lines_shown : 0;
  for (std::size_t i = first; i < lines.size(); ++i) kept.emplace_back(lines[i]);
  return kept;
}

// A server without events has nothing to tell.
std::vector<engine::Event> last_events(const Client& client, const std::string& name) {
  auto list = client.get_as<engine::EventList>(
      "/process/events", {{"limit", std::to_string(events_shown)}, {"process_name", name}});
  return list ? std::move(list->events) : std::vector<engine::Event>();
}

}  // namespace

Result<ExitCode> run_ps(Context& context, const Invocation& invocation) {
  auto list = context.client.get_as<engine::ProcessList>("/process/processes");
  if (!list) return list.error();
  std::vector<engine::ProcessEntry> entries;
  for (engine::ProcessEntry& entry : list->processes) {
    if (entry.enabled || invocation.has("--all")) entries.push_back(std::move(entry));
  }
  const auto healths = healths_of(context, entries);
  std::vector<ServiceRow> rows;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (healths[i]) {
      rows.push_back(service_row(entries[i], *healths[i]));
    } else if (exit_code(healths[i].error().code()) != ExitCode::unknown_name) {
      return healths[i].error();
    }  // else it has been removed since the list was made
  }
  if (context.json) {
    context.print(jsonx::print(codec::encode(rows)));
  } else if (rows.empty()) {
    context.note(invocation.has("--all") ? "no services" : "no service is enabled; --all shows the others");
  } else {
    context.print(render_services(rows, context.system.now(), context.style));
  }
  return ExitCode::success;
}

Result<ExitCode> run_status(Context& context, const Invocation& invocation) {
  const auto health = health_of(context.client, invocation.arguments.front());
  if (!health) return health.error();
  const std::string& name = health->process_name;
  const auto detail = context.client.get_as<engine::ProcessDetail>("/process", {{"process_name", name}});
  if (!detail && exit_code(detail.error().code()) != ExitCode::unknown_name) return detail.error();
  ServiceReport report =
      service_report(*health, detail ? &*detail : nullptr, last_log_lines(context.client, name));
  report.events = last_events(context.client, name);
  context.print(context.json
                    ? jsonx::print(codec::encode(report))
                    : render_service(report, context.system.now(), context.system.local_time, context.style));
  return ExitCode::success;
}

}  // namespace dumb::cli
