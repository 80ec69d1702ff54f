#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <dumb/base/atomic_file.hpp>
#include <dumb/base/clock.hpp>

#include "base/offload.hpp"
#include "engine/backup_scheduler_asio.hpp"
#include "supervisor/event_asio.hpp"

namespace dumb::engine {
namespace {

constexpr std::chrono::seconds longest_sleep{30};  // the wall clock may jump (SYM-59)
constexpr std::chrono::seconds busy_pause{2};      // before roots in use are tried again

}  // namespace

BackupScheduler::BackupScheduler(asio::io_context& context, Log& log, Hooks hooks)
    : context_(context),
      log_(log),
      hooks_(std::move(hooks)),
      agenda_(schedule::machine_zone(), hooks_.catch_up.count()),
      timer_(context) {}

schedule::Instant BackupScheduler::now() {
  return std::chrono::floor<std::chrono::seconds>(system_clock().wall().time_since_epoch()).count();
}

void BackupScheduler::load() {
  loaded_ = true;
  last_wake_ = now();
  if (const auto bytes = file::read(hooks_.state_file)) {
    const auto value = jsonx::parse(*bytes);
    if (!value || !value->is_object()) {
      log_.error("the schedule of snapshots cannot be read and is made anew: " + hooks_.state_file.native());
    } else {
      for (const auto& [name, member] : value->get_object()) {
        if (!member.is_object()) continue;
        const json::object& kept = member.get_object();
        if (const json::value* status = kept.if_contains("status"); status && status->is_object())
          statuses_[name] = status->get_object();
        const json::value* entry = kept.if_contains("schedule");
        if (entry == nullptr) continue;
        if (auto read = schedule::entry_from_json(*entry)) stored_[name] = *read;
      }
    }
  }
  follow_config();
}

void BackupScheduler::follow_config() {
  if (!loaded_ || stopped_) return;
  std::map<std::string, BackupSettings> wanted = hooks_.settings();
  for (const auto& [name, settings] : wanted) {
    const auto known = followed_.find(name);
    if (known != followed_.end() && known->second == settings) continue;
    // What was never enabled has nothing to tell.
    if (settings.enabled || agenda_.find(name) != nullptr || known != followed_.end()) apply(name, settings);
  }
  for (const auto& [name, settings] : followed_) {
    if (!wanted.contains(name)) agenda_.remove(name);
  }
  followed_ = std::move(wanted);
  wait();
}

void BackupScheduler::apply(const std::string& name, const BackupSettings& settings) {
  std::optional<schedule::Instant> next;
  if (settings.enabled) {
    std::optional<schedule::Entry> stored;
    if (const auto found = stored_.find(name); found != stored_.end()) stored = found->second;
    next = agenda_.set(name, settings.timing, now(), stored).next;
    stored_.erase(name);
  } else {
    agenda_.remove(name);
    if (const auto found = stored_.find(name); found != stored_.end())
      found->second.next = schedule::off_agenda;
  }
  statuses_[name] = scheduled_status(name, settings, next, now(), statuses_[name]);
  save();
}

void BackupScheduler::service_started(const std::string& name) {
  const auto known = followed_.find(name);
  if (!loaded_ || stopped_ || known == followed_.end() || !known->second.enabled) return;
  apply(name, known->second);
  wait();
}

const json::object& BackupScheduler::reschedule(const std::string& name,
                                                const std::optional<BackupSettings>& settings) {
  if (settings) {
    followed_[name] = *settings;
    apply(name, *settings);
    wait();
  } else {
    agenda_.remove(name);
    statuses_[name] = unsupported_status(name, now());
    save();
  }
  return statuses_[name];
}

const json::object* BackupScheduler::status(const std::string& name) const {
  const auto found = statuses_.find(name);
  return found == statuses_.end() ? nullptr : &found->second;
}

void BackupScheduler::stop() {
  stopped_ = true;
  timer_.cancel();
}

/// Until something is due, at most for a while: the wall clock may be set meanwhile.
void BackupScheduler::wait() {
  const auto earliest = agenda_.earliest();
  if (stopped_ || !earliest) {
    timer_.cancel();
    return;
  }
  const std::chrono::seconds ahead(
      std::clamp<schedule::Instant>(*earliest - now(), 0, longest_sleep.count()));
  timer_.expires_after(ahead);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) wake();
  });
}

