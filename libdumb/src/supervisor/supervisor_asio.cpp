#include <sys/prctl.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <dumb/base/atomic_file.hpp>
#include <dumb/supervisor/supervisor.hpp>
#include <filesystem>
#include <map>
#include <random>
#include <string_view>
#include <unordered_map>

#include "supervisor/left_helpers_posix.hpp"
#include "supervisor/records_posix.hpp"
#include "supervisor/unit_asio.hpp"

namespace dumb::supervisor {

namespace asio = boost::asio;

class Supervisor::Impl {
 public:
  Impl(asio::any_io_executor executor, asio::thread_pool& workers, ServiceSource& source,
       logs::LogService& logs, SupervisorOptions options) {
    shared_.executor = std::move(executor);
    shared_.workers = &workers;
    shared_.launchers = &launchers_;
    shared_.source = &source;
    shared_.logs = &logs;
    shared_.clock = options.clock != nullptr ? options.clock : &system_clock();
    shared_.options = std::move(options);
    shared_.changed = [this] { on_changed(); };
    shared_.table.emplace(shared_.executor);
    shared_.refusing = &refusing_;
    if (!shared_.options.chance) {
      shared_.options.chance = [generator = std::minstd_rand(std::random_device{}())]() mutable {
        return std::generate_canonical<double, 32>(generator);
      };
    }
    reserve_for_spawning();
    // Orphans of services come back to this process, which can then end and reap them.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    watch_orphans();
    if (auto made = file::make_directories(shared_.options.run_directory, 0700); !made) {
      logs.error(made.error().to_string());
    }
    if (shared_.options.containment == Containment::automatic) open_groups();
    std::error_code unknown;
    fresh_ = !std::filesystem::exists(shared_.options.run_directory / "id", unknown) && !unknown;
    shared_.directory_id = run_directory_id(shared_.options.run_directory);
    shared_.boot = boot_id();
    shared_.keeper = std::make_shared<Keeper>(shared_.executor, shared_.options.run_directory, logs, [this] {
      for (const auto& [name, unit] : units_) unit->keep_again();
    });
    shared_.memory = std::make_shared<MemoryFile>(
        shared_.executor, shared_.options.run_directory / "restarts.json", *shared_.logs, [this] {
          std::vector<ServiceMemory> memories;
          for (const auto& [name, unit] : units_) memories.push_back(unit->memory());
          return memories;
        });
  }

  ~Impl() {
    launchers_.join();
    shared_.memory->close();
    shared_.keeper->end();
    shared_.groups.remove();
    if (orphans_) orphans_->cancel();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void open_groups() {
    auto groups = GroupTree::open(shared_.options.run_directory);
    if (groups) {
      shared_.groups = std::move(*groups);
      shared_.logs->debug("services are held in control groups beneath " +
                          shared_.groups.directory().native());
    } else {
      shared_.logs->debug("no control groups for services: " + groups.error().to_string());
    }
  }

  std::shared_ptr<Unit> find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }
  std::shared_ptr<Unit> get(const std::string& name) {
    const auto [entry, added] = units_.try_emplace(name);
    if (added) {
      entry->second = std::make_shared<Unit>(shared_, name);
      by_name_.emplace(entry->first, entry->second);
    }
    return entry->second;
  }
  bool quiet() const {
    return shared_.tasks == 0 &&
           std::all_of(units_.begin(), units_.end(), [](const auto& entry) { return entry.second->idle(); });
  }
  void on_changed() {
    if (idle_event_ && quiet()) std::exchange(idle_event_, nullptr)->set(true);
  }

  /// Nothing will be started any more: gives up what still waits, so that the event loop can run empty.
  void release() {
    if (orphans_) orphans_->cancel();
    shared_.memory->close();
    shared_.keeper->end();
    for (const auto& [name, unit] : units_) unit->release();
  }

  /// Handlers keep it alive, so that cancelling at the end is safe.
  struct Orphans : std::enable_shared_from_this<Orphans> {
    explicit Orphans(const asio::any_io_executor& executor) : signals(executor, SIGCHLD), pause(executor) {
      // Asio installs its handler without SA_RESTART, which would interrupt reads of the host program's
      // threads.
      struct sigaction current {};
      if (::sigaction(SIGCHLD, nullptr, &current) == 0) {
        current.sa_flags |= SA_RESTART | SA_NOCLDSTOP;
        ::sigaction(SIGCHLD, &current, nullptr);
      }
    }
    void wait() {
      signals.async_wait([self = shared_from_this()](boost::system::error_code error, int) {
        if (error) return;
        self->reap_soon();
        self->wait();
      });
    }
    /// A service that forks in a hurry, and probes that are programs, send signals all the time: one look
    /// serves many. Nobody waits for it: a zombie counts as gone.
    void reap_soon() {
      if (std::exchange(due, true)) return;
      pause.expires_at(last + std::chrono::milliseconds(100));
      pause.async_wait([self = shared_from_this()](boost::system::error_code error) {
        self->due = false;
        if (error) return;
        reap_orphans();
        self->last = asio::steady_timer::clock_type::now();
      });
    }
    void cancel() {
      signals.cancel();
      pause.cancel();
    }
    asio::signal_set signals;
    asio::steady_timer pause;
    asio::steady_timer::time_point last{};
    bool due = false;
  };
  void watch_orphans() {
    orphans_ = std::make_shared<Orphans>(shared_.executor);
    orphans_->wait();
  }

