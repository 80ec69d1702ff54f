#include "engine/link_service.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <dumb/base/text.hpp>
#include <dumb/symlinks/bytes.hpp>
#include <filesystem>
#include <utility>

#include "engine/link_jobs.hpp"

namespace dumb::engine {
namespace {

constexpr std::size_t request_threads = 4;
constexpr std::size_t small_threads = 2;

/// Runs over links give way to what answers and supervises (SYM-90). For this thread and those it starts.
void give_way() {
  thread_local bool given = false;
  if (std::exchange(given, true)) return;
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_BATCH, &none);  // Linux: of the thread
  errno = 0;
  const int now = ::getpriority(PRIO_PROCESS, 0);
  if (errno == 0) ::setpriority(PRIO_PROCESS, 0, now + 5);
}

/// Runs one operation and writes the line of SYM-10.
template <class Operation, class Request>
auto run_logged(Log& log, const std::string& what, Operation operation,
                const symlinks::Environment& environment, const Request& request,
                const symlinks::Control& control) {
  give_way();
  const SteadyTime begun = system_clock().now();
  auto report = operation(environment, request, control);
  const double took = std::chrono::duration<double>(system_clock().now() - begun).count();
  if (report) {
    log.info(fmt::format("{}: {}, {:.2f} s", what, summary_of(*report), took));
  } else if (!report.error().is(Errc::conflict)) {
    log.info(fmt::format("{}: not done: {}", what, report.error().to_string()));
  }
  return report;
}

/// What nobody waits for any more may end: it changes nothing (SYM-52).
bool only_looks(const symlinks::RepairRequest& request) {
  return request.dry_run.value_or(true);
}
bool only_looks(const symlinks::RestoreRequest& request) {
  return request.dry_run.value_or(true);
}
bool only_looks(const symlinks::BackupRequest&) {
  return false;
}
bool only_looks(const symlinks::CompareRequest&) {
  return true;
}

jobs::RunnerOptions runner_options(const std::filesystem::path& state,
                                   std::chrono::milliseconds shutdown_limit) {
  jobs::RunnerOptions options;
  options.directory = state / "jobs";
  options.shutdown_limit = shutdown_limit;
  return options;
}

}  // namespace

LinkService::LinkService(asio::io_context& context, Log& log, const Root& root, std::chrono::seconds catch_up,
                         Hooks hooks)
    : context_(context),
      log_(log),
      root_(root),
      hooks_(std::move(hooks)),
      state_(root.map(std::string(repair_directory) + "/.state")),
      locks_(std::make_shared<symlinks::Locks>()),
      runner_(context.get_executor(), log, runner_options(state_, hooks_.shutdown_limit)),
      scheduler_(context, log,
                 {.state_file = state_ / "schedule.json",
                  .catch_up = catch_up,
                  .settings = hooks_.backups,
                  .pool = [this]() -> asio::thread_pool& { return pool(); },
                  .small_pool = [this]() -> asio::thread_pool& { return small_pool(); },
                  .take =
                      [this](const symlinks::ScheduledSnapshot& request) {
                        return [environment = environment(), request,
                                stop = stop_.get_token()](const std::atomic<bool>&) {
                          symlinks::Control control;
                          control.stop = stop;
                          control.owner = "scheduled";
                          give_way();
                          return symlinks::take_scheduled_snapshot(environment, request, control);
                        };
                      }}),
      patience_(context) {}

LinkService::~LinkService() {
  stop_.request_stop();
  if (pool_) pool_->join();
  if (small_pool_) small_pool_->join();
  if (check_pool_) check_pool_->join();
}

symlinks::Environment LinkService::environment() const {
  symlinks::Environment environment = hooks_.environment();
  environment.locks = locks_;
  return environment;
}

asio::thread_pool& LinkService::pool() {
  if (!pool_) pool_.emplace(request_threads);
  return *pool_;
}

asio::thread_pool& LinkService::small_pool() {
  if (!small_pool_) small_pool_.emplace(small_threads);
  return *small_pool_;
}

asio::thread_pool& LinkService::check_pool() {
  if (!check_pool_) check_pool_.emplace(small_threads);
  return *check_pool_;
}

