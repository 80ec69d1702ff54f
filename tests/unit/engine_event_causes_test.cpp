#include "engine/event_causes.hpp"

#include <fmt/format.h>

#include "support/catch.hpp"

using namespace dumb;
using namespace std::chrono_literals;
using engine::Ask;
using engine::EnteredState;
using engine::EventCauses;
namespace cause = engine::cause;

namespace {

/// A service whose states a test enters; what is told comes back as one line.
struct Service {
  EventCauses causes;
  std::int64_t pid = -1;
  std::optional<std::string> exit;
  WallTime exit_at{};
  bool unasked = false;

  void ended(std::string how, bool by_itself) {
    exit = std::move(how);
    exit_at += 1s;
    unasked = by_itself;
  }
  std::string enter(std::string state, std::string reason = {}) {
    EnteredState now;
    now.process_name = "Zilean";
    now.state = std::move(state);
    now.reason = std::move(reason);
    now.pid = pid;
    now.exit = exit;
    if (exit) now.exit_at = exit_at;
    now.ended_unasked = unasked;
    const auto event = causes.entered(now);
    if (!event) return "nothing";
    CHECK(event->process_name == "Zilean");
    return fmt::format("{}>{} {}[{}] pid {} exit {}", event->previous.value_or("?"), event->state,
                       event->cause, event->reason.value_or(""), event->pid.value_or(0),
                       event->exit.value_or("-"));
  }
  void run() {
    enter("setting_up");
    enter("waiting");
    enter("starting");
    pid = 42;
    enter("running");
  }
};

}  // namespace

TEST_CASE("whoever asked is the cause of all that follows, the reason of the first",
          "[engine][LIF-150][LIF-151]") {
  Service s;
  s.causes.asked("Zilean", Ask::start, cause::api, "a start was asked for");
  CHECK(s.enter("setting_up") == "stopped>setting_up api[a start was asked for] pid 0 exit -");
  CHECK(s.enter("waiting") == "setting_up>waiting api[] pid 0 exit -");
  CHECK(s.enter("waiting", "directory /a") == "waiting>waiting api[directory /a] pid 0 exit -");
  CHECK(s.enter("waiting", "directory /a") == "nothing");
  CHECK(s.enter("starting") == "waiting>starting api[] pid 0 exit -");
  s.pid = 42;
  CHECK(s.enter("starting") == "nothing");
  CHECK(s.enter("running") == "starting>running api[] pid 42 exit -");
  s.causes.asked("Zilean", Ask::stop, cause::shutdown, "DUMB is shutting down");
  CHECK(s.enter("stopping") == "running>stopping shutdown[DUMB is shutting down] pid 42 exit -");
  s.ended("signal 15", false);
  s.pid = -1;
  CHECK(s.enter("stopped") == "stopping>stopped shutdown[] pid 42 exit signal 15");
}

TEST_CASE("a process that ends by itself is the cause, whoever started it", "[engine][LIF-151]") {
  Service s;
  s.causes.asked("Zilean", Ask::start, cause::boot, "the stack starts");
  s.run();
  s.ended("exit code 7", true);
  CHECK(s.enter("stopped", "ended by itself: exit code 7") ==
        "running>stopped exit[ended by itself: exit code 7] pid 42 exit exit code 7");
  s.pid = -1;
  // The same end is told once.
  s.causes.asked("Zilean", Ask::start, cause::api, "a start was asked for");
  s.unasked = false;
  CHECK(s.enter("setting_up") == "stopped>setting_up api[a start was asked for] pid 0 exit -");
  s.enter("starting");
  s.pid = 43;
  s.enter("starting");
  s.ended("exit code 1", true);
  s.pid = -1;
  CHECK(s.enter("failed", "ended right after its start") ==
        "starting>failed exit[ended right after its start] pid 43 exit exit code 1");
}

TEST_CASE("a start that failed before there was a process keeps its cause", "[engine][LIF-151]") {
  Service s;
  s.causes.asked("Zilean", Ask::start, cause::api, "a start was asked for");
  s.enter("setting_up");
  CHECK(s.enter("failed", "no such directory") == "setting_up>failed api[no such directory] pid 0 exit -");
}

TEST_CASE("asks that bring nothing about are not told later", "[engine][LIF-151]") {
  Service s;
  s.causes.asked("Zilean", Ask::start, cause::boot, "the stack starts");
  s.enter("setting_up");
  // A start that joins the one under way.
  s.causes.asked("Zilean", Ask::start, cause::api, "a start was asked for");
  CHECK(s.enter("waiting") == "setting_up>waiting boot[] pid 0 exit -");
  s.enter("starting");
  s.pid = 42;
  CHECK(s.enter("running") == "starting>running boot[] pid 42 exit -");
  s.ended("exit code 1", true);
  s.enter("backoff", "exit code 1");
  s.pid = -1;
  s.unasked = false;
  CHECK(s.enter("setting_up") == "backoff>setting_up restart_policy[] pid 0 exit -");
}

TEST_CASE("a restart is told with the stop that begins it", "[engine][LIF-151]") {
  Service s;
  s.causes.asked("Zilean", Ask::start, cause::boot, "the stack starts");
  s.run();
  s.causes.asked("Zilean", Ask::restart, cause::api, "a restart was asked for");
  CHECK(s.enter("stopping") == "running>stopping api[a restart was asked for] pid 42 exit -");
  s.ended("exit code 0", false);
  s.pid = -1;
  CHECK(s.enter("stopped") == "stopping>stopped api[] pid 42 exit exit code 0");
  CHECK(s.enter("setting_up") == "stopped>setting_up api[] pid 0 exit -");
}

TEST_CASE("readiness is told when it comes and when it goes", "[engine][LIF-150]") {
  EventCauses causes;
  EnteredState now;
  now.process_name = "Zilean";
  const auto told = [&](std::string state, std::optional<bool> ready, std::string why = {}) {
    now.state = std::move(state);
    now.ready = ready;
    now.readiness_reason = std::move(why);
    const auto event = causes.entered(now);
    return event ? event->state + ": " + event->reason.value_or("-") : "nothing";
  };
  CHECK(told("starting", false, "no answer yet") == "starting: -");
  CHECK(told("running", false, "no answer yet") == "running: -");
  CHECK(told("running", false, "still no answer") == "nothing");
  CHECK(told("running", true) == "running: is ready");
  CHECK(told("running", true, "well") == "nothing");
  CHECK(told("running", false, "HTTP 503") == "running: is not ready any longer: HTTP 503");
  CHECK(told("stopping", std::nullopt) == "stopping: -");
  // Ready as soon as it runs.
  CHECK(told("running", true) == "running: is ready");
}
