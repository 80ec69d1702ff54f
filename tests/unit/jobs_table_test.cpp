#include <boost/json.hpp>
#include <dumb/jobs/table.hpp>
#include <random>
#include <set>

#include "support/catch.hpp"
#include "support/support.hpp"

using namespace dumb;
using namespace dumb::jobs;
using namespace std::chrono_literals;

namespace {

std::string id(int n) {
  std::string text = std::to_string(n);
  return std::string(32 - text.size(), '0') + text;
}

struct Bench {
  explicit Bench(Limits limits = {}) : table(limits) {}
  test::FakeClock clock;
  Table table;
  int added = 0;

  std::string add(const std::string& name = "Decypharr", const std::string& operation = "symlink_repair") {
    const std::string job_id = id(++added);
    REQUIRE(table.add({job_id, name, operation, {}}, clock.wall()));
    return job_id;
  }
  std::string next() { return table.next().value_or("none"); }
  bool finish(const std::string& job_id, Outcome::End end = Outcome::End::completed) {
    Outcome outcome;
    outcome.end = end;
    if (end == Outcome::End::completed) outcome.result = json::object();
    if (end == Outcome::End::failed) outcome.failure = {"disk full", "aborted", "/m.json"};
    return table.finish(job_id, outcome, clock.wall());
  }
  const Job& job(const std::string& job_id) { return *table.find(job_id); }
};

}  // namespace

TEST_CASE("two jobs run at once, the others wait in order", "[jobs][SYM-49]") {
  Bench bench;
  const auto a = bench.add();
  const auto b = bench.add();
  const auto c = bench.add();
  CHECK(bench.next() == a);
  CHECK(bench.next() == b);
  CHECK(bench.next() == "none");
  CHECK(bench.finish(b));
  CHECK(bench.next() == c);
  CHECK(bench.job(b).status == Status::completed);
}

TEST_CASE("a job whose roots are busy stays queued and lets later ones pass", "[jobs][SYM-49][SYM-81]") {
  Bench bench({.running = 1});
  const auto a = bench.add();
  const auto b = bench.add();
  REQUIRE(bench.next() == a);
  CHECK_FALSE(bench.finish(a, Outcome::End::busy));
  CHECK(bench.job(a).status == Status::queued);
  CHECK_FALSE(bench.job(a).started_at);
  CHECK(bench.table.any_waiting_for_retry());
  CHECK(bench.next() == b);
  bench.finish(b);
  CHECK(bench.next() == "none");
  bench.table.retry();
  CHECK(bench.next() == a);
}

TEST_CASE("a job object has times only for what has happened", "[jobs][SYM-43]") {
  Bench bench;
  const auto a = bench.add();
  json::object shown = to_json(bench.job(a));
  CHECK(shown["status"] == "queued");
  CHECK_FALSE(shown.contains("started_at"));
  CHECK_FALSE(shown.contains("progress"));
  CHECK(shown["result"].is_null());
  CHECK(shown["error"].is_null());
  CHECK(shown["created_at"].is_int64());
  bench.next();
  bench.clock.advance(3s);
  bench.table.progressed(a, {{"stage", "collecting"}}, bench.clock.wall());
  shown = to_json(bench.job(a));
  CHECK(shown["status"] == "running");
  CHECK(shown["started_at"].as_int64() == shown["created_at"].as_int64() + 3);
  CHECK(shown["updated_at"] == shown["started_at"]);
  CHECK_FALSE(shown.contains("finished_at"));
  bench.clock.advance(4s);
  bench.finish(a, Outcome::End::failed);
  shown = to_json(bench.job(a));
  CHECK(shown["status"] == "error");
  CHECK(shown["finished_at"].as_int64() == shown["created_at"].as_int64() + 7);
  CHECK(shown["error"] ==
        json::value({{"message", "disk full"}, {"code", "aborted"}, {"manifest", "/m.json"}}));
}