/// The log lines of what was settled.
void LinkService::tell(const std::vector<symlinks::Interrupted>& runs) {
  for (const symlinks::Interrupted& run : runs) {
    log_.warning(fmt::format(
        "a run over links was interrupted: {} changes made, {} not, {} errors; undo or resume with {}",
        run.done, run.pending, run.errors.size(), text::to_utf8(run.manifest)));
    constexpr std::size_t most_told = 20;
    for (std::size_t i = 0; i < std::min(run.errors.size(), most_told); ++i) {
      const symlinks::ErrorItem& item = run.errors[i];
      const std::string& path = item.link_path.empty() ? item.source_path : item.link_path;
      log_.warning(fmt::format("\"{}\": {}", symlinks::printable(path), item.error));
    }
  }
}

asio::awaitable<void> LinkService::settle_runs() {
  co_await asio::this_coro::throw_if_cancelled(false);
  // Until it is over nothing else changes links, or waits for it as for any other run.
  auto held = locks_->lock("the recovery of an interrupted run", {}, symlinks::Locks::Mode::exclusive);
  auto work = [environment = environment()] { return symlinks::recover(environment); };
  try {
    interrupted_ = co_await offload(pool(), std::move(work));
  } catch (const std::exception& failure) {
    log_.warning(std::string("recovery of runs over links: ") + failure.what());
  }
  tell(interrupted_);
  settling_ = false;
  patience_.cancel();
  for (const jobs::Job* job : runner_.table().all()) {
    if (unsettled_.contains(job->job_id)) runner_.amend(job->job_id, interruption_of(*job, interrupted_));
  }
}

asio::awaitable<void> LinkService::load_history() {
  auto work = [directory = state_ / "jobs"] {
    Found found;
    found.history = jobs::Store(directory).load(
        [&](const Error& skipped) { found.faults.push_back("history of jobs: " + skipped.to_string()); });
    return found;
  };
  Found found;
  try {
    found = co_await offload(small_pool(), std::move(work));
  } catch (const std::exception& error) {
    // Everybody waits for this: better without a history than never.
    log_.error(std::string("the history of jobs is not known: ") + error.what());
  }
  for (const std::string& fault : found.faults) log_.warning(fault);
  // A disk that does not answer must not keep the API from answering.
  if (settling_) co_await supervisor::pause_for(patience_, hooks_.recovery_patience);
  if (settling_) log_.warning("what an earlier run over links left is still being settled");
  runner_.restore(std::move(found.history), [&](const jobs::Job& job) {
    if (!settling_) return interruption_of(job, interrupted_);
    unsettled_.insert(job.job_id);
    return jobs::Failure{"DUMB ended during the job; what it left is still being settled", "interrupted",
                         std::nullopt};
  });
}

asio::awaitable<void> LinkService::ready() {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (ready_) {
    const auto event = ready_;
    co_await supervisor::OneShot<bool>::wait(event);
    co_return;
  }
  ready_ = std::make_shared<supervisor::OneShot<bool>>(context_.get_executor());
  std::error_code ignored;
  if (std::filesystem::exists(root_.map(std::string(repair_directory)), ignored)) {
    settling_ = true;
    auto ended = [this](const std::exception_ptr& error) {
      if (error) log_.error("the recovery of runs over links ended by an exception");
    };
    asio::co_spawn(context_, settle_runs(), std::move(ended));
    co_await load_history();
  }
  scheduler_.load();
  ready_->set(true);
}

template <class Request, class Operation>
asio::awaitable<Result<json::object>> LinkService::run(std::string what, Request request,
                                                       Operation operation) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await ready();
  const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) {
    co_return Error(Errc::cancelled, "the request was given up before it began");
  }
  if (shut_down_) co_return Error(Errc::unavailable, "DUMB is shutting down");
  struct Running {
    std::size_t& count;
    explicit Running(std::size_t& all) : count(all) { ++count; }
    ~Running() { --count; }
  } const running(running_);
  auto work = [log = &log_, what, operation, environment = environment(), request,
               shutdown = stop_.get_token()](std::stop_token left) -> Result<json::object> {
    std::stop_source ends;
    const std::stop_callback with_service(shutdown, [&ends] { ends.request_stop(); });
    std::optional<std::stop_callback<std::function<void()>>> with_caller;
    if (only_looks(request)) with_caller.emplace(std::move(left), [&ends] { ends.request_stop(); });
    symlinks::Control control;
    control.stop = ends.get_token();
    const auto report = run_logged(*log, what, operation, environment, request, control);
    if (!report) return report.error();
    return symlinks::to_json(*report);
  };
  Result<json::object> answer = co_await offload(pool(), std::move(work));
  co_return answer;
}

