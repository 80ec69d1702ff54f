#pragma once

#include <boost/json/object.hpp>
#include <dumb/base/json.hpp>
#include <string>

namespace dumb::setup {

/// A new configuration file for zurg (SVC-142). Pure.
std::string new_zurg_config(const json::object& block);

}  // namespace dumb::setup
