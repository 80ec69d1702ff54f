#include <fmt/format.h>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/phase_asio.hpp"

/// The step run, and what all steps with a child share.
namespace dumb::setup {
namespace {

namespace asio = boost::asio;
constexpr std::size_t shown_lines = 40;

/// A word of a command: a path it begins with is where the disk has it.
std::string mapped_word(Run& run, const json::value& written, const std::string& word) {
  return word.starts_with('/') ? run.scope.map(text_of(written), word).native() : word;
}

struct Prepared {
  Tool tool;
  std::vector<int> accepted{0};
  int attempts = 1;
};

Result<Prepared> prepare(Run& run, const json::object& step) {
  Prepared out;
  if (step.contains("model")) {
    return failure(Failure::not_installed,
                   fmt::format("this build has no model {}", jsonx::string_at(step, "model")));
  }
  const json::value* argv = step.if_contains("argv");
  if (argv == nullptr || !argv->is_array()) return failure(Failure::bad_value, "the step needs argv");
  for (const json::value& element : argv->get_array()) {
    json::array single;
    single.push_back(element);
    const auto words = run.scope.expand(single);
    if (!words) return words.error();
    for (const json::value& word : words->get_array()) {
      out.tool.argv.push_back(mapped_word(run, element, text_of(word)));
    }
  }
  if (out.tool.argv.empty()) return failure(Failure::bad_value, "the step needs argv");
  out.tool.helper = std::filesystem::path(out.tool.argv.front()).filename();
  if (const json::value* env = step.if_contains("env")) {
    const auto values = run.scope.expand(*env);
    if (!values) return values.error();
    if (!values->is_object()) return failure(Failure::bad_value, "env must be an object");
    for (const auto& [name, value] : values->get_object()) out.tool.env[std::string(name)] = text_of(value);
  }
  if (const json::value* cwd = step.if_contains("cwd")) {
    const auto path = run.scope.path(*cwd);
    if (!path) return path.error();
    out.tool.directory = *path;
  }
  if (const json::value* input = step.if_contains("stdin")) {
    const auto text = run.scope.text(*input);
    if (!text) return text.error();
    out.tool.input = *text;
  }
  if (const json::value* ok = step.if_contains("ok"); ok != nullptr && ok->is_array()) {
    out.accepted.clear();
    for (const json::value& code : ok->get_array()) {
      out.accepted.push_back(static_cast<int>(text::to_int(text_of(code)).value_or(0)));
    }
  }
  if (const json::value* retries = step.if_contains("retries")) {
    out.attempts += static_cast<int>(text::to_int(text_of(*retries)).value_or(0));
  }
  const auto timeout = timeout_of(run, step, Seconds(600));
  if (!timeout) return timeout.error();
  out.tool.timeout = *timeout;
  out.tool.as_service_user = true;
  out.tool.log_output = true;
  return out;
}

}  // namespace

Task<bool> is_cancelled() {
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

Task<void> pause(Seconds time) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  timer.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(time));
  constexpr auto token = asio::as_tuple(asio::use_awaitable);
  co_await timer.async_wait(token);
}

Result<Seconds> timeout_of(Run& run, const json::object& step, Seconds otherwise) {
  const json::value* given = step.if_contains("timeout_s");
  if (given == nullptr) return otherwise;
  const auto text = run.scope.text(*given);
  if (!text) return text.error();
  const auto seconds = text::to_double(*text);
  if (!seconds || *seconds <= 0) return failure(Failure::bad_value, "timeout_s must be a positive number");
  return Seconds(*seconds);
}

std::string describe_exit(const Run& run, const supervisor::HelperResult& result) {
  std::vector<std::string> lines = text::split(text::trim(text::to_utf8(result.output)), '\n');
  if (lines.size() > shown_lines) lines.erase(lines.begin(), lines.end() - shown_lines);
  const std::string output = run.redacted(text::join(lines, "\n"));
  return result.status.to_string() + (output.empty() ? "" : ": " + output);
}

Task<Result<supervisor::HelperResult>> run_tool(RunPtr run, Tool tool) {
  supervisor::HelperSpec spec;
  spec.owner = run->name() + ":" + tool.helper;
  spec.launch.argv = std::move(tool.argv);
  const std::string program = spec.launch.argv.front();
  auto environment = tool.only_env ? config::Environment() : run->context.environment;
  std::erase_if(environment, [](const auto& entry) { return entry.first.starts_with("PG"); });
  for (auto& [name, value] : tool.env) environment[name] = value;
  for (const auto& [name, value] : environment) spec.launch.env.push_back(name + "=" + value);
  spec.launch.directory = tool.directory;
  if (tool.as_service_user && run->facts.is_root()) spec.launch.identity = run->context.service_user;
  spec.input = std::move(tool.input);
  spec.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(tool.timeout);
  spec.log = tool.log_output ? run->context.log : nullptr;
  auto result = co_await supervisor::run_helper(std::move(spec));
  if (!result) {
    const Error error = result.error();
    if (error.is(Errc::cancelled)) co_return failure(Failure::cancelled, "setup was cancelled");
    co_return failure(Failure::missing_binary,
                      fmt::format("{} cannot be run: {}", program, error.to_string()));
  }
  if (result->timed_out) {
    co_return failure(Failure::timeout,
                      fmt::format("{} did not end within {} s", program, tool.timeout.count()));
  }
  co_return result;
}

Task<StepResult> step_run(RunPtr run, json::object step) {
  if (jsonx::string_at(step, "model") == "plex-dbrepair" && run->context.repair_plex) {
    auto repair = run->context.repair_plex();
    const Result<void> repaired = co_await std::move(repair);
    if (!repaired) co_return failure(Failure::cancelled, "setup was cancelled");
    co_return Effect::changed;
  }
  auto prepare_it = [run, step](const std::atomic<bool>&) { return prepare(*run, step); };
  const auto prepared = co_await offload(*run->context.workers, std::move(prepare_it));
  if (!prepared) co_return prepared.error();
  std::string last;
  for (int attempt = 0; attempt < prepared->attempts; ++attempt) {
    Tool tool = prepared->tool;
    const auto result = co_await run_tool(run, std::move(tool));
    if (!result) co_return result.error();
    const auto& status = result->status;
    for (const int code : prepared->accepted) {
      if (status.kind == supervisor::ExitStatus::Kind::code && status.value == code)
        co_return Effect::changed;
    }
    last = describe_exit(*run, *result);
  }
  co_return failure(Failure::build_failed, fmt::format("{}: {}", prepared->tool.argv.front(), last));
}

}  // namespace dumb::setup
