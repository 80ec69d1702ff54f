// A unit whose restart follows its end at once: what the next launch takes is made while the process still
// runs, and between the end and the launch nothing is done that can be done afterwards.
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <dumb/supervisor/mounts.hpp>
#include <utility>

#include "supervisor/unit_asio.hpp"

namespace dumb::supervisor {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// Descriptors may be scarce, and are not for what may never be needed then: every second one stays free.
bool has_room(const LaunchSite& site) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  const int highest = std::max({site.output.get(), site.failures.get(), site.child_output.get(),
                                site.child_failures.get(), site.group_directory.get()});
  return highest < 0 || static_cast<rlim_t>(highest) < limit.rlim_cur / 2;
}

}  // namespace

/// Whether its next end would be followed by a launch without any pause. What readiness waits for belongs to
/// one process, so such a launch is made from the beginning.
bool Unit::wants_standby() const {
  return machine_.state() == State::running && machine_.settled() && !plan_.readiness && work_.empty() &&
         machine_.restarts().immediate(shared_.clock->now());
}

/// After every event: what is kept ready has to be what is wanted.
void Unit::consider_standby() {
  const bool wanted = wants_standby();
  if (!wanted) standby_.reset();
  if (!wanted || standby_ || std::exchange(standby_asked_, true)) return;
  ++tasks_;
  ++shared_.tasks;
  asio::post(shared_.executor, [self = shared_from_this()] {
    self->standby_asked_ = false;
    if (!self->shared_.detached && self->wants_standby()) self->make_standby();
    --self->tasks_;
    --self->shared_.tasks;
    self->shared_.changed();
  });
}

void Unit::make_standby() {
  auto plan = shared_.source->relaunch_plan(name_);
  if (!plan || plan->readiness || !is_plain_launch(*plan)) return;
  configure_machine();  // for the decision that will be made as long as relaunch_fits() says so
  if (!wants_standby()) return;
  Upcoming next = upcoming(std::move(*plan));
  LaunchJob job = job_of(next.plan, next.base, next.number);
  auto site = make_site(job);
  if (!site || !site->warnings.empty()) return;  // the launch itself tells why
  if (!has_room(*site)) return;
  standby_.emplace(Standby{std::move(next), std::move(job), std::move(*site)});
}

/// The leader has ended. From here to the launch nobody is told anything; the rest is made up for afterwards.
void Unit::hear_end(const event::Exited& exited) {
  if (!standby_ || !shared_.source->relaunch_fits(name_)) {
    standby_.reset();
    feed(exited);
    return;
  }
  struct Guard {
    explicit Guard(Unit& hurried) : unit(hurried) { unit.hurry_.emplace(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { unit.hurry_.reset(); }
    Unit& unit;
  };
  {
    const Guard guard(*this);
    feed(exited);
    catch_up();
  }
  consider_standby();
}

/// What waited for the launch, in the order in which it came. Of a process that is not the present one only
/// its number is told.
void Unit::tell_now() {
  if (!hurry_) return;
  for (auto& telling : std::exchange(hurry_->told, {})) {
    if (const auto* line = std::get_if<action::Tell>(&telling)) {
      shared_.logs->write(line->level, line->text);
      continue;
    }
    Told& told = std::get<Told>(telling);
    ServiceInfo entered = info();
    if (entered.pid != told.pid) {
      entered.start_ticks = 0;
      entered.started_at.reset();
      entered.started_steady.reset();
    }
    entered.pid = told.pid;
    entered.state = told.at.state;
    entered.reason = std::move(told.at.reason);
    entered.restarts = std::move(told.restarts);
    tell(entered);
  }
}

void Unit::catch_up() {
  tell_now();
  auto past = std::exchange(hurry_->past, std::nullopt);
  if (!past) return;
  error_code ignored;
  past->exit.close(ignored);
  past->processes->release();
  if (past->child.pidfd) try_wait(past->child);
  if (past->capture) {
    finish_capture(*past->capture, past->base, past->number);
  } else {
    remove_files(past->base, past->number);
  }
}

/// Whether nothing is left of the process that ended, and what has to be done about it can be done later.
bool Unit::collect_at_once() {
  if (!hurry_ || hurry_->past || !standby_ || draining_ || machine_.state() != State::backoff) return false;
  if (!processes_->gone()) return false;
  hurry_->past.emplace(Past{std::move(processes_), std::exchange(child_, Child{}), std::move(exit_),
                            std::exchange(capture_, std::nullopt), fifo_base_, number_});
  exit_ = asio::posix::stream_descriptor(shared_.executor);
  if (hurry_->past->capture) announce_drain();
  feed(event::Gone{});
  return true;
}

/// A wake-up that is due already; once, should the launch fail for ever.
bool Unit::wake_at_once() {
  if (!hurry_ || std::exchange(hurry_->woken, true)) return false;
  if (*machine_.wake_at() > shared_.clock->now()) return false;
  feed(event::Woke{});
  return true;
}

bool Unit::set_up_at_once(std::uint64_t run) {
  if (!hurry_ || !standby_) return false;
  if (!work_.empty()) {
    standby_.reset();
    return false;
  }
  feed(event::SetupDone{run, std::nullopt});
  return true;
}

bool Unit::wait_at_once(std::uint64_t run) {
  if (!hurry_ || !standby_) return false;
  // Somebody may have mounted something there since.
  if (!is_plain_launch(standby_->next.plan)) {
    standby_.reset();
    return false;
  }
  feed(event::WaitsDone{run, std::nullopt});
  return true;
}

bool Unit::launch_at_once() {
  if (!hurry_ || !standby_) return false;
  Standby ready = std::move(*standby_);
  standby_.reset();
  become(std::move(ready.next));
  order_ = shared_.next_unit++;
  if (auto prepared = prepare_readiness(); !prepared) {
    feed(event::SpawnFailed{prepared.error()});
    return true;
  }
  finish_launch(supervisor::perform(std::move(ready.job), std::move(ready.site)));
  write_down();
  return true;
}

bool Unit::is_plain_launch(const LaunchPlan& plan) const {
  const std::filesystem::path& trusted = shared_.options.run_directory;
  return is_plain_directory(plan.spec.directory, trusted) && is_plain_program(plan.spec, trusted);
}

}  // namespace dumb::supervisor
