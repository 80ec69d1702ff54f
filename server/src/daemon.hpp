#pragma once

#include <dumb/config/manager.hpp>
#include <dumb/engine/engine.hpp>
#include <string>

#include "arguments.hpp"

/// The running program: engine, HTTP server and signals on one event loop.
namespace dumb::server {

/// Runs until SIGTERM or SIGINT and returns the exit status: 0 after an orderly or a second-signal shutdown,
/// 1 when the configuration is bad or the address cannot be listened on; what is wrong goes to standard
/// error. Prints "dumb-server listening on <url>" to standard output as soon as it does; services start
/// afterwards. SIGHUP reads the configuration again, SIGUSR2 puts the program that is at the place of this
/// one now in its stead, and another dumb-server started with --replace takes its place: both leave the
/// services running.
int run_daemon(const Arguments& arguments, config::Environment environment);

/// What to tell of a configuration that cannot be used: one line per problem with file, place and sentence.
/// Pure.
std::string describe_open_error(const Error& error, const std::string& file);

}  // namespace dumb::server
