#pragma once

#include <boost/json.hpp>
#include <dumb/base/json.hpp>
#include <dumb/catalog/catalog.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "support/support.hpp"

namespace dumb::test {

/// A service of the catalogue whose program is in place already and needs no setup: the test child with
/// `arguments`. Its ports are free ones.
inline json::object stub_service(const std::string& key, const std::vector<std::string>& arguments = {},
                                 const std::string& configure = "[]") {
  json::object service = catalog::Catalog::embedded().find(key)->raw;
  json::object steps;
  steps["configure"] = *jsonx::parse(configure);
  steps["post_start"] = json::array();
  service["steps"] = std::move(steps);
  service["command_from"] = "config";
  service["launch"] = json::object();
  json::object& defaults = service["defaults"].as_object();
  json::array command;
  command.emplace_back(test_child());
  for (const std::string& argument : arguments) command.emplace_back(argument);
  defaults["command"] = std::move(command);
  defaults["env"] = json::object();
  if (key != "zurg") {
    service["install"] = json::object{{"method", "builtin"}};
    defaults["config_dir"] = "/";
    defaults["log_file"] = "/log/" + key + ".log";
  }
  for (const char* field : {"port", "frontend_port", "backend_port"}) {
    if (defaults.contains(field)) defaults[field] = free_port();
  }
  service["ports"] = json::array();
  service["health"] = *jsonx::parse(R"({"port_fields": [], "env_ports": []})");
  return service;
}

/// The program of the zurg instance at `segment`, beneath `root`: answers on the port, as its rclone waits
/// for.
inline void place_zurg(const std::filesystem::path& root, const std::string& segment, int port) {
  const std::filesystem::path program = root / "zurg/RD" / segment / "zurg";
  write_text(program, "#!/bin/sh\nexec " + test_child() + " --listen " + std::to_string(port) + "\n");
  std::filesystem::permissions(program, std::filesystem::perms(0755));
}

}  // namespace dumb::test
