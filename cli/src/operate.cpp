#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/engine/types.hpp>
#include <mutex>
#include <utility>

#include "commands.hpp"
#include "context.hpp"
#include "services.hpp"

namespace dumb::cli {
namespace {

struct OperationBody {
  std::string process_name;
};
BOOST_DESCRIBE_STRUCT(OperationBody, (), (process_name))

/// One element of the JSON answer.
struct OperationReport {
  std::string process_name;
  bool ok = false;
  std::optional<std::string> status;
  std::optional<std::string> error;
  std::vector<engine::PortChange> port_changes;
};
BOOST_DESCRIBE_STRUCT(OperationReport, (), (process_name, ok, status, error, port_changes))

// "Service started successfully" -> "started".
std::string short_status(std::string text) {
  constexpr std::string_view before = "Service ";
  constexpr std::string_view after = " successfully";
  if (text.size() > before.size() + after.size() && text.compare(0, before.size(), before) == 0 &&
      text.compare(text.size() - after.size(), after.size(), after) == 0) {
    return text.substr(before.size(), text.size() - before.size() - after.size());
  }
  return text;
}

/// Runs one operation on several services and tells what happens to them meanwhile.
class Operation {
 public:
  Operation(Context& context, std::string path, const std::vector<std::string>& names)
      : context_(context), path_(std::move(path)) {
    for (const std::string& name : names) jobs_.push_back({name, {}, {}, false});
  }

  ExitCode run(std::size_t parallel) {
    std::vector<std::function<void()>> tasks;
    for (std::size_t i = 0; i < jobs_.size(); ++i) tasks.emplace_back([this, i] { perform(i); });
    context_.system.concurrently(std::move(tasks), parallel, [this] {
      tell_progress();
      tell_results();
    });
    tell_results();
    ExitCode code = ExitCode::success;
    json::array reports;
    for (const Job& job : jobs_) {
      if (!*job.result) code = worst(code, exit_code(job.result->error().code()));
      reports.push_back(codec::encode(report_of(job)));
    }
    if (context_.json) context_.print(jsonx::print(reports));
    return code;
  }

 private:
  struct Job {
    std::string name;
    std::optional<Result<engine::OperationReply>> result;  ///< guarded by mutex_
    std::string last_state;
    bool told = false;
  };

  // On another thread.
  void perform(std::size_t index) {
    {
      const std::lock_guard lock(mutex_);
      jobs_[index].last_state = "asked";
    }
    auto result = context_.client.post_as<engine::OperationReply>(
        path_, codec::encode(OperationBody{jobs_[index].name}), Client::patient);
    const std::lock_guard lock(mutex_);
    jobs_[index].result = std::move(result);
  }

  void tell_results() {
    if (context_.json) return;
    const std::lock_guard lock(mutex_);
    for (Job& job : jobs_) {
      if (!job.result || job.told) continue;
      job.told = true;
      if (!*job.result) {
        tell_failure(job);
        continue;
      }
      const engine::OperationReply& reply = **job.result;
      std::string text =
          fmt::format("{}: {}\n", printable(reply.process_name), printable(short_status(reply.status)));
      for (const engine::PortChange& change : reply.port_changes) {
        text += fmt::format("  {} {} was taken, now {}\n", printable(change.field), change.from, change.to);
      }
      context_.print(text);
    }
  }

  // A missing server is told once, not for each name.
  void tell_failure(const Job& job) {
    const Error error = job.result->error();
    const bool no_server = exit_code(error.code()) == ExitCode::unreachable;
    if (no_server && std::exchange(told_no_server_, true)) return;
    context_.report(error, no_server ? std::string_view() : std::string_view(job.name));
  }

  // The states a user waits in: setting up, waiting for something, starting, stopping.
  void tell_progress() {
    if (context_.json) return;
    for (Job& job : jobs_) {
      if (!pending(job)) continue;
      const auto status = context_.client.get_as<engine::ServiceStatus>("/process/service-status",
                                                                        {{"process_name", job.name}});
      if (!status || !pending(job)) continue;
      if (status->state == "running" || status->state == "stopped" || status->state == "failed") continue;
      std::string text = text::replace_all(status->state, "_", " ");
      if (status->state_reason && !status->state_reason->empty()) text += " (" + *status->state_reason + ")";
      if (std::exchange(job.last_state, text) == text) continue;
      context_.print(fmt::format("{}: {}\n", printable(status->process_name),
                                 context_.style.paint(state_color(status->state), printable(text))));
    }
  }

  bool pending(const Job& job) {
    const std::lock_guard lock(mutex_);
    return !job.result && !job.last_state.empty();
  }

  static OperationReport report_of(const Job& job) {
    OperationReport report;
    report.process_name = job.name;
    report.ok = job.result->has_value();
    if (report.ok) {
      report.process_name = (*job.result)->process_name;
      report.status = (*job.result)->status;
      report.port_changes = (*job.result)->port_changes;
    } else {
      report.error = job.result->error().to_string();
    }
    return report;
  }

  Context& context_;
  std::string path_;
  std::vector<Job> jobs_;
  std::mutex mutex_;
  bool told_no_server_ = false;
};

constexpr std::size_t all_at_once = 64;

}  // namespace

Result<ExitCode> run_start(Context& context, const Invocation& invocation) {
  return Operation(context, "/process/start-service", invocation.arguments).run(all_at_once);
}

Result<ExitCode> run_stop(Context& context, const Invocation& invocation) {
  return Operation(context, "/process/stop-service", invocation.arguments).run(1);
}

Result<ExitCode> run_restart(Context& context, const Invocation& invocation) {
  return Operation(context, "/process/restart-service", invocation.arguments).run(all_at_once);
}

}  // namespace dumb::cli
