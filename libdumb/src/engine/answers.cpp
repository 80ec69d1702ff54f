// What the API reports: lists, status, health, logs.
#include <unistd.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <ctime>
#include <dumb/base/codec.hpp>
#include <dumb/base/text.hpp>
#include <dumb/logs/log_reader.hpp>
#include <filesystem>

#include "engine/impl.hpp"
#include "engine/log_files.hpp"

namespace dumb::engine {
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr auto probe_limit = std::chrono::milliseconds(1500);

bool repair_enabled(const config::Snapshot& config) {
  const json::value* enabled = jsonx::find(config.effective(), {"plex", "dbrepair", "enabled"});
  return enabled != nullptr && enabled->is_bool() && enabled->get_bool();
}

std::optional<std::string> repo_url(const json::object& block, const catalog::Service* service) {
  const std::string owner = jsonx::string_at(block, "repo_owner");
  const std::string name = jsonx::string_at(block, "repo_name");
  if (!text::blank(owner) && !text::blank(name)) return "https://github.com/" + owner + "/" + name;
  return service != nullptr ? service->links.static_url : std::nullopt;
}

bool manual_update(const config::BlockRef& ref, const json::object& block) {
  static const std::set<std::string, std::less<>> always{"plex",     "jellyfin",   "emby",     "sonarr",
                                                         "radarr",   "lidarr",     "prowlarr", "readarr",
                                                         "whisparr", "whisparr-v3"};
  if (ref.config_key == "bazarr") return false;
  if (always.contains(ref.config_key)) return true;
  return !text::blank(jsonx::string_at(block, "repo_owner")) &&
         !text::blank(jsonx::string_at(block, "repo_name"));
}

bool is_running(const supervisor::ServiceInfo& info) {
  return supervisor::is_running(info.state, info.pid);
}

/// What the wall clock will show at an instant of the monotonic one.
WallTime wall_of(SteadyTime time) {
  const Duration ahead = time - system_clock().now();
  return system_clock().wall() + std::chrono::duration_cast<WallTime::duration>(ahead);
}

/// "14:03:05", local time.
std::string clock_text(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[16];
  return {text, std::strftime(text, sizeof text, "%H:%M:%S", &local)};
}

std::string one_line(std::string text, std::size_t limit) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  if (text.size() > limit) text = text::to_utf8(text.substr(0, limit - 3)) + "...";
  return text;
}

}  // namespace

std::string readiness_text(const supervisor::ServiceInfo& info) {
  std::string reason = info.ready_at ? "not ready any more" : "not ready yet";
  if (!info.readiness_reason.empty()) reason += ": " + info.readiness_reason;
  return reason;
}

Result<ServiceStatus> Engine::Impl::status(std::string_view process_name,
                                           const graph::ProcessStates* states) const {
  ServiceStatus answer;
  const config::SnapshotPtr snapshot = config();
  const config::BlockRef* known = snapshot->find(process_name);  // as it is spelled, nearly always
  if (known == nullptr && is_repair(process_name) && snapshot->resolve(process_name) == nullptr) {
    answer.process_name = std::string(text::trim(process_name));
    answer.status = repair_enabled(*snapshot) ? "idle" : "stopped";
    answer.state = "stopped";
    if (repair.ended) {
      answer.status = answer.state = "running";
      answer.started_at = unix_seconds(*repair.started_at);
    }
    return answer;
  }
  std::string name;
  if (companions.contains("pgAgent") && text::fold(process_name) == "pgagent") {
    name = "pgAgent";
  } else {
    std::optional<config::BlockRef> found;
    if (known == nullptr) {
      auto ref = find(process_name);
      if (!ref) return ref.error();
      known = &found.emplace(std::move(*ref));
    }
    name = known->process_name;
    if (is_api(*known)) {
      answer.process_name = name;
      answer.status = answer.state = "running";
      answer.pid = ::getpid();
      answer.started_at = unix_seconds(started_at);
      return answer;
    }
  }
  const supervisor::ServiceBrief info = supervisor.brief(name);
  answer.process_name = name;
  answer.status = supervisor::is_running(info.state, info.pid) ? "running" : "stopped";
  answer.state = std::string(codec::enum_name(info.state));
  std::string reason = info.reason;
  const bool idle = info.state == supervisor::State::stopped || info.state == supervisor::State::failed;
  const bool behind = idle && runs.book().pending(name);  // pending behind other services is waiting, too
  if (info.state == supervisor::State::waiting || behind) {
    if (behind) {
      answer.state = "waiting";
      reason.clear();
    }
    const std::string chain = why_waiting(name, states != nullptr ? *states : process_states());
    if (!chain.empty()) reason = chain.starts_with(reason) ? chain : reason + " (" + chain + ")";
  }
  if (info.refused_until) reason += "; next try at " + clock_text(wall_of(*info.refused_until));
  if (info.adopted) answer.adopted = true;
  if (reason.empty() && is_outdated(name, info.adopted, info.config_hash))
    reason = "runs with an older configuration";
  if (!reason.empty()) answer.state_reason = redactor()(reason);
  if (info.pid > 0) answer.pid = info.pid;
  if (info.started_at) answer.started_at = unix_seconds(*info.started_at);
  return answer;
}

