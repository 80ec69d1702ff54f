#include <array>
#include <boost/json.hpp>

#include "routes.hpp"
#include "typed_route.hpp"

namespace dumb::server {

namespace asio = boost::asio;

namespace {

struct NameQuery {
  std::string process_name;
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(NameQuery, (), (process_name))

struct NameBody {
  std::string process_name;
  static constexpr std::array<std::string_view, 1> required{"process_name"};
};
BOOST_DESCRIBE_STRUCT(NameBody, (), (process_name))

struct JobReference {
  std::string job_id;
  static constexpr std::array<std::string_view, 1> required{"job_id"};
};
BOOST_DESCRIBE_STRUCT(JobReference, (), (job_id))

struct CompareQuery {
  std::string manifest_path;
  bool overwrite_existing = false;
  bool restore_broken = true;
  std::int64_t sample_limit = 50;
  static constexpr std::array<std::string_view, 1> required{"manifest_path"};
  static constexpr std::array<Bound, 1> bounds{{{"sample_limit", 0, 200}}};
};
BOOST_DESCRIBE_STRUCT(CompareQuery, (), (manifest_path, overwrite_existing, restore_broken, sample_limit))

struct FilesQuery {
  std::string manifest_path;  ///< blank: the newest snapshot's usual place
};
BOOST_DESCRIBE_STRUCT(FilesQuery, (), (manifest_path))

asio::awaitable<Result<json::object>> repair(engine::Engine& engine, Nothing, symlinks::RepairRequest body) {
  return engine.symlink_repair(std::move(body));
}
asio::awaitable<Result<engine::QueuedJob>> repair_job(engine::Engine& engine, Nothing,
                                                      symlinks::RepairRequest body) {
  return engine.symlink_repair_job(std::move(body));
}
asio::awaitable<Result<json::object>> backup(engine::Engine& engine, Nothing, symlinks::BackupRequest body) {
  return engine.symlink_backup(std::move(body));
}
asio::awaitable<Result<engine::QueuedJob>> backup_job(engine::Engine& engine, Nothing,
                                                      symlinks::BackupRequest body) {
  return engine.symlink_backup_job(std::move(body));
}
asio::awaitable<Result<json::object>> restore(engine::Engine& engine, Nothing,
                                              symlinks::RestoreRequest body) {
  return engine.symlink_restore(std::move(body));
}
asio::awaitable<Result<engine::QueuedJob>> restore_job(engine::Engine& engine, Nothing,
                                                       symlinks::RestoreRequest body) {
  return engine.symlink_restore_job(std::move(body));
}
asio::awaitable<Result<json::object>> compare(engine::Engine& engine, CompareQuery query, Nothing) {
  return engine.symlink_compare(
      {query.manifest_path, query.overwrite_existing, query.restore_broken, query.sample_limit});
}
asio::awaitable<Result<json::object>> job_status(engine::Engine& engine, JobReference query, Nothing) {
  return engine.job(query.job_id);
}
asio::awaitable<Result<engine::LatestJob>> latest_job(engine::Engine& engine, engine::LatestJobQuery query,
                                                      Nothing) {
  return engine.latest_job(std::move(query));
}
asio::awaitable<Result<engine::CancelledJob>> cancel_job(engine::Engine& engine, Nothing, JobReference body) {
  return engine.cancel_job(body.job_id);
}
asio::awaitable<Result<engine::JobList>> jobs(engine::Engine& engine, Nothing, Nothing) {
  auto running = engine.jobs();
  engine::JobList list = co_await std::move(running);
  co_return list;
}
asio::awaitable<Result<engine::BackupStatus>> backup_status(engine::Engine& engine, NameQuery query,
                                                            Nothing) {
  return engine.symlink_backup_status(query.process_name);
}
asio::awaitable<Result<engine::SnapshotList>> manifests(engine::Engine& engine, NameQuery query, Nothing) {
  return engine.symlink_snapshots(query.process_name);
}
asio::awaitable<Result<engine::ManifestFileList>> files(engine::Engine& engine, FilesQuery query, Nothing) {
  return engine.symlink_manifest_files(query.manifest_path);
}
asio::awaitable<Result<engine::RescheduleReply>> reschedule(engine::Engine& engine, Nothing, NameBody body) {
  return engine.reschedule_symlink_backup(body.process_name);
}

template <class Query, class Body, class Answer>
void add(std::vector<Route>& routes, std::string_view method, std::string_view path, std::string_view summary,
         Operation<Query, Body, Answer> operation, Departure departure = Departure::ends_reading) {
  const Effect effect = method == "POST" ? Effect::changes_state : Effect::reads;
  routes.push_back(make_route(
      {.method = method, .path = path, .summary = summary, .effect = effect, .departure = departure},
      operation));
}

}  // namespace

std::vector<Route> symlink_routes() {
  std::vector<Route> out;
  add(out, "POST", "/process/symlink-repair", "Rewrite targets of links and move them to other roots",
      &repair, Departure::heard);
  add(out, "POST", "/process/symlink-repair-async", "The same as a background job", &repair_job);
  add(out, "POST", "/process/symlink-manifest/backup", "Write a snapshot of every link", &backup);
  add(out, "POST", "/process/symlink-manifest/backup-async", "The same as a background job", &backup_job);
  add(out, "POST", "/process/symlink-manifest/restore", "Restore a snapshot, or undo a repair", &restore,
      Departure::heard);
  add(out, "POST", "/process/symlink-manifest/restore-async", "The same as a background job", &restore_job);
  add(out, "GET", "/process/symlink-manifest/compare", "What a restore would do", &compare);
  add(out, "GET", "/process/symlink-job-status", "One background job", &job_status);
  add(out, "GET", "/process/symlink-job-latest", "The newest background job of a process", &latest_job);
  add(out, "POST", "/process/symlink-job-cancel", "Cancel a background job", &cancel_job);
  add(out, "GET", "/process/jobs", "Every background job, without its result", &jobs);
  add(out, "GET", "/process/symlink-backup-status", "Scheduled snapshots of a process", &backup_status);
  add(out, "GET", "/process/symlink-backup-manifests", "Snapshots of a process", &manifests);
  add(out, "GET", "/process/symlink-manifest-files", "Files beside a manifest", &files);
  add(out, "POST", "/process/symlink-backup/reschedule", "Rebuild the schedule of a process", &reschedule);
  return out;
}

}  // namespace dumb::server
