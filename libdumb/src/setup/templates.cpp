#include "setup/templates.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <boost/json.hpp>
#include <dumb/base/text.hpp>
#include <dumb/supervisor/resolve.hpp>

#include "setup/postgres.hpp"
#include "setup/rclone.hpp"

namespace dumb::setup {
namespace {

/// A word of a shell command.
std::string sh(const std::string& word) {
  return "'" + text::replace_all(word, "'", "'\\''") + "'";
}

/// A literal of Python; what JSON escapes, Python reads alike.
std::string python(const std::string& value) {
  return json::serialize(json::value(json::string(value)));
}

json::value with_prefix_replaced(const json::value& value, const std::string& from, const std::string& to) {
  if (value.is_string()) {
    const std::string text(value.get_string());
    const bool below = text == from || text.starts_with(from + "/");
    return below ? json::value(json::string(to + text.substr(from.size()))) : value;
  }
  if (value.is_array()) {
    json::array out;
    for (const json::value& element : value.get_array())
      out.push_back(with_prefix_replaced(element, from, to));
    return json::value(std::move(out));
  }
  if (value.is_object()) {
    json::object out;
    for (const auto& [name, member] : value.get_object()) out[name] = with_prefix_replaced(member, from, to);
    return json::value(std::move(out));
  }
  return value;
}

}  // namespace

std::string nzbdav_start(const NzbdavProgram& program) {
  const std::string file = program.output + "/" + program.project;
  const std::string backend = program.executable ? sh(file) : "dotnet " + sh(file + ".dll");
  std::string out = "#!/bin/sh\n# Written at every setup: changes made here are lost.\ncd " +
                    sh(program.output) + " || exit 1\n" + backend + " --db-migration || exit $?\n" + backend +
                    " &\nbackend=$!\nfrontend=\n";
  if (!program.frontend.empty()) {
    out += "(cd " + sh(program.frontend) + " && exec node dist-node/server.js) &\nfrontend=$!\n";
  }
  // `wait -n` is not POSIX: whichever ends is seen by its missing pid, looked for once a second.
  out +=
      "end() { kill -TERM $backend $frontend 2>/dev/null; }\n"
      "trap end TERM INT\n"
      "if [ -z \"$frontend\" ]; then\n"
      "  wait $backend; status=$?\n"
      "  while kill -0 $backend 2>/dev/null; do wait $backend; status=$?; done\n"
      "  exit $status\n"
      "fi\n"
      "first=\n"
      "while [ -z \"$first\" ]; do\n"
      "  kill -0 $backend 2>/dev/null || first=$backend\n"
      "  [ -n \"$first\" ] || kill -0 $frontend 2>/dev/null || first=$frontend\n"
      "  if [ -z \"$first\" ]; then sleep 1 & wait $!; fi\n"
      "done\n"
      "wait $first; status=$?\n"
      "end\n"
      "wait $backend $frontend\n"
      "exit $status\n";
  return out;
}

Result<std::string> pgadmin_config(const json::object& block, const json::object& postgres,
                                   const std::string& data, const std::string& tools) {
  const auto connection = pg::connection(postgres);
  if (!connection) return connection.error();
  const auto port = text::to_int(jsonx::text_at(block, "port"));
  if (!port) return failure(Failure::bad_value, "port must be a number");
  std::string out = "# Written at every setup: changes made here are lost.\nSERVER_MODE = True\n";
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{} = {}\n", name, value);
  };
  line("DATA_DIR", python(data));
  line("DEFAULT_SERVER", python(jsonx::text_at(block, "default_server")));
  line("DEFAULT_SERVER_PORT", std::to_string(*port));
  line("LOG_FILE", python(data + "/pgadmin4.log"));
  line("CONFIG_DATABASE_URI",
       python(fmt::format("postgresql://{}:{}@{}:{}/pgadmin", text::percent_encode(connection->user),
                          text::percent_encode(connection->password), connection->host, connection->port)));
  line("SESSION_DB_PATH", python(data + "/sessions"));
  line("STORAGE_DIR", python(data + "/storage"));
  out += "DEFAULT_BINARY_PATHS = {\n";
  for (const char* family : {"pg", "ppas"}) {
    out += fmt::format("    {}: {},\n", python(family), python(tools));
    for (int version = 12; version <= 17; ++version)
      out += fmt::format("    {}: {},\n", python(fmt::format("{}-{}", family, version)), python(tools));
  }
  return out + "}\n";
}

Result<json::array> profilarr_command(const json::object& block, const json::value* command) {
  auto given = command_words(command);
  if (!given) return given.error();
  const std::string directory = jsonx::text_at(block, "config_dir") + "/backend";
  const std::string port = jsonx::text_at(block, "port");
  std::vector<std::string> words{directory + "/venv/bin/gunicorn"};
  bool moved = false;
  bool bound = false;
  for (std::size_t i = 1; i < given->size(); ++i) {
    std::string word = (*given)[i];
    if (word == "backend.app.main:create_app()" || word == "app.main:create_app()") continue;
    const bool has_next = i + 1 < given->size();
    if (word == "--chdir" && has_next) {
      words.insert(words.end(), {word, directory});
      moved = true;
      ++i;
    } else if ((word == "--bind" || word == "-b") && has_next) {
      std::string host = (*given)[++i];
      if (const std::size_t colon = host.rfind(':'); colon != std::string::npos) host.erase(colon);
      words.insert(words.end(), {word, host + ":" + port});
      bound = true;
    } else {
      words.push_back(std::move(word));
    }
  }
  if (!moved) words.insert(words.end(), {"--chdir", directory});
  if (!bound) words.insert(words.end(), {"--bind", "0.0.0.0:" + port});
  words.emplace_back("app.main:create_app()");
  json::array out;
  for (std::string& word : words) out.emplace_back(std::move(word));
  return out;
}

json::object own_directories(const json::object& block, const std::string& key) {
  json::object out;
  const std::string from = "/" + key + "/default";
  const std::string to(jsonx::text_at(block, "config_dir"));
  if (text::blank(to) || to == from || to.starts_with(from + "/")) return out;
  for (const char* name : {"exclude_dirs", "config_file", "log_file", "command", "env"}) {
    const json::value* present = block.if_contains(name);
    if (present == nullptr) continue;
    json::value wanted = with_prefix_replaced(*present, from, to);
    if (!jsonx::same(*present, wanted)) out[name] = std::move(wanted);
  }
  return out;
}

void add_small_models(Scope& scope) {
  scope.filters["profilarr"] = [&scope](const json::value& command) -> Result<json::value> {
    auto words = profilarr_command(scope.own(), &command);
    if (!words) return words.error();
    return json::value(std::move(*words));
  };
  scope.filters["zilean-connection"] = [&scope](const json::value& given) -> Result<json::value> {
    const json::object* postgres = scope.block_of("postgres");
    if (postgres == nullptr) return given;
    return json::value(
        json::string(supervisor::follow_postgres_in_connection_string(text_of(given), "zilean", *postgres)));
  };
}

}  // namespace dumb::setup
