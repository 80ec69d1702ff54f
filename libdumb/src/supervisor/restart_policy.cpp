#include <algorithm>
#include <cmath>
#include <dumb/supervisor/restart_policy.hpp>
#include <utility>

namespace dumb::supervisor {
namespace {

constexpr Duration longest = std::chrono::hours(24 * 365);

Duration scaled(Duration duration, double factor) {
  const double ticks = static_cast<double>(duration.count()) * factor;
  return ticks >= static_cast<double>(longest.count()) ? longest : Duration(std::llround(ticks));
}

/// A factor around 1, `spread` down or up at the ends of chance.
double around(double spread, double chance) {
  return 1 + spread * (2 * chance - 1);
}

std::optional<SteadyTime> earlier(std::optional<SteadyTime> a, std::optional<SteadyTime> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

void RestartPolicy::configure(RestartRules rules, double chance) {
  rules_ = std::move(rules);
  chance_ = chance;
}

// ---- the window ----

bool RestartPolicy::well_long_enough(SteadyTime now) const {
  const Duration reset = rules_.settings.healthy_reset;
  return reset > Duration::zero() && well_since_ && now - *well_since_ >= reset;
}

std::deque<SteadyTime>::const_iterator RestartPolicy::first_recent(SteadyTime now) const {
  if (well_long_enough(now)) return attempts_.end();
  const Duration window = rules_.settings.window;
  return std::find_if(attempts_.begin(), attempts_.end(),
                      [&](SteadyTime attempt) { return now - attempt < window; });
}

void RestartPolicy::forget_old(SteadyTime now) {
  attempts_.erase(attempts_.begin(), first_recent(now));
}

/// The list first; past its end each delay is a multiple of the one before.
Duration RestartPolicy::delay_of(std::size_t index) const {
  const RestartSettings& settings = rules_.settings;
  if (settings.backoff.empty()) return Duration::zero();
  const std::size_t last = settings.backoff.size() - 1;
  Duration delay = settings.backoff[std::min(index, last)];
  if (index > last) {
    delay = scaled(delay, std::pow(settings.backoff_multiplier, static_cast<double>(index - last)));
  }
  const bool capped = settings.backoff_max > Duration::zero();
  if (capped) delay = std::min(delay, settings.backoff_max);
  if (settings.backoff_jitter <= 0) return delay;
  delay = scaled(delay, around(settings.backoff_jitter, chance_));
  return capped ? std::min(delay, settings.backoff_max) : delay;
}

// ---- requests and attempts ----

void RestartPolicy::request(const std::string& reason, bool wanted, SteadyTime now) {
  if (!allowed() || !wanted || stage_ == Stage::pending) return;
  ++changes_;
  forget_old(now);
  reason_ = reason;
  if (attempts_.size() >= static_cast<std::size_t>(std::max(0, rules_.settings.max_restarts))) {
    stage_ = Stage::refused;
    told_.last_failure = reason;
    return;
  }
  stage_ = Stage::pending;
  delay_ = delay_of(attempts_.size());
  next_ = now + delay_;
}

bool RestartPolicy::immediate(SteadyTime now) const {
  if (!allowed() || stage_ != Stage::idle) return false;
  const auto recent = static_cast<std::size_t>(attempts_.end() - first_recent(now));
  const auto most = static_cast<std::size_t>(std::max(0, rules_.settings.max_restarts));
  return recent < most && delay_of(recent) == Duration::zero();
}

void RestartPolicy::begin_attempt(SteadyTime now) {
  ++changes_;
  forget_old(now);
  stage_ = Stage::trying;
  attempts_.push_back(now);
  ++told_.attempts;
}

void RestartPolicy::started(WallTime at) {
  ++changes_;
  if (stage_ == Stage::trying) {
    stage_ = Stage::idle;
    ++told_.successes;
    told_.last = at;
  }
  told_.last_failure.reset();
}

bool RestartPolicy::start_failed(const std::string& reason) {
  if (stage_ != Stage::trying) return false;
  ++changes_;
  stage_ = Stage::idle;
  ++told_.failures;
  told_.last_failure = reason;
  return true;
}

std::optional<SteadyTime> RestartPolicy::refused_until() const {
  if (stage_ != Stage::refused || attempts_.empty() || rules_.settings.max_restarts <= 0) return std::nullopt;
  // As many have to leave as are too many.
  const auto most = static_cast<std::size_t>(rules_.settings.max_restarts);
  const std::size_t leaving = attempts_.size() < most ? 0 : attempts_.size() - most;
  return attempts_[leaving] + rules_.settings.window;
}

std::optional<std::string> RestartPolicy::reconsider(SteadyTime now) {
  if (stage_ != Stage::refused || !allowed()) return std::nullopt;
  const auto most = static_cast<std::ptrdiff_t>(rules_.settings.max_restarts);
  if (attempts_.end() - first_recent(now) >= most) return std::nullopt;
  ++changes_;
  stage_ = Stage::idle;
  // What runs and is well needs none.
  if (launched_ && !ill_) return std::nullopt;
  return reason_;
}

void RestartPolicy::call_off() {
  ++changes_;
  stage_ = held_ = Stage::idle;
}

void RestartPolicy::started_by_hand() {
  ++changes_;
  if (stage_ != Stage::trying) call_off();  // else it joins the attempt
  attempts_.clear();
  unhealthy_ = 0;
}

// ---- health ----

void RestartPolicy::launched(SteadyTime now) {
  ++changes_;
  launched_ = well_since_ = now;
  checked_.reset();
  checking_ = ill_ = false;
  unhealthy_ = 0;
}

void RestartPolicy::ended(SteadyTime now) {
  ++changes_;
  if (well_long_enough(now)) attempts_.clear();
  launched_.reset();
  well_since_.reset();
  checked_.reset();
  checking_ = ill_ = false;
  unhealthy_ = 0;
}

std::optional<SteadyTime> RestartPolicy::next_check() const {
  const RestartSettings& settings = rules_.settings;
  if (!launched_ || checking_ || !rules_.armed || !settings.checks_health()) return std::nullopt;
  if (!checked_) return *launched_ + settings.grace;
  return *checked_ + scaled(settings.check_interval, around(0.1, check_chance_));
}

bool RestartPolicy::check_due(SteadyTime now) const {
  const auto next = next_check();
  return next && now >= *next;
}

void RestartPolicy::check_begun() {
  checking_ = true;
}

bool RestartPolicy::checked(std::optional<bool> healthy, SteadyTime now) {
  checking_ = false;
  checked_ = now;
  check_chance_ = chance_;
  if (!healthy) return false;
  if (!*healthy || ill_ || unhealthy_ != 0) ++changes_;
  if (well_long_enough(now)) attempts_.clear();
  ill_ = !*healthy;
  if (*healthy) {
    if (!well_since_) well_since_ = now;
    unhealthy_ = 0;
    if (stage_ == Stage::refused) stage_ = Stage::idle;
    return false;
  }
  well_since_.reset();
  if (++unhealthy_ < std::max(1, rules_.settings.unhealthy_threshold)) return false;
  unhealthy_ = 0;
  return true;
}

// ---- answers ----

std::optional<SteadyTime> RestartPolicy::wake_at(bool running) const {
  std::optional<SteadyTime> wake;
  if (stage_ == Stage::pending) wake = next_;
  if (allowed()) wake = earlier(wake, refused_until());
  if (running) wake = earlier(wake, next_check());
  return wake;
}

RestartStatistics RestartPolicy::statistics(SteadyTime now) const {
  RestartStatistics statistics = told_;
  statistics.recent = attempts_.end() - first_recent(now);
  if (stage_ == Stage::pending) statistics.next = next_;
  statistics.unhealthy_count = unhealthy_;
  statistics.unhealthy_threshold = std::max(1, rules_.settings.unhealthy_threshold);
  statistics.trying = stage_ == Stage::trying;
  statistics.crash_loop = stage_ == Stage::refused;
  statistics.refused_until = refused_until();
  return statistics;
}

}  // namespace dumb::supervisor
