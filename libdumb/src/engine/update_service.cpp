// Checks and installations of updates.
#include "engine/update_service.hpp"

#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>
#include <boost/json.hpp>
#include <dumb/base/clock.hpp>
#include <dumb/base/text.hpp>

#include "base/offload.hpp"
#include "supervisor/event_asio.hpp"

namespace dumb::engine {
namespace {

constexpr std::chrono::milliseconds probe_pause{250};

Error conflict(const std::string& process_name) {
  return {Errc::conflict, "another operation is under way", process_name};
}

}  // namespace

/// One operation at a time on one process (API-59).
class UpdateService::Busy {
 public:
  Busy(std::set<std::string>& names, std::string name) : names_(names), name_(std::move(name)) {
    names_.insert(name_);
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { names_.erase(name_); }

 private:
  std::set<std::string>& names_;
  std::string name_;
};

const json::object& UpdateService::keep(json::object status) {
  json::object& kept = statuses_[jsonx::string_at(status, "process_name")];
  kept = std::move(status);
  return kept;
}

UpdateSettings UpdateService::settings_of(const config::BlockRef& ref) const {
  const json::object& block = hooks_.config()->block(ref);
  return update_settings(block, setup::update_block_reason(block));
}

Result<UpdateStatus> UpdateService::status(std::string_view process_name) const {
  const auto ref = hooks_.find(process_name);
  if (!ref) return ref.error();
  UpdateStatus out;
  out.process_name = ref->process_name;
  if (const auto known = statuses_.find(ref->process_name); known != statuses_.end())
    out.update_status = known->second;
  return out;
}

asio::awaitable<Result<setup::InstallOptions>> UpdateService::options_of(config::BlockRef ref) {
  setup::InstallOptions options = hooks_.options(ref);
  if (!setup::can_install(options.context))
    co_return setup::make_failure(setup::Failure::not_installed,
                                  "this program does not install " + ref.process_name);
  const std::optional<std::string> version = co_await hooks_.version(ref);
  options.installed = version.value_or("");
  co_return options;
}

asio::awaitable<json::object> UpdateService::look(config::BlockRef ref, bool force) {
  const std::string name = ref.process_name;
  const std::string lack = update_lack(ref.config_key, hooks_.config()->block(ref));
  if (!lack.empty()) co_return unsupported_update(name, lack, now());
  Result<setup::InstallOptions> options = co_await options_of(ref);
  if (!options) co_return failed_update(name, options.error(), now());
  options->force = force;
  const Result<setup::UpdateCheck> check = co_await setup::check_update(*options);
  if (!check) co_return failed_update(name, check.error(), now());
  co_return checked_update(name, *check, settings_of(ref), next_of(name), now());
}

asio::awaitable<Result<json::object>> UpdateService::check(UpdateCheckRequest request) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto ref = hooks_.find(request.process_name);
  if (!ref) co_return ref.error();
  if (busy_.contains(ref->process_name)) co_return conflict(ref->process_name);
  const Busy busy(busy_, ref->process_name);
  json::object status = co_await look(*ref, request.force);
  co_return keep(std::move(status));
}

asio::awaitable<Result<json::object>> UpdateService::install(UpdateInstallRequest request) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto ref = hooks_.find(request.process_name);
  if (!ref) co_return ref.error();
  if (busy_.contains(ref->process_name) || hooks_.is_busy(ref->process_name))
    co_return conflict(ref->process_name);
  const Busy busy(busy_, ref->process_name);
  json::object status = co_await replace_apart(*ref, request);
  co_return keep(std::move(status));
}

/// A client that goes away ends nothing here, a shutdown does (SVC-21).
asio::awaitable<json::object> UpdateService::replace_apart(config::BlockRef ref,
                                                           UpdateInstallRequest request) {
  const auto ended = std::make_shared<supervisor::OneShot<json::object>>(context_.get_executor());
  const json::object called_off =
      failed_update(ref.process_name, Error(Errc::cancelled, "the update was called off"), now());
  auto work = [](UpdateService& self, config::BlockRef what, UpdateInstallRequest how,
                 std::shared_ptr<supervisor::OneShot<json::object>> done) -> asio::awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    json::object status = co_await self.replace(std::move(what), std::move(how), false);
    done->set(std::move(status));
  };
  begin("the update of " + ref.process_name, work(*this, ref, request, ended));
  const std::optional<json::object> status = co_await supervisor::OneShot<json::object>::wait(ended);
  co_return status.value_or(called_off);
}

asio::awaitable<json::object> UpdateService::replace(config::BlockRef ref, UpdateInstallRequest request,
                                                     bool scheduled) {
  const std::string name = ref.process_name;
  const json::object& block = hooks_.config()->block(ref);
  const std::string lack = update_lack(ref.config_key, block);
  if (!lack.empty()) co_return unsupported_update(name, lack, now());
  const std::string reason = setup::update_block_reason(block);
  if (!reason.empty() && !request.allow_override) {
    json::object out =
        installed_update(name, "blocked", "the configuration holds the version: " + reason, now());
    out["reason"] = reason;
    co_return out;
  }
  Result<setup::InstallOptions> options = co_await options_of(ref);
  if (!options) co_return failed_update(name, options.error(), now());
  options->asked = setup::update_target(block, request.target.value_or(""));
  options->refused_too = !scheduled;
  const bool entered = co_await works_.enter();
  if (!entered) co_return failed_update(name, Error(Errc::cancelled, "the update was cancelled"), now());
  const auto place = std::make_unique<Gate::Held>(works_);
  const Result<setup::Prepared> prepared = co_await setup::prepare_install(*options);
  if (!prepared) {
    log_.error("the update of " + name + " failed: " + prepared.error().to_string());
    json::object out = failed_update(name, prepared.error(), now());
    out["message"] = jsonx::string_at(out, "message") + "; the previous version was kept";
    co_return out;
  }
  if (!prepared->changed)
    co_return installed_update(name, "no_update", "the newest version is installed", now());
  Job job;
  job.ref = std::move(ref);
  job.options = std::move(*options);
  json::object out = co_await take_over(std::move(job), *prepared);
  co_return out;
}