TEST_CASE("updated_at moves with the progress", "[jobs][SYM-45]") {
  Bench bench;
  const auto a = bench.add();
  bench.next();
  bench.table.begun(a, bench.clock.wall());
  const auto before = bench.job(a).updated_at;
  bench.clock.advance(2s);
  bench.table.progressed(a, {{"processed_items", 5}}, bench.clock.wall());
  CHECK(bench.job(a).updated_at == before + 2);
  CHECK(bench.job(a).progress->at("processed_items") == 5);
}

TEST_CASE("a queued job is cancelled at once, a running one when its work ends", "[jobs][SYM-48]") {
  Bench bench({.running = 1});
  const auto a = bench.add();
  const auto b = bench.add();
  bench.next();
  bench.table.begun(a, bench.clock.wall());
  CHECK(*bench.table.cancel(b, "cancelled", bench.clock.wall()) == Table::Cancelled::at_once);
  CHECK(bench.job(b).error->code == "cancelled");
  CHECK_FALSE(bench.job(b).started_at);
  CHECK(*bench.table.cancel(a, "cancelled", bench.clock.wall()) == Table::Cancelled::requested);
  CHECK(bench.job(a).status == Status::running);
  Outcome outcome;
  outcome.end = Outcome::End::cancelled;
  outcome.result = json::object{{"changed", 7}};
  outcome.failure.manifest = "/undo.json";
  CHECK(bench.table.finish(a, outcome, bench.clock.wall()));
  CHECK(bench.job(a).status == Status::error);
  CHECK(bench.job(a).error->code == "cancelled");
  CHECK(bench.job(a).error->manifest == "/undo.json");
  CHECK(bench.job(a).result->at("changed") == 7);
  CHECK(bench.table.cancel(a, "cancelled", bench.clock.wall()).error().is(Errc::conflict));
  CHECK(bench.table.cancel(id(99), "cancelled", bench.clock.wall()).error().is(Errc::not_found));
}

TEST_CASE("a job that was asked to end while its roots are busy does not wait again", "[jobs][SYM-48]") {
  Bench bench;
  const auto a = bench.add();
  bench.next();
  REQUIRE(*bench.table.cancel(a, "interrupted", bench.clock.wall()) == Table::Cancelled::requested);
  CHECK(bench.finish(a, Outcome::End::busy));
  CHECK(bench.job(a).error->code == "interrupted");
  CHECK_FALSE(bench.job(a).started_at);
}

TEST_CASE("what completed before the cancellation was seen has completed", "[jobs][SYM-48]") {
  Bench bench;
  const auto a = bench.add();
  bench.next();
  REQUIRE(bench.table.cancel(a, "cancelled", bench.clock.wall()));
  bench.finish(a);
  CHECK(bench.job(a).status == Status::completed);
}

TEST_CASE("the hundred-and-first active job is refused", "[jobs][SYM-6][SYM-49]") {
  Bench bench;
  for (int i = 0; i < 100; ++i) bench.add();
  const auto refused = bench.table.add({id(500), "x", "y", {}}, bench.clock.wall());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == boost::system::errc::resource_unavailable_try_again);
  REQUIRE(bench.next() == id(1));
  bench.finish(id(1));
  CHECK(bench.table.add({id(500), "x", "y", {}}, bench.clock.wall()));
}

TEST_CASE("the latest job is found by folded name and operation", "[jobs][SYM-47]") {
  Bench bench;
  const auto old = bench.add("CLI Debrid", "symlink_manifest_backup");
  bench.clock.advance(5s);
  const auto same_second = bench.add("cli debrid", "symlink_manifest_backup");
  const auto newest = bench.add("CLIDEBRID", "Symlink_Manifest_Backup");
  const auto repair = bench.add("CLI Debrid", "symlink_repair");
  bench.add("other", "symlink_manifest_backup");
  const auto latest = [&](const LatestQuery& query) {
    const Job* job = bench.table.latest(query);
    return job == nullptr ? std::string("none") : job->job_id;
  };
  CHECK(latest({"cliDebrid", "SYMLINK_manifest_backup", true}) == newest);
  CHECK(latest({"cli debrid", "", true}) == repair);
  CHECK(latest({"nobody", "", true}) == "none");
  for (int i = 0; i < 2; ++i) {  // the first two of the queue
    const std::string job_id = bench.next();
    bench.clock.advance(1s);
    bench.finish(job_id);
  }
  CHECK(latest({"cli debrid", "symlink_manifest_backup", true}) == newest);
  CHECK(latest({"cli debrid", "symlink_manifest_backup", false}) == same_second);
  CHECK(old != same_second);
}

