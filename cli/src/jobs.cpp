#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/jobs/store.hpp>

#include "commands.hpp"
#include "link_runner.hpp"
#include "paths.hpp"
#include "table.hpp"

namespace dumb::cli {
namespace {

Color color_of(std::string_view status) {
  if (status == "completed") return Color::green;
  if (status == "error") return Color::red;
  return status == "running" ? Color::cyan : Color::yellow;
}

std::vector<jobs::Job> stored_jobs(const Context& context, const Invocation& invocation) {
  const Root root =
      stack_root(invocation.value("--root"), context.system.environment, context.system.is_root_user);
  std::vector<jobs::Job> all =
      jobs::Store(root.map("/config/symlink-repair/.state/jobs")).load([&](const Error& skipped) {
        context.note(skipped.to_string());
      });
  return {all.rbegin(), all.rend()};
}

std::string moment(const Context& context, const json::object& job, std::string_view key) {
  const json::value* at = job.if_contains(key);
  return at != nullptr && at->is_number() ? context.system.local_time(at->to_number<double>())
                                          : std::string();
}

std::string list_text(const Context& context, const std::vector<json::object>& jobs) {
  if (jobs.empty()) return "no jobs\n";
  Table table;
  table.columns = {{"JOB"}, {"OPERATION"}, {"FOR", Column::Align::left, 8}, {"STATUS"}, {"CREATED"}};
  for (const json::object& job : jobs) {
    std::string status = jsonx::string_at(job, "status");
    const Color color = color_of(status);
    if (const json::value* error = job.if_contains("error"); error != nullptr && error->is_object())
      status = jsonx::string_at(error->get_object(), "code", status);
    table.rows.push_back({{jsonx::string_at(job, "job_id")},
                          {printable(jsonx::string_at(job, "operation"))},
                          {printable(jsonx::string_at(job, "process_name"))},
                          {printable(status), color},
                          {moment(context, job, "created_at")}});
  }
  return render(table, context.style);
}

std::string job_text(const Context& context, const json::object& job) {
  const std::string status = jsonx::string_at(job, "status");
  const std::string operation = jsonx::string_at(job, "operation");
  std::string out = fmt::format("{}  {}  {}\n", jsonx::string_at(job, "job_id"), printable(operation),
                                context.style.paint(color_of(status), status));
  const auto line = [&](std::string_view title, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {:<8}  {}\n", title, printable(text));
  };
  line("for", jsonx::string_at(job, "process_name"));
  line("created", moment(context, job, "created_at"));
  line("started", moment(context, job, "started_at"));
  line("finished", moment(context, job, "finished_at"));
  if (const json::value* error = job.if_contains("error"); error != nullptr && error->is_object())
    line("error", job_error(job).message());
  const json::value* progress = job.if_contains("progress");
  if (status == "running" && progress != nullptr && progress->is_object()) {
    LinkProgress text;
    out += "  " + text.line(progress->get_object(), context.system.now(), context.style) + '\n';
  }
  const json::value* result = job.if_contains("result");
  if (result == nullptr || !result->is_object()) return out;
  out += '\n';
  const json::object& report = result->get_object();
  if (operation == "symlink_repair") return out + repair_text(report, context.style);
  if (operation == "symlink_manifest_backup") return out + backup_text(report, context.style);
  if (operation == "symlink_manifest_restore") return out + restore_text(report, context.style);
  return out + jsonx::print(report);
}

Result<ExitCode> tell(Context& context, const json::object& job) {
  context.print(context.json ? jsonx::print(job) : job_text(context, job));
  return jsonx::string_at(job, "status") == "error" ? ExitCode::failed : ExitCode::success;
}

}  // namespace

Result<ExitCode> run_jobs_list(Context& context, const Invocation& invocation) {
  engine::JobList list;
  if (invocation.has("--local")) {
    for (jobs::Job& job : stored_jobs(context, invocation)) {
      job.result.reset();
      list.jobs.push_back(jobs::to_json(job));
    }
  } else {
    auto answer = context.client.get_as<engine::JobList>("/process/jobs");
    if (!answer) return answer.error();
    list = std::move(*answer);
  }
  context.print(context.json ? jsonx::print(codec::encode(list)) : list_text(context, list.jobs));
  return ExitCode::success;
}

Result<ExitCode> run_jobs_show(Context& context, const Invocation& invocation) {
  const std::string& id = invocation.arguments.front();
  if (invocation.has("--local")) {
    for (const jobs::Job& job : stored_jobs(context, invocation)) {
      if (job.job_id == id) {
        context.print(context.json ? jsonx::print(jobs::to_json(job))
                                   : job_text(context, jobs::to_json(job)));
        return ExitCode::success;
      }
    }
    return Error(Errc::not_found, "there is no job '" + id + "'");
  }
  const auto job = context.client.get_as<json::object>("/process/symlink-job-status", {{"job_id", id}});
  if (!job) return job.error();
  context.print(context.json ? jsonx::print(*job) : job_text(context, *job));
  return ExitCode::success;
}

Result<ExitCode> run_jobs_cancel(Context& context, const Invocation& invocation) {
  json::object body;
  body["job_id"] = invocation.arguments.front();
  const auto reply = context.client.post_as<engine::CancelledJob>("/process/symlink-job-cancel", body);
  if (!reply) return reply.error();
  context.print(context.json ? jsonx::print(codec::encode(*reply))
                             : fmt::format("{}: {}\n", reply->job_id, printable(reply->status)));
  return ExitCode::success;
}

Result<ExitCode> run_jobs_wait(Context& context, const Invocation& invocation) {
  const auto job = wait_for_job(context, invocation.arguments.front());
  if (!job) return job.error();
  return tell(context, *job);
}

}  // namespace dumb::cli