std::vector<health::Endpoint> Engine::Impl::endpoints_of(const std::string& process_name) const {
  const auto* ref = config()->find(process_name);
  if (ref == nullptr) return {};
  supervisor::ResolveRequest request;
  request.config = config();
  request.block = *ref;
  request.service = service_of(*ref);
  request.root = root();
  auto resolved = supervisor::resolve_launch(request);
  return health::endpoints_of(resolved ? resolved->block : config()->block(*ref));
}

/// LIF-85, cached for 2 s and shared by whoever asks; at most one probe of a service is under way (LIF-87).
asio::awaitable<health::Verdict> Engine::Impl::verdict_of(std::string process_name) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const health::Verdict called_off{false, "the check was cancelled"};
  for (;;) {
    const auto found = verdicts.find(process_name);
    if (found == verdicts.end()) break;
    if (const auto event = found->second.under_way) {
      co_await event->async_wait(token);
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) co_return called_off;
      continue;
    }
    if (system_clock().now() - found->second.at < verdict_age) co_return found->second.verdict;
    break;
  }
  const supervisor::ServiceInfo info = supervisor.info(process_name);
  if (!is_running(info)) {
    std::string reason = "not running";
    if (!info.reason.empty()) reason += ": " + info.reason;
    co_return health::Verdict{false, reason};
  }
  // LIF-141: what a service declares decides in place of its ports.
  if (info.ready) co_return health::Verdict{*info.ready, *info.ready ? std::string() : readiness_text(info)};
  const std::vector<health::Endpoint> endpoints = endpoints_of(process_name);
  // However this ends, nobody is left waiting for it.
  struct UnderWay {
    UnderWay(std::map<std::string, CachedVerdict>& all, std::string of, asio::io_context& io)
        : verdicts(all), name(std::move(of)), event(std::make_shared<asio::steady_timer>(io)) {
      event->expires_at(asio::steady_timer::time_point::max());
      verdicts[name].under_way = event;
    }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    ~UnderWay() {
      if (CachedVerdict* own = mine(); own != nullptr) verdicts.erase(name);
      event->cancel();
    }
    /// The entry, unless the service changed meanwhile and it was dropped.
    CachedVerdict* mine() {
      const auto found = verdicts.find(name);
      return found != verdicts.end() && found->second.under_way == event ? &found->second : nullptr;
    }
    std::map<std::string, CachedVerdict>& verdicts;
    std::string name;
    std::shared_ptr<asio::steady_timer> event;
  };
  UnderWay under_way(verdicts, process_name, context);
  const health::Verdict verdict = co_await health::probe(endpoints, probe_limit, &probe_gate);
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) co_return called_off;
  if (CachedVerdict* own = under_way.mine(); own != nullptr) {
    own->verdict = verdict;
    own->at = system_clock().now();
    own->under_way.reset();
  }
  co_return verdict;
}

