#include "signals_posix.hpp"

#include <signal.h>

#include <array>

namespace dumb::server {
namespace {

sigset_t orders() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : std::array{SIGTERM, SIGINT, SIGHUP, SIGUSR2}) ::sigaddset(&set, number);
  return set;
}

}  // namespace

void hold_signals() {
  const sigset_t set = orders();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void let_signals_in() {
  const sigset_t set = orders();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void leave_signal(int number) {
  ::raise(number);
}

}  // namespace dumb::server
