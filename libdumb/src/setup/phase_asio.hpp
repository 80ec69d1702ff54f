#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "setup/offload_asio.hpp"
#include "setup/run_posix.hpp"

/// Steps that wait for processes, the network or time. A Run is driven by one coroutine; everything of it
/// that blocks runs on the workers meanwhile.
namespace dumb::setup {

using RunPtr = std::shared_ptr<Run>;
template <class T>
using Task = boost::asio::awaitable<T>;
using Seconds = std::chrono::duration<double>;

Task<StepResult> step_run(RunPtr run, json::object step);
Task<StepResult> step_wait(RunPtr run, json::object step);
Task<StepResult> step_initdb(RunPtr run, json::object step);
Task<StepResult> step_sql(RunPtr run, json::object step);

Task<StepResult> step_build(RunPtr run, json::object step);
Task<StepResult> step_download(RunPtr run, json::object step);
/// Steps in order; the first failure that is no warning ends the list.
Task<Result<void>> run_list(RunPtr run, json::array steps);

/// Chooses the server's programs (SVC-110); in configure also refuses to go on beside a live server
/// (LIF-127).
enum class Phase { configure, post_start };
Task<Result<void>> prepare_postgres(RunPtr run, Phase phase);
/// The databases, extensions and the password (SVC-118 to SVC-122).
Task<StepResult> setup_databases(RunPtr run);

/// Whether a cancellation was asked for.
Task<bool> is_cancelled();
/// Waits, or returns early when cancelled.
Task<void> pause(Seconds time);
/// `timeout_s` of a step.
Result<Seconds> timeout_of(Run& run, const json::object& step, Seconds otherwise);

/// A short-lived program of this service (LIF-30). Fails with Failure::cancelled, timeout or missing_binary;
/// its exit status is the caller's business.
struct Tool {
  std::string helper;  ///< what it is for, for the log
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  ///< over the environment; variables of libpq are removed first
  std::string input;
  std::filesystem::path directory = "/";
  bool as_service_user = false;
  bool log_output = false;
  bool only_env = false;  ///< nothing is inherited: `env` is all there is
  Seconds timeout{60};
};
Task<Result<supervisor::HelperResult>> run_tool(RunPtr run, Tool tool);
/// "exit code 1: <last lines>" without secrets (SVC-35).
std::string describe_exit(const Run& run, const supervisor::HelperResult& result);
/// A server program by name, from the directory chosen by prepare_postgres(), else from PATH.
Result<std::string> postgres_program(Run& run, std::string_view name);

}  // namespace dumb::setup