/// Services that run from the same root (SVC-80).
std::vector<config::BlockRef> UpdateService::sharing(const config::BlockRef& ref) const {
  std::vector<config::BlockRef> out;
  const std::filesystem::path root = setup::install_root(hooks_.options(ref).context);
  for (const config::BlockRef& other : hooks_.config()->blocks()) {
    const bool same_key = other.config_key == ref.config_key;
    const bool battery = ref.config_key == "cli_debrid" && other.config_key == "cli_battery";
    if (other.process_name == ref.process_name || battery ||
        (same_key && setup::install_root(hooks_.options(other).context) == root))
      out.push_back(other);
  }
  return out;
}

asio::awaitable<Result<void>> UpdateService::stop_sharing(Job& job) {
  for (const config::BlockRef& other : sharing(job.ref)) {
    const std::string name = other.process_name;
    hooks_.forget(other);
    if (!hooks_.is_running(name)) continue;
    job.stopped.push_back(name);
    const Result<void> stopped = co_await hooks_.stop(name);
    if (!stopped) co_return stopped.error();
  }
  co_return Result<void>();
}

asio::awaitable<Result<void>> UpdateService::start_again(Job job) {
  Result<void> first;
  for (const std::string& name : job.stopped) {
    const Result<void> started = co_await hooks_.start(name);
    if (!started && first) first = started.error();
  }
  co_return first;
}

/// SVC-75: healthy in time, and then without a break for a while.
asio::awaitable<Result<void>> UpdateService::prove(std::string name) {
  asio::steady_timer timer(context_);
  const auto begun = std::chrono::steady_clock::now();
  std::optional<std::chrono::steady_clock::time_point> healthy;
  while (true) {
    const health::Verdict verdict = co_await hooks_.probe(name);
    const auto at = std::chrono::steady_clock::now();
    if (!hooks_.is_running(name))
      co_return Error(Errc::spawn_failed, "the new version does not stay up", name);
    if (!verdict.healthy) healthy.reset();
    if (verdict.healthy && !healthy) healthy = at;
    if (healthy && at - *healthy >= hooks_.stabilization) co_return Result<void>();
    if (!healthy && at - begun >= hooks_.health_timeout)
      co_return Error(Errc::timed_out, "the new version is not healthy: " + verdict.reason, name);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
      co_return Error(Errc::cancelled, "the update was cancelled", name);
    co_await supervisor::pause_for(timer, probe_pause);
  }
}

/// What is told of the way back.
asio::awaitable<std::string> UpdateService::go_back(Job job) {
  for (const std::string& name : job.stopped) {
    const Result<void> stopped = co_await hooks_.stop(name);
    if (!stopped) log_.warning(stopped.error().to_string());
  }
  const Result<std::string> version = co_await setup::roll_back_install(job.options);
  for (const config::BlockRef& other : sharing(job.ref)) hooks_.forget(other);
  if (!version) co_return "the previous version was not restored: " + version.error().to_string();
  const Result<void> started = co_await start_again(job);
  if (!started)
    co_return "the previous version was restored but does not start: " + started.error().to_string();
  co_return "the previous version was restored";
}

asio::awaitable<json::object> UpdateService::take_over(Job job, setup::Prepared prepared) {
  const std::string name = job.ref.process_name;
  const Result<void> stopped = co_await stop_sharing(job);
  if (!stopped) {
    const Result<void> back = co_await start_again(job);
    if (!back) log_.error(back.error().to_string());
    co_return failed_update(name, stopped.error(), now());
  }
  const Result<void> activated = co_await setup::activate_install(job.options, prepared);
  Result<void> proven = activated;
  if (activated) proven = co_await start_again(job);
  for (const std::string& other : job.stopped) {
    if (!proven) break;
    proven = co_await prove(other);
  }
  if (!proven) {
    log_.error("the update of " + name + " to " + prepared.version +
               " failed: " + proven.error().to_string());
    const std::string told = co_await go_back(std::move(job));
    json::object out = failed_update(name, proven.error(), now());
    out["message"] = jsonx::string_at(out, "message") + "; " + told;
    co_return out;
  }
  const Result<void> committed = co_await setup::commit_install(job.options);
  if (!committed) log_.warning(committed.error().to_string());
  if (!prepared.persisted.empty()) {
    const Result<void> saved = co_await hooks_.save(name, prepared.persisted);
    if (!saved) log_.warning("the installed version was not saved: " + saved.error().to_string());
  }
  log_.info(name + " was updated to " + prepared.version);
  json::object out = installed_update(name, "updated", "updated to " + prepared.version, now());
  out["current_version"] = prepared.version;
  co_return out;
}

}  // namespace dumb::engine
