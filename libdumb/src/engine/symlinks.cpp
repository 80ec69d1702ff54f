// Link operations and background jobs as the engine offers them.
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/text.hpp>
#include <dumb/symlinks/snapshots.hpp>
#include <filesystem>

#include "engine/impl.hpp"
#include "engine/link_service.hpp"
#include "engine/run_lock.hpp"

namespace dumb::engine {

std::unique_ptr<LinkService> Engine::Impl::make_links() {
  LinkService::Hooks hooks;
  hooks.environment = [this] { return link_environment(*config(), root()); };
  hooks.backups = [this] { return backups(); };
  return std::make_unique<LinkService>(context, log, root(), options.backup_catch_up, std::move(hooks));
}

symlinks::Environment link_environment(const config::Snapshot& config, const Root& root) {
  symlinks::Environment out;
  out.root = root;
  out.config_directory = config_directory;
  out.service_directories = service_directories(config);
  out.more_default_roots = more_default_roots(config);
  for (const config::BlockRef& ref : config.blocks()) {
    // A disabled service counts as well: the links to what it mounted are there.
    const json::object& block = config.block(ref);
    if (ref.config_key == "decypharr") {
      const auto own = file::read(root.map(jsonx::string_at(block, "config_file")));
      for (std::string& mount : supervisor::decypharr_mounts(config, own ? *own : std::string()))
        out.mount_points.push_back(std::move(mount));
    }
    const std::string directory = jsonx::string_at(block, "mount_dir");
    const std::string name(text::trim_slashes(jsonx::string_at(block, "mount_name")));
    if (ref.config_key == "rclone" && !directory.empty() && !name.empty())
      out.mount_points.push_back((std::filesystem::path(directory) / name).native());
  }
  return out;
}

SnapshotList list_snapshots(const symlinks::Environment& environment, const std::string& process_name,
                            const std::string& path) {
  const symlinks::SnapshotListing found = symlinks::list_snapshots(environment, path, process_name);
  SnapshotList out{
      process_name, found.pattern.empty() ? path : found.pattern, {}, static_cast<std::int64_t>(found.count)};
  for (const symlinks::ManifestFile& file : found.manifests) {
    out.manifests.push_back({file.path, static_cast<std::int64_t>(file.size_bytes), file.modified_at});
  }
  return out;
}

Result<ManifestFileList> list_manifest_files(const symlinks::Environment& environment,
                                             const std::string& manifest_path) {
  const auto found = symlinks::list_manifest_files(environment, manifest_path);
  if (!found) return found.error();
  ManifestFileList out{found->directory, found->manifest_path, {}, static_cast<std::int64_t>(found->count)};
  for (const symlinks::ManifestFile& file : found->files) {
    out.files.push_back({file.path, file.name, static_cast<std::int64_t>(file.size_bytes), file.modified_at});
  }
  return out;
}

Result<LinkClaim> claim_links(const symlinks::Environment& environment) {
  auto lock = lock_run_directory(environment.root.map("/run/dumb"));
  if (!lock) return lock.error();
  LinkClaim claim;
  claim.lock = std::move(*lock);
  claim.interrupted = symlinks::recover(environment);
  return claim;
}

std::map<std::string, BackupSettings> Engine::Impl::backups() const {
  std::map<std::string, BackupSettings> out;
  const config::SnapshotPtr snapshot = config();
  for (const config::BlockRef& ref : snapshot->blocks()) {
    if (has_symlink_backup(ref.config_key)) out[ref.process_name] = backup_settings(snapshot->block(ref));
  }
  return out;
}

asio::awaitable<void> Engine::Impl::look_back_at_links() {
  co_await links->ready();
  // Told once; the settings in force are shown with their effective values.
  for (const config::BlockRef& ref : config()->blocks()) {
    if (!has_symlink_backup(ref.config_key)) continue;
    std::vector<std::string> faults;
    backup_settings(config()->block(ref), &faults);
    for (const std::string& fault : faults) log.error(ref.process_name + ": " + fault);
  }
}

const json::object* Engine::Impl::backup_status(const std::string& process_name) const {
  return links->backups().status(process_name);
}

asio::awaitable<Result<SnapshotList>> Engine::Impl::snapshots(std::string process_name) {
  const auto ref = find_configured(process_name);
  if (!ref) co_return ref.error();
  const std::string path = backup_settings(config()->block(*ref)).path;
  auto running = links->snapshots(ref->process_name, path);
  Result<SnapshotList> list = co_await std::move(running);
  co_return list;
}

asio::awaitable<Result<BackupStatus>> Engine::Impl::backup_status_of(std::string process_name) {
  const auto ref = find_configured(process_name);
  if (!ref) co_return ref.error();
  co_await links->ready();
  BackupStatus answer{ref->process_name, std::nullopt};
  if (const json::object* status = backup_status(ref->process_name)) answer.symlink_backup_status = *status;
  co_return answer;
}

asio::awaitable<Result<RescheduleReply>> Engine::Impl::reschedule_backup(std::string process_name) {
  const auto ref = find_configured(process_name);
  if (!ref) co_return ref.error();
  co_await links->ready();
  std::optional<BackupSettings> settings;
  if (has_symlink_backup(ref->config_key)) settings = backup_settings(config()->block(*ref));
  const json::object& status = links->backups().reschedule(ref->process_name, settings);
  RescheduleReply reply;
  reply.status = settings ? "ok" : "error";
  if (!settings) {
    reply.message = jsonx::string_at(status, "message");
  } else if (settings->enabled) {
    reply.message = "The symlink backup of " + ref->process_name + " is scheduled.";
  } else {
    reply.message = "The symlink backup of " + ref->process_name + " is disabled.";
  }
  co_return reply;
}

namespace {

Error no_job(const std::string& job_id) {
  return {Errc::not_found, "there is no job '" + text::to_utf8(job_id) + "'"};
}

}  // namespace

asio::awaitable<Result<json::object>> Engine::Impl::job(std::string job_id) {
  job_id = text::trim(job_id);
  if (job_id.empty()) co_return Error(Errc::invalid_argument, "job_id must not be blank");
  co_await links->ready();
  const dumb::jobs::Job* found = links->jobs().table().find(job_id);
  if (found == nullptr) co_return no_job(job_id);
  co_return dumb::jobs::to_json(*found);
}

asio::awaitable<Result<LatestJob>> Engine::Impl::latest_job(LatestJobQuery query) {
  if (text::blank(query.process_name)) {
    co_return Error(Errc::invalid_argument, "process_name must not be blank");
  }
  co_await links->ready();
  const dumb::jobs::LatestQuery wanted{query.process_name, query.operation, query.active_only};
  LatestJob answer;
  if (const dumb::jobs::Job* found = links->jobs().table().latest(wanted))
    answer.job = dumb::jobs::to_json(*found);
  co_return answer;
}

asio::awaitable<JobList> Engine::Impl::jobs() {
  co_await links->ready();
  JobList list;
  for (const dumb::jobs::Job* job : links->jobs().table().all()) {
    list.jobs.push_back(dumb::jobs::to_summary(*job));
  }
  co_return list;
}

asio::awaitable<Result<CancelledJob>> Engine::Impl::cancel_job(std::string job_id) {
  job_id = text::trim(job_id);
  if (job_id.empty()) co_return Error(Errc::invalid_argument, "job_id must not be blank");
  co_await links->ready();
  const auto cancelled = links->jobs().cancel(job_id);
  if (!cancelled && cancelled.error().is(Errc::not_found)) co_return no_job(job_id);
  if (!cancelled) co_return cancelled.error();
  const bool at_once = *cancelled == dumb::jobs::Table::Cancelled::at_once;
  co_return CancelledJob{at_once ? "cancelled" : "cancelling", job_id};
}

// ---- the facade ----

asio::awaitable<Result<json::object>> Engine::symlink_repair(symlinks::RepairRequest request) {
  return impl_->links->repair(std::move(request));
}
asio::awaitable<Result<json::object>> Engine::symlink_backup(symlinks::BackupRequest request) {
  return impl_->links->backup(std::move(request));
}
asio::awaitable<Result<json::object>> Engine::symlink_restore(symlinks::RestoreRequest request) {
  return impl_->links->restore(std::move(request));
}
asio::awaitable<Result<json::object>> Engine::symlink_compare(symlinks::CompareRequest request) {
  return impl_->links->compare(std::move(request));
}
asio::awaitable<Result<QueuedJob>> Engine::symlink_repair_job(symlinks::RepairRequest request) {
  return impl_->links->queue_repair(std::move(request));
}
asio::awaitable<Result<QueuedJob>> Engine::symlink_backup_job(symlinks::BackupRequest request) {
  return impl_->links->queue_backup(std::move(request));
}
asio::awaitable<Result<QueuedJob>> Engine::symlink_restore_job(symlinks::RestoreRequest request) {
  return impl_->links->queue_restore(std::move(request));
}
asio::awaitable<Result<SnapshotList>> Engine::symlink_snapshots(std::string process_name) {
  return impl_->snapshots(std::move(process_name));
}
asio::awaitable<Result<ManifestFileList>> Engine::symlink_manifest_files(std::string path) {
  return impl_->links->manifest_files(std::move(path));
}
asio::awaitable<Result<BackupStatus>> Engine::symlink_backup_status(std::string process_name) {
  return impl_->backup_status_of(std::move(process_name));
}
asio::awaitable<Result<RescheduleReply>> Engine::reschedule_symlink_backup(std::string process_name) {
  return impl_->reschedule_backup(std::move(process_name));
}
asio::awaitable<Result<json::object>> Engine::job(std::string job_id) {
  return impl_->job(std::move(job_id));
}
asio::awaitable<Result<LatestJob>> Engine::latest_job(LatestJobQuery query) {
  return impl_->latest_job(std::move(query));
}
asio::awaitable<JobList> Engine::jobs() {
  return impl_->jobs();
}
asio::awaitable<Result<CancelledJob>> Engine::cancel_job(std::string job_id) {
  return impl_->cancel_job(std::move(job_id));
}

}  // namespace dumb::engine
