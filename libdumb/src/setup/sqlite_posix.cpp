#include "setup/sqlite_posix.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::setup {
namespace {

namespace fs = std::filesystem;
constexpr int busy_limit_ms = 10'000;

Error fault(sqlite3* database, const fs::path& path) {
  return failure(Failure::database_failed, fmt::format("{}: {}", path.native(), sqlite3_errmsg(database)));
}

struct Finalize {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};

fs::path file_of(sqlite3* database) {
  const char* name = sqlite3_db_filename(database, "main");
  return name == nullptr ? fs::path() : fs::path(name);
}

Result<void> run_statements(Run& run, const json::object& step, SqliteDatabase& database) {
  const json::value* statements = step.if_contains("statements");
  if (statements == nullptr || !statements->is_array())
    return failure(Failure::bad_value, "the step needs statements");
  for (const json::value& entry : statements->get_array()) {
    const json::object* object = entry.if_object();
    const auto sql = run.scope.text(object != nullptr ? object->at("sql") : entry);
    if (!sql) return sql.error();
    std::vector<std::string> params;
    const json::value* given = object == nullptr ? nullptr : object->if_contains("params");
    if (given != nullptr) {
      const auto values = run.scope.expand(*given);
      if (!values) return values.error();
      if (!values->is_array()) return failure(Failure::bad_value, "params must be a list");
      for (const json::value& value : values->get_array()) params.push_back(text_of(value));
    }
    const auto done = database.run(*sql, params);
    if (!done) return done.error();
  }
  return {};
}

Result<void> run_model(Run& run, const json::object& step, SqliteDatabase& database) {
  const std::string model = jsonx::string_at(step, "model");
  if (model == "nzbdav-config") return write_nzbdav_config(run, database);
  if (model == "huntarr-apps") return write_huntarr_apps(run, database);
  if (model.empty()) return run_statements(run, step, database);
  return failure(Failure::not_installed, fmt::format("this build has no model {}", model));
}

Result<fs::path> place_of(Run& run, const json::object& step) {
  if (jsonx::string_at(step, "model") == "nzbdav-config")
    return run.scope.mapped(nzbdav_data(run.scope.own()) + "/db.sqlite");
  return run.scope.path(step.at("file"));
}

/// A new database is made with its mode and owner before anything is in it.
Result<void> prepare_file(Run& run, const fs::path& path) {
  if (run.facts.exists(path)) return {};
  const file::WriteOptions options = run.owned(0664);
  const auto made = file::make_directories(path.parent_path(), 0755, options.uid, options.gid);
  if (!made) return Run::failed(made.error());
  const auto written = file::write_atomic(path, "", options);
  if (!written) return Run::failed(written.error());
  run.changed(path);
  return {};
}

}  // namespace

void SqliteDatabase::Close::operator()(sqlite3* database) const noexcept {
  sqlite3_close_v2(database);
}

Result<SqliteDatabase> SqliteDatabase::open(const fs::path& path, Mode mode) {
  std::error_code error;
  if (mode != Mode::create && !fs::exists(path, error))
    return failure(Failure::missing_file, path.native() + " does not exist");
  const int how = mode == Mode::read
                      ? SQLITE_OPEN_READONLY
                      : SQLITE_OPEN_READWRITE | (mode == Mode::create ? SQLITE_OPEN_CREATE : 0);
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, how, nullptr);
  SqliteDatabase out;
  out.database_.reset(raw);
  if (opened != SQLITE_OK) return fault(raw, path);
  sqlite3_busy_timeout(raw, busy_limit_ms);
  return out;
}

Result<SqliteDatabase::Rows> SqliteDatabase::run(const std::string& sql,
                                                 const std::vector<std::string>& params) {
  sqlite3* database = database_.get();
  sqlite3_stmt* raw = nullptr;
  const int prepared = sqlite3_prepare_v2(database, sql.c_str(), -1, &raw, nullptr);
  const std::unique_ptr<sqlite3_stmt, Finalize> statement(raw);
  if (prepared != SQLITE_OK || raw == nullptr) return fault(database, file_of(database));
  for (std::size_t i = 0; i < params.size(); ++i) {
    const int bound = sqlite3_bind_text(raw, static_cast<int>(i + 1), params[i].data(),
                                        static_cast<int>(params[i].size()), SQLITE_TRANSIENT);
    if (bound != SQLITE_OK) return fault(database, file_of(database));
  }
  Rows rows;
  for (;;) {
    const int step = sqlite3_step(raw);
    if (step == SQLITE_DONE) return rows;
    if (step != SQLITE_ROW) return fault(database, file_of(database));
    std::vector<std::string> row;
    for (int i = 0; i < sqlite3_column_count(raw); ++i) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(raw, i));
      row.emplace_back(text == nullptr ? "" : text,
                       text == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(raw, i)));
    }
    rows.push_back(std::move(row));
  }
}

bool SqliteDatabase::has_table(const std::string& name) {
  const auto rows = run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1", {name});
  return rows && !rows->empty();
}

std::int64_t SqliteDatabase::changes() const {
  return sqlite3_total_changes(database_.get());
}

StepResult step_sqlite(Run& run, const json::object& step) {
  const auto path = place_of(run, step);
  if (!path) return path.error();
  const std::string model = jsonx::string_at(step, "model");
  if (model == "nzbdav-config" && !run.facts.exists(*path)) {
    run.log().warning(
        fmt::format("{}: {} is not there yet, so nothing is set up in it", run.name(), path->native()));
    return Effect::none;
  }
  if (model == "huntarr-apps") {
    const auto prepared = prepare_file(run, *path);
    if (!prepared) return prepared.error();
  }
  auto database = SqliteDatabase::open(*path, SqliteDatabase::Mode::change);
  if (!database) return database.error();
  const auto begun = database->run("BEGIN IMMEDIATE");
  if (!begun) return begun.error();
  const auto done = run_model(run, step, *database);
  if (!done) {
    const auto undone = database->run("ROLLBACK");
    if (!undone) run.log().warning(undone.error().message());
    return done.error();
  }
  const auto kept = database->run("COMMIT");
  if (!kept) return kept.error();
  return database->changes() > 0 ? Effect::changed : Effect::none;
}

std::string nzbdav_data(const json::object& nzbdav) {
  const json::value* given = catalog::member(nzbdav, "env.CONFIG_PATH");
  const std::string own = given == nullptr ? std::string() : text_of(*given);
  return own.starts_with('/') ? own : jsonx::text_at(nzbdav, "config_dir");
}

std::string nzbdav_item(Scope& scope, const std::string& name) {
  const json::object* block = scope.block_of("nzbdav");
  if (block == nullptr) return {};
  auto database =
      SqliteDatabase::open(scope.mapped(nzbdav_data(*block) + "/db.sqlite"), SqliteDatabase::Mode::read);
  if (!database || !database->has_table("ConfigItems")) return {};
  const auto rows = database->run("SELECT ConfigValue FROM ConfigItems WHERE ConfigName = ?1", {name});
  return rows && !rows->empty() ? rows->front().front() : std::string();
}

std::string nzbdav_api_key(Scope& scope) {
  std::string stored = nzbdav_item(scope, "api.key");
  if (!text::blank(stored)) return stored;
  const json::object* block = scope.block_of("nzbdav");
  const json::value* own =
      block == nullptr ? nullptr : catalog::member(*block, "env.FRONTEND_BACKEND_API_KEY");
  return own == nullptr ? std::string() : text_of(*own);
}

}  // namespace dumb::setup
