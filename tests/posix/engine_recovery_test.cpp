// What the engine says and does about runs over links that ended with their process.
#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <mutex>
#include <new>
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

struct Lines final : Log {
  void write(Level, std::string_view line) override {
    const std::lock_guard lock(mutex);
    lines.emplace_back(line);
  }
  bool tells(std::string_view part) {
    const std::lock_guard lock(mutex);
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.find(part) != std::string::npos; });
  }
  std::mutex mutex;
  std::vector<std::string> lines;
};

/// The link operations of an engine that starts after a run was killed and its library went away.
struct Bench {
  Bench() {
    farm.link("/l/1", "/old/x");
    farm.link("/m/1", "/old/x");
    REQUIRE(in_child([this] {
              FaultCalls dying;
              dying.before = [](std::string_view call, const char* name) {
                if (call == "read_link" && std::string_view(name).starts_with(".dumbsym-")) ::raise(SIGKILL);
                return 0;
              };
              symlinks::Environment environment = farm.environment;
              environment.calls = &dying;
              const auto ended = symlinks::repair(environment, farm.request({"/l"}, {{"/old", "/new"}}));
              return std::string(ended ? "ended" : "refused");
            }).killed);
    std::filesystem::rename(farm.disk("/l"), farm.disk("/away"));
    farm.environment.calls = &calls;
    engine::LinkService::Hooks hooks;
    hooks.environment = [this] { return farm.environment; };
    hooks.backups = [] { return std::map<std::string, engine::BackupSettings>(); };
    service.emplace(context, log, farm.environment.root, 300s, std::move(hooks));
  }
  std::optional<Result<json::object>> repair() {
    std::optional<Result<json::object>> answer;
    auto ended = [&](const std::exception_ptr& failure, Result<json::object> result) {
      if (!failure) answer = std::move(result);
      if (failure) answer.emplace(Error(Errc::io, "thrown"));
    };
    context.restart();
    asio::co_spawn(context, service->repair(farm.request({"/m"}, {{"/old", "/new"}}, true)),
                   std::move(ended));
    run_until(context, [&] { return answer.has_value(); });
    return answer;
  }

  Farm farm;
  FaultCalls calls;
  Lines log;
  asio::io_context context{1};
  std::optional<engine::LinkService> service;
};

}  // namespace

TEST_CASE("what an interrupted run left is told with its path", "[engine][SYM-77]") {
  Bench bench;
  const auto answer = bench.repair();
  REQUIRE(answer);
  CHECK(*answer);
  CHECK(bench.log.tells("a run over links was interrupted"));
  CHECK(bench.log.tells("/l/1"));
}

TEST_CASE("a recovery that fails outright does not hold up what comes after", "[engine][SYM-77]") {
  Bench bench;
  std::atomic<bool> failing{true};
  bench.calls.before = [&](std::string_view, const char*) -> int {
    if (failing.exchange(false)) throw std::bad_alloc();
    return 0;
  };
  const auto first = bench.repair();
  REQUIRE(first);
  const auto second = bench.repair();
  REQUIRE(second);
  REQUIRE(*second);
  CHECK((*second)->at("changed") == 1);
  CHECK_FALSE(failing);
}
