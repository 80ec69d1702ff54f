#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "setup/scope.hpp"

/// Whole files and values of services that need no part of their own (SVC-219). Pure but for Facts.
namespace dumb::setup {

/// What the start script of NzbDAV has to know (SVC-171, SVC-172); paths are real ones.
struct NzbdavProgram {
  std::string output;   ///< where the backend was published
  std::string project;  ///< its name, without extension
  bool executable = false;
  std::string frontend;  ///< its directory; empty: there is none
};
std::string nzbdav_start(const NzbdavProgram& program);

/// pgAdmin's config_local.py (SVC-124). `tools` is the directory of psql, `data` the mapped config_dir.
Result<std::string> pgadmin_config(const json::object& block, const json::object& postgres,
                                   const std::string& data, const std::string& tools);

/// The command of Profilarr (SVC-212), placeholders of its port filled.
Result<json::array> profilarr_command(const json::object& block, const json::value* command);

/// Members whose paths begin with the template instance's directory, as they are for this instance (SVC-207);
/// only those that differ.
json::object own_directories(const json::object& block, const std::string& key);

void add_small_models(Scope& scope);

}  // namespace dumb::setup
