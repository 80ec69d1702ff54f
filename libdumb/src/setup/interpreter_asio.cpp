#include <fmt/format.h>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/setup/install.hpp>
#include <dumb/setup/setup.hpp>

#include "setup/arr_api_asio.hpp"
#include "setup/phase_asio.hpp"
#include "setup/postgres.hpp"
#include "setup/rclone.hpp"
#include "setup/templates.hpp"

/// The interpreter: runs a step list over one service's block.
///
/// Paths. Expressions and configuration are spelled without the root. A step maps a path when it touches the
/// disk (Scope::path()). What goes into the outcome (`command`, `env`, `wait_for_url` …) stays unmapped: the
/// launcher maps words that begin with, or behind '=' hold, one of the block's own paths. What a service
/// reads itself from a file written for it (unix_socket_directories) is mapped. Programs of the machine
/// (/usr/…) are written as they are.
namespace dumb::setup {
namespace {

/// One element of a step's `each` and what became of it.
struct Attempt {
  bool applies = false;
  std::optional<StepResult> done;  ///< empty: the step has to be awaited
};

/// Runs blocking work and turns what the standard library throws into failures.
template <class F>
auto guarded(F work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::filesystem::filesystem_error& error) {
    return Run::failed(system_error(error.code().value(), "use", error.path1().native()));
  } catch (const std::out_of_range&) {
    return failure(Failure::bad_value, "the step lacks a member");
  }
}

Result<json::array> elements_of(Run& run, const json::object& step) {
  json::array elements;
  const json::value* each = step.if_contains("each");
  if (each == nullptr) {
    elements.emplace_back(nullptr);
    return elements;
  }
  auto value = run.scope.expand(*each);
  if (!value) return value.error();
  if (!value->is_array()) return failure(Failure::bad_value, "each must be a list");
  return std::move(value->get_array());
}

Result<Attempt> attempt(Run& run, const json::object& step, const std::string& kind,
                        const std::atomic<bool>& stop) {
  Attempt out;
  out.applies = true;
  if (const json::value* when = step.if_contains("when")) {
    const auto holds_now = holds(*when, run.scope);
    if (!holds_now) return holds_now.error();
    out.applies = *holds_now;
  }
  if (out.applies) out.done = blocking_step(kind, run, step, stop);
  return out;
}

Task<StepResult> awaited_step(RunPtr run, json::object step, std::string kind) {
  if (kind == "run") {
    const auto done = co_await step_run(run, std::move(step));
    co_return done;
  }
  if (kind == "wait") {
    const auto done = co_await step_wait(run, std::move(step));
    co_return done;
  }
  if (kind == "initdb") {
    const auto done = co_await step_initdb(run, std::move(step));
    co_return done;
  }
  if (kind == "sql") {
    const auto done = co_await step_sql(run, std::move(step));
    co_return done;
  }
  if (kind == "download") {
    const auto done = co_await step_download(run, std::move(step));
    co_return done;
  }
  if (kind == "build") {
    const auto done = co_await step_build(run, std::move(step));
    co_return done;
  }
  if (kind == "prowlarr-indexers") {
    const auto done = co_await update_definitions(run);
    co_return done;
  }
  if (is_background(kind)) {
    run->outcome.background.emplace_back(std::move(step));
    co_return Effect::none;
  }
  if (kind == "http") {
    const auto done = co_await step_http(run, std::move(step));
    co_return done;
  }
  co_return failure(Failure::not_installed, fmt::format("this build cannot perform steps of type {}", kind));
}

Task<StepResult> run_step(RunPtr run, json::object step, std::string kind) {
  auto list = [run, step](const std::atomic<bool>&) {
    return guarded([&] { return elements_of(*run, step); });
  };
  const auto elements = co_await offload(*run->context.workers, std::move(list));
  if (!elements) co_return elements.error();
  Effect effect = Effect::none;
  for (const json::value& element : *elements) {
    const bool cancelled = co_await is_cancelled();
    if (cancelled) co_return failure(Failure::cancelled, "setup was cancelled");
    run->facts.look_at_services();
    auto act = [run, step, kind, element](const std::atomic<bool>& stop) {
      run->scope.set_each(element);
      return guarded([&] { return attempt(*run, step, kind, stop); });
    };
    const auto tried = co_await offload(*run->context.workers, std::move(act));
    if (!tried) co_return tried.error();
    if (!tried->applies) continue;
    StepResult done = Effect::none;
    if (tried->done) {
      done = *tried->done;
    } else {
      done = co_await awaited_step(run, step, kind);
    }
    if (!done) co_return done.error();
    if (*done == Effect::changed) effect = Effect::changed;
  }
  co_return effect;
}

Error placed(const Run& run, const Error& error, std::size_t number, const std::string& kind) {
  const Error own = Run::failed(error);
  return {own.code(), own.message(), fmt::format("{} step {} ({})", run.name(), number, kind)};
}

}  // namespace

Task<Result<void>> run_list(RunPtr run, json::array steps) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const json::object step = steps[i].is_object() ? steps[i].get_object() : json::object();
    const std::string kind = jsonx::string_at(step, "do");
    run->owned_later.clear();
    for (std::size_t k = i + 1; k < steps.size(); ++k) {
      const json::object* later = steps[k].if_object();
      if (later == nullptr || jsonx::string_at(*later, "do") != "own" || later->contains("when")) continue;
      run->owned_later.insert(jsonx::string_at(*later, "path"));
    }
    const auto done = co_await run_step(run, step, kind);
    if (!done) {
      const Error error = placed(*run, done.error(), i + 1, kind);
      const bool over = error.code() == make_error_code(Failure::cancelled);
      if (over || jsonx::string_at(step, "on_error") != "warn") co_return error;
      run->log().warning(error.to_string());
      continue;
    }
    if (*done == Effect::changed && jsonx::bool_at(step, "restart_if_changed", false))
      run->outcome.restart_needed = true;
  }
  co_return Result<void>();
}

