// Scheduled updates: due times that survive a restart, and what an earlier run left unproven.
#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/clock.hpp>
#include <dumb/schedule/zone.hpp>

#include "base/offload.hpp"
#include "engine/update_service.hpp"

namespace dumb::engine {
namespace {

constexpr std::chrono::seconds longest_sleep{30};  // changed fields count within a minute (SVC-96)
constexpr std::size_t places = 2;                  // SVC-95

}  // namespace

UpdateService::UpdateService(asio::io_context& context, Log& log, std::size_t& background, Hooks hooks)
    : context_(context),
      log_(log),
      background_(background),
      hooks_(std::move(hooks)),
      works_(context.get_executor(), places),
      agenda_(schedule::machine_zone(), hooks_.catch_up.count()),
      timer_(context) {}

schedule::Instant UpdateService::now() {
  return std::chrono::floor<std::chrono::seconds>(system_clock().wall().time_since_epoch()).count();
}

std::optional<schedule::Instant> UpdateService::next_of(const std::string& process_name) const {
  const schedule::Entry* entry = agenda_.find(process_name);
  return entry == nullptr ? std::nullopt : std::optional(entry->next);
}

/// Runs `work` until its end or stop(); its last handler is here, so that nothing it throws is lost.
void UpdateService::begin(std::string what, asio::awaitable<void> work) {
  signals_.emplace_back();
  const auto signal = std::prev(signals_.end());
  ++background_;
  auto ended = [this, signal, what = std::move(what)](std::exception_ptr error) {
    --background_;
    signals_.erase(signal);
    if (error) log_.error(what + " ended by an exception");
  };
  asio::co_spawn(context_, std::move(work), asio::bind_cancellation_slot(signal->slot(), std::move(ended)));
}

void UpdateService::load() {
  loaded_ = true;
  last_wake_ = now();
  if (const auto bytes = file::read(hooks_.state_file)) {
    const auto value = jsonx::parse(*bytes);
    if (!value || !value->is_object()) {
      log_.error("the schedule of updates cannot be read and is made anew: " + hooks_.state_file.native());
    } else {
      for (const auto& [name, member] : value->get_object()) {
        if (auto entry = schedule::entry_from_json(member)) stored_[name] = *entry;
      }
    }
  }
  follow_config();
}

void UpdateService::settle() {
  if (!stopped_) begin("the look at unproven updates", settle_trials());
}

void UpdateService::stop() {
  stopped_ = true;
  timer_.cancel();
  for (asio::cancellation_signal& signal : signals_) signal.emit(asio::cancellation_type::terminal);
}

void UpdateService::follow_config() {
  if (!loaded_ || stopped_) return;
  std::map<std::string, UpdateSettings> wanted;
  const config::SnapshotPtr snapshot = hooks_.config();
  for (const config::BlockRef& ref : snapshot->blocks()) {
    if (ref.enabled && update_lack(ref.config_key, snapshot->block(ref)).empty())
      wanted[ref.process_name] = settings_of(ref);
  }
  for (const auto& [name, settings] : wanted) {
    const auto known = followed_.find(name);
    if (known != followed_.end() && known->second == settings) continue;
    if (settings.enabled || known != followed_.end()) static_cast<void>(reschedule(name));
  }
  for (const auto& [name, settings] : followed_) {
    if (!wanted.contains(name)) agenda_.remove(name);
  }
  followed_ = std::move(wanted);
  wait();
}

Result<std::string> UpdateService::reschedule(std::string_view process_name) {
  const auto ref = hooks_.find(process_name);
  if (!ref) return ref.error();
  const std::string name = ref->process_name;
  const std::string lack = update_lack(ref->config_key, hooks_.config()->block(*ref));
  if (!lack.empty()) {
    keep(unsupported_update(name, lack, now()));
    return "there are no updates for " + name;
  }
  const UpdateSettings settings = settings_of(*ref);
  if (settings.enabled) {
    std::optional<schedule::Entry> stored;
    if (const auto found = stored_.find(name); found != stored_.end()) stored = found->second;
    agenda_.set(name, settings.timing, now(), stored);
    stored_.erase(name);
  } else {
    agenda_.remove(name);
  }
  followed_[name] = settings;
  keep(scheduled_update(name, settings, next_of(name), now()));
  save_state();
  wait();
  return settings.enabled ? "updates of " + name + " are scheduled"
                          : "updates of " + name + " are not scheduled";
}

/// Until something is due, at most for a while: settings and the wall clock may change meanwhile.
void UpdateService::wait() {
  if (stopped_ || !loaded_) return;
  std::chrono::seconds ahead = longest_sleep;
  if (const auto earliest = agenda_.earliest())
    ahead = std::chrono::seconds(std::clamp<schedule::Instant>(*earliest - now(), 0, longest_sleep.count()));
  timer_.expires_after(ahead);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) wake();
  });
}

