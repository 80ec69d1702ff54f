#include <fmt/format.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/phase_asio.hpp"
#include "setup/postgres.hpp"

/// Which programs to use, and whether the data directory is theirs (SVC-110, LIF-126, LIF-127).
namespace dumb::setup {
namespace {

namespace fs = std::filesystem;

struct Installed {
  std::string version;
  fs::path directory;
};

struct Found {
  fs::path data;
  std::string data_version;  ///< blank: not initialised
  std::optional<fs::path> on_path;
  std::vector<Installed> packaged;  ///< newest first
};

double order(const std::string& version) {
  return text::to_double(version).value_or(0);
}

Result<Found> look(Run& run) {
  Found found;
  found.data = run.scope.mapped(jsonx::string_at(run.scope.own(), "config_dir"));
  if (const auto version = run.facts.read(found.data / "PG_VERSION"))
    found.data_version = text::trim(*version);
  found.on_path = run.facts.tool("postgres");
  for (const fs::path& program : glob(run.context.host.map("/usr/lib/postgresql") / "*/bin/postgres")) {
    const fs::path directory = program.parent_path();
    found.packaged.push_back({directory.parent_path().filename(), directory});
  }
  std::sort(found.packaged.begin(), found.packaged.end(),
            [](const Installed& a, const Installed& b) { return order(a.version) > order(b.version); });
  return found;
}

Result<void> refuse_live_server(Run& run, const fs::path& data) {
  const auto text = run.facts.read(data / "postmaster.pid");
  const auto content = text ? pg::parse_pid_file(*text) : std::nullopt;
  if (!content || run.facts.service_running(run.name())) return {};
  if (!live_postgres(content->pid, data) && !live_postgres(content->pid, content->data_directory)) return {};
  return failure(Failure::conflict,
                 fmt::format("another PostgreSQL server, pid {}, already runs on {}; stop it first",
                             content->pid, data.native()));
}

Task<Result<Installed>> version_on_path(RunPtr run, fs::path program) {
  Tool tool;
  tool.helper = "postgres";
  tool.argv = {program.native(), "--version"};
  tool.timeout = Seconds(10);
  const auto result = co_await run_tool(run, std::move(tool));
  if (!result) co_return result.error();
  co_return Installed{pg::major_version(result->output), program.parent_path()};
}

std::string versions_of(const std::vector<Installed>& installed) {
  std::vector<std::string> names;
  for (const Installed& one : installed) names.push_back(one.version);
  return text::join(names, ", ");
}

}  // namespace

Result<std::string> postgres_program(Run& run, std::string_view name) {
  const fs::path beside = run.postgres_tools / name;
  if (!run.postgres_tools.empty() && run.facts.executable(beside)) return beside.native();
  if (const auto found = run.facts.tool(name)) return found->native();
  return failure(Failure::missing_binary, fmt::format("{} is not installed", name));
}

Task<Result<void>> prepare_postgres(RunPtr run, Phase phase) {
  auto look_it = [run](const std::atomic<bool>&) { return look(*run); };
  const auto found = co_await offload(*run->context.workers, std::move(look_it));
  if (!found) co_return found.error();
  std::vector<Installed> installed = found->packaged;
  if (found->on_path) {
    const auto first = co_await version_on_path(run, *found->on_path);
    if (!first) co_return first.error();
    installed.insert(installed.begin(), *first);
  }
  if (installed.empty()) {
    co_return failure(Failure::missing_binary,
                      "PostgreSQL is not installed: postgres is neither on PATH nor in /usr/lib/postgresql");
  }
  const auto fits = [&](const Installed& one) {
    return found->data_version.empty() || one.version == found->data_version;
  };
  const auto chosen = std::find_if(installed.begin(), installed.end(), fits);
  if (chosen == installed.end()) {
    co_return failure(
        Failure::conflict,
        fmt::format("{} was made by PostgreSQL {}, but installed is {}; it must be upgraded with pg_upgrade",
                    found->data.native(), found->data_version, versions_of(installed)));
  }
  run->postgres_tools = chosen->directory;
  if (phase == Phase::post_start) co_return Result<void>();
  auto refuse = [run, data = found->data](const std::atomic<bool>&) {
    return refuse_live_server(*run, data);
  };
  const auto alone = co_await offload(*run->context.workers, std::move(refuse));
  co_return alone;
}

}  // namespace dumb::setup