void BackupScheduler::wake() {
  if (stopped_) return;
  const schedule::Instant at = now();
  if (at < last_wake_ - 60) agenda_.clock_set_back(at);
  last_wake_ = at;
  for (const std::string& name : agenda_.due(at)) start(name);
  wait();
}

void BackupScheduler::start(const std::string& name) {
  ++runs_;
  auto ended = [this, name](std::exception_ptr error) {
    --runs_;
    agenda_.finished(name);
    if (error) log_.error("the scheduled snapshot of " + name + " ended by an exception");
  };
  asio::co_spawn(context_, run(name), std::move(ended));
}

asio::awaitable<void> BackupScheduler::run(std::string name) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const schedule::Instant begun = now();
  asio::steady_timer pause(context_);
  while (!stopped_) {
    const auto settings = hooks_.settings();
    const auto own = settings.find(name);
    if (own == settings.end() || !own->second.enabled) co_return;
    Work work = hooks_.take(to_request(name, own->second));
    const Result<symlinks::ScheduledReport> report = co_await offload(hooks_.pool(), std::move(work));
    const bool busy = !report && report.error().is(Errc::conflict);
    if (!busy) {
      if (report || !report.error().is(Errc::cancelled)) {
        finished(name, report, begun);
      } else {
        agenda_.given_up(name);
      }
      co_return;
    }
    co_await supervisor::pause_for(pause, busy_pause);
  }
}

void BackupScheduler::finished(const std::string& name, const Result<symlinks::ScheduledReport>& report,
                               schedule::Instant begun) {
  agenda_.finished(name);
  const auto settings = hooks_.settings();
  const auto own = settings.find(name);
  if (own == settings.end()) return;
  std::optional<schedule::Instant> next;
  if (const schedule::Entry* entry = agenda_.find(name)) next = entry->next;
  json::object status = scheduled_status(name, own->second, next, now(), statuses_[name]);
  if (report) {
    log_.info(fmt::format("snapshot of {}: {} links recorded, {} old snapshots removed{}", name,
                          report->backup.recorded_entries, report->pruned,
                          report->held ? ", retention held: " + *report->held : ""));
    statuses_[name] = completed_status(std::move(status), *report, begun);
  } else {
    log_.error("the scheduled snapshot of " + name + " failed: " + report.error().to_string());
    statuses_[name] = failed_status(std::move(status), report.error().to_string());
  }
  save();
}

json::object BackupScheduler::state() const {
  std::map<std::string, json::object> members;
  for (const auto& [name, entry] : stored_) members[name]["schedule"] = schedule::to_json(entry);
  for (const auto& [name, status] : statuses_) {
    members[name]["status"] = status;
    const auto entry = agenda_.stored(name);
    if (entry) members[name]["schedule"] = schedule::to_json(*entry);
  }
  json::object out;
  for (auto& [name, member] : members) out[name] = std::move(member);
  return out;
}

void BackupScheduler::save() {
  unsaved_ = true;
  if (std::exchange(writing_, true)) return;  // the writer under way looks again before it ends
  auto ended = [this](std::exception_ptr error) {
    writing_ = false;
    if (error) log_.error("the schedule of snapshots was not saved");
  };
  asio::co_spawn(context_, write(), std::move(ended));
}

asio::awaitable<void> BackupScheduler::write() {
  co_await asio::this_coro::throw_if_cancelled(false);
  while (std::exchange(unsaved_, false)) {
    auto work = [path = hooks_.state_file, text = jsonx::print(state())]() -> Result<void> {
      if (auto made = file::make_directories(path.parent_path(), 0700); !made) return made;
      return file::write_atomic(path, text);
    };
    const Result<void> saved = co_await offload(hooks_.small_pool(), std::move(work));
    if (!saved) log_.error("the schedule of snapshots is not saved: " + saved.error().to_string());
  }
}

}  // namespace dumb::engine
