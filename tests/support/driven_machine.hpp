#pragma once

#include <algorithm>
#include <dumb/supervisor/machine.hpp>

#include "support/support.hpp"

/// What the tests of the supervisor's machine share.
namespace dumb::test {

using supervisor::Action, supervisor::Actions, supervisor::ExitStatus, supervisor::Event, supervisor::Machine;
namespace action = supervisor::action;
namespace event = supervisor::event;

template <class T>
const T* find(const Actions& actions) {
  for (const Action& one : actions) {
    if (const auto* found = std::get_if<T>(&one)) return found;
  }
  return nullptr;
}
template <class T>
std::size_t count(const Actions& actions) {
  return static_cast<std::size_t>(std::count_if(
      actions.begin(), actions.end(), [](const Action& a) { return std::holds_alternative<T>(a); }));
}

/// A machine driven to a state, as the shell would.
struct Driven {
  FakeClock clock;
  Machine machine{"svc",
                  {.immediate_exit_watch = std::chrono::seconds(2),
                   .grace = std::chrono::seconds(30),
                   .kill_wait = std::chrono::seconds(5)}};
  std::uint64_t run = 0;

  Actions feed(const Event& event) {
    Actions actions = machine.on(event, clock.now());
    if (const auto* setup = find<action::RunSetup>(actions)) run = setup->run;
    return actions;
  }
  void to_waiting() {
    feed(event::StartAsked{});
    feed(event::SetupDone{run, {}});
  }
  void to_starting() {
    to_waiting();
    feed(event::WaitsDone{run, {}});
    feed(event::Spawned{100});
  }
  void to_running() {
    to_starting();
    feed(event::Ready{run});
  }
};

inline const ExitStatus code0{ExitStatus::Kind::code, 0};
inline const ExitStatus code7{ExitStatus::Kind::code, 7};

}  // namespace dumb::test
