#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <optional>

#include "engine/link_service.hpp"
#include "posix/symlinks_faults.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Silence final : Log {
  void write(Level, std::string_view) override {}
};

/// The link operations of an engine over a farm whose system calls can be held up.
struct Bench {
  explicit Bench(std::string_view held_call, std::chrono::milliseconds shutdown_limit = 10s) {
    for (int i = 0; i < 300; ++i)
      farm.link("/l/" + std::to_string(i / 10) + "/" + std::to_string(i), "/old/x");
    calls.before = [this, held_call](std::string_view call, const char*) {
      if (call == held_call) {
        reached = true;
        held.wait(true);
      }
      return 0;
    };
    farm.environment.calls = &calls;
    farm.environment.threads = 1;
    engine::LinkService::Hooks hooks;
    hooks.environment = [this] { return farm.environment; };
    hooks.backups = [] { return std::map<std::string, engine::BackupSettings>(); };
    hooks.shutdown_limit = shutdown_limit;
    service.emplace(context, log, farm.environment.root, 300s, std::move(hooks));
  }
  ~Bench() { release(); }
  void release() {
    held = false;
    held.notify_all();
  }
  void start(bool dry_run) {
    auto ended = [this](const std::exception_ptr&, Result<json::object> result) {
      answer = std::move(result);
    };
    asio::co_spawn(context, service->repair(farm.request({"/l"}, {{"/old", "/new"}}, dry_run)),
                   asio::bind_cancellation_slot(leaving.slot(), std::move(ended)));
    REQUIRE(run_until(context, [&] { return reached.load(); }));
  }
  void leave() {
    leaving.emit(asio::cancellation_type::terminal);
    context.restart();
    context.poll();
    release();
    REQUIRE(run_until(context, [&] { return answer.has_value(); }));
  }

  Farm farm;
  FaultCalls calls;
  Silence log;
  std::atomic<bool> held{true};
  std::atomic<bool> reached{false};
  asio::io_context context{1};
  asio::cancellation_signal leaving;
  std::optional<Result<json::object>> answer;
  std::optional<engine::LinkService> service;
};

}  // namespace

TEST_CASE("a dry run ends with who waits for it", "[engine][SYM-52]") {
  Bench bench("read_link");
  bench.start(true);
  bench.leave();
  REQUIRE_FALSE(*bench.answer);
  CHECK(bench.answer->error().is(Errc::cancelled));
  CHECK(bench.calls.count < 300);
}

TEST_CASE("a real repair goes on when nobody waits for it", "[engine][SYM-52]") {
  Bench bench("make_link");
  bench.start(false);
  bench.leave();
  REQUIRE(*bench.answer);
  CHECK((*bench.answer)->at("changed") == 300);
  CHECK(bench.farm.target("/l/7/77") == "/new/x");
}

TEST_CASE("a shutdown leaves behind what hangs, and stops the rest between two links", "[engine][SYM-52]") {
  Bench bench("make_link", 50ms);
  bench.start(false);
  bench.context.restart();
  test::run(bench.context, bench.service->shutdown());
  CHECK_FALSE(bench.service->idle());
  bench.release();
  REQUIRE(run_until(bench.context, [&] { return bench.answer.has_value(); }));
  CHECK(bench.service->idle());
  REQUIRE(*bench.answer);
  const json::object& report = **bench.answer;
  CHECK(report.at("changed").to_number<int>() < 300);
  CHECK(report.at("changed").to_number<int>() + report.at("not_attempted").to_number<int>() == 300);
}
