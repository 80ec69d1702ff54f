// What outlives a run of this program: RestartPolicy and Machine give it and take it back.
#include "supervisor/memory.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/codec.hpp>
#include <utility>

namespace dumb::supervisor {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::nanoseconds;

std::int64_t number_of(SteadyTime time) {
  return duration_cast<nanoseconds>(time.time_since_epoch()).count();
}
/// Nothing that has happened is ahead of now.
SteadyTime past_of(std::int64_t number, SteadyTime now) {
  return std::min(now, SteadyTime(duration_cast<SteadyTime::duration>(nanoseconds(number))));
}
double seconds_of(WallTime time) {
  return duration<double>(time.time_since_epoch()).count();
}
WallTime wall_of(double seconds) {
  return WallTime(duration_cast<WallTime::duration>(duration<double>(seconds)));
}

std::string_view kind_name(ExitStatus::Kind kind) {
  switch (kind) {
    case ExitStatus::Kind::code:
      return "code";
    case ExitStatus::Kind::signal:
      return "signal";
    case ExitStatus::Kind::unknown:
      break;
  }
  return "unknown";
}
ExitStatus status_of(const ServiceMemory& memory) {
  const auto value = static_cast<int>(std::clamp<std::int64_t>(memory.end_value, 0, 255));
  if (memory.end == "code") return {ExitStatus::Kind::code, value};
  if (memory.end == "signal") return {ExitStatus::Kind::signal, value};
  return {};
}

struct Document {
  std::int64_t version = 1;
  std::string life;
  std::vector<ServiceMemory> services;
};
BOOST_DESCRIBE_STRUCT(Document, (), (version, life, services))

}  // namespace

RestartMemory RestartPolicy::memory() const {
  RestartMemory memory;
  memory.stage = held_ == Stage::idle ? stage_ : held_;
  if (memory.stage != Stage::idle) {
    memory.reason = reason_;
    memory.delay = duration_cast<nanoseconds>(delay_).count();
  }
  if (memory.stage == Stage::pending) memory.next = number_of(next_);
  for (const SteadyTime attempt : attempts_) memory.window.push_back(number_of(attempt));
  memory.attempts = told_.attempts;
  memory.successes = told_.successes;
  memory.failures = told_.failures;
  if (told_.last) memory.last = seconds_of(*told_.last);
  memory.last_failure = told_.last_failure;
  memory.unhealthy = unhealthy_;
  memory.ill = ill_;
  if (well_since_ && launched_ && *well_since_ != *launched_) memory.well_since = number_of(*well_since_);
  return memory;
}

void RestartPolicy::restore(const RestartMemory& memory, SteadyTime now) {
  const bool trying = memory.stage == Stage::trying;
  stage_ = trying ? Stage::trying : Stage::idle;
  held_ = trying ? Stage::idle : memory.stage;
  reason_ = memory.reason;
  delay_ = std::max(Duration::zero(), duration_cast<Duration>(nanoseconds(memory.delay)));
  next_ = std::min(now + delay_, SteadyTime(duration_cast<SteadyTime::duration>(nanoseconds(memory.next))));
  attempts_.clear();
  for (const std::int64_t attempt : memory.window) attempts_.push_back(past_of(attempt, now));
  std::sort(attempts_.begin(), attempts_.end());
  told_.attempts = memory.attempts;
  told_.successes = memory.successes;
  told_.failures = memory.failures;
  if (memory.last) told_.last = wall_of(*memory.last);
  told_.last_failure = memory.last_failure;
  unhealthy_ = static_cast<int>(std::clamp<std::int64_t>(memory.unhealthy, 0, 1'000'000));
  ill_ = memory.ill;
  if (memory.well_since > 0) well_since_ = past_of(memory.well_since, now);
  ++changes_;
}

bool RestartPolicy::take_up() {
  const Stage held = std::exchange(held_, Stage::idle);
  if (held == Stage::idle) return false;
  ++changes_;
  if (!allowed() || stage_ != Stage::idle) return false;
  stage_ = held;
  return true;
}

void RestartPolicy::adopted(SteadyTime at) {
  ++changes_;
  launched_ = at;
  if (ill_) {
    well_since_.reset();
  } else if (!well_since_ || *well_since_ < at) {
    well_since_ = at;
  }
  checked_.reset();
  checking_ = false;
}

ServiceMemory Machine::memory() const {
  ServiceMemory memory;
  memory.process_name = name_;
  memory.restarts = policy_.memory();
  if (last_unasked_ && last_unasked_at_) {
    memory.end = kind_name(last_unasked_->kind);
    memory.end_value = last_unasked_->value;
    memory.end_at = seconds_of(*last_unasked_at_);
  }
  const RestartStage stage = memory.restarts.stage;
  if (stage == RestartStage::pending || stage == RestartStage::refused) {
    memory.rest = rest_;
    memory.rest_reason = rest_reason_;
  }
  return memory;
}

void Machine::restore(const ServiceMemory& memory, SteadyTime now) {
  policy_.restore(memory.restarts, now);
  if (!memory.end.empty()) {
    last_unasked_ = status_of(memory);
    last_unasked_at_ = wall_of(memory.end_at);
  }
  rest_ = memory.rest == State::failed ? State::failed : State::stopped;
  rest_reason_ = memory.rest_reason;
}

bool worth_remembering(const ServiceMemory& memory) {
  ServiceMemory nothing;
  nothing.process_name = memory.process_name;
  nothing.launches = std::min<std::int64_t>(memory.launches, 1);
  return memory != nothing;
}

std::string print_memories(const std::vector<ServiceMemory>& memories, std::string_view life) {
  Document file;
  file.life = std::string(life);
  file.services = memories;
  return jsonx::print(codec::encode(file));
}

Result<std::vector<ServiceMemory>> parse_memories(std::string_view text, std::string_view life) {
  const auto document = jsonx::parse(text);
  if (!document) return document.error();
  Document file;
  codec::Faults faults;
  if (!document->is_object() || !codec::decode(*document, {}, faults, file) || file.version != 1)
    return Error(Errc::invalid_argument, "is no list of what is known of services");
  if (file.life != life) file.services.clear();
  return std::move(file.services);
}

}  // namespace dumb::supervisor