template <class Request, class Operation>
asio::awaitable<Result<QueuedJob>> LinkService::queue(std::string what, Request request,
                                                      Operation operation) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await ready();
  if (shut_down_) co_return Error(Errc::unavailable, "DUMB is shutting down");
  const symlinks::Environment around = environment();
  auto look = [around, request] { return symlinks::check(around, request); };
  const Result<void> good = co_await offload(check_pool(), std::move(look));
  if (!good) co_return good.error();
  jobs::Work work = [log = &log_, what, operation, around, request](jobs::Attempt& attempt) {
    symlinks::Control control;
    control.stop = attempt.stop();
    control.owner = attempt.job_id();
    control.progress = [&](const symlinks::Progress& progress) {
      attempt.progress(symlinks::to_json(progress, what));
    };
    std::optional<json::object> so_far;
    control.so_far = [&](json::object report) { so_far = std::move(report); };
    jobs::Outcome outcome = outcome_of(run_logged(*log, what, operation, around, request, control));
    if (so_far) outcome.result = std::move(so_far);
    return outcome;
  };
  const Result<jobs::Job> job =
      runner_.submit(what, label_of(request), metadata_of(request), std::move(work));
  if (!job) co_return job.error();
  co_return QueuedJob{"queued", job->job_id, what};
}

asio::awaitable<Result<json::object>> LinkService::repair(symlinks::RepairRequest request) {
  return run(std::string(repair_operation), std::move(request), &symlinks::repair);
}
asio::awaitable<Result<json::object>> LinkService::backup(symlinks::BackupRequest request) {
  return run(std::string(backup_operation), std::move(request), &symlinks::backup);
}
asio::awaitable<Result<json::object>> LinkService::restore(symlinks::RestoreRequest request) {
  return run(std::string(restore_operation), std::move(request), &symlinks::restore);
}
asio::awaitable<Result<json::object>> LinkService::compare(symlinks::CompareRequest request) {
  return run("symlink_manifest_compare", std::move(request), &symlinks::compare);
}
asio::awaitable<Result<QueuedJob>> LinkService::queue_repair(symlinks::RepairRequest request) {
  return queue(std::string(repair_operation), std::move(request), &symlinks::repair);
}
asio::awaitable<Result<QueuedJob>> LinkService::queue_backup(symlinks::BackupRequest request) {
  return queue(std::string(backup_operation), std::move(request), &symlinks::backup);
}
asio::awaitable<Result<QueuedJob>> LinkService::queue_restore(symlinks::RestoreRequest request) {
  return queue(std::string(restore_operation), std::move(request), &symlinks::restore);
}

asio::awaitable<Result<SnapshotList>> LinkService::snapshots(std::string process_name, std::string path) {
  co_await asio::this_coro::throw_if_cancelled(false);
  auto work = [environment = environment(), process_name, path]() -> Result<SnapshotList> {
    return engine::list_snapshots(environment, process_name, path);
  };
  Result<SnapshotList> list = co_await offload(small_pool(), std::move(work));
  co_return list;
}

asio::awaitable<Result<ManifestFileList>> LinkService::manifest_files(std::string manifest_path) {
  co_await asio::this_coro::throw_if_cancelled(false);
  auto work = [environment = environment(), manifest_path] {
    return engine::list_manifest_files(environment, manifest_path);
  };
  Result<ManifestFileList> list = co_await offload(small_pool(), std::move(work));
  co_return list;
}

asio::awaitable<void> LinkService::shutdown() {
  shut_down_ = true;
  stop_.request_stop();
  scheduler_.stop();
  const SteadyTime end = system_clock().now() + hooks_.shutdown_limit;
  co_await runner_.shutdown();
  asio::steady_timer pause(context_);
  while (!idle() && system_clock().now() < end) {
    co_await supervisor::pause_for(pause, std::chrono::milliseconds(5));
  }
  if (!idle()) log_.warning("a link operation does not end; it is left behind");
}

bool LinkService::idle() const noexcept {
  return runner_.idle() && running_ == 0 && !scheduler_.busy() && !settling_;
}

}  // namespace dumb::engine
