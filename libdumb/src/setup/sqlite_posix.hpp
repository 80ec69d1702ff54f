#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "setup/run_posix.hpp"

struct sqlite3;

/// Databases of services in SQLite: the step sql with engine sqlite. Blocking.
namespace dumb::setup {

/// One open database, closed when it goes. Statements wait up to 10 s for others.
class SqliteDatabase {
 public:
  enum class Mode { read, change, create };
  /// Fails with missing_file or database_failed.
  static Result<SqliteDatabase> open(const std::filesystem::path& path, Mode mode);

  using Rows = std::vector<std::vector<std::string>>;
  /// One statement with its parameters bound, as text; null columns are blank. Fails with database_failed.
  Result<Rows> run(const std::string& sql, const std::vector<std::string>& params = {});
  bool has_table(const std::string& name);
  /// Rows changed since it was opened.
  std::int64_t changes() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const noexcept;
  };
  std::unique_ptr<sqlite3, Close> database_;
};

/// Runs the step in one transaction.
StepResult step_sqlite(Run& run, const json::object& step);

/// The directory of NzbDAV's own data, unmapped (SVC-170).
std::string nzbdav_data(const json::object& nzbdav);
/// A value of NzbDAV's ConfigItems; blank when there is none.
std::string nzbdav_item(Scope& scope, const std::string& name);
/// What its clients authenticate with (SVC-173).
std::string nzbdav_api_key(Scope& scope);

// The models, each inside the transaction of an open database.
Result<void> write_nzbdav_config(Run& run, SqliteDatabase& database);
Result<void> write_huntarr_apps(Run& run, SqliteDatabase& database);

}  // namespace dumb::setup
