#include "arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

namespace dumb::server {
namespace {

std::string variable(const config::Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

std::filesystem::path default_root(const config::Environment& environment, bool root_user) {
  if (root_user) return "/";
  // A relative XDG_DATA_HOME is to be ignored by its own specification.
  if (const std::filesystem::path data = variable(environment, "XDG_DATA_HOME"); data.is_absolute()) {
    return data / "dumb";
  }
  if (const std::filesystem::path home = variable(environment, "HOME"); home.is_absolute()) {
    return home / ".local/share/dumb";
  }
  return {};
}

}  // namespace

ParsedArguments parse_arguments(const std::vector<std::string>& arguments,
                                const config::Environment& environment, bool root_user,
                                const std::filesystem::path& working_directory, const std::string& version) {
  std::string root = variable(environment, "DUMB_ROOT");
  std::string config = variable(environment, "DUMB_CONFIG");
  std::string host;
  int port = 0;
  CLI::App app("Supervises a media stack and serves its HTTP API.", "dumb-server");
  app.set_version_flag("--version", "dumb-server " + version);
  app.add_option("--root", root, "Folder the whole stack lives beneath (DUMB_ROOT)")->type_name("DIR");
  app.add_option("--config", config,
                 "Configuration file (DUMB_CONFIG); default: config/dumb_config.json beneath the root")
      ->type_name("FILE");
  const auto* host_option =
      app.add_option("--host", host, "Address to listen on, instead of the configuration's")->type_name("H");
  const auto* port_option =
      app.add_option("--port", port, "Port to listen on, instead of the configuration's; 0 takes a free one")
          ->type_name("P")
          ->check(CLI::Range(0, 65535));
  bool replace = false;
  app.add_flag("--replace", replace, "Take the place of a dumb-server that runs over the same root");
  int listening = -1;
  app.add_option("--listening-fd", listening)->group("");
  ParsedArguments out;
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& stop) {
    std::ostringstream good;
    std::ostringstream bad;
    out.exit_status = app.exit(stop, good, bad) == 0 ? 0 : 2;
    out.output = out.exit_status == 0 ? good.str() : bad.str();
    return out;
  }
  Arguments run;
  run.root = root.empty() ? default_root(environment, root_user) : working_directory / root;
  if (run.root.empty()) {
    out.exit_status = 2;
    out.output = "dumb-server: no home directory is known; name a folder with --root\n";
    return out;
  }
  run.root = run.root.lexically_normal();
  if (!config.empty()) run.config = (working_directory / config).lexically_normal();
  if (host_option->count() > 0) run.host = host;
  if (port_option->count() > 0) run.port = static_cast<std::uint16_t>(port);
  run.replace = replace;
  if (listening >= 0) run.listening = listening;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--listening-fd") {
      ++i;
    } else if (arguments[i] != "--replace") {
      run.words.push_back(arguments[i]);
    }
  }
  out.run = std::move(run);
  return out;
}

}  // namespace dumb::server