/// LIF-95.
RestartInfo Engine::Impl::restart_info(const supervisor::ServiceInfo& info) const {
  const supervisor::RestartStatistics& known = info.restarts;
  RestartInfo answer;
  answer.restart_attempts = known.attempts;
  answer.restart_successes = known.successes;
  answer.restart_failures = known.failures;
  answer.recent_restart_attempts = known.recent;
  answer.pending = known.next.has_value();
  if (known.next) answer.next_restart_time = unix_seconds(wall_of(*known.next));
  answer.disabled = info.restart_disabled;
  if (known.last) answer.last_restart_time = unix_seconds(*known.last);
  if (known.last_failure) answer.last_failure_reason = redactor()(*known.last_failure);
  if (info.last_unasked_at) answer.last_exit_time = unix_seconds(*info.last_unasked_at);
  if (info.last_unasked) answer.last_exit_reason = info.last_unasked->to_string();
  answer.unhealthy_count = known.unhealthy_count;
  answer.unhealthy_threshold =
      supervisor::restart_settings(config()->effective(), info.process_name).unhealthy_threshold;
  answer.crash_loop = known.crash_loop;
  if (known.refused_until) answer.next_try_time = unix_seconds(wall_of(*known.refused_until));
  return answer;
}

asio::awaitable<Result<ServiceHealth>> Engine::Impl::status_with_health(std::string process_name) {
  const Result<ServiceStatus> plain = status(process_name);
  if (!plain) co_return plain.error();
  ServiceHealth answer;
  answer.process_name = plain->process_name;
  answer.status = plain->status;
  answer.state = plain->state;
  answer.state_reason = plain->state_reason;
  answer.pid = plain->pid;
  answer.started_at = plain->started_at;
  answer.adopted = plain->adopted;
  answer.restart = restart_info(supervisor.info(plain->process_name));
  if (plain->status == "idle") {
    answer.healthy = true;
    answer.health_reason = "idle until its next run";
    co_return answer;
  }
  const auto* ref = config()->find(plain->process_name);
  const bool repairing = plain->status == "running" && ref == nullptr && is_repair(plain->process_name);
  if (repairing || (ref != nullptr && is_api(*ref))) {
    answer.healthy = true;
    co_return answer;
  }
  const std::string name = plain->process_name;
  const health::Verdict verdict = co_await verdict_of(name);
  answer.healthy = verdict.healthy;
  if (!verdict.reason.empty()) answer.health_reason = redactor()(verdict.reason);
  co_return answer;
}

asio::awaitable<HealthReport> Engine::Impl::health() {
  HealthReport report;
  if (phase == Phase::shutting_down) {
    report.healthy = false;
    report.details = "DUMB is shutting down";
    co_return report;
  }
  if (phase != Phase::ready && phase != Phase::degraded) co_return report;
  std::vector<std::string> subjects;
  for (const supervisor::ServiceInfo& info : supervisor.all()) {
    if (!info.desired || info.completed || info.becoming_ready) continue;
    using supervisor::State;
    if (info.state == State::setting_up || info.state == State::waiting || info.state == State::starting)
      continue;
    const Duration grace = supervisor::restart_settings(config()->effective(), info.process_name).grace;
    if (info.started_steady && system_clock().now() - *info.started_steady < grace) continue;
    subjects.push_back(info.process_name);
  }
  // Side by side: each probe is started here and joined below.
  for (const std::string& name : subjects) {
    ++background;
    auto ended = [this](std::exception_ptr, const health::Verdict&) { --background; };
    asio::co_spawn(context, verdict_of(name), std::move(ended));
  }
  std::string details;
  for (const std::string& name : subjects) {
    const health::Verdict verdict = co_await verdict_of(name);
    if (verdict.healthy) continue;
    report.healthy = false;
    details += (details.empty() ? "" : " | ") + name + ": " + verdict.reason;
  }
  report.details = one_line(redactor()(details), 200);
  co_return report;
}

asio::awaitable<std::optional<std::string>> Engine::Impl::version_of(config::BlockRef ref) {
  setup::VersionQuery query;
  query.config = config();
  query.block = std::move(ref);
  return versions.get(std::move(query));
}

