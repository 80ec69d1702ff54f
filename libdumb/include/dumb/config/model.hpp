#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace dumb::config {

/// What the configuration has to know of one service key. Built by the catalogue.
struct ServiceFacts {
  std::string key;                ///< "rclone", "dumb_frontend"
  JsonPath path;                  ///< {"rclone"}, {"dumb", "frontend"}
  bool multi_instance = false;    ///< the section holds `instances`
  std::string template_instance;  ///< name of the template entry, if multi_instance
  bool in_default_config = true;
  bool command_from_setup = false;  ///< setup decides the command, so it may be empty here
  json::object defaults;            ///< the block's default members, in file order
  std::vector<std::string> optional_keys;
  std::vector<std::string> also_accepted;
};

/// Everything the configuration needs from outside: the default document, its schema and the names of
/// services.
struct Model {
  json::object defaults;  ///< the whole default document (CFG-2)
  json::object schema;    ///< JSON Schema of the whole document (CFG-3)
  std::vector<ServiceFacts> services;
  /// Lower-cased keys, display names and aliases -> key (DEP-2).
  std::map<std::string, std::string, std::less<>> tokens;
  /// Later names of top-level keys -> the canonical one: infinidysk -> nzbdav (CFG-40).
  std::vector<std::pair<std::string, std::string>> key_aliases;

  const ServiceFacts* find(std::string_view key) const noexcept;
};

}  // namespace dumb::config
