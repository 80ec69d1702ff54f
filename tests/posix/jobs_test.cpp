#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <dumb/jobs/runner.hpp>
#include <mutex>
#include <thread>

#include "support/async.hpp"
#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::jobs;
using namespace std::chrono_literals;

namespace {

struct Bench {
  test::TempDir dir;
  boost::asio::io_context context;
  std::optional<Runner> runner;
  std::vector<std::string> ended;

  void open() {
    RunnerOptions options;
    options.directory = dir / "state/jobs";
    options.retry_pause = 10ms;
    options.ended = [this](const Job& job) { ended.push_back(job.job_id); };
    runner.emplace(context.get_executor(), null_log(), std::move(options));
    runner->restore(Store(dir / "state/jobs").load(), [](const Job& job) {
      return Failure{job.operation + " was interrupted", "interrupted", "/config/m.json"};
    });
  }
  std::string submit(Work work, const std::string& name = "job") {
    const auto job = runner->submit("op", name, {{"roots", json::array{"/a"}}}, std::move(work));
    REQUIRE(job);
    return job->job_id;
  }
  const Job& job(const std::string& job_id) { return *runner->table().find(job_id); }
  bool until(const std::function<bool()>& condition) { return test::run_until(context, condition); }
  bool until_idle() {
    return until([this] { return runner->idle(); });
  }
};

Outcome completed(int changed = 0) {
  Outcome outcome;
  outcome.result = json::object{{"changed", changed}};
  return outcome;
}

/// Runs until it is asked to end.
Outcome until_stopped(Attempt& attempt) {
  attempt.progress({{"stage", "processing"}});
  std::mutex mutex;
  std::condition_variable_any asked;
  std::unique_lock lock(mutex);
  asked.wait(lock, attempt.stop(), [] { return false; });
  Outcome outcome;
  outcome.end = Outcome::End::cancelled;
  outcome.result = json::object{{"changed", 3}};
  outcome.failure.manifest = "/config/undo.json";
  return outcome;
}

}  // namespace

TEST_CASE("a job runs on a thread of its own and its history is kept", "[jobs][SYM-42][SYM-49][SYM-51]") {
  Bench bench;
  bench.open();
  std::atomic<bool> elsewhere{false};
  const auto own = std::this_thread::get_id();
  const std::string id = bench.submit([&](Attempt& attempt) {
    elsewhere = std::this_thread::get_id() != own;
    attempt.progress({{"stage", "collecting"}, {"processed_items", 2}});
    return completed(5);
  });
  CHECK(is_job_id(id));
  CHECK(id[12] == '4');
  CHECK(bench.job(id).status == Status::queued);
  REQUIRE(bench.until_idle());
  CHECK(elsewhere);
  CHECK(bench.job(id).status == Status::completed);
  CHECK(bench.job(id).progress->at("processed_items") == 2);
  CHECK(bench.ended == std::vector<std::string>{id});

  bench.open();
  CHECK(to_json(bench.job(id)).at("result").at("changed") == 5);
  CHECK(bench.job(id).metadata.at("roots").at(0) == "/a");
}

TEST_CASE("what was active when the program died is found interrupted", "[jobs][SYM-51]") {
  Bench bench;
  Job job;
  job.job_id = new_job_id();
  job.operation = "symlink_repair";
  job.status = Status::running;
  job.created_at = job.updated_at = unix_seconds(system_clock().wall());
  job.started_at = job.created_at;
  job.sequence = 4;
  REQUIRE(Store(bench.dir / "state/jobs").save(job));
  test::write_text(bench.dir / ("state/jobs/" + std::string(32, 'a') + ".json"), "{\"job_id\":");
  bench.open();
  CHECK(bench.job(job.job_id).status == Status::error);
  CHECK(bench.job(job.job_id).error->message == "symlink_repair was interrupted");
  CHECK(bench.job(job.job_id).error->manifest == "/config/m.json");
  REQUIRE(bench.until_idle());
  const auto again = Store(bench.dir / "state/jobs").load();
  REQUIRE(again.size() == 1);
  CHECK(again[0].status == Status::error);
}

TEST_CASE("a running job ends soon after it is cancelled and shows what it did", "[jobs][SYM-48]") {
  Bench bench;
  bench.open();
  const std::string id = bench.submit(until_stopped);
  REQUIRE(bench.until([&] { return bench.job(id).status == Status::running; }));
  CHECK(*bench.runner->cancel(id) == Table::Cancelled::requested);
  REQUIRE(bench.until_idle());
  CHECK(bench.job(id).status == Status::error);
  CHECK(bench.job(id).error->code == "cancelled");
  CHECK(bench.job(id).error->manifest == "/config/undo.json");
  CHECK(bench.job(id).result->at("changed") == 3);
}

TEST_CASE("a job whose needs are in use waits and is tried again", "[jobs][SYM-49][SYM-81]") {
  Bench bench;
  bench.open();
  std::atomic<bool> free{false};
  std::atomic<int> tries{0};
  const std::string waiting = bench.submit([&](Attempt& attempt) {
    ++tries;
    if (!free) {
      Outcome busy;
      busy.end = Outcome::End::busy;
      return busy;
    }
    attempt.progress({});
    return completed();
  });
  REQUIRE(bench.until([&] { return tries >= 3; }));
  CHECK(bench.job(waiting).status == Status::queued);
  const std::string later = bench.submit([](Attempt&) { return completed(); });
  REQUIRE(bench.until([&] { return bench.job(later).status == Status::completed; }));
  CHECK(bench.job(waiting).status == Status::queued);
  free = true;
  REQUIRE(bench.until_idle());
  CHECK(bench.job(waiting).status == Status::completed);
}

TEST_CASE("an exception ends its job alone", "[jobs]") {
  Bench bench;
  bench.open();
  const std::string broken =
      bench.submit([](Attempt&) -> Outcome { throw std::runtime_error("out of luck"); });
  const std::string good = bench.submit([](Attempt&) { return completed(); });
  REQUIRE(bench.until_idle());
  CHECK(bench.job(broken).error->code == "internal");
  CHECK(bench.job(broken).error->message == "out of luck");
  CHECK(bench.job(good).status == Status::completed);
}

TEST_CASE("a shutdown interrupts every job and records it", "[jobs][SYM-52]") {
  Bench bench;
  bench.open();
  const std::string running = bench.submit(until_stopped);
  const std::string also = bench.submit(until_stopped);
  const std::string queued = bench.submit(until_stopped);
  REQUIRE(bench.until([&] { return bench.job(also).status == Status::running; }));
  test::run(bench.context, bench.runner->shutdown());
  CHECK(bench.runner->idle());
  CHECK_FALSE(bench.runner->submit("op", "x", {}, until_stopped));
  for (const std::string& id : {running, also, queued}) CHECK(bench.job(id).error->code == "interrupted");
  const auto history = Store(bench.dir / "state/jobs").load();
  REQUIRE(history.size() == 3);
  for (const Job& job : history) CHECK(job.status == Status::error);
}
