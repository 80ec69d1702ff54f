#include "link_runner.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/manager.hpp>
#include <filesystem>
#include <mutex>
#include <stop_token>

#include "paths.hpp"

namespace dumb::cli {
namespace {

constexpr std::chrono::milliseconds look_again{250};

}  // namespace

void ProgressLine::show(const json::object& progress) {
  if (context_.json || !context_.system.err_is_terminal) return;
  const std::string line = text_.line(progress, context_.system.now(), context_.error_style);
  const std::size_t width = context_.error_style.width;
  context_.system.err("\r\x1b[K" + (width > 1 && display_width(line) >= width
                                        ? clip(line, width - 1, context_.error_style)
                                        : line));
  drawn_ = true;
}

void ProgressLine::clear() {
  if (drawn_) context_.system.err("\r\x1b[K");
  drawn_ = false;
}

Error job_error(const json::object& job) {
  const json::value* error = job.if_contains("error");
  if (error == nullptr || !error->is_object()) return {Errc::io, "the job failed"};
  std::string text = jsonx::string_at(error->get_object(), "message", "the job failed");
  const std::string manifest = jsonx::string_at(error->get_object(), "manifest");
  if (!manifest.empty()) text += "; undo or resume with " + manifest;
  return {jsonx::string_at(error->get_object(), "code") == "cancelled" ? Errc::cancelled : Errc::io, text};
}

Result<json::object> wait_for_job(Context& context, const std::string& job_id) {
  ProgressLine line(context);
  for (;;) {
    auto job = context.client.get_as<json::object>("/process/symlink-job-status", {{"job_id", job_id}});
    if (!job) return job.error();
    const std::string status = jsonx::string_at(*job, "status");
    if (status == "completed" || status == "error") return job;
    if (const json::value* progress = job->if_contains("progress");
        progress != nullptr && progress->is_object())
      line.show(progress->get_object());
    if (!context.system.pause(look_again)) {
      return Error(Errc::cancelled, "job " + job_id + " goes on in the server");
    }
  }
}

Result<json::object> run_as_job(Context& context, std::string_view path, const json::object& body) {
  const auto queued = context.client.post_as<engine::QueuedJob>(path, body, Client::patient);
  if (!queued) return queued.error();
  const auto job = wait_for_job(context, queued->job_id);
  if (!job) return job.error();
  const json::value* result = job->if_contains("result");
  const bool reported = result != nullptr && result->is_object();
  if (jsonx::string_at(*job, "status") == "error") {
    const Error error = job_error(*job);
    if (!reported) return error;
    context.complain(error.message());
  }
  if (!reported) return Error(Errc::io, "the job has no result");
  return result->get_object();
}

Result<LocalStack> local_stack(const Context& context, const Invocation& invocation) {
  const Root root =
      stack_root(invocation.value("--root"), context.system.environment, context.system.is_root_user);
  config::OpenOptions options;
  options.root = root;
  options.file = config_path({}, context.system.environment, root);
  options.model = catalog::Catalog::embedded().model();
  options.create = false;
  options.environment = context.system.environment;
  std::error_code ignored;
  if (!std::filesystem::exists(options.file, ignored)) {
    LocalStack plain;
    plain.environment.root = root;
    return plain;
  }
  const auto manager = config::Manager::open(std::move(options));
  if (!manager) return manager.error();
  config::SnapshotPtr config = (*manager)->snapshot();
  return LocalStack{engine::link_environment(*config, root), std::move(config)};
}

Result<json::object> run_locally(Context& context, const Invocation& invocation, std::string_view operation,
                                 Claim claim, const LocalWork& work) {
  auto stack = local_stack(context, invocation);
  if (!stack) return stack.error();
  symlinks::Environment& environment = stack->environment;
  environment.locks = std::make_shared<symlinks::Locks>();
  engine::LinkClaim held;
  if (claim == Claim::stack) {
    auto claimed = engine::claim_links(environment);
    if (!claimed && claimed.error().is(Errc::conflict)) {
      return Error(Errc::conflict, "a server supervises this stack; leave out --local");
    }
    if (!claimed) return claimed.error();
    held = std::move(*claimed);
    for (const symlinks::Interrupted& run : held.interrupted) {
      context.note("a run was interrupted; undo or resume it with " + run.manifest);
    }
  }
  std::mutex mutex;
  symlinks::Progress latest;
  bool fresh = false;
  std::stop_source stop;
  symlinks::Control control;
  control.stop = stop.get_token();
  control.progress = [&](const symlinks::Progress& progress) {
    const std::lock_guard lock(mutex);
    latest = progress;
    fresh = true;
  };
  std::optional<Result<json::object>> result;  // written on the other thread, read after its end
  ProgressLine line(context);
  const auto perform = [&] { result = work(environment, control); };
  const auto look = [&] {
    if (context.system.interrupted()) stop.request_stop();
    symlinks::Progress shown;
    {
      const std::lock_guard lock(mutex);
      if (!fresh) return;
      shown = latest;
    }
    line.show(symlinks::to_json(shown, operation));
  };
  context.system.interrupted();  // from here on Ctrl-C ends the run between two links
  context.system.concurrently({perform}, 1, look);
  line.clear();
  context.interrupted = stop.stop_requested();
  if (context.interrupted && !*result && result->error().is(Errc::cancelled))
    return Error(Trouble::interrupted, "interrupted; nothing was changed");
  return std::move(*result);
}

}  // namespace dumb::cli
