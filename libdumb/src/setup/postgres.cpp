#include "setup/postgres.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>

namespace dumb::setup::pg {
namespace {

constexpr std::size_t longest_identifier = 63;
constexpr std::size_t longest_socket_path = 107;

std::string member_text(const json::object& block, std::string_view name) {
  const json::value* found = block.if_contains(name);
  return found == nullptr ? std::string() : text_of(*found);
}

}  // namespace

Result<Connection> connection(const json::object& block) {
  Connection out;
  out.host = text::trim(member_text(block, "host"));
  if (out.host.empty() || out.host == "0.0.0.0" || out.host == "::" || out.host == "*")
    out.host = "127.0.0.1";
  out.user = member_text(block, "user");
  out.password = member_text(block, "password");
  const auto port = text::to_int(member_text(block, "port"));
  if (!port || *port < 1 || *port > 65535)
    return failure(Failure::bad_value, "port must be between 1 and 65535");
  out.port = static_cast<int>(*port);
  if (text::blank(out.user)) return failure(Failure::missing_field, "user must be set");
  if (out.user.size() > longest_identifier)
    return failure(Failure::bad_value, "user must have at most 63 bytes");
  if (text::blank(out.password)) return failure(Failure::missing_field, "password must be set");
  if (out.password.find_first_of(std::string_view("\n\r\0", 3)) != std::string::npos) {
    return failure(Failure::bad_value, "password must not hold a line break");
  }
  return out;
}

std::string quote_identifier(std::string_view name) {
  return "\"" + text::replace_all(std::string(name), "\"", "\"\"") + "\"";
}

std::string quote_literal(std::string_view text) {
  std::string doubled = text::replace_all(std::string(text), "'", "''");
  if (doubled.find('\\') == std::string::npos) return "'" + doubled + "'";
  return "E'" + text::replace_all(std::move(doubled), "\\", "\\\\") + "'";
}

std::string passfile(const Connection& connection) {
  const auto escaped = [](std::string text) {
    return text::replace_all(text::replace_all(text, "\\", "\\\\"), ":", "\\:");
  };
  return fmt::format("*:{}:*:{}:{}\n", connection.port, escaped(connection.user),
                     escaped(connection.password));
}

std::string new_configuration(const json::object& block) {
  Settings settings{{"listen_addresses", "*"}};
  for (const char* name : {"port", "max_connections", "shared_buffers"}) {
    const std::string value = member_text(block, name);
    if (!text::blank(value)) settings.push_back({name, value});
  }
  const auto text = edit_kv("", settings);
  return text ? *text : std::string();
}

Result<std::optional<std::string>> socket_directory(const std::filesystem::path& run_directory,
                                                    const std::filesystem::path& configured,
                                                    const std::filesystem::path& tools, int port) {
  const std::string socket = (run_directory / fmt::format(".s.PGSQL.{}", port)).native();
  if (socket.size() > longest_socket_path) {
    return failure(
        Failure::bad_value,
        fmt::format(
            "run_directory {} is too long for a socket: {} has {} bytes, at most {} are possible; use a "
            "shorter root or run_directory",
            configured.native(), socket, socket.size(), longest_socket_path));
  }
  // Debian builds the server with this default; what another one was built with is not known.
  const bool debian = lies_below(tools, "/usr/lib/postgresql");
  if (debian && (run_directory == "/run/postgresql" || run_directory == "/var/run/postgresql")) {
    return std::optional<std::string>();
  }
  std::string value = run_directory.native();
  if (value.find_first_of(", \t\"") != std::string::npos) value = quote_identifier(value);
  return std::optional<std::string>(std::move(value));
}

Result<std::vector<std::string>> initdb_arguments(const std::string& data, const std::string& user,
                                                  const std::string& pwfile, std::string_view extra) {
  const auto words = text::shell_words(extra);
  if (!words) return failure(Failure::bad_value, "initdb_args: " + words.error().message());
  std::vector<std::string> arguments{"-D", data, "-U", user, "--pwfile=" + pwfile};
  const bool own_auth = std::any_of(words->begin(), words->end(), [](const std::string& word) {
    return word.starts_with("--auth") || word == "-A" || (word.starts_with("-A") && !word.starts_with("--"));
  });
  if (!own_auth) arguments.insert(arguments.end(), {"--auth-local=trust", "--auth-host=scram-sha-256"});
  arguments.insert(arguments.end(), words->begin(), words->end());
  return arguments;
}

Result<std::vector<std::string>> server_command(const json::value* command, const json::object& block,
                                                const std::filesystem::path& tools) {
  std::vector<std::string> words;
  if (command != nullptr && command->is_string()) {
    auto split = text::shell_words(command->get_string());
    if (!split) return failure(Failure::bad_value, "command: " + split.error().message());
    words = std::move(*split);
  } else if (command != nullptr && command->is_array()) {
    for (const json::value& word : command->get_array()) words.push_back(text_of(word));
  }
  if (words.empty()) return failure(Failure::missing_field, "command must be set");
  const catalog::Lookup look = [&](std::string_view name) -> std::optional<json::value> {
    if (name.starts_with("postgres_")) name.remove_prefix(9);
    const json::value* found = block.if_contains(name);
    if (found == nullptr || found->is_object() || found->is_array()) return std::nullopt;
    return *found;
  };
  for (std::string& word : words) {
    auto filled = catalog::expand_text(word, look);
    if (!filled) return failure(Failure::bad_value, "command: " + filled.error().message());
    word = std::move(*filled);
  }
  if (words.front().find('/') == std::string::npos) words.front() = (tools / words.front()).native();
  return words;
}

Result<std::vector<std::string>> wanted_databases(const json::object& block) {
  std::vector<std::string> names;
  const json::value* databases = block.if_contains("databases");
  if (databases == nullptr || !databases->is_array()) return names;
  for (const json::value& entry : databases->get_array()) {
    const json::object* object = entry.if_object();
    if (object != nullptr && !jsonx::bool_at(*object, "enabled", true)) continue;
    const std::string name = object == nullptr ? text_of(entry) : member_text(*object, "name");
    if (text::blank(name)) return failure(Failure::bad_value, "a name in databases is blank");
    if (name.size() > longest_identifier || name.find('\0') != std::string::npos) {
      return failure(Failure::bad_value,
                     fmt::format("the name of database \"{}\" has more than 63 bytes", name));
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

std::string create_databases_sql(const std::vector<std::string>& names, std::string_view owner) {
  std::string sql;
  for (const std::string& name : names) {
    const std::string create =
        fmt::format("CREATE DATABASE {} OWNER {}", quote_identifier(name), quote_identifier(owner));
    sql += fmt::format("SELECT {} WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = {})\\gexec\n",
                       quote_literal(create), quote_literal(name));
  }
  return sql;
}

std::vector<std::string> extensions_of(std::string_view database) {
  if (database == "postgres") return {"system_stats", "pgagent"};
  return {"system_stats"};
}

std::string state_sql(const std::vector<std::string>& extensions) {
  std::string sql = "SELECT 'ready' WHERE NOT pg_is_in_recovery();\n";
  for (const std::string& name : extensions) {
    sql += fmt::format("SELECT {} FROM pg_available_extensions WHERE name = {};\n",
                       quote_literal("available " + name), quote_literal(name));
    sql += fmt::format("SELECT {} FROM pg_extension WHERE extname = {};\n",
                       quote_literal("installed " + name), quote_literal(name));
  }
  return sql;
}

std::string create_extension_sql(std::string_view name) {
  return fmt::format("CREATE EXTENSION {};\n", quote_identifier(name));
}

std::string create_temporary_role_sql() {
  return fmt::format("{}CREATE ROLE {} SUPERUSER LOGIN;\n", drop_temporary_role_sql(),
                     quote_identifier(temporary_role));
}

std::string rename_role_sql(std::string_view from, std::string_view to, std::string_view verifier) {
  return fmt::format("BEGIN;\nALTER ROLE {0} RENAME TO {1};\nALTER ROLE {1} PASSWORD {2};\nCOMMIT;\n",
                     quote_identifier(from), quote_identifier(to), quote_literal(verifier));
}

std::string drop_temporary_role_sql() {
  return fmt::format("SELECT {} WHERE EXISTS (SELECT 1 FROM pg_roles WHERE rolname = {})\\gexec\n",
                     quote_literal("DROP ROLE " + quote_identifier(temporary_role)),
                     quote_literal(temporary_role));
}

std::string database_argument(std::string_view database) {
  std::string out = "dbname='";
  for (const char c : database) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string register_server_sql(const Connection& connection) {
  const std::string name = quote_literal(connection.user);
  const std::string host = quote_literal(connection.host);
  return fmt::format(
      "INSERT INTO public.server (user_id, servergroup_id, name, host, port, maintenance_db, username, "
      "connection_params) SELECT 1, 1, {0}, {1}, {2}, 'postgres', {0}, '{{\"connect_timeout\": 10}}' WHERE "
      "NOT "
      "EXISTS (SELECT 1 FROM public.server WHERE name = {0} AND host = {1} AND port = {2});\n",
      name, host, connection.port);
}

std::string sizes_sql() {
  return "SELECT datname || ' ' || pg_size_pretty(pg_database_size(oid)) FROM pg_database WHERE datallowconn "
         "AND NOT "
         "datistemplate ORDER BY datname;\n";
}

std::string major_version(std::string_view version_output) {
  const std::size_t at = version_output.find_first_of("0123456789");
  if (at == std::string_view::npos) return {};
  std::string_view rest = version_output.substr(at);
  rest = rest.substr(0, rest.find_first_not_of("0123456789."));
  const auto parts = text::split(rest, '.');
  const auto first = text::to_int(parts.front()).value_or(0);
  return first >= 10 || parts.size() < 2 ? parts.front() : parts[0] + "." + parts[1];
}

std::optional<PidFile> parse_pid_file(std::string_view text) {
  const auto lines = text::split(text, '\n');
  if (lines.size() < 2) return std::nullopt;
  auto pid = text::to_int(text::trim(lines[0]));
  if (!pid || *pid == 0) return std::nullopt;
  if (*pid < 0) pid = -*pid;  // a standalone backend
  return PidFile{static_cast<int>(*pid), std::string(text::trim(lines[1]))};
}

}  // namespace dumb::setup::pg