TEST_CASE("finished jobs go after a day or when there are too many, active ones never", "[jobs][SYM-50]") {
  Bench bench({.running = 2, .active = 10, .kept = 4, .keep_for = 24h});
  for (int i = 0; i < 3; ++i) {
    const auto done = bench.add();
    REQUIRE(bench.next() == done);
    bench.clock.advance(10s);
    bench.finish(done);
  }
  const auto active = bench.add();
  CHECK(bench.table.expire(bench.clock.wall()).empty());
  bench.add();
  bench.add();
  CHECK(bench.table.expire(bench.clock.wall()) == std::vector<std::string>{id(1), id(2)});
  bench.clock.advance(24h);
  CHECK(bench.table.expire(bench.clock.wall()).empty());
  bench.clock.advance(1s);
  CHECK(bench.table.expire(bench.clock.wall()) == std::vector<std::string>{id(3)});
  CHECK(bench.table.find(active) != nullptr);
  CHECK(bench.table.all().size() == 3);
}

TEST_CASE("a record keeps counters and the first hundred elements of each list", "[jobs][SYM-51]") {
  Bench bench;
  const auto a = bench.add();
  bench.next();
  bench.clock.advance(1s);
  Outcome outcome;
  json::array list;
  for (int i = 0; i < 250; ++i) list.emplace_back(i);
  outcome.result = json::object{{"changed", 250}, {"changes", list}, {"roots", json::array{"/a"}}};
  bench.table.finish(a, outcome, bench.clock.wall());
  const auto read = from_record(to_record(bench.job(a)));
  REQUIRE(read);
  CHECK(read->result->at("changed") == 250);
  CHECK(read->result->at("changes").as_array().size() == 100);
  CHECK(read->result->at("changes").as_array().back() == 99);
  CHECK(bench.job(a).result->at("changes").as_array().size() == 250);
  CHECK(read->sequence == 1);
  json::object without_lists = to_json(bench.job(a));
  without_lists["result"].as_object()["changes"].as_array().resize(100);
  CHECK(to_json(*read) == without_lists);
  CHECK_FALSE(from_record(json::object{{"job_id", "../../etc"}}));
  CHECK_FALSE(from_record(json::array()));
}

TEST_CASE("jobs found active at the start ended by the interruption", "[jobs][SYM-51]") {
  Bench before;
  const auto a = before.add();
  const auto b = before.add();
  before.next();
  before.finish(a);
  Bench after;
  after.clock.advance(1h);
  const Failure failure{"DUMB ended; nothing was changed", "interrupted", std::nullopt};
  after.table.restore(before.job(a), failure, after.clock.wall());
  after.table.restore(before.job(b), failure, after.clock.wall());
  CHECK(after.job(a).status == Status::completed);
  CHECK(after.job(b).status == Status::error);
  CHECK(after.job(b).error->code == "interrupted");
  CHECK(after.table.active() == 0);
  CHECK(after.next() == "none");
  after.added = 10;
  const auto c = after.add();
  CHECK(after.job(c).sequence == 3);
  CHECK(after.table.all().front()->job_id == c);
}

