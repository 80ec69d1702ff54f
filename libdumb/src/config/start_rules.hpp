#pragma once

#include <boost/json/object.hpp>
#include <dumb/config/snapshot.hpp>
#include <functional>
#include <set>
#include <string>

#include "config/json_schema.hpp"

/// What a block says about its start and a schema cannot check well: whom it waits for, how it tells that it
/// is ready. Pure; every fault is collected.
namespace dumb::config {

/// CFG-115. `names`: every process of the document.
void check_depends_on(const json::object& block, const BlockRef& ref,
                      const std::set<std::string, std::less<>>& names, schema::Faults& faults);
/// CFG-106 to CFG-114.
void check_readiness(const json::object& block, const BlockRef& ref, schema::Faults& faults);

}  // namespace dumb::config
