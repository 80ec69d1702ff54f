// How long a whole stack takes to come up, against the critical path that its dependencies dictate.
//
//   dumb-bench-bringup PATH-OF-STUB [SERVICES [RUNS]]
//
// Random acyclic graphs of services that each tell readiness a declared time after their start. The critical
// path is computed from these times alone; whatever the makespan is longer is this program's: deciding,
// spawning, hearing of readiness. The floor is a loop that does nothing but posix_spawn the same number of
// children. Prints one row per run and the medians.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dumb/base/json.hpp>
#include <dumb/engine/engine.hpp>
#include <dumb/graph/plan.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
namespace json = dumb::json;
using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bringup: %s\n", what.c_str());
  std::exit(1);
}

std::string name_of(std::size_t number) {
  return "Service " + std::to_string(1000 + number);
}

/// One random stack.
struct Graph {
  json::object document;
  dumb::graph::Needs needs;
  std::map<std::string, double> seconds;
  std::size_t levels = 0;
};

/// `chain`: each service needs just the one before.
Graph make_graph(std::size_t count, bool chain, std::mt19937& random, const std::string& stub) {
  Graph graph;
  json::object& dumb = graph.document["dumb"].emplace_object();
  dumb["frontend"].emplace_object()["enabled"] = false;
  // Services never run as root.
  graph.document["puid"] = ::geteuid() == 0 ? std::int64_t{1000} : static_cast<std::int64_t>(::geteuid());
  graph.document["pgid"] = ::geteuid() == 0 ? std::int64_t{1000} : static_cast<std::int64_t>(::getegid());
  std::vector<std::size_t> level(count);
  for (std::size_t i = 0; i < count; ++i) {
    const int delay = chain ? 2'000 : 5'000 + static_cast<int>(random() % 45'000);  // microseconds
    json::array needs;
    auto& own = graph.needs[name_of(i)];
    const std::size_t wanted = i == 0 ? 0 : chain ? 1 : random() % 4;
    for (std::size_t k = 0; k < wanted; ++k) {
      const std::size_t j = chain ? i - 1 : random() % i;
      if (!own.emplace(name_of(j), dumb::graph::Need()).second) continue;
      needs.emplace_back(name_of(j));
      level[i] = std::max(level[i], level[j] + 1);
    }
    graph.seconds[name_of(i)] = delay / 1e6;
    json::object block;
    block["enabled"] = true;
    block["process_name"] = name_of(i);
    block["command"] = json::array{stub, std::to_string(delay)};
    block["depends_on"] = std::move(needs);
    block["readiness"].emplace_object()["notify"] = true;
    block["suppress_logging"] = true;
    graph.document["service" + std::to_string(i)] = std::move(block);
  }
  graph.levels = 1 + *std::max_element(level.begin(), level.end());
  return graph;
}

struct Sample {
  double makespan = 0;  // ms
  double critical = 0;  // ms
  std::size_t levels = 0;
};

Sample run_once(const Graph& graph, const fs::path& root) {
  fs::remove_all(root);
  fs::create_directories(root / "config");
  std::ofstream(root / "config/dumb_config.json") << dumb::jsonx::print(graph.document);
  boost::asio::io_context context(1);
  dumb::engine::Options options;
  options.root = dumb::Root(root);
  options.environment = {{"PATH", "/usr/bin:/bin"}};
  options.log_to_standard_output = false;
  auto engine = dumb::engine::Engine::open(context, std::move(options));
  if (!engine) fail(engine.error().to_string());
  dumb::engine::StackOperation report;
  const auto work = [](dumb::engine::Engine& stack,
                       dumb::engine::StackOperation& out) -> boost::asio::awaitable<void> {
    co_await stack.boot();
    out = stack.stack_operation();
    co_await stack.shutdown();
  };
  boost::asio::co_spawn(context, work(**engine, report), [&](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
    context.stop();
  });
  context.run();
  if (!report.ok) {
    for (const auto& step : report.steps) {
      if (step.state != "ready")
        fail(step.process_name + " is " + step.state + ": " + step.reason.value_or(""));
    }
  }
  const auto path = dumb::graph::critical_path(graph.needs, graph.seconds);
  return {report.elapsed_seconds * 1e3, path.makespan * 1e3, graph.levels};
}

/// The same number of children by a bare loop, in milliseconds.
double spawn_floor(const std::string& stub, std::size_t count) {
  std::vector<pid_t> pids(count);
  std::string program = stub;
  std::string delay = "0";
  char* const arguments[] = {program.data(), delay.data(), nullptr};
  const auto begin = Clock::now();
  for (pid_t& pid : pids) {
    if (::posix_spawn(&pid, stub.c_str(), nullptr, nullptr, arguments, environ) != 0)
      fail("cannot run " + stub);
  }
  const double took = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  for (const pid_t pid : pids) ::kill(pid, SIGKILL);
  for (const pid_t pid : pids) ::waitpid(pid, nullptr, 0);
  return took;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const char* what, std::size_t count, bool chain, int runs, const std::string& stub,
             const fs::path& root) {
  std::printf("%s of %zu services\n", what, count);
  std::printf("  run  levels  critical ms  makespan ms  excess ms   bar ms\n");
  std::vector<double> excesses;
  std::vector<double> bars;
  std::mt19937 random(7);
  for (int run = 1; run <= runs; ++run) {
    const Sample sample = run_once(make_graph(count, chain, random, stub), root);
    const double excess = sample.makespan - sample.critical;
    const double bar = 0.5 * static_cast<double>(sample.levels) + 10;
    std::printf("  %3d  %6zu  %11.2f  %11.2f  %9.2f  %7.2f\n", run, sample.levels, sample.critical,
                sample.makespan, excess, bar);
    excesses.push_back(excess);
    bars.push_back(bar);
  }
  std::printf("  median                                 %9.2f  %7.2f  ratio %.2f\n", median(excesses),
              median(bars), median(excesses) / median(bars));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) fail("usage: dumb-bench-bringup PATH-OF-STUB [SERVICES [RUNS]]");
  const std::string stub = fs::canonical(argv[1]);
  const std::size_t count = argc > 2 ? static_cast<std::size_t>(std::max(1, std::atoi(argv[2]))) : 200;
  const int runs = argc > 3 ? std::max(1, std::atoi(argv[3])) : 10;
  char scratch[] = "/tmp/dumb-bench.XXXXXX";
  if (::mkdtemp(scratch) == nullptr) fail("no scratch directory");
  fs::permissions(scratch, fs::perms(0755));
  const fs::path root = fs::path(scratch) / "root";
  measure("random graph", count, false, runs, stub, root);
  measure("chain", 50, true, runs, stub, root);
  std::vector<double> floors;
  for (int i = 0; i < 5; ++i) floors.push_back(spawn_floor(stub, count));
  std::printf("floor: %zu children by a bare loop in %.2f ms\n", count, median(floors));
  fs::remove_all(scratch);
}
