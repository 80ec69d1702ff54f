#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "setup/edits.hpp"
#include "setup/scope.hpp"

/// What PostgreSQL needs, as text (SVC-110 to SVC-122). All pure.
namespace dumb::setup::pg {

/// The connection the postgres section describes; a wildcard host is loopback.
struct Connection {
  std::string host, user, password;
  int port = 0;
};
/// Fails with missing_field or bad_value naming the member.
Result<Connection> connection(const json::object& block);

std::string quote_identifier(std::string_view name);
std::string quote_literal(std::string_view text);
/// One line for every host and database: `*:port:*:user:password`.
std::string passfile(const Connection& connection);
/// What the server stores of a password: with it, a statement holds no password that a server log could show.
/// `salt` is 16 bytes. Falls back to the password itself where it is not plain ASCII (it would have to be
/// normalised first, which the server does).
Result<std::string> password_verifier(std::string_view password, std::string_view salt);

/// A new configuration file (SVC-115).
std::string new_configuration(const json::object& block);
/// The value of unix_socket_directories for a real run directory, or nullopt where it is the server's
/// default. `tools` is where the server's programs are. Fails with bad_value when the socket's path is over
/// 107 bytes.
Result<std::optional<std::string>> socket_directory(const std::filesystem::path& run_directory,
                                                    const std::filesystem::path& configured,
                                                    const std::filesystem::path& tools, int port);

/// The words behind `initdb`: `data` and `pwfile` as given, then the user's own, whose --auth options replace
/// ours.
Result<std::vector<std::string>> initdb_arguments(const std::string& data, const std::string& user,
                                                  const std::string& pwfile, std::string_view extra);
/// The command with every `{field}` and `{postgres_field}` filled and a relative program taken from `tools`
/// (SVC-116). Other braces stay.
Result<std::vector<std::string>> server_command(const json::value* command, const json::object& block,
                                                const std::filesystem::path& tools);

/// Names of `databases` whose `enabled` is not false, in order. Fails with bad_value (SVC-118).
Result<std::vector<std::string>> wanted_databases(const json::object& block);
/// A script for psql that creates what is missing of these databases.
std::string create_databases_sql(const std::vector<std::string>& names, std::string_view owner);
/// A query that prints `ready` once the server is out of recovery, `available NAME` per extension the server
/// has and `installed NAME` per one the database has.
std::string state_sql(const std::vector<std::string>& extensions);
std::string create_extension_sql(std::string_view name);
std::vector<std::string> extensions_of(std::string_view database);
/// The scripts that rename the role of an older product name and keep its password in force (SVC-120): run
/// the first as the old role, the second as the temporary one, the third as the new one.
inline constexpr std::string_view temporary_role = "dumb_role_rename";
std::string create_temporary_role_sql();
std::string rename_role_sql(std::string_view from, std::string_view to, std::string_view verifier);
std::string drop_temporary_role_sql();
/// What psql takes as `-d`: a bare name could be read as a connection string.
std::string database_argument(std::string_view database);
std::string sizes_sql();
/// Enters the server into pgAdmin's table unless it is there by name, host and port (SVC-126).
std::string register_server_sql(const Connection& connection);

/// `15.4`, `9.6.2` of "postgres (PostgreSQL) 15.4 (Debian …)" -> "15", "9.6".
std::string major_version(std::string_view version_output);
/// The first four lines of postmaster.pid or a socket lock: pid, data directory, start, port.
struct PidFile {
  int pid = 0;
  std::string data_directory;
};
std::optional<PidFile> parse_pid_file(std::string_view text);

}  // namespace dumb::setup::pg