  Adoption adopt() {
    shared_.memory->load();
    const Records known = read_records(shared_.options.run_directory);
    // Nobody can carry the id of a run directory that has just got it.
    const std::vector<Candidate> candidates = fresh_ ? std::vector<Candidate>() : list_candidates();
    const Findings found = match_children(known.records, candidates, shared_.boot, shared_.directory_id);
    Adoption adoption;
    if (!fresh_) adoption.sentences = end_left_helpers(shared_.directory_id, shared_.options.kill_wait);
    adoption.sentences.insert(adoption.sentences.end(), found.sentences.begin(), found.sentences.end());
    for (const std::string& name : known.unreadable) {
      adoption.sentences.push_back("the state file " + name + " cannot be read and is not believed");
    }
    std::uint64_t highest = static_cast<std::uint64_t>(known.highest);
    std::vector<std::string> kept;
    for (const Finding& finding : found.children) {
      highest = std::max(highest, static_cast<std::uint64_t>(finding.record.number));
      kept.push_back(file_stem(finding.record.process_name, finding.record.number));
    }
    shared_.next_unit = highest + 1;
    remove_other_launches(shared_.options.run_directory, kept);
    if (shared_.options.keeper) shared_.keeper->open();
    std::vector<std::int64_t> numbers;
    for (const Finding& finding : found.children) {
      const std::string& name = finding.record.process_name;
      const auto unit = get(name);
      unit->adopt(finding);
      numbers.push_back(finding.record.number);
      (finding.alive ? adoption.adopted : adoption.ended).push_back(name);
    }
    shared_.keeper->keep_only(numbers);
    return adoption;
  }

  void detach() {
    launchers_.join();  // who is launched now is recorded first
    shared_.detached = true;
    for (const auto& [name, unit] : units_) unit->detach();
    shared_.keeper->leave();
    shared_.logs->detach_all();
  }

