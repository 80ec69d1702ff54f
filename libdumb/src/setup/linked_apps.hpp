#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "setup/decypharr.hpp"

/// What NzbDAV and Huntarr keep about Arr instances in their databases (SVC-174, SVC-210). Pure.
namespace dumb::setup {

/// The value of `arr.instances`: linked ones added or replaced by host, sorted, compact, keys sorted.
std::string nzbdav_instances(std::string_view present, const std::vector<ArrInstance>& linked);
/// The value of `api.categories`.
std::string nzbdav_categories(std::string_view present, const std::vector<ArrInstance>& linked);

/// `config_data` of one application; `defaults` is used where there is none yet.
json::object huntarr_app(const json::object& present, const std::string& key,
                         const std::vector<ArrInstance>& linked);

}  // namespace dumb::setup