TEST_CASE("random orders keep the limits and never move a job backwards", "[jobs][SYM-43][SYM-49]") {
  const unsigned seed = GENERATE(1U, 2U, 3U, 4U, 5U);
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Bench bench({.running = 2, .active = 6, .kept = 12, .keep_for = 60s});
  std::set<std::string> attempted;
  std::map<std::string, Status> seen;
  const auto any_of = [&](const std::set<std::string>& from) {
    auto at = from.begin();
    std::advance(at, random() % from.size());
    return *at;
  };
  for (int step = 0; step < 4000; ++step) {
    bench.clock.advance(std::chrono::seconds(random() % 4));
    const auto now = bench.clock.wall();
    switch (random() % 7) {
      case 0: {
        const bool room = bench.table.active() < 6;
        CHECK(bench.table.add({id(++bench.added), "x", "y", {}}, now).has_value() == room);
        break;
      }
      case 1:
        if (const auto job_id = bench.table.next()) CHECK(attempted.insert(*job_id).second);
        break;
      case 2:
        if (!attempted.empty()) bench.table.progressed(any_of(attempted), {}, now);
        break;
      case 3:
        if (!attempted.empty()) {
          const auto job_id = any_of(attempted);
          attempted.erase(job_id);
          const bool running = bench.job(job_id).status == Status::running;
          bench.finish(job_id, running ? Outcome::End::completed : Outcome::End::busy);
        }
        break;
      case 4: {
        const auto all = bench.table.all();
        if (!all.empty()) {
          const Job* job = all[random() % all.size()];
          const bool active = job->active();
          CHECK(bench.table.cancel(job->job_id, "cancelled", now).has_value() == active);
        }
        break;
      }
      case 5:
        bench.table.retry();
        break;
      default:
        for (const auto& gone : bench.table.expire(now)) CHECK_FALSE(attempted.contains(gone));
        CHECK(bench.table.all().size() <= 18);
    }
    REQUIRE(attempted.size() <= 2);
    REQUIRE(bench.table.active() <= 6);
    for (const Job* job : bench.table.all()) {
      const auto [at, fresh] = seen.emplace(job->job_id, job->status);
      REQUIRE((fresh || at->second <= job->status));
      REQUIRE((fresh || at->second < Status::completed || at->second == job->status));
      at->second = job->status;
    }
  }
  CHECK(bench.added > 100);
}

TEST_CASE("the newest results are whole, the lists of the others are cut", "[jobs][SYM-51]") {
  Limits limits;
  limits.whole_results = 2;
  Table table(limits);
  const WallTime now{};
  for (const char* id : {"a", "b", "c"}) {
    REQUIRE(table.add({id, "", "symlink_repair", {}}, now));
    REQUIRE(table.next());
    Outcome outcome;
    outcome.result.emplace();
    (*outcome.result)["changes"] = json::array(1000, "change");
    (*outcome.result)["errors"] = json::array(3, "error");
    (*outcome.result)["changed"] = 1000;
    (*outcome.result)["truncated"] = false;
    REQUIRE(table.finish(id, std::move(outcome), now));
  }
  const auto size = [&](const char* id, const char* list) {
    return table.find(id)->result->at(list).as_array().size();
  };
  CHECK(size("a", "changes") == 100);
  CHECK(size("a", "errors") == 3);
  CHECK(table.find("a")->result->at("changed") == 1000);
  CHECK(table.find("a")->result->at("truncated") == true);
  for (const char* id : {"b", "c"}) {
    CHECK(size(id, "changes") == 1000);
    CHECK(table.find(id)->result->at("truncated") == false);
  }
}

TEST_CASE("more may become known of an interrupted job, of no other", "[jobs][SYM-51]") {
  Table table;
  Job job;
  job.job_id = "a";
  job.status = Status::running;
  table.restore(job, {"still being settled", "interrupted", std::nullopt}, WallTime{});
  CHECK(table.amend("a", {"3 changes were made", "interrupted", "/m.json"}));
  CHECK(table.find("a")->error->manifest == "/m.json");
  REQUIRE(table.add({"b", "", "symlink_repair", {}}, WallTime{}));
  CHECK_FALSE(table.amend("b", {"", "interrupted", std::nullopt}));
  CHECK_FALSE(table.find("b")->error);
  CHECK_FALSE(table.amend("nobody", {"", "interrupted", std::nullopt}));
}
