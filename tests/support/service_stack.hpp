#pragma once

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <dumb/supervisor/supervisor.hpp>
#include <map>
#include <string>

#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

namespace dumb::test {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using supervisor::LaunchPlan, supervisor::ServiceSource, supervisor::StopPlan, supervisor::Supervisor,
    supervisor::WaitPlan;

inline logs::MainLogOptions stack_log_options(const std::filesystem::path& directory) {
  logs::MainLogOptions options;
  options.directory = directory;
  options.standard_output = false;
  options.max_size = 0;  // keep everything a test looks for
  return options;
}

/// Services described by the test itself.
class ServiceStack final : public ServiceSource {
 public:
  struct Service {
    std::vector<std::string> arguments{};
    WaitPlan waits{};
    std::vector<health::Endpoint> endpoints{};
    int signal = SIGTERM;
    std::chrono::milliseconds grace = 20s;
    std::string program = test_child();
    int quit_signal = 0;
    std::chrono::milliseconds quit_grace{0};
    std::optional<supervisor::Readiness> readiness{};
    bool one_shot = false;
    bool discard_output = false;
    std::optional<supervisor::Identity> identity{};
    std::vector<std::string> environment{};
  };

  /// `elsewhere`: keeps everything there, for another stack to find; empty: in a directory of its own.
  explicit ServiceStack(supervisor::Containment held = supervisor::Containment::automatic,
                        std::chrono::milliseconds patience = 3s, std::filesystem::path elsewhere = {})
      : containment(held),
        kill_wait(patience),
        home(elsewhere.empty() ? dir.path() : std::move(elsewhere)),
        logs(stack_log_options(home / "log")) {}
  ~ServiceStack() override { pool.join(); }

  asio::awaitable<Result<void>> setup(std::string name) override {
    ++setups[name];
    if (setup_winds_down == 0ms) co_return Result<void>();
    // Like a helper that has to be killed and reaped: ends some time after it was called off.
    co_await asio::this_coro::throw_if_cancelled(false);
    most_setups_open = std::max(most_setups_open, ++setups_open);
    asio::steady_timer timer(context);
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    timer.expires_after(30s);
    co_await timer.async_wait(token);
    timer.expires_after(setup_winds_down);
    co_await timer.async_wait(token);
    --setups_open;
    co_return Error(Errc::cancelled, "called off");
  }
  Result<WaitPlan> waits(const std::string& name) override { return services.at(name).waits; }
  Result<LaunchPlan> launch_plan(const std::string& name) override {
    const Service& service = services.at(name);
    LaunchPlan plan;
    plan.spec.argv = service.arguments;
    plan.spec.argv.insert(plan.spec.argv.begin(), service.program);
    plan.spec.env = {"PATH=/usr/bin:/bin"};
    plan.spec.directory = home;
    plan.log_file = home / ("log/" + name + ".log");
    plan.to_main_log = name != "loud";
    plan.endpoints = service.endpoints;
    plan.config_key = "key of " + name;
    plan.instance = "instance of " + name;
    plan.readiness = service.readiness;
    plan.one_shot = service.one_shot;
    plan.spec.identity = service.identity;
    plan.spec.env.insert(plan.spec.env.begin(), service.environment.begin(), service.environment.end());
    if (service.discard_output) {
      plan.discard_output = true;
      plan.to_main_log = false;
      plan.log_file.clear();
    }
    return plan;
  }
  StopPlan stop_plan(const std::string& name) override {
    const auto found = services.find(name);
    StopPlan plan;
    if (found == services.end()) return plan;
    plan.signal = found->second.signal;
    plan.grace = found->second.grace;
    plan.quit_signal = found->second.quit_signal;
    plan.quit_grace = found->second.quit_grace;
    return plan;
  }
  asio::awaitable<Result<bool>> post_start(std::string) override {
    co_await asio::this_coro::throw_if_cancelled(false);
    constexpr auto token = asio::as_tuple(asio::use_awaitable);
    asio::steady_timer timer(context);
    while (post_start_holds) {
      timer.expires_after(2ms);
      co_await timer.async_wait(token);
    }
    co_return false;
  }
  asio::awaitable<void> after_stop(std::string) override { co_return; }
  void entered(const supervisor::ServiceInfo& at) override { entries.push_back(at); }
  void changed(const std::string&) override {}
  supervisor::RestartRules restart_rules(const std::string&) override { return rules; }
  std::optional<LaunchPlan> relaunch_plan(const std::string& name) override {
    if (!relaunches) return std::nullopt;
    auto plan = launch_plan(name);
    return plan ? std::optional(std::move(*plan)) : std::nullopt;
  }
  bool relaunch_fits(const std::string&) override { return relaunch_holds; }

  Result<void> start(const std::string& name) { return run(context, supervisor.start(name)); }
  Result<void> settle(const std::string& name) { return run(context, supervisor.start_and_settle(name)); }
  Result<void> stop(const std::string& name) { return run(context, supervisor.stop_and_wait(name)); }
  void finish() {
    for (const std::string& name : supervisor.occupied()) REQUIRE(stop(name));
    run(context, supervisor.idle());
    CHECK(supervisor.occupied().empty());
  }
  std::string log_of(const std::string& name) {
    logs.flush();
    return read_text(home / ("log/" + name + ".log"));
  }
  /// The number behind `word` in the service's log, once it is there.
  pid_t number_in_log(const std::string& name, const std::string& word) {
    std::size_t at = std::string::npos;
    std::string text;
    REQUIRE(run_until(context, [&] {
      std::error_code ignored;
      if (!std::filesystem::exists(home / ("log/" + name + ".log"), ignored)) return false;
      text = log_of(name);
      at = text.find(word);
      return at != std::string::npos && text.find('\n', at) != std::string::npos;
    }));
    return std::stoi(text.substr(at + word.size()));
  }

  supervisor::Containment containment;
  std::chrono::milliseconds kill_wait;
  TempDir dir;
  std::filesystem::path home;
  asio::io_context context;
  logs::LogService logs;
  asio::thread_pool pool{2};
  std::map<std::string, Service> services;
  std::map<std::string, int> setups;
  std::vector<supervisor::ServiceInfo> entries;  ///< every state that was entered, in order
  supervisor::RestartRules rules{};
  bool relaunches = false;     ///< the next launch may be planned beforehand
  bool relaunch_holds = true;  ///< what was planned still holds
  std::chrono::milliseconds setup_winds_down{0};
  bool post_start_holds = false;  ///< until it is false again, called off or not
  int setups_open = 0;
  int most_setups_open = 0;
  Supervisor supervisor{context.get_executor(),
                        pool,
                        *this,
                        logs,
                        {.run_directory = home / "run",
                         .immediate_exit_watch = 700ms,
                         .kill_wait = kill_wait,
                         .containment = containment}};
};

}  // namespace dumb::test
