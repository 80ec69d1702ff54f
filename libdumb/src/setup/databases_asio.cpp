#include <fmt/format.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

#include "setup/phase_asio.hpp"
#include "setup/postgres.hpp"
#include "setup/sqlite_posix.hpp"

/// The step sql for PostgreSQL: password, databases, extensions (SVC-118 to SVC-122).
namespace dumb::setup {
namespace {

constexpr Seconds database_limit{60};
constexpr Seconds database_pause{2};
constexpr std::string_view maintenance_database = "postgres";
/// The role of clusters made under the older product name (SVC-120).
constexpr std::string_view old_role = "DMB";

/// How to reach the server.
struct Session {
  pg::Connection connection;
  std::string socket_directory;
  std::filesystem::path passfile;
};

struct Query {
  std::string database;
  std::string sql;
  std::string role;  ///< blank: the configured one
  bool over_socket = false;
};

Result<Session> open_session(Run& run) {
  Session session;
  const json::object* block =
      run.service.key == "postgres" ? &run.scope.own() : run.scope.block_of("postgres");
  if (block == nullptr) return failure(Failure::missing_field, "there is no postgres section");
  const auto connection = pg::connection(*block);
  if (!connection) return connection.error();
  session.connection = *connection;
  session.socket_directory = run.scope.mapped(jsonx::string_at(*block, "run_directory")).native();
  const auto passfile = run.facts.postgres_passfile();
  if (!passfile) return passfile.error();
  session.passfile = *passfile;
  return session;
}

/// Runs a script with psql. The statements go through standard input, the password through a file.
Task<Result<supervisor::HelperResult>> ask(RunPtr run, Session session, Query query) {
  const auto program = postgres_program(*run, "psql");
  if (!program) co_return program.error();
  Tool tool;
  tool.helper = "psql";
  tool.argv = {*program,
               "-X",
               "-A",
               "-t",
               "-w",
               "-v",
               "ON_ERROR_STOP=1",
               "-h",
               query.over_socket ? session.socket_directory : session.connection.host,
               "-p",
               std::to_string(session.connection.port),
               "-U",
               query.role.empty() ? session.connection.user : query.role,
               "-d",
               pg::database_argument(query.database),
               "-f",
               "-"};
  tool.env = {
      {"PGPASSFILE", session.passfile.native()}, {"PGCONNECT_TIMEOUT", "10"}, {"PGCLIENTENCODING", "UTF8"}};
  tool.input = query.sql;
  const auto result = co_await run_tool(run, std::move(tool));
  co_return result;
}

/// ask(), with an exit status that must be 0.
Task<Result<std::string>> must(RunPtr run, Session session, Query query) {
  const std::string database = query.database;
  const auto result = co_await ask(run, std::move(session), std::move(query));
  if (!result) co_return result.error();
  if (!result->status.success()) {
    co_return failure(Failure::database_failed,
                      fmt::format("database {}: psql ended with {}", database, describe_exit(*run, *result)));
  }
  co_return result->output;
}

std::vector<std::string> output_lines(std::string_view output) {
  std::vector<std::string> lines;
  for (const std::string& line : text::split(output, '\n')) {
    if (!text::blank(line)) lines.emplace_back(text::trim(line));
  }
  return lines;
}

bool has_line(const std::vector<std::string>& lines, const std::string& wanted) {
  return std::find(lines.begin(), lines.end(), wanted) != lines.end();
}

/// SVC-120: gives the role of an older product name its new one.
Task<Result<void>> rename_role(RunPtr run, Session session, std::string verifier) {
  Query create{std::string(maintenance_database), pg::create_temporary_role_sql(), std::string(old_role),
               true};
  const auto created = co_await must(run, session, std::move(create));
  if (!created) co_return created.error();
  Query rename{std::string(maintenance_database),
               pg::rename_role_sql(old_role, session.connection.user, verifier),
               std::string(pg::temporary_role), true};
  const auto renamed = co_await must(run, session, std::move(rename));
  if (!renamed) co_return renamed.error();
  Query drop{std::string(maintenance_database), pg::drop_temporary_role_sql(), {}, true};
  const auto dropped = co_await must(run, session, std::move(drop));
  if (!dropped) co_return dropped.error();
  run->log().info(
      fmt::format("{}: role {} has been renamed to {}", run->name(), old_role, session.connection.user));
  co_return Result<void>();
}

/// Makes the configured password the role's, over the socket (SVC-119).
Task<Result<void>> repair_login(RunPtr run, Session session) {
  const auto verifier = pg::password_verifier(session.connection.password, run->facts.random_bytes(16));
  if (!verifier) co_return verifier.error();
  Query alter{std::string(maintenance_database),
              fmt::format("ALTER ROLE {} PASSWORD {};\n", pg::quote_identifier(session.connection.user),
                          pg::quote_literal(*verifier)),
              {},
              true};
  const auto altered = co_await ask(run, session, std::move(alter));
  if (!altered) co_return altered.error();
  if (altered->status.success()) {
    run->log().warning(
        fmt::format("{}: the password of role {} differed from the configuration and has been set to it",
                    run->name(), session.connection.user));
    co_return Result<void>();
  }
  if (session.connection.user == "DUMB") {
    Query exists{std::string(maintenance_database), "SELECT 'old';\n", std::string(old_role), true};
    const auto old = co_await ask(run, session, std::move(exists));
    if (!old) co_return old.error();
    if (old->status.success()) {
      const auto renamed = co_await rename_role(run, session, *verifier);
      co_return renamed;
    }
  }
  co_return failure(
      Failure::database_failed,
      fmt::format("role {} can log in neither with the configured password nor over the socket in {}: {}",
                  session.connection.user, session.socket_directory, describe_exit(*run, *altered)));
}

/// Logs in as the configuration says, repairing the password once.
Task<Result<void>> log_in(RunPtr run, Session session) {
  const Query hello{std::string(maintenance_database), "SELECT 'hello';\n", {}, false};
  const auto first = co_await ask(run, session, hello);
  if (!first) co_return first.error();
  if (first->status.success()) co_return Result<void>();
  const auto repaired = co_await repair_login(run, session);
  if (!repaired) co_return repaired.error();
  const auto second = co_await must(run, session, hello);
  if (!second) co_return second.error();
  co_return Result<void>();
}

/// Waits until the database answers and is out of recovery; returns what it said.
Task<Result<std::vector<std::string>>> database_state(RunPtr run, Session session, std::string name) {
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    Query state{name, pg::state_sql(pg::extensions_of(name)), {}, false};
    const auto result = co_await ask(run, session, std::move(state));
    if (!result) co_return result.error();
    auto lines = output_lines(result->output);
    if (result->status.success() && has_line(lines, "ready")) co_return std::move(lines);
    const bool cancelled = co_await is_cancelled();
    if (cancelled) co_return failure(Failure::cancelled, "setup was cancelled");
    if (std::chrono::steady_clock::now() - start >= database_limit) {
      co_return failure(Failure::database_failed, fmt::format("database {} was not usable within 60 s: {}",
                                                              name, describe_exit(*run, *result)));
    }
    co_await pause(database_pause);
  }
}

/// Creates what the server offers and the database lacks; what it does not offer is added to `missing`.
Task<Result<bool>> add_extensions(RunPtr run, Session session, std::string name,
                                  std::vector<std::string>* missing) {
  const auto state = co_await database_state(run, session, name);
  if (!state) co_return state.error();
  bool changed = false;
  for (const std::string& extension : pg::extensions_of(name)) {
    if (has_line(*state, "installed " + extension)) continue;
    if (!has_line(*state, "available " + extension)) {
      if (std::find(missing->begin(), missing->end(), extension) == missing->end())
        missing->push_back(extension);
      continue;
    }
    Query create{name, pg::create_extension_sql(extension), {}, false};
    const auto created = co_await ask(run, session, std::move(create));
    if (!created) co_return created.error();
    changed = changed || created->status.success();
    if (!created->status.success()) {
      run->log().warning(fmt::format("{}: extension {} cannot be installed in database {}: {}", run->name(),
                                     extension, name, describe_exit(*run, *created)));
    }
  }
  co_return changed;
}

struct SqlStep {
  std::string database;
  std::string script;
};

Result<SqlStep> prepare_statements(Run& run, const json::object& step) {
  SqlStep out;
  const auto database =
      run.scope.text(step.contains("database") ? step.at("database") : json::value(maintenance_database));
  if (!database) return database.error();
  out.database = *database;
  const json::value* statements = step.if_contains("statements");
  if (statements == nullptr || !statements->is_array())
    return failure(Failure::bad_value, "the step needs statements");
  out.script = "BEGIN;\n";
  for (const json::value& entry : statements->get_array()) {
    const json::object* object = entry.if_object();
    if (object != nullptr && object->contains("params")) {
      return failure(Failure::not_installed, "this build cannot bind params in PostgreSQL statements");
    }
    const auto text = run.scope.text(object != nullptr ? object->at("sql") : entry);
    if (!text) return text.error();
    out.script += *text + ";\n";
  }
  out.script += "COMMIT;\n";
  return out;
}

Task<StepResult> run_statements(RunPtr run, json::object step) {
  auto prepare_it = [run, step](const std::atomic<bool>&) { return prepare_statements(*run, step); };
  const auto prepared = co_await offload(*run->context.workers, std::move(prepare_it));
  if (!prepared) co_return prepared.error();
  auto open_it = [run](const std::atomic<bool>&) { return open_session(*run); };
  const auto session = co_await offload(*run->context.workers, std::move(open_it));
  if (!session) co_return session.error();
  Query query{prepared->database, prepared->script, {}, false};
  const auto done = co_await must(run, *session, std::move(query));
  if (!done) co_return done.error();
  co_return Effect::changed;
}

/// SVC-126: a row for this server in pgAdmin's own table, which pgAdmin makes at its first start.
Task<StepResult> register_server(RunPtr run) {
  auto open_it = [run](const std::atomic<bool>&) { return open_session(*run); };
  const auto session = co_await offload(*run->context.workers, std::move(open_it));
  if (!session) co_return session.error();
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    Query look{"pgadmin",
               "SELECT 'there' FROM pg_tables WHERE schemaname = 'public' AND tablename = 'server';\n",
               {},
               false};
    const auto looked = co_await ask(run, *session, std::move(look));
    if (!looked) co_return looked.error();
    if (looked->status.success() && has_line(output_lines(looked->output), "there")) break;
    if (std::chrono::steady_clock::now() - start >= database_limit)
      co_return failure(Failure::database_failed, "pgAdmin has not made its table of servers within 60 s");
    co_await pause(Seconds(1));
    const bool cancelled = co_await is_cancelled();
    if (cancelled) co_return failure(Failure::cancelled, "setup was cancelled");
  }
  Query insert{"pgadmin", pg::register_server_sql(session->connection), {}, false};
  const auto inserted = co_await must(run, *session, std::move(insert));
  if (!inserted) co_return inserted.error();
  co_return has_line(output_lines(*inserted), "INSERT 0 1") ? Effect::changed : Effect::none;
}

}  // namespace

