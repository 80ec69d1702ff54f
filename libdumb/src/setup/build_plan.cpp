#include "setup/build_plan.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::setup::build {
namespace {

std::vector<Command> python_commands(const Request& request) {
  std::vector<Command> out{{{request.python, "-m", "venv", "venv"}}};
  const bool poetry = request.tool == "poetry";
  if (request.has_requirements && !poetry)
    out.push_back({{"venv/bin/pip", "install", "-r", request.requirements}});
  if (!poetry) return out;
  out.push_back({{"venv/bin/python", "-m", "pip", "install", "poetry"}});
  if (!request.update.empty()) {
    Command update{{"venv/bin/poetry", "update"}};
    update.argv.insert(update.argv.end(), request.update.begin(), request.update.end());
    out.push_back(std::move(update));
  }
  Command install{{"venv/bin/poetry", "install"}};
  install.argv.insert(install.argv.end(), request.args.begin(), request.args.end());
  out.push_back(std::move(install));
  return out;
}

std::vector<Command> dotnet_commands(const Request& request) {
  const std::string restored = request.projects.size() == 1 ? request.projects.front() : request.directory;
  std::vector<Command> out{{{"dotnet", "restore", restored, "/nodeReuse:false"}}};
  for (const std::string& project : request.projects) {
    out.push_back({{"dotnet", "publish", project, "-c", "Release", "--no-restore", "-o", request.output,
                    "/nodeReuse:false", "/p:UseSharedCompilation=false"}});
  }
  return out;
}

std::vector<Command> go_commands(const Request& request) {
  Command build{{"go", "build"}};
  if (!request.ldflags.empty()) build.argv.insert(build.argv.end(), {"-ldflags", request.ldflags});
  build.argv.insert(build.argv.end(), {"-o", request.output, request.package});
  return {build};
}

std::vector<Command> pip_commands(const Request& request) {
  std::vector<Command> out{{{request.python, "-m", "venv", request.venv}}};
  Command install{{request.venv + "/bin/pip", "install"}};
  install.argv.insert(install.argv.end(), request.packages.begin(), request.packages.end());
  out.push_back(std::move(install));
  return out;
}

json::object object_of(std::string_view text) {
  auto value = jsonx::parse(text);
  return value && value->is_object() ? std::move(value->get_object()) : json::object();
}

}  // namespace

std::map<std::string, std::string> environment(const Request& request, std::string_view path) {
  const std::string& dir = request.directory;
  std::map<std::string, std::string> out{{"PATH", std::string(path)}, {"HOME", dir}};
  if (request.tool == "python" || request.tool == "poetry" || request.tool == "pip") {
    out["PIP_CACHE_DIR"] = dir + "/.cache/pip";
    out["PIP_DISABLE_PIP_VERSION_CHECK"] = "1";
    out["PIP_NO_INPUT"] = "1";
  }
  if (request.tool == "poetry") {
    out["VIRTUAL_ENV"] = dir + "/venv";
    out["PATH"] = dir + "/venv/bin:" + std::string(path);
    out["POETRY_VIRTUALENVS_CREATE"] = "false";
    out["POETRY_CACHE_DIR"] = dir + "/.cache/poetry";
    out["POETRY_CONFIG_DIR"] = dir + "/.config/poetry";
  }
  if (request.tool == "pnpm") {
    out["npm_config_userconfig"] = dir + "/.npmrc";
    out["npm_config_cache"] = dir + "/.npm-cache";
    out["CI"] = out["PNPM_YES"] = out["PNPM_NETWORK_CONCURRENCY"] = out["PNPM_CHILD_CONCURRENCY"] = "1";
    out["PNPM_FETCH_RETRIES"] = "10";
  }
  if (request.tool == "dotnet") {
    out["DOTNET_CLI_HOME"] = dir + "/.dotnet";
    out["NUGET_PACKAGES"] = dir + "/.nuget";
    out["DOTNET_NOLOGO"] = out["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
  }
  if (request.tool == "go") {
    out["GOCACHE"] = dir + "/.cache/go-build";
    out["GOMODCACHE"] = dir + "/.cache/go-mod";
  }
  return out;
}

std::vector<Command> commands(const Request& request, const std::vector<std::string>& known_scripts) {
  if (request.tool == "python" || request.tool == "poetry") return python_commands(request);
  if (request.tool == "dotnet") return dotnet_commands(request);
  if (request.tool == "go") return go_commands(request);
  if (request.tool == "pip") return pip_commands(request);
  std::vector<Command> out;
  for (const std::string& script : request.scripts) {
    if (std::find(known_scripts.begin(), known_scripts.end(), script) != known_scripts.end())
      out.push_back({{"pnpm", "run", script}});
  }
  return out;
}

bool is_inherited(std::string_view variable) {
  const std::string lower = text::lower(variable);
  return lower == "path" || lower == "lang" || lower == "tz" || lower.ends_with("_proxy");
}

std::string npmrc(std::string_view present) {
  static constexpr std::array<std::string_view, 7> lines{
      "store-dir=./.pnpm-store",   "child-concurrency=1",  "network-concurrency=1",
      "fetch-retries=10",          "fetch-retry-factor=3", "fetch-retry-mintimeout=15000",
      "package-import-method=copy"};
  std::string out(present);
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  for (const std::string_view line : lines) {
    const std::string_view name = line.substr(0, line.find('=') + 1);
    bool there = false;
    for (const std::string& old : text::split(present, '\n'))
      there = there || text::replace_all(old, " ", "").starts_with(name);
    if (!there) out += std::string(line) + "\n";
  }
  return out;
}

std::vector<std::string> scripts_of(std::string_view package_json) {
  std::vector<std::string> out;
  const json::object document = object_of(package_json);
  const json::value* scripts = document.if_contains("scripts");
  if (scripts == nullptr || !scripts->is_object()) return out;
  for (const auto& [name, unused] : scripts->get_object()) out.emplace_back(name);
  return out;
}

std::string wanted_pnpm(std::string_view package_json) {
  const json::object document = object_of(package_json);
  std::string said = jsonx::string_at(document, "packageManager");
  if (said.starts_with("pnpm@")) {
    said.erase(0, 5);
  } else {
    const json::value* engines = document.if_contains("engines");
    said = engines != nullptr && engines->is_object() ? jsonx::string_at(engines->get_object(), "pnpm")
                                                      : std::string();
  }
  const std::size_t digit = said.find_first_of("0123456789");
  if (digit == std::string::npos) return {};
  return said.substr(digit, said.find_first_not_of("0123456789", digit) - digit);
}

bool blames_lockfile(std::string_view output) {
  for (const char* sign : {"ERR_PNPM_OUTDATED_LOCKFILE", "ERR_PNPM_NO_LOCKFILE", "ERR_PNPM_LOCKFILE",
                           "ERR_PNPM_BROKEN_LOCKFILE", "not up to date with"}) {
    if (output.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

std::string_view package_of(std::string_view program) {
  if (program.starts_with("python3")) return "python3-venv";
  if (program == "pnpm") return "pnpm (npm install -g pnpm)";
  if (program == "node") return "nodejs";
  if (program == "dotnet") return "dotnet-sdk-9.0";
  if (program == "go") return "golang-go";
  return program;
}

}  // namespace dumb::setup::build