ProcessEntry Engine::Impl::entry_of(const config::Snapshot& snapshot, const config::BlockRef& ref) const {
  const catalog::Service* service = service_of(ref);
  ProcessEntry entry;
  entry.name = entry.process_name = ref.process_name;
  entry.enabled = ref.enabled;
  entry.config = snapshot.block(ref);
  entry.key = entry.config_key = ref.config_key;
  entry.repo_url = repo_url(entry.config, service);
  if (service != nullptr) entry.sponsorship_url = service->links.sponsorship_url;
  if (!ref.instance.empty()) entry.instance_name = ref.instance;
  return entry;
}

asio::awaitable<ProcessList> Engine::Impl::processes() {
  ProcessList list;
  const config::SnapshotPtr snapshot = config();
  std::vector<setup::VersionQuery> queries;
  for (const config::BlockRef& ref : snapshot->blocks()) queries.push_back({snapshot, ref});
  const std::vector<std::optional<std::string>> found = co_await versions.get_all(queries);
  std::size_t index = 0;
  for (const config::BlockRef& ref : snapshot->blocks()) {
    ProcessEntry entry = entry_of(*snapshot, ref);
    entry.version = found[index++];
    auto& last = last_versions[ref.process_name];
    if (last != entry.version) shown_processes_.reset();
    last = entry.version;
    list.processes.push_back(std::move(entry));
  }
  co_return list;
}

asio::awaitable<Result<ProcessDetail>> Engine::Impl::process(std::string process_name, std::string scope) {
  const Result<graph::Scope> wanted = graph::parse_scope(scope);
  if (!wanted) co_return wanted.error();
  const auto ref = find_configured(process_name);
  if (!ref) co_return ref.error();
  const config::SnapshotPtr snapshot = config();
  const catalog::Service* service = service_of(*ref);
  ProcessDetail detail;
  detail.process_name = ref->process_name;
  detail.config = snapshot->block(*ref);
  detail.config_key = ref->config_key;
  detail.version = co_await version_of(*ref);
  if (const json::object* status = backup_status(ref->process_name)) detail.symlink_backup_status = *status;
  detail.supports_manual_update = manual_update(*ref, detail.config);
  detail.repo_url = repo_url(detail.config, service);
  if (service != nullptr) detail.sponsorship_url = service->links.sponsorship_url;
  const graph::Model& model = dependencies();
  detail.scope = *wanted;
  if (const graph::Index* process = model.find(ref->process_name)) {
    graph::ProcessGraph graph = graph::process_graph(model, *process, *wanted);
    detail.edges = std::move(graph.edges);
    detail.parallel_groups = std::move(graph.parallel_groups);
  }
  co_return detail;
}

asio::awaitable<Result<LogChunk>> Engine::Impl::logs(LogQuery query) {
  const auto source = find_log(query.process_name, *config(), root());
  if (!source) co_return source.error();
  const std::vector<std::string> secrets = manager->secret_values();
  auto work = [source = *source, query, secrets]() -> Result<logs::Chunk> {
    logs::ReadRequest request;
    request.cursor = query.cursor;
    request.tail_bytes = query.tail_bytes;
    request.file_id = query.file_id;
    request.main_log = source.main_log;
    const auto file = choose_log_file(source);
    if (!file) return logs::Chunk{};
    auto chunk = logs::read_chunk(*file, request);
    if (!chunk) return chunk;
    const logs::Redactor redact(secrets);
    std::string clean;
    clean.reserve(chunk->chunk.size());
    for (std::size_t at = 0; at < chunk->chunk.size();) {
      const std::size_t end = std::min(chunk->chunk.find('\n', at), chunk->chunk.size());
      clean += redact(std::string_view(chunk->chunk).substr(at, end - at));
      if (end < chunk->chunk.size()) clean += '\n';
      at = end + 1;
    }
    chunk->chunk = std::move(clean);
    return chunk;
  };
  const Result<logs::Chunk> chunk = co_await offload(workers, work);
  if (!chunk) co_return chunk.error();
  LogChunk answer;
  answer.process_name = query.process_name;
  answer.size = static_cast<std::int64_t>(chunk->size);
  answer.cursor = static_cast<std::int64_t>(chunk->cursor);
  answer.chunk = chunk->chunk;
  answer.reset = chunk->reset;
  if (chunk->reset) answer.log = chunk->chunk;
  answer.file_id = chunk->file_id;
  co_return answer;
}

}  // namespace dumb::engine
