#include <fcntl.h>
#include <sys/file.h>

#include <boost/asio/co_spawn.hpp>
#include <dumb/symlinks/snapshots.hpp>

#include "posix/engine_scratch.hpp"
#include "support/hung_mount.hpp"
#include "support/lacks.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using test::Scratch;

namespace {

namespace fs = std::filesystem;

struct Bench : Scratch {
  json::object file = document();

  fs::path at(const std::string& path) const { return dir.path() / path.substr(1); }
  void links(const std::string& directory, int count, const std::string& target) {
    fs::create_directories(at(directory));
    for (int i = 0; i < count; ++i) {
      fs::create_symlink(target + std::to_string(i), at(directory + "/" + std::to_string(i)));
    }
  }
  /// A service whose snapshots are taken once an hour.
  void add_service(int retention = 1) {
    json::object block = custom({});
    block["enabled"] = false;
    block["symlink_backup_enabled"] = true;
    block["symlink_backup_interval"] = 1;
    block["symlink_backup_roots"] = json::array{"/media/l"};
    block["symlink_backup_retention_count"] = retention;
    add(file, "decypharr", "Decypharr", std::move(block));
  }
  json::object status(const std::string& name = "Decypharr") {
    const auto answer = run(engine->symlink_backup_status(name));
    REQUIRE(answer);
    return answer->symlink_backup_status.value_or(json::object());
  }
  json::object job(const std::string& id) { return *run(engine->job(id)); }
  std::string repair_job(const std::string& root, const std::string& from = "/old") {
    symlinks::RepairRequest request;
    request.roots = std::vector<std::string>{root};
    request.rewrite_rules = std::vector<symlinks::RewriteRule>{{from, "/new"}};
    request.dry_run = false;
    const auto queued = run(engine->symlink_repair_job(request));
    REQUIRE(queued);
    return queued->job_id;
  }
  bool until(const std::function<bool()>& condition) { return test::run_until(context, condition); }
};

/// Another program that works on a root.
class Holder {
 public:
  explicit Holder(const fs::path& root) : fd_(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    REQUIRE(::flock(fd_, LOCK_EX | LOCK_NB) == 0);
  }
  ~Holder() { release(); }
  Holder(const Holder&) = delete;
  void release() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace

TEST_CASE("a job whose root is in use stays queued, others pass", "[engine][SYM-49][SYM-81]") {
  Bench bench;
  bench.links("/media/l", 5, "/old/");
  bench.links("/media/other", 5, "/old/");
  REQUIRE(bench.open(bench.file));
  Holder holder(bench.at("/media/l"));
  const std::string waiting = bench.repair_job("/media/l");
  const std::string other = bench.repair_job("/media/other");
  REQUIRE(bench.until([&] { return bench.job(other)["status"] == "completed"; }));
  CHECK(bench.job(waiting)["status"] == "queued");
  CHECK_FALSE(bench.job(waiting).contains("started_at"));

  symlinks::RepairRequest request;
  request.roots = std::vector<std::string>{"/media/l"};
  request.rewrite_rules = std::vector<symlinks::RewriteRule>{{"/old", "/new"}};
  const auto dry = bench.run(bench.engine->symlink_repair(request));
  REQUIRE(dry);
  CHECK(dry->at("changed").to_number<int>() == 5);
  request.dry_run = false;
  const auto busy = bench.run(bench.engine->symlink_repair(request));
  REQUIRE_FALSE(busy);
  CHECK(busy.error().is(Errc::conflict));

  const std::string cancelled = bench.repair_job("/media/l");
  REQUIRE(bench.run(bench.engine->cancel_job(cancelled)));
  REQUIRE(bench.until([&] { return bench.job(cancelled)["status"] == "error"; }));
  CHECK(bench.job(cancelled)["error"].at("code") == "cancelled");
  CHECK_FALSE(bench.job(cancelled).contains("started_at"));

  holder.release();
  REQUIRE(bench.until([&] { return bench.job(waiting)["status"] == "completed"; }));
  CHECK(fs::read_symlink(bench.at("/media/l/3")) == "/new/3");
}

TEST_CASE("jobs whose roots do not answer hold up no listing", "[engine][SYM-89]") {
  Bench bench;
  bench.add_service();
  REQUIRE(bench.open(bench.file));
  const auto mount = test::HungMount::make(bench.at("/media/dead"));
  if (!mount) return test::lacks("fuse", "no file system in user space can be mounted");
  int answered = 0;
  constexpr int requests = 3;
  for (int i = 0; i < requests; ++i) {
    symlinks::RepairRequest request;
    request.roots = std::vector<std::string>{"/media/dead/l"};
    request.rewrite_rules = std::vector<symlinks::RewriteRule>{{"/old", "/new"}};
    request.dry_run = false;
    boost::asio::co_spawn(bench.context, bench.engine->symlink_repair_job(request),
                          [&](const std::exception_ptr&, const Result<engine::QueuedJob>&) { ++answered; });
  }
  REQUIRE(bench.until([&] { return mount->asked() >= 1; }));
  CHECK(bench.run(bench.engine->symlink_snapshots("Decypharr")));
  CHECK(bench.status()["status"] == "scheduled");
  CHECK(answered == 0);
  mount->release();
  CHECK(bench.until([&] { return answered == requests; }));
}

TEST_CASE("a restart finds the history of jobs, and what was queued as interrupted",
          "[engine][SYM-51][SYM-52]") {
  Bench bench;
  bench.links("/media/l", 5, "/old/");
  REQUIRE(bench.open(bench.file));
  const std::string done = bench.repair_job("/media/l");
  REQUIRE(bench.until([&] { return bench.job(done)["status"] == "completed"; }));
  std::string waiting;
  {
    const Holder holder(bench.at("/media/l"));
    waiting = bench.repair_job("/media/l", "/new");
    bench.run(bench.engine->shutdown());
  }
  bench.engine.reset();
  REQUIRE(bench.open(bench.file));
  CHECK(bench.job(done)["result"].at("changed").to_number<int>() == 5);
  CHECK(bench.job(waiting)["status"] == "error");
  CHECK(bench.job(waiting)["error"].at("code") == "interrupted");
  CHECK(bench.run(bench.engine->jobs()).jobs.size() == 2);
}

TEST_CASE("a snapshot that was missed is made up for, with its retention",
          "[engine][SYM-57][SYM-58][SYM-59][SYM-60][SYM-62][SYM-66]") {
  Bench bench;
  bench.overlay("decypharr");
  bench.add_service();
  bench.file["decypharr"].as_object()["config_dir"] = "/";
  bench.links("/media/l", 30, "/old/");
  REQUIRE(bench.open(bench.file));
  json::object first = bench.status();
  REQUIRE(first["status"] == "scheduled");
  const auto kept = first["next_backup_at"].as_int64();
  symlinks::BackupRequest old;
  old.process_name = "Decypharr";
  old.roots = std::vector<std::string>{"/media/l"};
  old.backup_path = "decypharr-20200101T000000Z.json";
  REQUIRE(bench.run(bench.engine->symlink_backup(old)));
  bench.run(bench.engine->shutdown());
  bench.engine.reset();

  // The program was down when the snapshot was due.
  const std::string path = "/config/symlink-repair/.state/schedule.json";
  json::value state = *jsonx::parse(test::read_text(bench.at(path)));
  json::object& entry = state.at("Decypharr").at("schedule").as_object();
  CHECK(entry["next"].as_int64() == kept);
  entry["next"] = kept - 24 * 3600;
  entry["anchor"] = entry["anchor"].as_int64() - 48 * 3600;
  test::write_text(bench.at(path), jsonx::print(state));
  bench.backup_catch_up = 0s;
  REQUIRE(bench.open(bench.file));
  REQUIRE(bench.until([&] { return bench.status()["status"] == "completed"; }));
  json::object told = bench.status();
  CHECK(told["recorded_entries"].to_number<int>() == 30);
  CHECK(told["pruned_backups"] == 1);
  CHECK(told["retention_held"].is_null());
  CHECK(told["next_backup_at"].as_int64() > kept - 3600);
  const std::string manifest(told["last_backup_manifest"].as_string());
  CHECK(fs::exists(bench.at(manifest)));
  CHECK_FALSE(fs::exists(bench.at("/config/symlink-repair/snapshots/decypharr-20200101T000000Z.json")));
  const auto list = bench.run(bench.engine->symlink_snapshots("Decypharr"));
  REQUIRE(list);
  CHECK(list->count == 1);

  // Each start of the service makes the schedule anew; what is known of the last run stays.
  REQUIRE(bench.run(bench.engine->start("Decypharr")));
  CHECK(bench.until([&] { return bench.status()["status"] == "scheduled"; }));
  CHECK(bench.status()["last_backup_manifest"] == told["last_backup_manifest"]);
  bench.run(bench.engine->shutdown());
}

TEST_CASE("a snapshot of an emptied tree deletes none of the older ones", "[engine][SYM-66]") {
  const bool missing = GENERATE(true, false);
  Bench bench;
  bench.links("/media/l", 30, "/old/");
  symlinks::Environment environment;
  environment.root = Root(bench.dir.path());
  symlinks::ScheduledSnapshot request{"", "Decypharr", std::vector<std::string>{"/media/l"}, true, 1};
  test::FakeClock clock;
  environment.clock = &clock;
  const auto before = symlinks::take_scheduled_snapshot(environment, request);
  REQUIRE(before);
  CHECK_FALSE(before->held);
  fs::remove_all(bench.at("/media/l"));
  if (!missing) fs::create_directories(bench.at("/media/l"));
  clock.advance(1h);
  const auto after = symlinks::take_scheduled_snapshot(environment, request);
  REQUIRE(after);
  CHECK(after->held == (missing ? "missing_root" : "shrunk"));
  CHECK(after->pruned == 0);
  CHECK(fs::exists(bench.at(before->backup.backup_manifest)));
  // A template without a time must not lose the good one either.
  request.path = "/config/symlink-repair/snapshots/decypharr.json";
  bench.links("/media/l", 30, "/old/");
  const auto good = symlinks::take_scheduled_snapshot(environment, request);
  REQUIRE(good);
  const std::string text = test::read_text(bench.at(good->backup.backup_manifest));
  fs::remove_all(bench.at("/media/l"));
  const auto bad = symlinks::take_scheduled_snapshot(environment, request);
  REQUIRE(bad);
  CHECK(bad->held == "missing_root");
  CHECK_THAT(bad->backup.backup_manifest, ContainsSubstring("/decypharr.held-"));
  CHECK(test::read_text(bench.at(good->backup.backup_manifest)) == text);
  bench.links("/media/l", 31, "/old/");
  const auto again = symlinks::take_scheduled_snapshot(environment, request);
  REQUIRE(again);
  CHECK_FALSE(again->held);
  CHECK(again->backup.backup_manifest == good->backup.backup_manifest);
  CHECK(test::read_text(bench.at(good->backup.backup_manifest)) != text);
}
