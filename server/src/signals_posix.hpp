#pragma once

/// The signals that are orders to the daemon: SIGTERM, SIGINT, SIGHUP, SIGUSR2. None may be lost, or end the
/// program, before there is somebody to take it: from its first instruction on, and when another program
/// takes its place by exec, they wait in the kernel.
namespace dumb::server {

/// They wait from now on, in this thread and those it starts.
void hold_signals();
/// This thread takes them, those that have waited as well.
void let_signals_in();
/// Leaves one waiting for the program that comes next. Call after hold_signals().
void leave_signal(int number);

}  // namespace dumb::server