Task<StepResult> setup_databases(RunPtr run) {
  const auto names = pg::wanted_databases(run->scope.own());
  if (!names) co_return names.error();
  auto open_it = [run](const std::atomic<bool>&) { return open_session(*run); };
  const auto session = co_await offload(*run->context.workers, std::move(open_it));
  if (!session) co_return session.error();
  if (session->connection.password == "postgres") {
    run->log().warning(run->name() + ": the default password is in use; choose another one");
  }
  const auto logged_in = co_await log_in(run, *session);
  if (!logged_in) co_return logged_in.error();
  Query create{std::string(maintenance_database),
               pg::drop_temporary_role_sql() + pg::create_databases_sql(*names, session->connection.user),
               {},
               false};
  const auto created = co_await must(run, *session, std::move(create));
  if (!created) co_return created.error();
  bool changed = has_line(output_lines(*created), "CREATE DATABASE");
  std::vector<std::string> missing;
  for (const std::string& name : *names) {
    const auto added = co_await add_extensions(run, *session, name, &missing);
    if (!added) co_return added.error();
    changed = changed || *added;
  }
  for (const std::string& extension : missing) {
    run->log().warning(
        fmt::format("{}: extension {} is not available on this system", run->name(), extension));
  }
  Query sizes{std::string(maintenance_database), pg::sizes_sql(), {}, false};
  const auto listed = co_await ask(run, *session, std::move(sizes));
  if (!listed) co_return listed.error();
  if (listed->status.success()) {
    for (const std::string& line : output_lines(listed->output)) {
      run->log().info(fmt::format("{}: size of database {}", run->name(), line));
    }
  }
  co_return changed ? Effect::changed : Effect::none;
}

Task<StepResult> step_sql(RunPtr run, json::object step) {
  const std::string engine = jsonx::string_at(step, "engine");
  const std::string model = jsonx::string_at(step, "model");
  if (engine == "sqlite") {
    auto work = [run, step](const std::atomic<bool>&) { return step_sqlite(*run, step); };
    const auto done = co_await offload(*run->context.workers, std::move(work));
    co_return done;
  }
  if (engine != "postgres") {
    co_return failure(Failure::not_installed, fmt::format("this build cannot change {} databases", engine));
  }
  if (model == "postgres-databases") {
    const auto done = co_await setup_databases(run);
    co_return done;
  }
  if (model == "pgadmin-server") {
    const auto done = co_await register_server(run);
    co_return done;
  }
  if (!model.empty())
    co_return failure(Failure::not_installed, fmt::format("this build has no model {}", model));
  const auto done = co_await run_statements(run, std::move(step));
  co_return done;
}

}  // namespace dumb::setup
