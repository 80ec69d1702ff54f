#include "command_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "commands.hpp"

namespace dumb::cli {
namespace {

using Count = ArgumentInfo::Count;

const ArgumentInfo one_name{"NAME", "a service; blanks and letter case do not matter", Count::one};
const ArgumentInfo names{"NAME", "services; blanks and letter case do not matter", Count::one_or_more};
const ArgumentInfo any_names{"NAME", "services; without one the whole stack", Count::any_number};
const ArgumentInfo setting{"SETTING", "/zilean/port or zilean.port", Count::one};
const OptionInfo root{"--root", "", "DIR", "folder the stack lives in (default: DUMB_ROOT)"};
const ArgumentInfo manifest{"MANIFEST", "a manifest; relative to the snapshots", Count::one};
const ArgumentInfo job_id{"JOB", "the id of a job", Count::one};
const OptionInfo apply{"--apply", "", "", "really do it; without it nothing is changed"};
const OptionInfo dry_run{"--dry-run", "", "", "only tell what would be done (default)"};
const OptionInfo local{"--local", "", "", "without a server, on the files beneath the root"};
const OptionInfo overwrite{"--overwrite", "", "", "replace links that are in the way, never files"};
const OptionInfo skip_broken{"--skip-broken", "", "", "leave links alone whose target is missing"};
const OptionInfo label{"--process", "", "NAME", "the service it is done for, a label only"};
const OptionInfo reveal{"--reveal", "", "", "show passwords and tokens"};

std::vector<CommandInfo> make_commands() {
  return {
      {"ps",
       "list the services and how they are",
       {},
       {{"--all", "-a", "", "also services that are not enabled"}},
       "What is wrong with a service stands below the table. UPTIME counts from the\n"
       "last start of the service.",
       run_ps},
      {"status", "tell all about one service", {one_name}, {}, "", run_status},
      {"up",
       "start the stack, or services and all they need",
       {any_names},
       {},
       "Every service starts at the instant its own last need is met. Without NAME all\n"
       "enabled services; a NAME is enabled. Ends when all are up or have failed;\n"
       "interrupting it does not end what the server has begun.",
       run_up},
      {"down",
       "stop the stack, or services and all that need them",
       {any_names},
       {},
       "In exact reverse: a service goes when all that need it are gone. They stay\n"
       "enabled, and the server stays.",
       run_down},
      {"graph",
       "draw what needs what",
       {{"NAME", "only this service's needs and dependents", Count::optional}},
       {{"--scope", "", "SCOPE", "runtime (default), or all: also what is only linked"},
        {"--format", "", "FORMAT", "tree (default), dot, mermaid or json"}},
       "What a service needs stands below it. Cycles, and needs that nothing meets, are\n"
       "told below the tree.",
       run_graph},
      {"plan",
       "tell the order of starting, and what it took",
       {},
       {},
       "Services of one level may start at the same time. After a start: how long each\n"
       "service waited and took, and how long the whole took against its critical path.",
       run_plan},
      {"start",
       "start services, and enable them",
       {names},
       {},
       "Several services are started at the same time; each waits for what it needs.\n"
       "The command ends when all are up or have failed; interrupting it does not end\n"
       "what the server has begun.",
       run_start},
      {"stop",
       "stop services",
       {names},
       {},
       "One after the other, in the order given. A stopped service stays enabled: it\n"
       "starts again with the server.",
       run_stop},
      {"restart",
       "stop services and start them again",
       {names},
       {},
       "Several services at the same time.",
       run_restart},
      {"top",
       "show what the services use, live",
       {},
       {{"--sort", "-s", "BY", "cpu (default), memory or name"},
        {"--rounds", "-n", "N", "end after N rounds of two seconds"}},
       "On a terminal until q is pressed; c, m and n sort. A pipe gets one round, with\n"
       "--json one object per line and round. MEMORY is resident and swapped out, of\n"
       "everything the service has started; CPU % is of one processor.",
       run_top},
      {"logs",
       "print the end of a service's log",
       {{"NAME", "a service, or 'dumb' for the log of the server", Count::one}},
       {{"--lines", "-n", "N", "how many lines, or all (the last 8 MiB); default 100"},
        {"--follow", "-f", "", "go on with new lines until interrupted"}},
       "With --json one object per line. While following, a server that goes away is\n"
       "waited for.",
       run_logs},
      {"events",
       "tell what happened to the services, and why",
       {{"NAME", "a service, or 'dumb' for the stack; default: all", Count::optional}},
       {{"--lines", "-n", "N", "how many, or all that are kept; default 50"},
        {"--since", "", "WHEN", "from a sequence number, a span (10m) or a time on"},
        {"--follow", "-f", "", "go on with what happens until interrupted"}},
       "WHEN is 1234, 90s, 10m, 1h30m, 2d, 2026-02-11 or 2026-02-11T12:00 with Z or an\n"
       "offset, else local time. Events outlive the server; following waits for one that\n"
       "goes away and misses nothing. With --json one object per line.",
       run_events},
      {"onboard",
       "set up services with all they need, and start them",
       {{"NAME", "core services; see 'dumb-cli services'", Count::any_number}},
       {{"--with", "", "NAME", "an optional service as well; repeatable", true},
        {"--instance", "", "NAME", "the instance of a service that can have several"},
        {"--provider", "", "NAME", "a debrid provider; repeatable", true},
        {"--key-file", "", "FILE", "debrid keys, one per line and provider; - reads them"},
        {"--option", "", "S.F=V", "setting F of service S gets V; repeatable", true},
        {"--file", "-f", "FILE", "the whole request as JSON; - reads it"},
        {"--dry-run", "", "", "only show what would be done"},
        {"--yes", "-y", "", "do not ask before it begins"}},
       "On a terminal it asks for what is missing, shows the plan and asks again before\n"
       "anything changes. Keys are never given on the command line, which everybody can\n"
       "read: --key-file, DUMB_DEBRID_KEY, or the terminal. Doing it twice does no harm;\n"
       "what failed is tried again.",
       run_onboard},
      {"services core", "list the core services that can be onboarded", {}, {}, "", run_services_core},
      {"services optional",
       "list the services that can be chosen with them",
       {{"CORE", "without what this service needs anyway", Count::optional}},
       {},
       "",
       run_services_optional},
      {"services show",
       "tell what a service needs and can be told",
       {{"KEY", "a core or optional service", Count::one}},
       {},
       "",
       run_services_show},
      {"update list",
       "list the services that can be updated",
       {},
       {{"--all", "-a", "", "also services that are not enabled"}},
       "What the last check found; see 'dumb-cli update check'.",
       run_update_list},
      {"update check",
       "look for newer versions",
       {{"NAME", "services; default: all enabled ones", Count::any_number}},
       {{"--force", "", "", "ask the release server again, whatever is known"}},
       "Nothing is installed and nothing is stopped.",
       run_update_check},
      {"update install",
       "install newer versions",
       {names},
       {{"--override", "", "", "even where the settings hold the version"},
        {"--channel", "", "CHANNEL", "nightly or prerelease, for this once"}},
       "A service runs on until the new version is complete. One that does not become\n"
       "healthy with it gets the version before back.",
       run_update_install},
      {"update schedule",
       "take up changed settings of automatic updates",
       {one_name},
       {},
       "They are auto_update, auto_update_interval (hours) and auto_update_start_time.",
       run_update_schedule},
      {"config validate",
       "check a configuration file without a server",
       {{"FILE", "default: config/dumb_config.json beneath the root", Count::optional}},
       {root, {"--with-env", "", "", "apply .env, secrets and environment as the server does"}},
       "Nothing is written. Every fault is listed with its place.",
       run_config_validate},
      {"config show",
       "print the configuration in force",
       {{"NAME", "only this service's part", Count::optional}},
       {reveal},
       "Passwords, tokens and keys are masked.",
       run_config_show},
      {"config get",
       "print one setting",
       {setting},
       {reveal},
       "A single value is printed as it is, be it a secret; within objects secrets are\n"
       "masked.",
       run_config_get},
      {"config set",
       "change one setting",
       {setting, {"VALUE", "text, or JSON where the setting is no text", Count::one}},
       {{"--no-save", "", "", "until the server ends; the file stays as it is"}},
       "A running service takes most settings up at its next start.",
       run_config_set},
      {"symlinks repair",
       "rewrite targets of links, or move links",
       {{"ROOT", "trees of links (default: those of the services)", Count::any_number}},
       {{"--rule", "", "FROM=TO", "targets below FROM get TO instead; repeatable", true},
        {"--move", "", "FROM=TO", "move all links below FROM to below TO; repeatable", true},
        {"--preset", "", "NAME", "a named set of rules; repeatable", true},
        {"--copy", "", "", "with --move: keep the links at FROM"},
        overwrite,
        skip_broken,
        {"--manifest", "", "FILE", "where what undoes it is written (default: made up)"},
        {"--verify", "", "", "count new targets that do not exist"},
        label,
        apply,
        dry_run,
        local,
        root},
       "The first rule that matches a target decides. A '=' in FROM is written '\\='.\n"
       "What undoes the run is written before the first change. Interrupting the\n"
       "command does not end what the server has begun; with --local it ends the run\n"
       "between two links, and 'symlinks resume' finishes it.",
       run_symlinks_repair},
      {"symlinks backup",
       "write a snapshot of links",
       {{"FILE", "ends in .json; relative to the snapshots", Count::one},
        {"ROOT", "trees of links (default: those of the services)", Count::any_number}},
       {skip_broken, {"--no-check", "", "", "do not look at targets"}, label, local, root},
       "Writes at once, without --apply: no link is changed. A file of that name is\n"
       "replaced when the new one is whole.",
       run_symlinks_backup},
      {"symlinks restore",
       "bring links back from a snapshot, or undo a repair",
       {manifest},
       {overwrite, skip_broken, label, apply, dry_run, local, root},
       "",
       run_symlinks_restore},
      {"symlinks compare",
       "tell what a restore would do",
       {manifest},
       {overwrite,
        skip_broken,
        {"--samples", "-n", "N", "how many links to show, 0 to 200; default 50"},
        local,
        root},
       "",
       run_symlinks_compare},
      {"symlinks undo",
       "undo a repair or a restore",
       {manifest},
       {overwrite, skip_broken, label, apply, dry_run, local, root},
       "MANIFEST is what the run has named. A link that was changed since is left alone\n"
       "unless --overwrite is given.",
       run_symlinks_undo},
      {"symlinks resume",
       "finish a run that was interrupted",
       {manifest},
       {label, apply, dry_run, local, root},
       "",
       run_symlinks_resume},
      {"symlinks files",
       "list manifests",
       {{"MANIFEST", "list what lies beside it (default: the snapshots)", Count::optional}},
       {local, root},
       "",
       run_symlinks_files},
      {"symlinks manifests",
       "list the snapshots of a service",
       {one_name},
       {local, root},
       "",
       run_symlinks_manifests},
      {"symlinks schedule",
       "tell when snapshots of a service are taken",
       {one_name},
       {{"--rebuild", "", "", "make the schedule anew from the configuration"}, local, root},
       "With --local what the last server has recorded.",
       run_symlinks_schedule},
      {"jobs list", "list the background jobs, newest first", {}, {local, root}, "", run_jobs_list},
      {"jobs show", "tell all about one job", {job_id}, {local, root}, "", run_jobs_show},
      {"jobs cancel",
       "cancel a job",
       {job_id},
       {},
       "What was done stays done; the job names the manifest that undoes it.",
       run_jobs_cancel},
      {"jobs wait", "wait for the end of a job", {job_id}, {}, "", run_jobs_wait},
      {"login",
       "log in to a server that asks for it",
       {{"USER", "asked for when it is left out", Count::optional}},
       {{"--password-stdin", "", "", "read the password from standard input"}},
       "Keeps tokens, not the password, in DUMB_CREDENTIALS (default:\n"
       "~/.config/dumb/credentials.json). DUMB_TOKEN, an access token, counts instead.",
       run_login},
      {"logout", "forget the login to a server", {}, {}, "", run_logout},
      {"capabilities", "list what the server can do", {}, {}, "", run_capabilities},
      {"healthcheck",
       "check the running services without the server",
       {},
       {root, {"--config", "", "FILE", "the configuration (default: config/dumb_config.json)"}},
       "For containers: looks at the processes and ports the server has recorded in\n"
       "healthcheck/ beneath the root, for at most 8 seconds. Nothing is written. Prints\n"
       "one line; exit status 1 when something is wrong.",
       run_healthcheck},
      {"version", "print the version of this program and of the server", {}, {}, "", run_version},
  };
}

const std::array<OptionInfo, 5> globals{{
    {"--url", "", "URL", "the server (default: DUMB_URL, else http://127.0.0.1:8000)"},
    {"--json", "", "", "answer in JSON, also errors"},
    {"--color", "", "WHEN", "auto (default), always or never; NO_COLOR is honoured"},
    {"--help", "-h", "", "this page, or that of a command"},
    {"--version", "", "", "print the version of this program"},
}};

}  // namespace

std::span<const CommandInfo> commands() {
  static const std::vector<CommandInfo> table = make_commands();
  return table;
}

std::span<const OptionInfo> global_options() {
  return globals;
}

const CommandInfo* find_command(std::string_view name) {
  const auto table = commands();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const CommandInfo& command) { return command.name == name; });
  return found == table.end() ? nullptr : &*found;
}

std::vector<const CommandInfo*> commands_of_group(std::string_view group) {
  std::vector<const CommandInfo*> found;
  for (const CommandInfo& command : commands()) {
    if (command.name.size() > group.size() && command.name.substr(0, group.size()) == group &&
        command.name[group.size()] == ' ') {
      found.push_back(&command);
    }
  }
  return found;
}

}  // namespace dumb::cli