  Shared shared_;
  asio::thread_pool launchers_{2};  // neither setup nor a dead mount holds up a launch
  std::shared_ptr<Orphans> orphans_;
  std::map<std::string, std::shared_ptr<Unit>, std::less<>> units_;
  std::unordered_map<std::string_view, std::shared_ptr<Unit>> by_name_;  // the same; keys of units_
  std::shared_ptr<OneShot<bool>> idle_event_;
  bool refusing_ = false;
  bool fresh_ = false;  // the run directory had no id before
};

Supervisor::Supervisor(asio::any_io_executor executor, asio::thread_pool& workers, ServiceSource& source,
                       logs::LogService& logs, SupervisorOptions options)
    : impl_(std::make_unique<Impl>(std::move(executor), workers, source, logs, std::move(options))) {}

Supervisor::~Supervisor() = default;

namespace {
Result<void> result_of(const std::optional<Outcome>& outcome) {
  if (!outcome) return Error(Errc::cancelled, "the request was cancelled");
  if (*outcome) return **outcome;
  return {};
}
}  // namespace

Adoption Supervisor::adopt() {
  return impl_->adopt();
}

void Supervisor::leave_at_rest(const std::string& process_name, std::optional<WallTime> completed_at) {
  impl_->get(process_name)->feed(event::LeftAtRest{completed_at});
}

bool Supervisor::take_up_restart(const std::string& process_name) {
  if (!impl_->find(process_name) && !impl_->shared_.memory->holds(process_name)) return false;
  const auto unit = impl_->get(process_name);
  unit->feed(event::RulesChanged{});
  const Machine& machine = unit->machine();
  return machine.state() == State::backoff ||
         (machine.state() == State::failed && machine.restarts().stage() == RestartStage::refused);
}

void Supervisor::forget() {
  impl_->shared_.memory->forget();
}

void Supervisor::detach() {
  impl_->detach();
}

asio::awaitable<Result<void>> Supervisor::start(std::string process_name) {
  if (impl_->refusing_) co_return Error(Errc::unavailable, "DUMB is shutting down", process_name);
  const auto unit = impl_->get(process_name);
  if (unit->machine().state() == State::stopping) {
    co_return Error(Errc::conflict, "is being stopped", process_name);
  }
  const OutcomeEvent event = unit->start_event();
  unit->feed(event::StartAsked{});
  const std::optional<Outcome> outcome = co_await OneShot<Outcome>::wait(event);
  co_return result_of(outcome);
}

asio::awaitable<Result<void>> Supervisor::start_and_settle(std::string process_name, Asker asker) {
  if (impl_->refusing_) co_return Error(Errc::unavailable, "DUMB is shutting down", process_name);
  const auto unit = impl_->get(process_name);
  const OutcomeEvent event = unit->settle_event();
  unit->feed(event::StartAsked{asker});
  const std::optional<Outcome> outcome = co_await OneShot<Outcome>::wait(event);
  co_return result_of(outcome);
}

asio::awaitable<Result<StopReply>> Supervisor::stop(std::string process_name) {
  const auto unit = impl_->find(process_name);
  if (unit && unit->machine().stop_under_way()) co_return StopReply::already_stopping;
  Result<void> result = co_await stop_and_wait(process_name);
  if (!result) co_return result.error();
  co_return StopReply::stopped;
}

asio::awaitable<Result<void>> Supervisor::stop_and_wait(std::string process_name) {
  const auto unit = impl_->get(process_name);
  const OutcomeEvent event = unit->stop_event();
  unit->feed(event::StopAsked{});
  const std::optional<Outcome> outcome = co_await OneShot<Outcome>::wait(event);
  co_return result_of(outcome);
}

asio::awaitable<Result<void>> Supervisor::restart(std::string process_name) {
  if (impl_->refusing_) co_return Error(Errc::unavailable, "DUMB is shutting down", process_name);
  const auto unit = impl_->get(process_name);
  if (unit->machine().busy() && !unit->machine().preemptible()) {
    co_return Error(Errc::conflict, "another operation is under way", process_name);
  }
  if (unit->machine().preemptible()) {
    // Waiters of the start that is given up get its outcome; this request waits for the next one.
    unit->feed(event::StopAsked{});
  }
  const OutcomeEvent event = unit->start_event();
  unit->feed(event::RestartAsked{});
  const std::optional<Outcome> outcome = co_await OneShot<Outcome>::wait(event);
  co_return result_of(outcome);
}

void Supervisor::kill(std::string_view process_name) {
  if (const auto unit = impl_->find(process_name)) unit->feed(event::KillAsked{});
}

void Supervisor::set_file_threshold(std::string_view process_name, Level threshold) {
  if (const auto unit = impl_->find(process_name)) unit->set_file_threshold(threshold);
}

void Supervisor::refuse_starts() {
  // What is called off from here on is so for this run only.
  impl_->shared_.memory->write_now();
  impl_->shared_.memory->close();
  impl_->refusing_ = true;
  rules_changed();
}

void Supervisor::rules_changed() {
  std::vector<std::shared_ptr<Unit>> units;
  for (const auto& [name, unit] : impl_->units_) units.push_back(unit);
  for (const auto& unit : units) unit->feed(event::RulesChanged{});
}

ServiceInfo Supervisor::info(std::string_view process_name) const {
  if (const auto unit = impl_->find(process_name)) return unit->info();
  ServiceInfo info;
  info.process_name = std::string(process_name);
  return info;
}

ServiceBrief Supervisor::brief(std::string_view process_name) const {
  const auto unit = impl_->find(process_name);
  return unit ? unit->brief() : ServiceBrief();
}

bool Supervisor::running(std::string_view process_name) const {
  const auto unit = impl_->find(process_name);
  return unit && is_running(unit->machine().state(), unit->machine().occupied() ? unit->machine().pid() : 0);
}

bool Supervisor::busy(std::string_view process_name) const {
  const auto unit = impl_->find(process_name);
  return unit && unit->machine().busy();
}

bool Supervisor::stopping(std::string_view process_name) const {
  const auto unit = impl_->find(process_name);
  return unit && unit->machine().state() == State::stopping;
}

bool Supervisor::coming(std::string_view process_name) const {
  const auto unit = impl_->find(process_name);
  return unit && unit->machine().coming();
}

bool Supervisor::preemptible(std::string_view process_name) const {
  const auto unit = impl_->find(process_name);
  return unit && unit->machine().preemptible();
}

std::vector<std::string> Supervisor::occupied() const {
  std::vector<std::shared_ptr<Unit>> units;
  for (const auto& [name, unit] : impl_->units_) {
    if (unit->machine().occupied() || unit->machine().launching()) units.push_back(unit);
  }
  std::sort(units.begin(), units.end(), [](const auto& a, const auto& b) { return a->order() < b->order(); });
  std::vector<std::string> names;
  for (const auto& unit : units) names.push_back(unit->name());
  return names;
}

std::vector<ServiceInfo> Supervisor::all() const {
  std::vector<ServiceInfo> infos;
  for (const auto& [name, unit] : impl_->units_) infos.push_back(unit->info());
  return infos;
}

std::vector<UsageTarget> Supervisor::usage_targets() const {
  std::vector<UsageTarget> targets;
  for (const auto& [name, unit] : impl_->units_) {
    if (auto target = unit->usage_target()) targets.push_back(std::move(*target));
  }
  return targets;
}

asio::awaitable<void> Supervisor::idle() {
  // One step later, so that the completion that called this has returned.
  co_await asio::post(impl_->shared_.executor, asio::use_awaitable);
  while (!impl_->quiet()) {
    if (!impl_->idle_event_) impl_->idle_event_ = std::make_shared<OneShot<bool>>(impl_->shared_.executor);
    const auto event = impl_->idle_event_;
    const std::optional<bool> done = co_await OneShot<bool>::wait(event);
    if (!done) co_return;
  }
  if (impl_->refusing_) impl_->release();
}

}  // namespace dumb::supervisor
