#pragma once

#include <dumb/base/error.hpp>
#include <dumb/base/json.hpp>
#include <dumb/catalog/catalog.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace dumb::catalog {

/// Reads one catalogue file. Fails with Errc::bad_json or Errc::invalid_config; `where` is `file`, the
/// message lists every faulty member by JSON pointer (SVC-2).
Result<Service> read_service(std::string_view file, std::string_view text,
                             const std::vector<std::string>& tiers);

/// What breaks SVC-2 in the parts of a service that are programs: steps, conditions, models, filters,
/// sources.
void check_programs(const json::object& service, std::vector<Problem>& problems);

}  // namespace dumb::catalog