void UpdateService::wake() {
  if (stopped_) return;
  const schedule::Instant at = now();
  if (at < last_wake_ - 60) agenda_.clock_set_back(at);
  last_wake_ = at;
  for (const std::string& name : agenda_.due(at)) begin("the scheduled update of " + name, run(name));
  follow_config();
}

/// SVC-95: look, and install what is there.
asio::awaitable<void> UpdateService::run(std::string name) {
  co_await asio::this_coro::throw_if_cancelled(false);
  UpdateCheckRequest look_for;
  look_for.process_name = name;
  const Result<json::object> found = co_await check(look_for);
  const bool available = found && jsonx::string_at(*found, "status") == "update_available";
  if (available && !stopped_) {
    const auto ref = hooks_.find(name);
    if (ref && !busy_.contains(name) && !hooks_.is_busy(name)) {
      UpdateInstallRequest request;
      request.process_name = name;
      busy_.insert(name);
      json::object status = co_await replace(*ref, request, true);
      busy_.erase(name);
      keep(std::move(status));
    }
  }
  agenda_.finished(name);
  save_state();
  wait();
}

/// A version that was put in use and not proven before the program ended is proven now (SVC-77).
asio::awaitable<void> UpdateService::settle_trials() {
  co_await asio::this_coro::throw_if_cancelled(false);
  const config::SnapshotPtr snapshot = hooks_.config();
  for (const config::BlockRef& ref : snapshot->blocks()) {
    const setup::InstallOptions options = hooks_.options(ref);
    if (stopped_ || !ref.enabled || !setup::can_install(options.context)) continue;
    const Result<bool> on_trial = co_await setup::recover_install(options);
    if (!on_trial) log_.warning(on_trial.error().to_string());
    const std::string name = ref.process_name;
    if (!on_trial || !*on_trial || busy_.contains(name) || !hooks_.is_running(name)) continue;
    const std::set<std::string>::iterator held = busy_.insert(name).first;
    const Result<void> proven = co_await prove(name);
    Job job;
    job.ref = ref;
    job.options = options;
    job.stopped.push_back(name);
    if (proven) {
      const Result<void> committed = co_await setup::commit_install(options);
      if (!committed) log_.warning(committed.error().to_string());
    } else if (!proven.error().is(Errc::cancelled)) {
      const std::string told = co_await go_back(std::move(job));
      log_.error("the new version of " + name + " failed: " + proven.error().to_string() + "; " + told);
    }
    busy_.erase(held);
  }
}

void UpdateService::save_state() {
  unsaved_ = true;
  if (std::exchange(writing_, true)) return;  // the writer under way looks again before it ends
  ++background_;
  auto ended = [this](std::exception_ptr error) {
    --background_;
    writing_ = false;
    if (error) log_.error("the schedule of updates was not saved");
  };
  asio::co_spawn(context_, write_state(), std::move(ended));
}

asio::awaitable<void> UpdateService::write_state() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (std::exchange(unsaved_, false)) {
    json::object state;
    for (const auto& [name, entry] : stored_) state[name] = schedule::to_json(entry);
    for (const auto& [name, settings] : followed_) {
      if (const auto entry = agenda_.stored(name)) state[name] = schedule::to_json(*entry);
    }
    auto work = [path = hooks_.state_file, text = jsonx::print(state)]() -> Result<void> {
      if (auto made = file::make_directories(path.parent_path(), 0700); !made) return made;
      return file::write_atomic(path, text);
    };
    const Result<void> saved = co_await offload(*hooks_.pool, std::move(work));
    if (!saved) log_.error("the schedule of updates is not saved: " + saved.error().to_string());
  }
}

}  // namespace dumb::engine
