#include <fmt/format.h>
#include <unistd.h>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <filesystem>

#include "setup/build_plan.hpp"
#include "setup/phase_asio.hpp"

/// The step `build`: tools that make a release runnable, as the service user (SVC-81 to SVC-86).
namespace dumb::setup {
namespace {

namespace fs = std::filesystem;
constexpr Seconds limit{3600};
constexpr int install_attempts = 5;

struct Build {
  build::Request request;
  int attempts = 1;
  bool uses_corepack = false;
};
using BuildPtr = std::shared_ptr<Build>;

Result<std::string> path_member(Run& run, const json::object& step, std::string_view name,
                                std::string otherwise) {
  const json::value* value = step.if_contains(name);
  if (value == nullptr) return otherwise;
  const auto path = run.scope.path(*value);
  if (!path) return path.error();
  return path->native();
}

std::vector<std::string> list_member(Run& run, const json::object& step, std::string_view name) {
  std::vector<std::string> out;
  const json::value* value = step.if_contains(name);
  if (value == nullptr) return out;
  const auto filled = run.scope.expand(*value);
  if (!filled || !filled->is_array()) return out;
  for (const json::value& element : filled->get_array()) out.push_back(text_of(element));
  return out;
}

/// Paths a step names, each of which may be a pattern.
Result<std::vector<std::string>> project_list(Run& run, const json::object& step) {
  std::vector<std::string> out;
  for (const char* name : {"project", "projects"}) {
    const json::value* value = step.if_contains(name);
    if (value == nullptr) continue;
    const json::array list = value->is_array() ? value->get_array() : json::array({*value});
    for (const json::value& element : list) {
      const auto path = run.scope.path(element);
      if (!path) return path.error();
      const auto found = glob(*path);
      if (found.empty()) return failure(Failure::build_failed, fmt::format("there is no {}", path->native()));
      for (const fs::path& one : found) out.push_back(one.native());
    }
  }
  return out;
}

std::string find_python(Run& run) {
  for (const char* name : {"python3.11", "python3"}) {
    if (run.facts.tool(name)) return name;
  }
  return "python3";
}

Result<BuildPtr> read_step(Run& run, const json::object& step) {
  const auto out = std::make_shared<Build>();
  build::Request& request = out->request;
  request.tool = jsonx::string_at(step, "tool");
  const auto venv = path_member(run, step, "venv", {});
  if (!venv) return venv.error();
  request.venv = *venv;
  const auto directory = path_member(run, step, "dir", fs::path(*venv).parent_path().native());
  if (!directory) return directory.error();
  request.directory = *directory;
  request.requirements = jsonx::string_at(step, "requirements", "requirements.txt");
  request.has_requirements = run.facts.exists(fs::path(request.directory) / request.requirements);
  request.args = list_member(run, step, "args");
  if (step.contains("scripts")) request.scripts = list_member(run, step, "scripts");
  const auto projects = project_list(run, step);
  if (!projects) return projects.error();
  request.projects = *projects;
  if (const json::value* output = step.if_contains("output")) {
    const auto text = run.scope.text(*output);
    if (!text) return text.error();
    request.output = fs::path(*text).is_absolute() ? run.scope.mapped(*text).native() : *text;
  }
  request.package = jsonx::string_at(step, "package", ".");
  if (const json::value* flags = step.if_contains("ldflags")) {
    const auto text = run.scope.text(*flags);
    if (!text) return text.error();
    request.ldflags = *text;
  }
  request.packages = list_member(run, step, "packages");
  request.python = find_python(run);
  if (const json::value* updates = step.if_contains("update"); updates != nullptr && updates->is_array()) {
    for (const json::value& entry : updates->get_array()) {
      const json::value* when = entry.is_object() ? entry.get_object().if_contains("when") : nullptr;
      const auto applies = when == nullptr ? Result<bool>(true) : holds(*when, run.scope);
      if (!applies) return applies.error();
      if (!*applies) continue;
      for (const std::string& name : list_member(run, entry.get_object(), "names"))
        request.update.push_back(name);
    }
  }
  out->attempts = static_cast<int>(text::to_int(jsonx::text_at(step, "retries")).value_or(1));
  return out;
}

std::string text_or_empty(const fs::path& path) {
  const auto text = file::read(path, 8U << 20U);
  return text ? *text : std::string();
}

Tool tool_for(const Run& run, const build::Request& request, const build::Command& command) {
  Tool tool;
  tool.helper = fs::path(command.argv.front()).filename().native();
  tool.argv = command.argv;
  const auto& surroundings = run.context.environment;
  const auto path = surroundings.find("PATH");
  tool.env =
      build::environment(request, path == surroundings.end() ? "/usr/local/bin:/usr/bin:/bin" : path->second);
  for (const auto& [name, value] : surroundings) {
    if (name != "PATH" && build::is_inherited(name)) tool.env[name] = value;
  }
  for (const auto& [name, value] : command.env) tool.env[name] = value;
  tool.directory = request.directory;
  if (tool.argv.front().find('/') != std::string::npos && !fs::path(tool.argv.front()).is_absolute())
    tool.argv.front() = (fs::path(request.directory) / tool.argv.front()).native();
  tool.as_service_user = true;
  tool.log_output = true;
  tool.only_env = true;
  tool.timeout = limit;
  return tool;
}

bool succeeded(const supervisor::HelperResult& result) {
  return result.status.kind == supervisor::ExitStatus::Kind::code && result.status.value == 0;
}

/// Runs one command; the last attempt's failure is the result.
Task<Result<void>> perform(RunPtr run, BuildPtr what, build::Command command, int attempts) {
  const std::string shown = text::shell_join(command.argv);
  for (int number = 1;; ++number) {
    Tool tool = tool_for(*run, what->request, command);
    const std::string program = tool.argv.front();
    if (program.find('/') == std::string::npos && !run->facts.tool(program))
      co_return failure(Failure::missing_binary, fmt::format("{} is not installed; it is in the package {}",
                                                             program, build::package_of(program)));
    const auto result = co_await run_tool(run, std::move(tool));
    if (!result) co_return result.error();
    if (succeeded(*result)) co_return Result<void>();
    if (number >= attempts)
      co_return failure(Failure::build_failed, fmt::format("{}: {}", shown, describe_exit(*run, *result)));
    run->log().warning(fmt::format("{}: {} failed and is tried again", run->name(), shown));
  }
}

void through_corepack(std::vector<std::string>& argv) {
  argv.insert(argv.begin(), "corepack");
}

/// Which pnpm the project wants, and whether the one on PATH will do (SVC-83).
Task<Result<void>> choose_pnpm(RunPtr run, BuildPtr what) {
  const std::string wanted =
      build::wanted_pnpm(text_or_empty(fs::path(what->request.directory) / "package.json"));
  if (!run->facts.tool("pnpm")) {
    what->uses_corepack = run->facts.tool("corepack").has_value();
    if (what->uses_corepack) co_return Result<void>();
    co_return failure(Failure::missing_binary, fmt::format("pnpm is not installed; it is in the package {}",
                                                           build::package_of("pnpm")));
  }
  if (wanted.empty() || !run->facts.tool("corepack")) co_return Result<void>();
  build::Command ask{{"pnpm", "--version"}};
  Tool tool = tool_for(*run, what->request, ask);
  tool.log_output = false;
  const auto result = co_await run_tool(run, std::move(tool));
  if (!result) co_return result.error();
  const std::string version(text::trim(result->output));
  what->uses_corepack = version.substr(0, version.find('.')) != wanted;
  co_return Result<void>();
}

std::string lines_of(const supervisor::HelperResult& result) {
  return text::to_utf8(result.output);
}

Task<Result<void>> install_packages(RunPtr run, BuildPtr what) {
  bool frozen = true;
  for (int number = 1;; ++number) {
    build::Command command{{"pnpm", "install", frozen ? "--frozen-lockfile" : "--no-frozen-lockfile"}};
    if (what->uses_corepack) through_corepack(command.argv);
    Tool tool = tool_for(*run, what->request, command);
    const auto result = co_await run_tool(run, std::move(tool));
    if (!result) co_return result.error();
    if (succeeded(*result)) co_return Result<void>();
    const std::string output = lines_of(*result);
    if (frozen && build::blames_lockfile(output)) {
      frozen = false;
      continue;
    }
    if (output.find("EAGAIN") == std::string::npos || number >= install_attempts)
      co_return failure(Failure::build_failed,
                        fmt::format("{}: {}", text::shell_join(command.argv), describe_exit(*run, *result)));
    // What a starved installation left half-linked (SVC-84).
    const fs::path left = fs::path(what->request.directory) / "node_modules/.pnpm";
    std::error_code error;
    for (fs::directory_iterator at(left, error), end; !error && at != end; at.increment(error)) {
      std::error_code ignored;
      if (at->path().filename().native().find("_tmp") != std::string::npos)
        fs::remove_all(at->path(), ignored);
    }
    co_await pause(Seconds(1 << (number - 1)));
    const bool over = co_await is_cancelled();
    if (over) co_return failure(Failure::cancelled, "setup was cancelled");
  }
}

Task<Result<void>> prepare_pnpm(RunPtr run, BuildPtr what) {
  auto write_it = [run, what] {
    const fs::path path = fs::path(what->request.directory) / ".npmrc";
    auto written = file::write_if_changed(path, build::npmrc(text_or_empty(path)), run->owned(0644));
    return written ? Result<void>() : Result<void>(written.error());
  };
  const Result<void> written = co_await offload(*run->context.workers, write_it);
  if (!written) co_return Run::failed(written.error());
  const Result<void> chosen = co_await choose_pnpm(run, what);
  if (!chosen) co_return chosen.error();
  const Result<void> installed = co_await install_packages(run, what);
  co_return installed;
}

}  // namespace

Task<StepResult> step_build(RunPtr run, json::object step) {
  auto read_it = [run, step] { return read_step(*run, step); };
  const Result<BuildPtr> what = co_await offload(*run->context.workers, read_it);
  if (!what) co_return what.error();
  const std::string& tool = (*what)->request.tool;
  std::vector<std::string> scripts;
  if (tool == "pnpm") {
    const Result<void> ready = co_await prepare_pnpm(run, *what);
    if (!ready) co_return ready.error();
    scripts = build::scripts_of(text_or_empty(fs::path((*what)->request.directory) / "package.json"));
  }
  for (build::Command& command : build::commands((*what)->request, scripts)) {
    if ((*what)->uses_corepack) through_corepack(command.argv);
    const Result<void> done = co_await perform(run, *what, command, (*what)->attempts);
    if (!done) co_return done.error();
  }
  if (tool == "python" || tool == "poetry") {
    const build::Command check{{"venv/bin/python", "-c", "pass"}};
    const Result<void> works = co_await perform(run, *what, check, 1);
    if (!works) co_return works.error();
  }
  co_return Effect::changed;
}

}  // namespace dumb::setup
