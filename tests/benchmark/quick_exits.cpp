// Whether the last line of a child is ever lost, however short it lives.
//
//   dumb-bench-quick-exits PATH-OF-LINE [CHILDREN]
//
// Runs 10,000 children through the supervisor, 16 at a time, while four others print as fast as their lines
// are taken and as many threads as there are cores do nothing but burn them. Each child prints one numbered
// line, on standard output or standard error, with or without its line end, and ends at once. Every number
// must stand in the logs exactly once. Ends with 1 when one is missing or doubled.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dumb/supervisor/supervisor.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using dumb::Result;

constexpr int lanes = 16;
constexpr int talkers = 4;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "quick_exits: %s\n", what.c_str());
  std::exit(1);
}

/// Services whose arguments are set before each start.
class Source final : public dumb::supervisor::ServiceSource {
 public:
  Source(std::string line_program, fs::path root)
      : program_(std::move(line_program)), root_(std::move(root)) {}

  std::map<std::string, std::vector<std::string>> arguments;
  fs::path log_of(const std::string& name) const { return root_ / "log" / (name + ".log"); }

  asio::awaitable<Result<void>> setup(std::string) override { co_return Result<void>(); }
  Result<dumb::supervisor::WaitPlan> waits(const std::string&) override {
    return dumb::supervisor::WaitPlan();
  }
  Result<dumb::supervisor::LaunchPlan> launch_plan(const std::string& name) override {
    dumb::supervisor::LaunchPlan plan;
    plan.spec.argv = arguments.at(name);
    plan.spec.argv.insert(plan.spec.argv.begin(), program_);
    plan.spec.directory = root_;
    plan.to_main_log = false;
    plan.one_shot = true;
    plan.log_file = log_of(name);
    return plan;
  }
  dumb::supervisor::StopPlan stop_plan(const std::string&) override { return {}; }
  asio::awaitable<Result<bool>> post_start(std::string) override { co_return Result<bool>(false); }
  asio::awaitable<void> after_stop(std::string) override { co_return; }
  void changed(const std::string&) override {}

 private:
  std::string program_;
  fs::path root_;
};

std::vector<std::string> arguments_for(int number) {
  const std::string text = "number=" + std::to_string(number) + ";";
  if (number % 3 == 0) return {"--error", text};
  if (number % 3 == 1) return {"--partial", text};
  return {text};
}

asio::awaitable<void> run_lane(dumb::supervisor::Supervisor& supervisor, Source& source, int lane,
                               int children, int& open) {
  const std::string name = "quick" + std::to_string(lane);
  for (int number = lane; number < children; number += lanes) {
    source.arguments[name] = arguments_for(number);
    auto starting = supervisor.start(name);
    const auto started = co_await std::move(starting);
    if (!started) fail(name + ": " + started.error().to_string());
  }
  --open;
}

asio::awaitable<void> run_all(dumb::supervisor::Supervisor& supervisor, Source& source, int children,
                              bool& done) {
  std::vector<std::string> loud;
  for (int i = 0; i < talkers; ++i) {
    loud.push_back("loud" + std::to_string(i));
    source.arguments[loud.back()] = {"--rate", "0", "100"};
    auto starting = supervisor.start(loud.back());
    const auto started = co_await std::move(starting);
    if (!started) fail(started.error().to_string());
  }
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  int open = lanes;
  for (int lane = 0; lane < lanes; ++lane) {
    auto running = run_lane(supervisor, source, lane, children, open);
    asio::co_spawn(executor, std::move(running), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
  }
  asio::steady_timer timer(executor);
  while (open > 0) {
    timer.expires_after(10ms);
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    co_await timer.async_wait(token);
  }
  for (const std::string& name : loud) {
    auto stopping = supervisor.stop_and_wait(name);
    (void)co_await std::move(stopping);
  }
  supervisor.refuse_starts();
  auto idle = supervisor.idle();
  co_await std::move(idle);
  done = true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) fail("usage: dumb-bench-quick-exits PATH-OF-LINE [CHILDREN]");
  const int children = argc > 2 ? std::max(1, std::atoi(argv[2])) : 10'000;
  char scratch[] = "/tmp/dumb-bench.XXXXXX";
  if (::mkdtemp(scratch) == nullptr) fail("no scratch directory");
  const fs::path root = scratch;
  Source source(fs::canonical(argv[1]), root);
  const auto begin = std::chrono::steady_clock::now();
  {
    dumb::logs::MainLogOptions options;
    options.directory = root / "log";
    options.standard_output = false;
    options.max_size = 64U << 20U;
    dumb::logs::LogService logs(options);
    asio::io_context context(1);
    asio::thread_pool pool(2);
    dumb::supervisor::Supervisor supervisor(context.get_executor(), pool, source, logs,
                                            {.run_directory = root / "run"});
    std::atomic<bool> burning = true;
    std::vector<std::thread> burners;
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
      burners.emplace_back([&burning] {
        while (burning.load(std::memory_order_relaxed)) {
        }
      });
    }
    bool done = false;
    asio::co_spawn(context, run_all(supervisor, source, children, done), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    while (!done) context.run_one();
    burning = false;
    for (std::thread& burner : burners) burner.join();
    pool.join();
  }
  std::vector<int> seen(static_cast<std::size_t>(children));
  for (int lane = 0; lane < lanes; ++lane) {
    std::ifstream file(source.log_of("quick" + std::to_string(lane)));
    for (std::string line; std::getline(file, line);) {
      const std::size_t at = line.find("number=");
      if (at == std::string::npos || !line.ends_with(';')) fail("a line that nobody printed: " + line);
      ++seen.at(static_cast<std::size_t>(std::atol(line.c_str() + at + 7)));
    }
  }
  const auto missing = std::count(seen.begin(), seen.end(), 0);
  const auto doubled = std::count_if(seen.begin(), seen.end(), [](int times) { return times > 1; });
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%d quick exits in %.1f s: %ld last lines lost, %ld doubled\n", children, took,
              static_cast<long>(missing), static_cast<long>(doubled));
  fs::remove_all(root);
  return missing == 0 && doubled == 0 ? 0 : 1;
}
