#pragma once

#include <dumb/base/result.hpp>

#include "exit_code.hpp"

/// One function per command of the table. Each builds requests, decodes answers and prints; an error it
/// returns is reported, and turned into an exit code, by run().
namespace dumb::cli {

struct Context;
struct Invocation;

Result<ExitCode> run_ps(Context& context, const Invocation& invocation);
Result<ExitCode> run_status(Context& context, const Invocation& invocation);
Result<ExitCode> run_start(Context& context, const Invocation& invocation);
Result<ExitCode> run_stop(Context& context, const Invocation& invocation);
Result<ExitCode> run_restart(Context& context, const Invocation& invocation);
Result<ExitCode> run_up(Context& context, const Invocation& invocation);
Result<ExitCode> run_down(Context& context, const Invocation& invocation);
Result<ExitCode> run_graph(Context& context, const Invocation& invocation);
Result<ExitCode> run_plan(Context& context, const Invocation& invocation);
Result<ExitCode> run_top(Context& context, const Invocation& invocation);
Result<ExitCode> run_logs(Context& context, const Invocation& invocation);
Result<ExitCode> run_events(Context& context, const Invocation& invocation);
Result<ExitCode> run_onboard(Context& context, const Invocation& invocation);
Result<ExitCode> run_services_core(Context& context, const Invocation& invocation);
Result<ExitCode> run_services_optional(Context& context, const Invocation& invocation);
Result<ExitCode> run_services_show(Context& context, const Invocation& invocation);
Result<ExitCode> run_update_list(Context& context, const Invocation& invocation);
Result<ExitCode> run_update_check(Context& context, const Invocation& invocation);
Result<ExitCode> run_update_install(Context& context, const Invocation& invocation);
Result<ExitCode> run_update_schedule(Context& context, const Invocation& invocation);
Result<ExitCode> run_config_validate(Context& context, const Invocation& invocation);
Result<ExitCode> run_config_show(Context& context, const Invocation& invocation);
Result<ExitCode> run_config_get(Context& context, const Invocation& invocation);
Result<ExitCode> run_config_set(Context& context, const Invocation& invocation);
Result<ExitCode> run_symlinks_repair(Context& context, const Invocation& invocation);
Result<ExitCode> run_symlinks_backup(Context& context, const Invocation& invocation);
Result<ExitCode> run_symlinks_restore(Context& context, const Invocation& invocation);
Result<ExitCode> run_symlinks_compare(Context& context, const Invocation& invocation);
Result<ExitCode> run_symlinks_undo(Context& context, const Invocation& invocation);
Result<ExitCode> run_symlinks_resume(Context& context, const Invocation& invocation);
Result<ExitCode> run_symlinks_files(Context& context, const Invocation& invocation);
Result<ExitCode> run_symlinks_manifests(Context& context, const Invocation& invocation);
Result<ExitCode> run_symlinks_schedule(Context& context, const Invocation& invocation);
Result<ExitCode> run_jobs_list(Context& context, const Invocation& invocation);
Result<ExitCode> run_jobs_show(Context& context, const Invocation& invocation);
Result<ExitCode> run_jobs_cancel(Context& context, const Invocation& invocation);
Result<ExitCode> run_jobs_wait(Context& context, const Invocation& invocation);
Result<ExitCode> run_login(Context& context, const Invocation& invocation);
Result<ExitCode> run_logout(Context& context, const Invocation& invocation);
Result<ExitCode> run_capabilities(Context& context, const Invocation& invocation);
Result<ExitCode> run_healthcheck(Context& context, const Invocation& invocation);
Result<ExitCode> run_version(Context& context, const Invocation& invocation);

}  // namespace dumb::cli
