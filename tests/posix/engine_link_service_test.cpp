#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <optional>

#include <dumb/jobs/store.hpp>
#include <mutex>

#include "engine/link_service.hpp"
#include "posix/symlinks_faults.hpp"
#include "support/async.hpp"
#include "support/catch.hpp"

using namespace dumb;
using namespace dumb::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

/// Keeps the lines of finished runs.
struct Lines final : Log {
  void write(Level level, std::string_view text) override {
    const std::lock_guard lock(mutex);
    if (level == Level::info) lines.emplace_back(text);
  }
  std::mutex mutex;
  std::vector<std::string> lines;
};

/// The link operations of an engine over a farm whose system calls can be held up.
struct Bench {
  /// Only calls for `held_name` are held up, if it is given.
  explicit Bench(std::string_view held_call, std::chrono::milliseconds shutdown_limit = 10s,
                 std::string_view held_name = {}) {
    for (int i = 0; i < 300; ++i)
      farm.link("/l/" + std::to_string(i / 10) + "/" + std::to_string(i), "/old/x");
    calls.before = [this, held_call, held_name](std::string_view call, const char* name) {
      if (call == held_call && std::string_view(name).ends_with(held_name)) {
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
    hooks.recovery_patience = 20ms;
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
  const jobs::Job& job(const std::string& id) { return *service->jobs().table().find(id); }
  bool until(const std::function<bool()>& condition) { return run_until(context, condition); }
  template <class T>
  T ask(asio::awaitable<T> work) {
    context.restart();
    return test::run(context, std::move(work));
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
  Lines log;
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

TEST_CASE("a job that is cancelled while it plans has its report so far", "[engine][SYM-43][SYM-48]") {
  Bench bench("read_link");
  const auto queued = bench.ask(bench.service->queue_repair(bench.farm.request({"/l"}, {{"/old", "/new"}})));
  REQUIRE(queued);
  REQUIRE(bench.until([&] { return bench.reached.load(); }));
  REQUIRE(bench.service->jobs().cancel(queued->job_id));
  bench.release();
  REQUIRE(bench.until([&] { return bench.job(queued->job_id).status == jobs::Status::error; }));
  const jobs::Job& job = bench.job(queued->job_id);
  CHECK(job.error->code == "cancelled");
  REQUIRE(job.result);
  CHECK(job.result->at("scanned_symlinks").to_number<int>() >= 1);
  CHECK(job.result->at("changed") == 0);
}

TEST_CASE("a restore or a backup stays queued until it holds its roots", "[engine][EX-17][SYM-43][SYM-46]") {
  Bench bench("make_link");
  bench.farm.environment.calls = nullptr;
  bench.farm.backup({"/l"}, "s.json");
  bench.farm.environment.calls = &bench.calls;
  bench.start(false);  // a repair in a request, which holds the root
  symlinks::RestoreRequest request;
  request.manifest_path = "s.json";
  request.dry_run = false;
  request.overwrite_existing = true;
  const auto queued = bench.ask(bench.service->queue_restore(request));
  REQUIRE(queued);
  symlinks::BackupRequest saving;
  saving.roots = std::vector<std::string>{"/l"};
  saving.backup_path = "t.json";
  const auto saved = bench.ask(bench.service->queue_backup(saving));
  REQUIRE(saved);
  symlinks::RepairRequest other = bench.farm.request({"/elsewhere"}, {{"/old", "/new"}});
  const auto passed = bench.ask(bench.service->queue_repair(other));
  REQUIRE(passed);
  REQUIRE(bench.until([&] { return bench.job(passed->job_id).status == jobs::Status::completed; }));
  for (const std::string& waiting : {queued->job_id, saved->job_id}) {
    CHECK(bench.job(waiting).status == jobs::Status::queued);
    CHECK_FALSE(bench.job(waiting).started_at);
    CHECK_FALSE(bench.job(waiting).progress);
  }
  bench.release();
  REQUIRE(bench.until([&] { return bench.job(saved->job_id).status == jobs::Status::completed; }));
  REQUIRE(bench.until([&] { return bench.job(queued->job_id).status == jobs::Status::completed; }));
  CHECK(bench.job(queued->job_id).result->at("restored") == 300);
}

TEST_CASE("each run that has ended is told in one line", "[engine][SYM-10]") {
  Bench bench("nothing");
  REQUIRE(bench.ask(bench.service->repair(bench.farm.request({"/l"}, {{"/old", "/new"}}, true))));
  REQUIRE(bench.ask(bench.service->repair(bench.farm.request({"/l"}, {{"/old", "/new"}}))));
  symlinks::BackupRequest saving;
  saving.roots = std::vector<std::string>{"/l"};
  saving.backup_path = "s.json";
  REQUIRE(bench.ask(bench.service->backup(saving)));
  REQUIRE(bench.log.lines.size() == 3);
  CHECK_THAT(bench.log.lines[0],
             ContainsSubstring("symlink_repair: dry run: 300 links seen, 300 changed, 0 moved, 0 copied, "
                               "0 errors, "));
  CHECK_THAT(bench.log.lines[1], ContainsSubstring("symlink_repair: 300 links seen, 300 changed"));
  CHECK_THAT(bench.log.lines[2], ContainsSubstring("300 recorded, 0 errors, "));
  for (const std::string& line : bench.log.lines) CHECK(line.ends_with(" s"));
}

TEST_CASE("a recovery that hangs in a dead disk keeps neither jobs nor dry runs waiting",
          "[engine][SYM-51][SYM-77][SYM-89]") {
  Bench bench("open", 10s, "/l");
  bench.farm.link("/m/1", "/old/1");
  jobs::Job running;
  running.job_id = std::string(32, 'a');
  running.operation = "symlink_repair";
  running.status = jobs::Status::running;
  REQUIRE(jobs::Store(bench.farm.disk("/config/symlink-repair/.state/jobs")).save(running));
  const auto died = in_child([&] {
    symlinks::Environment environment = bench.farm.environment;
    environment.calls = nullptr;
    environment.before_apply = [] { ::raise(SIGKILL); };
    symlinks::Control control;
    control.owner = running.job_id;
    return std::string(symlinks::repair(environment, bench.farm.request({"/l"}, {{"/old", "/new"}}), control)
                           ? "ended"
                           : "failed");
  });
  REQUIRE(died.killed);

  test::run(bench.context, bench.service->ready());
  CHECK(bench.reached);
  CHECK_FALSE(bench.service->idle());
  REQUIRE(bench.job(running.job_id).status == jobs::Status::error);
  CHECK(bench.job(running.job_id).error->code == "interrupted");
  CHECK_FALSE(bench.job(running.job_id).error->manifest);
  const auto dry = bench.ask(bench.service->repair(bench.farm.request({"/m"}, {{"/old", "/new"}}, true)));
  REQUIRE(dry);
  CHECK(dry->at("changed") == 1);
  const auto refused = bench.ask(bench.service->repair(bench.farm.request({"/m"}, {{"/old", "/new"}})));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().is(Errc::conflict));
  CHECK_THAT(refused.error().message(), ContainsSubstring("recovery"));

  bench.release();
  REQUIRE(bench.until([&] { return bench.service->idle(); }));
  CHECK(bench.job(running.job_id).error->manifest);
  CHECK(bench.ask(bench.service->repair(bench.farm.request({"/m"}, {{"/old", "/new"}}))));
}
