#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/catalog/catalog.hpp>
#include <dumb/config/manager.hpp>
#include <dumb/health/health.hpp>
#include <dumb/supervisor/resolve.hpp>

#include "commands.hpp"
#include "context.hpp"
#include "paths.hpp"
#include "recorded.hpp"

namespace dumb::cli {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds probe_timeout{1500};
constexpr std::chrono::seconds whole_check{8};

/// Answer of `healthcheck --json`.
struct HealthcheckReport {
  bool healthy = true;
  std::string phase;
  std::int64_t processes = 0;
  std::vector<std::string> problems;
};
BOOST_DESCRIBE_STRUCT(HealthcheckReport, (), (healthy, phase, processes, problems))

std::optional<LiveProcess> live_process(std::int64_t pid) {
  const auto line = file::read(fmt::format("/proc/{}/stat", pid), 64U << 10U);
  return line ? parse_process_stat(*line) : std::nullopt;
}

// The configuration as the server sees it; null when it cannot be read. Never creates or writes anything.
std::unique_ptr<config::Manager> open_config(const Root& root, const Invocation& invocation,
                                             const Environment& environment) {
  config::OpenOptions options;
  options.root = root;
  options.file = config_path(invocation.value("--config"), environment, root);
  options.model = catalog::Catalog::embedded().model();
  options.environment = environment;
  options.env_file = root.map("/config/.env");
  options.secrets_dir = root.map("/run/secrets");
  options.create = false;
  auto manager = config::Manager::open(std::move(options));
  return manager ? std::move(*manager) : nullptr;
}

std::vector<health::Endpoint> endpoints_of(const config::Manager& manager, const Root& root,
                                           std::string_view name) {
  const config::SnapshotPtr snapshot = manager.snapshot();
  const config::BlockRef* block = snapshot->find(name);
  if (block == nullptr) return {};
  supervisor::ResolveRequest request;
  request.config = snapshot;
  request.block = *block;
  request.service = catalog::Catalog::embedded().find(block->config_key);
  request.root = root;
  request.inherited = manager.environment();
  const auto resolved = supervisor::resolve_launch(request);
  return health::endpoints_of(resolved ? resolved->block : snapshot->block(*block));
}

// Probes all services at once; a fault per service that does not answer, in their order.
std::vector<std::string> port_faults(const std::vector<RecordedProcess>& processes,
                                     const std::vector<std::vector<health::Endpoint>>& endpoints) {
  asio::io_context context;
  std::vector<health::Verdict> verdicts(processes.size(), {false, "not checked within 8 s"});
  for (std::size_t i = 0; i < processes.size(); ++i) {
    auto store = [&verdicts, i](std::exception_ptr failed, health::Verdict verdict) {
      if (!failed) verdicts[i] = std::move(verdict);
    };
    asio::co_spawn(context, health::probe(endpoints[i], probe_timeout), std::move(store));
  }
  context.run_for(whole_check);
  std::vector<std::string> faults;
  for (std::size_t i = 0; i < processes.size(); ++i) {
    if (!verdicts[i].healthy) faults.push_back(fmt::format("{}: {}", processes[i].name, verdicts[i].reason));
  }
  return faults;
}

std::vector<std::string> check(const std::vector<RecordedProcess>& processes, const StartupState& startup,
                               const config::Manager* manager, const Root& root) {
  std::vector<std::string> faults;
  std::vector<RecordedProcess> alive;
  std::vector<std::vector<health::Endpoint>> endpoints;
  for (const RecordedProcess& process : processes) {
    const auto live = live_process(process.pid);
    if (auto fault = process_fault(process, startup, live ? &*live : nullptr)) {
      faults.push_back(std::move(*fault));
    } else if (manager != nullptr) {
      alive.push_back(process);
      endpoints.push_back(endpoints_of(*manager, root, process.name));
    }
  }
  for (std::string& fault : port_faults(alive, endpoints)) faults.push_back(std::move(fault));
  return faults;
}

ExitCode tell(const Context& context, const HealthcheckReport& report) {
  if (context.json) {
    context.print(jsonx::print(codec::encode(report)));
  } else if (report.healthy) {
    const bool booting = report.processes == 0 && !report.phase.empty();
    context.print(booting ? fmt::format("healthy, {}\n", text::replace_all(report.phase, "_", " "))
                          : fmt::format("healthy, {} process{}\n", report.processes,
                                        report.processes == 1 ? "" : "es"));
  } else {
    context.system.err(printable(text::join(report.problems, " | ")) + '\n');
  }
  return report.healthy ? ExitCode::success : ExitCode::failed;
}

}  // namespace

Result<ExitCode> run_healthcheck(Context& context, const Invocation& invocation) {
  const Environment& environment = context.system.environment;
  const Root root = stack_root(invocation.value("--root"), environment, context.system.is_root_user);
  HealthcheckReport report;
  const auto state = file::read(root.map("/healthcheck/startup_state.json"));
  const StartupState startup = state ? parse_startup_state(*state) : StartupState();
  report.phase = startup.phase;
  if (startup.phase == "shutting_down") {
    report.problems.emplace_back("the server is shutting down");
  } else if (startup.terminal) {
    const std::filesystem::path file = root.map("/healthcheck/running_processes.json");
    const auto text = file::read(file);
    const auto processes =
        text ? parse_running_processes(*text) : Result<std::vector<RecordedProcess>>(text.error());
    if (processes) {
      report.processes = static_cast<std::int64_t>(processes->size());
      const auto manager = open_config(root, invocation, environment);
      report.problems = check(*processes, startup, manager.get(), root);
    } else {
      report.problems.push_back(fmt::format("{}: {}", file.native(), processes.error().message()));
    }
  }
  report.healthy = report.problems.empty();
  return tell(context, report);
}

}  // namespace dumb::cli