namespace {

/// Software that is missing or not what the configuration asks for, before the steps that need it (LIF-28).
Task<Result<json::object>> install_first(Context context) {
  if (!can_install(context)) co_return json::object();
  const InstallOptions options = install_options(context);
  auto look = [context] { return is_installed(context); };
  const bool installed = co_await offload(*context.workers, look);
  const Result<Prepared> done = co_await install(options);
  if (done && done->changed) {
    const Result<void> committed = co_await commit_install(options);
    if (!committed) co_return committed.error();
    co_return done->persisted;
  }
  if (done) co_return json::object();
  const bool over = done.error().code() == make_error_code(Failure::cancelled);
  if (!installed || over) co_return done.error();
  // What is there starts, whatever became of the wish for another version (SVC-38, SVC-97).
  if (context.log != nullptr)
    context.log->warning("the installed version is started: " + done.error().to_string());
  co_return json::object();
}

/// Services whose instances begin as copies of one below /<key>/default (SVC-207).
bool has_template_directories(std::string_view key) {
  return key == "seerr" || key == "huntarr" || key == "profilarr";
}

/// Steps speak of the directory this very instance is installed in (SVC-48).
void tell_root(Run& run) {
  const std::filesystem::path root = install_root(run.context);
  if (root.empty()) return;
  const std::string shown = run.context.root.unmap(root).native();
  run.scope.values["install.root"] = [shown] { return json::value(json::string(shown)); };
  if (jsonx::string_at(run.service.install, "method") == "servarr")
    run.scope.assign("install_dir", json::value(json::string(shown)));
}

/// What a service needs before its steps, beyond what data can say.
Task<Result<void>> prepare(RunPtr run, Phase phase) {
  if (phase == Phase::configure) tell_root(*run);
  if (run->service.key == "postgres") {
    const auto done = co_await prepare_postgres(run, phase);
    co_return done;
  }
  if (run->service.key == "rclone" && phase == Phase::configure) {
    run->hands_off = run->facts.service_running(run->name());
    co_return check_rclone(run->scope.own());
  }
  if (phase == Phase::configure && has_template_directories(run->service.key)) {
    for (auto& [name, value] : own_directories(run->scope.own(), run->service.key))
      assign_member(*run, name, std::move(value), true);
  }
  co_return Result<void>();
}

/// Paths of the command that hold a pattern, as they are on this disk (SVC-125).
void resolve_patterns(Run& run) {
  const json::value* command = run.outcome.generated.if_contains("command");
  if (command == nullptr || !command->is_array()) return;
  json::array words;
  for (const json::value& word : command->get_array()) {
    const std::string text = text_of(word);
    const bool pattern = text.starts_with('/') && text.find('*') != std::string::npos;
    const auto found = pattern ? glob(run.scope.map(text, text)) : std::vector<std::filesystem::path>();
    words.emplace_back(found.empty() ? text : run.context.root.unmap(found.back()).native());
  }
  run.outcome.generated["command"] = std::move(words);
}

/// What a service's command and waits become after its steps (SVC-116, SVC-136).
Result<void> finish(Run& run) {
  if (run.service.key == "postgres") {
    const auto words =
        pg::server_command(run.scope.own().if_contains("command"), run.scope.own(), run.postgres_tools);
    if (!words) return words.error();
    json::array command;
    for (const std::string& word : *words) command.emplace_back(word);
    run.outcome.generated["command"] = std::move(command);
  }
  if (run.service.key == "rclone") {
    const auto remote = rclone_remote(run.scope);
    if (!remote) return remote.error();
    run.outcome.generated["wait_for_url"] = remote_wait(*remote);
  }
  if (run.service.key == "pgadmin") resolve_patterns(run);
  return {};
}

Task<Result<Outcome>> run_phase(Context context, Phase phase) {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  const catalog::Service* service = context.catalog->find(context.block.config_key);
  if (service == nullptr || !context.block.enabled) co_return Outcome();
  const json::array steps = phase == Phase::configure ? service->configure : service->post_start;
  if (phase == Phase::post_start && steps.empty()) co_return Outcome();
  json::object installed;
  if (phase == Phase::configure) {
    Result<json::object> done = co_await install_first(context);
    if (!done) co_return done.error();
    installed = std::move(*done);
  }
  const auto run = std::make_shared<Run>(std::move(context));
  for (auto& [name, value] : installed) run->outcome.persisted[name] = std::move(value);
  run->facts.look_at_services();
  const auto prepared = co_await prepare(run, phase);
  if (!prepared) co_return placed(*run, prepared.error(), 0, "prepare");
  const auto done = co_await run_list(run, steps);
  if (!done) co_return done.error();
  if (phase == Phase::configure) {
    auto finish_it = [run](const std::atomic<bool>&) { return finish(*run); };
    const auto finished = co_await offload(*run->context.workers, std::move(finish_it));
    if (!finished) co_return placed(*run, finished.error(), steps.size(), "finish");
  }
  co_return std::move(run->outcome);
}

}  // namespace

Task<Result<Outcome>> configure(Context context) {
  auto outcome = co_await run_phase(std::move(context), Phase::configure);
  co_return outcome;
}

Task<Result<Outcome>> post_start(Context context) {
  auto outcome = co_await run_phase(std::move(context), Phase::post_start);
  co_return outcome;
}

}  // namespace dumb::setup
